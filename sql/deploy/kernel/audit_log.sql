-- Deploy pg-tenancy:kernel/audit_log to pg
-- requires: kernel/entering

\set change kernel/audit_log
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- Changes and their authors, by organization. No foreign keys: an entry
-- outlives the person, the organization and the row that it describes.
CREATE TABLE tenancy.audit_log (
    id              uuid        NOT NULL DEFAULT gen_random_uuid(),
    occurred_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    workspace_id    uuid        NOT NULL,
    user_id         uuid,
    organization_id uuid,
    role            text,
    database_user   text        NOT NULL DEFAULT session_user,
    action          text        NOT NULL,
    object_kind     text        NOT NULL,
    object_id       text        NOT NULL,
    old_values      jsonb,
    new_values      jsonb,
    CONSTRAINT audit_log_pkey PRIMARY KEY (workspace_id, id)
);
COMMENT ON TABLE tenancy.audit_log IS
'Append-only. Who (user_id, role, database_user) did what (action, object) where (workspace_id is the workspace '
'concerned, organization_id that of the user), with old and new values, never a secret.';
COMMENT ON COLUMN tenancy.audit_log.user_id IS
'The user who acted in a workspace; NULL if a service or a DBA wrote without entering one.';
CREATE INDEX audit_log_occurred_at_idx ON tenancy.audit_log (workspace_id, occurred_at);

-- Closed until audit_log_policies opens it.
CALL tenancy_private.close_own_table('tenancy.audit_log');

CREATE FUNCTION tenancy_private.refuse_audit_change() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only'
    USING ERRCODE = '42501',
    CONSTRAINT = 'audit_log_is_append_only',
    HINT = 'Entries cannot be changed or removed.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_audit_change() FROM public;

-- This binds the owner and superusers too; ALWAYS, so that session_replication_role does not
-- switch it off.
CREATE TRIGGER audit_log_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON tenancy.audit_log
FOR EACH STATEMENT EXECUTE FUNCTION tenancy_private.refuse_audit_change();
ALTER TABLE tenancy.audit_log ENABLE ALWAYS TRIGGER audit_log_append_only;

