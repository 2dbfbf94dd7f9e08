-- Verify pg-tenancy:kernel/workspaces_policies on pg

BEGIN;

CALL tenancy_private.verify_protected('tenancy.workspaces');

ROLLBACK;
