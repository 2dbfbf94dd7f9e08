-- Verify pg-tenancy:kernel/adoption on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.check_adoptable(regclass)',
    'tenancy_private.key_columns(regclass)',
    'tenancy_private.optional_columns(regclass, name[])',
    'tenancy_private.tell_closed_columns(regclass)',
    'tenancy_private.tell_unprotected()',
    'tenancy_private.short_name(regclass, text)',
    'tenancy_private.name_for(regclass, text)',
    'tenancy_private.grant_rights(regclass, name, text[])',
    'tenancy_private.grant_schema(regclass)',
    'tenancy_private.is_enforced(pg_constraint)',
    'tenancy_private.has_unique_index(regclass, name[])',
    'tenancy_private.name_of_part(regclass, text, name[], text)',
    'tenancy_private.add_keys(regclass, name, regclass, boolean)',
    'tenancy_private.adopt_table(regclass, name, name, boolean)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.unprotected_tables()'
], ARRAY['tenancy_service']);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.default_workspace_id()',
    'tenancy.default_author_id()'
], ARRAY['tenancy_credentialed', 'tenancy_service', 'tenancy_legacy', 'tenancy_writer']);

ROLLBACK;
