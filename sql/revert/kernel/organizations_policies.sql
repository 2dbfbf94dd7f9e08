-- Revert pg-tenancy:kernel/organizations_policies from pg

\ir ../../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.organizations']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

CALL tenancy.unprotect('public.organizations');

COMMIT;
