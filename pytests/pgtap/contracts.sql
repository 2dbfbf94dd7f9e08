-- The contract of each protected table; differences are named.

BEGIN;
SELECT plan(9);

SELECT lives_ok(
    'CALL tenancy_private.verify_contracts()',
    'a database as it was deployed keeps its contracts'
);
SELECT is_empty(
    $$
    SELECT c.oid::regclass
    FROM pg_class AS c
    WHERE c.relkind IN ('r', 'p')
        AND (c.relrowsecurity OR c.relnamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace))
        AND c.oid NOT IN (SELECT t.table_name FROM tenancy_private.contracts AS t)
    $$,
    'no protected table is without a contract'
);
SELECT is_empty(
    $$
    SELECT t.tgname
    FROM pg_trigger AS t
    INNER JOIN pg_proc AS p ON t.tgfoid = p.oid
    WHERE NOT t.tgisinternal
        AND p.pronamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace)
        AND NOT EXISTS (
            SELECT FROM tenancy_private.contracts AS c
            WHERE c.table_name = t.tgrelid AND c.kind = 'trigger' AND c.name = t.tgname
        )
    $$,
    'no trigger is without a contract'
);

ALTER TABLE public.models DISABLE ROW LEVEL SECURITY;
SELECT throws_ok(
    $$CALL tenancy_private.record_contract('public.models')$$,
    '55000',
    'row-level security of public.models is disabled',
    'an open table has no contract to be recorded'
);
SELECT throws_ok(
    $$CALL tenancy_private.verify_contracts()$$,
    '55000',
    E'tables differ from their contracts:\n'
    'public.models: row-level security is disabled, forced, wanted enabled, forced',
    'an open table is named'
);
SELECT results_eq(
    $$SELECT b.repair FROM tenancy_private.broken_contracts() AS b$$,
    $$VALUES ('ALTER TABLE public.models ENABLE ROW LEVEL SECURITY; '
        'ALTER TABLE public.models FORCE ROW LEVEL SECURITY;')$$,
    'and so is what closes it'
);
ALTER TABLE public.models ENABLE ROW LEVEL SECURITY;

CREATE TABLE tenancy_private.further (id integer);
SELECT results_eq(
    $$SELECT b.table_name, b.problem FROM tenancy_private.broken_contracts() AS b$$,
    $$VALUES ('tenancy_private.further', 'the table has no contract')$$,
    'a further table of ours is named'
);
GRANT SELECT (id) ON tenancy_private.further TO tenancy_service;
CALL tenancy_private.close_own_table('tenancy_private.further');
SELECT is_empty(
    $$SELECT b.problem FROM tenancy_private.broken_contracts() AS b$$,
    'and closed, with nothing granted to anybody'
);

SET LOCAL ROLE tenancy_app;
SELECT throws_ok(
    $$CALL tenancy_private.record_contract('public.models')$$,
    '42501',
    'permission denied for schema tenancy_private',
    'a tenant has no business here'
);

SELECT finish();
ROLLBACK;
