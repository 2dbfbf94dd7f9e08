-- Verify pg-tenancy:audit_log_policies on pg

BEGIN;

CALL tenancy_private.verify_policies('tenancy.audit_log', ARRAY[
    'audit_log_workspace', 'audit_log_select', 'audit_log_service', 'audit_log_owner',
    'audit_log_auditor'
]);
CALL tenancy_private.verify_grants('tenancy.audit_log', 'tenancy_credentialed', 'SELECT');
CALL tenancy_private.verify_grants('tenancy.audit_log', 'tenancy_credentialed', 'SELECT');
CALL tenancy_private.verify_grants('tenancy.audit_log', 'tenancy_service', 'SELECT');
CALL tenancy_private.verify_grants('tenancy.audit_log', 'tenancy_auditor', 'SELECT');

ROLLBACK;
