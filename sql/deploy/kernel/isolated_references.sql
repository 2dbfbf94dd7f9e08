-- Deploy pg-tenancy:kernel/isolated_references to pg
-- requires: kernel/policy_forms

\set change kernel/isolated_references
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- PostgreSQL checks foreign keys without policies: a column that tenants write and that refers
-- to rows of tenants could link to other tenants' rows, and reveal which exist. Another key that
-- compares the workspaces does not help: its name in the error tells another tenant's row from
-- one that does not exist, and a NULL in a further column of it lets both pass.
CREATE FUNCTION tenancy_private.references_to_others(table_name regclass, key name, columns name[])
RETURNS TABLE (name name, columns_of_key name[], repair text)
LANGUAGE sql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
WITH keys AS (
    SELECT
        c.conname AS name, c.confrelid::regclass AS referred, c.confdeltype, p.shape, p.key,
        w.columns, w.referred_columns, w.compares_workspaces, w.list, w.referred_list,
        CASE c.confdeltype
            WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN format('SET NULL (%s)', w.list)
            WHEN 'd' THEN format('SET DEFAULT (%s)', w.list) WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION'
        END AS on_delete,
        tenancy_private.is_enforced(c) AS is_enforced,
        to_jsonb(c) ->> 'conperiod' = 'true' AS is_temporal
    FROM pg_constraint AS c
    INNER JOIN tenancy_private.protected_tables AS p ON c.confrelid = p.table_name
    CROSS JOIN LATERAL (
        SELECT
            array_agg(a.attname ORDER BY k.place) AS columns,
            array_agg(r.attname ORDER BY k.place) AS referred_columns,
            bool_or(a.attname = references_to_others.key AND r.attname = p.key) AS compares_workspaces,
            string_agg(quote_ident(a.attname), ', ' ORDER BY k.place) AS list,
            string_agg(quote_ident(r.attname), ', ' ORDER BY k.place) AS referred_list
        FROM unnest(c.conkey, c.confkey) WITH ORDINALITY AS k (here, there, place)
        INNER JOIN pg_attribute AS a ON c.conrelid = a.attrelid AND k.here = a.attnum
        INNER JOIN pg_attribute AS r ON c.confrelid = r.attrelid AND k.there = r.attnum
    ) AS w
    WHERE c.conrelid = references_to_others.table_name AND c.contype = 'f'
)

SELECT
    k.name,
    k.columns,
    CASE
        -- It does the same, and compares the workspaces.
        WHEN EXISTS (
            SELECT FROM keys AS o
            WHERE o.referred = k.referred AND o.confdeltype = k.confdeltype AND o.compares_workspaces AND o.is_enforced
                AND o.columns @> k.columns AND cardinality(o.columns) = cardinality(k.columns) + 1
        ) THEN format('ALTER TABLE %s DROP CONSTRAINT %I;', references_to_others.table_name, k.name)
        -- The key that it refers to has to be created anew first, by an index of GiST.
        WHEN k.is_temporal THEN format(
            'ALTER TABLE %s DROP CONSTRAINT %I; -- and add it with %I as the first column of it and of the key of %s',
            references_to_others.table_name, k.name, references_to_others.key, k.referred
        )
        ELSE concat(
            CASE
                WHEN NOT tenancy_private.has_unique_index(k.referred, k.key || k.referred_columns)
                    THEN format('CREATE UNIQUE INDEX ON %s (%I, %s); ', k.referred, k.key, k.referred_list)
            END,
            format(
                'ALTER TABLE %s DROP CONSTRAINT %I, ADD FOREIGN KEY (%I, %s) REFERENCES %s (%I, %s) '
                'ON UPDATE CASCADE ON DELETE %s;',
                references_to_others.table_name, k.name, references_to_others.key, k.list, k.referred, k.key,
                k.referred_list, k.on_delete
            )
        )
    END
