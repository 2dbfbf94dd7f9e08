-- Revert pg-tenancy:workspaces from pg

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP TRIGGER organizations_workspaces ON public.organizations;
DROP TRIGGER users_workspaces ON public.users;
DROP FUNCTION tenancy_private.add_workspaces();
DROP TABLE tenancy.workspaces;
DROP FUNCTION tenancy_private.keep_workspaces();
DROP FUNCTION tenancy_private.color_for(uuid);

COMMIT;
