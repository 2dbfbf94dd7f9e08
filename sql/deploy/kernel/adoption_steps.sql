-- Deploy pg-tenancy:kernel/adoption_steps to pg
-- requires: kernel/policy_helpers
-- requires: kernel/archive_helpers

\set change kernel/adoption_steps
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The tables that the phases adopted. A row exists from before the first change of the
-- table until the last one is undone, so that an interrupted script continues from it, in
-- either direction.
CREATE TABLE tenancy_private.adoptions (
    change            text     NOT NULL,
    table_name        regclass NOT NULL,
    owner_column      name,
    workspace_default text,
    defaults          jsonb    NOT NULL DEFAULT '{}',
    columns           jsonb    NOT NULL DEFAULT '{}',
    nullable          name[]   NOT NULL DEFAULT '{}',
    kept              jsonb    NOT NULL DEFAULT '{}',
    CONSTRAINT adoptions_pkey PRIMARY KEY (change)
);
CALL tenancy_private.close_own_table('tenancy_private.adoptions');
COMMENT ON TABLE tenancy_private.adoptions IS
'The tables that changes of the plan made tables of tenants, and what each needs; without a default of workspace_id, a '
'change added something to a table that is one.';

-- What was added to a table, so that exactly that is removed again: by protect(),
-- or by a change of the plan.
CREATE TABLE tenancy_private.adopted_parts (
    table_name regclass NOT NULL,
    kind       text     NOT NULL,
    name       name     NOT NULL,
    was        text,
    change     text,
    CONSTRAINT adopted_parts_pkey PRIMARY KEY (table_name, kind, name),
    CONSTRAINT adopted_parts_kind_check
    CHECK (
        kind IN (
            'column', 'default', 'not null', 'index', 'constraint', 'foreign key', 'trigger',
            'rights', 'schema', 'sequence'
        )
    )
);
CALL tenancy_private.close_own_table('tenancy_private.adopted_parts');
COMMENT ON TABLE tenancy_private.adopted_parts IS
'What was added to a table, what was there instead, and the change that did it; without one it was protect().';

-- Filled by a script, emptied when build_indexes.psql has built them.
CREATE TABLE tenancy_private.wanted_indexes (
    table_name regclass NOT NULL,
    index_name name     NOT NULL,
    columns    name[]   NOT NULL,
    condition  text,
    is_unique  boolean  NOT NULL DEFAULT false,
    comment    text     NOT NULL DEFAULT 'Added by pg-tenancy.',
    CONSTRAINT wanted_indexes_pkey PRIMARY KEY (table_name, index_name)
);
CALL tenancy_private.close_own_table('tenancy_private.wanted_indexes');
COMMENT ON TABLE tenancy_private.wanted_indexes IS
'The indexes that the script which is running builds while everybody works.';

\set schema tenancy_private
\ir ../../adoption/patiently.psql
\ir ../../adoption/orphans.psql
\ir ../../adoption/needs.psql
\unset schema

REVOKE ALL ON ROUTINE tenancy_private.patiently(regclass[], text, text) FROM public;
REVOKE ALL ON ROUTINE tenancy_private.refuse_orphans(regclass, name, regclass, text) FROM public;
REVOKE ALL ON ROUTINE tenancy_private.validate_constraint(regclass, name) FROM public;
REVOKE ALL ON ROUTINE tenancy_private.invoker_triggers(regclass) FROM public;
REVOKE ALL ON ROUTINE tenancy_private.needs_of(regclass) FROM public;
COMMENT ON PROCEDURE tenancy_private.patiently (regclass [], text, text) IS
'Runs a command under strong locks that it gives up soon and asks for again, so that nobody waits long.';

-- Changes rows of a table that is in use: by the primary key, in batches that
-- commit. A row that somebody else has locked is passed over and looked at again,
-- so that nobody waits for anybody in a circle, and what a command itself has to
-- wait for makes its batch wait for the next pass. How far it came is noted with the
-- change, under the name of the work: stopped anywhere, it goes on there. A row that
-- the command leaves as it was would be passed over for ever, so that is an error.
CREATE PROCEDURE tenancy_private.in_batches(
    change text, work text, table_name regclass, source text, condition text, command text
)
LANGUAGE plpgsql
SECURITY INVOKER
AS $$
DECLARE
    deadlock_timeout CONSTANT integer := pg_catalog.date_part(
        'epoch', pg_catalog.current_setting('deadlock_timeout')::interval
    ) * 1000;
    in_the_way CONSTANT text := least(500, deadlock_timeout * 0.3)::integer || 'ms';
    full_name CONSTANT text := (
        SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
        FROM pg_catalog.pg_class AS c
        INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
        WHERE c.oid = table_name
    );
    batch CONSTANT integer := 1000;
    attempts CONSTANT integer := coalesce(
        nullif(pg_catalog.current_setting('tenancy.lock_attempts', true), '')::integer, 20
    );
    noted jsonb := (SELECT c.progress -> work FROM tenancy_private.changes AS c WHERE c.change = in_batches.change);
    last_id uuid := (noted ->> 'last_id')::uuid;
    passed_over boolean := coalesce((noted ->> 'passed_over')::boolean, false);
    has_changed boolean := false;
    idle integer := 0;
    ids uuid[];
    free_ids uuid[];
    left_over record;
