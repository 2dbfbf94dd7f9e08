-- Deploy pg-tenancy:kernel/tenant_tables to pg
-- requires: kernel/adoption

\set change kernel/tenant_tables
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- Defaults of the other columns with the owner of a row.
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
TO tenancy_credentialed, tenancy_service, tenancy_legacy, tenancy_writer;
COMMENT ON FUNCTION tenancy.default_organization_id() IS
'Default of organization_id: the current organization; NULL in personal mode, in the platform''s workspace, and '
'outside of workspaces.';

-- Verified, because the floor checks only the workspace: the table may have a column between
-- the two, whose value changes the variables back.
CREATE FUNCTION tenancy.default_user_id() RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE
    WHEN coalesce(current_setting('tenancy.current_organization_id', true), '') = ''
        AND coalesce(current_setting('tenancy.context', true), '') <> ''
        AND tenancy.current_workspace_id() IS NOT NULL
        THEN nullif(current_setting('tenancy.current_user_id', true), '')::uuid
END;
REVOKE ALL ON FUNCTION tenancy.default_user_id() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.default_user_id()
TO tenancy_credentialed, tenancy_service, tenancy_legacy, tenancy_writer;
COMMENT ON FUNCTION tenancy.default_user_id() IS
'Default of user_id: the person in personal mode, NULL elsewhere and outside of any workspace.';

-- Keeps workspace_id consistent with organization_id and the owner's column, for writers of
-- these: a service, or the application before its migration, which names the owner and knows no
-- workspaces. Losing its owner never moves a row: if both columns are NULL, for instance
-- because a user was deleted, it stays where it is. The triggers call this only for rows whose
-- columns disagree. Argument: the owner's column, if the table has one.
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

-- The application's foreign key may set the organization of rows to NULL when it is deleted.
-- Such rows would now become everybody's, or be deleted with the workspace. Neither happens
-- silently: purge_organization() empties the workspace first.
CREATE FUNCTION tenancy_private.keep_organization() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    cleared record;
    kept bigint;
BEGIN
    FOR cleared IN
        SELECT DISTINCT a.table_name
        FROM tenancy_private.adoptions AS a
        INNER JOIN pg_constraint AS c ON a.table_name = c.conrelid
        INNER JOIN pg_attribute AS t ON c.conrelid = t.attrelid AND c.conkey = ARRAY[t.attnum]
        WHERE a.workspace_default IS NOT NULL
            AND c.contype = 'f' AND c.confrelid = 'public.organizations'::regclass AND c.confdeltype IN ('n', 'd')
            AND t.attname = 'organization_id'
    LOOP
        EXECUTE format('SELECT count(*) FROM %s AS t WHERE t.organization_id = $1', cleared.table_name)
        INTO kept USING old.id;
        IF kept > 0 THEN
            RAISE EXCEPTION 'organization % has % in %', old.name,
                CASE kept WHEN 1 THEN '1 row' ELSE kept || ' rows' END, cleared.table_name
            USING ERRCODE = '23503',
            CONSTRAINT = 'organization_in_use',
            HINT = 'tenancy.delete_organization() closes it and loses nothing; then tenancy.purge_organization() removes it '
            'with its rows.';
        END IF;
    END LOOP;
    RETURN old;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.keep_organization() FROM public;

-- Runs with the caller's own rights, because the condition is the caller's SQL. Assigned rows
-- are not legacy rows any more, so the same call continues where the previous one stopped, for
-- whatever reason. A table of the platform has organization_id, from which its trigger sets the
-- rest; any other has only the workspace.
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
    -- The kind of the table, according to pg-tenancy's triggers on it.
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
    -- The trigger of a child is on this column.
    parent CONSTANT name := (
        SELECT a.attname
        FROM pg_trigger AS t
        INNER JOIN pg_proc AS p ON t.tgfoid = p.oid
        INNER JOIN pg_namespace AS n ON p.pronamespace = n.oid
        INNER JOIN pg_attribute AS a ON t.tgrelid = a.attrelid AND t.tgattr[0] = a.attnum
        WHERE t.tgrelid = table_name AND (n.nspname, p.proname) = ('tenancy_private', 'set_child_workspace')
        LIMIT 1
    );
    -- In a tree a row can be its own parent.
    own_id CONSTANT name := (
        SELECT r.attname
        FROM pg_constraint AS c
        CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS k (here, there)
        INNER JOIN pg_attribute AS a ON c.conrelid = a.attrelid AND k.here = a.attnum
        INNER JOIN pg_attribute AS r ON c.confrelid = r.attrelid AND k.there = r.attnum
        WHERE c.contype = 'f' AND c.conrelid = table_name AND c.confrelid = table_name AND a.attname = parent
        LIMIT 1
    );
    has_parents boolean := false;
    place oid;
    found tid[];
    waiting text;
    assigned bigint := 0;
