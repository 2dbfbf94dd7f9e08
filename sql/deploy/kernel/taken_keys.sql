-- Deploy pg-tenancy:kernel/taken_keys to pg
-- requires: kernel/policy_forms

\set change kernel/taken_keys
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- A key that another tenant's row has. An upsert would read that row, and evaluate its own
-- WHERE for it before PostgreSQL checks any policy. So every write of such a key raises here,
-- as for a duplicate of the tenant's own. Only rows committed before the statement began are
-- checked: somebody who knows an id in advance can still hit it while it is being inserted. The
-- key is looked up when the error is raised, because the application may have dropped or
-- renamed it.
CREATE FUNCTION tenancy_private.columns_of_key(index_id oid) RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN (
    SELECT
        string_agg(
            '(' || pg_get_indexdef(i.indexrelid, n.place, false) || ')', ', ' ORDER BY n.place
        )
    FROM pg_index AS i
    CROSS JOIN LATERAL generate_series(1, i.indnkeyatts) AS n (place)
    WHERE i.indexrelid = index_id
);
REVOKE ALL ON FUNCTION tenancy_private.columns_of_key(oid) FROM public;

-- A condition that compares a row of the table with a new one as the index does: by the
-- operators and collations of its columns, and NULL with NULL where nulls are not distinct. It
-- has to name the operators: on the path of a definer function, citext is compared as text. The
-- index evaluates an expression only for rows that its predicate selects, and for another row it
-- may fail. So the new row's is evaluated by the predicate, and with is_guarded the others' too,
-- for which PostgreSQL uses no index.
CREATE FUNCTION tenancy_private.matches_of_key(index_id oid, new_row text, is_guarded boolean)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT
    CASE WHEN is_guarded THEN format('CASE WHEN (%s) THEN ', min(k.predicate)) ELSE '' END
    || string_agg(
        format(
            CASE
                WHEN i.indnullsnotdistinct THEN '(%1$s%2$s %3$s %4$s OR %1$s IS NULL AND %4$s IS NULL)'
                ELSE '%1$s%2$s %3$s %4$s'
            END,
            k.expression,
            (
                SELECT format(' COLLATE %I.%I', s.nspname, l.collname)
                FROM pg_collation AS l
                INNER JOIN pg_namespace AS s ON l.collnamespace = s.oid
                WHERE l.oid = i.indcollation[n.place - 1]
            ),
            coalesce((
                SELECT format('OPERATOR(%I.%s)', s.nspname, o.oprname)
                FROM pg_opclass AS c
                INNER JOIN pg_am AS m ON c.opcmethod = m.oid
                INNER JOIN pg_amop AS a
                    ON c.opcfamily = a.amopfamily AND c.opcintype = a.amoplefttype AND c.opcintype = a.amoprighttype
                INNER JOIN pg_operator AS o ON a.amopopr = o.oid
                INNER JOIN pg_namespace AS s ON o.oprnamespace = s.oid
                WHERE c.oid = i.indclass[n.place - 1] AND m.amname = 'btree' AND a.amopstrategy = 3
            ), '='),
            format(
                CASE
                    WHEN i.indexprs IS NOT NULL AND k.predicate IS NOT NULL
                        THEN '(SELECT CASE WHEN (%3$s) THEN %1$s END FROM (%2$s) AS n)'
                    ELSE '(SELECT %1$s FROM (%2$s) AS n)'
                END,
                k.expression, new_row, k.predicate
            )
        ), ' AND ' ORDER BY n.place
    )
    || CASE
        WHEN is_guarded THEN ' END'
        WHEN min(k.predicate) IS NULL THEN ''
        ELSE format(' AND (%s)', min(k.predicate))
    END
    || coalesce(' AND (SELECT (' || min(k.predicate) || format(') FROM (%s) AS n)', new_row), '')
FROM pg_index AS i
CROSS JOIN LATERAL generate_series(1, i.indnkeyatts) AS n (place)
CROSS JOIN LATERAL (
    SELECT
        '(' || pg_get_indexdef(i.indexrelid, n.place, false) || ')' AS expression,
        pg_get_expr(i.indpred, i.indrelid) AS predicate
) AS k
WHERE i.indexrelid = index_id;
$$;
REVOKE ALL ON FUNCTION tenancy_private.matches_of_key(oid, text, boolean) FROM public;

-- The settings decide how pg_get_indexdef() writes an expression. They are fixed here and in
-- key_checks(): otherwise no index would be found for a tenant who changed one. The triggers fix
-- standard_conforming_strings.
CREATE FUNCTION tenancy_private.refuse_taken_key(table_name regclass, columns text) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
SET datestyle = 'ISO, MDY'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
SET extra_float_digits = 1
SET bytea_output = 'hex'
AS $$
DECLARE
    key record;
