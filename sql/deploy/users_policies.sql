-- Deploy pg-tenancy:users_policies to pg
-- requires: context
-- requires: audit_log
-- requires: legacy_logins

BEGIN;

SET LOCAL lock_timeout = '2s';

CALL tenancy_private.close_table('public.users');
\ir ../policies/users.r1.sql

COMMIT;
