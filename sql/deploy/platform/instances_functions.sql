-- Deploy pg-tenancy:platform/instances_functions to pg
-- requires: platform/instances_workspaces
-- requires: kernel/context

\set change platform/instances_functions
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The actions that each state of an instance allows, and the resulting state. It is data,
-- because applications have their own states: a DBA adds rows.
CREATE TABLE tenancy.instance_transitions (
    action      text NOT NULL,
    from_status text NOT NULL,
    to_status   text NOT NULL,
    CONSTRAINT instance_transitions_pkey PRIMARY KEY (action, from_status),
    CONSTRAINT instance_transitions_action_check
    CHECK (action IN ('terminate', 'reinstall', 'archive'))
);
COMMENT ON TABLE tenancy.instance_transitions IS
'The states of an instance that allow terminating, reinstalling and archiving, and the resulting states.';

-- No action restores an instance that is terminated or terminating; the last states are those
-- of simpler applications.
INSERT INTO tenancy.instance_transitions (action, from_status, to_status)
SELECT o.action, s.status, o.to_status
FROM (VALUES ('terminate', 'terminating'), ('reinstall', 'booting')) AS o (action, to_status)
CROSS JOIN unnest(ARRAY[
    'provisioning', 'booting', 'installing', 'starting', 'ready', 'draining', 'unavailable',
    'provisioning_failed', 'startup_failed', 'failed', 'running', 'stopped', 'reinstalling', 'error'
]) AS s (status)
UNION ALL
VALUES ('archive', 'terminated', 'archived');

-- Closed until instances_policies opens it; the functions read it as its owner.
CALL tenancy_private.close_own_table('tenancy.instance_transitions');

CREATE FUNCTION tenancy_private.refuse_instance_state(action text, status text) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'an instance that is % cannot be %', coalesce(status, 'in no state'),
        CASE action WHEN 'terminate' THEN 'terminated' WHEN 'reinstall' THEN 'reinstalled' ELSE 'archived' END
    USING ERRCODE = '55000',
    CONSTRAINT = 'instance_state',
    HINT = format('States that allow it: %s.', coalesce((
        SELECT string_agg(t.from_status, ', ' ORDER BY t.from_status)
        FROM tenancy.instance_transitions AS t
        WHERE t.action = refuse_instance_state.action
    ), 'none'));
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_instance_state(text, text) FROM public;

-- Roles that may terminate an instance may archive it.
CREATE FUNCTION tenancy_private.instance_permission(action text) RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN 'instances.' || CASE action WHEN 'archive' THEN 'terminate' ELSE action END;
REVOKE ALL ON FUNCTION tenancy_private.instance_permission(text) FROM public;

-- Checks the permission first, before it looks up the workspace's instance.
CREATE FUNCTION tenancy_private.transform_instance(instance_id uuid, action text) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    permission CONSTANT text := tenancy_private.instance_permission(action);
    current_status text;
    next_status text;