BEGIN
    -- Without a context no row is revealed.
    PERFORM tenancy.current_workspace_id();
    SELECT c.relname AS name, t.relname AS table_name, n.nspname AS table_schema INTO key
    FROM pg_index AS i
    INNER JOIN pg_class AS c ON i.indexrelid = c.oid
    INNER JOIN pg_class AS t ON i.indrelid = t.oid
    INNER JOIN pg_namespace AS n ON t.relnamespace = n.oid
    WHERE i.indrelid = refuse_taken_key.table_name AND i.indisunique
        AND tenancy_private.columns_of_key(i.indexrelid) = refuse_taken_key.columns
    ORDER BY c.relname
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'duplicate key value violates unique constraint "%"', key.name
        USING ERRCODE = '23505',
        CONSTRAINT = key.name,
        SCHEMA = key.table_schema,
        TABLE = key.table_name;
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_taken_key(regclass, text) FROM public;

-- Drops functions that no table uses any more, for instance because the table was dropped.
CREATE PROCEDURE tenancy_private.drop_idle_key_checks()
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    idle regprocedure;
BEGIN
    FOR idle IN
        SELECT p.oid FROM pg_proc AS p
        WHERE p.pronamespace = 'tenancy_private'::regnamespace AND p.proname LIKE tenancy_private.key_check_names()
            AND NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgfoid = p.oid)
    LOOP
        EXECUTE format('DROP FUNCTION %s', idle);
    END LOOP;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.drop_idle_key_checks() FROM public;

