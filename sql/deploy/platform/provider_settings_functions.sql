-- Deploy pg-tenancy:platform/provider_settings_functions to pg
-- requires: platform/provider_settings
-- requires: platform/modules

\set change platform/provider_settings_functions
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The subjects of settings are the providers.
CREATE FUNCTION tenancy_private.setting_subjects() RETURNS TABLE (id uuid)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY SELECT p.id FROM public.providers AS p;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.setting_subjects() FROM public;

-- Values in the application's own tables, at a level. global_settings may be missing.
CREATE FUNCTION tenancy_private.adopted_settings(workspace uuid, subject uuid, wanted text)
RETURNS TABLE (subject_id uuid, key text, value jsonb, version bigint)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    platform CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    RETURN QUERY
    SELECT s.provider_id, s.key::text, v.value, s.xmin::text::bigint
    FROM public.provider_settings AS s
    INNER JOIN tenancy.settings_definitions AS d ON s.key::text = d.key AND d.scope = 'subject'
    CROSS JOIN LATERAL (
        SELECT CASE d.value_type
            WHEN 'int' THEN to_jsonb(s.value_int)
            WHEN 'bool' THEN to_jsonb(s.value_bool)
            WHEN 'text' THEN to_jsonb(s.value_text)
            ELSE s.value_json::jsonb
        END AS value
    ) AS v
    WHERE (s.organization_id = workspace OR workspace = platform AND s.organization_id IS NULL)
        AND (subject IS NULL OR s.provider_id = subject)
        AND (wanted IS NULL OR s.key::text = wanted)
        AND v.value IS NOT NULL;
    IF workspace <> platform OR subject <> platform OR to_regclass('public.global_settings') IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT platform, s.key::text, v.value, s.xmin::text::bigint
    FROM public.global_settings AS s
    INNER JOIN tenancy.settings_definitions AS d ON s.key::text = d.key AND d.scope <> 'subject'
    CROSS JOIN LATERAL (
        SELECT CASE d.value_type
            WHEN 'int' THEN to_jsonb(s.value_int)
            WHEN 'bool' THEN to_jsonb(s.value_bool)
            WHEN 'text' THEN to_jsonb(s.value_text)
            ELSE s.value_json::jsonb
        END AS value
    ) AS v
    WHERE (wanted IS NULL OR s.key::text = wanted) AND v.value IS NOT NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.adopted_settings(uuid, uuid, text) FROM public;

-- Whether provider_settings can hold a value of an organization, or of the platform: its column
-- may be NOT NULL, and an existing unique key may allow no second value.
CREATE FUNCTION tenancy_private.provider_settings_hold(organization_id uuid) RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN (
    SELECT NOT EXISTS (
        SELECT FROM pg_index AS i
        WHERE i.indrelid = a.attrelid AND i.indisunique AND NOT i.indisprimary
            AND a.attnum <> ALL(i.indkey::smallint[]) -- noqa: CP03
    ) AND (
        provider_settings_hold.organization_id IS NOT NULL OR NOT a.attnotnull -- noqa: RF01
    )
    FROM pg_attribute AS a
    WHERE a.attrelid = 'public.provider_settings'::regclass AND a.attname = 'organization_id'
);
REVOKE ALL ON FUNCTION tenancy_private.provider_settings_hold(uuid) FROM public;

-- Writes a value to the application's own tables, if they have one or can hold it; NULL deletes
-- it. Returns whether it did; otherwise the value goes to tenancy.settings.
CREATE FUNCTION tenancy_private.write_adopted_setting(
    workspace uuid, subject uuid, key text, value jsonb
) RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    platform CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    organization CONSTANT uuid := nullif(workspace, platform);
    value_type CONSTANT text := (
        SELECT d.value_type FROM tenancy.settings_definitions AS d WHERE d.key = write_adopted_setting.key
    );
    place CONSTANT regclass := CASE WHEN subject <> platform THEN 'public.provider_settings'::regclass
        WHEN organization IS NULL THEN to_regclass('public.global_settings') END;
    new_values jsonb;
    row_key jsonb;
