-- Deploy pg-tenancy:kernel/tenant_tables to pg
-- requires: kernel/adoption

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The defaults of the other columns that say whose a row is.
CREATE FUNCTION tenancy.default_organization_id() RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN nullif(
    nullif(current_setting('tenancy.current_organization_id', true), ''),
    '00000000-0000-0000-0000-000000000000'
)::uuid;
REVOKE ALL ON FUNCTION tenancy.default_organization_id() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.default_organization_id()
TO tenancy_credentialed, tenancy_service, tenancy_writer;
COMMENT ON FUNCTION tenancy.default_organization_id() IS
'Default of organization_id: the current organization; NULL in personal mode, in the platform''s workspace and outside of '
'any.';

CREATE FUNCTION tenancy.default_user_id() RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE
    WHEN coalesce(current_setting('tenancy.current_organization_id', true), '') = ''
        THEN nullif(current_setting('tenancy.current_user_id', true), '')::uuid
END;
REVOKE ALL ON FUNCTION tenancy.default_user_id() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.default_user_id()
TO tenancy_credentialed, tenancy_service, tenancy_writer;
COMMENT ON FUNCTION tenancy.default_user_id() IS
'Default of user_id: the person in personal mode, NULL elsewhere and outside of any workspace.';

-- Keeps workspace_id what organization_id and the owner's column say, for who
-- may write them: a service, or the application from before, which names the
-- owner and knows of no workspace. A row is never moved by what it loses: where
-- both are NULL, because a user was deleted for instance, it stays where it is.
-- The triggers call it only for rows where the columns disagree. Argument: the
-- owner's column, where the table has one.
CREATE FUNCTION tenancy_private.set_workspace() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    owner_id CONSTANT uuid := CASE WHEN tg_nargs > 0 THEN (to_jsonb(new) ->> tg_argv[0])::uuid END;
BEGIN
    IF new.organization_id IS NULL AND owner_id IS NULL THEN
        SELECT w.organization_id INTO new.organization_id
        FROM tenancy.workspaces AS w
        WHERE w.id = new.workspace_id;
    ELSE
        new.workspace_id := coalesce(new.organization_id, owner_id);
    END IF;
    RETURN new;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.set_workspace() FROM public;

-- With the caller's own rights: the condition is the caller's SQL. What is
-- assigned is no legacy row any more, so the same call goes on where the one
-- before stopped, whatever stopped it. A table of the platform has organization_id,
-- and its trigger sets the rest; in any other the workspace is all there is.
CREATE FUNCTION tenancy.assign(
    table_name regclass,
    organization_id uuid,
    condition text DEFAULT 'true',
    batch_size integer DEFAULT 5000
) RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- The condition may end in a comment.
    is_wanted CONSTANT text := format(
        E'(workspace_id = ''00000000-0000-0000-0000-000000000000'' AND (%s\n))', coalesce(condition, 'true')
    );
    -- What our triggers on the table say that it is.
    functions CONSTANT text[] := ARRAY(
        SELECT format('%s.%s', n.nspname, p.proname)
        FROM pg_trigger AS t
        INNER JOIN pg_proc AS p ON t.tgfoid = p.oid
        INNER JOIN pg_namespace AS n ON p.pronamespace = n.oid
        WHERE t.tgrelid = table_name
    );
    owner_column CONSTANT name := (
        SELECT a.attname FROM pg_attribute AS a
        WHERE a.attrelid = table_name AND a.atttypid = 'uuid'::regtype AND NOT a.attisdropped AND a.attname = CASE
            WHEN 'tenancy_private.set_workspace' = ANY(functions) THEN 'organization_id'
            WHEN 'tenancy.check_permission' = ANY(functions) THEN 'workspace_id'
        END
    );
    -- The trigger on a child is one on this column.
    parent CONSTANT name := (
        SELECT a.attname
        FROM pg_trigger AS t
        INNER JOIN pg_proc AS p ON t.tgfoid = p.oid
        INNER JOIN pg_namespace AS n ON p.pronamespace = n.oid
        INNER JOIN pg_attribute AS a ON t.tgrelid = a.attrelid AND t.tgattr[0] = a.attnum
        WHERE t.tgrelid = table_name AND (n.nspname, p.proname) = ('tenancy_private', 'set_child_workspace')
        LIMIT 1
    );
    has_parents boolean := false;
    place oid;
    found tid[];
    waiting text;
    assigned bigint := 0;