CREATE PROCEDURE tenancy_private.drop_key_trigger(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    CALL tenancy_private.drop_triggers_calling(table_name, tenancy_private.key_check_names());
    CALL tenancy_private.drop_idle_key_checks();
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.drop_key_trigger(regclass) FROM public;

-- The trigger comes after the application's own, which may change the key: PostgreSQL fires
-- triggers in the order of their names.
CREATE FUNCTION tenancy_private.key_trigger(table_name regclass) RETURNS name
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN ('zzz_' || tenancy_private.name_for(table_name, 'taken'))::name;
REVOKE ALL ON FUNCTION tenancy_private.key_trigger(regclass) FROM public;

-- The body of the function that checks the keys of a table: those that tenants may write and a
-- hidden row can have, if tenants may also update rows, because an upsert requires both. NULL if
-- the table has no such key. Columns may have any name, so the new row gets the name tenancy_new.
CREATE FUNCTION tenancy_private.key_checks(table_name regclass) RETURNS text
LANGUAGE plpgsql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
SET datestyle = 'ISO, MDY'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
SET extra_float_digits = 1
SET bytea_output = 'hex'
SET standard_conforming_strings = on
AS $$
DECLARE
    relation CONSTANT name := (SELECT c.relname FROM pg_class AS c WHERE c.oid = table_name);
    -- These may write any column.
    has_triggers CONSTANT boolean := EXISTS (
        SELECT FROM pg_trigger AS t
        INNER JOIN pg_proc AS f ON t.tgfoid = f.oid
        WHERE t.tgrelid = table_name AND NOT t.tgisinternal
            -- FOR EACH ROW, BEFORE, INSERT.
            AND t.tgtype & 7 = 7
            AND f.pronamespace NOT IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace)
    );
    checks CONSTANT text := (
        SELECT
            string_agg(
                CASE
                    WHEN f.found_slowly IS NULL
                        THEN format(E'    IF EXISTS (\n%s    ) THEN\n        %s;\n    END IF;\n', f.found, f.refuse)
                    -- Without the index, the expression may fail for a row that is not in it.
                    ELSE format(
                        E'    DECLARE\n        tenancy_taken boolean;\n    BEGIN\n        BEGIN\n'
                        '            tenancy_taken := EXISTS (\n%s            );\n'
                        '        EXCEPTION\n            WHEN OTHERS THEN\n                tenancy_taken := EXISTS (\n%s'
                        '                );\n        END;\n'
                        '        IF tenancy_taken THEN\n            %s;\n        END IF;\n    END;\n',
                        f.found, f.found_slowly, f.refuse
                    )
                END, '' ORDER BY c.relname
            )
        FROM tenancy_private.protected_tables AS p
        INNER JOIN tenancy_private.access AS a ON p.table_name = a.table_name AND a.command = 'INSERT'
        INNER JOIN tenancy_private.access AS u ON p.table_name = u.table_name AND u.command = 'UPDATE'
        INNER JOIN pg_index AS i ON p.table_name = i.indrelid AND i.indisunique
        INNER JOIN pg_class AS c ON i.indexrelid = c.oid
        -- A child below an author's table.
        CROSS JOIN LATERAL (
            SELECT CASE WHEN p.shape = 'child' THEN tenancy_private.parent_floor(p.table_name, p.parent, true) END AS is_theirs
        ) AS h
        CROSS JOIN LATERAL (
            SELECT
                coalesce(bool_or(o.attname = p.key), false) AS has_key,
                coalesce(bool_or(o.attname = p.author), p.author IS NULL) AS has_author,
                -- Whether it can be the key of an existing row: no column is always new.
                bool_and(
                    o.attname IS NULL OR o.attname IN (p.key, p.author)
                    -- Also a column that has been renamed since.
                    OR has_column_privilege('tenancy_credentialed', o.attrelid, o.attnum, 'INSERT')
                    OR o.attgenerated <> '' OR has_triggers OR CASE
                        WHEN o.attidentity <> '' THEN false
                        WHEN d.adbin IS NULL THEN i.indnullsnotdistinct
                        ELSE pg_get_expr(d.adbin, d.adrelid) !~ '(nextval|uuid[a-z0-9_]*)[(]'
                    END
                ) AS may_exist
            FROM generate_series(1, i.indnkeyatts) AS n (place)
            LEFT JOIN pg_attribute AS o ON o.attrelid = i.indrelid AND o.attnum = i.indkey[n.place - 1] AND o.attnum > 0
            LEFT JOIN pg_attrdef AS d ON o.attrelid = d.adrelid AND o.attnum = d.adnum
        ) AS k
        -- When the trigger runs, generated columns are still empty.
        CROSS JOIN LATERAL (
            SELECT
                CASE
                    WHEN bool_or(o.attgenerated = 's') THEN format(
                        'SELECT %s FROM (SELECT (tenancy_new).*) AS g', string_agg(
                            CASE o.attgenerated
                                WHEN 's' THEN format(
                                    '(%s)::%s AS %I', pg_get_expr(d.adbin, d.adrelid), format_type(o.atttypid, o.atttypmod),
                                    o.attname
                                )
                                ELSE quote_ident(o.attname)
                            END, ', ' ORDER BY o.attnum
                        )
                    )
                    ELSE 'SELECT (tenancy_new).*'
                END AS new_row
            FROM pg_attribute AS o
            LEFT JOIN pg_attrdef AS d ON o.attrelid = d.adrelid AND o.attnum = d.adnum
            WHERE o.attrelid = i.indrelid AND o.attnum > 0 AND (
                o.attnum = ANY(i.indkey::smallint[])
                -- In an expression or a predicate.
                OR EXISTS (
                    SELECT FROM pg_depend AS u
                    WHERE u.classid = 'pg_class'::regclass AND u.objid = i.indexrelid
                        AND u.refclassid = 'pg_class'::regclass AND u.refobjid = o.attrelid AND u.refobjsubid = o.attnum
                )
            )
        ) AS r
        CROSS JOIN LATERAL (
            SELECT
                min(q.query) FILTER (WHERE NOT q.is_guarded) AS found,
                min(q.query) FILTER (WHERE q.is_guarded) AS found_slowly,
                format('PERFORM tenancy_private.refuse_taken_key(tg_relid, %L)', tenancy_private.columns_of_key(i.indexrelid)) AS refuse
            FROM (
                SELECT
                    g.is_guarded,
                    format(
                        E'        SELECT FROM %s AS %I\n        WHERE %s\n            AND (%s)\n',
                        p.table_name, relation, tenancy_private.matches_of_key(i.indexrelid, r.new_row, g.is_guarded),
                        concat_ws(
                            ' OR ', format('%I.%I IS DISTINCT FROM tenancy_new.%2$I', relation, p.key),
                            CASE
                                WHEN p.author IS NOT NULL
                                    THEN format('%I.%I IS DISTINCT FROM tenancy_new.%2$I', relation, p.author)
                            END,
                            '(' || h.is_theirs || ') IS NOT TRUE'
                        )
                    ) AS query
                FROM (VALUES (false), (i.indexprs IS NOT NULL AND i.indpred IS NOT NULL)) AS g (is_guarded)
            ) AS q
        ) AS f
        WHERE p.table_name = key_checks.table_name
            -- Where the key names everything that hides a row, its row is visible.
            AND NOT (k.has_key AND k.has_author AND h.is_theirs IS NULL)
            AND k.may_exist
    );
BEGIN
    RETURN CASE WHEN checks IS NOT NULL THEN format(
        E'\n#variable_conflict use_column\nDECLARE\n    tenancy_new ALIAS FOR new;\nBEGIN\n%s    RETURN new;\nEND;\n', checks
    ) END;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.key_checks(regclass) FROM public;

