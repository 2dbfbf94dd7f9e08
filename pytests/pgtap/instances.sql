-- Instances: whose they are, who changes them, and in which states.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(56);

\ir include/people.psql

-- An instance of Acme, of Globex, of Olga, and one from before.
INSERT INTO public.providers (id, name) VALUES ('00000000-0000-4000-8000-000000000020', 'provider');
INSERT INTO public.models (id, name, model_id, organization_id) VALUES
('00000000-0000-4000-8000-000000000031', 'public', 'p', NULL),
('00000000-0000-4000-8000-000000000032', 'of Acme', 'a', '00000000-0000-4000-8000-000000000001'),
('00000000-0000-4000-8000-000000000033', 'of Globex', 'g', '00000000-0000-4000-8000-000000000002');
INSERT INTO public.instances (id, provider_id, organization_id, user_id, gpu_profile, status) VALUES
('00000000-0000-4000-8000-000000000021', '00000000-0000-4000-8000-000000000020',
    '00000000-0000-4000-8000-000000000001', NULL, 'of Acme', 'ready'),
('00000000-0000-4000-8000-000000000022', '00000000-0000-4000-8000-000000000020',
    '00000000-0000-4000-8000-000000000002', NULL, 'of Globex', 'ready'),
('00000000-0000-4000-8000-000000000023', '00000000-0000-4000-8000-000000000020',
    NULL, '00000000-0000-4000-8000-00000000000a', 'of Olga', 'ready'),
('00000000-0000-4000-8000-000000000024', '00000000-0000-4000-8000-000000000020', NULL, NULL, 'from before', 'ready');

-- A transaction enters one workspace, so each turn below ends with its savepoint.
SAVEPOINT turn;
SET LOCAL ROLE tenancy_app;

-- Olga, the owner, in Acme.
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq('SELECT gpu_profile FROM public.instances', $$ VALUES ('of Acme') $$, 'she sees Acme''s');
SELECT lives_ok(
    $$ INSERT INTO public.instances (provider_id, model_id, gpu_profile)
    VALUES ('00000000-0000-4000-8000-000000000020', '00000000-0000-4000-8000-000000000032', 'new') $$, 'she makes one'
);
SELECT results_eq(
    $$ SELECT organization_id, user_id, workspace_id, model_workspace_id, status FROM public.instances WHERE gpu_profile = 'new' $$,
    $$ VALUES ('00000000-0000-4000-8000-000000000001'::uuid, NULL::uuid, '00000000-0000-4000-8000-000000000001'::uuid,
        '00000000-0000-4000-8000-000000000001'::uuid, 'provisioning') $$, 'which is Acme''s'
);
SELECT lives_ok(
    $$ UPDATE public.instances SET model_id = '00000000-0000-4000-8000-000000000031' WHERE gpu_profile = 'new' $$,
    'with a public model'
);
SELECT throws_ok(
    format('UPDATE public.instances SET model_id = %L', m.id), '23503', 'the instance''s workspace has no such model', m.kind
)
FROM (VALUES
    ('00000000-0000-4000-8000-000000000033', 'not with one of Globex'), ('00000000-0000-4000-8000-000000000099', 'nor one that is none')
) AS m (id, kind);
SELECT throws_ok(
    $$ UPDATE public.instances SET organization_id = '00000000-0000-4000-8000-000000000002' $$, '42501', NULL, 'it stays Acme''s'
);
SELECT throws_ok('UPDATE public.instances SET workspace_id = NULL', '42501', NULL, 'whatever she tries');
SELECT throws_ok('UPDATE public.instances SET hourly_price_eur = 0', '42501', NULL, 'at its price');
SELECT throws_ok('DELETE FROM public.instances', '42501', NULL, 'nothing is deleted');
SELECT lives_ok($$ SELECT tenancy.reinstall_instance('00000000-0000-4000-8000-000000000021') $$, 'she reinstalls it');
SELECT results_eq(
    $$ SELECT status FROM public.instances WHERE gpu_profile = 'of Acme' $$, $$ VALUES ('reinstalling') $$, 'which a worker then does'
);
SELECT throws_ok(
    $$ SELECT tenancy.reinstall_instance('00000000-0000-4000-8000-000000000021') $$, '55000',
    'an instance that is reinstalling cannot be reinstalled', 'once at a time'
);
SELECT lives_ok($$ SELECT tenancy.terminate_instance('00000000-0000-4000-8000-000000000021') $$, 'she terminates it');
SELECT throws_ok(
    $$ SELECT tenancy.terminate_instance('00000000-0000-4000-8000-000000000021') $$, '55000',
    'an instance that is terminating cannot be terminated', 'once'
);
SELECT throws_ok(
    $$ UPDATE public.instances SET status = 'ready' WHERE gpu_profile = 'of Acme' $$, '55000',
    'an instance that is terminating cannot be anything else again', 'and for good'
);
SELECT throws_ok(
    $$ SELECT tenancy.terminate_instance('00000000-0000-4000-8000-000000000022') $$, 'P0002', NULL, 'none of Globex'
);
SELECT throws_ok(
    $$ SELECT tenancy.terminate_instance('00000000-0000-4000-8000-000000000023') $$, 'P0002', NULL, 'not her own, here'
);
SELECT throws_ok(
    $$ SELECT tenancy.terminate_instance('00000000-0000-4000-8000-000000000024') $$, 'P0002', NULL, 'nor one from before'
);

