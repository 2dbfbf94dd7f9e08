-- Deploy pg-tenancy:kernel/api_keys_functions to pg
-- requires: kernel/api_keys_workspaces
-- requires: kernel/organizations_functions
-- requires: kernel/audit_log

\set change kernel/api_keys_functions
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

\ir ../../adoption/zone.psql

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

CREATE FUNCTION tenancy_private.checked_api_key_name(name text) RETURNS text
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    trimmed CONSTANT text := btrim(name, E' \t\r\n');
BEGIN
    IF trimmed IS NULL OR trimmed = '' OR length(trimmed) > 200 OR trimmed ~ '[[:cntrl:]]' THEN
        RAISE EXCEPTION 'an API key''s name must have 1 to 200 characters and no control characters'
        USING ERRCODE = '22023',
        CONSTRAINT = 'api_key_name_invalid',
        HINT = 'Name it after the program that uses it.';
    END IF;
    RETURN trimmed;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.checked_api_key_name(text) FROM public;

-- SECURITY DEFINER, because the writer of the table may not call the functions that this calls.
-- The trigger's condition selects the writers to check.
CREATE FUNCTION tenancy_private.check_api_key_name() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    IF new.name IS DISTINCT FROM old.name THEN
        new.name := tenancy_private.checked_api_key_name(new.name);
    END IF;
    RETURN new;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.check_api_key_name() FROM public;

-- Every function that changes a key calls this first. In an organization the role is looked up
-- again, because the one in the context may have been revoked.
CREATE FUNCTION tenancy_private.act_on_api_keys(permission text) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    free record;
    current_workspace CONSTANT uuid := tenancy.current_workspace_id();
BEGIN
    IF tenancy.current_organization_id() IS NOT NULL THEN
        PERFORM tenancy_private.act_in_organization(permission);
    ELSE
        PERFORM tenancy_private.require_person();
        PERFORM tenancy.require_permission(permission);
    END IF;

    -- Keys that were revoked while another transaction had locked their row, as entering with a
    -- key does when it writes last_used_at.
    FOR free IN
        SELECT k.id, r.revoked_at
        FROM tenancy_private.revocations AS r
        INNER JOIN public.api_keys AS k ON r.credential_id = k.id
        WHERE k.workspace_id = current_workspace AND k.revoked_at IS NULL
        FOR NO KEY UPDATE OF k SKIP LOCKED
    LOOP
        PERFORM tenancy_private.update_rows(
            'public.api_keys', jsonb_build_object('id', free.id), jsonb_build_object('revoked_at', free.revoked_at)
        );
    END LOOP;
    DELETE FROM tenancy_private.revocations AS r
    WHERE r.ctid = ANY(ARRAY(
        SELECT d.ctid
        FROM tenancy_private.revocations AS d
        INNER JOIN public.api_keys AS k ON d.credential_id = k.id
        WHERE k.workspace_id = current_workspace AND k.revoked_at IS NOT NULL
        FOR UPDATE OF d SKIP LOCKED
    ));
    RETURN current_workspace;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.act_on_api_keys(text) FROM public;

