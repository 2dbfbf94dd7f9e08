-- Costs: functions for holders of the permission, and rollups that nobody can read.
-- noqa: disable=LT05

BEGIN;
SELECT plan(14);

-- Acme with an owner and a user, an instance and a minute of it.
INSERT INTO public.users (id, email, username) VALUES
('00000000-0000-0000-0000-0000000000a1', 'ann@example.com', 'ann'),
('00000000-0000-0000-0000-0000000000a2', 'uma@example.com', 'uma');
INSERT INTO public.organizations (id, name, slug, created_by_user_id) VALUES
('00000000-0000-0000-0000-0000000000b1', 'Acme', 'acme', '00000000-0000-0000-0000-0000000000a1');
INSERT INTO public.organization_memberships (organization_id, user_id, role) VALUES
('00000000-0000-0000-0000-0000000000b1', '00000000-0000-0000-0000-0000000000a1', 'owner'),
('00000000-0000-0000-0000-0000000000b1', '00000000-0000-0000-0000-0000000000a2', 'user');
INSERT INTO public.providers (id, name) VALUES ('00000000-0000-0000-0000-0000000000c1', 'Cloud');
INSERT INTO public.instances (id, provider_id, organization_id, status, hourly_price_eur) VALUES
('00000000-0000-0000-0000-0000000000d1', '00000000-0000-0000-0000-0000000000c1', '00000000-0000-0000-0000-0000000000b1', 'ready', 2.5);
INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)
SELECT '2026-01-01 12:00:00+00'::timestamptz + n * interval '1 minute', '00000000-0000-0000-0000-0000000000c1', '00000000-0000-0000-0000-0000000000d1', 0.01
FROM generate_series(1, 10) AS n;

SELECT results_eq(
    $$ SELECT DISTINCT c.workspace_id FROM finops.cost_actual_minute AS c $$,
    $$ VALUES ('00000000-0000-0000-0000-0000000000b1'::uuid) $$,
    'a minute is where its instance is'
);
SELECT is(finops.hourly_price('00000000-0000-0000-0000-0000000000d1'), 2.5, 'the price is the instance''s');
SELECT ok(finops.is_running('ready') AND finops.is_running('of our own') AND NOT finops.is_running('terminated'), 'what has not ended costs something');

-- No login of tenants reads the sums of costs, or computes them.
SELECT table_privs_are('tenancy_private', t.name, r.role, '{}'::text[])
FROM (VALUES ('cost_hours'), ('cost_day_parts')) AS t (name)
CROSS JOIN (VALUES ('tenancy_app'), ('tenancy_service')) AS r (role);
SELECT function_privs_are('finops', 'roll_up', ARRAY['integer'], 'tenancy_app', '{}'::text[]);
SELECT function_privs_are('finops', 'hourly_price', ARRAY['uuid'], 'tenancy_app', '{}'::text[]);

-- The owner's turn.
SET LOCAL ROLE tenancy_app;
SELECT throws_ok(
    $$ SELECT * FROM finops.costs_summary('2026-01-01', '2026-01-02') $$, '28000', NULL, 'in no workspace there are no costs'
);
SELECT tenancy.enter('00000000-0000-0000-0000-0000000000a1', '00000000-0000-0000-0000-0000000000b1');
SELECT is(s.consumed_eur, 0.1, 'an owner sees what the organization spent')
FROM finops.costs_summary('2026-01-01', '2026-01-02') AS s;
SELECT is(f.forecast_eur, 60::numeric, 'and what the next day will cost') FROM finops.cost_forecast('day') AS f;
SELECT throws_ok(
    $$ SELECT * FROM finops.costs_by('2026-01-01', '2026-01-02', 'weather') $$, '22023', NULL, 'what makes no sense is refused'
);
RESET ROLE;

-- The user's turn, in a new session.
SELECT set_config('tenancy.context', '', true);
SELECT is(
    (SELECT count(*) FROM pg_proc AS p WHERE p.pronamespace = 'finops'::regnamespace AND p.prosecdef AND p.prosrc ~ 'require_permission\(''finops.view''\)'),
    6::bigint, 'each of the functions asks for the permission'
);

SELECT finish();
ROLLBACK;
