-- Verify pg-tenancy:api_keys_policies on pg

BEGIN;

CALL tenancy_private.verify_policies('public.api_keys', ARRAY[
    'api_keys_workspace', 'api_keys_select', 'api_keys_update', 'api_keys_service',
    'api_keys_auditor'
]);

DO $$
DECLARE
    readable CONSTANT text :=
        'SELECT(created_at), SELECT(expires_at), SELECT(id), SELECT(key_prefix), SELECT(last_used_at), SELECT(name), '
        'SELECT(organization_id), SELECT(revoked_at), SELECT(user_id), SELECT(workspace_id)';
BEGIN
    CALL tenancy_private.verify_grants('public.api_keys', 'tenancy_credentialed', readable || ', UPDATE(name)');
    CALL tenancy_private.verify_grants('public.api_keys', 'tenancy_auditor', readable);
END;
$$;

ROLLBACK;