-- Adam, the admin.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000b', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT lives_ok(
    $$ INSERT INTO public.instances (provider_id) VALUES ('00000000-0000-4000-8000-000000000020') $$, 'he makes one'
);
SELECT lives_ok($$ UPDATE public.instances SET status = 'terminating' WHERE gpu_profile = 'of Acme' $$, 'and ends one by hand');

-- Mary, the manager, and Uwe, a user.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000c', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq('SELECT gpu_profile FROM public.instances', $$ VALUES ('of Acme') $$, 'she sees them');
SELECT throws_ok(
    $$ UPDATE public.instances SET gpu_profile = 'x' $$, '42501', 'permission instances.update denied to the role manager',
    'and changes none'
);
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq('SELECT gpu_profile FROM public.instances', $$ VALUES ('of Acme') $$, 'he sees them');
SELECT throws_ok(
    $$ INSERT INTO public.instances (provider_id) VALUES ('00000000-0000-4000-8000-000000000020') $$, '42501',
    'permission instances.create denied to the role user', 'and makes none'
);
SELECT throws_ok(
    $$ UPDATE public.instances SET gpu_profile = 'x' WHERE false $$, '42501', 'permission instances.update denied to the role user'
);
SELECT throws_ok(
    format('SELECT tenancy.terminate_instance(%L)', '00000000-0000-4000-8000-0000000000' || n), '42501',
    'permission instances.terminate denied to the role user', 'before anything is looked up'
)
FROM (VALUES ('21'), ('22'), ('99')) AS i (n);
SELECT throws_ok(
    $$ SELECT tenancy.reinstall_instance('00000000-0000-4000-8000-000000000021') $$, '42501',
    'permission instances.reinstall denied to the role user'
);
SELECT isnt_empty('SELECT action FROM tenancy.instance_transitions', 'he may read what the states allow');
SELECT throws_ok('DELETE FROM tenancy.instance_transitions', '42501', NULL, 'and changes none of it');

