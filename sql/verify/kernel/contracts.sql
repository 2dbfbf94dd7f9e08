-- Verify pg-tenancy:kernel/contracts on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

-- Of every table that is deployed by now, whichever revision it has.
CALL tenancy_private.verify_contracts();

ROLLBACK;
