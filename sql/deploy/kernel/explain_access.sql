-- Deploy pg-tenancy:kernel/explain_access to pg
-- requires: kernel/protection
-- requires: kernel/users_functions

\set change kernel/explain_access
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The name of a workspace, for logins that may see all of them.
CREATE FUNCTION tenancy_private.workspace_in_words(workspace_id uuid) RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE
    WHEN workspace_id IS NULL THEN 'no workspace'
    WHEN workspace_id = '00000000-0000-0000-0000-000000000000' THEN 'the platform'
    ELSE coalesce(
        (
            SELECT format('the organization %s', o.name) || CASE WHEN w.deleted_at IS NULL THEN '' ELSE ', which is deleted' END
            FROM public.organizations AS o
            LEFT JOIN tenancy.workspaces AS w ON o.id = w.id
            WHERE o.id = workspace_id
        ),
        (SELECT format('the personal workspace of %s', coalesce(u.email, u.id::text)) FROM public.users AS u WHERE u.id = workspace_id),
        format('the deleted workspace %s', workspace_id)
    )
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.workspace_in_words(uuid) FROM public;

-- The workspace and the author of a row. Reads only its key and owner columns, without
-- casts: a cast of the application's own would run as the owner of these functions. A child
-- below an author's table has the author of its parent.
CREATE FUNCTION tenancy_private.find_row(
    protected tenancy_private.protected_tables, row_id text,
    OUT workspace uuid,
    OUT has_author boolean,
    OUT author uuid,
    OUT is_shared boolean,
    OUT is_there boolean
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    id_column record;
    above tenancy_private.protected_tables;
    id_above text;
    is_below CONSTANT boolean
    := tenancy_private.parent_floor(protected.table_name, protected.parent, false) IS NOT NULL;
BEGIN
    has_author := protected.author IS NOT NULL;
    -- Everybody reads published tables.
    IF protected.shape = 'published' THEN
        is_there := true;
        RETURN;
    END IF;
    -- The primary key, without the tenant column.
    SELECT min(a.attname) AS name, min(t.oid::regtype::text) AS type_name, count(*) AS number INTO id_column
    FROM pg_index AS i
    CROSS JOIN LATERAL unnest((i.indkey::smallint[])[0:i.indnkeyatts - 1]) AS k (attnum)
    INNER JOIN pg_attribute AS a ON i.indrelid = a.attrelid AND k.attnum = a.attnum
    LEFT JOIN pg_type AS t ON a.atttypid = t.oid AND t.typnamespace = 'pg_catalog'::regnamespace
    WHERE i.indrelid = protected.table_name AND i.indisprimary AND (a.attname <> protected.key OR i.indnkeyatts = 1);
    IF id_column.number <> 1 OR id_column.type_name IS NULL THEN
        RAISE EXCEPTION '% has no primary key of one column to identify a row', protected.table_name
        USING ERRCODE = '22023',
        CONSTRAINT = 'row_id_invalid',
        HINT = 'Besides the tenant column, the key must have one column of a built-in type.';
    END IF;
    IF NOT has_table_privilege(protected.table_name, 'SELECT') THEN
        RAISE EXCEPTION 'tenancy_owner may not read %', protected.table_name
        USING ERRCODE = '42501',
        CONSTRAINT = 'table_not_readable',
        HINT = format('GRANT SELECT ON %s TO tenancy_owner;', protected.table_name);
    END IF;
    EXECUTE format(
        'SELECT t.%I, %s, %s, %s FROM %s AS t WHERE t.%I = CAST($1 AS %s) LIMIT 1',
        protected.key,
        coalesce('t.' || quote_ident(protected.author), 'NULL::uuid'),
        coalesce('t.' || quote_ident(protected.shared), 'false'),
        CASE WHEN is_below THEN format('t.%I::text', protected.parent) ELSE 'NULL::text' END,
        protected.table_name, id_column.name, id_column.type_name
    ) INTO workspace, author, is_shared, id_above USING row_id;
    is_there := workspace IS NOT NULL;
    IF id_above IS NOT NULL THEN
        SELECT p.* INTO above
        FROM tenancy_private.protected_tables AS p
        INNER JOIN pg_constraint AS k ON p.table_name = k.confrelid
        WHERE k.oid = tenancy_private.key_to_parent(protected.table_name, protected.parent);
        SELECT f.has_author, f.author, f.is_shared INTO has_author, author, is_shared
        FROM tenancy_private.find_row(above, id_above) AS f;
    END IF;
EXCEPTION
    WHEN invalid_text_representation OR numeric_value_out_of_range OR datetime_field_overflow THEN
        RAISE EXCEPTION '% is not a valid % of %', row_id, id_column.name, protected.table_name
        USING ERRCODE = '22023',
        CONSTRAINT = 'row_id_invalid',
        HINT = format('Give the value of %I as text.', id_column.name);
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.find_row(tenancy_private.protected_tables, text) FROM public;

-- Only for callers that see all rows: others could learn that a hidden row exists.
CREATE FUNCTION tenancy.explain_access(
    table_name regclass, row_id text, user_id uuid, organization_id uuid DEFAULT NULL
) RETURNS TABLE (command text, allowed boolean, reason text)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    login CONSTANT name := CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END;
    platform CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    protected tenancy_private.protected_tables;
    workspace CONSTANT uuid := coalesce(organization_id, user_id);
    who CONSTANT text := coalesce(
        (SELECT coalesce(u.email, u.id::text) FROM public.users AS u WHERE u.id = user_id), user_id::text, 'nobody'
    );
    place CONSTANT text := tenancy_private.workspace_in_words(coalesce(organization_id, user_id));
    held_role text;
    refused text;
    found_row record;
    wanted record;
    is_moderator boolean;
    is_visible boolean;
BEGIN
    SELECT p.* INTO protected
    FROM tenancy_private.protected_tables AS p
    WHERE p.table_name = explain_access.table_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% is not protected', coalesce(table_name::text, 'NULL')
        USING ERRCODE = '55000',
        CONSTRAINT = 'table_not_protected',
        HINT = 'SELECT * FROM tenancy.lint() lists what is open.';
    END IF;
    IF NOT pg_has_role(login, 'tenancy_service', 'USAGE') THEN
        PERFORM tenancy.record_read(table_name);
    END IF;
    found_row := tenancy_private.find_row(protected, row_id);

    -- First whether the person can enter.
    IF workspace = platform THEN
        held_role := 'staff';
        IF NOT EXISTS (SELECT FROM public.users AS u WHERE u.id = user_id AND u.role::text = 'admin') THEN
            refused := format('%s is not platform staff, so entering the platform is refused', who);
        END IF;
    ELSIF organization_id IS NULL THEN
        held_role := 'person';
        IF NOT EXISTS (SELECT FROM public.users AS u WHERE u.id = user_id) THEN
            refused := format('no account %s exists, so entering is refused', who);
        END IF;
    ELSE
        SELECT m.role::text INTO held_role
        FROM public.organization_memberships AS m
        WHERE m.organization_id = explain_access.organization_id AND m.user_id = explain_access.user_id;
        IF held_role IS NULL THEN
            refused := format('%s is not a member of %s, so entering is refused', who, place);
        ELSIF EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.id = workspace AND w.deleted_at IS NOT NULL) THEN
            refused := format('%s, so entering is refused', place);
        END IF;
    END IF;
    is_moderator := protected.author IS NOT NULL AND protected.shared IS NOT NULL AND held_role <> 'person' AND EXISTS (
        SELECT FROM tenancy_private.access AS a
        INNER JOIN tenancy.role_permissions AS r ON r.permission = split_part(a.permission, '.', 1) || '.moderate'
        WHERE a.table_name = explain_access.table_name AND r.role = held_role
    );

    FOREACH command IN ARRAY ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] LOOP
        SELECT a.* INTO wanted
        FROM tenancy_private.access AS a
        WHERE a.table_name = explain_access.table_name AND a.command = explain_access.command;
        reason := CASE
            WHEN refused IS NOT NULL THEN refused
            WHEN wanted.command IS NULL THEN format('no policy lets anybody in a workspace %s here', command)
            WHEN wanted.workspace = 'organization' AND organization_id IS NULL
                THEN format('%s is only for organizations, and this is a personal workspace', command)
            WHEN held_role <> 'person' AND wanted.permission IS NOT NULL AND NOT EXISTS (
                SELECT FROM tenancy.role_permissions AS r WHERE r.permission = wanted.permission AND r.role = held_role
            ) THEN format(
                'role %s lacks permission %s; roles that hold it: %s', held_role, wanted.permission, coalesce((
                    SELECT string_agg(r.role, ', ' ORDER BY r.role) FROM tenancy.role_permissions AS r
                    WHERE r.permission = wanted.permission
                ), 'nobody')
            )
            WHEN command = 'INSERT' THEN NULL
            WHEN NOT found_row.is_there THEN format('no row %s exists in %s', row_id, table_name)
            WHEN protected.shape = 'published' THEN NULL
            WHEN protected.shape = 'self' AND found_row.workspace <> user_id THEN 'the row belongs to another person'
            WHEN protected.shape = 'self' THEN NULL
            WHEN protected.shape = 'members' AND held_role = 'staff' THEN NULL
            WHEN protected.shape = 'members' AND organization_id IS NULL AND found_row.workspace <> user_id
                THEN 'it is another person''s account, and a personal workspace shows only the own account'
            WHEN protected.shape = 'members' AND organization_id IS NOT NULL AND NOT (
                EXISTS (
                    SELECT FROM public.organization_memberships AS m
                    WHERE m.organization_id = workspace AND m.user_id = found_row.workspace
                )
                AND EXISTS (
                    SELECT FROM tenancy.role_permissions AS r
                    WHERE r.permission = 'members.view' AND r.role = held_role
                )
            ) THEN format('it is the account of somebody who is not a member of %s, or the role %s may not see members', place, held_role)
            WHEN protected.shape = 'members' THEN NULL
            WHEN protected.shape = 'catalogue' AND command = 'SELECT' AND found_row.workspace = platform THEN NULL
            WHEN found_row.workspace <> workspace THEN format(
                'the row belongs to %s, and %s is in %s', tenancy_private.workspace_in_words(found_row.workspace), who, place
            )
            WHEN NOT found_row.has_author OR found_row.author = user_id THEN NULL
            WHEN command = 'SELECT' AND found_row.is_shared THEN NULL
            WHEN command = 'SELECT' THEN 'the row is private to its author'
            WHEN found_row.is_shared AND is_moderator THEN NULL
            ELSE 'only the author may write the row, or a moderator if it is shared'
        END;
        IF reason IS NULL AND command IN ('UPDATE', 'DELETE') AND NOT is_visible THEN
            reason := 'the row is not visible, so no WHERE finds it';
        END IF;
        allowed := reason IS NULL;
        is_visible := CASE command WHEN 'SELECT' THEN allowed ELSE is_visible END;
        reason := coalesce(reason, concat_ws(
            ', ',
            CASE
                WHEN command = 'INSERT' THEN format('new rows land in %s', place)
                WHEN wanted.permission IS NULL THEN 'everybody in a workspace may'
                WHEN held_role = 'person' THEN 'a person has every permission in their personal workspace'
                ELSE format('role %s has permission %s', held_role, wanted.permission)
            END,
            CASE WHEN wanted.person THEN 'but API keys may not' END,
            CASE WHEN command <> 'DELETE' THEN 'columns: ' || array_to_string(wanted.columns, ', ') END
        ));
        RETURN NEXT;
    END LOOP;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.explain_access(regclass, text, uuid, uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.explain_access(regclass, text, uuid, uuid)
TO tenancy_service, tenancy_auditor;
COMMENT ON FUNCTION tenancy.explain_access(regclass, text, uuid, uuid) IS
'Explains why somebody in a workspace sees a row of a protected table or not, and may write it or not: one row for '
'each command. For logins that see everything; an auditor''s call is recorded. Raises 55000 table_not_protected, '
'22023 row_id_invalid, 42501 table_not_readable.';

\ir ../../notes/done.psql
COMMIT;
