-- Deploy pg-tenancy:kernel/adoption to pg
-- requires: kernel/entering
-- requires: kernel/adoption_steps

\set change kernel/adoption
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The defaults of a tenant table's columns: a row lands in the transaction's
-- workspace. Outside of any workspace, as for services and the application before
-- its migration, rows belong to the platform, as they always did. The unverified
-- claim is enough: the table's floor verifies it.
CREATE FUNCTION tenancy.default_workspace_id() RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN coalesce(
    nullif(current_setting('tenancy.current_organization_id', true), ''),
    nullif(current_setting('tenancy.current_user_id', true), ''),
    '00000000-0000-0000-0000-000000000000'
)::uuid;
REVOKE ALL ON FUNCTION tenancy.default_workspace_id() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.default_workspace_id()
TO tenancy_credentialed, tenancy_service, tenancy_legacy, tenancy_writer;
COMMENT ON FUNCTION tenancy.default_workspace_id() IS
'Default of workspace_id: the current workspace, or the platform''s outside of any.';

CREATE FUNCTION tenancy.default_author_id() RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN nullif(current_setting('tenancy.current_user_id', true), '')::uuid;
REVOKE ALL ON FUNCTION tenancy.default_author_id() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.default_author_id()
TO tenancy_credentialed, tenancy_service, tenancy_legacy, tenancy_writer;
COMMENT ON FUNCTION tenancy.default_author_id() IS
'Default of an author''s column: the current user, NULL outside of any workspace.';

