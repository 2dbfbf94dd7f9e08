-- Verify pg-tenancy:kernel/audit_log_policies on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_protected('tenancy.audit_log');

ROLLBACK;
