-- Deploy pg-tenancy:organizations_policies to pg
-- requires: context
-- requires: audit_log
-- requires: legacy_logins

BEGIN;

SET LOCAL lock_timeout = '2s';

CALL tenancy_private.close_table('public.organizations');
\ir ../policies/organizations.r1.sql

COMMIT;
