-- Revert pg-tenancy:kernel/organization_memberships_policies from pg

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.organization_memberships']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

CALL tenancy.unprotect('public.organization_memberships');

COMMIT;
