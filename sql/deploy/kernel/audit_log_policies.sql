-- Deploy pg-tenancy:kernel/audit_log_policies to pg
-- requires: kernel/protection

BEGIN;

CALL tenancy_private.revise('tenancy.audit_log');

\ir ../../policies/audit_log.r1.sql

COMMIT;
