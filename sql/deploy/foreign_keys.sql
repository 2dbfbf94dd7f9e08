-- Deploy pg-tenancy:foreign_keys to pg
-- requires: foreign_key_indexes

-- Not one transaction: it lets readers and writers through, and when it is
-- stopped anywhere the next deploy goes on from there.
SET statement_timeout = 0;

\ir ../adoption/expected.psql
\ir ../adoption/patiently.psql

-- A key that is not validated yet takes its locks for an instant, and from then
-- on holds for every row that is written.
DO $$
DECLARE
    missing record;
BEGIN
    FOR missing IN
        SELECT
            k.relation,
            k.column_name,
            k.referred,
            k.on_delete,
            (SELECT k.key_name || s.suffix
            FROM unnest(ARRAY['', '1', '2', '3']) WITH ORDINALITY AS s (suffix, position)
            WHERE NOT EXISTS (
                SELECT FROM pg_catalog.pg_constraint AS c
                WHERE c.conrelid = k.relation AND c.conname = k.key_name || s.suffix
            )
            ORDER BY s.position
            LIMIT 1) AS key_name
        FROM pg_temp.missing_foreign_keys AS k
        ORDER BY k.schema_name DESC, k.table_name, k.column_name
    LOOP
        CALL pg_temp.patiently(
            ARRAY[missing.referred, missing.relation],
            'SHARE ROW EXCLUSIVE',
            format(
                'ALTER TABLE %s ADD CONSTRAINT %I FOREIGN KEY (%I) REFERENCES %s (id) '
                'ON DELETE %s NOT VALID; COMMENT ON CONSTRAINT %I ON %s IS %L',
                missing.relation, missing.key_name, missing.column_name, missing.referred,
                missing.on_delete, missing.key_name, missing.relation, 'Added by pg-tenancy.'
            )
        );
        COMMIT;
    END LOOP;
END; $$;

-- Validating reads the table and blocks nobody. Rows that came since
-- existing_tables looked can still be wrong.
DO $$
DECLARE
    unvalidated record;
    query text;
    orphans bigint;
BEGIN
    FOR unvalidated IN
        SELECT f.relation, f.column_name, f.referred, f.conname, f.is_ours
        FROM pg_temp.found_foreign_keys AS f
        WHERE NOT f.is_valid
        ORDER BY f.schema_name DESC, f.table_name, f.column_name
    LOOP
        IF unvalidated.is_ours IS NOT TRUE THEN
            RAISE NOTICE '% on % was there before and is not validated: it stays as it is',
                unvalidated.conname, unvalidated.relation;
            CONTINUE;
        END IF;
        BEGIN
            CALL pg_temp.patiently(ARRAY[unvalidated.relation], NULL, format(
                'ALTER TABLE %s VALIDATE CONSTRAINT %I', unvalidated.relation, unvalidated.conname
            ));
        EXCEPTION
            WHEN foreign_key_violation THEN
                query := format(
                    'SELECT * FROM %s AS t WHERE t.%I IS NOT NULL '
                    'AND NOT EXISTS (SELECT FROM %s AS r WHERE r.id = t.%I)',
                    unvalidated.relation, unvalidated.column_name,
                    unvalidated.referred, unvalidated.column_name
                );
                EXECUTE format('SELECT count(*) FROM (%s) AS q', query) INTO orphans;
                RAISE EXCEPTION '%: % whose % refers to no row of %', unvalidated.relation,
                    CASE orphans WHEN 1 THEN '1 row' ELSE format('%s rows', orphans) END,
                    unvalidated.column_name, unvalidated.referred
                    USING ERRCODE = '55000',
                          CONSTRAINT = 'foreign_keys',
                          DETAIL = query || ';',
                          HINT = 'Mend or delete these rows, then deploy again: it goes on here.';
        END;
        COMMIT;
    END LOOP;
END; $$;