-- Creates the trigger that checks the keys of a table. Each table has its own function, so that
-- PostgreSQL plans the look-up once a session: planning costs ten times as much as the look-up
-- itself.
CREATE PROCEDURE tenancy_private.set_key_trigger(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    trigger_name CONSTANT name := tenancy_private.key_trigger(table_name);
    body CONSTANT text := tenancy_private.key_checks(table_name);
    -- Of operators and collations, for example those of an extension.
    closed_schema CONSTANT name := (
        SELECT min(n.nspname)
        FROM pg_index AS i
        CROSS JOIN LATERAL generate_series(1, i.indnkeyatts) AS k (place)
        LEFT JOIN pg_collation AS l ON l.oid = i.indcollation[k.place - 1]
        INNER JOIN pg_opclass AS c ON c.oid = i.indclass[k.place - 1]
        INNER JOIN pg_namespace AS n ON n.oid IN (l.collnamespace, c.opcnamespace)
        WHERE i.indrelid = table_name AND i.indisunique AND NOT has_schema_privilege('tenancy_owner', n.oid, 'USAGE')
    );
    check_function text;
BEGIN
    CALL tenancy_private.drop_key_trigger(table_name);
    IF body IS NULL THEN
        RETURN;
    END IF;
    IF closed_schema IS NOT NULL THEN
        RAISE EXCEPTION 'a unique key of % needs schema %, which tenancy_owner may not use', table_name, closed_schema
        USING ERRCODE = '55000',
        CONSTRAINT = 'schema_closed',
        HINT = format('GRANT USAGE ON SCHEMA %I TO tenancy_owner;', closed_schema);
    END IF;
    -- A table of another schema may have the same name.
    FOR number IN 1 .. 1000 LOOP
        check_function := format(
            'tenancy_private.%I()', tenancy_private.name_for(table_name, concat('taken', nullif(number, 1)))
        );
        EXIT WHEN to_regprocedure(check_function) IS NULL;
    END LOOP;
    EXECUTE format(
        'CREATE FUNCTION %s RETURNS trigger LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER '
        -- The caller's session parses the body, with the literals of the application's expressions.
        'SET search_path = pg_catalog, pg_temp SET debug_print_plan = off SET standard_conforming_strings = on AS %L',
        check_function, body
    );
    -- Also from roles to which the deployer's default privileges granted it.
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM ', check_function) || (
        SELECT concat_ws(', ', 'PUBLIC', string_agg(a.grantee::regrole::text, ', '))
        FROM pg_proc AS p
        CROSS JOIN LATERAL aclexplode(p.proacl) AS a
        WHERE p.oid = to_regprocedure(check_function) AND a.grantee NOT IN (0, p.proowner)
    );
    EXECUTE format('ALTER FUNCTION %s OWNER TO tenancy_owner', check_function);
    EXECUTE format(
        'CREATE TRIGGER %I BEFORE INSERT ON %s FOR EACH ROW '
        'WHEN (pg_has_role(''tenancy_credentialed'', ''USAGE'') AND row_security_active(%L::regclass)) '
        'EXECUTE FUNCTION %s',
        trigger_name, table_name, format('%s', table_name), check_function
    );
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', table_name, trigger_name);
    CALL tenancy_private.record_triggers(table_name, trigger_name);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.set_key_trigger(regclass) FROM public;

-- What the application adds after the last allow(), a unique index or a trigger that writes a
-- key, is not in the check: one row for each such table, with the statement that repairs it.
CREATE FUNCTION tenancy_private.unchecked_keys(only_table regclass DEFAULT NULL)
RETURNS TABLE (table_name text, problem text, repair text)
LANGUAGE sql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT
    p.table_name::text,
    'its check of taken keys does not match its unique keys',
    format('CALL tenancy_private.set_key_trigger(%L);', p.table_name::text)
FROM tenancy_private.protected_tables AS p
LEFT JOIN pg_trigger AS t ON p.table_name = t.tgrelid AND t.tgname = tenancy_private.key_trigger(p.table_name)
LEFT JOIN pg_proc AS f ON t.tgfoid = f.oid
WHERE (only_table IS NULL OR p.table_name = only_table)
    AND f.prosrc IS DISTINCT FROM tenancy_private.key_checks(p.table_name)
ORDER BY 1;
$$;
REVOKE ALL ON FUNCTION tenancy_private.unchecked_keys(regclass) FROM public;

-- For the verify script.
CREATE PROCEDURE tenancy_private.verify_keys()
LANGUAGE sql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
CALL tenancy_private.require_no_problems(
    'tenancy_private.unchecked_keys',
    'keys_unchecked',
    'tenants could probe for keys of other tenants',
    'A unique index or a trigger has been added or changed since the last allow().'
);
$$;
REVOKE ALL ON ROUTINE tenancy_private.verify_keys() FROM public;

\ir ../../notes/done.psql
COMMIT;
