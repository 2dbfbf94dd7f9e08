-- Deploy pg-tenancy:primary_keys to pg
-- requires: base_tables

-- Not one transaction: it lets readers and writers through, and when it is
-- stopped anywhere the next deploy goes on from there. What it adds carries a
-- comment that begins with 'Added by pg-tenancy', which the revert goes by.
SET statement_timeout = 0;

\ir ../adoption/expected.psql
\ir ../adoption/patiently.psql

-- A column that may be null is closed by a check first, which takes its lock
-- for an instant only and is validated while everybody works. The check is what
-- lets SET NOT NULL below believe it without reading the table, and until then
-- it remembers that the column could be null.
DO $$
DECLARE
    nullable record;
BEGIN
    FOR nullable IN
        SELECT
            k.relation,
            c.column_name,
            left(format('%s_%s', k.table_name, c.column_name), 46) || '_tenancy_not_null' AS check_name
        FROM pg_temp.missing_primary_keys AS k
        CROSS JOIN LATERAL unnest(k.columns) AS c (column_name)
        INNER JOIN pg_catalog.pg_attribute AS a
            ON k.relation = a.attrelid AND c.column_name = a.attname AND NOT a.attnotnull
        ORDER BY k.schema_name DESC, k.table_name, a.attnum
    LOOP
        IF NOT EXISTS (
            SELECT FROM pg_catalog.pg_constraint AS c
            WHERE c.conrelid = nullable.relation AND c.conname = nullable.check_name
        ) THEN
            CALL pg_temp.patiently(ARRAY[nullable.relation], 'ACCESS EXCLUSIVE', format(
                'ALTER TABLE %s ADD CONSTRAINT %I CHECK (%I IS NOT NULL) NOT VALID; '
                'COMMENT ON CONSTRAINT %I ON %s IS %L',
                nullable.relation, nullable.check_name, nullable.column_name,
                nullable.check_name, nullable.relation,
                'Added by pg-tenancy, until the primary key is there.'
            ));
            COMMIT;
        END IF;
        CALL pg_temp.patiently(ARRAY[nullable.relation], NULL, format(
            'ALTER TABLE %s VALIDATE CONSTRAINT %I', nullable.relation, nullable.check_name
        ));
        COMMIT;
    END LOOP;
END; $$;

-- To build an index waits for the transactions that are open, however long
-- they take, and nobody waits for it.
SET lock_timeout = 0;

-- What a build that failed left behind.
SELECT format('DROP INDEX CONCURRENTLY %s', i.indexrelid::regclass)
FROM pg_temp.missing_primary_keys AS k
INNER JOIN pg_catalog.pg_index AS i ON k.relation = i.indrelid AND NOT i.indisvalid
INNER JOIN pg_catalog.pg_class AS c ON i.indexrelid = c.oid AND c.relname = k.building_name
\gexec

SELECT format(
    'CREATE UNIQUE INDEX CONCURRENTLY %I ON %s (%s)',
    k.building_name, k.relation,
    (SELECT string_agg(quote_ident(c.column_name), ', ' ORDER BY c.position)
    FROM unnest(k.columns) WITH ORDINALITY AS c (column_name, position))
)
FROM pg_temp.missing_primary_keys AS k
WHERE to_regclass(format('%I.%I', k.schema_name, k.building_name)) IS NULL
ORDER BY k.schema_name DESC, k.table_name
\gexec

-- The index becomes the key in one short transaction, which also makes the
-- columns NOT NULL and writes down which of them could be null before. That the
-- index is renamed is no news.
SET client_min_messages = warning;

DO $$
DECLARE
    missing record;
    nullable name[];
    commands text;
BEGIN
    FOR missing IN
        SELECT
            k.relation,
            k.table_name,
            k.columns,
            k.kind,
            k.building_name,
            -- The usual name may be taken, by an index that is no key.
            (SELECT k.key_name || s.suffix
            FROM unnest(ARRAY['', '1', '2', '3']) WITH ORDINALITY AS s (suffix, position)
            WHERE to_regclass(format('%I.%I', k.schema_name, k.key_name || s.suffix)) IS NULL
                AND NOT EXISTS (
                    SELECT FROM pg_catalog.pg_constraint AS c
                    WHERE c.conrelid = k.relation AND c.conname = k.key_name || s.suffix
                )
            ORDER BY s.position
            LIMIT 1) AS key_name
        FROM pg_temp.missing_primary_keys AS k
        ORDER BY k.schema_name DESC, k.table_name
    LOOP
        nullable := ARRAY(
            SELECT a.attname
            FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = missing.relation
                AND a.attname = ANY (missing.columns)
                AND NOT a.attnotnull
            ORDER BY a.attnum
        );
        SELECT coalesce(string_agg(format(
            'ALTER TABLE %s ALTER COLUMN %I SET NOT NULL; ALTER TABLE %s DROP CONSTRAINT %I; ',
            missing.relation, n.column_name, missing.relation,
            left(format('%s_%s', missing.table_name, n.column_name), 46) || '_tenancy_not_null'
        ), '' ORDER BY n.position), '')
        INTO commands
        FROM unnest(nullable) WITH ORDINALITY AS n (column_name, position);
        CALL pg_temp.patiently(ARRAY[missing.relation], 'ACCESS EXCLUSIVE', commands || format(
            'ALTER TABLE %s ADD CONSTRAINT %I %s USING INDEX %I; '
            'COMMENT ON CONSTRAINT %I ON %s IS %L',
            missing.relation, missing.key_name, missing.kind, missing.building_name,
            missing.key_name, missing.relation,
            'Added by pg-tenancy.' || CASE
                WHEN nullable = '{}' THEN ''
                ELSE format(' Could be null before: %s.', array_to_string(nullable, ', '))
            END
        ));
        COMMIT;
    END LOOP;
END; $$;
