-- Workspaces: one row for each person, each organization and the platform.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(20);

\ir include/people.psql

-- A transaction enters one workspace, so each turn below ends with its savepoint.
SAVEPOINT turn;
SET LOCAL ROLE tenancy_app;

-- Olga in Acme sees Acme's, and in her own hers.
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq(
    'SELECT id, kind, user_id, organization_id, plan FROM tenancy.workspaces',
    $$ VALUES ('00000000-0000-4000-8000-000000000001'::uuid, 'organization', NULL::uuid, '00000000-0000-4000-8000-000000000001'::uuid, 'free') $$, 'in Acme: Acme''s'
);
SELECT throws_ok($$ UPDATE tenancy.workspaces SET plan = 'subscriber' $$, '42501', NULL, 'the plan is not hers to set');
SELECT throws_ok($$ UPDATE tenancy.workspaces SET deleted_at = NULL $$, '42501', NULL, 'nor the end');
SELECT throws_ok('SELECT owner_changes FROM tenancy.workspaces', '42501', NULL, 'nor is the counter to read');
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') AS entered \gset
SELECT results_eq(
    'SELECT id, kind, user_id, organization_id, plan FROM tenancy.workspaces',
    $$ VALUES ('00000000-0000-4000-8000-00000000000a'::uuid, 'personal', '00000000-0000-4000-8000-00000000000a'::uuid, NULL::uuid, 'free') $$, 'in personal mode: the own'
);

-- Nobody enters the platform's.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT throws_ok(
    $$ SELECT tenancy.enter('00000000-0000-0000-0000-000000000000') $$, '28000', 'no such membership', 'as a person'
);
SELECT throws_ok(
    $$ SELECT tenancy.enter('00000000-0000-4000-8000-00000000000f', '00000000-0000-0000-0000-000000000000') $$, '28000', 'no such membership',
    'nor as staff'
);

-- A service sees all and sets plans.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_service;
SELECT is(
    (SELECT count(*) FROM tenancy.workspaces), 9::bigint, 'six people, two organizations, the platform'
);
SELECT lives_ok($$ UPDATE tenancy.workspaces SET plan = 'subscriber' WHERE id = '00000000-0000-4000-8000-000000000001' $$, 'a plan is a service''s to set');
SELECT throws_ok($$ UPDATE tenancy.workspaces SET plan = 'gold' $$, '23514', NULL, 'to one that there is');
SELECT throws_ok($$ UPDATE tenancy.workspaces SET color = 'red;' $$, '23514', NULL, 'and a color is one');
SELECT throws_ok('UPDATE tenancy.workspaces SET deleted_at = now()', '42501', NULL, 'deleting has a function');
SELECT throws_ok('DELETE FROM tenancy.workspaces', '42501', NULL, 'and so has removing');

-- They are created and deleted with their person or organization.
SELECT lives_ok($$ INSERT INTO public.users (id, email) VALUES ('00000000-0000-4000-8000-000000000009', 'new@example.com') $$, 'a new person');
SELECT is((SELECT kind FROM tenancy.workspaces WHERE id = '00000000-0000-4000-8000-000000000009'), 'personal', 'has a workspace');
SELECT lives_ok($$ DELETE FROM public.users WHERE id = '00000000-0000-4000-8000-000000000009' $$, 'and without the person');
SELECT is_empty($$ SELECT FROM tenancy.workspaces WHERE id = '00000000-0000-4000-8000-000000000009' $$, 'it is gone');
SELECT throws_ok(
    $$ INSERT INTO public.organizations (id, name, slug) VALUES ('00000000-0000-4000-8000-00000000000a', 'Impostor', 'impostor') $$, '23505', NULL,
    'an organization cannot take a person''s id'
);
SELECT throws_ok(
    $$ INSERT INTO public.users (id, email) VALUES ('00000000-0000-4000-8000-000000000001', 'impostor@example.com') $$, '23505', NULL,
    'nor a person an organization''s'
);
SELECT throws_ok(
    $$ INSERT INTO public.organizations (id, name, slug) VALUES ('00000000-0000-0000-0000-000000000000', 'X', 'x') $$,
    '23505', NULL, 'nor anybody the platform''s'
);

SELECT finish();
ROLLBACK;
