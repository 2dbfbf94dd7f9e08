-- Revert pg-tenancy:platform/instance_prices from pg

\set change platform/instance_prices
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION finops.hourly_price(uuid);

CALL tenancy_private.drop_parts_of('platform/instance_prices');

\ir ../../notes/done.psql
COMMIT;
