-- Deploy pg-tenancy:foreign_keys to pg
-- requires: foreign_key_indexes

-- Not one transaction: it lets readers and writers through, and when it is
-- stopped anywhere the next deploy goes on from there.
SET statement_timeout = 0;

\ir ../adoption/expected.psql
\ir ../adoption/patiently.psql
\ir ../adoption/orphans.psql

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

DO $$
DECLARE
    unvalidated record;
BEGIN
    FOR unvalidated IN
        SELECT f.relation, f.conname, f.is_ours
        FROM pg_temp.found_foreign_keys AS f
        WHERE NOT f.is_valid
        ORDER BY f.schema_name DESC, f.table_name, f.column_name
    LOOP
        IF unvalidated.is_ours IS NOT TRUE THEN
            RAISE NOTICE '% on % was there before and is not validated: it stays as it is',
                unvalidated.conname, unvalidated.relation;
            CONTINUE;
        END IF;
        CALL pg_temp.validate_constraint(unvalidated.relation, unvalidated.conname);
        COMMIT;
    END LOOP;
END; $$;
