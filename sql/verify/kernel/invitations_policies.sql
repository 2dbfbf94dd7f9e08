-- Verify pg-tenancy:kernel/invitations_policies on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_protected('tenancy.invitations');

ROLLBACK;