FROM keys AS k
WHERE k.columns && references_to_others.columns
    AND k.shape IN ('tenant', 'child', 'author', 'catalogue')
    AND k.referred_columns <> ARRAY[k.key]
    AND NOT k.compares_workspaces;
$$;
REVOKE ALL ON FUNCTION tenancy_private.references_to_others(regclass, name, name[]) FROM public;

CREATE PROCEDURE tenancy_private.require_own_references(
    table_name regclass, key name, columns name[]
)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    reference record;
    child text;
BEGIN
    SELECT r.* INTO reference
    FROM tenancy_private.references_to_others(table_name, key, columns) AS r
    ORDER BY r.name
    LIMIT 1;
    IF FOUND THEN
        -- A table has one parent.
        child := (
            SELECT format('Protect it as a child, parent => %L, or: ', reference.columns_of_key[1])
            FROM tenancy_private.protected_tables AS p
            WHERE p.table_name = require_own_references.table_name AND p.shape = 'tenant'
                AND p.key = 'workspace_id' AND cardinality(reference.columns_of_key) = 1
        );
        RAISE EXCEPTION '%.% may refer to a row of another tenant', table_name,
            array_to_string(reference.columns_of_key, ', ')
        USING ERRCODE = '22023',
        CONSTRAINT = 'reference_not_isolated',
        HINT = concat(child, reference.repair);
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.require_own_references(regclass, name, name[]) FROM public;

-- What allow() refuses, in keys that the application has added since, or in place of ours, as a
-- tool does that compares the database with its models; and children whose key it has dropped.
-- Our own changes decide on their tables.
CREATE FUNCTION tenancy_private.open_references(only_table regclass DEFAULT NULL)
RETURNS TABLE (table_name text, problem text, repair text)
LANGUAGE sql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT
    p.table_name::text,
    format('by %I tenants may refer to rows of other tenants', r.name),
    r.repair
FROM tenancy_private.protected_tables AS p
INNER JOIN pg_class AS t ON t.oid = p.table_name
CROSS JOIN LATERAL (
    SELECT array_agg(a.attname) AS columns
    FROM pg_attribute AS a
    WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND (
        has_column_privilege('tenancy_credentialed', t.oid, a.attnum, 'INSERT')
        OR has_column_privilege('tenancy_credentialed', t.oid, a.attnum, 'UPDATE')
    )
) AS w
CROSS JOIN LATERAL tenancy_private.references_to_others(p.table_name, p.key, w.columns) AS r
WHERE NOT p.shipped AND (only_table IS NULL OR p.table_name = only_table)
UNION ALL
SELECT
    p.table_name::text,
    format('no foreign key by %I: add one, and run the contract again, or tenants may refer to rows of other tenants', p.parent),
    NULL
FROM tenancy_private.protected_tables AS p
INNER JOIN pg_attribute AS a ON p.table_name = a.attrelid AND p.parent = a.attname AND NOT a.attisdropped
WHERE p.shape = 'child' AND NOT p.shipped AND (only_table IS NULL OR p.table_name = only_table)
    AND NOT EXISTS (
        SELECT FROM pg_constraint AS c
        WHERE c.conrelid = p.table_name AND c.contype = 'f' AND a.attnum = ANY(c.conkey)
            AND tenancy_private.is_enforced(c)
    )
ORDER BY 1, 2;
$$;
REVOKE ALL ON FUNCTION tenancy_private.open_references(regclass) FROM public;

-- For the verify script.
CREATE PROCEDURE tenancy_private.verify_references()
LANGUAGE sql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
CALL tenancy_private.require_no_problems(
    'tenancy_private.open_references',
    'references_open',
    'foreign keys do not compare the workspaces',
    'For a parent run the contract of the table again.'
);
$$;
REVOKE ALL ON ROUTINE tenancy_private.verify_references() FROM public;

\ir ../../notes/done.psql
COMMIT;
