-- Revert pg-tenancy:kernel/tenant_tables from pg

-- The change that comes next in the plan may have failed halfway, and then
-- nothing but this script takes it back.
\ir ../../adoption/patiently.psql
\ir ../../adoption/tenant_table.psql
\ir ../../adoption/remove_api_keys_workspaces.psql

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.assign(regclass, uuid, text, integer);
DROP FUNCTION tenancy_private.set_workspace();
DROP FUNCTION tenancy.default_user_id();
DROP FUNCTION tenancy.default_organization_id();

COMMIT;
