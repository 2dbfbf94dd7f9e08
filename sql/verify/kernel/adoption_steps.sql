-- Verify pg-tenancy:kernel/adoption_steps on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.refuse_orphans(regclass, name, regclass, text)',
    'tenancy_private.validate_constraint(regclass, name)',
    'tenancy_private.invoker_triggers(regclass)',
    'tenancy_private.needs_of(regclass)',
    'tenancy_private.has_part(regclass, text, name, text)',
    'tenancy_private.record_part(regclass, text, name, text)',
    'tenancy_private.add_default(regclass, name, text, text)',
    'tenancy_private.add_workspace_column(regclass, text, text)',
    'tenancy_private.grant_read(regclass, text)',
    'tenancy_private.current_part(tenancy_private.adopted_parts)',
    'tenancy_private.needs_schema(regclass, name, text)',
    'tenancy_private.leave_schema(regclass)',
    'tenancy_private.drop_parts(regclass, text)',
    'tenancy_private.drop_parts_of(text)',
    'tenancy_private.columns_of_index(oid)',
    'tenancy_private.missing_indexes()',
    'tenancy_private.missing_part_indexes()',
    'tenancy_private.index_builds()',
    'tenancy_private.join_part_index(regclass, name)',
    'tenancy_private.in_the_way_of_revert(text[])',
    'tenancy_private.check_revert(text[], text[])'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.patiently(regclass[], text, text)',
    'tenancy_private.in_batches(text, text, regclass, text, text, text)',
    'tenancy_private.add_constraint(regclass, regclass[], name, text, text)',
    'tenancy_private.join_part_indexes()',
    'tenancy_private.place_indexes()'
], pinned => false);

ROLLBACK;
