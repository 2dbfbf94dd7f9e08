-- Verify pg-tenancy:users_policies on pg

BEGIN;

CALL tenancy_private.verify_policies('public.users', ARRAY[
    'users_workspace', 'users_select', 'users_service', 'users_auditor'
]);

DO $$
DECLARE
    columns CONSTANT text :=
        'SELECT(created_at), SELECT(email), SELECT(first_name), SELECT(id), SELECT(last_name), SELECT(role), SELECT(updated_at), SELECT(username)';
BEGIN
    CALL tenancy_private.verify_grants('public.users', 'tenancy_credentialed', columns);
    CALL tenancy_private.verify_grants('public.users', 'tenancy_auditor', columns);
END;
$$;

ROLLBACK;
