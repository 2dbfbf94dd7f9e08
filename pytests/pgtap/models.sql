-- Models: an organization's own and public ones, and their writers.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(58);

\ir include/people.psql

INSERT INTO public.models (id, name, model_id, organization_id) VALUES
('00000000-0000-4000-8000-000000000031', 'public', 'm', NULL),
('00000000-0000-4000-8000-000000000032', 'of Acme', 'm', '00000000-0000-4000-8000-000000000001'),
('00000000-0000-4000-8000-000000000033', 'of Globex', 'm', '00000000-0000-4000-8000-000000000002');

-- A transaction enters one workspace, so each turn below ends with its savepoint.
SAVEPOINT turn;
SET LOCAL ROLE tenancy_app;

-- Olga, the owner, in Acme.
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq(
    'SELECT name FROM public.models ORDER BY name COLLATE "C"', $$ VALUES ('of Acme'), ('public') $$, 'she sees Acme''s and the public ones'
);
SELECT lives_ok($$ INSERT INTO public.models (name, model_id) VALUES ('new', 'n') $$, 'she makes one');
SELECT results_eq(
    $$ SELECT organization_id, workspace_id FROM public.models WHERE name = 'new' $$,
    $$ VALUES ('00000000-0000-4000-8000-000000000001'::uuid, '00000000-0000-4000-8000-000000000001'::uuid) $$, 'which is Acme''s'
);
SELECT throws_ok(
    $$ INSERT INTO public.models (name, model_id) VALUES ('again', 'm') $$, '23505', NULL, 'a model_id is Acme''s once'
);
SELECT lives_ok($$ UPDATE public.models SET name = 'renamed' WHERE name = 'new' $$, 'she changes one');
SELECT lives_ok(
    $$ INSERT INTO public.models (id, name, model_id) VALUES ('00000000-0000-4000-8000-000000000034', 'named', 'i') $$,
    'an id of her own choice is as good'
);
SELECT throws_ok(
    $$ INSERT INTO public.models (id, name, model_id) VALUES ('00000000-0000-4000-8000-000000000034', 'named', 'j') $$, '23505', NULL, 'once'
);
SELECT lives_ok($$ SELECT tenancy.delete_model('00000000-0000-4000-8000-000000000034') $$, 'and she deletes one');
SELECT is_empty($$ SELECT id FROM public.models WHERE name = 'named' $$, 'which is gone');
SELECT throws_ok('SELECT tenancy.delete_model(' || quote_nullable(m.id) || ')', 'P0002', 'this workspace has no such model', m.kind)
FROM (VALUES
    ('00000000-0000-4000-8000-000000000031', 'no public one'), ('00000000-0000-4000-8000-000000000033', 'none of Globex'),
    ('00000000-0000-4000-8000-000000000034', 'none that is gone'), (NULL, 'and none at all')
) AS m (id, kind);
SELECT throws_ok('DELETE FROM public.models', '42501', 'permission denied for table models', 'not in another way');
-- A public one is visible, but an UPDATE does not reach it.
SELECT lives_ok($$ UPDATE public.models SET name = 'x' WHERE name = 'public' $$, 'a public one is not changed');
SELECT lives_ok('UPDATE public.models SET context_length = 1', 'among all that she sees neither');
SELECT lives_ok(
    $$ UPDATE public.models SET name = 'x' WHERE id = '00000000-0000-4000-8000-000000000033' $$, 'what she does not see is not there'
);
SELECT throws_ok('UPDATE public.models SET organization_id = NULL', '42501', NULL, 'she makes nothing public');
SELECT throws_ok(
    $$ INSERT INTO public.models (name, model_id, organization_id) VALUES ('x', 'x', NULL) $$, '42501', NULL, 'not at first either'
);
RESET ROLE;
SELECT is(
    (SELECT name FROM public.models WHERE id = '00000000-0000-4000-8000-000000000033'), 'of Globex', 'nothing of Globex was changed'
);
SELECT results_eq(
    'SELECT name FROM public.models WHERE context_length = 1 ORDER BY name COLLATE "C"', $$ VALUES ('of Acme'), ('renamed') $$,
    'nor of the platform'
);
SELECT is((SELECT name FROM public.models WHERE id = '00000000-0000-4000-8000-000000000031'), 'public', 'by its name neither');

-- Adam, the admin; Mary, the manager; Uwe, a user.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000b', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT lives_ok($$ INSERT INTO public.models (name, model_id) VALUES ('new', 'n') $$, 'he makes one');
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000c', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT throws_ok(
    $$ INSERT INTO public.models (name, model_id) VALUES ('new', 'n') $$, '42501', 'role manager lacks permission models.create'
);
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is((SELECT count(*) FROM public.models), 2::bigint, 'he sees Acme''s and the public ones');
SELECT throws_ok(
    $$ INSERT INTO public.models (name, model_id) VALUES ('new', 'n') $$, '42501', 'role user lacks permission models.create'
);
SELECT throws_ok('UPDATE public.models SET name = name', '42501', 'role user lacks permission models.update');
SELECT throws_ok(
    format('SELECT tenancy.delete_model(%L)', '00000000-0000-4000-8000-0000000000' || n), '42501',
    'role user lacks permission models.delete', 'before anything is looked up'
)
FROM (VALUES ('32'), ('33'), ('99')) AS m (n);