BEGIN
    LOOP
        LOOP
            EXECUTE pg_catalog.format(
                'SELECT pg_catalog.array_agg(b.id ORDER BY b.id) FROM (SELECT s.id FROM %s AS s'
                ' WHERE ($1 IS NULL OR s.id > $1) ORDER BY s.id LIMIT $2) AS b', source
            ) INTO ids USING last_id, batch;
            EXIT WHEN ids IS NULL;
            BEGIN
                PERFORM pg_catalog.set_config('lock_timeout', in_the_way, true);
                EXECUTE pg_catalog.format(
                    'SELECT pg_catalog.array_agg(f.id) FROM (SELECT t.id FROM %s AS t WHERE t.id = ANY($1)'
                    ' AND (%s) FOR NO KEY UPDATE SKIP LOCKED) AS f', table_name, condition
                ) INTO free_ids USING ids;
                IF free_ids IS NOT NULL THEN
                    EXECUTE command USING free_ids;
                END IF;
            EXCEPTION
                WHEN lock_not_available THEN
                    free_ids := NULL;
            END;
            EXECUTE pg_catalog.format(
                'SELECT pg_catalog.count(*) AS rows, pg_catalog.count(*) FILTER (WHERE t.id = ANY($2)) AS unchanged,'
                ' (pg_catalog.array_agg(t.id) FILTER (WHERE t.id = ANY($2)))[1] AS example'
                ' FROM %s AS t WHERE t.id = ANY($1) AND (%s)', table_name, condition
            ) INTO left_over USING ids, free_ids;
            IF left_over.unchanged > 0 THEN
                RAISE EXCEPTION '%: % cannot be changed, for instance the one with id %', full_name,
                    CASE left_over.unchanged WHEN 1 THEN '1 row' ELSE left_over.unchanged || ' rows' END,
                    left_over.example
                USING ERRCODE = '55000',
                CONSTRAINT = 'batch_changed_nothing',
                HINT = 'A trigger or rule of the application undoes what a batch writes. Disable it, run the same '
                'command again, and enable it: it continues here.';
            END IF;
            passed_over := passed_over OR left_over.rows > 0;
            has_changed := has_changed OR free_ids IS NOT NULL;
            last_id := ids[pg_catalog.array_upper(ids, 1)];
            UPDATE tenancy_private.changes AS c
            SET progress = pg_catalog.jsonb_set(
                c.progress, ARRAY[work], pg_catalog.jsonb_build_object('last_id', last_id, 'passed_over', passed_over)
            )
            WHERE c.change = in_batches.change;
            COMMIT;
        END LOOP;
        EXIT WHEN NOT passed_over;
        idle := CASE WHEN has_changed THEN 0 ELSE idle + 1 END;
        IF idle >= attempts THEN
            RAISE EXCEPTION 'rows of % are locked by other transactions', full_name
            USING ERRCODE = '55P03',
            CONSTRAINT = 'lock_attempts',
            HINT = 'A long transaction holds them. Finished batches stay: run the same command again when that has '
            'ended, and it continues here.';
        END IF;
        last_id := NULL;
        passed_over := false;
        has_changed := false;
        PERFORM pg_catalog.pg_sleep(least(0.1 * (idle + 1), 1));
    END LOOP;
    UPDATE tenancy_private.changes AS c SET progress = c.progress - work WHERE c.change = in_batches.change;
    COMMIT;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.in_batches(text, text, regclass, text, text, text)
FROM public;

CREATE FUNCTION tenancy_private.has_part(table_name regclass, kind text, name name, change text)
RETURNS boolean
LANGUAGE sql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT EXISTS (
    SELECT FROM tenancy_private.adopted_parts AS a
    WHERE a.table_name = has_part.table_name AND a.kind = has_part.kind AND a.name = has_part.name
        AND a.change IS NOT DISTINCT FROM has_part.change
);
$$;
REVOKE ALL ON FUNCTION tenancy_private.has_part(regclass, text, name, text) FROM public;

-- In the transaction that makes the part. A change that nobody has recorded yet begins
-- with it.
CREATE PROCEDURE tenancy_private.record_part(
    table_name regclass, kind text, name name, change text DEFAULT NULL
)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO tenancy_private.adoptions (change, table_name)
    SELECT record_part.change, record_part.table_name
    WHERE record_part.change IS NOT NULL
    ON CONFLICT ON CONSTRAINT adoptions_pkey DO NOTHING;
    INSERT INTO tenancy_private.adopted_parts (table_name, kind, name, change)
    VALUES (record_part.table_name, record_part.kind, record_part.name, record_part.change);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.record_part(regclass, text, name, text) FROM public;

