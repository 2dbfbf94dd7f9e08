-- Deploy pg-tenancy:users_policies to pg
-- requires: context
-- requires: audit_log
-- requires: legacy_logins

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.users']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

CALL tenancy_private.close_table('public.users', 'id');
\ir ../policies/users.r1.sql

COMMIT;
