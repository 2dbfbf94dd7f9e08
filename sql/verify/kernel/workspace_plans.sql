-- Verify pg-tenancy:kernel/workspace_plans on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.plan_columns(regclass)',
    'tenancy_private.known_plan(text)',
    'tenancy_private.known_color(text, uuid)',
    'tenancy_private.take_plan()',
    'tenancy_private.give_plan()'
]);

ROLLBACK;