BEGIN
    IF owner_column IS NULL THEN
        RAISE EXCEPTION '%', coalesce(table_name || ' is no table of tenants', 'no table was given to assign rows of')
        USING ERRCODE = '42809',
        CONSTRAINT = 'table_not_protected',
        HINT = 'Rows can be assigned in tables that a phase or protect() has given a workspace_id.';
    END IF;
    IF parent IS NOT NULL THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %s AND %I IS NOT NULL)', table_name, is_wanted, parent)
        INTO has_parents;
    END IF;
    IF has_parents THEN
        RAISE EXCEPTION 'rows of % are where their parents are', table_name
        USING ERRCODE = '42809',
        CONSTRAINT = 'table_not_protected',
        HINT = format('Assign the parents, and these go along; those without one by the condition %I IS NULL.', parent);
    END IF;
    IF NOT coalesce(batch_size BETWEEN 1 AND 1000000, false) THEN
        RAISE EXCEPTION 'a batch has 1 to 1000000 rows'
        USING ERRCODE = '22023',
        CONSTRAINT = 'batch_size_invalid',
        HINT = 'Small batches hold their locks for a shorter time.';
    END IF;
    IF NOT EXISTS (
        SELECT FROM tenancy.workspaces AS w
        WHERE w.id = assign.organization_id AND w.kind = 'organization' AND w.deleted_at IS NULL
    ) THEN
        RAISE EXCEPTION 'no organization has the id %', coalesce(assign.organization_id::text, 'NULL')
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'organization_not_found',
        HINT = 'The ids are in public.organizations; a deleted organization is given nothing.';
    END IF;
    -- Found first and locked then: to find them may take long. What somebody else
    -- has locked is passed over, and waited for when nothing else is left, one by
    -- one, because who holds no other row is in nobody's circle. What has moved
    -- meanwhile is looked for again.
    FOR attempt IN 1 .. 10 LOOP
        -- A ctid is a place in one partition.
        EXECUTE format('SELECT tableoid FROM %s WHERE %s LIMIT 1', table_name, is_wanted) INTO place;
        EXIT WHEN place IS NULL;
        EXECUTE format('SELECT ARRAY(SELECT ctid FROM %s WHERE tableoid = $2 AND %s LIMIT $1)', table_name, is_wanted)
        INTO found USING batch_size, place;
        FOREACH waiting IN ARRAY ARRAY['SKIP LOCKED', ''] LOOP
            EXECUTE format(
                'UPDATE %1$s SET %4$I = $1 WHERE tableoid = $3 AND ctid = ANY(ARRAY('
                'SELECT ctid FROM %1$s WHERE tableoid = $3 AND ctid = ANY($2) AND %2$s FOR UPDATE %3$s)) AND %2$s',
                table_name, is_wanted, waiting, owner_column
            ) USING assign.organization_id, CASE waiting WHEN '' THEN found[1:1] ELSE found END, place;
            GET DIAGNOSTICS assigned = ROW_COUNT;
            EXIT WHEN assigned > 0;
        END LOOP;
        EXIT WHEN assigned > 0;
    END LOOP;
    RETURN assigned;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.assign(regclass, uuid, text, integer) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.assign(regclass, uuid, text, integer) TO tenancy_service;
COMMENT ON FUNCTION tenancy.assign(regclass, uuid, text, integer) IS
'Gives at most batch_size legacy rows of a table, which the condition may narrow, to an organization, and returns how '
'many. Call it until it returns 0, each time in a transaction of its own. Raises 42809 table_not_protected, '
'P0002 organization_not_found, 22023 batch_size_invalid.';

COMMIT;
