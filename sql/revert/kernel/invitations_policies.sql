-- Revert pg-tenancy:kernel/invitations_policies from pg

\ir ../../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['tenancy.invitations']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

-- Closed again, as the change invitations left it.
CALL tenancy.unprotect('tenancy.invitations');

COMMIT;
