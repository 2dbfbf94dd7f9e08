-- Deploy pg-tenancy:foreign_key_indexes to pg
-- requires: primary_keys

-- Not one transaction: indexes are built while everybody works, and when it is
-- stopped anywhere the next deploy goes on from there.
SET statement_timeout = 0;

\ir ../adoption/expected.psql
\ir ../adoption/patiently.psql

-- To build an index waits for the transactions that are open, however long
-- they take, and nobody waits for it.
SET lock_timeout = 0;

-- What a build that failed left behind.
SELECT format('DROP INDEX CONCURRENTLY %s', i.indexrelid::regclass)
FROM pg_temp.missing_foreign_key_indexes AS k
INNER JOIN pg_catalog.pg_index AS i ON k.relation = i.indrelid AND NOT i.indisvalid
INNER JOIN pg_catalog.pg_class AS c ON i.indexrelid = c.oid AND c.relname = k.building_name
\gexec

SELECT format(
    'CREATE INDEX CONCURRENTLY %I ON %s (%s)',
    k.building_name, k.relation,
    (SELECT string_agg(quote_ident(c.column_name), ', ' ORDER BY c.position)
    FROM unnest(k.columns) WITH ORDINALITY AS c (column_name, position))
)
FROM pg_temp.missing_foreign_key_indexes AS k
WHERE to_regclass(format('%I.%I', k.schema_name, k.building_name)) IS NULL
ORDER BY k.schema_name DESC, k.table_name, k.index_name
\gexec

-- Only a finished index gets its name, and the comment that the revert goes by.
DO $$
DECLARE
    built record;
BEGIN
    FOR built IN
        SELECT
            k.relation,
            k.schema_name,
            k.building_name,
            (SELECT k.index_name || s.suffix
            FROM unnest(ARRAY['', '1', '2', '3']) WITH ORDINALITY AS s (suffix, position)
            WHERE to_regclass(format('%I.%I', k.schema_name, k.index_name || s.suffix)) IS NULL
            ORDER BY s.position
            LIMIT 1) AS index_name
        FROM pg_temp.missing_foreign_key_indexes AS k
        ORDER BY k.schema_name DESC, k.table_name, k.index_name
    LOOP
        CALL pg_temp.patiently(ARRAY[built.relation], NULL, format(
            'ALTER INDEX %I.%I RENAME TO %I; COMMENT ON INDEX %I.%I IS %L',
            built.schema_name, built.building_name, built.index_name,
            built.schema_name, built.index_name, 'Added by pg-tenancy.'
        ));
        COMMIT;
    END LOOP;
END; $$;
