-- Revert pg-tenancy:kernel/workspaces from pg

\set change kernel/workspaces
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.users', 'public.organizations']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

DROP TRIGGER organizations_tenancy_workspaces ON public.organizations;
DROP TRIGGER users_tenancy_workspaces ON public.users;
CALL tenancy_private.forget_triggers('public.organizations', 'organizations_tenancy_workspaces');
CALL tenancy_private.forget_triggers('public.users', 'users_tenancy_workspaces');
DROP FUNCTION tenancy_private.add_workspace();
CALL tenancy_private.forget_contract('tenancy.workspaces');
DROP TABLE tenancy.workspaces;
DROP FUNCTION tenancy_private.keep_workspaces();
DROP FUNCTION tenancy_private.color_for(uuid);

\ir ../../notes/done.psql
COMMIT;
