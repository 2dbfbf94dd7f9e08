-- Revert pg-tenancy:platform/instance_prices from pg

\set change platform/instance_prices
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION finops.hourly_price(uuid);

DO $$
DECLARE
    read record;
BEGIN
    FOR read IN
        SELECT DISTINCT a.table_name FROM tenancy_private.adopted_parts AS a WHERE a.change = 'platform/instance_prices'
    LOOP
        CALL tenancy_private.drop_parts(read.table_name, 'platform/instance_prices');
    END LOOP;
END;
$$;

\ir ../../notes/done.psql
COMMIT;
