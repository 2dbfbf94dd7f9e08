-- Revert pg-tenancy:kernel/invitations_policies from pg

BEGIN;

CALL tenancy_private.revise('tenancy.invitations');

-- Closed again, as the change invitations left it.
CALL tenancy.unprotect('tenancy.invitations');

COMMIT;
