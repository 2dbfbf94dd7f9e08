-- Revert pg-tenancy:kernel/workspaces_policies from pg

BEGIN;

CALL tenancy_private.revise('tenancy.workspaces');

-- Closed again, as the change workspaces left it.
CALL tenancy.unprotect('tenancy.workspaces');

COMMIT;