-- Lets functions read a table of the application. The whole table, because revoking
-- that later would also revoke column grants. Existing privileges are not ours to
-- revoke.
CREATE PROCEDURE tenancy_private.grant_read(table_name regclass, change text)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT has_table_privilege('tenancy_owner', table_name, 'SELECT') THEN
        EXECUTE format('GRANT SELECT ON %s TO tenancy_owner', table_name);
        INSERT INTO tenancy_private.adopted_parts (table_name, kind, name, was, change)
        VALUES (grant_read.table_name, 'rights', 'tenancy_owner', 'SELECT', grant_read.change)
        ON CONFLICT ON CONSTRAINT adopted_parts_pkey DO NOTHING;
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.grant_read(regclass, text) FROM public;

CREATE PROCEDURE tenancy_private.add_default(
    table_name regclass, column_name name, value text, change text DEFAULT NULL
)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', table_name, column_name, value);
    CALL tenancy_private.record_part(table_name, 'default', column_name, change);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.add_default(regclass, name, text, text) FROM public;

-- Every row is the platform's at first, by a constant default, which reads no row.
CREATE PROCEDURE tenancy_private.add_workspace_column(
    table_name regclass, value text, change text DEFAULT NULL
)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format(
        'ALTER TABLE %s ADD COLUMN workspace_id uuid NOT NULL DEFAULT ''00000000-0000-0000-0000-000000000000''', table_name
    );
    EXECUTE format('ALTER TABLE %s ALTER COLUMN workspace_id SET DEFAULT %s', table_name, value);
    EXECUTE format(
        'COMMENT ON COLUMN %s.workspace_id IS %L', table_name,
        'Whose the row is: the organization''s or the user''s id, or the nil UUID for the platform.'
    );
    CALL tenancy_private.record_part(table_name, 'column', 'workspace_id', change);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.add_workspace_column(regclass, text, text) FROM public;

-- A part that protect() made, as it is now: the application may have renamed the table, columns,
-- the schema or a sequence since, and then the record has names from before. NULL if it is gone.
CREATE FUNCTION tenancy_private.current_part(part tenancy_private.adopted_parts) RETURNS text
LANGUAGE sql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE part.kind
    -- The column with the default that this table got.
    WHEN 'default' THEN (
        SELECT a.attname::text
        FROM pg_attribute AS a
        INNER JOIN pg_attrdef AS d ON a.attrelid = d.adrelid AND a.attnum = d.adnum
        WHERE a.attrelid = part.table_name AND a.attname <> 'workspace_id'
            AND pg_get_expr(d.adbin, d.adrelid) ~ '^tenancy\.default_\w+\(\)$'
        ORDER BY a.attname <> part.name, a.attnum
        LIMIT 1
    )
    -- The key that replaced it has its columns; what a delete does stays.
    WHEN 'foreign key' THEN coalesce((
        SELECT
            k.head || regexp_replace(
                part.was, replace('^FOREIGN KEY \(NAME\) REFERENCES NAME(\.NAME)?\(NAME\)', 'NAME', '("([^"]|"")+"|[^" .()]+)'), ''
            )
        FROM (
            SELECT format('FOREIGN KEY (%I) REFERENCES %s(%I)', h.attname, c.confrelid::regclass, r.attname) AS head
            FROM pg_constraint AS c
            INNER JOIN tenancy_private.adopted_parts AS o
                ON c.conrelid = o.table_name AND c.conname = o.name AND o.kind = 'constraint' AND o.change IS NULL
            CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS k (here, there)
            INNER JOIN pg_attribute AS h ON c.conrelid = h.attrelid AND k.here = h.attnum
            INNER JOIN pg_attribute AS r ON c.confrelid = r.attrelid AND k.there = r.attnum
            WHERE c.conrelid = part.table_name AND c.contype = 'f' AND cardinality(c.conkey) = 2
                AND h.attname <> 'workspace_id'
        ) AS k
        -- A table may have had another parent before.
        ORDER BY NOT starts_with(part.was, k.head), EXISTS (
            SELECT FROM tenancy_private.adopted_parts AS o
            WHERE o.table_name = part.table_name AND o.kind = 'foreign key' AND o.name <> part.name
                AND starts_with(o.was, k.head)
        )
        LIMIT 1
    ), part.was)
    WHEN 'schema' THEN coalesce(
        to_regnamespace(part.was)::text,
        (SELECT c.relnamespace::regnamespace::text FROM pg_class AS c WHERE c.oid = part.table_name)
    )
    WHEN 'sequence' THEN (
        SELECT string_agg(s.oid::regclass::text, ', ' ORDER BY s.oid)
        FROM pg_class AS s
        CROSS JOIN LATERAL aclexplode(s.relacl) AS g
        WHERE s.relkind = 'S' AND g.grantee = to_regrole(quote_ident(part.name)) AND g.privilege_type = 'USAGE'
            AND s.oid IN (
                SELECT d.refobjid FROM pg_depend AS d
                INNER JOIN pg_attrdef AS a ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid
                WHERE a.adrelid = part.table_name AND d.refclassid = 'pg_class'::regclass
            )
    )
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.current_part(tenancy_private.adopted_parts) FROM public;

