-- Deploy pg-tenancy:platform/modules to pg
-- requires: kernel/modules
-- requires: platform/permissions
-- requires: platform/instances_functions

\set change platform/modules
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- Modules that a deploy adds are not recorded as anybody's change.
ALTER TABLE tenancy.modules DISABLE TRIGGER modules_audit;

-- First the modules of everybody, then those for running an organization, then its people and
-- settings.
INSERT INTO tenancy.modules (place, key, name, path, workspaces, roles, permission)
SELECT
    m.place,
    m.key,
    m.name,
    m.path,
    CASE m.for_whom
        WHEN 'all' THEN '{personal,organization,platform}' ELSE '{organization,platform}'
    END::text[],
    CASE m.for_whom WHEN 'run' THEN '{owner,admin,manager,staff}' END::text[],
    m.permission
FROM (VALUES
    (10, 'my_dashboard', 'My Dashboard', '/my-dashboard', 'all', NULL),
    (20, 'chat', 'Chat', '/chat', 'all', NULL),
    (30, 'models', 'Models', '/models', 'all', NULL),
    (40, 'workbench', 'Workbench', '/workbench', 'all', NULL),
    (50, 'api_keys', 'API Keys', '/api-keys', 'all', NULL),
    (60, 'admin_dashboard', 'Admin Dashboard', '/admin-dashboard', 'run', 'finops.view'),
    (70, 'instances', 'Instances', '/instances', 'run', 'instances.view'),
    (80, 'observability', 'Observability', '/observability', 'run', NULL),
    (90, 'monitoring', 'Monitoring', '/monitoring', 'run', NULL),
    (100, 'organizations', 'Organizations', '/organizations', 'run', 'members.view'),
    (110, 'traces', 'Traces', '/traces', 'run', NULL),
    (120, 'gpu_activity', 'GPU activity', '/gpu-activity', 'run', NULL),
    (130, 'users', 'Users', '/users', 'manage', 'users.update'),
    (140, 'settings', 'Settings', '/settings', 'manage', 'settings.update')
) AS m (place, key, name, path, for_whom, permission);

-- Opening the module Instances and creating an instance are separate questions. A provider's
-- missing settings are known once settings are deployed.
CREATE FUNCTION tenancy.can_provision(
    OUT allowed boolean, OUT state text, OUT reason text, OUT providers uuid[], OUT missing text[]
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    holders CONSTANT text := (
        SELECT string_agg(p.role, ', ' ORDER BY array_position(ARRAY['owner', 'admin', 'manager', 'user', 'staff'], p.role))
        FROM tenancy.role_permissions AS p
        WHERE p.permission = 'instances.create'
    );
BEGIN
    PERFORM tenancy.current_workspace_id();
    missing := '{}';
    IF to_regprocedure('tenancy_private.provider_readiness()') IS NULL THEN
        -- Not every application can deactivate its providers.
        SELECT coalesce(array_agg(p.id ORDER BY p.name), '{}') INTO providers
        FROM public.providers AS p
        WHERE coalesce((to_jsonb(p) ->> 'is_active')::boolean, true);
    ELSE
        SELECT
            coalesce(array_agg(r.provider_id ORDER BY r.name) FILTER (WHERE r.ready), '{}'),
            coalesce(array_agg(m.name ORDER BY m.name COLLATE "C") FILTER (WHERE m.name IS NOT NULL), '{}')
        INTO providers, missing
        FROM tenancy_private.provider_readiness() AS r
        LEFT JOIN LATERAL (
            SELECT r.name || ': ' || u.key AS name FROM unnest(r.missing) AS u (key)
        ) AS m ON true
        WHERE r.is_active;
    END IF;
    state := CASE
        WHEN tenancy_private.holds('instances.create') IS NOT TRUE THEN 'forbidden'
        WHEN providers <> '{}' THEN 'ready'
        WHEN missing <> '{}' THEN 'settings_missing'
        ELSE 'no_provider'
    END;
    allowed := state = 'ready';
    IF state = 'forbidden' THEN
        providers := '{}';
        missing := '{}';
    END IF;
    reason := CASE state
        WHEN 'forbidden' THEN format('It takes the permission instances.create. Roles that hold it: %s.', holders)
        WHEN 'settings_missing' THEN 'No active provider has all its settings.'
        WHEN 'no_provider' THEN 'No provider is active.'
    END;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.can_provision() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.can_provision() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.can_provision() IS
'Whether an instance can be created in the current workspace, and if not, why: a state (ready, forbidden, '
'no_provider or settings_missing), the providers that are ready, and the missing settings of each provider.';

RESET ROLE;

CALL tenancy_private.grant_read('public.providers', 'platform/modules');

-- Changes by a DBA that a revert kept.
DO $$
BEGIN
    IF to_regclass('tenancy_archive.platform_modules') IS NOT NULL THEN
        DELETE FROM tenancy.modules AS m
        WHERE m.key = ANY('{my_dashboard,chat,models,workbench,api_keys,admin_dashboard,instances,observability,monitoring,'
            'organizations,traces,gpu_activity,users,settings}'::text[]);
        INSERT INTO tenancy.modules (key, name, path, place, workspaces, roles, permission)
        SELECT a.key, a.name, a.path, a.place, a.workspaces, a.roles, a.permission
        FROM tenancy_archive.platform_modules AS a;
        CALL tenancy_private.drop_archived('platform_modules');
    END IF;
END;
$$;

ALTER TABLE tenancy.modules ENABLE TRIGGER modules_audit;

\ir ../../notes/done.psql
COMMIT;
