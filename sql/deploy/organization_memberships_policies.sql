-- Deploy pg-tenancy:organization_memberships_policies to pg
-- requires: protection
-- requires: legacy_logins

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.organization_memberships']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../policies/organization_memberships.r1.sql

COMMIT;