BEGIN
    IF owner_column IS NULL THEN
        RAISE EXCEPTION '%', coalesce(table_name || ' is not a table of tenants', 'no table was given to assign rows of')
        USING ERRCODE = '55000',
        CONSTRAINT = 'table_not_protected',
        HINT = 'Rows can be assigned in tables that a phase or protect() has given a workspace_id.';
    END IF;
    IF parent IS NOT NULL THEN
        EXECUTE format(
            'SELECT EXISTS (SELECT FROM %s WHERE %s AND %I IS NOT NULL%s)', table_name, is_wanted, parent,
            CASE WHEN own_id IS NOT NULL THEN format(' AND %I <> %I', parent, own_id) END
        ) INTO has_parents;
    END IF;
    IF has_parents THEN
        RAISE EXCEPTION 'rows of % belong to the workspaces of their parents', table_name
        USING ERRCODE = '55000',
        CONSTRAINT = 'table_not_protected',
        HINT = format('Assign the parents, and these go along; those without one by the condition %I IS NULL', parent)
        || CASE WHEN own_id IS NOT NULL THEN format(' or %I = %I.', parent, own_id) ELSE '.' END;
    END IF;
    IF NOT coalesce(batch_size BETWEEN 1 AND 1000000, false) THEN
        RAISE EXCEPTION 'a batch must have 1 to 1000000 rows'
        USING ERRCODE = '22023',
        CONSTRAINT = 'batch_size_invalid',
        HINT = 'Small batches hold their locks for less time.';
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
    -- Rows are found first and then locked, because finding them may take long.
    -- Locked rows are skipped, and waited for one by one when no others are left:
    -- a transaction that holds no other row cannot cause a deadlock. Rows that
    -- have moved meanwhile are looked up again.
    FOR attempt IN 1 .. 10 LOOP
        -- A ctid is valid in one partition only.
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
'Assigns at most batch_size legacy rows of a table that meet the condition to an organization, and returns their '
'number. Call it until it returns 0, each time in a separate transaction. Raises 55000 table_not_protected, P0002 '
'organization_not_found, 22023 batch_size_invalid.';

-- These procedures turn a large table in use into a table of tenants, and back. The script of a
-- phase calls adopt_online(), builds the indexes, and calls finish_adoption(); its revert calls
-- release_adoption(). All can be stopped anywhere and called again. Those that commit, or write
-- rows of the application, have their caller's search_path, so all names in them are qualified.

-- Lists the obstacles before anything is changed: existing columns, and rows whose owner does
-- not exist. needed_lengths has the minimal length of each column.
CREATE PROCEDURE tenancy_private.check_tenant_table(
    table_name regclass, owner_column name, needed_lengths jsonb, needed_columns jsonb
)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong text;
    owner record;
