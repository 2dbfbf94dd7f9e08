-- Revert pg-tenancy:role_permissions_policies from pg

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['tenancy.role_permissions', 'tenancy.role_delegations']::regclass[],
    'ACCESS EXCLUSIVE', 'SELECT'
);

-- Closed again, as the change role_permissions left them.
CALL tenancy_private.close_own_table('tenancy.role_permissions');
CALL tenancy_private.close_own_table('tenancy.role_delegations');

COMMIT;