-- Olga in her personal workspace.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') AS entered \gset
SELECT results_eq('SELECT name FROM public.models', $$ VALUES ('public') $$, 'she sees the public ones');
SELECT throws_ok(
    $$ INSERT INTO public.models (name, model_id) VALUES ('new', 'n') $$, '42501', 'a personal workspace has no rows of public.models',
    'and makes none'
);
SELECT throws_ok('UPDATE public.models SET name = name', '42501', 'a personal workspace has no rows of public.models', 'changes none');
SELECT throws_ok(
    $$ SELECT tenancy.delete_model('00000000-0000-4000-8000-000000000031') $$, 'P0002', NULL, 'and deletes none'
);

-- Pete, platform staff, is like everybody in his personal workspace.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000f') AS entered \gset
SELECT results_eq('SELECT name FROM public.models', $$ VALUES ('public') $$, 'he sees the public ones');
SELECT throws_ok(
    $$ INSERT INTO public.models (name, model_id) VALUES ('new', 'n') $$, '42501', 'a personal workspace has no rows of public.models',
    'and makes none there'
);
SELECT throws_ok('UPDATE public.models SET name = name', '42501', NULL, 'nor changes one');

-- In the platform's workspace he can change them.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter_platform('00000000-0000-4000-8000-00000000000f') AS entered \gset
SELECT results_eq('SELECT name FROM public.models', $$ VALUES ('public') $$, 'he sees the public ones, and no organization''s');
SELECT lives_ok($$ INSERT INTO public.models (name, model_id) VALUES ('new', 'n') $$, 'he makes one');
SELECT results_eq(
    $$ SELECT organization_id FROM public.models WHERE name = 'new' $$, 'VALUES (NULL::uuid)', 'which is nobody''s'
);
SELECT lives_ok($$ UPDATE public.models SET is_active = false $$, 'changes them all');
SELECT lives_ok($$ SELECT tenancy.delete_model('00000000-0000-4000-8000-000000000031') $$, 'deletes one');
SELECT throws_ok($$ SELECT tenancy.delete_model('00000000-0000-4000-8000-000000000032') $$, 'P0002', NULL, 'but none of Acme');
SELECT throws_ok('UPDATE public.models SET organization_id = NULL', '42501', NULL, 'nor takes one from anybody');
RESET ROLE;
SELECT results_eq(
    'SELECT name, is_active, workspace_id FROM public.models ORDER BY name COLLATE "C"',
    $$ VALUES ('new', false, '00000000-0000-0000-0000-000000000000'::uuid),
        ('of Acme', true, '00000000-0000-4000-8000-000000000001'::uuid),
        ('of Globex', true, '00000000-0000-4000-8000-000000000002'::uuid) $$,
    'what he did was to the public ones alone'
);

-- A program with Pete's own key is not staff.
ROLLBACK TO turn;
INSERT INTO public.api_keys (user_id, name, key_prefix, key_hash)
VALUES ('00000000-0000-4000-8000-00000000000f', 'of Pete', 'pete', encode(sha256('pete-1'), 'hex'));
SET LOCAL ROLE tenancy_credentialed;
SELECT tenancy.enter_with_api_key('pete-1') AS entered \gset
SELECT is((SELECT count(*) FROM public.models), 1::bigint, 'it sees the public ones');
SELECT throws_ok($$ INSERT INTO public.models (name, model_id) VALUES ('new', 'n') $$, '42501', NULL, 'and makes none');
SELECT throws_ok('UPDATE public.models SET name = name', '42501', NULL, 'nor changes one');

-- Models in use cannot be deleted.
ROLLBACK TO turn;
INSERT INTO public.providers (id, name) VALUES ('00000000-0000-4000-8000-000000000020', 'provider');
INSERT INTO public.instances (provider_id, organization_id, model_id) VALUES
('00000000-0000-4000-8000-000000000020', '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000032'),
('00000000-0000-4000-8000-000000000020', '00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000031');
SAVEPOINT in_use;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT throws_ok(
    $$ SELECT tenancy.delete_model('00000000-0000-4000-8000-000000000032') $$, '23503', 'the model of Acme is used by instances', 'Acme''s own'
);
SELECT throws_ok(
    $$ SELECT tenancy.delete_model('00000000-0000-4000-8000-000000000031') $$, 'P0002', 'this workspace has no such model',
    'and a tenant hears nothing of the use of others'
);
ROLLBACK TO in_use;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter_platform('00000000-0000-4000-8000-00000000000f') AS entered \gset
SELECT throws_ok(
    $$ SELECT tenancy.delete_model('00000000-0000-4000-8000-000000000031') $$, '23503', 'the model public is used by instances',
    'platform staff hear that it is used, not by whom'
);
ROLLBACK TO in_use;
SET LOCAL ROLE tenancy_service;
SELECT throws_ok('DELETE FROM public.models', '23503', NULL, 'whoever deletes');
SELECT is((SELECT count(*) FROM public.models), 3::bigint, 'a service sees all');
SELECT throws_ok(
    $$ UPDATE public.models SET organization_id = '00000000-0000-4000-8000-000000000001' WHERE name = 'of Globex' $$, '23505', NULL,
    'and gives nobody the same model twice'
);
SELECT throws_ok(
    $$ UPDATE public.models SET model_id = 'x', organization_id = '00000000-0000-4000-8000-000000000001' WHERE name = 'public' $$,
    '23503', NULL, 'nor what another''s instance uses'
);

-- In no workspace.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT throws_ok('SELECT id FROM public.models', '28000', NULL, 'without a workspace there is nothing to see');
SELECT throws_ok('UPDATE public.models SET name = name', '28000', NULL, 'nor to change');
SELECT throws_ok($$ SELECT tenancy.delete_model('00000000-0000-4000-8000-000000000031') $$, '28000', NULL, 'nor to delete');

SELECT finish();
ROLLBACK;