-- Whether another table needs a role's right to use a schema, which protect() granted.
CREATE FUNCTION tenancy_private.needs_schema(
    except_table regclass, grantee name, schema_name text
) RETURNS boolean
LANGUAGE sql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT EXISTS (
    SELECT FROM tenancy_private.adopted_parts AS a
    WHERE a.table_name <> except_table AND a.kind = 'schema' AND a.name = grantee
        AND tenancy_private.current_part(a) = schema_name
);
$$;
REVOKE ALL ON FUNCTION tenancy_private.needs_schema(regclass, name, text) FROM public;

-- For a table that has left its schema, is not protected any more, or was dropped. Other tables
-- of the schema may need the right.
CREATE PROCEDURE tenancy_private.leave_schema(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part record;
BEGIN
    FOR part IN
        DELETE FROM tenancy_private.adopted_parts AS a
        WHERE a.table_name = leave_schema.table_name AND a.kind = 'schema'
        RETURNING a.name, tenancy_private.current_part(a) AS schema_name
    LOOP
        IF part.schema_name IS NOT NULL AND NOT tenancy_private.needs_schema(table_name, part.name, part.schema_name) THEN
            EXECUTE format('REVOKE USAGE ON SCHEMA %s FROM %I', part.schema_name, part.name);
        END IF;
    END LOOP;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.leave_schema(regclass) FROM public;

-- What is recorded, in the opposite order, in commands that read no row: a column takes
-- its indexes along, and what must not be NULL again has a constraint that says so. Parts of
-- protect() may have gone with a column or table that the application has dropped since.
CREATE PROCEDURE tenancy_private.drop_parts(table_name regclass, change text DEFAULT NULL)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part record;
BEGIN
    FOR part IN
        SELECT
            a.kind, a.name, a.was,
            CASE
                WHEN a.change IS NULL THEN tenancy_private.current_part(a)
                WHEN a.kind = 'default' THEN a.name::text
                ELSE a.was
            END AS present
        FROM tenancy_private.adopted_parts AS a
        WHERE a.table_name = drop_parts.table_name AND a.change IS NOT DISTINCT FROM drop_parts.change
            AND a.kind <> 'schema'
        ORDER BY array_position(
            ARRAY[
                'not null', 'trigger', 'constraint', 'foreign key', 'index', 'default', 'column', 'rights', 'sequence'
            ], a.kind
        ), a.name
    LOOP
        IF part.kind = 'trigger' THEN
            CALL tenancy_private.forget_triggers(table_name, part.name);
        END IF;
        IF part.present IS NULL AND part.kind IN ('default', 'sequence') THEN
            CONTINUE;
        END IF;
        BEGIN
            EXECUTE CASE part.kind
                WHEN 'not null' THEN format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', table_name, part.name)
                WHEN 'trigger' THEN format('DROP TRIGGER IF EXISTS %I ON %s', part.name, table_name)
                WHEN 'constraint' THEN format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', table_name, part.name)
                WHEN 'foreign key' THEN format('ALTER TABLE %s ADD CONSTRAINT %I %s', table_name, part.name, part.present)
                WHEN 'index' THEN format(
                    'DROP INDEX IF EXISTS %I.%I', (
                        SELECT n.nspname FROM pg_class AS c
                        INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid WHERE c.oid = table_name
                    ), part.name
                )
                WHEN 'default' THEN format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', table_name, part.present)
                WHEN 'rights' THEN format('REVOKE %s ON %s FROM %I', part.was, table_name, part.name)
                WHEN 'sequence' THEN format('REVOKE USAGE ON SEQUENCE %s FROM %I', part.present, part.name)
                ELSE format('ALTER TABLE %s DROP COLUMN %I', table_name, part.name)
            END;
        EXCEPTION
            WHEN undefined_column OR undefined_table THEN
                IF part.kind <> 'foreign key' THEN
                    RAISE;
                END IF;
                RAISE WARNING 'the foreign key % of % is not restored: %', part.name, table_name, sqlerrm
                USING HINT = format('It was %s.', part.was);
        END;
    END LOOP;
    IF change IS NULL THEN
        CALL tenancy_private.leave_schema(table_name);
    END IF;
    DELETE FROM tenancy_private.adopted_parts AS a
    WHERE a.table_name = drop_parts.table_name AND a.change IS NOT DISTINCT FROM drop_parts.change;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.drop_parts(regclass, text) FROM public;

-- The same of every table that the change has added something to.
CREATE PROCEDURE tenancy_private.drop_parts_of(change text)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changed regclass;
BEGIN
    FOR changed IN
        SELECT DISTINCT a.table_name FROM tenancy_private.adopted_parts AS a WHERE a.change = drop_parts_of.change
    LOOP
        CALL tenancy_private.drop_parts(changed, change);
    END LOOP;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.drop_parts_of(text) FROM public;

-- Adds a constraint that is not validated and validates it. One that is there
-- already, under whatever name, is left alone.
CREATE PROCEDURE tenancy_private.add_constraint(
    table_name regclass, locked regclass[], constraint_name name, definition text, change text
)
LANGUAGE plpgsql
SECURITY INVOKER
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS c WHERE c.conrelid = table_name AND c.conname = constraint_name
    ) THEN
        -- The lock that the command takes, and no weaker one before: who holds one
        -- and asks for more is in a deadlock with every reader who is about to
        -- write, and PostgreSQL does not wait for deadlock_timeout to end that.
        CALL tenancy_private.patiently(
            locked || table_name,
            CASE WHEN definition LIKE 'CHECK %' THEN 'ACCESS EXCLUSIVE' ELSE 'SHARE ROW EXCLUSIVE' END,
            pg_catalog.format(
                'ALTER TABLE %1$s ADD CONSTRAINT %2$I %3$s NOT VALID; '
                'COMMENT ON CONSTRAINT %2$I ON %1$s IS %4$L; '
                'CALL tenancy_private.record_part(%1$L, ''constraint'', %2$L, %5$L)',
                table_name, constraint_name, definition, 'Keeps tenants apart.', change
            )
        );
        COMMIT;
    END IF;
    CALL tenancy_private.validate_constraint(table_name, constraint_name);
    COMMIT;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.add_constraint(regclass, regclass[], name, text, text)
