-- Revert pg-tenancy:kernel/audit_log_policies from pg

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['tenancy.audit_log']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

-- Closed again, as the change audit_log left it.
CALL tenancy.unprotect('tenancy.audit_log');

COMMIT;
