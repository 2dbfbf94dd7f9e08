-- Revert pg-tenancy:kernel/invitations_policies from pg

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['tenancy.invitations']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

-- Closed again, as the change invitations left it.
CALL tenancy.unprotect('tenancy.invitations');

COMMIT;
