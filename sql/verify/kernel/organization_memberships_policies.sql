-- Verify pg-tenancy:kernel/organization_memberships_policies on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_protected('public.organization_memberships');

ROLLBACK;
