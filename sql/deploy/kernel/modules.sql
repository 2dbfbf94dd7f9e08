-- Deploy pg-tenancy:kernel/modules to pg
-- requires: kernel/organizations_functions
-- requires: kernel/audit_log

\set change kernel/modules
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The parts of an application and who may open them, as data, so that a front end shows only
-- what the database permits. This closes nothing by itself: tables and functions require their
-- own permissions.
CREATE TABLE tenancy.modules (
    key        text    NOT NULL,
    name       text    NOT NULL,
    path       text    NOT NULL,
    place      integer NOT NULL DEFAULT 0,
    workspaces text[]  NOT NULL DEFAULT '{personal,organization,platform}',
    roles      text[],
    permission text,
    CONSTRAINT modules_pkey PRIMARY KEY (key),
    CONSTRAINT modules_permission_fkey FOREIGN KEY (permission)
    REFERENCES tenancy.permissions (permission) ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT modules_key_check CHECK (key ~ '^[a-z][a-z0-9_]*$' AND length(key) <= 100),
    CONSTRAINT modules_workspaces_check CHECK (
        workspaces <> '{}' AND workspaces <@ '{personal,organization,platform}'
    ),
    CONSTRAINT modules_roles_check
    CHECK (roles <> '{}' AND roles <@ '{owner,admin,manager,user,staff}')
);
COMMENT ON TABLE tenancy.modules IS
'The modules of the application: where each opens, for which roles and with which permission.';
COMMENT ON COLUMN tenancy.modules.workspaces IS
'The kinds of workspaces in which it opens: personal, organization, platform.';
COMMENT ON COLUMN tenancy.modules.roles IS
'The roles that may open it, NULL for all; nobody has a role in a personal workspace.';
COMMENT ON COLUMN tenancy.modules.permission IS
'The permission that it requires, NULL for none; in a personal workspace everybody holds all.';
CREATE INDEX modules_permission_idx ON tenancy.modules (permission);

-- Closed until modules_policies opens it.
CALL tenancy_private.close_own_table('tenancy.modules');

-- The state of a module in the context, which the caller has verified. The kind of
-- workspace is checked first: in the personal workspace the role in an organization
-- is unknown.
CREATE FUNCTION tenancy_private.module_state(module tenancy.modules) RETURNS text
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kind CONSTANT text := CASE current_setting('tenancy.current_organization_id')
        WHEN '' THEN 'personal'
        WHEN '00000000-0000-0000-0000-000000000000' THEN 'platform'
        ELSE 'organization'
    END;
BEGIN
    IF kind <> ALL(module.workspaces) THEN
        RETURN CASE WHEN 'organization' = ANY(module.workspaces) THEN 'organization_required' ELSE 'forbidden' END;
    END IF;
    IF kind <> 'personal' AND NOT coalesce(tenancy.current_role() = ANY(module.roles), module.roles IS NULL) THEN
        RETURN 'forbidden';
    END IF;
    IF module.permission IS NOT NULL AND tenancy_private.holds(module.permission) IS NOT TRUE THEN
        RETURN 'forbidden';
    END IF;
    RETURN 'visible';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.module_state(tenancy.modules) FROM public;

-- The reason why a module is not visible, in words for people.
CREATE FUNCTION tenancy_private.module_reason(module tenancy.modules, state text) RETURNS text
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    holders text;
BEGIN
    -- Most modules of a page are visible, and need no reason.
    IF state = 'visible' THEN
        RETURN NULL;
    END IF;
    holders := (
        SELECT string_agg(r.role, ', ' ORDER BY r.place)
        FROM unnest(ARRAY['owner', 'admin', 'manager', 'user', 'staff']) WITH ORDINALITY AS r (role, place)
        WHERE (module.roles IS NULL OR r.role = ANY(module.roles))
            AND (r.role = 'staff' AND 'platform' = ANY(module.workspaces)
                OR r.role <> 'staff' AND 'organization' = ANY(module.workspaces))
            AND (module.permission IS NULL OR EXISTS (
                SELECT FROM tenancy.role_permissions AS p
                WHERE p.permission = module.permission AND p.role = r.role
            ))
    );
    RETURN CASE
        WHEN state = 'organization_required' THEN 'It opens in an organization.'
        WHEN holders IS NOT NULL THEN format('It opens for: %s.', holders)
        WHEN 'personal' = ANY(module.workspaces) AND module.roles IS NULL AND module.permission IS NULL
            THEN 'It opens in a personal workspace.'
        ELSE 'It opens for nobody here.'
    END;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.module_reason(tenancy.modules, text) FROM public;

CREATE FUNCTION tenancy.visible_modules()
RETURNS TABLE (key text, name text, path text, state text, reason text)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy.current_workspace_id();
    RETURN QUERY
    SELECT m.key, m.name, m.path, s.state, tenancy_private.module_reason(m, s.state)
    FROM tenancy.modules AS m
    CROSS JOIN LATERAL (SELECT tenancy_private.module_state(m) AS state OFFSET 0) AS s
    ORDER BY m.place, m.key;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.visible_modules() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.visible_modules() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.visible_modules() IS
'Every module in menu order, with its state (visible, organization_required or forbidden), and the reason if it is '
'not visible.';

