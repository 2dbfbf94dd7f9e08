-- Verify pg-tenancy:existing_tables on pg

BEGIN;

\ir ../adoption/expected.psql
\ir ../adoption/column_problems.psql

DO $$
DECLARE
    list text;
BEGIN
    SELECT string_agg(c.problem, E'\n' ORDER BY c.schema_name DESC, c.table_name, c.position)
    INTO list
    FROM pg_temp.column_problems AS c;
    IF list IS NOT NULL THEN
        RAISE EXCEPTION 'columns are not what the changes stand on'
            USING DETAIL = list;
    END IF;
END; $$;

ROLLBACK;
