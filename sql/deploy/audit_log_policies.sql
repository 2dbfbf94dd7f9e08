-- Deploy pg-tenancy:audit_log_policies to pg
-- requires: audit_log

BEGIN;

SET LOCAL lock_timeout = '2s';

\ir ../policies/audit_log.r1.sql

COMMIT;
