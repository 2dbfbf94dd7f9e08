-- Revert pg-tenancy:platform/instance_prices from pg

\set change platform/instance_prices
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION finops.hourly_price(uuid);

SELECT format('REVOKE SELECT (%I) ON public.instance_types FROM tenancy_owner', a.attname)
FROM pg_attribute AS a
WHERE a.attrelid = to_regclass('public.instance_types')
    AND a.attname IN ('id', 'cost_per_hour')
    AND NOT a.attisdropped
\gexec

\ir ../../notes/done.psql
COMMIT;
