-- Deploy pg-tenancy:kernel/release to pg
-- requires: kernel/parents

\set change kernel/release
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- Of a child's rows those without a parent: the others are where it is. Of a tree all: a row may
-- be its own parent, or below itself.
CREATE PROCEDURE tenancy_private.keep_workspaces_of(table_name regclass, parent name)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    archive CONSTANT name := (
        SELECT left(n.nspname || '_' || c.relname, 48) || '_workspaces'
        FROM pg_class AS c INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid WHERE c.oid = table_name
    );
    key CONSTANT name[] := tenancy_private.key_columns(table_name);
    columns CONSTANT text := (
        SELECT string_agg(quote_ident(k.name), ', ') FROM unnest(key) AS k (name) WHERE k.name <> 'workspace_id'
    );
    is_owned CONSTANT text := 'workspace_id <> ''00000000-0000-0000-0000-000000000000'''
        || CASE WHEN EXISTS (
            SELECT FROM pg_constraint AS c
            INNER JOIN pg_attribute AS a ON c.conrelid = a.attrelid AND a.attnum = ANY(c.conkey)
            WHERE c.contype = 'f' AND c.conrelid = table_name AND c.confrelid <> table_name AND a.attname = parent
        ) THEN format(' AND %I IS NULL', parent) ELSE '' END;
    owned boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %s)', table_name, is_owned) INTO owned;
    IF NOT owned THEN
        RETURN;
    END IF;
    IF key IS NULL THEN
        RAISE EXCEPTION '% has no primary key, so the workspaces of its rows cannot be kept', table_name
        USING ERRCODE = '55000',
        CONSTRAINT = 'primary_key_required',
        HINT = 'Add one, then call unprotect() again.';
    END IF;
    -- The key would go with the column, and its other columns may not tell the rows apart.
    IF 'workspace_id' = ANY(key) THEN
        RAISE EXCEPTION 'the primary key of % contains workspace_id, so the workspaces of its rows cannot be kept', table_name
        USING ERRCODE = '55000',
        CONSTRAINT = 'primary_key_required',
        HINT = format(
            'Replace the key, then call unprotect() again: ALTER TABLE %s DROP CONSTRAINT %I, ADD PRIMARY KEY (%s); if these '
            'columns are not unique, take others.', table_name,
            (SELECT c.conname FROM pg_constraint AS c WHERE c.conrelid = table_name AND c.contype = 'p'),
            coalesce(columns, 'id')
        );
    END IF;
    IF to_regnamespace('tenancy_archive') IS NULL THEN
        CREATE SCHEMA tenancy_archive;
        REVOKE ALL ON SCHEMA tenancy_archive FROM public;
    END IF;
    EXECUTE format(
        'CREATE TABLE tenancy_archive.%I AS SELECT %s, workspace_id FROM %s WHERE %s',
        archive, columns, table_name, is_owned
    );
    RAISE NOTICE 'the workspaces of the rows of % are kept in tenancy_archive.%', table_name, archive;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.keep_workspaces_of(regclass, name) FROM public;

