-- Revert pg-tenancy:memberships from pg

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.organization_memberships']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

-- IF EXISTS throughout: the deploy is not one transaction and may have stopped halfway.
DROP TRIGGER IF EXISTS organization_keeps_an_owner_truncate ON public.organization_memberships;
DROP TRIGGER IF EXISTS organization_keeps_an_owner_changed ON public.organization_memberships;
DROP TRIGGER IF EXISTS organization_keeps_an_owner ON public.organization_memberships;
DROP FUNCTION IF EXISTS tenancy_private.keep_an_owner_on_truncate();
DROP FUNCTION IF EXISTS tenancy_private.keep_an_owner();
ALTER TABLE public.organization_memberships
DROP CONSTRAINT IF EXISTS organization_memberships_tenancy_role_check;

COMMIT;
