-- Deploy pg-tenancy:organizations_policies to pg
-- requires: context
-- requires: audit_log
-- requires: legacy_logins

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.organizations']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

CALL tenancy_private.close_table('public.organizations', 'id');
\ir ../policies/organizations.r1.sql

COMMIT;
