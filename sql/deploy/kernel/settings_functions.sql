-- Deploy pg-tenancy:kernel/settings_functions to pg
-- requires: kernel/settings
-- requires: kernel/organizations_functions

\set change kernel/settings_functions
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- An existing table of the application keeps its values: a later change may create
-- adopted_settings() and write_adopted_setting(), which these functions call if they exist, and
-- setting_subjects(), which returns the existing subjects. A value's version is the transaction
-- that wrote it, so that writes by others count too, in whichever table.

-- An HMAC that includes the owner of the secret: equal secrets of two workspaces have different
-- fingerprints.
CREATE FUNCTION tenancy_private.fingerprint(
    workspace uuid, subject uuid, key text, value bytea
) RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT left(encode(sha256(k.outer_block || sha256(
        k.inner_block || uuid_send(workspace) || uuid_send(subject)
        || sha256(convert_to(fingerprint.key, 'UTF8')) || fingerprint.value -- noqa: RF01
    )), 'hex'), 16)
    FROM tenancy_private.fingerprint_keys AS k;
END;
REVOKE ALL ON FUNCTION tenancy_private.fingerprint(uuid, uuid, text, bytea) FROM public;

-- The values that a workspace has set itself; for a secret, its fingerprint.
CREATE FUNCTION tenancy_private.stored_settings(
    workspace uuid, subject uuid DEFAULT NULL, wanted text DEFAULT NULL
)
RETURNS TABLE (subject_id uuid, key text, value jsonb, fingerprint text, version bigint)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT s.subject_id, s.key, NULL::jsonb,
        tenancy_private.fingerprint(workspace, s.subject_id, s.key, s.value), s.xmin::text::bigint
    FROM tenancy_private.secrets AS s
    INNER JOIN tenancy.settings_definitions AS d ON s.key = d.key AND d.is_secret
    WHERE s.workspace_id = workspace
        AND (subject IS NULL OR s.subject_id = subject)
        AND (wanted IS NULL OR s.key = wanted);
    RETURN QUERY
    SELECT s.subject_id, s.key,
        CASE WHEN NOT d.is_secret THEN s.value END,
        CASE WHEN d.is_secret THEN tenancy_private.fingerprint(
            workspace, s.subject_id, s.key, convert_to(s.value #>> '{}', 'UTF8')
        ) END,
        s.xmin::text::bigint
    FROM tenancy.settings AS s
    INNER JOIN tenancy.settings_definitions AS d ON s.key = d.key
    WHERE s.workspace_id = workspace
        AND (subject IS NULL OR s.subject_id = subject)
        AND (wanted IS NULL OR s.key = wanted)
        AND NOT EXISTS (
            SELECT FROM tenancy_private.secrets AS x
            WHERE d.is_secret AND (x.workspace_id, x.subject_id, x.key) = (s.workspace_id, s.subject_id, s.key)
        );
    IF to_regprocedure('tenancy_private.adopted_settings(uuid,uuid,text)') IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT a.subject_id, a.key,
        CASE WHEN NOT d.is_secret THEN a.value END,
        CASE WHEN d.is_secret THEN tenancy_private.fingerprint(
            workspace, a.subject_id, a.key, convert_to(a.value #>> '{}', 'UTF8')
        ) END,
        a.version
    FROM tenancy_private.adopted_settings(workspace, subject, wanted) AS a
    INNER JOIN tenancy.settings_definitions AS d ON a.key = d.key
    WHERE NOT EXISTS (
            SELECT FROM tenancy_private.secrets AS x
            WHERE d.is_secret AND (x.workspace_id, x.subject_id, x.key) = (workspace, a.subject_id, a.key)
        )
        AND NOT EXISTS (
            SELECT FROM tenancy.settings AS x WHERE (x.workspace_id, x.subject_id, x.key) = (workspace, a.subject_id, a.key)
        );
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.stored_settings(uuid, uuid, text) FROM public;

-- The effective values in a workspace: one row for each setting, and for settings with
-- subjects one for each subject.
CREATE FUNCTION tenancy_private.resolved_settings(
    workspace uuid, subject uuid DEFAULT NULL, wanted text DEFAULT NULL
)
RETURNS TABLE (
    subject_id uuid, key text, value jsonb, level text, locked boolean, version bigint,
    fingerprint text, definition tenancy.settings_definitions
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    platform CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    subject_ids uuid[] := ARRAY[subject];
BEGIN
    IF subject IS NULL AND to_regprocedure('tenancy_private.setting_subjects()') IS NOT NULL THEN
        subject_ids := ARRAY(SELECT s.id FROM tenancy_private.setting_subjects() AS s);
    ELSIF subject IS NULL THEN
        subject_ids := ARRAY(
            SELECT s.subject_id FROM tenancy.settings AS s
            WHERE s.workspace_id IN (workspace, platform) AND s.subject_id <> platform
            UNION
            SELECT s.subject_id FROM tenancy_private.secrets AS s
            WHERE s.workspace_id IN (workspace, platform) AND s.subject_id <> platform
            UNION
            SELECT l.subject_id FROM tenancy_private.setting_locks AS l WHERE l.subject_id <> platform
            UNION
            SELECT u.id FROM tenancy.settings_definitions AS d CROSS JOIN LATERAL unnest(d.subjects) AS u (id)
        );
    END IF;
    RETURN QUERY
    WITH own AS (
        SELECT o.* FROM tenancy_private.stored_settings(workspace, subject, wanted) AS o
    ),

    common AS (
        SELECT c.* FROM tenancy_private.stored_settings(platform, subject, wanted) AS c WHERE workspace <> platform
    )

    SELECT
        s.id,
        d.key,
        CASE v.level WHEN 'default' THEN d.default_value WHEN 'platform' THEN coalesce(c.value, o.value) ELSE o.value END,
        v.level,
        l.key IS NOT NULL,
        coalesce(o.version, 0),
        -- Only staff see fingerprints of the platform's secrets.
        CASE WHEN workspace = platform OR v.level = 'organization' THEN o.fingerprint END,
        d
    FROM tenancy.settings_definitions AS d
    CROSS JOIN LATERAL (
        SELECT u.id FROM unnest(subject_ids) AS u (id)
        WHERE d.scope = 'subject' AND u.id <> platform AND (d.subjects IS NULL OR u.id = ANY(d.subjects))
        UNION ALL
        SELECT platform WHERE d.scope <> 'subject' AND (subject IS NULL OR subject = platform)
    ) AS s (id)
    LEFT JOIN own AS o ON s.id = o.subject_id AND d.key = o.key
    LEFT JOIN common AS c ON s.id = c.subject_id AND d.key = c.key
    LEFT JOIN tenancy_private.setting_locks AS l ON s.id = l.subject_id AND d.key = l.key
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN workspace = platform AND o.key IS NOT NULL THEN 'platform'
            WHEN o.key IS NOT NULL AND l.key IS NULL AND d.scope <> 'global' THEN 'organization'
            WHEN c.key IS NOT NULL THEN 'platform'
            WHEN d.default_value IS NOT NULL THEN 'default'
        END AS level
    ) AS v
    WHERE wanted IS NULL OR d.key = wanted
    ORDER BY d.key COLLATE "C", s.id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.resolved_settings(uuid, uuid, text) FROM public;

-- Finds a setting by its name, and the object that it belongs to.
CREATE FUNCTION tenancy_private.setting_of(
    subject uuid, key text, OUT definition tenancy.settings_definitions, OUT subject_id uuid
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    exists_there boolean := true;
BEGIN
    SELECT d.* INTO definition FROM tenancy.settings_definitions AS d WHERE d.key = setting_of.key;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such setting'
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'setting_not_found',
        HINT = 'tenancy.settings() lists the settings.';
    END IF;
    IF (definition.scope = 'subject') <> (subject IS NOT NULL) THEN
        RAISE EXCEPTION '%', CASE definition.scope
            WHEN 'subject' THEN format('the setting %s is one for each subject', definition.key)
            ELSE format('the setting %s has no subject', definition.key)
        END
        USING ERRCODE = '22023',
        CONSTRAINT = 'setting_subject_invalid',
        HINT = 'Name a subject for settings with the scope subject, and NULL for others.';
    END IF;
    subject_id := coalesce(subject, '00000000-0000-0000-0000-000000000000');
    IF subject IS NOT NULL AND to_regprocedure('tenancy_private.setting_subjects()') IS NOT NULL THEN
        exists_there := EXISTS (SELECT FROM tenancy_private.setting_subjects() AS s WHERE s.id = subject);
    END IF;
    IF NOT exists_there OR subject <> ALL(definition.subjects)
        OR subject = '00000000-0000-0000-0000-000000000000'
    THEN
        RAISE EXCEPTION 'the setting % has no such subject', definition.key
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'setting_not_found',
        HINT = 'tenancy.settings() lists the settings with their subjects.';
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.setting_of(uuid, text) FROM public;

-- How a secret is shown.
CREATE FUNCTION tenancy_private.shown(
    is_secret boolean, value jsonb, level text, fingerprint text
) RETURNS jsonb
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE
    WHEN NOT is_secret THEN value
    ELSE jsonb_build_object('configured', level IS NOT NULL, 'fingerprint', fingerprint)
END;
REVOKE ALL ON FUNCTION tenancy_private.shown(boolean, jsonb, text, text) FROM public;

CREATE FUNCTION tenancy.settings()
RETURNS TABLE (
    subject_id uuid,
    key text,
    scope text,
    value_type text,
    value jsonb,
    level text,
    locked boolean,
    version bigint,
    is_secret boolean,
    is_configured boolean,
    fingerprint text,
    min_int bigint,
    max_int bigint,
    description text
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy.require_permission('settings.view');
    RETURN QUERY
    SELECT
        nullif(r.subject_id, '00000000-0000-0000-0000-000000000000'),
        r.key,
        (r.definition).scope,
        (r.definition).value_type,
        CASE WHEN NOT (r.definition).is_secret THEN r.value END,
        r.level,
        r.locked,
        r.version,
        (r.definition).is_secret,
        r.level IS NOT NULL,
        r.fingerprint,
        (r.definition).min_int,
        (r.definition).max_int,
        (r.definition).description
    FROM tenancy_private.resolved_settings(tenancy.current_workspace_id()) AS r;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.settings() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.settings() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.settings() IS
'Every setting with its effective value in the current workspace and the level of that value: organization, platform '
'or default; for a secret, only whether it is configured. Requires settings.view.';

CREATE FUNCTION tenancy.setting(subject uuid, key text) RETURNS jsonb
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    wanted record;
BEGIN
    PERFORM tenancy.require_permission('settings.view');
    wanted := tenancy_private.setting_of(subject, key);
    RETURN (
        SELECT tenancy_private.shown((r.definition).is_secret, r.value, r.level, r.fingerprint)
        FROM tenancy_private.resolved_settings(tenancy.current_workspace_id(), wanted.subject_id, setting.key) AS r
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy.setting(uuid, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.setting(uuid, text) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.setting(uuid, text) IS
'The effective value in the current workspace: its own, else the platform''s, else the default. For a secret, '
'whether it is configured, with a fingerprint. Requires settings.view. Raises P0002 setting_not_found, 22023 '
'setting_subject_invalid.';

CREATE FUNCTION tenancy.explain_setting(subject uuid, key text)
RETURNS TABLE (
    level text, value jsonb, is_set boolean, counts boolean, locked boolean, version bigint
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    platform CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    workspace uuid;
    wanted record;
    resolved record;
BEGIN
    PERFORM tenancy.require_permission('settings.view');
    workspace := tenancy.current_workspace_id();
    wanted := tenancy_private.setting_of(subject, key);
    SELECT r.level, r.locked INTO STRICT resolved
    FROM tenancy_private.resolved_settings(workspace, wanted.subject_id, explain_setting.key) AS r;
    RETURN QUERY
    SELECT
        l.name,
        CASE
            WHEN l.name = 'default' THEN (wanted.definition).default_value
            WHEN s.key IS NOT NULL THEN tenancy_private.shown(
                (wanted.definition).is_secret, s.value, l.name, CASE WHEN l.id = workspace THEN s.fingerprint END
            )
        END,
        s.key IS NOT NULL OR l.name = 'default' AND (wanted.definition).default_value IS NOT NULL,
        l.name IS NOT DISTINCT FROM resolved.level,
        l.name = 'platform' AND resolved.locked,
        coalesce(s.version, 0)
    FROM (VALUES (1, 'organization', workspace), (2, 'platform', platform), (3, 'default', NULL)) AS l (place, name, id)
    LEFT JOIN LATERAL (
        SELECT x.* FROM tenancy_private.stored_settings(l.id, wanted.subject_id, explain_setting.key) AS x
        WHERE l.id IS NOT NULL
    ) AS s ON true
    WHERE l.name <> 'organization' OR tenancy.current_organization_id() IS NOT NULL
    ORDER BY l.place;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.explain_setting(uuid, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.explain_setting(uuid, text)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.explain_setting(uuid, text) IS
'The value of a setting on each level (organization, platform and default), and which of them is effective. Requires '
'settings.view. Raises what tenancy.setting() raises.';

-- == Setting ==

-- The person and the workspace of a change: in an organization, or as staff in the
-- platform's workspace. Changes of one workspace wait for each other.
CREATE FUNCTION tenancy_private.act_on_settings(OUT workspace_id uuid, OUT user_id uuid)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    workspace_id := tenancy.current_workspace_id();
    user_id := tenancy.current_user_id();
    IF workspace_id <> '00000000-0000-0000-0000-000000000000' THEN
        PERFORM tenancy_private.act_in_organization('settings.update');
        RETURN;
    END IF;
    PERFORM tenancy_private.require_person();
    PERFORM tenancy.require_permission('settings.update');
    UPDATE tenancy.workspaces AS w
    SET owner_changes = w.owner_changes + 1
    WHERE w.id = act_on_settings.workspace_id;
    -- A person who was staff when the transaction entered may not be staff any more.
    PERFORM FROM public.users AS u WHERE u.id = act_on_settings.user_id AND u.role::text = 'admin' FOR SHARE;
    IF NOT FOUND THEN
        PERFORM tenancy_private.refuse_member();
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.act_on_settings() FROM public;

-- No message contains the value: it may be a secret under a wrong name.
CREATE FUNCTION tenancy_private.parsed_setting(
    definition tenancy.settings_definitions, value text
) RETURNS jsonb
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    wanted text;
BEGIN
    CASE definition.value_type
        WHEN 'int' THEN
            wanted := CASE num_nonnulls(definition.min_int, definition.max_int)
                WHEN 2 THEN format('a whole number from %s to %s', definition.min_int, definition.max_int)
                WHEN 0 THEN 'a whole number'
                ELSE coalesce(
                    'a whole number of at least ' || definition.min_int, 'a whole number of at most ' || definition.max_int
                )
            END;
            IF value ~ '^[+-]?[0-9]{1,18}$' THEN
                IF value::bigint >= coalesce(definition.min_int, value::bigint)
                    AND value::bigint <= coalesce(definition.max_int, value::bigint)
                THEN
                    RETURN to_jsonb(value::bigint);
                END IF;
            END IF;
        WHEN 'bool' THEN
            wanted := 'true or false';
            IF value IN ('true', 'false') THEN
                RETURN to_jsonb(value = 'true');
            END IF;
        WHEN 'text' THEN
            wanted := 'a text of at most 10000 characters';
            IF length(value) <= 10000 THEN
                RETURN to_jsonb(value);
            END IF;
        ELSE
            wanted := 'JSON of at most 100000 characters';
            BEGIN
                IF length(value) <= 100000 AND value::jsonb <> 'null' THEN
                    RETURN value::jsonb;
                END IF;
            EXCEPTION
                WHEN data_exception OR program_limit_exceeded THEN
                    NULL;
            END;
    END CASE;
    RAISE EXCEPTION 'the setting % is %', definition.key, wanted
    USING ERRCODE = '22023',
    CONSTRAINT = 'setting_value_invalid',
    HINT = 'tenancy.unset_setting() restores the inherited value.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.parsed_setting(tenancy.settings_definitions, text)
FROM public;

-- Writes a value to its table, or removes it if the value is NULL.
CREATE FUNCTION tenancy_private.write_setting(
    workspace uuid, subject uuid, key text, value jsonb, user_id uuid
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    written boolean := false;
BEGIN
    IF to_regprocedure('tenancy_private.write_adopted_setting(uuid,uuid,text,jsonb)') IS NOT NULL THEN
        written := tenancy_private.write_adopted_setting(workspace, subject, key, value);
    END IF;
    IF written OR value IS NULL THEN
        DELETE FROM tenancy.settings AS s
        WHERE (s.workspace_id, s.subject_id, s.key) = (workspace, subject, write_setting.key);
    ELSE
        INSERT INTO tenancy.settings AS s (workspace_id, subject_id, key, value, updated_by_user_id)
        VALUES (workspace, subject, write_setting.key, write_setting.value, write_setting.user_id)
        ON CONFLICT ON CONSTRAINT settings_pkey DO UPDATE SET
            value = excluded.value,
            updated_at = clock_timestamp(),
            updated_by_user_id = excluded.updated_by_user_id;
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.write_setting(uuid, uuid, text, jsonb, uuid) FROM public;

-- Every setting and unsetting goes through here. The secret is bytes from the start, and in no
-- message.
CREATE FUNCTION tenancy_private.change_setting(
    subject uuid, key text, value jsonb, secret bytea, key_id text, expected_version bigint
) RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    platform CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    acting CONSTANT record := tenancy_private.act_on_settings();
    wanted CONSTANT record := tenancy_private.setting_of(subject, key);
    at_id CONSTANT uuid := wanted.subject_id;
    previous record;
    present record;
BEGIN
    IF acting.workspace_id <> platform AND (wanted.definition).scope = 'global' THEN
        RAISE EXCEPTION 'the setting % belongs to the platform', (wanted.definition).key
        USING ERRCODE = '42501',
        CONSTRAINT = 'setting_of_platform',
        HINT = 'Platform staff set it in the platform''s workspace: tenancy.enter_platform().';
    END IF;
    -- Setting a locked one would have no effect; removing the workspace's own value is allowed.
    IF acting.workspace_id <> platform AND num_nonnulls(value, secret) > 0 AND EXISTS (
        SELECT FROM tenancy_private.setting_locks AS l WHERE (l.subject_id, l.key) = (at_id, change_setting.key)
    ) THEN
        RAISE EXCEPTION 'the platform has locked the setting %', (wanted.definition).key
        USING ERRCODE = '55000',
        CONSTRAINT = 'setting_locked',
        HINT = 'The platform''s value is effective in all workspaces. Platform staff can unlock it.';
    END IF;
    SELECT s.value, s.fingerprint, s.version INTO previous
    FROM tenancy_private.stored_settings(acting.workspace_id, at_id, change_setting.key) AS s;
    IF expected_version <> coalesce(previous.version, 0) THEN
        RAISE EXCEPTION 'the setting % was changed by somebody else', (wanted.definition).key
        USING ERRCODE = '55000',
        CONSTRAINT = 'setting_changed',
        HINT = 'Read it again with its version, then decide again.';
    END IF;
    -- Removes a secret from the table where it was before it was defined as one.
    PERFORM tenancy_private.write_setting(acting.workspace_id, at_id, change_setting.key, value, acting.user_id);
    IF secret IS NULL THEN
        DELETE FROM tenancy_private.secrets AS s
        WHERE (s.workspace_id, s.subject_id, s.key) = (acting.workspace_id, at_id, change_setting.key);
    ELSE
        INSERT INTO tenancy_private.secrets AS s (workspace_id, subject_id, key, value, key_id, updated_by_user_id)
        VALUES (acting.workspace_id, at_id, change_setting.key, secret, change_setting.key_id, acting.user_id)
        ON CONFLICT ON CONSTRAINT secrets_pkey DO UPDATE SET
            value = excluded.value,
            key_id = excluded.key_id,
            updated_at = clock_timestamp(),
            updated_by_user_id = excluded.updated_by_user_id;
    END IF;
    SELECT s.value, s.fingerprint, s.version INTO present
    FROM tenancy_private.stored_settings(acting.workspace_id, at_id, change_setting.key) AS s;
    PERFORM tenancy_private.record_change(
        CASE WHEN previous.version IS NULL THEN 'INSERT' WHEN present.version IS NULL THEN 'DELETE' ELSE 'UPDATE' END,
        CASE WHEN previous.version IS NOT NULL THEN e.entry || jsonb_strip_nulls(
            jsonb_build_object('value', previous.value, 'fingerprint', previous.fingerprint)
        ) END,
        CASE WHEN present.version IS NOT NULL THEN e.entry || jsonb_strip_nulls(
            jsonb_build_object('value', present.value, 'fingerprint', present.fingerprint)
        ) END,
        '[0:4]={setting,workspace_id,id,value,fingerprint}'::text[]
    )
    FROM (
        SELECT jsonb_build_object(
            'workspace_id', acting.workspace_id, 'id', concat_ws(' ', nullif(at_id, platform), change_setting.key)
        ) AS entry
    ) AS e
    WHERE num_nonnulls(previous.version, present.version) > 0;
    RETURN coalesce(present.version, 0);
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.change_setting(uuid, text, jsonb, bytea, text, bigint)
FROM public;

-- The value is text, whatever the setting's type: PostgreSQL's message about a malformed
-- literal of another type would contain it.
CREATE FUNCTION tenancy.set_setting(
    subject uuid, key text, value text, expected_version bigint DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    wanted record;
BEGIN
    PERFORM tenancy.require_permission('settings.update');
    wanted := tenancy_private.setting_of(subject, key);
    IF value IS NULL OR (wanted.definition).is_secret AND NOT length(value) BETWEEN 1 AND 100000 THEN
        RAISE EXCEPTION '%', CASE
            WHEN value IS NULL THEN format('the setting %s cannot be NULL', (wanted.definition).key)
            ELSE format('the setting %s is a text of 1 to 100000 characters', (wanted.definition).key)
        END
        USING ERRCODE = '22023',
        CONSTRAINT = 'setting_value_invalid',
        HINT = 'tenancy.unset_setting() restores the inherited value.';
    END IF;
    RETURN CASE
        WHEN (wanted.definition).is_secret THEN tenancy_private.change_setting(
            subject, key, NULL, convert_to(value, 'UTF8'), NULL, expected_version
        )
        ELSE tenancy_private.change_setting(
            subject, key, tenancy_private.parsed_setting(wanted.definition, value), NULL, NULL, expected_version
        )
    END;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.set_setting(uuid, text, text, bigint) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.set_setting(uuid, text, text, bigint)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.set_setting(uuid, text, text, bigint) IS
'Sets a value of the current workspace and returns its version; in the platform''s workspace, the platform''s value. '
'With an expected version (0 for none) only if the value still has it. Requires settings.update. Raises P0002 '
'setting_not_found, 22023 setting_value_invalid, setting_subject_invalid, 55000 setting_locked, setting_changed, '
'organization_required, 42501 setting_of_platform, permission_denied, person_required.';

CREATE FUNCTION tenancy.set_sealed_setting(
    subject uuid, key text, value bytea, key_id text, expected_version bigint DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    wanted record;
BEGIN
    PERFORM tenancy.require_permission('settings.update');
    wanted := tenancy_private.setting_of(subject, key);
    IF NOT (wanted.definition).is_secret
        OR NOT coalesce(length(value) BETWEEN 1 AND 100000 AND length(key_id) BETWEEN 1 AND 200, false)
    THEN
        RAISE EXCEPTION '%', CASE
            WHEN NOT (wanted.definition).is_secret THEN format('the setting %s is not a secret', (wanted.definition).key)
            ELSE format('the setting %s takes 1 to 100000 bytes, and the id of the key that sealed them', (wanted.definition).key)
        END
        USING ERRCODE = '22023',
        CONSTRAINT = 'setting_value_invalid',
        HINT = 'tenancy.set_setting() takes text.';
    END IF;
    RETURN tenancy_private.change_setting(subject, key, NULL, value, key_id, expected_version);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.set_sealed_setting(uuid, text, bytea, text, bigint) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.set_sealed_setting(uuid, text, bytea, text, bigint)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.set_sealed_setting(uuid, text, bytea, text, bigint) IS
'Sets a secret that the application has sealed with its own key key_id: the bytes are never interpreted, and a '
'backup does not reveal the secret. Otherwise like tenancy.set_setting().';

CREATE FUNCTION tenancy.unset_setting(
    subject uuid, key text, expected_version bigint DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy.require_permission('settings.update');
    PERFORM tenancy_private.change_setting(subject, key, NULL, NULL, NULL, expected_version);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.unset_setting(uuid, text, bigint) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.unset_setting(uuid, text, bigint)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.unset_setting(uuid, text, bigint) IS
'Removes the current workspace''s own value, so that it inherits again. Requires settings.update. Raises what '
'tenancy.set_setting() raises.';

-- A workspace's own value stays during a lock, and is effective again after it.
CREATE FUNCTION tenancy.lock_setting(
    subject uuid, key text, locked boolean DEFAULT true
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    acting record;
    wanted record;
    verb CONSTANT text := CASE WHEN locked THEN 'INSERT' ELSE 'DELETE' END;
BEGIN
    PERFORM tenancy.require_permission('settings.update');
    IF tenancy.current_workspace_id() <> '00000000-0000-0000-0000-000000000000' THEN
        RAISE EXCEPTION 'settings can be locked only in the platform''s workspace'
        USING ERRCODE = '42501',
        CONSTRAINT = 'setting_of_platform',
        HINT = 'Platform staff enter it with tenancy.enter_platform().';
    END IF;
    acting := tenancy_private.act_on_settings();
    wanted := tenancy_private.setting_of(subject, key);
    IF locked THEN
        INSERT INTO tenancy_private.setting_locks (subject_id, key) VALUES (wanted.subject_id, lock_setting.key)
        ON CONFLICT ON CONSTRAINT setting_locks_pkey DO NOTHING;
    ELSE
        DELETE FROM tenancy_private.setting_locks AS l
        WHERE (l.subject_id, l.key) = (wanted.subject_id, lock_setting.key);
    END IF;
    IF FOUND THEN
        PERFORM tenancy_private.record_change(
            verb, CASE verb WHEN 'DELETE' THEN e.entry END, CASE verb WHEN 'INSERT' THEN e.entry END,
            '[0:3]={setting_lock,workspace_id,id,locked}'::text[]
        )
        FROM (
            SELECT jsonb_build_object(
                'workspace_id', acting.workspace_id, 'id', concat_ws(' ', subject, lock_setting.key), 'locked', true
            ) AS entry
        ) AS e;
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.lock_setting(uuid, text, boolean) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.lock_setting(uuid, text, boolean)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.lock_setting(uuid, text, boolean) IS
'Makes the platform''s value of a setting, or the default, effective in all workspaces, or ends that; for platform '
'staff in the platform''s workspace. Requires settings.update. Raises 42501 setting_of_platform, P0002 '
'setting_not_found.';

-- == For services ==

-- Only this function returns a secret. A ROLLBACK does not remove the line in the server's log,
-- which contains no value.
CREATE FUNCTION tenancy.read_secret(
    organization_id uuid, subject uuid, key text, OUT value bytea, OUT key_id text, OUT level text
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    platform CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    wanted CONSTANT record := tenancy_private.setting_of(subject, key);
    source uuid;
BEGIN
    IF NOT (wanted.definition).is_secret THEN
        RAISE EXCEPTION 'the setting % is not a secret', (wanted.definition).key
        USING ERRCODE = '22023',
        CONSTRAINT = 'setting_value_invalid',
        HINT = 'tenancy.setting() returns it.';
    END IF;
    IF organization_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM tenancy.workspaces AS w
        WHERE w.id = read_secret.organization_id AND w.kind = 'organization' AND w.deleted_at IS NULL
    ) THEN
        RAISE EXCEPTION 'no organization has the id %', organization_id
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'organization_not_found',
        HINT = 'The ids are in public.organizations; NULL reads the platform''s own secret.';
    END IF;
    RAISE LOG '% reads the secret % of %', session_user, (wanted.definition).key, coalesce(organization_id, platform);
    IF current_setting('transaction_read_only')::boolean THEN
        RAISE EXCEPTION 'a secret cannot be read in a read-only transaction'
        USING ERRCODE = '25006',
        CONSTRAINT = 'audit_must_be_recorded',
        HINT = 'Reading a secret is written to the audit log: use a read-write transaction on the primary server.';
    END IF;
    SELECT r.level INTO level
    FROM tenancy_private.resolved_settings(coalesce(organization_id, platform), wanted.subject_id, read_secret.key) AS r;
    source := CASE level WHEN 'organization' THEN organization_id WHEN 'platform' THEN platform END;
    SELECT s.value, s.key_id INTO value, key_id
    FROM tenancy_private.secrets AS s
    WHERE (s.workspace_id, s.subject_id, s.key) = (source, wanted.subject_id, read_secret.key);
    IF NOT FOUND THEN
        -- It was stored here before it was defined as a secret.
        SELECT convert_to(s.value #>> '{}', 'UTF8') INTO value
        FROM tenancy.settings AS s
        WHERE (s.workspace_id, s.subject_id, s.key) = (source, wanted.subject_id, read_secret.key);
    END IF;
    IF NOT FOUND AND to_regprocedure('tenancy_private.adopted_settings(uuid,uuid,text)') IS NOT NULL THEN
        SELECT convert_to(a.value #>> '{}', 'UTF8') INTO value
        FROM tenancy_private.adopted_settings(source, wanted.subject_id, read_secret.key) AS a;
    END IF;
    INSERT INTO tenancy.audit_log (workspace_id, action, object_kind, object_id)
    VALUES (
        coalesce(organization_id, platform), 'setting.read', 'setting', concat_ws(' ', subject, read_secret.key)
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy.read_secret(uuid, uuid, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.read_secret(uuid, uuid, text) TO tenancy_service;
COMMENT ON FUNCTION tenancy.read_secret(uuid, uuid, text) IS
'For services: the effective secret of an organization, or with NULL of the platform, the id of the application''s '
'key that sealed it, and its level; no row if it is not configured. The call is written to the audit log. Raises '
'P0002 setting_not_found, organization_not_found, 22023 setting_value_invalid, 25006 audit_must_be_recorded.';

-- == For a DBA ==

CREATE FUNCTION tenancy.define_setting(
    key text,
    value_type text,
    scope text DEFAULT 'organization',
    default_value jsonb DEFAULT NULL,
    min_int bigint DEFAULT NULL,
    max_int bigint DEFAULT NULL,
    secret boolean DEFAULT false,
    required boolean DEFAULT false,
    subjects uuid[] DEFAULT NULL,
    description text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    definition tenancy.settings_definitions;
    wrong CONSTANT text := CASE
        WHEN NOT coalesce(key ~ '^[A-Za-z][A-Za-z0-9_.-]*$' AND length(key) <= 100, false)
            THEN 'a key is letters, digits, "_", "." and "-", 100 at most, and begins with a letter'
        WHEN NOT coalesce(value_type IN ('int', 'bool', 'text', 'json'), false) THEN 'a type is int, bool, text or json'
        WHEN NOT coalesce(scope IN ('organization', 'subject', 'global'), false)
            THEN 'a scope is organization, subject or global'
        WHEN num_nonnulls(min_int, max_int) > 0 AND value_type <> 'int' THEN 'only an int has a range'
        WHEN min_int > max_int THEN 'the range is empty'
        WHEN secret IS NULL OR required IS NULL THEN 'secret and required are true or false'
        WHEN secret AND default_value IS NOT NULL THEN 'a secret has no default'
        WHEN secret AND value_type <> 'text' THEN 'a secret is a text'
        WHEN subjects IS NOT NULL AND scope <> 'subject' THEN 'only settings whose scope is subject have subjects'
    END;
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '%', wrong
        USING ERRCODE = '22023',
        CONSTRAINT = 'setting_invalid',
        HINT = 'For instance: SELECT tenancy.define_setting(''max_members'', ''int'', default_value => ''10'', min_int => 1);';
    END IF;
    definition := ROW(
        key, scope, value_type, min_int, max_int, default_value, secret, required, subjects, description
    )::tenancy.settings_definitions;
    IF default_value IS NOT NULL THEN
        IF default_value IS DISTINCT FROM tenancy_private.parsed_setting(
            definition, CASE value_type WHEN 'json' THEN default_value::text ELSE default_value #>> '{}' END
        ) THEN
            RAISE EXCEPTION 'the default is not of the type %', value_type
            USING ERRCODE = '22023',
            CONSTRAINT = 'setting_invalid',
            HINT = 'It is JSON: 10, true, "a text" in double quotes, or any JSON.';
        END IF;
    END IF;
    INSERT INTO tenancy.settings_definitions AS d SELECT (definition).*
    ON CONFLICT ON CONSTRAINT settings_definitions_pkey DO UPDATE SET
        scope = excluded.scope,
        value_type = excluded.value_type,
        min_int = excluded.min_int,
        max_int = excluded.max_int,
        default_value = excluded.default_value,
        is_secret = excluded.is_secret,
        is_required = excluded.is_required,
        subjects = excluded.subjects,
        description = excluded.description;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.define_setting(
    text, text, text, jsonb, bigint, bigint, boolean, boolean, uuid[], text
) FROM public;
COMMENT ON FUNCTION tenancy.define_setting(
    text, text, text, jsonb, bigint, bigint, boolean, boolean, uuid[], text
) IS
'Defines or changes a setting. Raises 22023 setting_invalid, setting_value_invalid. DELETE FROM '
'tenancy.settings_definitions removes one; its values return if it is defined again.';

\ir ../../notes/done.psql
COMMIT;
