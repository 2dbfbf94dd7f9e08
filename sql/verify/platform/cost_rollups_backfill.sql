-- Verify pg-tenancy:platform/cost_rollups_backfill on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

-- The progress does not matter for a deploy: a writer may delay it, and a worker continues. The
-- results are correct in any case.
CALL tenancy_private.verify_routines(
    ARRAY['finops.roll_up(integer)'], ARRAY['tenancy_service']
);

ROLLBACK;
