-- Revert pg-tenancy:kernel/api_keys_functions from pg

\set change kernel/api_keys_functions
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['tenancy.workspaces', 'public.users', 'public.api_keys']::regclass[],
    'ACCESS EXCLUSIVE', 'SELECT'
);

-- The few revocations that are not in their rows yet.
UPDATE public.api_keys AS k
SET revoked_at = coalesce(k.revoked_at, r.revoked_at)
FROM tenancy_private.revocations AS r
WHERE k.id = r.credential_id;
DELETE FROM tenancy_private.revocations;

DROP TRIGGER api_keys_tenancy_audit_update ON public.api_keys;
DROP TRIGGER api_keys_tenancy_audit ON public.api_keys;
DROP TRIGGER users_tenancy_api_keys ON public.users;
DROP TRIGGER workspaces_api_keys ON tenancy.workspaces;
CALL tenancy_private.forget_triggers(
    'public.api_keys', 'api_keys_tenancy_audit_update', 'api_keys_tenancy_audit'
);
CALL tenancy_private.forget_triggers('public.users', 'users_tenancy_api_keys');
CALL tenancy_private.forget_triggers('tenancy.workspaces', 'workspaces_api_keys');
DROP FUNCTION tenancy_private.audit_api_key();
DROP FUNCTION tenancy_private.empty_api_keys();
DROP FUNCTION tenancy_private.leave_api_keys();
DROP FUNCTION tenancy.enter_with_api_key(text);
DROP FUNCTION tenancy_private.require_usable_api_key(uuid);
DROP FUNCTION tenancy_private.record_api_key_use(uuid);
DROP FUNCTION tenancy_private.find_api_key(text);
DROP FUNCTION tenancy.revoke_api_key(uuid);
DROP FUNCTION tenancy.rename_api_key(uuid, text);
DROP FUNCTION tenancy_private.refuse_api_key_id();
DROP FUNCTION tenancy.create_api_key(text, timestamptz);
DROP FUNCTION tenancy_private.act_on_api_keys(text);
DROP FUNCTION tenancy_private.check_api_key_name();
DROP FUNCTION tenancy_private.checked_api_key_name(text);

\ir ../../notes/done.psql
COMMIT;
