-- Deploy pg-tenancy:kernel/permission_checks to pg
-- requires: kernel/context
-- requires: kernel/role_permissions

\set change kernel/permission_checks
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- Whether the context, which the caller has verified, holds a permission.
CREATE FUNCTION tenancy_private.holds(permission text) RETURNS boolean
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN substr(current_setting('tenancy.context'), 72 + p.number, 1) = '1'
    FROM tenancy.permissions AS p
    WHERE p.permission = holds.permission;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.holds(text) FROM public;

CREATE FUNCTION tenancy.has_permission(permission text) RETURNS boolean
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy.current_workspace_id();
    RETURN coalesce(tenancy_private.holds(permission), false);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.has_permission(text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.has_permission(text) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.has_permission(text) IS
'Whether the current role holds the permission; in personal mode every known permission, on the user''s own rows.';

CREATE FUNCTION tenancy.my_permissions() RETURNS SETOF text
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
BEGIN ATOMIC
    SELECT p.permission
    FROM tenancy.permissions AS p
    WHERE (SELECT tenancy.current_workspace_id()) IS NOT NULL
        AND substr(current_setting('tenancy.context'), 72 + p.number, 1) = '1'
    ORDER BY p.permission;
END;
REVOKE ALL ON FUNCTION tenancy.my_permissions() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.my_permissions() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.my_permissions() IS
'The permissions of the current role, in alphabetical order; in personal mode all of them.';

-- Names the roles that hold the permission, so that the person knows whom to ask.
CREATE FUNCTION tenancy_private.refuse_permission(
    permission text, held_role text DEFAULT tenancy.current_role()
) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    holders CONSTANT text := (
        SELECT string_agg(p.role, ', ' ORDER BY array_position(ARRAY['owner', 'admin', 'manager', 'user', 'staff'], p.role))
        FROM tenancy.role_permissions AS p
        WHERE p.permission = refuse_permission.permission
    );
BEGIN
    RAISE EXCEPTION '% lacks permission %', coalesce('role ' || held_role, 'the person'), permission
    USING ERRCODE = '42501',
    CONSTRAINT = 'permission_denied',
    HINT = CASE
        WHEN holders IS NULL THEN 'No role holds this permission.'
        ELSE format('Roles that hold it: %s.', holders)
    END;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_permission(text, text) FROM public;

CREATE FUNCTION tenancy.require_permission(permission text) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy.current_workspace_id();
    IF tenancy_private.holds(permission) IS NOT TRUE THEN
        PERFORM tenancy_private.refuse_permission(permission);
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.require_permission(text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.require_permission(text) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.require_permission(text) IS
'Raises 42501 permission_denied, naming role, permission and holders, unless the current role holds the permission.';

CREATE FUNCTION tenancy_private.require_page_size(page_size integer) RETURNS void
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT coalesce(page_size BETWEEN 1 AND 10000, false) THEN
        RAISE EXCEPTION 'a page must have 1 to 10000 rows'
        USING ERRCODE = '22023',
        CONSTRAINT = 'page_size_invalid',
        HINT = 'For the next page give the last id of this one as after_id.';
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.require_page_size(integer) FROM public;

CREATE FUNCTION tenancy_private.require_person() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF tenancy.current_credential_id() IS NOT NULL THEN
        RAISE EXCEPTION 'an API key is not allowed to do this'
        USING ERRCODE = '42501',
        CONSTRAINT = 'person_required',
        HINT = 'Enter as the person: tenancy.enter(user_id, organization_id), or with a ticket.';
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.require_person() FROM public;

CREATE FUNCTION tenancy.require_person() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.require_person();
END;
$$;
REVOKE ALL ON FUNCTION tenancy.require_person() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.require_person() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.require_person() IS
'Raises 42501 person_required in a transaction that entered with an API key.';

\ir ../../notes/done.psql
COMMIT;
