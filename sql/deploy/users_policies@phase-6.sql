-- Deploy pg-tenancy:users_policies to pg
-- requires: protection
-- requires: legacy_logins

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.users']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../policies/users.r1.sql

COMMIT;
