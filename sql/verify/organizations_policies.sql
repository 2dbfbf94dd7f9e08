-- Verify pg-tenancy:organizations_policies on pg

BEGIN;

CALL tenancy_private.verify_policies('public.organizations', ARRAY[
    'organizations_workspace', 'organizations_select',
    'organizations_service', 'organizations_auditor'
]);

DO $$
DECLARE
    columns CONSTANT text :=
        'SELECT(created_at), SELECT(created_by_user_id), SELECT(id), SELECT(name), SELECT(slug), SELECT(updated_at)';
BEGIN
    CALL tenancy_private.verify_grants('public.organizations', 'tenancy_credentialed', columns);
    CALL tenancy_private.verify_grants('public.organizations', 'tenancy_auditor', columns);
END;
$$;

ROLLBACK;
