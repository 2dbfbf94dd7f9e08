-- Offerings: visibility, access, and the costs of calls.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(52);

\ir include/people.psql

INSERT INTO public.models (id, name, model_id, organization_id) VALUES
('00000000-0000-4000-8000-000000000032', 'of Acme', 'a', '00000000-0000-4000-8000-000000000001'),
('00000000-0000-4000-8000-000000000033', 'of Globex', 'g', '00000000-0000-4000-8000-000000000002');
INSERT INTO public.organization_models (id, organization_id, model_id, name, code, visibility, access_policy) VALUES
('00000000-0000-4000-8000-000000000041', '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000032',
    'Bot', 'bot', 'public', 'pay_per_token'),
('00000000-0000-4000-8000-000000000042', '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000032',
    'Secret', 'secret', 'private', 'free'),
('00000000-0000-4000-8000-000000000043', '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000032',
    'New', 'new', 'public', 'free');
INSERT INTO tenancy.offering_prices (organization_id, offering_id, valid_from, number, eur_per_1k) VALUES
('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000041', now() - interval '1 hour', 1, 0.2);
UPDATE public.organization_models SET tech_activated_at = now(), eco_activated_at = now() WHERE code <> 'new';
SELECT tenancy.top_up('00000000-0000-4000-8000-000000000002', 1, 'opening') AS top_up \gset

CREATE TEMPORARY TABLE offering_tables (name name PRIMARY KEY);
INSERT INTO offering_tables VALUES
('offering_prices'), ('access_requests'), ('entitlements'), ('catalog_preferences'), ('usage_authorizations'), ('offering_usage');

SELECT is(
    ARRAY(
        SELECT r.role || ' ' || p.privilege
        FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p (privilege)
        CROSS JOIN unnest(ARRAY['tenancy_app', 'tenancy_service']) AS r (role)
        WHERE has_table_privilege(r.role, 'tenancy.' || t.name, p.privilege)
            OR p.privilege IN ('INSERT', 'UPDATE') AND has_any_column_privilege(r.role, 'tenancy.' || t.name, p.privilege)
    ), '{}', 'functions alone write ' || t.name
)
FROM offering_tables AS t;
SELECT is(
    ARRAY(
        SELECT p.privilege FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p (privilege)
        WHERE has_table_privilege('tenancy_app', 'public.' || t.name, p.privilege)
            OR p.privilege IN ('INSERT', 'UPDATE') AND has_any_column_privilege('tenancy_app', 'public.' || t.name, p.privilege)
    ), '{}', 'tenants write nothing of ' || t.name
)
FROM (VALUES ('organization_models'), ('organization_model_shares')) AS t (name);
SELECT has_trigger('public', 'organization_models', t.name, t.name)
FROM (VALUES
    ('organization_models_tenancy_model'), ('organization_models_tenancy_activation'),
    ('organization_models_workspace_tenancy_activation'), ('organization_models_tenancy_activation_audit')
) AS t (name);
SELECT function_privs_are('tenancy', f.name, f.arguments, 'tenancy_app', '{}'::text[], 'not for tenants: ' || f.name)
FROM (VALUES
    ('authorize_usage_for', ARRAY['uuid', 'uuid', 'bigint', 'interval', 'uuid', 'uuid']),
    ('record_usage_for', ARRAY['uuid', 'text', 'uuid', 'bigint', 'bigint', 'timestamp with time zone', 'uuid', 'uuid', 'uuid']),
    ('reconcile_usage', ARRAY['uuid'])
) AS f (name, arguments);
SELECT throws_ok(
    $$ INSERT INTO public.organization_models (organization_id, model_id, name, code) VALUES
    ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000033', 'x', 'x') $$,
    '23503', NULL, 'an organization does not offer the model of another, even to the superuser'
);
SELECT throws_ok(
    $$ INSERT INTO public.organization_models (organization_id, model_id, name, code) VALUES
    ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000032', 'x', 'bot') $$,
    '23505', NULL, 'nor two under one code'
);

-- The program that serves calls, as a service.
SET LOCAL ROLE tenancy_service;
SELECT results_eq(
    $$ SELECT amount, replayed FROM tenancy.record_usage_for(
        '00000000-0000-4000-8000-000000000002', 'r0', '00000000-0000-4000-8000-000000000041', 250, 250) $$,
    'VALUES (0.1::numeric, false)', 'a service names who pays'
);
SELECT throws_ok(
    $$ SELECT tenancy.record_usage_for('00000000-0000-4000-8000-000000000099', 'r0', '00000000-0000-4000-8000-000000000041', 1, 1) $$,
    'P0002', NULL, 'who must exist'
);
SELECT throws_ok('UPDATE tenancy.offering_usage SET amount = 0', '42501', NULL, 'and writes no call itself');
RESET ROLE;

