-- Deploy pg-tenancy:kernel/organizations_functions to pg
-- requires: kernel/entering
-- requires: kernel/organization_slugs_backfill

\set change kernel/organizations_functions
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

CREATE FUNCTION tenancy_private.refuse_personal() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'this requires an organization, and the current workspace is %',
        CASE tenancy.current_role() WHEN 'staff' THEN 'the platform''s' ELSE 'personal' END
    USING ERRCODE = '55000',
    CONSTRAINT = 'organization_required',
    HINT = 'Enter one of tenancy.my_organizations() in the next transaction.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_personal() FROM public;

-- For functions that read in the current organization; returns it. Verifies the context once.
CREATE FUNCTION tenancy_private.read_in_organization(permission text) RETURNS uuid
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    workspace CONSTANT uuid := tenancy.current_workspace_id();
BEGIN
    IF current_setting('tenancy.current_organization_id') IN ('', '00000000-0000-0000-0000-000000000000') THEN
        PERFORM tenancy_private.refuse_personal();
    END IF;
    IF tenancy_private.holds(permission) IS NOT TRUE THEN
        PERFORM tenancy_private.refuse_permission(permission);
    END IF;
    RETURN workspace;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.read_in_organization(text) FROM public;

-- Every function that changes an organization or its members begins here: it checks the
-- permission, makes changes of one organization wait for each other, and looks the role up
-- again, because the one in the context may have been revoked since the transaction entered. It
-- writes the counter instead of only locking its row, so that the second of two changes fails
-- under REPEATABLE READ.
CREATE FUNCTION tenancy_private.act_in_organization(
    permission text, OUT organization_id uuid, OUT user_id uuid, OUT role text
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    organization_id := tenancy.current_organization_id();
    user_id := tenancy.current_user_id();
    IF organization_id IS NULL THEN
        PERFORM tenancy_private.refuse_personal();
    END IF;
    PERFORM tenancy_private.require_person();
    IF permission IS NOT NULL THEN
        PERFORM tenancy.require_permission(permission);
    END IF;

    UPDATE tenancy.workspaces AS w
    SET owner_changes = w.owner_changes + 1
    WHERE w.id = act_in_organization.organization_id AND w.deleted_at IS NULL;
    IF FOUND THEN
        SELECT m.role::text INTO role
        FROM public.organization_memberships AS m
        WHERE m.organization_id = act_in_organization.organization_id
            AND m.user_id = act_in_organization.user_id
        -- A service may have changed it without the counter.
        FOR SHARE;
    END IF;
    IF role IS NULL THEN
        PERFORM tenancy_private.refuse_member();
    END IF;
    IF permission IS NOT NULL AND NOT EXISTS (
        SELECT FROM tenancy.role_permissions AS p
        WHERE p.permission = act_in_organization.permission AND p.role = act_in_organization.role
    ) THEN
        PERFORM tenancy_private.refuse_permission(permission, role);
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.act_in_organization(text) FROM public;

-- Names that others see must not imitate other names: no control characters and no characters
-- that change the direction of the text. At most 200 characters.
CREATE FUNCTION tenancy_private.plain_text(given text) RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN regexp_replace(
    left(given, 200), U&'[[:cntrl:]\061C\200E\200F\202A-\202E\2066-\2069]', ' ', 'g'
);
REVOKE ALL ON FUNCTION tenancy_private.plain_text(text) FROM public;

CREATE FUNCTION tenancy_private.is_plain(name text) RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN name = tenancy_private.plain_text(name);
REVOKE ALL ON FUNCTION tenancy_private.is_plain(text) FROM public;

CREATE FUNCTION tenancy_private.checked_name(name text) RETURNS text
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    trimmed CONSTANT text := btrim(name, E' \t\r\n');
BEGIN
    IF trimmed IS NULL OR trimmed = '' OR NOT tenancy_private.is_plain(trimmed) THEN
        RAISE EXCEPTION 'an organization''s name must have 1 to 200 characters, no control characters and no direction marks'
        USING ERRCODE = '22023',
        CONSTRAINT = 'organization_name_invalid',
        HINT = 'Give another name.';
    END IF;
    RETURN trimmed;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.checked_name(text) FROM public;

CREATE FUNCTION tenancy_private.checked_slug(slug text) RETURNS text
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF slug !~ '^[a-z0-9]+(-[a-z0-9]+)*$' OR length(slug) > 63 THEN
        RAISE EXCEPTION 'a slug must have 1 to 63 characters: lowercase letters a to z, digits, and single hyphens between them'
        USING ERRCODE = '22023',
        CONSTRAINT = 'organization_slug_invalid',
        HINT = 'Give another slug, or none, and one is made from the name.';
    END IF;
    RETURN slug;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.checked_slug(text) FROM public;

-- "Société Générale (Paris)" becomes societe-generale-paris: letters are decomposed (Unicode
-- NFKD), their marks are dropped, and everything else but letters and digits becomes a hyphen.
CREATE FUNCTION tenancy_private.slug_from_name(name text) RETURNS text
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    letters text := lower(name);
BEGIN
    IF current_setting('server_encoding') = 'UTF8' THEN
        letters := translate(
            replace(replace(replace(normalize(letters, NFKD), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'øđłðı', 'odldi'
        );
        letters := regexp_replace(letters, E'[\u0300-\u036f]', '', 'g');
    END IF;
    letters := btrim(left(btrim(regexp_replace(letters, '[^a-z0-9]+', '-', 'g'), '-'), 48), '-');
    RETURN coalesce(nullif(letters, ''), 'organization');
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.slug_from_name(text) FROM public;

-- A row with only the columns that everybody in the organization may read. An adopted table,
-- and so its row type, can have more columns, which tenants must not see.
CREATE FUNCTION tenancy_private.organization_row(organization_id uuid) RETURNS public.organizations
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shown public.organizations;
BEGIN
    SELECT o.id, o.name, o.slug, o.created_by_user_id, o.created_at, o.updated_at
    INTO shown.id, shown.name, shown.slug, shown.created_by_user_id, shown.created_at, shown.updated_at
    FROM public.organizations AS o
    WHERE o.id = organization_row.organization_id;
    RETURN shown;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.organization_row(uuid) FROM public;

-- If the slug of a name is taken, random characters are appended: a number would reveal how
-- many organizations have that name. Four at first, and four more each time, so that nobody can
-- exhaust a name.
CREATE FUNCTION tenancy.create_organization(name text, slug text DEFAULT NULL)
RETURNS public.organizations
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    creator CONSTANT uuid := tenancy.current_user_id();
    new_id uuid;
    new_name text;
    new_slug text;
    violated text;
BEGIN
    PERFORM tenancy_private.require_person();
    new_name := tenancy_private.checked_name(name);
    new_slug := coalesce(
        tenancy_private.checked_slug(create_organization.slug), tenancy_private.slug_from_name(new_name)
    );
    FOR attempt IN 1..8 LOOP
        BEGIN
            new_id := tenancy_private.write_data('public.organizations', jsonb_build_object(
                'name', new_name, 'slug', new_slug, 'created_by_user_id', creator,
                'created_at', now(), 'updated_at', now()
            )) ->> 'id';
            EXIT;
        EXCEPTION
            WHEN unique_violation THEN
                -- An adopted table may have several unique keys, and only for one of them does
                -- another slug help.
                GET STACKED DIAGNOSTICS violated = CONSTRAINT_NAME;
                IF violated <> 'organization_slug_taken' OR create_organization.slug IS NOT NULL OR attempt = 8 THEN
                    RAISE;
                END IF;
                new_slug := left(tenancy_private.slug_from_name(new_name), 30)
                    || '-' || left(replace(gen_random_uuid()::text, '-', ''), attempt * 4);
        END;
    END LOOP;
    PERFORM tenancy_private.write_data('public.organization_memberships', jsonb_build_object(
        'organization_id', new_id, 'user_id', creator, 'role', 'owner', 'created_at', now()
    ));
    RETURN tenancy_private.organization_row(new_id);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.create_organization(text, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.create_organization(text, text)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.create_organization(text, text) IS
'Creates an organization whose owner is the current user; enter it in the next transaction. Without a slug one is '
'derived from the name. Raises 22023 organization_name_invalid, organization_slug_invalid, organization_data_invalid, '
'23505 organization_slug_taken.';

CREATE FUNCTION tenancy.my_organizations()
RETURNS TABLE (id uuid, name text, slug text, role text, is_current boolean)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    current_user_id CONSTANT uuid := tenancy.current_user_id();
    current_workspace_id CONSTANT uuid := tenancy.current_workspace_id();
BEGIN
    -- A key can enter only the workspace to which it belongs.
    IF tenancy.current_credential_id() IS NOT NULL THEN
        RETURN QUERY
        SELECT
            o.id,
            o.name::text,
            o.slug::text,
            tenancy.current_role(),
            true
        FROM public.organizations AS o
        WHERE o.id = current_workspace_id;
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        o.id,
        o.name::text,
        o.slug::text,
        m.role::text,
        o.id = current_workspace_id
    FROM public.organization_memberships AS m
    INNER JOIN public.organizations AS o ON m.organization_id = o.id
    INNER JOIN tenancy.workspaces AS w ON m.organization_id = w.id
    WHERE m.user_id = current_user_id AND w.deleted_at IS NULL
    ORDER BY lower(o.name), o.id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.my_organizations() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.my_organizations() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.my_organizations() IS
'The organizations that the current user can enter, in alphabetical order, for a switcher.';

CREATE FUNCTION tenancy.update_organization(
    name text DEFAULT NULL, slug text DEFAULT NULL, color text DEFAULT NULL
) RETURNS public.organizations
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    acting CONSTANT record := tenancy_private.act_in_organization('organization.update');
    new_name CONSTANT text := CASE WHEN name IS NOT NULL THEN tenancy_private.checked_name(name) END;
    new_slug CONSTANT text := tenancy_private.checked_slug(slug);
BEGIN
    IF color !~ '^#[0-9a-fA-F]{6}$' THEN
        RAISE EXCEPTION 'a color must be written as #rrggbb'
        USING ERRCODE = '22023',
        CONSTRAINT = 'organization_color_invalid',
        HINT = 'For example #1d4ed8.';
    END IF;
    UPDATE tenancy.workspaces AS w
    SET color = lower(update_organization.color)
    WHERE w.id = acting.organization_id AND w.color <> lower(update_organization.color);
    IF EXISTS (
        SELECT FROM public.organizations AS o
        WHERE o.id = acting.organization_id
            AND (o.name IS DISTINCT FROM coalesce(new_name, o.name) OR o.slug IS DISTINCT FROM coalesce(new_slug, o.slug))
    ) THEN
        PERFORM tenancy_private.write_data(
            'public.organizations',
            jsonb_strip_nulls(jsonb_build_object('name', new_name, 'slug', new_slug, 'updated_at', now())),
            jsonb_build_object('id', acting.organization_id)
        );
    END IF;
    RETURN tenancy_private.organization_row(acting.organization_id);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.update_organization(text, text, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.update_organization(text, text, text)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.update_organization(text, text, text) IS
'Changes the given ones of the current organization''s name, slug and banner color. Requires organization.update.';

CREATE FUNCTION tenancy.delete_organization() RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    acting CONSTANT record := tenancy_private.act_in_organization('organization.delete');
BEGIN
    UPDATE tenancy.workspaces AS w
    SET deleted_at = now()
    WHERE w.id = acting.organization_id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.delete_organization() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.delete_organization() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.delete_organization() IS
'Deletes the current organization: nobody can enter it any more. Its rows stay until a service calls '
'purge_organization(); restore_organization() undoes the deletion. Requires organization.delete.';

CREATE FUNCTION tenancy_private.refuse_deleted(organization_id uuid) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'no deleted organization has the id %', organization_id
    USING ERRCODE = 'P0002',
    CONSTRAINT = 'deleted_organization_not_found',
    HINT = 'tenancy.workspaces.deleted_at says which organizations are deleted.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_deleted(uuid) FROM public;

CREATE FUNCTION tenancy.restore_organization(organization_id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    UPDATE tenancy.workspaces AS w
    SET deleted_at = NULL
    WHERE w.id = restore_organization.organization_id AND w.deleted_at IS NOT NULL;
    IF NOT FOUND THEN
        PERFORM tenancy_private.refuse_deleted(organization_id);
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.restore_organization(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.restore_organization(uuid) TO tenancy_service;
COMMENT ON FUNCTION tenancy.restore_organization(uuid) IS
'Undoes delete_organization(); members can enter again. Raises P0002 deleted_organization_not_found.';

CREATE FUNCTION tenancy.purge_organization(organization_id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM FROM tenancy.workspaces AS w
    WHERE w.id = purge_organization.organization_id AND w.deleted_at IS NOT NULL
    FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM tenancy_private.refuse_deleted(organization_id);
    END IF;
    -- The workspace first, so that its rows are deleted too in tables of the application that
    -- would only set the organization to NULL. As tenancy_writer, like their triggers.
    PERFORM tenancy_private.delete_rows(
        'tenancy.workspaces', jsonb_build_object('id', purge_organization.organization_id)
    );
    PERFORM tenancy_private.delete_below(
        'public.organizations', jsonb_build_object('id', purge_organization.organization_id)
    );
    PERFORM tenancy_private.delete_rows(
        'public.organizations', jsonb_build_object('id', purge_organization.organization_id)
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy.purge_organization(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.purge_organization(uuid) TO tenancy_service;
COMMENT ON FUNCTION tenancy.purge_organization(uuid) IS
'Removes a deleted organization and everything that depends on it, for good. Raises P0002 '
'deleted_organization_not_found.';

\ir ../../notes/done.psql
COMMIT;
