-- Verify pg-tenancy:foreign_key_indexes on pg

BEGIN;

\ir ../adoption/expected.psql

DO $$
DECLARE
    wrong text;
BEGIN
    SELECT string_agg(format('%s (%s)', k.relation, k.columns[1]), ', ')
    INTO wrong
    FROM pg_temp.missing_foreign_key_indexes AS k;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'references are without an index: %', wrong;
    END IF;

    SELECT string_agg(i.indexrelid::regclass::text, ', ')
    INTO wrong
    FROM pg_temp.expected_tables AS t
    INNER JOIN pg_catalog.pg_index AS i ON t.relation = i.indrelid
    INNER JOIN pg_catalog.pg_class AS c
        ON i.indexrelid = c.oid AND c.relname LIKE '%\_tenancy\_building';
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'leftovers of an unfinished deploy: %', wrong;
    END IF;
END; $$;

ROLLBACK;
