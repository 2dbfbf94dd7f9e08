-- Revert pg-tenancy:kernel/workspaces_policies from pg

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['tenancy.workspaces']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

-- Closed again, as the change workspaces left it.
CALL tenancy.unprotect('tenancy.workspaces');

COMMIT;
