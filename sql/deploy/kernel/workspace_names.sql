-- Deploy pg-tenancy:kernel/workspace_names to pg
-- requires: kernel/context

\set change kernel/workspace_names
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- For banners and switchers: the names of workspaces, for people who may know them.
CREATE FUNCTION tenancy.current_workspace(
    OUT kind text, OUT id uuid, OUT name text, OUT slug text, OUT role text,
    OUT color text, OUT plan text
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    id := tenancy.current_workspace_id();
    role := tenancy.current_role();
    SELECT
        w.kind,
        w.color,
        w.plan,
        coalesce(o.name, nullif(btrim(concat_ws(' ', u.first_name, u.last_name)), ''), u.username, u.email,
            CASE w.kind WHEN 'platform' THEN 'Platform' END),
        o.slug
    INTO kind, color, plan, name, slug
    FROM tenancy.workspaces AS w
    LEFT JOIN public.organizations AS o ON w.organization_id = o.id
    LEFT JOIN public.users AS u ON w.user_id = u.id
    WHERE w.id = current_workspace.id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.current_workspace() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.current_workspace() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.current_workspace() IS
'The current workspace, for a banner; slug and role are NULL in personal mode, and the slug in the platform''s '
'workspace.';

CREATE FUNCTION tenancy.badge(workspace_id uuid) RETURNS text
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    current_user_id CONSTANT uuid := tenancy.current_user_id();
    -- A key shows only its own workspace, not those of its creator.
    by_key CONSTANT boolean := tenancy.current_credential_id() IS NOT NULL;
BEGIN
    RETURN CASE workspace_id
        WHEN '00000000-0000-0000-0000-000000000000' THEN 'Public'
        WHEN current_user_id THEN 'Personal'
        ELSE (
            SELECT 'Org: ' || o.name
            FROM public.organizations AS o
            WHERE o.id = badge.workspace_id
                AND CASE
                    WHEN by_key THEN o.id = tenancy.current_organization_id()
                    ELSE EXISTS (
                        SELECT FROM public.organization_memberships AS m
                        WHERE m.organization_id = o.id AND m.user_id = current_user_id
                    )
                END
        )
    END;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.badge(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.badge(uuid) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.badge(uuid) IS
'Personal, Public, or Org: and its name; NULL for a workspace that the current user does not belong to.';

\ir ../../notes/done.psql
COMMIT;
