-- Deploy pg-tenancy:kernel/users_policies to pg
-- requires: kernel/protection
-- requires: kernel/legacy_logins

\ir ../../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.users']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../../policies/users.r1.sql

COMMIT;