FROM public;

-- The columns of an index, in its order.
CREATE FUNCTION tenancy_private.columns_of_index(index_id oid) RETURNS name[]
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN (
    SELECT ARRAY(
        SELECT a.attname
        FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, position)
        INNER JOIN pg_attribute AS a ON i.indrelid = a.attrelid AND k.attnum = a.attnum
        ORDER BY k.position
    )
    FROM pg_index AS i
    WHERE i.indexrelid = index_id
);
REVOKE ALL ON FUNCTION tenancy_private.columns_of_index(oid) FROM public;

-- One whose name is there already takes the place of the old one.
CREATE FUNCTION tenancy_private.missing_indexes()
RETURNS TABLE (
    table_name regclass, schema_name name, index_name name, building_name name, columns name[],
    condition text, is_unique boolean, comment text, replaces boolean
)
LANGUAGE sql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT
    w.table_name,
    n.nspname,
    f.final_name,
    CASE
        WHEN length(w.index_name) <= 46 THEN w.index_name
        -- Two of one table may begin alike.
        ELSE left(w.index_name, 39) || '_' || left(md5(w.index_name), 6)
    END || '_tenancy_building',
    w.columns,
    w.condition,
    w.is_unique,
    w.comment,
    to_regclass(format('%I.%I', n.nspname, f.final_name)) IS NOT NULL
FROM tenancy_private.wanted_indexes AS w
INNER JOIN pg_class AS c ON w.table_name = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
-- The application's own index of that name keeps it.
CROSS JOIN LATERAL (
    SELECT w.index_name || CASE
        WHEN obj_description(to_regclass(format('%I.%I', n.nspname, w.index_name)), 'pg_class') LIKE 'Added by pg-tenancy%'
            OR to_regclass(format('%I.%I', n.nspname, w.index_name)) IS NULL THEN ''
        ELSE '1'
    END AS final_name
) AS f
-- Found by its name: as a join it would be compared with every index that there is.
WHERE (
    SELECT i.indrelid = w.table_name AND i.indisvalid AND tenancy_private.columns_of_index(i.indexrelid) = w.columns
    FROM pg_index AS i
    WHERE i.indexrelid = to_regclass(format('%I.%I', n.nspname, f.final_name))
) IS NOT true
ORDER BY w.table_name::text, f.final_name;
$$;
REVOKE ALL ON FUNCTION tenancy_private.missing_indexes() FROM public;

-- Of partitioned tables, the same for each part, until the table's own index is valid: later
-- parts get theirs with it. A part's index is called by the part and by which index of the
-- table it belongs to; that of the table itself has the table's name.
CREATE FUNCTION tenancy_private.missing_part_indexes()
RETURNS TABLE (
    table_name regclass, part regclass, parent regclass, level integer, is_leaf boolean,
    building_name name, schema_name name, index_name name, columns name[], condition text,
    is_unique boolean, is_built boolean
)
LANGUAGE sql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT
    m.table_name,
    p.relid,
    p.parentrelid,
    p.level,
    p.isleaf,
    m.building_name,
    n.nspname,
    f.index_name,
    m.columns,
    m.condition,
    m.is_unique,
    coalesce(i.indisvalid, false)
FROM tenancy_private.missing_indexes() AS m
INNER JOIN pg_class AS t ON m.table_name = t.oid AND t.relkind = 'p'
CROSS JOIN LATERAL pg_partition_tree(m.table_name) AS p
INNER JOIN pg_class AS c ON p.relid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
CROSS JOIN LATERAL (
    SELECT CASE p.level
        WHEN 0 THEN m.building_name
        -- One that replaces another is of other columns; long names of parts may begin alike.
        ELSE left(c.relname, 44) || '_' || left(md5(concat(m.building_name, m.columns, c.relname)), 6) || '_tenancy_idx'
    END::name AS index_name
) AS f
LEFT JOIN pg_index AS i ON i.indexrelid = to_regclass(format('%I.%I', n.nspname, f.index_name))
WHERE NOT EXISTS (
    SELECT FROM pg_index AS o
    WHERE o.indexrelid = to_regclass(format('%I.%I', m.schema_name, m.building_name)) AND o.indisvalid
)
ORDER BY m.building_name, p.level, f.index_name;
$$;
REVOKE ALL ON FUNCTION tenancy_private.missing_part_indexes() FROM public;

