-- Deploy pg-tenancy:kernel/organizations_policies to pg
-- requires: kernel/protection
-- requires: kernel/legacy_logins

\ir ../../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.organizations']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../../policies/organizations.r1.sql

COMMIT;
