-- Deploy pg-tenancy:kernel/audit_log_policies to pg
-- requires: kernel/protection

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['tenancy.audit_log']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../../policies/audit_log.r1.sql

COMMIT;
