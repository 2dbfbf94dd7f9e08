-- Verify pg-tenancy:foreign_keys on pg

BEGIN;

\ir ../adoption/expected.psql

DO $$
DECLARE
    wrong text;
BEGIN
    SELECT string_agg(format('%s (%s)', k.relation, k.column_name), ', ')
    INTO wrong
    FROM pg_temp.missing_foreign_keys AS k;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'references are without a foreign key: %', wrong;
    END IF;

    SELECT string_agg(format('%s on %s', f.conname, f.relation), ', ')
    INTO wrong
    FROM pg_temp.found_foreign_keys AS f
    WHERE f.is_ours AND NOT f.is_valid;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'foreign keys are not validated: %', wrong;
    END IF;

    SELECT string_agg(format('%s on %s', f.conname, f.relation), ', ')
    INTO wrong
    FROM pg_temp.found_foreign_keys AS f
    INNER JOIN pg_temp.expected_columns AS e
        ON f.relation = e.relation AND f.column_name = e.column_name
    INNER JOIN pg_catalog.pg_attribute AS a
        ON f.relation = a.attrelid AND f.column_name = a.attname
    WHERE f.is_ours
        AND f.confdeltype <> CASE
            WHEN f.on_delete = 'CASCADE' THEN 'c'
            WHEN f.on_delete = 'SET NULL' AND NOT a.attnotnull THEN 'n'
            ELSE 'r'
        END;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'a delete does not do what it should: %', wrong;
    END IF;
END; $$;

ROLLBACK;