BEGIN
    IF place IS NULL THEN
        RETURN false;
    END IF;
    new_values := jsonb_build_object('value_int', NULL, 'value_bool', NULL, 'value_text', NULL, 'value_json', NULL)
        || jsonb_build_object('value_' || value_type, value);
    IF EXISTS (
        SELECT FROM pg_attribute AS a WHERE a.attrelid = place AND a.attname = 'updated_at' AND NOT a.attisdropped
    ) THEN
        new_values := new_values || jsonb_build_object('updated_at', clock_timestamp());
    END IF;
    IF subject <> platform THEN
        row_key := (
            SELECT jsonb_build_object('id', s.id) FROM public.provider_settings AS s
            WHERE s.provider_id = subject AND s.key::text = write_adopted_setting.key
                AND s.organization_id IS NOT DISTINCT FROM organization
        );
        new_values := new_values || CASE WHEN row_key IS NULL THEN jsonb_build_object(
            'id', gen_random_uuid(), 'provider_id', subject, 'organization_id', organization, 'key', write_adopted_setting.key
        ) ELSE '{}' END;
    ELSE
        row_key := (
            SELECT jsonb_build_object('key', s.key) FROM public.global_settings AS s
            WHERE s.key::text = write_adopted_setting.key
        );
        new_values := new_values || jsonb_build_object('key', write_adopted_setting.key);
    END IF;
    IF value IS NULL THEN
        IF row_key IS NOT NULL THEN
            PERFORM tenancy_private.delete_rows(place, row_key);
        END IF;
        RETURN row_key IS NOT NULL;
    END IF;
    IF row_key IS NOT NULL THEN
        PERFORM tenancy_private.update_rows(place, row_key, new_values);
    ELSIF subject = platform OR tenancy_private.provider_settings_hold(organization) THEN
        PERFORM tenancy_private.insert_row(place, new_values);
    ELSE
        RETURN false;
    END IF;
    RETURN true;
EXCEPTION
    -- The table's column is narrower than the definition, or its own rules are stricter.
    WHEN data_exception OR check_violation THEN
        RAISE EXCEPTION 'the table % does not accept this value of the setting %', place, write_adopted_setting.key
        USING ERRCODE = '22023',
        CONSTRAINT = 'setting_value_invalid',
        HINT = 'Its columns and constraints define the accepted values.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.write_adopted_setting(uuid, uuid, text, jsonb) FROM public;

-- The providers that are ready in the current workspace, without a check of permissions.
CREATE FUNCTION tenancy_private.provider_readiness()
RETURNS TABLE (provider_id uuid, name text, is_active boolean, ready boolean, missing text[])
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    WITH required AS (
        SELECT r.subject_id, array_agg(r.key ORDER BY r.key COLLATE "C") FILTER (WHERE r.level IS NULL) AS missing
        FROM tenancy_private.resolved_settings(tenancy.current_workspace_id()) AS r
        WHERE (r.definition).is_required AND (r.definition).scope = 'subject'
        GROUP BY r.subject_id
    )

    SELECT
        p.id, p.name::text, a.is_active, a.is_active AND m.missing IS NULL, coalesce(m.missing, '{}')
    FROM public.providers AS p
    -- Not every application can deactivate its providers.
    CROSS JOIN LATERAL (SELECT coalesce((to_jsonb(p) ->> 'is_active')::boolean, true) AS is_active) AS a
    LEFT JOIN required AS m ON p.id = m.subject_id
    ORDER BY p.name, p.id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.provider_readiness() FROM public;

CREATE FUNCTION tenancy.provider_status()
RETURNS TABLE (provider_id uuid, name text, is_active boolean, ready boolean, missing text[])
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy.require_permission('settings.view');
    RETURN QUERY SELECT r.* FROM tenancy_private.provider_readiness() AS r;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.provider_status() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.provider_status() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.provider_status() IS
'The providers: whether each is active, whether it is ready in the current workspace, and the required settings that '
'are missing. Requires settings.view.';

-- Copies definitions of the application, which it may change at any time. A DBA adds which are
-- secret and which are required. A name that suggests a secret makes a setting secret, because
-- a secret once shown cannot be hidden again.
CREATE FUNCTION tenancy_private.mirror_definition() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    given CONSTANT jsonb := CASE tg_op WHEN 'DELETE' THEN to_jsonb(old) ELSE to_jsonb(new) END;
    definition_key CONSTANT text := given ->> 'key';
    secret CONSTANT boolean := coalesce(
        (given ->> 'is_secret')::boolean,
        (SELECT d.is_secret FROM tenancy.settings_definitions AS d WHERE d.key = definition_key),
        given ->> 'value_type' IN ('text', 'json')
        AND definition_key ~* '(secret|passw|passphrase|token|credential|private|api_?key|access_?key)'
    );
