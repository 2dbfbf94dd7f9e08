-- Deploy pg-tenancy:kernel/parents to pg
-- requires: kernel/policy_forms

\set change kernel/parents
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The foreign key by which a child refers to its parent, another protected table, or in a tree
-- to itself.
CREATE FUNCTION tenancy_private.key_to_parent(
    table_name regclass, parent name, or_itself boolean DEFAULT false
) RETURNS oid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT k.oid
FROM pg_constraint AS k
INNER JOIN pg_attribute AS a ON k.conrelid = a.attrelid AND a.attnum = ANY(k.conkey)
LEFT JOIN tenancy_private.protected_tables AS p ON k.confrelid = p.table_name
WHERE k.conrelid = key_to_parent.table_name AND k.contype = 'f' AND a.attname = key_to_parent.parent
    AND CASE WHEN k.confrelid = k.conrelid THEN or_itself ELSE p.table_name IS NOT NULL END
    AND tenancy_private.is_enforced(k)
-- The key created by protect() includes the workspace.
ORDER BY cardinality(k.conkey) DESC, k.conname
LIMIT 1;
$$;
REVOKE ALL ON FUNCTION tenancy_private.key_to_parent(regclass, name, boolean) FROM public;

-- The foreign key of one column by which a table refers to its parent, if that is protected, or
-- to itself.
CREATE FUNCTION tenancy_private.key_of_one_column(table_name regclass, parent name)
RETURNS TABLE (
    name name,
    referred regclass,
    referred_key name,
    referred_column name,
    definition text,
    actions text
)
LANGUAGE plpgsql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT
        c.conname,
        c.confrelid::regclass,
        coalesce(p.key, 'workspace_id'),
        r.attname,
        pg_get_constraintdef(c.oid),
        CASE c.confdeltype
            WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN format('SET NULL (%I)', key_of_one_column.parent)
            WHEN 'd' THEN format('SET DEFAULT (%I)', key_of_one_column.parent) WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION'
        END
        || CASE WHEN c.condeferrable THEN ' DEFERRABLE' ELSE '' END
        || CASE WHEN c.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END
    FROM pg_constraint AS c
    INNER JOIN pg_attribute AS a ON c.conrelid = a.attrelid AND c.conkey = ARRAY[a.attnum]
    INNER JOIN pg_attribute AS r ON c.confrelid = r.attrelid AND c.confkey = ARRAY[r.attnum]
    LEFT JOIN tenancy_private.protected_tables AS p
        ON c.confrelid = p.table_name AND p.shape IN ('tenant', 'child', 'author', 'catalogue')
    WHERE c.contype = 'f' AND c.conrelid = key_of_one_column.table_name AND a.attname = key_of_one_column.parent
        AND (p.table_name IS NOT NULL OR c.confrelid = c.conrelid)
        AND tenancy_private.is_enforced(c)
    ORDER BY c.conname
    LIMIT 1;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.key_of_one_column(regclass, name) FROM public;

-- For services and the application from before, which know nothing of workspaces: a
-- child's row is where its parent is. For a tenant the default has decided, and the
-- key checks it. Arguments: the parent's table, its key and id columns, and the
-- child's column that refers to it.
CREATE FUNCTION tenancy_private.set_child_workspace() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    parents_workspace uuid;
BEGIN
    EXECUTE format(
        'SELECT %I FROM %s WHERE %I = ($1).%I', tg_argv[1], tg_argv[0]::regclass, tg_argv[2], tg_argv[3]
    ) INTO parents_workspace USING new;
    new.workspace_id := coalesce(parents_workspace, new.workspace_id);
    RETURN new;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.set_child_workspace() FROM public;

-- Creates the trigger of a child, or creates it anew if it calls the table, its parent or their
-- columns by names from before.
CREATE PROCEDURE tenancy_private.set_child_trigger(table_name regclass, parent name)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    trigger_name CONSTANT name := tenancy_private.name_for(table_name, 'workspace');
    reference record;
    calling text;
    former record;
