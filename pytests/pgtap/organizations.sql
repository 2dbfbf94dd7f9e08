-- Organizations: creating, listing, changing, deleting, restoring, purging.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(38);

\ir include/people.psql

-- A transaction enters one workspace, so each turn below ends with its savepoint.
SAVEPOINT turn;
SET LOCAL ROLE tenancy_app;

-- Pete creates one, in his personal workspace.
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000f') AS entered \gset
SELECT is_empty('SELECT name FROM tenancy.my_organizations()', 'he has none');
SELECT is((tenancy.create_organization('  Société Générale (Paris) ')).slug, 'societe-generale-paris', 'a slug from the name');
SELECT is((tenancy.create_organization('Acme', 'acme-of-pete')).name, 'Acme', 'a name may be had twice');
SELECT matches((tenancy.create_organization('Acme')).slug, '^acme-[0-9a-f]{4}$', 'a slug is made unique');
SELECT matches((tenancy.create_organization('日本')).slug, '^[a-z0-9-]+$', 'a name without Latin letters gets one, too');
SELECT throws_ok(
    $$ SELECT tenancy.create_organization('Another', 'globex') $$, '23505', 'this slug is taken', 'a slug is one''s own'
);
SELECT throws_ok($$ SELECT tenancy.create_organization('Another', 'Globex') $$, '22023', NULL, 'in small letters');
SELECT throws_ok($$ SELECT tenancy.create_organization('Another', '-a') $$, '22023', NULL, 'without stray hyphens');
SELECT throws_ok($$ SELECT tenancy.create_organization('  ') $$, '22023', NULL, 'a name is something');
SELECT throws_ok($$ SELECT tenancy.create_organization(NULL) $$, '22023', NULL, 'and not NULL');
SELECT throws_ok(format('SELECT tenancy.create_organization(%L)', repeat('a', 201)), '22023', NULL, 'of 200 characters');
SELECT throws_ok(E'SELECT tenancy.create_organization(E\'a\\nb\')', '22023', NULL, 'in one line');
SELECT results_eq(
    'SELECT name, role, is_current FROM tenancy.my_organizations() ORDER BY name COLLATE "C", slug COLLATE "C" LIMIT 1',
    $$ VALUES ('Acme', 'owner', false) $$, 'the creator is the owner'
);
SELECT throws_ok('SELECT tenancy.delete_organization()', '55000', NULL, 'there is none to delete in personal mode');
SELECT throws_ok(
    $$ SELECT tenancy.update_organization('x') $$, '55000', 'this requires an organization, and the current workspace is personal'
);
SELECT is_empty('SELECT id FROM public.organizations', 'the table shows none in personal mode');

-- Olga, the owner of Acme.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq(
    'SELECT name, slug, role, is_current FROM tenancy.my_organizations()',
    $$ VALUES ('Acme', 'acme', 'owner', true) $$, 'her switcher'
);
SELECT results_eq('SELECT name FROM public.organizations', $$ VALUES ('Acme') $$, 'the table shows Acme');
SELECT is((tenancy.update_organization('Acme Inc.')).name, 'Acme Inc.', 'she renames it');
SELECT is((tenancy.update_organization(slug => 'acme-inc')).slug, 'acme-inc', 'and its slug');
SELECT is((tenancy.update_organization(color => '#ABCDEF')).name, 'Acme Inc.', 'and its color');
SELECT is((SELECT color FROM tenancy.current_workspace()), '#abcdef', 'in small letters');
SELECT throws_ok($$ SELECT tenancy.update_organization(color => 'red') $$, '22023', 'a color must be written as #rrggbb');
SELECT throws_ok($$ SELECT tenancy.update_organization(slug => 'globex') $$, '23505', 'this slug is taken');
SELECT throws_ok($$ UPDATE public.organizations SET name = 'x' $$, '42501', NULL, 'not by hand');
SELECT lives_ok('SELECT tenancy.delete_organization()', 'she deletes it');
SELECT is_empty('SELECT name FROM tenancy.my_organizations()', 'it is in no switcher then');
SELECT throws_ok(
    $$ SELECT tenancy.update_organization('Again') $$, '28000', 'no such membership', 'and cannot be changed'
);
RESET ROLE;
SET LOCAL ROLE tenancy_service;
SELECT isnt_empty(
    $$ SELECT FROM public.organizations WHERE slug = 'acme-inc' $$, 'but nothing is lost'
);
SELECT lives_ok(
    $$ SELECT tenancy.restore_organization('00000000-0000-4000-8000-000000000001') $$, 'a service restores it'
);
SELECT throws_ok(
    $$ SELECT tenancy.purge_organization('00000000-0000-4000-8000-000000000001') $$, 'P0002', NULL,
    'and purges only what is deleted'
);

-- Adam, the admin, and Uwe, a user.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000b', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT throws_ok(
    $$ SELECT tenancy.update_organization('x') $$, '42501', 'role admin lacks permission organization.update'
);
SELECT throws_ok(
    'SELECT tenancy.delete_organization()', '42501', 'role admin lacks permission organization.delete'
);
SELECT throws_ok(
    $$ SELECT tenancy.restore_organization('00000000-0000-4000-8000-000000000001') $$, '42501', NULL,
    'restoring is for services'
);
SELECT throws_ok(
    $$ SELECT tenancy.purge_organization('00000000-0000-4000-8000-000000000001') $$, '42501', NULL, 'and so is purging'
);

-- A service purges what an owner deleted.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT lives_ok('SELECT tenancy.delete_organization()', 'Olga deletes Acme');
RESET ROLE;
SET LOCAL ROLE tenancy_service;
SELECT lives_ok(
    $$ SELECT tenancy.purge_organization('00000000-0000-4000-8000-000000000001') $$, 'a service purges it'
);
SELECT is_empty(
    $$ SELECT FROM tenancy.workspaces WHERE id = '00000000-0000-4000-8000-000000000001' $$, 'and its workspace'
);

SELECT finish();
ROLLBACK;
