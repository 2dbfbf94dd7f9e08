-- Verify pg-tenancy:policy_helpers on pg

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.close_table(regclass, name)',
    'tenancy_private.reopen_table(regclass)',
    'tenancy.drop_policies(regclass)',
    'tenancy_private.verify_policies(regclass, text[])',
    'tenancy_private.verify_grants(regclass, text, text)',
    'tenancy_private.verify_routines(text[], text[])',
    'tenancy_private.verify_tenant_table(regclass, text[])'
]);

SELECT
    t.table_name,
    t.row_security,
    t.is_forced
FROM tenancy_private.closed_tables AS t
LIMIT 0;

ROLLBACK;
