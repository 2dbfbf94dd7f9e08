-- Deploy pg-tenancy:kernel/users_policies to pg
-- requires: kernel/users_policies@phase-6
-- requires: kernel/users_functions

\ir ../../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.users']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../../policies/users.r2.sql

COMMIT;
