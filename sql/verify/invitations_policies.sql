-- Verify pg-tenancy:invitations_policies on pg

BEGIN;

CALL tenancy_private.verify_policies('tenancy.invitations', ARRAY[
    'invitations_workspace', 'invitations_select', 'invitations_service', 'invitations_owner',
    'invitations_auditor'
]);

DO $$
DECLARE
    columns CONSTANT text :=
        'SELECT(accepted_at), SELECT(accepted_by_user_id), SELECT(created_at), SELECT(email), SELECT(expires_at), '
        'SELECT(id), SELECT(invited_by_user_id), SELECT(lapsed_at), SELECT(organization_id), SELECT(revoked_at), '
        'SELECT(role)';
BEGIN
    CALL tenancy_private.verify_grants('tenancy.invitations', 'tenancy_credentialed', columns);
    CALL tenancy_private.verify_grants('tenancy.invitations', 'tenancy_service', columns);
    CALL tenancy_private.verify_grants('tenancy.invitations', 'tenancy_auditor', columns);
END;
$$;

ROLLBACK;
