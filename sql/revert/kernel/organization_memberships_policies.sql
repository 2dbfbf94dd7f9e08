-- Revert pg-tenancy:kernel/organization_memberships_policies from pg

\ir ../../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.organization_memberships']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

CALL tenancy.unprotect('public.organization_memberships');

COMMIT;