CREATE FUNCTION tenancy.require_module(key text) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    module tenancy.modules;
    state text;
BEGIN
    PERFORM tenancy.current_workspace_id();
    SELECT m.* INTO module FROM tenancy.modules AS m WHERE m.key = require_module.key;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no module has the key %', coalesce(quote_literal(key), 'NULL')
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'unknown_module',
        HINT = 'tenancy.visible_modules() lists the modules.';
    END IF;
    state := tenancy_private.module_state(module);
    IF state = 'organization_required' THEN
        RAISE EXCEPTION 'the module % opens only in an organization', module.name
        USING ERRCODE = '55000',
        CONSTRAINT = 'organization_required',
        HINT = 'Enter one of tenancy.my_organizations() in the next transaction.';
    ELSIF state <> 'visible' THEN
        RAISE EXCEPTION 'the module % is closed here to the role %',
            module.name, coalesce(tenancy.current_role(), 'of a person')
        USING ERRCODE = '42501',
        CONSTRAINT = 'module_forbidden',
        HINT = tenancy_private.module_reason(module, state);
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.require_module(text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.require_module(text) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.require_module(text) IS
'Raises P0002 unknown_module, 55000 organization_required or 42501 module_forbidden, unless the module is visible.';

-- Defines an application's own modules, and changes the conditions of shipped ones.
CREATE FUNCTION tenancy.define_module(
    key text,
    name text,
    path text,
    roles text[] DEFAULT NULL,
    permission text DEFAULT NULL,
    workspaces text[] DEFAULT '{personal,organization,platform}',
    place integer DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong CONSTANT text := CASE
        WHEN NOT coalesce(key ~ '^[a-z][a-z0-9_]*$' AND length(key) <= 100, false)
            THEN 'a key is small letters, digits and underscores, 100 at most, and begins with a letter'
        WHEN btrim(coalesce(name, '')) = '' OR NOT tenancy_private.is_plain(name)
            THEN 'a name must have 1 to 200 characters, without control characters and marks of direction'
        WHEN NOT coalesce(path ~ '^/[!-~]*$', false) THEN 'a path starts with a slash'
        WHEN NOT coalesce(workspaces <> '{}' AND workspaces <@ '{personal,organization,platform}', false)
            THEN 'workspaces are personal, organization and platform, one of them or more'
        WHEN NOT coalesce(roles <> '{}' AND roles <@ '{owner,admin,manager,user,staff}', roles IS NULL)
            THEN 'roles are owner, admin, manager, user and staff, one of them or more, or NULL for all'
        WHEN permission IS NOT NULL AND NOT EXISTS (
            SELECT FROM tenancy.permissions AS p WHERE p.permission = define_module.permission
        ) THEN format('permission %s is not defined', permission)
    END;
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '%', wrong
        USING ERRCODE = '22023',
        CONSTRAINT = 'module_invalid',
        HINT = 'For instance: SELECT tenancy.define_module(''reports'', ''Reports'', ''/reports'', roles => ''{owner,admin}'');';
    END IF;
    INSERT INTO tenancy.modules AS m (key, name, path, place, workspaces, roles, permission)
    VALUES (
        define_module.key, define_module.name, define_module.path,
        coalesce(define_module.place, (SELECT max(x.place) + 1 FROM tenancy.modules AS x), 1),
        define_module.workspaces, define_module.roles, define_module.permission
    )
    ON CONFLICT ON CONSTRAINT modules_pkey DO UPDATE SET
        name = excluded.name,
        path = excluded.path,
        place = coalesce(define_module.place, m.place),
        workspaces = excluded.workspaces,
        roles = excluded.roles,
        permission = excluded.permission;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.define_module(text, text, text, text[], text, text[], integer)
FROM public;
COMMENT ON FUNCTION tenancy.define_module(text, text, text, text[], text, text[], integer) IS
'Defines or changes a module of the application, at the end of the menu unless a place is given. Raises 22023 '
'module_invalid. DELETE FROM tenancy.modules removes one.';

RESET ROLE;

-- Modules that a revert kept, except those whose permission no longer exists.
DO $$
BEGIN
    IF to_regclass('tenancy_archive.modules') IS NOT NULL THEN
        INSERT INTO tenancy.modules (key, name, path, place, workspaces, roles, permission)
        SELECT a.key, a.name, a.path, a.place, a.workspaces, a.roles, a.permission
        FROM tenancy_archive.modules AS a
        WHERE a.permission IS NULL
            OR EXISTS (SELECT FROM tenancy.permissions AS p WHERE p.permission = a.permission);
        CALL tenancy_private.drop_archived('modules');
    END IF;
END;
$$;

SET LOCAL ROLE tenancy_owner;

CREATE TRIGGER modules_audit
AFTER INSERT OR UPDATE OR DELETE ON tenancy.modules
FOR EACH ROW EXECUTE FUNCTION tenancy_private.audit(
    'module', '', 'key', 'name', 'path', 'place', 'workspaces', 'roles', 'permission'
);
CALL tenancy_private.record_triggers('tenancy.modules', 'modules_audit');

\ir ../../notes/done.psql
COMMIT;
