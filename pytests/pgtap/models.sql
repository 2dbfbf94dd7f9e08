-- Models: an organization's own and public ones, and who changes which.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(40);

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
SELECT lives_ok($$ DELETE FROM public.models WHERE name = 'renamed' $$, 'and deletes one');
SELECT throws_ok(
    $$ UPDATE public.models SET name = 'x' WHERE name = 'public' $$, '42501', 'this row of models is the platform''s', 'but no public one'
);
SELECT throws_ok(
    $$ DELETE FROM public.models WHERE name = 'public' $$, '42501', 'this row of models is the platform''s', 'to delete either'
);
SELECT throws_ok('UPDATE public.models SET name = name', '42501', NULL, 'not among all that she sees');
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

-- Adam, the admin; Mary, the manager; Uwe, a user.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000b', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT lives_ok($$ INSERT INTO public.models (name, model_id) VALUES ('new', 'n') $$, 'he makes one');
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000c', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT throws_ok(
    $$ INSERT INTO public.models (name, model_id) VALUES ('new', 'n') $$, '42501', 'permission models.create denied to the role manager'
);
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is((SELECT count(*) FROM public.models), 2::bigint, 'he sees Acme''s and the public ones');
SELECT throws_ok(
    $$ INSERT INTO public.models (name, model_id) VALUES ('new', 'n') $$, '42501', 'permission models.create denied to the role user'
);
SELECT throws_ok('UPDATE public.models SET name = name', '42501', 'permission models.update denied to the role user');
SELECT throws_ok('DELETE FROM public.models', '42501', 'permission models.delete denied to the role user');

-- Olga in her personal workspace.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') AS entered \gset
SELECT results_eq('SELECT name FROM public.models', $$ VALUES ('public') $$, 'she sees the public ones');
SELECT throws_ok(
    $$ INSERT INTO public.models (name, model_id) VALUES ('new', 'n') $$, '42501', 'what is public is changed by platform staff alone',
    'and makes none'
);
SELECT throws_ok('UPDATE public.models SET name = name', '42501', NULL, 'changes none');
SELECT throws_ok('DELETE FROM public.models WHERE false', '42501', NULL, 'and deletes none');

-- Pete, platform staff, in his personal workspace.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000f') AS entered \gset
SELECT results_eq('SELECT name FROM public.models', $$ VALUES ('public') $$, 'he sees the public ones');
SELECT lives_ok($$ INSERT INTO public.models (name, model_id) VALUES ('new', 'n') $$, 'he makes one');
SELECT results_eq(
    $$ SELECT organization_id, workspace_id FROM public.models WHERE name = 'new' $$,
    $$ VALUES (NULL::uuid, '00000000-0000-0000-0000-000000000000'::uuid) $$, 'which is public'
);
SELECT lives_ok($$ UPDATE public.models SET is_active = false $$, 'changes them all');
SELECT lives_ok('DELETE FROM public.models', 'and deletes them');
RESET ROLE;
SELECT results_eq(
    'SELECT is_active FROM public.models', 'VALUES (true), (true)', 'which are the public ones alone'
);

-- A program with a key of Pete's own is no staff.
ROLLBACK TO turn;
INSERT INTO public.api_keys (user_id, name, key_prefix, key_hash)
VALUES ('00000000-0000-4000-8000-00000000000f', 'of Pete', 'pete', encode(sha256('pete-1'), 'hex'));
SET LOCAL ROLE tenancy_credentialed;
SELECT tenancy.enter_with_api_key('pete-1') AS entered \gset
SELECT is((SELECT count(*) FROM public.models), 1::bigint, 'it sees the public ones');
SELECT throws_ok($$ INSERT INTO public.models (name, model_id) VALUES ('new', 'n') $$, '42501', NULL, 'and makes none');
SELECT throws_ok('UPDATE public.models SET name = name', '42501', NULL, 'nor changes one');

-- What is in use stays.
ROLLBACK TO turn;
INSERT INTO public.providers (id, name) VALUES ('00000000-0000-4000-8000-000000000020', 'provider');
INSERT INTO public.instances (provider_id, organization_id, model_id) VALUES
('00000000-0000-4000-8000-000000000020', '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000032'),
('00000000-0000-4000-8000-000000000020', '00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000031');
SAVEPOINT in_use;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT throws_ok(
    $$ DELETE FROM public.models WHERE name = 'of Acme' $$, '23503', 'the model of Acme is used by instances', 'Acme''s own'
);
SELECT throws_ok(
    $$ DELETE FROM public.models WHERE name = 'public' $$, '42501', 'this row of models is the platform''s',
    'and a tenant hears nothing of the use of others'
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
SELECT throws_ok('DELETE FROM public.models', '28000', NULL, 'nor to delete');

SELECT finish();
ROLLBACK;