-- A key is pgt_, eight characters to find it by, and a secret of 244 random bits, which need no
-- slow hash.
CREATE FUNCTION tenancy.create_api_key(
    name text, expires_at timestamptz DEFAULT NULL, OUT id uuid, OUT key text
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    current_workspace CONSTANT uuid := tenancy_private.act_on_api_keys('api_keys.create');
    new_name CONSTANT text := tenancy_private.checked_api_key_name(name);
    prefix CONSTANT text := 'pgt_' || substr(encode(uuid_send(gen_random_uuid()), 'hex'), 1, 8);
BEGIN
    IF create_api_key.expires_at <= clock_timestamp() THEN
        RAISE EXCEPTION 'an API key cannot expire before it is created'
        USING ERRCODE = '22023',
        CONSTRAINT = 'api_key_expiry_invalid',
        HINT = 'Give a time in the future, or NULL for a key that stays valid until it is revoked.';
    END IF;
    key := prefix || '_' || encode(tenancy_private.random_bytes(), 'hex');
    id := tenancy_private.write_data('public.api_keys', jsonb_build_object(
        'user_id', tenancy.current_user_id(),
        'organization_id', tenancy.current_organization_id(),
        'workspace_id', current_workspace,
        'name', new_name,
        'key_prefix', prefix,
        'key_hash', encode(sha256(convert_to(key, 'UTF8')), 'hex'),
        'created_at', now(),
        'expires_at', create_api_key.expires_at
    )) ->> 'id';
END;
$$;
REVOKE ALL ON FUNCTION tenancy.create_api_key(text, timestamptz) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.create_api_key(text, timestamptz)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.create_api_key(text, timestamptz) IS
'Creates an API key, in personal mode the person''s and otherwise the organization''s, and returns it, only this '
'once. Requires api_keys.create. Raises 22023 api_key_name_invalid, api_key_expiry_invalid, api_key_data_invalid, '
'42501 permission_denied, person_required.';

CREATE FUNCTION tenancy_private.refuse_api_key_id() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'this workspace has no such API key'
    USING ERRCODE = 'P0002',
    CONSTRAINT = 'api_key_not_found',
    HINT = 'The table public.api_keys shows the keys of the current workspace.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_api_key_id() FROM public;

CREATE FUNCTION tenancy.rename_api_key(id uuid, name text) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    current_workspace CONSTANT uuid := tenancy_private.act_on_api_keys('api_keys.update');
    new_name CONSTANT text := tenancy_private.checked_api_key_name(name);
BEGIN
    IF tenancy_private.write_data(
        'public.api_keys', jsonb_build_object('name', new_name),
        jsonb_build_object('id', rename_api_key.id, 'workspace_id', current_workspace)
    ) IS NULL THEN
        PERFORM tenancy_private.refuse_api_key_id();
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.rename_api_key(uuid, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.rename_api_key(uuid, text)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.rename_api_key(uuid, text) IS
'Gives a key of the current workspace another name. Requires api_keys.update. Raises P0002 api_key_not_found.';

CREATE FUNCTION tenancy.revoke_api_key(id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    current_workspace CONSTANT uuid := tenancy_private.act_on_api_keys('api_keys.revoke');
    was_revoked_at timestamptz;
BEGIN
    SELECT k.revoked_at INTO was_revoked_at
    FROM public.api_keys AS k
    WHERE k.id = revoke_api_key.id AND k.workspace_id = current_workspace
    FOR NO KEY UPDATE SKIP LOCKED;
    IF FOUND THEN
        IF was_revoked_at IS NULL THEN
            PERFORM tenancy_private.update_rows(
                'public.api_keys', jsonb_build_object('id', revoke_api_key.id), jsonb_build_object('revoked_at', now())
            );
        END IF;
        RETURN;
    END IF;
    IF NOT EXISTS (
        SELECT FROM public.api_keys AS k
        WHERE k.id = revoke_api_key.id AND k.workspace_id = current_workspace
    ) THEN
        PERFORM tenancy_private.refuse_api_key_id();
    END IF;
    IF tenancy_private.revoke(id) > 0 THEN
        PERFORM tenancy_private.record_change(
            'UPDATE',
            jsonb_build_object('workspace_id', current_workspace, 'id', revoke_api_key.id, 'revoked_at', NULL),
            jsonb_build_object('workspace_id', current_workspace, 'id', revoke_api_key.id, 'revoked_at', now()),
            '[0:3]={api_key,workspace_id,id,revoked_at}'
        );
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.revoke_api_key(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.revoke_api_key(uuid) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.revoke_api_key(uuid) IS
'Ends a key of the current workspace: from the next transaction on nobody can enter with it. Waits for nobody. '
'Requires api_keys.revoke. Raises P0002 api_key_not_found.';

-- One statement for every key, valid or not, so that the time that it takes does not reveal
-- what is wrong with a key. The prefix may have any length: existing keys of the application
-- work too, if their hash is SHA-256 in hexadecimal digits.
CREATE FUNCTION tenancy_private.find_api_key(
    key text, OUT id uuid, OUT user_id uuid, OUT organization_id uuid, OUT last_used_at timestamptz
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET timezone = :'zone'
AS $$
BEGIN
    SELECT k.id, k.user_id, k.organization_id, k.last_used_at
    INTO find_api_key.id, find_api_key.user_id, find_api_key.organization_id, find_api_key.last_used_at
    FROM public.api_keys AS k
    INNER JOIN tenancy.workspaces AS w ON k.workspace_id = w.id
    WHERE k.key_prefix = ANY(ARRAY(SELECT left(key, n.length) FROM generate_series(4, 24) AS n (length)))
        AND k.key_hash = encode(sha256(convert_to(key, 'UTF8')), 'hex')
        AND k.revoked_at IS NULL
        AND (k.user_id IS NOT NULL OR k.organization_id IS NOT NULL)
        AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
        AND w.deleted_at IS NULL
        AND NOT EXISTS (SELECT FROM tenancy_private.revocations AS r WHERE r.credential_id = k.id)
    LIMIT 1;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.find_api_key(text) FROM public;

-- At most once a minute, and without waiting: if the row is locked, the other transaction is
-- writing the time anyway.
CREATE FUNCTION tenancy_private.record_api_key_use(api_key_id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET timezone = :'zone'
AS $$
BEGIN
    PERFORM FROM public.api_keys AS k
    WHERE k.id = record_api_key_use.api_key_id
        AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute')
    FOR NO KEY UPDATE SKIP LOCKED;
    IF FOUND THEN
        PERFORM tenancy_private.update_rows(
            'public.api_keys', jsonb_build_object('id', record_api_key_use.api_key_id),
            jsonb_build_object('last_used_at', now())
        );
    END IF;
EXCEPTION
    WHEN serialization_failure THEN
        -- Another transaction has written it since this one's snapshot.
        NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.record_api_key_use(uuid) FROM public;

-- A later phase adds further conditions on a valid key.
CREATE FUNCTION tenancy_private.require_usable_api_key(api_key_id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.require_usable_api_key(uuid) FROM public;

CREATE FUNCTION tenancy.enter_with_api_key(key text) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    found CONSTANT record := tenancy_private.find_api_key(key);
    done boolean;
BEGIN
    IF found.id IS NULL THEN
        PERFORM tenancy_private.check_login();
        RAISE EXCEPTION 'the API key is not valid'
        USING ERRCODE = '28000',
        CONSTRAINT = 'invalid_api_key',
        HINT = 'It is unknown, was revoked, or has expired. tenancy.create_api_key() makes one.';
    END IF;
    IF tenancy_private.reads_the_past() THEN
        PERFORM tenancy_private.check_fresh(
            'API key', ARRAY[
                format('public.api_keys AS k WHERE k.id = %L', found.id),
                format('tenancy.workspaces AS w WHERE w.id = %L', coalesce(found.organization_id, found.user_id))
            ], found.id
        );
    END IF;
    PERFORM tenancy_private.require_usable_api_key(found.id);
    IF (found.last_used_at IS NULL OR found.last_used_at < now() - interval '1 minute')
        AND NOT current_setting('transaction_read_only')::boolean
    THEN
        PERFORM tenancy_private.record_api_key_use(found.id);
    END IF;
    done := tenancy_private.enter_as(
        found.user_id, found.organization_id,
        role => CASE WHEN found.organization_id IS NULL THEN '' ELSE 'user' END,
        credential_id => found.id
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy.enter_with_api_key(text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.enter_with_api_key(text) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.enter_with_api_key(text) IS
'Enters the workspace that an API key belongs to: a person''s, or an organization''s with the role user, even if its '
'creator has left. Never as platform staff. Raises 28000 invalid_api_key and what tenancy.enter() raises.';

-- Objects that a deleted account created for organizations stay. The contents
-- of its personal workspace are deleted with the workspace.
CREATE FUNCTION tenancy_private.leave_api_keys() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    left_key uuid;
BEGIN
    FOR left_key IN
        SELECT k.id FROM public.api_keys AS k WHERE k.user_id = old.id AND k.organization_id IS NOT NULL
    LOOP
        PERFORM tenancy_private.update_rows(
            'public.api_keys', jsonb_build_object('id', left_key), jsonb_build_object('user_id', NULL)
        );
    END LOOP;
    RETURN old;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.leave_api_keys() FROM public;

-- A deleted workspace's keys are deleted as tenancy_writer, and not by the foreign key.
CREATE FUNCTION tenancy_private.empty_api_keys() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.delete_below('public.api_keys', jsonb_build_object('workspace_id', old.id));
    PERFORM tenancy_private.delete_rows('public.api_keys', jsonb_build_object('workspace_id', old.id));
    RETURN old;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.empty_api_keys() FROM public;

-- A revocation that is applied to its row later was recorded when it was made. The columns are
-- not compared in the trigger's WHEN, because the application could then not change their
-- types.
CREATE FUNCTION tenancy_private.audit_api_key() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    -- Most updates change only the time of the last use, before anybody has entered.
    IF to_jsonb(old) - 'last_used_at' = to_jsonb(new) - 'last_used_at' THEN
        RETURN NULL;
    END IF;
    IF new.revoked_at IS DISTINCT FROM old.revoked_at AND EXISTS (
        SELECT FROM tenancy_private.revocations AS r
        WHERE r.credential_id = new.id AND r.revoked_at = new.revoked_at
    ) THEN
        old.revoked_at := new.revoked_at;
    END IF;
    PERFORM tenancy_private.record_change(tg_op, to_jsonb(old), to_jsonb(new), tg_argv);
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.audit_api_key() FROM public;

RESET ROLE;

CALL tenancy_private.patiently(
    ARRAY['tenancy.workspaces', 'public.users', 'public.api_keys']::regclass[],
    'SHARE ROW EXCLUSIVE', 'SELECT'
);

CREATE TRIGGER workspaces_api_keys
BEFORE DELETE ON tenancy.workspaces
FOR EACH ROW EXECUTE FUNCTION tenancy_private.empty_api_keys();

CREATE TRIGGER users_tenancy_api_keys
BEFORE DELETE ON public.users
FOR EACH ROW EXECUTE FUNCTION tenancy_private.leave_api_keys();
ALTER TABLE public.users ENABLE ALWAYS TRIGGER users_tenancy_api_keys;

CREATE TRIGGER api_keys_tenancy_audit
AFTER INSERT OR DELETE ON public.api_keys
FOR EACH ROW EXECUTE FUNCTION tenancy_private.audit(
    'api_key', 'workspace_id', 'id',
    'name', 'user_id', 'organization_id', 'key_prefix', 'expires_at', 'revoked_at'
);

CREATE TRIGGER api_keys_tenancy_audit_update
AFTER UPDATE ON public.api_keys
FOR EACH ROW EXECUTE FUNCTION tenancy_private.audit_api_key(
    'api_key', 'workspace_id', 'id',
    'name', 'user_id', 'organization_id', 'key_prefix', 'expires_at', 'revoked_at'
);

CALL tenancy_private.record_triggers('tenancy.workspaces', 'workspaces_api_keys');
CALL tenancy_private.record_triggers('public.users', 'users_tenancy_api_keys');
CALL tenancy_private.record_triggers(
    'public.api_keys', 'api_keys_tenancy_audit', 'api_keys_tenancy_audit_update'
);

\ir ../../notes/done.psql
COMMIT;