BEGIN
    SELECT string_agg(format('%I is %s, and must %s', a.attname, p.what, p.needed), '; ' ORDER BY a.attnum)
    INTO wrong
    FROM pg_attribute AS a
    CROSS JOIN LATERAL (SELECT format_type(a.atttypid, a.atttypmod) AS name) AS t
    CROSS JOIN LATERAL (VALUES
        (a.attname = 'workspace_id', 'already a column', 'be free for pg-tenancy'),
        (a.attname IN ('organization_id', owner_column) AND a.atttypid <> 'uuid'::regtype, t.name, 'be uuid'),
        (a.attname = 'organization_id' AND a.attnotnull, 'NOT NULL', 'allow NULL for rows without an organization'),
        (
            a.atttypid <> (needed_columns #>> ARRAY[a.attname::text, 'type'])::regtype,
            t.name, 'be ' || (needed_columns #>> ARRAY[a.attname::text, 'type'])
        ),
        (
            a.atttypmod BETWEEN 0 AND (needed_lengths ->> a.attname)::integer + 3
            AND a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype),
            t.name, format('hold %s characters', needed_lengths ->> a.attname)
        )
    ) AS p (is_so, what, needed)
    WHERE a.attrelid = table_name AND NOT a.attisdropped AND p.is_so;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '%: %', table_name, wrong
        USING ERRCODE = '55000',
        CONSTRAINT = 'column_in_the_way',
        HINT = 'Nothing was changed. Rename the column or change its type, then deploy again.';
    END IF;
    FOR owner IN
        SELECT a.attname AS name, o.referred
        FROM (VALUES
            ('organization_id'::name, 'public.organizations'::regclass), (owner_column, 'public.users')
        ) AS o (name, referred)
        INNER JOIN pg_attribute AS a ON a.attrelid = table_name AND o.name = a.attname AND NOT a.attisdropped
    LOOP
        CALL tenancy_private.refuse_orphans(
            table_name, owner.name, owner.referred,
            'Nothing was changed. Correct the column in these rows, or clear it, then deploy again.'
        );
    END LOOP;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.check_tenant_table(regclass, name, jsonb, jsonb) FROM public;

CREATE FUNCTION tenancy_private.adoption_of(change text) RETURNS tenancy_private.adoptions
LANGUAGE sql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT a FROM tenancy_private.adoptions AS a WHERE a.change = adoption_of.change;
$$;
REVOKE ALL ON FUNCTION tenancy_private.adoption_of(text) FROM public;

-- Adds the columns, their defaults, the trigger and the check, in commands that read no row.
CREATE PROCEDURE tenancy_private.add_ownership(change text)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    adoption CONSTANT tenancy_private.adoptions := tenancy_private.adoption_of(change);
    table_name CONSTANT regclass := adoption.table_name;
    relation CONSTANT text := (SELECT c.relname FROM pg_class AS c WHERE c.oid = table_name);
    check_name CONSTANT name := relation || '_tenancy_workspace_check';
    trigger_name CONSTANT name := relation || '_tenancy_workspace';
    defaulted text[] := '{}';
    required name[];
    wanted record;
BEGIN
    FOR wanted IN
        SELECT w.name, w.value, w.is_owner, a.attname IS NULL AS is_missing
        FROM (
            SELECT 1 AS position, 'organization_id'::name AS name, 'tenancy.default_organization_id()' AS value, true AS is_owner
            UNION ALL
            SELECT 2, adoption.owner_column, 'tenancy.default_user_id()', true WHERE adoption.owner_column IS NOT NULL
            UNION ALL
            SELECT 3, d.key, d.value, false FROM jsonb_each_text(adoption.defaults) AS d
        ) AS w
        LEFT JOIN pg_attribute AS a ON a.attrelid = table_name AND w.name = a.attname AND NOT a.attisdropped
        WHERE CASE
            WHEN w.is_owner THEN a.attname IS NULL OR NOT a.atthasdef AND NOT a.attnotnull
            ELSE NOT a.atthasdef
        END
        ORDER BY w.position, w.name
    LOOP
        IF wanted.is_missing THEN
            EXECUTE format('ALTER TABLE %s ADD COLUMN %I uuid', table_name, wanted.name);
            EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', table_name, wanted.name, wanted.value);
            EXECUTE format('COMMENT ON COLUMN %s.%I IS ''Added by pg-tenancy.''', table_name, wanted.name);
            CALL tenancy_private.record_part(table_name, 'column', wanted.name, change);
        ELSE
            CALL tenancy_private.add_default(table_name, wanted.name, wanted.value, change);
            defaulted := defaulted || wanted.name::text;
        END IF;
    END LOOP;
    required := ARRAY(
        SELECT a.attname FROM pg_attribute AS a
        WHERE a.attrelid = table_name AND a.attname = ANY(adoption.nullable) AND a.attnotnull
        ORDER BY a.attname
    );
    CALL tenancy_private.add_workspace_column(table_name, adoption.workspace_default, change);
    EXECUTE format(
        'ALTER TABLE %s ADD CONSTRAINT %I CHECK (organization_id IS NULL OR organization_id = workspace_id) NOT VALID',
        table_name, check_name
    );
    EXECUTE format(
        'COMMENT ON CONSTRAINT %I ON %s IS %L', check_name, table_name, concat_ws(
            ' ', 'Added by pg-tenancy.',
            'Had no default before: ' || nullif(array_to_string(defaulted, ', '), '') || '.',
            'Could not be null before: ' || nullif(array_to_string(required, ', '), '') || '.'
        )
    );
    CALL tenancy_private.record_part(table_name, 'constraint', check_name, change);
    EXECUTE format(
        'CREATE TRIGGER %I BEFORE INSERT OR UPDATE ON %s FOR EACH ROW '
        'WHEN (new.workspace_id IS DISTINCT FROM coalesce(new.organization_id, %s'
        '''00000000-0000-0000-0000-000000000000''::uuid)) '
        'EXECUTE FUNCTION tenancy_private.set_workspace(%s)',
        trigger_name, table_name, 'new.' || quote_ident(adoption.owner_column) || ', ', quote_literal(adoption.owner_column)
    );
    CALL tenancy_private.record_triggers(table_name, trigger_name);
    CALL tenancy_private.record_part(table_name, 'trigger', trigger_name, change);
    FOR wanted IN SELECT r.name FROM unnest(required) AS r (name) LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', table_name, wanted.name);
        CALL tenancy_private.record_part(table_name, 'not null', wanted.name, change);
    END LOOP;
    FOR wanted IN
        SELECT c.key::name AS name, c.value ->> 'type' AS type, c.value ->> 'comment' AS comment
        FROM jsonb_each(adoption.columns) AS c
        WHERE NOT EXISTS (
            SELECT FROM pg_attribute AS a WHERE a.attrelid = table_name AND a.attname = c.key AND NOT a.attisdropped
        )
        ORDER BY c.key
    LOOP
        EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', table_name, wanted.name, wanted.type);
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', table_name, wanted.name, wanted.comment);
        CALL tenancy_private.record_part(table_name, 'column', wanted.name, change);
    END LOOP;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.add_ownership(text) FROM public;

-- Rows with an owner get the owner's workspace. A row that has lost both owners stays where it
-- is, see tenancy_private.set_workspace().
CREATE PROCEDURE tenancy_private.fill_workspaces(change text)
LANGUAGE plpgsql
SECURITY INVOKER
AS $$
DECLARE
    adoption CONSTANT tenancy_private.adoptions := tenancy_private.adoption_of(change);
    table_name CONSTANT regclass := adoption.table_name;
    relation CONSTANT text := (SELECT c.relname FROM pg_catalog.pg_class AS c WHERE c.oid = table_name);
    owner CONSTANT text := pg_catalog.format(
        'coalesce(t.organization_id, %s)', coalesce('t.' || pg_catalog.quote_ident(adoption.owner_column), 'NULL')
    );
BEGIN
    IF NOT tenancy_private.has_part(table_name, 'column', 'organization_id', change)
        OR adoption.owner_column IS NOT NULL
        AND NOT tenancy_private.has_part(table_name, 'column', adoption.owner_column, change)
    THEN
        CALL tenancy_private.in_batches(
            change, 'workspaces', table_name, table_name::text, pg_catalog.format('t.workspace_id <> %s', owner),
            pg_catalog.format('UPDATE %s AS t SET workspace_id = %s WHERE t.id = ANY($1)', table_name, owner)
        );
    END IF;
    -- An earlier deploy found rows whose owner does not exist, and somebody has cleared their
    -- columns since.
    IF EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS c
        WHERE c.conrelid = table_name
            AND c.conname = relation || '_tenancy_workspace_id_fkey'
            AND NOT c.convalidated
    ) THEN
        CALL tenancy_private.in_batches(
            change, 'cleared owners', table_name, table_name::text, pg_catalog.format(
                '%s IS NULL AND NOT EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.id = t.workspace_id)', owner
            ),
            pg_catalog.format(
                'UPDATE %s AS t SET workspace_id = ''00000000-0000-0000-0000-000000000000'' WHERE t.id = ANY($1)',
                table_name
            )
        );
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.fill_workspaces(text) FROM public;

-- Restores owners that a revert kept, for rows that still exist. A column that existed all the
-- time is more reliable than the archive. Rows whose owner no longer exists are refused,
-- because they would become the platform's, visible to everybody.
CREATE PROCEDURE tenancy_private.return_ownership(change text)
LANGUAGE plpgsql
SECURITY INVOKER
AS $$
DECLARE
    adoption CONSTANT tenancy_private.adoptions := tenancy_private.adoption_of(change);
    table_name CONSTANT regclass := adoption.table_name;
    archive CONSTANT text := (
        SELECT c.relname::text || '_ownership' FROM pg_catalog.pg_class AS c WHERE c.oid = table_name
    );
    organization CONSTANT text := CASE
        WHEN tenancy_private.has_part(table_name, 'column', 'organization_id', change) THEN 'a.organization_id'
        ELSE 't.organization_id'
    END;
    owner CONSTANT text := coalesce(adoption.kept ->> 'owner', CASE
        WHEN adoption.owner_column IS NULL THEN 'NULL::uuid'
        WHEN tenancy_private.has_part(table_name, 'column', adoption.owner_column, change) THEN 'a.owner_id'
        ELSE pg_catalog.format('t.%I', adoption.owner_column)
    END);
    workspace CONSTANT text := pg_catalog.format('coalesce(%s, %s, a.workspace_id)', organization, owner);
    ownerless bigint;
    query text;
BEGIN
    IF pg_catalog.to_regclass(pg_catalog.format('tenancy_archive.%I', archive)) IS NULL THEN
        RETURN;
    END IF;
    query := pg_catalog.format(
        'SELECT a.id FROM tenancy_archive.%I AS a INNER JOIN %s AS t ON a.id = t.id'
        ' WHERE NOT EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.id = %s)',
        archive, table_name, workspace
    );
    EXECUTE pg_catalog.format('SELECT pg_catalog.count(*) FROM (%s) AS q', query) INTO ownerless;
    IF ownerless > 0 THEN
        RAISE EXCEPTION '% rows of % belonged to organizations or users that no longer exist', ownerless, table_name
        USING ERRCODE = '55000',
        CONSTRAINT = 'ownership_returns',
        DETAIL = query || ';',
        HINT = pg_catalog.format('The query in the detail finds them. Delete these rows from %s, or, to make '
            'them the platform''s, from tenancy_archive.%I; then deploy again.', table_name, archive);
    END IF;
    CALL tenancy_private.in_batches(
        change, 'archived owners', table_name, pg_catalog.format('tenancy_archive.%I', archive),
        pg_catalog.format('EXISTS (SELECT FROM tenancy_archive.%I AS a WHERE a.id = t.id)', archive),
        pg_catalog.format(
            'WITH a AS (DELETE FROM tenancy_archive.%1$I AS a WHERE a.id = ANY($1) RETURNING a.*) '
            'UPDATE %2$s AS t SET organization_id = %3$s, %4$s workspace_id = %5$s %6$s FROM a WHERE t.id = a.id',
            archive, table_name, organization,
            CASE WHEN adoption.owner_column IS NULL THEN '' ELSE pg_catalog.format(
                '%1$I = (SELECT u.id FROM public.users AS u WHERE u.id = %2$s),', adoption.owner_column, owner
            ) END,
            workspace, ', ' || (adoption.kept ->> 'returned')
        )
    );
    CALL tenancy_private.drop_archived(archive);
    COMMIT;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.return_ownership(text) FROM public;

-- The indexes that phase 0 built for foreign keys do not contain the workspace: in a table that
-- tenants read they would reveal how many rows of others have a value. With the workspace as
-- the last column they do not.
CREATE PROCEDURE tenancy_private.want_indexes(table_name regclass, indexes jsonb)
LANGUAGE sql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DELETE FROM tenancy_private.wanted_indexes;
INSERT INTO tenancy_private.wanted_indexes (table_name, index_name, columns, condition, is_unique)
SELECT want_indexes.table_name, i.key, ARRAY(
    SELECT c.name::name FROM jsonb_array_elements_text(i.value -> 'columns') WITH ORDINALITY AS c (name, position)
    ORDER BY c.position
), i.value ->> 'condition', coalesce((i.value ->> 'unique')::boolean, false)
FROM jsonb_each(indexes) AS i;
INSERT INTO tenancy_private.wanted_indexes (table_name, index_name, columns, comment)
SELECT i.indrelid, c.relname, k.columns || 'workspace_id'::name, 'Added by pg-tenancy, with the workspace.'
FROM pg_index AS i
INNER JOIN pg_class AS c ON i.indexrelid = c.oid
CROSS JOIN LATERAL (SELECT tenancy_private.columns_of_index(c.oid) AS columns) AS k
WHERE i.indrelid = want_indexes.table_name
    AND NOT i.indisunique
    AND obj_description(c.oid, 'pg_class') = 'Added by pg-tenancy.'
    AND NOT 'workspace_id' = ANY(k.columns)
ON CONFLICT DO NOTHING;
$$;
REVOKE ALL ON ROUTINE tenancy_private.want_indexes(regclass, jsonb) FROM public;

-- Does everything except the indexes and the keys.
CREATE PROCEDURE tenancy_private.adopt_online(
    change text,
    table_name regclass,
    indexes jsonb,
    owner_column name DEFAULT NULL,
    workspace_default text DEFAULT 'tenancy.default_workspace_id()',
    lengths jsonb DEFAULT '{}',
    defaults jsonb DEFAULT '{}',
    columns jsonb DEFAULT '{}',
    nullable name[] DEFAULT '{}',
    kept jsonb DEFAULT '{}'
)
LANGUAGE plpgsql
SECURITY INVOKER
AS $$
BEGIN
    -- Changes of an earlier deploy are not checked again.
    IF NOT tenancy_private.has_part(table_name, 'column', 'workspace_id', change) THEN
        CALL tenancy_private.check_tenant_table(table_name, owner_column, lengths, columns);
        COMMIT;
        -- A refused adoption has not begun.
        INSERT INTO tenancy_private.changes (change, state)
        VALUES (adopt_online.change, 'deploying')
        ON CONFLICT ON CONSTRAINT changes_pkey DO NOTHING;
        INSERT INTO tenancy_private.adoptions
        VALUES (
            adopt_online.change, adopt_online.table_name, adopt_online.owner_column, adopt_online.workspace_default,
            adopt_online.defaults, adopt_online.columns, adopt_online.nullable, adopt_online.kept
        )
        ON CONFLICT ON CONSTRAINT adoptions_pkey DO NOTHING;
        CALL tenancy_private.grant_to_owner(table_name);
        CALL tenancy_private.keep_legacy_logins(ARRAY[table_name]);
        COMMIT;
        CALL tenancy_private.patiently(
            ARRAY[table_name], 'ACCESS EXCLUSIVE', pg_catalog.format('CALL tenancy_private.add_ownership(%L)', change)
        );
        COMMIT;
    END IF;
    CALL tenancy_private.fill_workspaces(change);
    CALL tenancy_private.return_ownership(change);
    CALL tenancy_private.want_indexes(table_name, indexes);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.adopt_online(
    text, regclass, jsonb, name, text, jsonb, jsonb, jsonb, name[], jsonb
) FROM public;

-- Adds the keys of a table of tenants, once its indexes are built.
CREATE PROCEDURE tenancy_private.finish_adoption(change text)
LANGUAGE plpgsql
SECURITY INVOKER
AS $$
DECLARE
    adoption CONSTANT tenancy_private.adoptions := tenancy_private.adoption_of(change);
    relation CONSTANT text := (SELECT c.relname FROM pg_catalog.pg_class AS c WHERE c.oid = adoption.table_name);
    wanted record;
BEGIN
    CALL tenancy_private.validate_constraint(adoption.table_name, relation || '_tenancy_workspace_check');
    COMMIT;
    FOR wanted IN
        SELECT k.*
        FROM (VALUES
            (1, 'workspace_id'::name, 'tenancy.workspaces'::regclass, 'CASCADE'),
            (2, 'organization_id', 'public.organizations', 'CASCADE'),
            (3, adoption.owner_column, 'public.users', 'SET NULL')
        ) AS k (position, column_name, referred, on_delete)
        INNER JOIN pg_catalog.pg_attribute AS a
            ON a.attrelid = adoption.table_name AND k.column_name = a.attname AND NOT a.attisdropped
        -- An existing column has a key from phase 0 or from the application.
        WHERE NOT EXISTS (
            SELECT FROM pg_catalog.pg_constraint AS c
            WHERE c.contype = 'f' AND c.conrelid = adoption.table_name AND c.conkey = ARRAY[a.attnum]
                AND c.confrelid = k.referred AND c.convalidated
        )
        -- The workspace's key first: fill_workspaces() depends on it.
        ORDER BY k.position
    LOOP
        CALL tenancy_private.add_constraint(
            adoption.table_name, ARRAY[wanted.referred], relation || '_tenancy_' || wanted.column_name::text || '_fkey',
            pg_catalog.format('FOREIGN KEY (%I) REFERENCES %s (id) ON DELETE %s',
                wanted.column_name, wanted.referred, wanted.on_delete),
            change
        );
    END LOOP;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.finish_adoption(text) FROM public;

-- The way back. While the owners of all rows are copied, the table stays in use: a trigger
-- copies concurrent writes. Later writes of the revert itself, with tenancy.reverting on, do
-- not change the archive, nor do other writes that leave the owner unchanged.
CREATE PROCEDURE tenancy_private.keep_ownership(change text)
LANGUAGE plpgsql
SECURITY INVOKER
AS $$
DECLARE
    adoption CONSTANT tenancy_private.adoptions := tenancy_private.adoption_of(change);
    table_name CONSTANT regclass := adoption.table_name;
    relation CONSTANT text := (SELECT c.relname FROM pg_catalog.pg_class AS c WHERE c.oid = table_name);
    archive CONSTANT text := relation || '_ownership';
    trigger_name CONSTANT text := relation || '_tenancy_keep_ownership';
    owner CONSTANT text := coalesce('t.' || pg_catalog.quote_ident(adoption.owner_column), 'NULL::uuid');
    -- Further columns of rows with an owner that are kept.
    further_values CONSTANT text := coalesce(adoption.kept ->> 'values', 'NULL::jsonb');
    is_kept CONSTANT text := pg_catalog.format(
        '(t.workspace_id <> ''00000000-0000-0000-0000-000000000000'' %s)', coalesce(adoption.kept ->> 'condition', '')
    );
    kept CONSTANT text := pg_catalog.format(
        'SELECT t.id, t.organization_id, %s, t.workspace_id, %s FROM %%s AS t WHERE %s', owner, further_values, is_kept
    );
BEGIN
    IF NOT tenancy_private.has_part(table_name, 'trigger', trigger_name, change) THEN
        IF pg_catalog.to_regnamespace('tenancy_archive') IS NULL THEN
            CREATE SCHEMA tenancy_archive;
            REVOKE ALL ON SCHEMA tenancy_archive FROM public;
        END IF;
        EXECUTE pg_catalog.format(
            'CREATE TABLE IF NOT EXISTS tenancy_archive.%I (id uuid NOT NULL, organization_id uuid, owner_id uuid, '
            'workspace_id uuid, further jsonb, CONSTRAINT %I PRIMARY KEY (id))', archive, archive || '_pkey'
        );
        EXECUTE pg_catalog.format(
            'CREATE OR REPLACE FUNCTION tenancy_archive.%1$I() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER '
            'SET search_path = pg_catalog, pg_temp AS $f$ BEGIN '
            'DELETE FROM tenancy_archive.%2$I AS a WHERE a.id = old.id '
            'AND NOT EXISTS (SELECT FROM (SELECT (new).*) AS t WHERE %4$s); '
            'INSERT INTO tenancy_archive.%2$I AS a %3$s ON CONFLICT (id) DO UPDATE SET '
            'organization_id = excluded.organization_id, workspace_id = excluded.workspace_id, '
            'owner_id = CASE WHEN excluded.owner_id IS NOT DISTINCT FROM (SELECT %5$s FROM (SELECT (old).*) AS t) '
            'THEN a.owner_id ELSE excluded.owner_id END, '
            'further = CASE WHEN excluded.further IS NOT DISTINCT FROM (SELECT %6$s FROM (SELECT (old).*) AS t) '
            'THEN a.further ELSE excluded.further END; '
            'RETURN NULL; END; $f$',
            'keep_' || archive, archive, pg_catalog.format(kept, '(SELECT (new).*)'), is_kept, owner, further_values
        );
        EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION tenancy_archive.%I() FROM public', 'keep_' || archive);
        -- An interrupted deploy may have left entries: for rows that the table has, its own
        -- values count.
        EXECUTE pg_catalog.format(
            'DELETE FROM tenancy_archive.%I AS a USING (%s) AS k WHERE a.id = k.id', archive,
            pg_catalog.format(kept, table_name)
        );
        CALL tenancy_private.patiently(ARRAY[table_name], 'SHARE ROW EXCLUSIVE', pg_catalog.format(
            'CREATE TRIGGER %1$I AFTER INSERT OR UPDATE OR DELETE ON %2$s FOR EACH ROW '
            'WHEN (pg_catalog.current_setting(''tenancy.reverting'', true) IS DISTINCT FROM ''on'') '
            'EXECUTE FUNCTION tenancy_archive.%3$I(); '
            'CALL tenancy_private.record_part(%2$L, ''trigger'', %1$L, %4$L)',
            trigger_name, table_name, 'keep_' || archive, change
        ));
        COMMIT;
    END IF;
    -- A row is locked while it is copied, so that the trigger's copy is later; a transaction
    -- that has it locked now copies it by the trigger.
    CALL tenancy_private.in_batches(
        change, 'owners to keep', table_name, table_name::text,
        pg_catalog.format('%s AND NOT EXISTS (SELECT FROM tenancy_archive.%I AS a WHERE a.id = t.id)', is_kept, archive),
        pg_catalog.format(
            'INSERT INTO tenancy_archive.%I %s AND t.id = ANY($1) ON CONFLICT (id) DO NOTHING',
            archive, pg_catalog.format(kept, table_name)
        )
    );
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.keep_ownership(text) FROM public;

-- Removes everything that a change has recorded as added. If none of the columns is the
-- application's, rows that must not stay as they are are changed first, in batches, and late
-- ones once more at the end.
CREATE PROCEDURE tenancy_private.release_adoption(change text)
LANGUAGE plpgsql
SECURITY INVOKER
AS $$
DECLARE
    adoption CONSTANT tenancy_private.adoptions := tenancy_private.adoption_of(change);
    table_name CONSTANT regclass := adoption.table_name;
    relation CONSTANT text := (SELECT c.relname FROM pg_catalog.pg_class AS c WHERE c.oid = table_name);
    archive CONSTANT text := relation || '_ownership';
    has_owners CONSTANT boolean := tenancy_private.has_part(table_name, 'column', 'workspace_id', change);
    required text;
    referred regclass[];
    is_empty boolean;
BEGIN
    -- A refused deploy has changed nothing, whatever columns the table has.
    IF adoption.change IS NULL THEN
        RETURN;
    END IF;
    IF has_owners THEN
        CALL tenancy_private.keep_ownership(change);
        IF adoption.kept ? 'stop' THEN
            PERFORM pg_catalog.set_config('tenancy.reverting', 'on', false);
            CALL tenancy_private.in_batches(
                change, 'rows to stop', table_name, pg_catalog.format('tenancy_archive.%I', archive),
                adoption.kept ->> 'stopped',
                pg_catalog.format(adoption.kept ->> 'stop', 't.id = ANY($1)')
            );
        END IF;
    END IF;
    SELECT pg_catalog.string_agg(pg_catalog.format('%I IS NOT NULL', a.name), ' AND ' ORDER BY a.name)
    INTO required
    FROM tenancy_private.adopted_parts AS a
    WHERE a.table_name = adoption.table_name AND a.kind = 'not null' AND a.change = release_adoption.change;
    IF required IS NOT NULL THEN
        CALL tenancy_private.add_constraint(
            table_name, '{}', relation || '_tenancy_not_null', pg_catalog.format('CHECK (%s)', required), change
        );
    END IF;
    -- The referenced tables are locked too.
    referred := ARRAY(
        SELECT DISTINCT c.confrelid::regclass
        FROM pg_catalog.pg_constraint AS c
        INNER JOIN tenancy_private.adopted_parts AS a ON c.conrelid = a.table_name AND c.conname = a.name
        WHERE c.conrelid = adoption.table_name AND c.contype = 'f' AND a.kind = 'constraint'
            AND a.change = release_adoption.change
    );
    IF EXISTS (
        SELECT FROM tenancy_private.adopted_parts AS a
        WHERE a.table_name = adoption.table_name AND a.change = release_adoption.change
    ) THEN
        CALL tenancy_private.patiently(
            referred || table_name, 'ACCESS EXCLUSIVE',
            coalesce(pg_catalog.format(adoption.kept ->> 'stop', adoption.kept ->> 'stopped_last') || '; ', '')
            || pg_catalog.format('CALL tenancy_private.drop_parts(%L, %L)', table_name, change)
        );
    END IF;
    IF has_owners THEN
        EXECUTE pg_catalog.format('DROP FUNCTION IF EXISTS tenancy_archive.%I()', 'keep_' || archive);
        EXECUTE pg_catalog.format('SELECT NOT EXISTS (SELECT FROM tenancy_archive.%I)', archive) INTO is_empty;
        IF is_empty THEN
            CALL tenancy_private.drop_archived(archive);
        ELSE
            RAISE NOTICE 'the owners of the rows of % are kept in tenancy_archive.% until the next deploy', table_name, archive;
        END IF;
    END IF;
    COMMIT;
    PERFORM pg_catalog.set_config('tenancy.reverting', '', false);
    IF adoption.workspace_default IS NOT NULL THEN
        CALL tenancy_private.drop_legacy_logins(ARRAY[table_name]);
        CALL tenancy_private.revoke_from_owner(table_name);
    END IF;
    DELETE FROM tenancy_private.adoptions AS a WHERE a.change = release_adoption.change;
    COMMIT;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.release_adoption(text) FROM public;

-- Before the columns are dropped: the indexes to which want_indexes() added a column.
CREATE PROCEDURE tenancy_private.want_narrow_indexes(change text)
LANGUAGE sql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DELETE FROM tenancy_private.wanted_indexes;
INSERT INTO tenancy_private.wanted_indexes (table_name, index_name, columns)
SELECT i.indrelid, c.relname, trim_array(tenancy_private.columns_of_index(c.oid), 1)
FROM tenancy_private.adoptions AS a
INNER JOIN pg_index AS i ON a.table_name = i.indrelid
INNER JOIN pg_class AS c ON i.indexrelid = c.oid
WHERE a.change = want_narrow_indexes.change
    AND a.workspace_default IS NOT NULL
    AND obj_description(c.oid, 'pg_class') = 'Added by pg-tenancy, with the workspace.';
$$;
REVOKE ALL ON ROUTINE tenancy_private.want_narrow_indexes(text) FROM public;

RESET ROLE;

CREATE TRIGGER organizations_tenancy_kept
BEFORE DELETE ON public.organizations
FOR EACH ROW EXECUTE FUNCTION tenancy_private.keep_organization();
CALL tenancy_private.record_triggers('public.organizations', 'organizations_tenancy_kept');

\ir ../../notes/done.psql
COMMIT;
