-- Verify pg-tenancy:platform/amounts on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

\set part platform
\ir ../../adoption/expected.psql

DO $$
DECLARE
    wrong CONSTANT text := (
        SELECT string_agg(DISTINCT a.relation::text, ', ')
        FROM pg_temp.amounts AS a
        INNER JOIN pg_catalog.pg_class AS r ON a.relation = r.oid
        WHERE NOT EXISTS (
            SELECT FROM pg_catalog.pg_constraint AS c
            INNER JOIN pg_catalog.pg_attribute AS k ON c.conrelid = k.attrelid AND k.attnum = ANY(c.conkey)
            WHERE c.conrelid = a.relation AND c.conname = r.relname || '_tenancy_amounts_check' AND c.convalidated
                AND k.attname = a.column_name
        )
    );
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'tables accept amounts that are NaN or infinite: %', wrong;
    END IF;
END;
$$;

ROLLBACK;
