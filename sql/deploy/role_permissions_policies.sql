-- Deploy pg-tenancy:role_permissions_policies to pg
-- requires: role_permissions
-- requires: audit_log

BEGIN;

SET LOCAL lock_timeout = '2s';

\ir ../policies/role_permissions.r1.sql

COMMIT;
