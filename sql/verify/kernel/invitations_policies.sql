-- Verify pg-tenancy:kernel/invitations_policies on pg

BEGIN;

CALL tenancy_private.verify_protected('tenancy.invitations');

ROLLBACK;
