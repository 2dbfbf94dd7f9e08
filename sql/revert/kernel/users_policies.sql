-- Revert pg-tenancy:kernel/users_policies from pg

\ir ../../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.users']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../../policies/users.r1.sql

COMMIT;
