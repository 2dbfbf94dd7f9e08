-- Revert pg-tenancy:kernel/organization_memberships_policies from pg

BEGIN;

CALL tenancy_private.revise('public.organization_memberships');

CALL tenancy.unprotect('public.organization_memberships');

COMMIT;