-- Restores what a revert or unprotect() kept, for rows that still exist.
CREATE PROCEDURE tenancy_private.return_workspaces(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    archive CONSTANT name := (
        SELECT left(n.nspname || '_' || c.relname, 48) || '_workspaces'
        FROM pg_class AS c INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid WHERE c.oid = table_name
    );
    same_row CONSTANT text := (
        SELECT string_agg(format('t.%1$I = a.%1$I', k.name), ' AND ')
        FROM unnest(tenancy_private.key_columns(table_name)) AS k (name)
    );
    ownerless bigint;
BEGIN
    IF to_regclass(format('tenancy_archive.%I', archive)) IS NULL OR same_row IS NULL THEN
        RETURN;
    END IF;
    EXECUTE format(
        'SELECT count(*) FROM tenancy_archive.%I AS a INNER JOIN %s AS t ON %s'
        ' WHERE NOT EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.id = a.workspace_id)',
        archive, table_name, same_row
    ) INTO ownerless;
    IF ownerless > 0 THEN
        RAISE EXCEPTION '% rows of % belonged to organizations or users that no longer exist', ownerless, table_name
        USING ERRCODE = '55000',
        CONSTRAINT = 'ownership_returns',
        HINT = format('Delete these rows from %s, or from tenancy_archive.%I to make them the platform''s.', table_name, archive);
    END IF;
    EXECUTE format(
        'UPDATE %s AS t SET workspace_id = a.workspace_id FROM tenancy_archive.%I AS a WHERE %s',
        table_name, archive, same_row
    );
    CALL tenancy_private.drop_archived(archive);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.return_workspaces(regclass) FROM public;

-- What the application has built on a table's workspace_id, so that it cannot be dropped, or
-- would take a foreign key along: one row for each object, with a statement that removes it.
CREATE FUNCTION tenancy_private.in_the_way_of_release(table_name regclass)
RETURNS TABLE (object text, remedy text)
LANGUAGE sql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
WITH parts AS (
    SELECT a.attrelid AS relid, a.attnum::integer AS number
    FROM pg_attribute AS a
    WHERE a.attrelid = in_the_way_of_release.table_name AND a.attname = 'workspace_id' AND NOT a.attisdropped
    UNION ALL
    SELECT i.indexrelid, 0
    FROM pg_index AS i
    INNER JOIN pg_class AS c ON i.indexrelid = c.oid
    INNER JOIN tenancy_private.adopted_parts AS p ON i.indrelid = p.table_name AND p.kind = 'index' AND c.relname = p.name
    WHERE i.indrelid = in_the_way_of_release.table_name AND p.change IS NULL
),

-- A key goes with its own columns, and holds those that it refers to.
needing AS (
    SELECT DISTINCT d.classid, d.objid
    FROM parts AS p
    INNER JOIN pg_depend AS d
        ON d.refclassid = 'pg_class'::regclass AND p.relid = d.refobjid AND p.number = d.refobjsubid
    LEFT JOIN pg_constraint AS k ON d.classid = 'pg_constraint'::regclass AND d.objid = k.oid
    WHERE (d.deptype = 'n' OR k.contype = 'f' AND k.conrelid = in_the_way_of_release.table_name)
        AND NOT EXISTS (
            SELECT FROM tenancy_private.adopted_parts AS a
            WHERE a.table_name = coalesce(pg_partition_root(k.conrelid), k.conrelid) AND a.kind = 'constraint' AND k.conname = a.name
        )
        AND k.conparentid IS NOT DISTINCT FROM CASE WHEN k.oid IS NOT NULL THEN 0::oid END
        AND NOT EXISTS (
            SELECT FROM pg_trigger AS t
            WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid
                AND t.tgfoid = 'tenancy_private.set_child_workspace()'::regprocedure
        )
)

SELECT
    pg_describe_object(n.classid, n.objid, 0),
    CASE
        WHEN r.ev_class IS NOT NULL THEN format(
            'DROP %sVIEW %s;', CASE WHEN c.relkind = 'm' THEN 'MATERIALIZED ' ELSE '' END, r.ev_class::regclass
        )
        WHEN o.oid IS NOT NULL THEN format('DROP POLICY %I ON %s;', o.polname, o.polrelid::regclass)
        WHEN t.oid IS NOT NULL THEN format('DROP TRIGGER %I ON %s;', t.tgname, t.tgrelid::regclass)
        WHEN f.oid IS NOT NULL THEN format('DROP ROUTINE %s;', f.oid::regprocedure)
        WHEN k.oid IS NOT NULL THEN format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname)
            || CASE WHEN k.contype = 'f' THEN (
                SELECT format(
                    ', ADD CONSTRAINT %I FOREIGN KEY (%s) REFERENCES %s (%s)%s', k.conname,
                    string_agg(quote_ident(h.attname), ', ' ORDER BY u.place), k.confrelid::regclass,
                    string_agg(quote_ident(e.attname), ', ' ORDER BY u.place),
                    CASE k.confdeltype
                        WHEN 'c' THEN ' ON DELETE CASCADE' WHEN 'n' THEN ' ON DELETE SET NULL'
                        WHEN 'd' THEN ' ON DELETE SET DEFAULT' WHEN 'r' THEN ' ON DELETE RESTRICT' ELSE ''
                    END
                )
                FROM unnest(k.conkey, k.confkey) WITH ORDINALITY AS u (here, there, place)
                INNER JOIN pg_attribute AS h ON k.conrelid = h.attrelid AND u.here = h.attnum
                INNER JOIN pg_attribute AS e ON k.confrelid = e.attrelid AND u.there = e.attnum
                WHERE 'workspace_id' NOT IN (h.attname, e.attname)
            ) ELSE '' END || ';'
    END
