-- Verify pg-tenancy:kernel/policy_helpers on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.ways_around(regclass)',
    'tenancy_private.close_table(regclass, name)',
    'tenancy_private.reopen_table(regclass)',
    'tenancy_private.verify_routines(text[], text[], boolean)',
    'tenancy_private.verify_tenant_table(regclass, text[])',
    'tenancy_private.verify_writers(text[])',
    -- verify_routines() comes later than these.
    'tenancy_private.key_check_names()',
    'tenancy_private.triggers_of(regclass)',
    'tenancy_private.contract_of(regclass)',
    'tenancy_private.record_contract(regclass)',
    'tenancy_private.record_triggers(regclass, name[])',
    'tenancy_private.drop_triggers_calling(regclass, text)',
    'tenancy_private.forget_triggers(regclass, name[])',
    'tenancy_private.forget_contract(regclass)',
    'tenancy.drop_policies(regclass)',
    'tenancy_private.close_own_table(regclass)',
    'tenancy_private.broken_contracts(regclass)',
    'tenancy_private.require_no_problems(regproc, text, text, text)',
    'tenancy_private.verify_contracts()'
]);

SELECT
    t.table_name,
    t.row_security,
    t.is_forced,
    t.public_privileges
FROM tenancy_private.closed_tables AS t
LIMIT 0;

ROLLBACK;
