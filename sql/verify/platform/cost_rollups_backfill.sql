-- Verify pg-tenancy:platform/cost_rollups_backfill on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

-- How far it is says nothing of a deploy: a writer may keep it where it was, and a
-- worker goes on. What is asked is right wherever it is.
CALL tenancy_private.verify_routines(
    ARRAY['finops.roll_up(integer)'], ARRAY['tenancy_service']
);

ROLLBACK;
