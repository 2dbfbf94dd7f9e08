-- Instances: owners, permissions and states.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(72);

\ir include/people.psql

-- An instance of Acme, of Globex, of Olga, and a legacy one.
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

UPDATE public.models SET tech_activated_at = now(), eco_activated_at = now() WHERE organization_id IS NOT NULL;
UPDATE public.instances SET tech_activated_at = now(), eco_activated_at = now() WHERE organization_id IS NOT NULL;

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
    $$ SELECT organization_id, user_id, workspace_id, status FROM public.instances WHERE gpu_profile = 'new' $$,
    $$ VALUES ('00000000-0000-4000-8000-000000000001'::uuid, NULL::uuid, '00000000-0000-4000-8000-000000000001'::uuid,
        'provisioning') $$, 'which is Acme''s'
);
SELECT throws_ok('SELECT model_workspace_id FROM public.instances', '42501', NULL, 'where its model is, is not for tenants');
SELECT lives_ok(
    $$ INSERT INTO public.instances (id, provider_id)
    VALUES ('00000000-0000-4000-8000-000000000029', '00000000-0000-4000-8000-000000000020') $$, 'an id of her own choice is as good'
);
SELECT lives_ok(
    $$ UPDATE public.instances SET model_id = '00000000-0000-4000-8000-000000000031' WHERE gpu_profile = 'new' $$,
    'with a public model'
);
SELECT throws_ok(
    format('UPDATE public.instances SET model_id = %L', m.id), '23503', 'the instance''s workspace cannot see such a model', m.kind
)
FROM (VALUES
    ('00000000-0000-4000-8000-000000000033', 'not with one of Globex'), ('00000000-0000-4000-8000-000000000099', 'nor one that is none')
) AS m (id, kind);
SELECT throws_ok(
    $$ UPDATE public.instances SET organization_id = '00000000-0000-4000-8000-000000000002' $$, '42501', NULL, 'it stays Acme''s'
);
SELECT throws_ok('UPDATE public.instances SET workspace_id = NULL', '42501', NULL, 'whatever she tries');
SELECT throws_ok('UPDATE public.instances SET hourly_price_eur = 0', '42501', NULL, 'at its price');
SELECT throws_ok(
    $$ INSERT INTO public.instances (provider_id, hourly_price_eur) VALUES ('00000000-0000-4000-8000-000000000020', 0) $$, '42501', NULL,
    'from the beginning'
);
SELECT throws_ok('UPDATE public.instances SET terminated_at = now()', '42501', NULL, 'when it ended is the worker''s to say');
SELECT throws_ok('DELETE FROM public.instances', '42501', NULL, 'nothing is deleted');
SELECT lives_ok($$ SELECT tenancy.reinstall_instance('00000000-0000-4000-8000-000000000021') $$, 'she reinstalls it');
SELECT results_eq(
    $$ SELECT status FROM public.instances WHERE gpu_profile = 'of Acme' $$, $$ VALUES ('booting') $$, 'which a worker then does'
);
SELECT throws_ok(
    $$ SELECT tenancy.archive_instance('00000000-0000-4000-8000-000000000021') $$, '55000',
    'an instance that is booting cannot be archived', 'and puts away only what is terminated'
);
SELECT lives_ok($$ SELECT tenancy.terminate_instance('00000000-0000-4000-8000-000000000021') $$, 'she terminates it');
SELECT throws_ok(
    $$ SELECT tenancy.terminate_instance('00000000-0000-4000-8000-000000000021') $$, '55000',
    'an instance that is terminating cannot be terminated', 'once'
);
SELECT throws_ok(
    $$ UPDATE public.instances SET status = 'ready' WHERE gpu_profile = 'of Acme' $$, '55000',
    'an instance that is terminating cannot change its state any more', 'and for good'
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
SELECT throws_ok(
    'SELECT tenancy.legacy_instances()', '42501', 'legacy instances are listed only in personal mode', 'those are not listed here'
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
    $$ UPDATE public.instances SET gpu_profile = 'x' $$, '42501', 'role manager lacks permission instances.update',
    'and changes none'
);
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq('SELECT gpu_profile FROM public.instances', $$ VALUES ('of Acme') $$, 'he sees them');
SELECT throws_ok(
    $$ INSERT INTO public.instances (provider_id) VALUES ('00000000-0000-4000-8000-000000000020') $$, '42501',
    'role user lacks permission instances.create', 'and makes none'
);
SELECT throws_ok(
    $$ UPDATE public.instances SET gpu_profile = 'x' WHERE false $$, '42501', 'role user lacks permission instances.update'
);
SELECT throws_ok(
    format('SELECT tenancy.terminate_instance(%L)', '00000000-0000-4000-8000-0000000000' || n), '42501',
    'role user lacks permission instances.terminate', 'before anything is looked up'
)
FROM (VALUES ('21'), ('22'), ('99')) AS i (n);
SELECT throws_ok(
    $$ SELECT tenancy.reinstall_instance('00000000-0000-4000-8000-000000000021') $$, '42501',
    'role user lacks permission instances.reinstall'
);
SELECT isnt_empty('SELECT action FROM tenancy.instance_transitions', 'he may read what the states allow');
SELECT throws_ok('DELETE FROM tenancy.instance_transitions', '42501', NULL, 'and changes none of it');

-- Olga in her personal workspace.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') AS entered \gset
SELECT results_eq('SELECT gpu_profile FROM public.instances', $$ VALUES ('of Olga') $$, 'she sees her own');
SELECT results_eq(
    'SELECT id, status, terminated_at FROM tenancy.legacy_instances()',
    $$ VALUES ('00000000-0000-4000-8000-000000000024'::uuid, 'ready', NULL::timestamptz) $$,
    'and a list of those from before, like everybody'
);
SELECT results_eq(
    'SELECT k FROM tenancy.legacy_instances() AS i, jsonb_object_keys(to_jsonb(i)) AS k ORDER BY k COLLATE "C"',
    $$ VALUES ('created_at'), ('id'), ('model_id'), ('provider_id'), ('status'), ('terminated_at') $$,
    'without addresses, prices and the rest'
);
SELECT is_empty(
    $$ SELECT id FROM tenancy.legacy_instances(after_id => '00000000-0000-4000-8000-000000000024') $$, 'page by page'
);
SELECT throws_ok('SELECT tenancy.legacy_instances(page_size => 0)', '22023', 'a page must have 1 to 10000 rows');
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
    $$ SELECT tenancy.terminate_instance('00000000-0000-4000-8000-000000000024') $$, 'P0002', NULL, 'and none from before'
);
SELECT lives_ok($$ UPDATE public.instances SET ip_address = '10.0.0.3' $$, 'all that she changes');
RESET ROLE;
SELECT is_empty(
    $$ SELECT id FROM public.instances WHERE ip_address = '10.0.0.3' AND user_id IS DISTINCT FROM '00000000-0000-4000-8000-00000000000a' $$,
    'is hers'
);
SET LOCAL ROLE tenancy_app;
SELECT throws_ok(
    $$ SELECT tenancy.terminate_instance('00000000-0000-4000-8000-000000000021') $$, 'P0002', NULL, 'nor one of Acme, here'
);

