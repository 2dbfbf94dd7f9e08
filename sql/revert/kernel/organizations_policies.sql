-- Revert pg-tenancy:kernel/organizations_policies from pg

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.organizations']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

CALL tenancy.unprotect('public.organizations');

COMMIT;
