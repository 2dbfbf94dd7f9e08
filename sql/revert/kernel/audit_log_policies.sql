-- Revert pg-tenancy:kernel/audit_log_policies from pg

BEGIN;

CALL tenancy_private.revise('tenancy.audit_log');

-- Closed again, as the change audit_log left it.
CALL tenancy.unprotect('tenancy.audit_log');

COMMIT;
