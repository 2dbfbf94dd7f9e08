-- Verify pg-tenancy:kernel/workspaces_policies on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_protected('tenancy.workspaces');

ROLLBACK;
