-- Revert pg-tenancy:platform/finops_functions from pg

\set change platform/finops_functions
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

CALL tenancy_private.drop_parts_of('platform/finops_functions');

DROP FUNCTION finops.roll_up(integer);
DROP FUNCTION tenancy_private.roll_up_hours(uuid[], timestamptz[]);
DROP FUNCTION finops.cost_forecast(text);
DROP FUNCTION finops.costs_by(timestamptz, timestamptz, text);
DROP FUNCTION finops.costs_series(timestamptz, timestamptz, text, text);
DROP FUNCTION finops.costs_window(text);
DROP FUNCTION finops.costs_summary(timestamptz, timestamptz);
DROP FUNCTION finops.cost_current(text);
DROP FUNCTION tenancy_private.burn_rate(uuid);
DROP FUNCTION finops.is_running(text);

\ir ../../notes/done.psql
COMMIT;
