-- Verify pg-tenancy:workspaces_policies on pg

BEGIN;

CALL tenancy_private.verify_policies('tenancy.workspaces', ARRAY[
    'workspaces_workspace', 'workspaces_select', 'workspaces_service', 'workspaces_auditor'
]);

DO $$
DECLARE
    columns CONSTANT text :=
        'SELECT(color), SELECT(created_at), SELECT(deleted_at), SELECT(id), SELECT(kind), '
        'SELECT(organization_id), SELECT(plan), SELECT(user_id)';
BEGIN
    CALL tenancy_private.verify_grants('tenancy.workspaces', 'tenancy_credentialed', columns);
    CALL tenancy_private.verify_grants('tenancy.workspaces', 'tenancy_auditor', columns);
    CALL tenancy_private.verify_grants('tenancy.workspaces', 'tenancy_service', 'SELECT, UPDATE(color), UPDATE(plan)');
END;
$$;

ROLLBACK;
