-- Access to tenancy.workspaces, revision 1.
--
-- The current workspace's own row. A service sees all, and changes color and plan; only
-- tenancy.delete_organization() and restore_organization() change deleted_at.
CALL tenancy.protect('tenancy.workspaces', key => 'id');
CALL tenancy.allow('tenancy.workspaces', 'SELECT', NULL, columns =>
    'id, kind, user_id, organization_id, color, plan, created_at, deleted_at');
GRANT SELECT, UPDATE (color, plan) ON tenancy.workspaces TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.workspaces');