BEGIN
    SELECT
        c.confrelid::regclass AS referred, coalesce(p.key, 'workspace_id') AS referred_key, r.attname AS referred_column
    INTO reference
    FROM pg_constraint AS c
    CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS k (here, there)
    INNER JOIN pg_attribute AS a ON c.conrelid = a.attrelid AND k.here = a.attnum
    INNER JOIN pg_attribute AS r ON c.confrelid = r.attrelid AND k.there = r.attnum
    LEFT JOIN tenancy_private.protected_tables AS p ON c.confrelid = p.table_name
    WHERE a.attname = set_child_trigger.parent AND c.oid = tenancy_private.key_to_parent(
        set_child_trigger.table_name, set_child_trigger.parent, or_itself => true
    );
    IF NOT FOUND THEN
        RETURN;
    END IF;
    calling := format(
        'EXECUTE FUNCTION tenancy_private.set_child_workspace(%L, %L, %L, %L)',
        format('%s', reference.referred), reference.referred_key, reference.referred_column, parent
    );
    SELECT
        array_agg(t.tgname) AS names,
        bool_or(t.tgname = trigger_name AND right(pg_get_triggerdef(t.oid), length(calling)) = calling) AS is_current
    INTO former
    FROM pg_trigger AS t
    WHERE t.tgrelid = table_name AND t.tgfoid = 'tenancy_private.set_child_workspace()'::regprocedure;
    IF former.is_current THEN
        RETURN;
    END IF;
    CALL tenancy_private.drop_triggers_calling(table_name, 'set_child_workspace');
    DELETE FROM tenancy_private.adopted_parts AS a
    WHERE a.table_name = set_child_trigger.table_name AND a.kind = 'trigger' AND a.name = ANY(former.names);
    EXECUTE format(
        'CREATE TRIGGER %I BEFORE INSERT OR UPDATE OF %I ON %s FOR EACH ROW WHEN (new.%2$I IS NOT NULL '
        'AND NOT (pg_has_role(''tenancy_credentialed'', ''USAGE'') AND row_security_active(%4$L::regclass))) %5$s',
        trigger_name, parent, table_name, format('%s', table_name), calling
    );
    CALL tenancy_private.record_triggers(table_name, trigger_name);
    CALL tenancy_private.record_part(table_name, 'trigger', trigger_name);
    CALL tenancy_private.grant_rights(reference.referred, 'tenancy_owner', ARRAY['SELECT']);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.set_child_trigger(regclass, name) FROM public;

-- Moves children to where their parents are, and returns how many it moved: of the whole
-- table, or of a range of its blocks while everybody works. There a row that somebody else
-- has locked is passed over, so that nobody waits for anybody in a circle.
CREATE FUNCTION tenancy_private.move_to_parents(
    table_name regclass,
    parent name,
    first_block bigint DEFAULT NULL,
    next_block bigint DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    key record;
    moved bigint;
BEGIN
    SELECT k.* INTO key FROM tenancy_private.key_of_one_column(table_name, parent) AS k;
    IF first_block IS NULL THEN
        EXECUTE format(
            'UPDATE %s AS t SET workspace_id = p.%I FROM %s AS p WHERE p.%I = t.%I AND t.workspace_id <> p.%2$I',
            table_name, key.referred_key, key.referred, key.referred_column, parent
        );
    ELSE
        EXECUTE format(
            'WITH free AS MATERIALIZED (SELECT t.ctid AS place FROM %1$s AS t'
            ' WHERE t.ctid >= $1 AND t.ctid < $2 AND EXISTS'
            ' (SELECT FROM %3$s AS p WHERE p.%4$I = t.%5$I AND t.workspace_id <> p.%2$I)'
            ' FOR NO KEY UPDATE SKIP LOCKED)'
            ' UPDATE %1$s AS t SET workspace_id = p.%2$I FROM free AS f, %3$s AS p'
            ' WHERE t.ctid = f.place AND p.%4$I = t.%5$I',
            table_name, key.referred_key, key.referred, key.referred_column, parent
        ) USING format('(%s,0)', first_block)::tid, format('(%s,0)', next_block)::tid;
    END IF;
    GET DIAGNOSTICS moved = ROW_COUNT;
    RETURN moved;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.move_to_parents(regclass, name, bigint, bigint) FROM public;

-- Rows of a tree that are below each other in a circle, of several workspaces: none of these is
-- the others' parent's. A row can be its own parent.
CREATE PROCEDURE tenancy_private.refuse_circles(table_name regclass, parent name)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    key record;
    example text;
BEGIN
    SELECT k.* INTO key FROM tenancy_private.key_of_one_column(table_name, parent) AS k;
    EXECUTE format(
        'WITH RECURSIVE above AS ('
        'SELECT t.%2$I AS start, t.%3$I AS id FROM %1$s AS t INNER JOIN %1$s AS p ON t.%3$I = p.%2$I'
        ' WHERE t.workspace_id <> p.workspace_id'
        ' UNION SELECT a.start, p.%3$I FROM above AS a INNER JOIN %1$s AS p ON p.%2$I = a.id WHERE a.id <> a.start'
        ') SELECT a.start::text FROM above AS a WHERE a.id = a.start LIMIT 1',
        table_name, key.referred_column, parent
    ) INTO example;
    IF example IS NOT NULL THEN
        RAISE EXCEPTION 'rows of % are below each other in a circle, but of several workspaces', table_name
        USING ERRCODE = '55000',
        CONSTRAINT = 'rows_in_a_circle',
        DETAIL = format('One of them has the %s %s.', key.referred_column, example),
        HINT = format('Set %I of one of them to NULL, then protect the table.', parent);
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.refuse_circles(regclass, name) FROM public;

\ir ../../notes/done.psql
COMMIT;
