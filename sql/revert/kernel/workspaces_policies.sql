-- Revert pg-tenancy:kernel/workspaces_policies from pg

\ir ../../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['tenancy.workspaces']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

-- Closed again, as the change workspaces left it.
CALL tenancy.unprotect('tenancy.workspaces');

COMMIT;
