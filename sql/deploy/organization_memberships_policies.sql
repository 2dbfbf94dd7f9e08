-- Deploy pg-tenancy:organization_memberships_policies to pg
-- requires: context
-- requires: audit_log
-- requires: legacy_logins

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.organization_memberships']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

CALL tenancy_private.close_table('public.organization_memberships', 'organization_id');
\ir ../policies/organization_memberships.r1.sql

COMMIT;