-- Pete, platform staff, is like everybody in his personal workspace.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000f') AS entered \gset
SELECT is_empty('SELECT gpu_profile FROM public.instances', 'he has none');
SELECT is((SELECT count(*) FROM tenancy.legacy_instances()), 1::bigint, 'and the list of those from before');
SELECT throws_ok(
    $$ SELECT tenancy.terminate_instance('00000000-0000-4000-8000-000000000024') $$, 'P0002', NULL, 'which he does not terminate from there'
);

-- In the platform's workspace they are rows.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter_platform('00000000-0000-4000-8000-00000000000f') AS entered \gset
SELECT results_eq('SELECT gpu_profile FROM public.instances', $$ VALUES ('from before') $$, 'he sees those from before');
SELECT lives_ok($$ UPDATE public.instances SET ip_address = '10.0.0.1' $$, 'he changes them');
SELECT throws_ok(
    $$ UPDATE public.instances SET model_id = '00000000-0000-4000-8000-000000000032' $$, '23503', NULL, 'with public models alone'
);
SELECT lives_ok($$ SELECT tenancy.terminate_instance('00000000-0000-4000-8000-000000000024') $$, 'and terminates them');
SELECT throws_ok(
    $$ SELECT tenancy.terminate_instance('00000000-0000-4000-8000-000000000023') $$, 'P0002', NULL, 'but no person''s'
);
SELECT throws_ok('SELECT tenancy.legacy_instances()', '42501', NULL, 'the list is for personal mode');
RESET ROLE;
SELECT results_eq(
    $$ SELECT gpu_profile, status FROM public.instances WHERE ip_address IS NOT NULL $$, $$ VALUES ('from before', 'terminating') $$,
    'nothing else was changed'
);

-- Gina, the owner of Globex.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000e', '00000000-0000-4000-8000-000000000002') AS entered \gset
SELECT results_eq('SELECT gpu_profile FROM public.instances', $$ VALUES ('of Globex') $$, 'she sees Globex''s');
SELECT lives_ok($$ UPDATE public.instances SET ip_address = '10.0.0.2' $$, 'and changes them all');
RESET ROLE;
SELECT is((SELECT count(*) FROM public.instances WHERE ip_address IS NOT NULL), 1::bigint, 'which are Globex''s alone');

-- In no workspace, and the old application.
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
