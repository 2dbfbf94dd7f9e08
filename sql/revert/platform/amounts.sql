-- Revert pg-tenancy:platform/amounts from pg

\set change platform/amounts
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

DO $$
DECLARE
    checked regclass;
BEGIN
    FOR checked IN
        SELECT DISTINCT a.table_name FROM tenancy_private.adopted_parts AS a WHERE a.change = 'platform/amounts'
    LOOP
        CALL tenancy_private.patiently(
            ARRAY[checked], 'ACCESS EXCLUSIVE',
            pg_catalog.format('CALL tenancy_private.drop_parts(%L, ''platform/amounts'')', checked)
        );
        COMMIT;
    END LOOP;
    DELETE FROM tenancy_private.adoptions AS a WHERE a.change = 'platform/amounts';
END;
$$;

\ir ../../notes/done.psql