-- The commands that build them, in their order, to be run one by one outside of any
-- transaction: what a build that failed left behind goes first. Of a partitioned table each leaf's.
CREATE FUNCTION tenancy_private.index_builds() RETURNS SETOF text
LANGUAGE sql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
WITH missing AS (
    SELECT m.table_name, m.schema_name, m.building_name AS name, m.columns, m.condition, m.is_unique
    FROM tenancy_private.missing_indexes() AS m
    INNER JOIN pg_class AS t ON m.table_name = t.oid AND t.relkind <> 'p'
    UNION ALL
    SELECT m.part, m.schema_name, m.index_name, m.columns, m.condition, m.is_unique
    FROM tenancy_private.missing_part_indexes() AS m
    WHERE m.is_leaf AND NOT m.is_built
),

builds AS (
    SELECT m.*, format('%I.%I', m.schema_name, m.name) AS full_name, i.indexrelid, coalesce(i.indisvalid, false) AS is_built
    FROM missing AS m
    LEFT JOIN pg_index AS i ON i.indexrelid = to_regclass(format('%I.%I', m.schema_name, m.name))
)

SELECT c.command
FROM builds AS b
CROSS JOIN LATERAL (
    VALUES
    (1, format('DROP INDEX CONCURRENTLY %s', b.full_name), b.indexrelid IS NOT NULL),
    (2, format(
        'CREATE %s INDEX CONCURRENTLY %I ON %s (%s) %s', CASE WHEN b.is_unique THEN 'UNIQUE' END, b.name, b.table_name, (
            SELECT string_agg(quote_ident(k.column_name), ', ' ORDER BY k.position)
            FROM unnest(b.columns) WITH ORDINALITY AS k (column_name, position)
        ), 'WHERE ' || b.condition
    ), true)
) AS c (position, command, is_needed)
WHERE NOT b.is_built AND c.is_needed
ORDER BY b.full_name, c.position;
$$;
REVOKE ALL ON FUNCTION tenancy_private.index_builds() FROM public;

-- Makes the index of a partitioned table of its leaves', if all of them have theirs. An index
-- of the whole table would take indexes of the application's own on its parts, and take them
-- along when it goes.
CREATE PROCEDURE tenancy_private.join_part_index(table_name regclass, building_name name)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    commands CONSTANT text := (
        SELECT
            string_agg(
                CASE WHEN m.is_leaf THEN '' ELSE format(
                    'CREATE %s INDEX %I ON ONLY %s (%s) %s; ', CASE WHEN m.is_unique THEN 'UNIQUE' END, m.index_name, m.part, (
                        SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.place)
                        FROM unnest(m.columns) WITH ORDINALITY AS c (name, place)
                    ), 'WHERE ' || m.condition
                ) END
                || CASE WHEN u.part IS NULL THEN '' ELSE format(
                    'ALTER INDEX %I.%I ATTACH PARTITION %I.%I; ', u.schema_name, u.index_name, m.schema_name, m.index_name
                ) END, '' ORDER BY m.level, m.index_name
            )
        FROM tenancy_private.missing_part_indexes() AS m
        LEFT JOIN tenancy_private.missing_part_indexes() AS u
            ON m.level > 0 AND m.parent = u.part AND m.building_name = u.building_name
        WHERE m.table_name = join_part_index.table_name AND m.building_name = join_part_index.building_name
        HAVING bool_and(m.is_built OR NOT m.is_leaf)
    );
BEGIN
    IF commands IS NOT NULL THEN
        EXECUTE commands;
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.join_part_index(regclass, name) FROM public;

-- In an instant, and locked, so that no part comes meanwhile.
CREATE PROCEDURE tenancy_private.join_part_indexes()
LANGUAGE plpgsql
SECURITY INVOKER
AS $$
DECLARE
    missing record;
BEGIN
    FOR missing IN
        SELECT m.table_name, m.building_name FROM tenancy_private.missing_part_indexes() AS m WHERE m.level = 0
    LOOP
        CALL tenancy_private.patiently(ARRAY[missing.table_name], 'SHARE', pg_catalog.format(
            'CALL tenancy_private.join_part_index(%L, %L)', missing.table_name, missing.building_name
        ));
        COMMIT;
    END LOOP;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.join_part_indexes() FROM public;

-- Gives those that are built their names, one after the other.
CREATE PROCEDURE tenancy_private.place_indexes()
LANGUAGE plpgsql
SECURITY INVOKER
AS $$
DECLARE
    built record;
