-- Deploy pg-tenancy:organizations_policies to pg
-- requires: protection
-- requires: legacy_logins

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.organizations']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../policies/organizations.r1.sql

COMMIT;
