-- Revert pg-tenancy:kernel/membership_roles from pg

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.organization_memberships']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

ALTER TABLE public.organization_memberships
DROP CONSTRAINT organization_memberships_tenancy_role_check;

COMMIT;
