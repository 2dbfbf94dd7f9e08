-- Access to tenancy.audit_log, revision 1.
--
-- The entries of the current workspace, for the roles that hold audit.view, and a
-- person's own. Written by triggers.
CALL tenancy.protect('tenancy.audit_log');
CALL tenancy.allow('tenancy.audit_log', 'SELECT', 'audit.view', columns =>
    'id, occurred_at, user_id, organization_id, role, database_user, action, object_kind, '
    'object_id, old_values, new_values');
GRANT SELECT ON tenancy.audit_log TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.audit_log');