-- Gina, Globex's owner.
SAVEPOINT gina;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000e', '00000000-0000-4000-8000-000000000002') AS entered \gset
SELECT results_eq(
    'SELECT name, is_allowed FROM tenancy.community_catalog()', $$ VALUES ('acme/bot', true) $$,
    'the catalog has what is public and operational'
);
SELECT is_empty('SELECT id FROM public.organization_models', 'the table shows nothing of others');
SELECT is_empty('SELECT offering_id FROM tenancy.offering_prices', 'nor do their prices');
SELECT throws_ok(
    format('SELECT tenancy.resolve_offering(%L)', n.name), 'P0002', 'no such offering', n.name || ' does not exist for her'
)
FROM (VALUES
    ('acme/secret'), ('00000000-0000-4000-8000-000000000042'), ('acme/nothing'), ('00000000-0000-4000-8000-000000000099')
) AS n (name);
SELECT throws_ok(
    format(c.call, '00000000-0000-4000-8000-000000000042'), 'P0002', 'no such offering', 'nor by ' || c.call
)
FROM (VALUES
    ('SELECT tenancy.request_access(%L)'), ('SELECT tenancy.authorize_usage(%L, 10)'),
    ('SELECT tenancy.record_usage(''r'', %L, 1, 1)')
) AS c (call);
SELECT throws_ok('SELECT tenancy.resolve_offering(''bot'')', '55000', NULL, 'a name says of which organization');
SELECT throws_ok(
    $$ SELECT tenancy.authorize_usage('00000000-0000-4000-8000-000000000043', 10) $$, '55000',
    'offering 00000000-0000-4000-8000-000000000043 is not operational: it lacks the technical and the economic activation',
    'what is not activated is not used'
);
SELECT throws_ok(
    $$ SELECT tenancy.update_offering('00000000-0000-4000-8000-000000000041', name => 'mine') $$, 'P0002', NULL,
    'another organization''s offering is not hers to change'
);
SELECT results_eq(
    $$ SELECT amount, charged, unpaid, replayed FROM tenancy.record_usage('r1', '00000000-0000-4000-8000-000000000041', 1000, 500) $$,
    'VALUES (0.3::numeric, 0.3::numeric, 0::numeric, false)', 'a call costs what its tokens do'
);
SELECT results_eq(
    $$ SELECT amount, replayed FROM tenancy.record_usage('r1', '00000000-0000-4000-8000-000000000041', 1000, 500) $$,
    'VALUES (0.3::numeric, true)', 'once'
);
SELECT throws_ok(
    $$ SELECT tenancy.record_usage('r1', '00000000-0000-4000-8000-000000000041', 1000, 501) $$, '23505', NULL,
    'another call under its id is refused'
);
SELECT throws_ok(
    $$ SELECT tenancy.record_usage('r2', '00000000-0000-4000-8000-000000000041', 1000000, 0) $$, 'P0001', NULL,
    'and one that costs more than there is'
);
SELECT throws_ok(
    $$ SELECT tenancy.record_usage('r2', '00000000-0000-4000-8000-000000000041', -1, 0) $$, '22023', NULL, 'and fewer tokens than none'
);
SELECT isnt(tenancy.authorize_usage('00000000-0000-4000-8000-000000000041', 3000), NULL, 'what is left can be held');
SELECT throws_ok(
    $$ SELECT tenancy.authorize_usage('00000000-0000-4000-8000-000000000041', 3000) $$, 'P0001', NULL, 'once'
);
SELECT results_eq('SELECT balance, held FROM tenancy.wallet()', 'VALUES (0.6::numeric, 0.6::numeric)', 'which her wallet shows');
SELECT results_eq(
    'SELECT request_id, amount FROM tenancy.offering_usage ORDER BY request_id',
    $$ VALUES ('r0', 0.1::numeric), ('r1', 0.3) $$, 'she sees her calls'
);
RESET ROLE;
SELECT is_empty('SELECT * FROM tenancy.reconcile_usage()', 'calls, ledger and costs agree');
SELECT is_empty('SELECT * FROM tenancy.reconcile()', 'as wallets and ledger do');
ROLLBACK TO gina;

-- Olga, Acme's owner, sees the earnings, but not the callers.
SAVEPOINT olga;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq(
    'SELECT code, calls, amount FROM tenancy.offering_earnings()', $$ VALUES ('bot', 1::bigint, 0.1::numeric) $$, 'she sees what it earned'
);
SELECT is_empty('SELECT request_id FROM tenancy.offering_usage', 'and not the call, which is the payer''s');
SELECT is(r.access, 'own', 'her own offerings are hers to use')
FROM tenancy.resolve_offering('acme/secret') AS r;
SELECT results_eq(
    $$ SELECT returned, owed, replayed FROM tenancy.reverse_usage(
        (SELECT c.usage_id FROM tenancy.offering_calls('00000000-0000-4000-8000-000000000041') AS c)) $$,
    'VALUES (0.1::numeric, 0::numeric, false)', 'she gives back what a call cost'
);
RESET ROLE;
ROLLBACK TO olga;

-- Uwe, a user there, and a login in no workspace.
SAVEPOINT uwe;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT throws_ok('SELECT * FROM tenancy.offering_earnings()', '42501', NULL, 'a user does not see what was earned');
SELECT throws_ok(
    $$ SELECT tenancy.publish_offering('00000000-0000-4000-8000-000000000032', 'more', 'More') $$, '42501', NULL, 'nor publishes'
);
RESET ROLE;
ROLLBACK TO uwe;
SET LOCAL ROLE tenancy_app;
SELECT throws_ok('SELECT * FROM tenancy.community_catalog()', '28000', NULL, 'in no workspace nothing is offered');
SELECT throws_ok('SELECT id FROM public.organization_models', '28000', NULL, 'nor shown');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