BEGIN
    PERFORM tenancy.require_permission(permission);
    SELECT i.status::text INTO current_status
    FROM public.instances AS i
    WHERE i.id = instance_id AND i.workspace_id = tenancy.current_workspace_id()
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this workspace has no such instance'
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'instance_not_found',
        HINT = 'The table public.instances shows the instances of the current workspace.';
    END IF;
    SELECT t.to_status INTO next_status
    FROM tenancy.instance_transitions AS t
    WHERE t.action = transform_instance.action AND t.from_status = current_status;
    IF next_status IS NULL THEN
        PERFORM tenancy_private.refuse_instance_state(action, current_status);
    END IF;
    PERFORM tenancy_private.update_rows(
        'public.instances', jsonb_build_object('id', instance_id), jsonb_build_object('status', next_status)
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.transform_instance(uuid, text) FROM public;

CREATE FUNCTION tenancy.terminate_instance(id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.transform_instance(terminate_instance.id, 'terminate');
END;
$$;
REVOKE ALL ON FUNCTION tenancy.terminate_instance(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.terminate_instance(uuid) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.terminate_instance(uuid) IS
'Orders the termination of an instance of the current workspace: it is terminating until a worker has terminated it. '
'Requires instances.terminate. Raises P0002 instance_not_found, 55000 instance_state, which names the states that '
'allow it.';

CREATE FUNCTION tenancy.reinstall_instance(id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.transform_instance(reinstall_instance.id, 'reinstall');
END;
$$;
REVOKE ALL ON FUNCTION tenancy.reinstall_instance(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.reinstall_instance(uuid) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.reinstall_instance(uuid) IS
'Orders the reinstallation of an instance of the current workspace: it is booting until a worker has reinstalled it. '
'Requires instances.reinstall. Raises P0002 instance_not_found, 55000 instance_state, which names the states that '
'allow it.';

CREATE FUNCTION tenancy.archive_instance(id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.transform_instance(archive_instance.id, 'archive');
END;
$$;
REVOKE ALL ON FUNCTION tenancy.archive_instance(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.archive_instance(uuid) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.archive_instance(uuid) IS
'Archives a terminated instance of the current workspace. Requires instances.terminate. Raises P0002 '
'instance_not_found, 55000 instance_state, which names the states that allow it.';

-- Legacy instances, which have no owner yet. Only some of their columns are shown.
CREATE FUNCTION tenancy.legacy_instances(after_id uuid DEFAULT NULL, page_size integer DEFAULT 100)
RETURNS TABLE (
    id uuid,
    provider_id uuid,
    model_id uuid,
    status text,
    created_at timestamptz,
    terminated_at timestamptz
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    IF tenancy.current_workspace_id() IS DISTINCT FROM tenancy.current_user_id() THEN
        RAISE EXCEPTION 'legacy instances are listed only in personal mode'
        USING ERRCODE = '42501',
        CONSTRAINT = 'permission_denied',
        HINT = 'Enter without an organization. In the platform''s workspace they are rows of public.instances.';
    END IF;
    PERFORM tenancy_private.require_page_size(page_size);
    RETURN QUERY
    SELECT i.id, i.provider_id, i.model_id, i.status::text, i.created_at::timestamptz, i.terminated_at::timestamptz
    FROM public.instances AS i
    WHERE i.workspace_id = '00000000-0000-0000-0000-000000000000'
        AND (after_id IS NULL OR i.id > after_id)
    ORDER BY i.id
    LIMIT page_size;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.legacy_instances(uuid, integer) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.legacy_instances(uuid, integer)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.legacy_instances(uuid, integer) IS
'A page of the legacy instances, in the order of their ids, for everybody in personal mode. Raises 42501 '
'permission_denied, 22023 page_size_invalid.';

-- An application may also write the status itself. If that amounts to one of
-- these actions, it requires the same permission.
CREATE FUNCTION tenancy.require_instance_transition(old_status text, new_status text) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    needed CONSTANT text := (
        SELECT min(t.action) FROM tenancy.instance_transitions AS t
        WHERE t.to_status = new_status OR (t.action, new_status) = ('terminate', 'terminated')
    );
BEGIN
    IF needed IS NULL THEN
        IF EXISTS (
            SELECT FROM tenancy.instance_transitions AS t
            WHERE t.action IN ('terminate', 'archive') AND old_status IN (t.to_status, 'terminated')
        ) THEN
            RAISE EXCEPTION 'an instance that is % cannot change its state any more', old_status
            USING ERRCODE = '55000',
            CONSTRAINT = 'instance_state',
            HINT = 'Workers, which are services, write the states of instances.';
        END IF;
        RETURN;
    END IF;
    PERFORM tenancy.require_permission(tenancy_private.instance_permission(needed));
    IF NOT EXISTS (
        SELECT FROM tenancy.instance_transitions AS t
        WHERE t.action = needed AND old_status IN (t.from_status, t.to_status)
    ) THEN
        PERFORM tenancy_private.refuse_instance_state(needed, old_status);
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.require_instance_transition(text, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.require_instance_transition(text, text)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.require_instance_transition(text, text) IS
'Raises what terminate_instance(), reinstall_instance() and archive_instance() raise, if the change of state is one '
'of theirs.';

CREATE FUNCTION tenancy_private.check_instance_status() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF old.status IS DISTINCT FROM new.status AND row_security_active(tg_relid) AND (
        pg_has_role('tenancy_credentialed', 'USAGE')
    ) THEN
        -- The floor verified the workspace when the statement began.
        IF old.workspace_id <> tenancy.current_workspace_id() THEN
            RAISE EXCEPTION 'the workspace changed in the middle of a statement'
            USING ERRCODE = '28000',
            CONSTRAINT = 'invalid_context',
            HINT = 'Do not set tenancy.* variables by hand.';
        END IF;
        PERFORM tenancy.require_instance_transition(old.status::text, new.status::text);
    END IF;
    RETURN new;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.check_instance_status() FROM public;

-- Deleting a workspace deletes its instances and their minutes of cost, which would otherwise
-- prevent it. Records of usage stay, and all their references to deleted rows are cleared in
-- one UPDATE: PostgreSQL would clear them one by one, and at the second find another reference
-- to a row that it has already deleted.
CREATE FUNCTION tenancy_private.empty_instances() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    customers_are_users CONSTANT boolean := EXISTS (
        SELECT FROM pg_constraint AS c
        INNER JOIN pg_attribute AS a ON c.conrelid = a.attrelid AND a.attnum = ANY(c.conkey)
        WHERE c.contype = 'f' AND c.conrelid = 'finops.inference_usage'::regclass
            AND c.confrelid = 'public.users'::regclass AND a.attname = 'customer_id'
    );
BEGIN
    IF current_user <> 'tenancy_writer' THEN
        RAISE EXCEPTION 'empty_instances() runs as %, wanted tenancy_writer', current_user USING ERRCODE = '42501';
    END IF;
    UPDATE finops.inference_usage AS u
    SET
        instance_id = NULL,
        -- A customer need not be a user.
        customer_id = CASE
            WHEN customers_are_users THEN (SELECT r.id FROM public.users AS r WHERE r.id = u.customer_id)
            ELSE u.customer_id
        END,
        api_key_id = (SELECT r.id FROM public.api_keys AS r WHERE r.id = u.api_key_id),
        provider_organization_id = (
            SELECT r.id FROM public.organizations AS r WHERE r.id = u.provider_organization_id
        ),
        consumer_organization_id = (
            SELECT r.id FROM public.organizations AS r WHERE r.id = u.consumer_organization_id
        ),
        organization_model_id = (
            SELECT r.id FROM public.organization_models AS r WHERE r.id = u.organization_model_id
        )
    FROM public.instances AS i
    WHERE u.instance_id = i.id AND i.workspace_id = old.id;
    DELETE FROM finops.cost_actual_minute AS c
    USING public.instances AS i
    WHERE c.instance_id = i.id AND i.workspace_id = old.id;
    DELETE FROM public.instances AS i WHERE i.workspace_id = old.id;
    RETURN old;
END;
$$;

-- The same for deleted models; empty_models() calls this.
CREATE FUNCTION tenancy_private.detach_usage(models uuid[]) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    IF current_user <> 'tenancy_writer' THEN
        RAISE EXCEPTION 'detach_usage() runs as %, wanted tenancy_writer', current_user USING ERRCODE = '42501';
    END IF;
    UPDATE finops.inference_usage AS u
    SET
        model_id = NULL,
        provider_organization_id = (
            SELECT r.id FROM public.organizations AS r WHERE r.id = u.provider_organization_id
        ),
        consumer_organization_id = (
            SELECT r.id FROM public.organizations AS r WHERE r.id = u.consumer_organization_id
        ),
        organization_model_id = (
            SELECT r.id FROM public.organization_models AS r WHERE r.id = u.organization_model_id
        )
    WHERE u.model_id = ANY(models);
END;
$$;

RESET ROLE;

DO $$
BEGIN
    IF to_regclass('tenancy_archive.instance_transitions') IS NOT NULL THEN
        DELETE FROM tenancy.instance_transitions;
        INSERT INTO tenancy.instance_transitions (action, from_status, to_status)
        SELECT a.action, a.from_status, a.to_status FROM tenancy_archive.instance_transitions AS a;
        CALL tenancy_private.drop_archived('instance_transitions');
    END IF;
END;
$$;

CALL tenancy_private.give_to_writer('tenancy_private.detach_usage(uuid[])');
CALL tenancy_private.give_to_writer('tenancy_private.empty_instances()');
GRANT USAGE ON SCHEMA finops TO tenancy_writer;
CALL tenancy_private.grant_to_owner('finops.cost_actual_minute');
CALL tenancy_private.grant_to_owner('finops.inference_usage');
CALL tenancy_private.grant_to_owner('public.organization_models');

CALL tenancy_private.patiently(
    ARRAY['tenancy.workspaces', 'public.instances']::regclass[], 'SHARE ROW EXCLUSIVE', 'SELECT'
);

CREATE TRIGGER workspaces_instances
BEFORE DELETE ON tenancy.workspaces
FOR EACH ROW EXECUTE FUNCTION tenancy_private.empty_instances();
ALTER TABLE tenancy.workspaces ENABLE ALWAYS TRIGGER workspaces_instances;

-- Without a condition on the column, which would prevent the application from changing its
-- type.
CREATE TRIGGER instances_tenancy_status
BEFORE UPDATE ON public.instances
FOR EACH ROW EXECUTE FUNCTION tenancy_private.check_instance_status();
ALTER TABLE public.instances ENABLE ALWAYS TRIGGER instances_tenancy_status;

CALL tenancy_private.record_triggers('tenancy.workspaces', 'workspaces_instances');
CALL tenancy_private.record_triggers('public.instances', 'instances_tenancy_status');

\ir ../../notes/done.psql
COMMIT;
