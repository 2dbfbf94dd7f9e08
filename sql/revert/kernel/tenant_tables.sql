-- Revert pg-tenancy:kernel/tenant_tables from pg

\set change kernel/tenant_tables
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP PROCEDURE tenancy_private.want_narrow_indexes(text);
DROP PROCEDURE tenancy_private.release_adoption(text);
DROP PROCEDURE tenancy_private.keep_ownership(text);
DROP PROCEDURE tenancy_private.finish_adoption(text);
DROP PROCEDURE tenancy_private.adopt_online(
    text, regclass, jsonb, name, text, jsonb, jsonb, jsonb, name[], jsonb
);
DROP PROCEDURE tenancy_private.want_indexes(regclass, jsonb);
DROP PROCEDURE tenancy_private.return_ownership(text);
DROP PROCEDURE tenancy_private.fill_workspaces(text);
DROP PROCEDURE tenancy_private.add_ownership(text);
DROP FUNCTION tenancy_private.adoption_of(text);
DROP PROCEDURE tenancy_private.check_tenant_table(regclass, name, jsonb, jsonb);
DROP TRIGGER organizations_tenancy_kept ON public.organizations;
CALL tenancy_private.forget_triggers('public.organizations', 'organizations_tenancy_kept');
DROP FUNCTION tenancy_private.keep_organization();
DROP FUNCTION tenancy.assign(regclass, uuid, text, integer);
DROP FUNCTION tenancy_private.set_workspace();
DROP FUNCTION tenancy.default_user_id();
DROP FUNCTION tenancy.default_organization_id();

\ir ../../notes/done.psql
COMMIT;