BEGIN
    FOR built IN SELECT m.* FROM tenancy_private.missing_indexes() AS m LOOP
        CALL tenancy_private.patiently(
            ARRAY[built.table_name],
            CASE WHEN built.replaces THEN 'ACCESS EXCLUSIVE' END,
            CASE
                WHEN built.replaces THEN pg_catalog.format('DROP INDEX %I.%I; ', built.schema_name, built.index_name)
                ELSE ''
            END
            || pg_catalog.format(
                'ALTER INDEX %I.%I RENAME TO %I; COMMENT ON INDEX %I.%I IS %L',
                built.schema_name, built.building_name, built.index_name,
                built.schema_name, built.index_name, built.comment
            )
        );
        COMMIT;
    END LOOP;
    DELETE FROM tenancy_private.wanted_indexes;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.place_indexes() FROM public;

-- Objects of the application that depend on what these changes made, so that their
-- revert would stop in the middle of a phase: one row for each object, with the
-- statement that removes the dependency. Tables of the application under protect() are
-- among them.
CREATE FUNCTION tenancy_private.in_the_way_of_revert(going text[])
RETURNS TABLE (object text, remedy text)
LANGUAGE plpgsql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
-- The joins are written in the order in which they are best made, and to look for a better one
-- takes longer than to make them.
SET join_collapse_limit = 1
AS $$
BEGIN
    IF going = '{}' THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH made AS (
        SELECT m.name, split_part(m.name, '(', 1) AS qualified_name, strpos(m.name, '(') > 0 AS is_routine
        FROM tenancy_private.changes AS c
        CROSS JOIN unnest(c.made) AS m (name)
        WHERE c.change = ANY(going)
    ),

    tables AS (
        SELECT c.oid, c.reltype, m.name
        FROM made AS m
        INNER JOIN pg_class AS c ON CASE WHEN NOT m.is_routine THEN to_regclass(m.name) END = c.oid
        WHERE c.relnamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace)
    ),

    -- Found by their names, which are in an index: the arguments are written only for those.
    routines AS (
        SELECT p.oid, m.name
        FROM made AS m
        INNER JOIN pg_proc AS p ON (parse_ident(m.qualified_name))[2] = p.proname
        WHERE m.is_routine
            AND m.name = format(
                '%s.%I(%s)', p.pronamespace::regnamespace, p.proname, pg_get_function_identity_arguments(p.oid)
            )
    ),

    parts AS (
        SELECT 'pg_proc'::regclass AS class_id, r.oid AS object_id, 0 AS part, 'routine ' || r.name AS name
        FROM routines AS r
        UNION ALL
        SELECT 'pg_class'::regclass, r.oid, 0, 'table ' || r.name FROM tables AS r
        UNION ALL
        SELECT 'pg_type'::regclass, r.reltype, 0, 'table ' || r.name FROM tables AS r
        UNION ALL
        SELECT 'pg_class'::regclass, a.table_name, t.attnum::integer, format('column %s.%I', a.table_name, a.name)
        FROM tenancy_private.adopted_parts AS a
        INNER JOIN pg_attribute AS t ON a.table_name = t.attrelid AND a.name = t.attname
        WHERE a.kind = 'column' AND a.change = ANY(going)
    ),

    needing AS (
        SELECT DISTINCT d.classid, d.objid, d.objsubid, p.name AS needed,
            coalesce(a.adrelid, r.ev_class, o.polrelid, t.tgrelid, k.conrelid, c.oid) AS relation,
            f.pronamespace,
            CASE
                WHEN a.oid IS NOT NULL THEN 'default'
                WHEN r.oid IS NOT NULL THEN 'view'
                WHEN o.oid IS NOT NULL THEN 'policy'
                WHEN t.oid IS NOT NULL THEN 'trigger'
                WHEN k.conrelid <> 0 THEN 'constraint'
                WHEN f.oid IS NOT NULL THEN 'routine'
                ELSE 'other'
            END AS kind,
            coalesce(v.attname, o.polname, t.tgname, k.conname) AS name
        FROM parts AS p
        INNER JOIN pg_depend AS d
            ON p.class_id = d.refclassid AND p.object_id = d.refobjid AND p.part IN (0, d.refobjsubid) AND d.deptype = 'n'
        LEFT JOIN pg_attrdef AS a ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid
        LEFT JOIN pg_attribute AS v ON a.adrelid = v.attrelid AND a.adnum = v.attnum
        LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        LEFT JOIN pg_policy AS o ON d.classid = 'pg_policy'::regclass AND d.objid = o.oid
        LEFT JOIN pg_trigger AS t ON d.classid = 'pg_trigger'::regclass AND d.objid = t.oid
        LEFT JOIN pg_constraint AS k ON d.classid = 'pg_constraint'::regclass AND d.objid = k.oid
        LEFT JOIN pg_proc AS f ON d.classid = 'pg_proc'::regclass AND d.objid = f.oid
        LEFT JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
    ),

    -- Not what we made ourselves, which the revert takes back before.
    theirs AS (
        SELECT n.*, c.relkind
        FROM needing AS n
        LEFT JOIN pg_class AS c ON n.relation = c.oid
        LEFT JOIN pg_namespace AS s ON coalesce(c.relnamespace, n.pronamespace) = s.oid
        LEFT JOIN pg_proc AS o ON n.kind = 'routine' AND n.objid = o.oid
        -- Objects that partitions inherit are dropped with the table's.
        CROSS JOIN LATERAL (SELECT coalesce(pg_partition_root(n.relation), n.relation) AS root) AS t
        WHERE coalesce(s.nspname, '') NOT IN ('tenancy', 'tenancy_private', 'tenancy_archive')
            AND o.proowner IS DISTINCT FROM 'tenancy_owner'::regrole
            AND NOT EXISTS (
                SELECT FROM tenancy_private.adopted_parts AS a
                WHERE a.table_name = t.root AND a.name = n.name AND (a.kind = n.kind OR (a.kind, n.kind) = ('column', 'default'))
            )
            AND NOT EXISTS (
                SELECT FROM tenancy_private.contracts AS k
                WHERE k.table_name = t.root AND k.kind = n.kind AND k.name = n.name
            )
    )

    SELECT
        format('%s needs the %s', pg_describe_object(t.classid, t.objid, t.objsubid), min(t.needed)),
        CASE t.kind
            WHEN 'default' THEN format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT;', t.relation::regclass, t.name)
            WHEN 'view' THEN format(
                'DROP %s %s;', CASE t.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END, t.relation::regclass
            )
            WHEN 'policy' THEN format('DROP POLICY %I ON %s;', t.name, t.relation::regclass)
            WHEN 'trigger' THEN format('DROP TRIGGER %I ON %s;', t.name, t.relation::regclass)
            WHEN 'constraint' THEN format('ALTER TABLE %s DROP CONSTRAINT %I;', t.relation::regclass, t.name)
            WHEN 'routine' THEN format('DROP ROUTINE %s;', t.objid::regprocedure)
            ELSE CASE
                WHEN t.relkind IN ('i', 'I') THEN format('DROP INDEX %s;', t.relation::regclass)
                ELSE 'Make it do without, or drop it.'
            END
        END
    FROM theirs AS t
    GROUP BY t.classid, t.objid, t.objsubid, t.kind, t.relation, t.name, t.relkind
    ORDER BY 1;

    IF NOT 'kernel/protection' = ANY(going) THEN
        RETURN;
    END IF;
    -- Those of the phases are unprotected by them. Children first, in the order in which the
    -- statements work.
    RETURN QUERY
    WITH RECURSIVE protected AS (
        SELECT p.table_name, p.parent, 0 AS depth
        FROM tenancy_private.protected_tables AS p
        INNER JOIN pg_class AS c ON p.table_name = c.oid AND c.relnamespace <> 'tenancy'::regnamespace
        WHERE NOT p.shipped
    ),

    nested AS (
        SELECT p.table_name, p.depth FROM protected AS p
        UNION ALL
        SELECT p.table_name, n.depth + 1
        FROM nested AS n
        INNER JOIN pg_constraint AS k ON n.table_name = k.confrelid AND k.contype = 'f' AND k.conrelid <> k.confrelid
        INNER JOIN protected AS p ON k.conrelid = p.table_name
        INNER JOIN pg_attribute AS a ON k.conrelid = a.attrelid AND a.attnum = ANY(k.conkey) AND p.parent = a.attname
    ) CYCLE table_name SET is_cycle USING path

    SELECT format('table %s is protected', n.table_name), format('CALL tenancy.unprotect(%L);', n.table_name::text)
    FROM nested AS n
    GROUP BY n.table_name
    ORDER BY max(n.depth) DESC, 1;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.in_the_way_of_revert(text[]) FROM public;