BEGIN
    IF tg_op <> 'INSERT' AND to_jsonb(old) ->> 'key' IS DISTINCT FROM to_jsonb(new) ->> 'key' THEN
        DELETE FROM tenancy.settings_definitions AS d WHERE d.key = to_jsonb(old) ->> 'key';
    END IF;
    -- Other types than these four are ignored.
    IF tg_op = 'DELETE' OR definition_key IS NULL
        OR coalesce(given ->> 'value_type', '') NOT IN ('int', 'bool', 'text', 'json')
        OR coalesce(given ->> 'scope', '') NOT IN ('provider', 'global')
    THEN
        RETURN NULL;
    END IF;
    INSERT INTO tenancy.settings_definitions AS d (
        key, scope, value_type, min_int, max_int, default_value, is_secret, is_required, description
    )
    SELECT
        definition_key,
        CASE given ->> 'scope' WHEN 'provider' THEN 'subject' ELSE 'global' END,
        given ->> 'value_type',
        r.min_int,
        CASE WHEN coalesce(r.min_int <= r.max_int, true) THEN r.max_int END,
        CASE WHEN NOT secret THEN nullif(given -> ('default_' || (given ->> 'value_type')), 'null') END,
        secret,
        coalesce((given ->> 'is_required')::boolean, false),
        given ->> 'description'
    FROM (SELECT (given ->> 'min_int')::bigint AS min_int, (given ->> 'max_int')::bigint AS max_int) AS r
    ON CONFLICT ON CONSTRAINT settings_definitions_pkey DO UPDATE SET
        scope = excluded.scope,
        value_type = excluded.value_type,
        min_int = excluded.min_int,
        max_int = excluded.max_int,
        default_value = excluded.default_value,
        is_secret = excluded.is_secret,
        is_required = CASE WHEN given ? 'is_required' THEN excluded.is_required ELSE d.is_required END,
        description = coalesce(excluded.description, d.description);
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.mirror_definition() FROM public;

RESET ROLE;

SELECT
    to_regclass('public.settings_definitions') IS NOT NULL AS has_definitions,
    to_regclass('public.global_settings') IS NOT NULL AS has_globals
\gset

\if :has_globals
CALL tenancy_private.grant_to_owner('public.global_settings');
\endif

\if :has_definitions
CALL tenancy_private.patiently(
    ARRAY['public.settings_definitions']::regclass[],
    'SHARE ROW EXCLUSIVE', 'SELECT'
);
CREATE TRIGGER settings_definitions_tenancy_mirror
AFTER INSERT OR UPDATE OR DELETE ON public.settings_definitions
FOR EACH ROW EXECUTE FUNCTION tenancy_private.mirror_definition();
CALL tenancy_private.record_triggers(
    'public.settings_definitions', 'settings_definitions_tenancy_mirror'
);

-- Existing definitions are copied the same way, without changing them.
CREATE TEMPORARY TABLE pg_tenancy_definitions ON COMMIT DROP AS TABLE public.settings_definitions;
CREATE TRIGGER mirror AFTER UPDATE ON pg_tenancy_definitions
FOR EACH ROW EXECUTE FUNCTION tenancy_private.mirror_definition();
ALTER TABLE tenancy.settings_definitions DISABLE TRIGGER settings_definitions_audit;
UPDATE pg_tenancy_definitions SET key = key;
ALTER TABLE tenancy.settings_definitions ENABLE TRIGGER settings_definitions_audit;

DO $$
DECLARE
    secrets CONSTANT text := (
        SELECT string_agg(d.key, ', ' ORDER BY d.key)
        FROM tenancy.settings_definitions AS d INNER JOIN public.settings_definitions AS p ON d.key = p.key::text
        WHERE d.is_secret
    );
BEGIN
    IF secrets IS NOT NULL THEN
        RAISE WARNING 'these settings are treated as secrets, which no tenant can read: %', secrets
        USING HINT = 'Correct them with UPDATE tenancy.settings_definitions SET is_secret = ... WHERE key = ...';
    END IF;
END;
$$;
\endif

\ir ../../notes/done.psql
COMMIT;
