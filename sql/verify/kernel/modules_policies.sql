-- Verify pg-tenancy:kernel/modules_policies on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_protected('tenancy.modules');

ROLLBACK;