CREATE PROCEDURE tenancy_private.check_revert(going text[], further text[])
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    objects CONSTANT text[] := ARRAY(
        SELECT format('%s: %s', w.object, w.remedy) FROM tenancy_private.in_the_way_of_revert(going) AS w
    );
    further_objects CONSTANT text[] := ARRAY(
        SELECT format('%s: %s', w.object, w.remedy) FROM tenancy_private.in_the_way_of_revert(further) AS w
    );
BEGIN
    IF objects <> '{}' THEN
        RAISE EXCEPTION 'the application has % that would stop this revert halfway through a phase: %',
            CASE cardinality(objects) WHEN 1 THEN '1 object' ELSE cardinality(objects) || ' objects' END,
            split_part(objects[1], ': ', 1)
        USING ERRCODE = '2BP01',
        CONSTRAINT = 'application_needs_tenancy',
        DETAIL = array_to_string(objects, E'\n'),
        HINT = 'Nothing of the phase was reverted. Remove these dependencies with the statements in the detail, or others, and '
        'revert again. CASCADE would drop the application''s objects.';
    ELSIF further_objects <> '{}' THEN
        RAISE WARNING 'a revert of earlier phases will be refused: %', split_part(further_objects[1], ': ', 1)
        USING DETAIL = array_to_string(further_objects, E'\n'),
        HINT = 'Remove these dependencies, with the statements in the detail or others, before you revert further.';
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.check_revert(text[], text[]) FROM public;

\ir ../../notes/done.psql
COMMIT;
