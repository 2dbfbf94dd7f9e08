-- Revert pg-tenancy:platform/models_policies from pg

\ir ../../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.models']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

CALL tenancy.unprotect('public.models');

COMMIT;
