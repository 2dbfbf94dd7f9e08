-- Revert pg-tenancy:memberships from pg

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.organization_memberships']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

DROP TRIGGER organization_keeps_an_owner_truncate ON public.organization_memberships;
DROP TRIGGER organization_keeps_an_owner_changed ON public.organization_memberships;
DROP TRIGGER organization_keeps_an_owner ON public.organization_memberships;
DROP FUNCTION tenancy_private.keep_an_owner_on_truncate();
DROP FUNCTION tenancy_private.keep_an_owner();

COMMIT;