-- Checks whether a table can be protected, before anything is changed, and
-- gives the reason if it cannot.
CREATE PROCEDURE tenancy_private.check_adoptable(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    relation record;
    reason text;
    remedy text;
BEGIN
    SELECT c.relkind, c.relispartition, c.relpersistence, n.nspname INTO relation
    FROM pg_class AS c
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
    WHERE c.oid = table_name;
    IF table_name IS NULL THEN
        RAISE EXCEPTION 'no table was given'
        USING ERRCODE = '22004',
        CONSTRAINT = 'table_required';
    ELSIF relation.relkind NOT IN ('r', 'p') THEN
        reason := 'it is not a table';
        remedy := 'Row-level security is for tables: protect those that a view reads, and make it security_invoker.';
    ELSIF relation.relpersistence = 't' THEN
        reason := 'it is temporary';
        remedy := 'It is its session''s own.';
    ELSIF relation.nspname IN ('pg_catalog', 'information_schema', 'tenancy_private', 'sqitch') THEN
        reason := format('it is in the schema %I', relation.nspname);
        remedy := 'Protect the application''s own tables.';
    ELSIF relation.relispartition THEN
        reason := 'it is a partition';
        remedy := format('Protect the partitioned table: CALL tenancy.protect(%L).', (
            SELECT i.inhparent::regclass::text FROM pg_inherits AS i WHERE i.inhrelid = table_name
        ));
    ELSIF EXISTS (
        SELECT FROM pg_inherits AS i
        INNER JOIN pg_class AS c ON i.inhrelid = c.oid
        WHERE table_name IN (i.inhparent, i.inhrelid) AND NOT c.relispartition
    ) THEN
        reason := 'it inherits from a table, or a table inherits from it';
        remedy := 'Policies of a table do not hold for its children: make a partitioned table of them, or one table.';
    END IF;
    IF reason IS NOT NULL THEN
        RAISE EXCEPTION '% cannot be protected: %', table_name, reason
        USING ERRCODE = '0A000',
        CONSTRAINT = 'table_not_protectable',
        HINT = remedy;
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.check_adoptable(regclass) FROM public;

-- The columns of a table's primary key, or of a unique key without NULLs.
CREATE FUNCTION tenancy_private.key_columns(table_name regclass) RETURNS name[]
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN (
    SELECT tenancy_private.columns_of_index(i.indexrelid)
    FROM pg_index AS i
    WHERE i.indrelid = table_name AND i.indisprimary
);
REVOKE ALL ON FUNCTION tenancy_private.key_columns(regclass) FROM public;

-- For a contract that names columns which an adopted table may lack: those that are
-- there, each after a comma.
CREATE FUNCTION tenancy_private.optional_columns(table_name regclass, columns name[]) RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN (
    SELECT coalesce(string_agg(
        ', ' || quote_ident(a.attname), '' ORDER BY array_position(columns, a.attname)
    ), '')
    FROM pg_attribute AS a
    WHERE a.attrelid = table_name AND a.attname = ANY(columns) AND NOT a.attisdropped
);
REVOKE ALL ON FUNCTION tenancy_private.optional_columns(regclass, name[]) FROM public;

-- Further columns of an adopted table stay closed until somebody grants them, and the
-- deploy reports them. Hashes are never reported, because nobody should grant them.
CREATE PROCEDURE tenancy_private.tell_closed_columns(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    closed CONSTANT text := (
        SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
        FROM pg_attribute AS a
        WHERE a.attrelid = table_name AND a.attnum > 0 AND NOT a.attisdropped
            AND a.attname NOT IN ('password_hash', 'key_hash', 'model_workspace_id')
            AND NOT has_column_privilege('tenancy_credentialed', a.attrelid, a.attnum, 'SELECT')
    );
BEGIN
    IF closed IS NOT NULL THEN
        RAISE NOTICE '%: no tenant reads the further columns %', table_name, closed
        USING HINT = format(
            'GRANT SELECT (...) ON %s TO the login of the application, for those that it needs and that hold no secret.',
            table_name
        );
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.tell_closed_columns(regclass) FROM public;

-- Tables that hold rows of tenants, by their foreign keys, also those to each other, and by
-- columns that are called as such references are.
CREATE FUNCTION tenancy.unprotected_tables()
RETURNS TABLE (table_name regclass, refers_to text)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE closed AS (
        SELECT 'public.users'::regclass AS relation
        UNION
        SELECT 'public.organizations'::regclass
        UNION
        SELECT p.table_name FROM tenancy_private.protected_tables AS p
    ),

    candidates AS (
        SELECT c.oid::regclass AS relation
        FROM pg_class AS c
        INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
        WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT c.relispartition
            AND n.nspname NOT IN (
                'pg_catalog', 'information_schema', 'tenancy', 'tenancy_private', 'tenancy_archive', 'sqitch'
            )
            AND c.oid NOT IN (SELECT k.relation FROM closed AS k)
    ),

    found AS (
        SELECT c.relation, f.confrelid::regclass AS referred
        FROM candidates AS c
        INNER JOIN pg_constraint AS f ON c.relation = f.conrelid AND f.contype = 'f'
        INNER JOIN closed AS k ON f.confrelid = k.relation
        UNION
        SELECT c.relation, CASE
            WHEN a.attname ~ 'organization_id$' THEN 'public.organizations' ELSE 'public.users'
        END::regclass
        FROM candidates AS c
        INNER JOIN pg_attribute AS a ON c.relation = a.attrelid AND NOT a.attisdropped
        WHERE a.attname ~ '(^|_)(organization|user)_id$' AND a.atttypid = 'uuid'::regtype
        UNION
        SELECT c.relation, f.confrelid::regclass
        FROM found AS o
        INNER JOIN pg_constraint AS f ON o.relation = f.confrelid AND f.contype = 'f'
        INNER JOIN candidates AS c ON f.conrelid = c.relation AND c.relation <> o.relation
    )

    SELECT o.relation, string_agg(o.referred::text, ', ' ORDER BY o.referred::text)
    FROM found AS o
    GROUP BY o.relation
    ORDER BY o.relation::text;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.unprotected_tables() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.unprotected_tables() TO tenancy_service;
COMMENT ON FUNCTION tenancy.unprotected_tables() IS
'Tables that refer to users, organizations or a protected table, and are not protected themselves.';

CREATE PROCEDURE tenancy_private.tell_unprotected()
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    tables CONSTANT text[] := ARRAY(SELECT u.table_name::text FROM tenancy.unprotected_tables() AS u);
BEGIN
    IF tables <> '{}' THEN
        RAISE NOTICE '% that are not protected yet: %', CASE cardinality(tables)
            WHEN 1 THEN '1 table holds rows of tenants'
            ELSE cardinality(tables) || ' tables hold rows of tenants'
        END, array_to_string(tables, ', ')
        USING HINT = 'Grant tenants nothing on them before a phase, or a call of tenancy.protect(), closes them.';
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.tell_unprotected() FROM public;

-- As much of a table's name as leaves room for the suffix in 63 bytes.
CREATE FUNCTION tenancy_private.short_name(table_name regclass, suffix text) RETURNS name
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN (
    SELECT (left(c.relname, max(n.letters)) || suffix)::name
    FROM pg_class AS c
    CROSS JOIN generate_series(0, 63) AS n (letters)
    WHERE c.oid = table_name AND octet_length(left(c.relname, n.letters) || suffix) <= 63
    GROUP BY c.relname
);
REVOKE ALL ON FUNCTION tenancy_private.short_name(regclass, text) FROM public;

-- Names of our own have tenancy in them.
CREATE FUNCTION tenancy_private.name_for(table_name regclass, suffix text) RETURNS name
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN tenancy_private.short_name(table_name, '_tenancy_' || suffix);
REVOKE ALL ON FUNCTION tenancy_private.name_for(regclass, text) FROM public;

-- Grants a role the privileges on a table that it lacks, and records them. Privileges
-- through PUBLIC count as lacking, because they are about to be revoked.
CREATE PROCEDURE tenancy_private.grant_rights(table_name regclass, grantee name, wanted text[])
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing CONSTANT text := (
        SELECT string_agg(w.privilege, ', ')
        FROM unnest(wanted) AS w (privilege)
        WHERE NOT EXISTS (
            SELECT FROM pg_class AS c
            CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS acl
            WHERE c.oid = table_name
                AND acl.grantee = grant_rights.grantee::regrole
                AND acl.privilege_type = w.privilege
        )
    );
BEGIN
    IF missing IS NOT NULL THEN
        EXECUTE format('GRANT %s ON %s TO %I', missing, table_name, grantee);
        INSERT INTO tenancy_private.adopted_parts AS a (table_name, kind, name, was)
        VALUES (grant_rights.table_name, 'rights', grantee, missing)
        ON CONFLICT ON CONSTRAINT adopted_parts_pkey DO UPDATE SET was = concat_ws(', ', a.was, excluded.was);
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.grant_rights(regclass, name, text[]) FROM public;

-- To use a table a role needs USAGE on its schema. Each table records that it needs
-- the right, so that the last one revokes it.
CREATE PROCEDURE tenancy_private.grant_schema(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    schema_id CONSTANT regnamespace := (SELECT c.relnamespace FROM pg_class AS c WHERE c.oid = table_name);
    schema_name CONSTANT text := schema_id::text;
    grantee name;
BEGIN
    IF EXISTS (
        SELECT FROM tenancy_private.adopted_parts AS a
        WHERE a.table_name = grant_schema.table_name AND a.kind = 'schema'
            AND tenancy_private.current_part(a) <> schema_name
    ) THEN
        CALL tenancy_private.leave_schema(table_name);
    END IF;
    FOREACH grantee IN ARRAY ARRAY['tenancy_credentialed', 'tenancy_service', 'tenancy_auditor', 'tenancy_owner'] LOOP
        IF NOT has_schema_privilege(grantee, schema_id, 'USAGE') THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %s TO %I', schema_name, grantee);
        ELSIF NOT EXISTS (
            SELECT FROM tenancy_private.adopted_parts AS a
            WHERE a.kind = 'schema' AND a.name = grantee AND tenancy_private.current_part(a) = schema_name
        ) THEN
            CONTINUE;
        END IF;
        INSERT INTO tenancy_private.adopted_parts VALUES (table_name, 'schema', grantee, schema_name)
        ON CONFLICT ON CONSTRAINT adopted_parts_pkey DO UPDATE SET was = excluded.was;
    END LOOP;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.grant_schema(regclass) FROM public;

-- A foreign key that is not enforced (18) keeps nobody from referring to nothing.
CREATE FUNCTION tenancy_private.is_enforced(key pg_constraint) RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN to_jsonb(key) ->> 'conenforced' IS DISTINCT FROM 'false';
REVOKE ALL ON FUNCTION tenancy_private.is_enforced(pg_constraint) FROM public;

-- Whether a foreign key can refer to these columns.
CREATE FUNCTION tenancy_private.has_unique_index(table_name regclass, columns name[])
RETURNS boolean
LANGUAGE sql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT EXISTS (
    SELECT FROM pg_index AS i
    WHERE i.indrelid = has_unique_index.table_name
        AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL
        AND i.indkey::text = (
            SELECT string_agg(a.attnum::text, ' ' ORDER BY w.position)
            FROM unnest(has_unique_index.columns) WITH ORDINALITY AS w (name, position)
            INNER JOIN pg_attribute AS a ON a.attrelid = has_unique_index.table_name AND w.name = a.attname
        )
);
$$;
REVOKE ALL ON FUNCTION tenancy_private.has_unique_index(regclass, name[]) FROM public;

-- The name of an index or a foreign key that protect() made, found by its columns: it is named
-- after the table and the columns, which the application may have renamed since. Or a new name.
CREATE FUNCTION tenancy_private.name_of_part(
    table_name regclass, kind text, columns name[], suffix text
) RETURNS name
LANGUAGE sql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce(
    (
        SELECT a.name
        FROM tenancy_private.adopted_parts AS a
        INNER JOIN pg_index AS i ON a.table_name = i.indrelid
        INNER JOIN pg_class AS c ON i.indexrelid = c.oid AND a.name = c.relname
        WHERE a.table_name = name_of_part.table_name AND a.kind = name_of_part.kind AND a.kind = 'index'
            AND a.change IS NULL AND tenancy_private.columns_of_index(i.indexrelid) = columns
    ),
    (
        SELECT a.name
        FROM tenancy_private.adopted_parts AS a
        -- Of a partitioned table its parts get the key first, under the same name.
        LEFT JOIN pg_partition_tree(a.table_name) AS t ON true
        INNER JOIN pg_constraint AS c ON c.conrelid IN (a.table_name, t.relid) AND a.name = c.conname AND c.contype = 'f'
        WHERE a.table_name = name_of_part.table_name AND a.kind = name_of_part.kind AND a.kind = 'constraint'
            AND a.change IS NULL
            AND columns = ARRAY(
                SELECT k.attname
                FROM unnest(c.conkey) WITH ORDINALITY AS u (number, place)
                INNER JOIN pg_attribute AS k ON c.conrelid = k.attrelid AND u.number = k.attnum
                ORDER BY u.place
            )
        LIMIT 1
    ),
    tenancy_private.name_for(table_name, suffix)
);
$$;
REVOKE ALL ON FUNCTION tenancy_private.name_of_part(regclass, text, name[], text) FROM public;

-- Adds the foreign keys that a table of tenants lacks, or a leaf of it: online they are not
-- valid yet. Before version 18 the key of a partitioned table must be valid at once. So its
-- leaves get theirs first, and the table's takes valid ones for its own, reading no row.
CREATE PROCEDURE tenancy_private.add_keys(
    table_name regclass, parent name, part regclass, online boolean
)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing record;
BEGIN
    FOR missing IN
        SELECT k.name, k.definition, tenancy_private.has_part(table_name, 'constraint', k.name, NULL) AS is_recorded
        FROM (
            SELECT
                tenancy_private.name_of_part(
                    table_name, 'constraint', ARRAY['workspace_id'::name], 'workspace_id_fkey'
                ) AS name,
                'FOREIGN KEY (workspace_id) REFERENCES tenancy.workspaces (id) ON DELETE CASCADE' AS definition
            WHERE tenancy_private.has_part(table_name, 'column', 'workspace_id', NULL)
            UNION ALL
            -- One key instead of two: errors of two would tell another tenant's parent from
            -- one that does not exist. What a delete does stays.
            SELECT
                tenancy_private.name_of_part(
                    table_name, 'constraint', ARRAY['workspace_id'::name, parent], parent || '_fkey'
                ),
                format(
                    'FOREIGN KEY (workspace_id, %I) REFERENCES %s (%I, %I) ON UPDATE CASCADE ON DELETE %s',
                    parent, f.referred, f.referred_key, f.referred_column, f.actions
                )
            FROM tenancy_private.key_of_one_column(table_name, parent) AS f
        ) AS k
    LOOP
        IF NOT missing.is_recorded THEN
            CALL tenancy_private.record_part(table_name, 'constraint', missing.name);
        ELSIF EXISTS (SELECT FROM pg_constraint AS c WHERE c.conrelid = part AND c.conname = missing.name) THEN
            CONTINUE;
        END IF;
        EXECUTE format(
            'ALTER TABLE %s ADD CONSTRAINT %I %s%s', part, missing.name, missing.definition,
            CASE WHEN online THEN ' NOT VALID' END
        );
    END LOOP;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.add_keys(regclass, name, regclass, boolean) FROM public;

-- Gives a table the column that says whose each row is, and what hangs on it. In one
-- transaction: for tables that can be locked for as long as that takes. Online it is only what
-- takes an instant, so that pg-tenancy protect does the rest while everybody works; what
-- is there already is not made again, and what is not valid yet is validated.
CREATE PROCEDURE tenancy_private.adopt_table(
    table_name regclass, parent name, author name, online boolean DEFAULT false
)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    id_columns CONSTANT name[] := tenancy_private.key_columns(table_name);
    key_columns CONSTANT name[] := 'workspace_id'::name || array_remove(id_columns, 'workspace_id');
    parent_columns CONSTANT name[] := ARRAY['workspace_id'::name, parent];
    key_name CONSTANT name := tenancy_private.name_of_part(table_name, 'index', key_columns, 'key');
    workspace_key CONSTANT name := tenancy_private.name_of_part(
        table_name, 'constraint', ARRAY['workspace_id'::name], 'workspace_id_fkey'
    );
    parent_key CONSTANT name := tenancy_private.name_of_part(table_name, 'constraint', parent_columns, parent || '_fkey');
    parent_index CONSTANT name := tenancy_private.name_of_part(table_name, 'index', parent_columns, parent || '_idx');
    -- What holds the rows.
    leaves CONSTANT regclass[] := ARRAY(
        SELECT p.relid FROM pg_partition_tree(table_name) AS p WHERE p.isleaf
        UNION ALL
        SELECT c.oid::regclass FROM pg_class AS c WHERE c.oid = table_name AND c.relkind = 'r'
    );
    has_column CONSTANT boolean := EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = table_name AND a.attname = 'workspace_id' AND NOT a.attisdropped
    );
    is_ours boolean;
    refers boolean := false;
    is_tree boolean := false;
    foreign_key record;
    wanted record;
BEGIN
    IF parent IS NOT NULL THEN
        SELECT k.* INTO foreign_key FROM tenancy_private.key_of_one_column(table_name, parent) AS k;
        refers := FOUND;
        -- A table that is protected already has a key with the workspace. With any other one, or
        -- none, children would stay behind when their parent moves.
        IF NOT refers AND NOT (has_column AND EXISTS (
            SELECT FROM pg_constraint AS c
            CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS k (here, there)
            INNER JOIN pg_attribute AS a ON c.conrelid = a.attrelid AND k.here = a.attnum
            INNER JOIN pg_attribute AS r ON c.confrelid = r.attrelid AND k.there = r.attnum
            LEFT JOIN tenancy_private.protected_tables AS p ON c.confrelid = p.table_name
            WHERE c.conrelid = ANY(adopt_table.table_name || leaves) AND c.contype = 'f'
                AND tenancy_private.is_enforced(c)
                AND (p.table_name IS NOT NULL OR c.confrelid = c.conrelid)
            GROUP BY c.oid
            HAVING count(*) = 2 AND bool_or(a.attname = adopt_table.parent)
                AND bool_or(a.attname = 'workspace_id' AND r.attname = coalesce(p.key, 'workspace_id'))
        )) THEN
            RAISE EXCEPTION '%.% refers to no protected table', table_name, parent
            USING ERRCODE = '55000',
            CONSTRAINT = 'parent_not_protected',
            HINT = 'It needs a foreign key of one column to a table that protect() was called for.';
        END IF;
    END IF;

    IF has_column AND NOT EXISTS (
        SELECT FROM pg_attribute AS a
        INNER JOIN pg_class AS c ON a.attrelid = c.oid
        LEFT JOIN pg_attrdef AS d ON a.attrelid = d.adrelid AND a.attnum = d.adnum
        WHERE a.attrelid = table_name AND a.attname = 'workspace_id' AND a.attnotnull
            AND (
                c.relnamespace = 'tenancy'::regnamespace
                OR pg_get_expr(d.adbin, d.adrelid) ~ '^(COALESCE\()?tenancy\.default_(workspace|organization)_id\(\)'
            )
    ) THEN
        RAISE EXCEPTION '%.workspace_id exists, and pg-tenancy needs the name', table_name
        USING ERRCODE = '55000',
        CONSTRAINT = 'column_in_the_way',
        HINT = 'Rename the column.';
    END IF;
    -- Without a parent there is no key to look into.
    IF refers THEN
        is_tree := foreign_key.referred = table_name;
        IF is_tree AND online THEN
            RAISE EXCEPTION '%.% refers to the table itself, which needs its key before', table_name, parent
            USING ERRCODE = '0A000',
            CONSTRAINT = 'table_not_protectable',
            HINT = format('CALL tenancy.protect(%L, parent => %L); it locks the table.', table_name::text, parent);
        END IF;
        IF NOT (is_tree AND key_columns = ARRAY['workspace_id', foreign_key.referred_column])
            AND NOT tenancy_private.has_unique_index(
                foreign_key.referred, ARRAY[foreign_key.referred_key, foreign_key.referred_column]
            )
        THEN
            RAISE EXCEPTION '% has no unique index on (%, %)', foreign_key.referred, foreign_key.referred_key,
                foreign_key.referred_column
            USING ERRCODE = '55000',
            CONSTRAINT = 'parent_key_missing',
            HINT = format('CREATE UNIQUE INDEX CONCURRENTLY ON %s (%I, %I); then protect the child.', foreign_key.referred,
                foreign_key.referred_key, foreign_key.referred_column);
        END IF;
    END IF;

    IF NOT has_column THEN
        CALL tenancy_private.add_workspace_column(table_name, 'tenancy.default_workspace_id()');
    END IF;
    is_ours := tenancy_private.has_part(table_name, 'column', 'workspace_id', NULL);
    IF is_ours AND NOT online THEN
        CALL tenancy_private.return_workspaces(table_name);
        IF refers AND EXISTS (
            SELECT FROM unnest(leaves) AS l (part)
            WHERE NOT EXISTS (
                SELECT FROM pg_constraint AS c
                WHERE c.conrelid = l.part AND c.conname = parent_key AND c.convalidated
            )
        ) THEN
            IF is_tree THEN
                CALL tenancy_private.refuse_circles(table_name, parent);
            END IF;
            -- In a tree level by level.
            WHILE tenancy_private.move_to_parents(table_name, parent) > 0 AND is_tree LOOP
            END LOOP;
        END IF;
    END IF;
    FOR wanted IN
        SELECT c.conrelid::regclass AS part, c.conname AS name
        FROM pg_constraint AS c
        WHERE NOT online AND c.conrelid = ANY(leaves) AND c.conname IN (workspace_key, parent_key) AND NOT c.convalidated
    LOOP
        EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', wanted.part, wanted.name);
    END LOOP;
    IF is_tree AND is_ours AND NOT tenancy_private.has_part(table_name, 'index', key_name, NULL) THEN
        EXECUTE format(
            'CREATE UNIQUE INDEX %I ON %s (workspace_id, %I)', key_name, table_name, foreign_key.referred_column
        );
        CALL tenancy_private.record_part(table_name, 'index', key_name);
    END IF;
    IF NOT online OR table_name = ANY(leaves) THEN
        CALL tenancy_private.add_keys(table_name, parent, table_name, online);
    END IF;
    IF refers OR is_ours THEN
        CALL tenancy_private.set_child_trigger(table_name, parent);
    END IF;

    -- Remains of a build that did not end, which an index of a partitioned table would take for its own.
    FOR wanted IN
        SELECT i.indexrelid::regclass AS name
        FROM pg_index AS i
        INNER JOIN pg_class AS c ON i.indexrelid = c.oid
        WHERE NOT online AND i.indrelid = ANY(leaves) AND NOT i.indisvalid AND c.relname ~ '_tenancy_(idx|building)$'
    LOOP
        EXECUTE format('DROP INDEX %s', wanted.name);
    END LOOP;
    -- What the floor looks rows up by, and what a child refers to; and what its parent finds it by.
    FOR wanted IN
        SELECT w.name, w.columns, w.is_unique
        FROM (
            VALUES
            (key_name, key_columns, id_columns IS NOT NULL, is_ours),
            -- Where the primary key begins with the parent, the first one serves both.
            (parent_index, parent_columns, false, refers AND NOT (is_ours AND key_columns[1:2] = parent_columns))
        ) AS w (name, columns, is_unique, is_wanted)
        WHERE w.is_wanted AND NOT tenancy_private.has_part(table_name, 'index', w.name, NULL)
    LOOP
        IF online THEN
            INSERT INTO tenancy_private.wanted_indexes (table_name, index_name, columns, is_unique)
            VALUES (adopt_table.table_name, wanted.name, wanted.columns, wanted.is_unique)
            ON CONFLICT ON CONSTRAINT wanted_indexes_pkey DO NOTHING;
            CONTINUE;
        END IF;
        IF NOT EXISTS (
            SELECT FROM pg_index AS i
            INNER JOIN pg_class AS c ON i.indexrelid = c.oid
            WHERE i.indrelid = adopt_table.table_name AND c.relname = wanted.name AND i.indisvalid
        ) THEN
            EXECUTE format(
                'CREATE %s INDEX %I ON %s (%s)', CASE WHEN wanted.is_unique THEN 'UNIQUE' ELSE '' END, wanted.name,
                table_name, (
                    SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.position)
                    FROM unnest(wanted.columns) WITH ORDINALITY AS c (name, position)
                )
            );
        END IF;
        CALL tenancy_private.record_part(table_name, 'index', wanted.name);
    END LOOP;
    IF online THEN
        RETURN;
    END IF;
    -- What was begun online, and is built now.
    DELETE FROM tenancy_private.wanted_indexes AS w WHERE w.table_name = adopt_table.table_name;

    IF refers THEN
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', table_name, foreign_key.name);
        -- The application may have made it anew.
        INSERT INTO tenancy_private.adopted_parts
        VALUES (table_name, 'foreign key', foreign_key.name, foreign_key.definition)
        ON CONFLICT ON CONSTRAINT adopted_parts_pkey DO UPDATE SET was = excluded.was;
    END IF;
    IF author IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_attribute AS a WHERE a.attrelid = table_name AND a.attname = author AND a.atthasdef
    ) THEN
        CALL tenancy_private.add_default(table_name, author, 'tenancy.default_author_id()');
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.adopt_table(regclass, name, name, boolean) FROM public;

\ir ../../notes/done.psql
COMMIT;
