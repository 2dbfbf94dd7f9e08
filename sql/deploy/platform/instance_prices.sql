-- Deploy pg-tenancy:platform/instance_prices to pg
-- requires: platform/instances_functions

\set change platform/instance_prices
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

-- An application has the price in the instance, in its type, or in both: then the instance's
-- own counts. Created for the existing columns; if prices are elsewhere, a DBA replaces it.
SELECT count(*) = 3 AS has_types
FROM pg_attribute AS a
WHERE NOT a.attisdropped AND (
    (a.attrelid = 'public.instances'::regclass AND a.attname = 'instance_type_id')
    OR (
        a.attrelid = to_regclass('public.instance_types')
        AND a.attname IN ('id', 'cost_per_hour')
    )
)
\gset
\if :has_types
CALL tenancy_private.grant_read('public.instance_types', 'platform/instance_prices');
\endif

GRANT CREATE ON SCHEMA finops TO tenancy_owner;
SET LOCAL ROLE tenancy_owner;

DO $$
DECLARE
    has_own CONSTANT boolean := EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = 'public.instances'::regclass AND a.attname = 'hourly_price_eur' AND NOT a.attisdropped
    );
    has_types CONSTANT boolean := EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = to_regclass('public.instance_types') AND a.attname = 'cost_per_hour'
            AND has_column_privilege(a.attrelid, a.attnum, 'SELECT')
    );
BEGIN
    EXECUTE format(
        'CREATE FUNCTION finops.hourly_price(instance uuid) RETURNS numeric LANGUAGE sql STABLE PARALLEL SAFE '
        'SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET debug_print_plan = off AS %L',
        format(
            'SELECT (%s)::numeric FROM public.instances AS i%s WHERE i.id = hourly_price.instance',
            concat_ws(
                '', CASE WHEN has_own AND has_types THEN 'coalesce(' END,
                CASE WHEN has_own THEN 'i.hourly_price_eur' END,
                CASE WHEN has_own AND has_types THEN ', ' END,
                CASE WHEN has_types THEN 't.cost_per_hour' END,
                CASE WHEN has_own AND has_types THEN ')' END,
                CASE WHEN NOT has_own AND NOT has_types THEN 'NULL' END
            ),
            CASE WHEN has_types THEN ' LEFT JOIN public.instance_types AS t ON i.instance_type_id = t.id' ELSE '' END
        )
    );
END;
$$;
REVOKE ALL ON FUNCTION finops.hourly_price(uuid) FROM public;
GRANT EXECUTE ON FUNCTION finops.hourly_price(uuid) TO tenancy_service;
COMMENT ON FUNCTION finops.hourly_price(uuid) IS
'The price of an hour of an instance, in euros: its own, or else its type''s. NULL if neither is known.';

RESET ROLE;

-- A schema created by pg-tenancy stays as it is.
SELECT n.nspowner <> 'tenancy_owner'::regrole AS finops_is_adopted
FROM pg_namespace AS n
WHERE n.nspname = 'finops'
\gset
\if :finops_is_adopted
REVOKE CREATE ON SCHEMA finops FROM tenancy_owner;
\endif

\ir ../../notes/done.psql
COMMIT;
