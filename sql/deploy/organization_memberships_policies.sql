-- Deploy pg-tenancy:organization_memberships_policies to pg
-- requires: context
-- requires: audit_log
-- requires: legacy_logins

BEGIN;

SET LOCAL lock_timeout = '2s';

CALL tenancy_private.close_table('public.organization_memberships');
\ir ../policies/organization_memberships.r1.sql

COMMIT;
