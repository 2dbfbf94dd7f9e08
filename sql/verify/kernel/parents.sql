-- Verify pg-tenancy:kernel/parents on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.key_to_parent(regclass, name, boolean)',
    'tenancy_private.key_of_one_column(regclass, name)',
    'tenancy_private.set_child_workspace()',
    'tenancy_private.set_child_trigger(regclass, name)',
    'tenancy_private.move_to_parents(regclass, name, bigint, bigint)',
    'tenancy_private.refuse_circles(regclass, name)'
]);

ROLLBACK;