-- One entry for a changed row. Arguments: the action, the row before and after, and the
-- trigger's arguments: the name of the object, the column with its workspace, the one with its
-- id, and the columns to record. Other columns, secrets above all, are never copied.
CREATE FUNCTION tenancy_private.record_change(
    operation text, old_row jsonb, new_row jsonb, arguments text[]
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kind CONSTANT text := arguments[0];
    recorded CONSTANT text[] := arguments[3:];
    -- A row that moves to another workspace ends in one log and begins in the
    -- other, and neither log names the other workspace.
    moved CONSTANT boolean :=
        operation = 'UPDATE' AND old_row -> arguments[1] IS DISTINCT FROM new_row -> arguments[1];
    -- A service writes without a context; a forged context still raises.
    entered CONSTANT boolean := coalesce(current_setting('tenancy.context', true), '') <> '';
    acting_user CONSTANT uuid := CASE WHEN entered THEN tenancy.current_user_id() END;
    acting_organization CONSTANT uuid := CASE WHEN entered THEN tenancy.current_organization_id() END;
    acting_role CONSTANT text := CASE WHEN entered THEN tenancy.current_role() END;
BEGIN
    INSERT INTO tenancy.audit_log (
        workspace_id, user_id, organization_id, role, action, object_kind, object_id, old_values, new_values
    )
    SELECT
        coalesce((e.some_row ->> arguments[1])::uuid, '00000000-0000-0000-0000-000000000000'),
        acting_user,
        acting_organization,
        acting_role,
        kind || e.verb,
        kind,
        coalesce(e.some_row ->> arguments[2], ''),
        v.old_values,
        v.new_values
    FROM (VALUES
        ('.create', new_row, NULL::jsonb, new_row, operation = 'INSERT' OR moved),
        ('.update', new_row, old_row, new_row, operation = 'UPDATE' AND NOT moved),
        ('.delete', old_row, old_row, NULL::jsonb, operation = 'DELETE' OR moved)
    ) AS e (verb, some_row, old_row, new_row, happened)
    CROSS JOIN LATERAL (
        SELECT
            jsonb_object_agg(c.name, e.old_row -> c.name) FILTER (WHERE e.old_row IS NOT NULL) AS old_values,
            jsonb_object_agg(c.name, e.new_row -> c.name) FILTER (WHERE e.new_row IS NOT NULL) AS new_values
        FROM unnest(recorded) AS c (name)
        WHERE e.old_row -> c.name IS DISTINCT FROM e.new_row -> c.name
    ) AS v
    WHERE e.happened AND (v.old_values IS NOT NULL OR v.new_values IS NOT NULL);
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.record_change(text, jsonb, jsonb, text[]) FROM public;

-- The trigger: one entry for each row that a statement changed. It sees whole rows with their
-- secrets, and debug_print_plan, which everybody may set, would show them to the client and
-- write them to the server's log.
CREATE FUNCTION tenancy_private.audit() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.record_change(
        tg_op,
        CASE WHEN tg_op <> 'INSERT' THEN to_jsonb(old) END,
        CASE WHEN tg_op <> 'DELETE' THEN to_jsonb(new) END,
        tg_argv
    );
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.audit() FROM public;

-- The policies of tenancy_auditor call this once for each table of a statement, before the
-- table is opened, whether a row is found or not. A ROLLBACK does not remove the line in the
-- server's log.
CREATE FUNCTION tenancy.record_read(table_name regclass) RETURNS oid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    -- Not a cast to text, whose result depends on the auditor's search_path.
    read_table CONSTANT text := (
        SELECT n.nspname || '.' || c.relname
        FROM pg_class AS c
        INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
        WHERE c.oid = table_name
    );
BEGIN
    RAISE LOG 'auditor % reads %', session_user, read_table;
    IF current_setting('transaction_read_only')::boolean THEN
        RAISE EXCEPTION 'an auditor cannot read in a read-only transaction'
        USING ERRCODE = '25006',
        CONSTRAINT = 'audit_must_be_recorded',
        HINT = 'What an auditor reads is written to the audit log: use a read-write transaction on the primary server.';
    END IF;
    INSERT INTO tenancy.audit_log (workspace_id, action, object_kind, object_id)
    VALUES ('00000000-0000-0000-0000-000000000000', 'table.read', 'table', read_table);
    RETURN table_name;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.record_read(regclass) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.record_read(regclass) TO tenancy_auditor;
COMMENT ON FUNCTION tenancy.record_read(regclass) IS
'Records that the auditor reads a table, in the audit log and in the server''s log, and returns the table''s oid.';

RESET ROLE;

-- Entries that a revert kept.
DO $$
BEGIN
    IF to_regclass('tenancy_archive.audit_log') IS NOT NULL THEN
        INSERT INTO tenancy.audit_log SELECT a.* FROM tenancy_archive.audit_log AS a;
        CALL tenancy_private.drop_archived('audit_log');
    END IF;
END;
$$;

-- Tables in use are locked last, so that nobody waits for the above.
CALL tenancy_private.patiently(
    ARRAY[
        'public.organizations', 'public.organization_memberships', 'tenancy.workspaces'
    ]::regclass[],
    'SHARE ROW EXCLUSIVE', 'SELECT'
);

CREATE TRIGGER role_permissions_audit
AFTER INSERT OR UPDATE OR DELETE ON tenancy.role_permissions
FOR EACH ROW EXECUTE FUNCTION
tenancy_private.audit('role_permission', '', 'permission', 'permission', 'role');

CREATE TRIGGER role_delegations_audit
AFTER INSERT OR UPDATE OR DELETE ON tenancy.role_delegations
FOR EACH ROW EXECUTE FUNCTION
tenancy_private.audit('role_delegation', '', 'role', 'role', 'delegated_role');

CREATE TRIGGER workspaces_audit
AFTER UPDATE ON tenancy.workspaces
FOR EACH ROW
WHEN (
    old.color IS DISTINCT FROM new.color
    OR old.plan IS DISTINCT FROM new.plan
    OR old.deleted_at IS DISTINCT FROM new.deleted_at
)
EXECUTE FUNCTION tenancy_private.audit('workspace', 'id', 'id', 'color', 'plan', 'deleted_at');

CREATE TRIGGER organizations_tenancy_audit
AFTER INSERT OR UPDATE OR DELETE ON public.organizations
FOR EACH ROW EXECUTE FUNCTION tenancy_private.audit(
    'organization', 'id', 'id', 'id', 'name', 'slug', 'created_by_user_id'
);

CREATE TRIGGER organization_memberships_tenancy_audit
AFTER INSERT OR UPDATE OR DELETE ON public.organization_memberships
FOR EACH ROW EXECUTE FUNCTION tenancy_private.audit(
    'membership', 'organization_id', 'user_id', 'organization_id', 'user_id', 'role', 'created_at'
);

CALL tenancy_private.record_triggers('tenancy.audit_log', 'audit_log_append_only');
CALL tenancy_private.record_triggers('tenancy.role_permissions', 'role_permissions_audit');
CALL tenancy_private.record_triggers('tenancy.role_delegations', 'role_delegations_audit');
CALL tenancy_private.record_triggers('tenancy.workspaces', 'workspaces_audit');
CALL tenancy_private.record_triggers('public.organizations', 'organizations_tenancy_audit');
CALL tenancy_private.record_triggers(
    'public.organization_memberships',
    'organization_memberships_tenancy_audit'
);

\ir ../../notes/done.psql
COMMIT;