FROM needing AS n
LEFT JOIN pg_rewrite AS r ON n.classid = 'pg_rewrite'::regclass AND n.objid = r.oid
LEFT JOIN pg_class AS c ON r.ev_class = c.oid
LEFT JOIN pg_policy AS o ON n.classid = 'pg_policy'::regclass AND n.objid = o.oid
LEFT JOIN pg_trigger AS t ON n.classid = 'pg_trigger'::regclass AND n.objid = t.oid
LEFT JOIN pg_proc AS f ON n.classid = 'pg_proc'::regclass AND n.objid = f.oid
LEFT JOIN pg_constraint AS k ON n.classid = 'pg_constraint'::regclass AND n.objid = k.oid
ORDER BY 1;
$$;
REVOKE ALL ON FUNCTION tenancy_private.in_the_way_of_release(regclass) FROM public;

-- The way back, in the opposite order.
CREATE PROCEDURE tenancy_private.release_table(table_name regclass, parent name)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    child CONSTANT text := (
        SELECT string_agg(DISTINCT p.table_name::text, ', ')
        FROM pg_constraint AS c
        INNER JOIN tenancy_private.adopted_parts AS p
            ON coalesce(pg_partition_root(c.conrelid), c.conrelid) = p.table_name AND c.conname = p.name
        WHERE c.confrelid = release_table.table_name AND p.table_name <> release_table.table_name
            AND p.kind = 'constraint' AND p.change IS NULL
    );
    objects text;
    remedies text;
    indexes text;
BEGIN
    IF child IS NOT NULL THEN
        RAISE EXCEPTION '% has children that are protected: %', table_name, child
        USING ERRCODE = '55000',
        CONSTRAINT = 'children_protected',
        HINT = 'CALL tenancy.unprotect() for these first.';
    END IF;
    IF tenancy_private.has_part(table_name, 'column', 'workspace_id', NULL) THEN
        SELECT string_agg(w.object, ', '), string_agg(concat_ws(': ', w.object, w.remedy), E'\n') INTO objects, remedies
        FROM tenancy_private.in_the_way_of_release(table_name) AS w;
        IF objects IS NOT NULL THEN
            RAISE EXCEPTION 'the application needs the column workspace_id of %: %', table_name, objects
            USING ERRCODE = '2BP01',
            CONSTRAINT = 'application_needs_tenancy',
            DETAIL = remedies,
            HINT = 'Remove these dependencies, with the statements in the detail or others, and call unprotect() again.';
        END IF;
        CALL tenancy_private.keep_workspaces_of(table_name, parent);
        SELECT string_agg(
            CASE
                WHEN k.oid IS NULL THEN pg_get_indexdef(i.indexrelid)
                ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', table_name, k.conname, pg_get_constraintdef(k.oid))
            END, '; ' ORDER BY i.indexrelid::regclass::text
        ) INTO indexes
        FROM pg_index AS i
        INNER JOIN pg_class AS c ON i.indexrelid = c.oid
        LEFT JOIN pg_constraint AS k ON i.indexrelid = k.conindid AND k.contype IN ('p', 'u', 'x')
        WHERE i.indrelid = release_table.table_name AND 'workspace_id' = ANY(tenancy_private.columns_of_index(c.oid))
            AND NOT tenancy_private.has_part(release_table.table_name, 'index', c.relname, NULL);
        IF indexes IS NOT NULL THEN
            RAISE NOTICE 'indexes of the application go with %.workspace_id: %', table_name, indexes
            USING HINT = 'The next protect() adds the column without them.';
        END IF;
    END IF;
    CALL tenancy_private.drop_parts(table_name);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.release_table(regclass, name) FROM public;

\ir ../../notes/done.psql
COMMIT;