-- Olga in her personal workspace.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') AS entered \gset
SELECT results_eq(
    'SELECT gpu_profile FROM public.instances ORDER BY gpu_profile COLLATE "C"', $$ VALUES ('from before'), ('of Olga') $$,
    'she sees her own, and those from before'
);
SELECT lives_ok(
    $$ INSERT INTO public.instances (provider_id, model_id, gpu_profile)
    VALUES ('00000000-0000-4000-8000-000000000020', '00000000-0000-4000-8000-000000000031', 'new') $$, 'she makes one'
);
SELECT results_eq(
    $$ SELECT organization_id, user_id, workspace_id FROM public.instances WHERE gpu_profile = 'new' $$,
    $$ VALUES (NULL::uuid, '00000000-0000-4000-8000-00000000000a'::uuid, '00000000-0000-4000-8000-00000000000a'::uuid) $$,
    'which is hers'
);
SELECT throws_ok(
    $$ UPDATE public.instances SET model_id = '00000000-0000-4000-8000-000000000032' WHERE gpu_profile = 'new' $$, '23503', NULL,
    'without Acme''s models'
);
SELECT lives_ok($$ SELECT tenancy.terminate_instance('00000000-0000-4000-8000-000000000023') $$, 'she terminates her own');
SELECT throws_ok(
    $$ SELECT tenancy.terminate_instance('00000000-0000-4000-8000-000000000024') $$, '42501', NULL, 'and none from before'
);
SELECT throws_ok(
    $$ UPDATE public.instances SET gpu_profile = 'x' WHERE gpu_profile = 'from before' $$, '42501',
    'this row of instances is the platform''s', 'nor by hand'
);
SELECT throws_ok(
    $$ SELECT tenancy.terminate_instance('00000000-0000-4000-8000-000000000021') $$, 'P0002', NULL, 'nor one of Acme, here'
);

-- Pete, platform staff, in his personal workspace.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000f') AS entered \gset
SELECT results_eq('SELECT gpu_profile FROM public.instances', $$ VALUES ('from before') $$, 'he sees those from before');
SELECT lives_ok($$ UPDATE public.instances SET ip_address = '10.0.0.1' $$, 'he changes them');
SELECT lives_ok($$ SELECT tenancy.terminate_instance('00000000-0000-4000-8000-000000000024') $$, 'and terminates them');
SELECT throws_ok(
    $$ SELECT tenancy.terminate_instance('00000000-0000-4000-8000-000000000023') $$, 'P0002', NULL, 'but no person''s'
);

-- Gina, the owner of Globex.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000e', '00000000-0000-4000-8000-000000000002') AS entered \gset
SELECT results_eq('SELECT gpu_profile FROM public.instances', $$ VALUES ('of Globex') $$, 'she sees Globex''s');
SELECT lives_ok($$ UPDATE public.instances SET ip_address = '10.0.0.2' $$, 'and changes them all');
RESET ROLE;
SELECT is((SELECT count(*) FROM public.instances WHERE ip_address IS NOT NULL), 1::bigint, 'which are Globex''s alone');

-- In no workspace, and the application from before.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT throws_ok('SELECT id FROM public.instances', '28000', NULL, 'without a workspace there is nothing to see');
SELECT throws_ok(
    $$ INSERT INTO public.instances (provider_id) VALUES ('00000000-0000-4000-8000-000000000020') $$, '28000', NULL, 'nor to make'
);
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_service;
SELECT is((SELECT count(*) FROM public.instances), 4::bigint, 'a service sees all');
SELECT lives_ok($$ UPDATE public.instances SET status = 'terminated' $$, 'and writes any state');
SELECT lives_ok(
    $$ INSERT INTO public.instances (provider_id, gpu_profile) VALUES ('00000000-0000-4000-8000-000000000020', 'old') $$,
    'what it makes without a word'
);
SELECT results_eq(
    $$ SELECT organization_id, user_id, workspace_id FROM public.instances WHERE gpu_profile = 'old' $$,
    $$ VALUES (NULL::uuid, NULL::uuid, '00000000-0000-0000-0000-000000000000'::uuid) $$, 'is the platform''s'
);
SELECT lives_ok(
    $$ UPDATE public.instances SET organization_id = '00000000-0000-4000-8000-000000000001' WHERE gpu_profile = 'old' $$,
    'until it names an organization'
);
SELECT is(
    (SELECT workspace_id FROM public.instances WHERE gpu_profile = 'old'), '00000000-0000-4000-8000-000000000001'::uuid, 'whose it is then'
);
SELECT throws_ok(
    $$ UPDATE public.instances SET model_id = '00000000-0000-4000-8000-000000000033' WHERE gpu_profile = 'old' $$, '23503', NULL,
    'and links no two tenants'
);

SELECT finish();
ROLLBACK;
