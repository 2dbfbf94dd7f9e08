-- Verify pg-tenancy:kernel/api_keys_functions on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    wanted CONSTANT text[] := ARRAY['api_keys_tenancy_audit', 'api_keys_tenancy_audit_update', 'users_tenancy_api_keys', 'workspaces_api_keys'];
    found CONSTANT text[] := ARRAY(
        SELECT t.tgname::text FROM pg_catalog.pg_trigger AS t
        WHERE t.tgname = ANY(wanted) AND t.tgenabled <> 'D'
        ORDER BY t.tgname::text
    );
BEGIN
    IF found IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'wanted the triggers %, found %', wanted, found;
    END IF;
END;
$$;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.check_api_key_name()',
    'tenancy_private.checked_api_key_name(text)',
    'tenancy_private.act_on_api_keys(text)',
    'tenancy_private.refuse_api_key_id()',
    'tenancy_private.find_api_key(text)',
    'tenancy_private.record_api_key_use(uuid)',
    'tenancy_private.require_usable_api_key(uuid)',
    'tenancy_private.leave_api_keys()',
    'tenancy_private.empty_api_keys()',
    'tenancy_private.audit_api_key()'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.create_api_key(text, timestamptz)',
    'tenancy.rename_api_key(uuid, text)',
    'tenancy.revoke_api_key(uuid)',
    'tenancy.enter_with_api_key(text)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);

ROLLBACK;
