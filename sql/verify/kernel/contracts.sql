-- Verify pg-tenancy:kernel/contracts on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

-- For every deployed table, whatever its revision.
CALL tenancy_private.verify_contracts();

ROLLBACK;
