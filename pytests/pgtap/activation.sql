-- Activation: two aspects, the roles of each, and objects that require both.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(42);

\ir include/people.psql

INSERT INTO public.providers (id, name) VALUES ('00000000-0000-4000-8000-000000000020', 'provider');
INSERT INTO public.models (id, name, model_id, organization_id) VALUES
('00000000-0000-4000-8000-000000000031', 'public', 'p', NULL),
('00000000-0000-4000-8000-000000000032', 'of Acme', 'a', '00000000-0000-4000-8000-000000000001'),
('00000000-0000-4000-8000-000000000033', 'of Globex', 'g', '00000000-0000-4000-8000-000000000002');
INSERT INTO public.instances (id, provider_id, organization_id, user_id, status) VALUES
('00000000-0000-4000-8000-000000000021', '00000000-0000-4000-8000-000000000020',
    '00000000-0000-4000-8000-000000000001', NULL, 'provisioning'),
('00000000-0000-4000-8000-000000000023', '00000000-0000-4000-8000-000000000020',
    NULL, '00000000-0000-4000-8000-00000000000a', 'ready');

SELECT results_eq(
    'SELECT name, is_operational FROM public.models ORDER BY name',
    $$ VALUES ('of Acme', false), ('of Globex', false), ('public', true) $$, 'an organization''s wait, the platform''s do not'
);
SELECT results_eq(
    'SELECT is_operational FROM public.instances ORDER BY id', 'VALUES (false), (true)', 'nor does what is a person''s'
);

-- Triggers and columns of each of the three tables, and privileges on functions.
SELECT has_trigger('public', t.name, t.name || s.suffix, t.name || s.suffix)
FROM (VALUES ('api_keys'), ('instances'), ('models')) AS t (name)
CROSS JOIN (VALUES ('_tenancy_activation'), ('_workspace_tenancy_activation'), ('_tenancy_activation_audit')) AS s (suffix);
SELECT function_privs_are('tenancy', f.name, f.arguments, 'tenancy_credentialed', ARRAY['EXECUTE'], f.name)
FROM (VALUES
    ('activate', ARRAY['text', 'uuid', 'text']), ('deactivate', ARRAY['text', 'uuid', 'text']),
    ('require_operational', ARRAY['text', 'uuid'])
) AS f (name, arguments);
SELECT function_privs_are('tenancy', f.name, f.arguments, 'public', '{}'::text[], 'and not by everybody: ' || f.name)
FROM (VALUES
    ('activate', ARRAY['text', 'uuid', 'text']), ('deactivate', ARRAY['text', 'uuid', 'text']),
    ('require_operational', ARRAY['text', 'uuid'])
) AS f (name, arguments);
SELECT column_privs_are('public', t.name, c.name, 'tenancy_credentialed', ARRAY['SELECT'], t.name || '.' || c.name)
FROM (VALUES ('api_keys'), ('instances'), ('models')) AS t (name)
CROSS JOIN (VALUES ('tech_activated_by'), ('is_operational')) AS c (name);

SAVEPOINT turn;
SET LOCAL ROLE tenancy_app;

-- Adam, an admin, in Acme.
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000b', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is(tenancy.activate('model', '00000000-0000-4000-8000-000000000032', 'tech'), false, 'one of two is not enough');
SELECT throws_ok(
    $$ SELECT tenancy.activate('model', '00000000-0000-4000-8000-000000000032', 'eco') $$, '42501', NULL,
    'the costs are not an admin''s'
);
SELECT throws_ok(
    $$ UPDATE public.models SET is_operational = true $$, '42501', NULL, 'and nobody writes the columns'
);
SELECT throws_ok(
    $$ SELECT tenancy.activate('model', '00000000-0000-4000-8000-000000000033', 'tech') $$, 'P0002',
    'this workspace has no such model', 'what is Globex''s is not there'
);
SELECT throws_ok(
    $$ SELECT tenancy.activate('user', '00000000-0000-4000-8000-00000000000a', 'tech') $$, '22023', NULL, 'people are not activated'
);
SELECT throws_ok(
    $$ SELECT tenancy.require_operational('model', '00000000-0000-4000-8000-000000000032') $$, '55000',
    'model 00000000-0000-4000-8000-000000000032 is not operational: it lacks the economic activation', 'it says what is missing'
);
SELECT lives_ok(
    $$ SELECT tenancy.require_operational('model', '00000000-0000-4000-8000-000000000031') $$, 'the public model works'
);
SELECT throws_ok(
    $$ UPDATE public.instances SET model_id = '00000000-0000-4000-8000-000000000032' $$, '55000', NULL,
    'an instance does not use what waits'
);
SELECT throws_ok(
    $$ UPDATE public.instances SET status = 'ready' $$, '55000', NULL, 'nor begin its work while it waits itself'
);
SELECT throws_ok(
    $$ INSERT INTO public.instances (provider_id, status) VALUES ('00000000-0000-4000-8000-000000000020', 'ready') $$, '55000', NULL,
    'nor be made at work'
);
SELECT lives_ok(
    $$ INSERT INTO public.instances (provider_id) VALUES ('00000000-0000-4000-8000-000000000020') $$, 'but it may be made'
);
RESET ROLE;
SELECT results_eq(
    $$ SELECT action, user_id FROM tenancy.audit_log WHERE object_kind = 'model' AND action ~ 'activate' $$,
    $$ VALUES ('model.activate_tech', '00000000-0000-4000-8000-00000000000b'::uuid) $$, 'what was given is recorded, once'
);
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;

-- Olga, the owner, gives both, one after the other.
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is(tenancy.activate('instance', '00000000-0000-4000-8000-000000000021', 'tech'), false, 'first one');
SELECT is(tenancy.activate('instance', '00000000-0000-4000-8000-000000000021', 'eco'), true, 'then the other, and it works');
SELECT lives_ok($$ UPDATE public.instances SET status = 'ready' $$, 'so it may begin');
SELECT is(tenancy.deactivate('instance', '00000000-0000-4000-8000-000000000021', 'eco'), false, 'and what is taken back is missing');
SELECT results_eq(
    'SELECT tech_activated_by, eco_activated_by, is_operational FROM public.instances',
    $$ VALUES ('00000000-0000-4000-8000-00000000000a'::uuid, NULL::uuid, false) $$, 'as the row says'
);
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;

-- Olga by herself.
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') AS entered \gset
SELECT lives_ok(
    $$ SELECT tenancy.require_operational('instance', '00000000-0000-4000-8000-000000000023') $$, 'her own works as it is'
);
SELECT throws_ok(
    $$ SELECT tenancy.activate('instance', '00000000-0000-4000-8000-000000000023', 'tech') $$, '55000', NULL,
    'and has nothing to activate'
);
RESET ROLE;

SELECT finish();
ROLLBACK;
