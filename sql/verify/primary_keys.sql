-- Verify pg-tenancy:primary_keys on pg

BEGIN;

\ir ../adoption/expected.psql

DO $$
DECLARE
    wrong text;
BEGIN
    SELECT string_agg(format('%s (%s)', k.relation, array_to_string(k.columns, ', ')), ', ')
    INTO wrong
    FROM pg_temp.missing_primary_keys AS k;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'tables are without a primary or unique key: %', wrong;
    END IF;

    -- Nothing that was only meant for the way there.
    SELECT string_agg(format('%s on %s', l.name, l.relation), ', ')
    INTO wrong
    FROM (
        SELECT c.conname AS name, c.conrelid::regclass AS relation
        FROM pg_catalog.pg_constraint AS c
        WHERE c.contype = 'c' AND c.conname LIKE '%\_tenancy\_not\_null'
        UNION ALL
        SELECT c.relname, i.indrelid::regclass
        FROM pg_catalog.pg_index AS i
        INNER JOIN pg_catalog.pg_class AS c ON i.indexrelid = c.oid
        WHERE i.indisunique AND c.relname LIKE '%\_tenancy\_building'
    ) AS l
    WHERE l.relation IN (SELECT t.relation FROM pg_temp.expected_tables AS t);
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'leftovers of an unfinished deploy: %', wrong;
    END IF;
END; $$;

ROLLBACK;
