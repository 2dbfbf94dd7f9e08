-- Verify pg-tenancy:platform/finops_functions on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.burn_rate(uuid)',
    'tenancy_private.roll_up_hours(uuid[], timestamptz[])'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'finops.cost_current(text)',
    'finops.costs_summary(timestamptz, timestamptz)',
    'finops.costs_window(text)',
    'finops.costs_series(timestamptz, timestamptz, text, text)',
    'finops.costs_by(timestamptz, timestamptz, text)',
    'finops.cost_forecast(text)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routines(ARRAY['finops.roll_up(integer)'], ARRAY['tenancy_service']);

-- A DBA may have replaced it.
SELECT 'finops.is_running(text)'::regprocedure;

ROLLBACK;
