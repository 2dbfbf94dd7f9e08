-- Verify pg-tenancy:organization_memberships_policies on pg

BEGIN;

CALL tenancy_private.verify_policies('public.organization_memberships', ARRAY[
    'organization_memberships_workspace', 'organization_memberships_select',
    'organization_memberships_service', 'organization_memberships_auditor'
]);

DO $$
DECLARE
    columns CONSTANT text :=
        'SELECT(created_at), SELECT(organization_id), SELECT(role), SELECT(user_id)';
BEGIN
    CALL tenancy_private.verify_grants('public.organization_memberships', 'tenancy_credentialed', columns);
    CALL tenancy_private.verify_grants('public.organization_memberships', 'tenancy_auditor', columns);
END;
$$;

ROLLBACK;
