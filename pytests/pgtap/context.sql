-- The context: entering, reading, what is refused.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(40);

\ir include/people.psql

-- A transaction enters one workspace, so each turn below ends with its savepoint.
SAVEPOINT turn;
SET LOCAL ROLE tenancy_app;

-- In no workspace.
SELECT throws_ok('SELECT tenancy.current_user_id()', '28000', 'this transaction is in no workspace');
SELECT throws_ok('SELECT tenancy.current_workspace_id()', '28000', 'this transaction is in no workspace');
SELECT throws_ok('SELECT tenancy.current_organization_id()', '28000', NULL);
SELECT throws_ok('SELECT tenancy."current_role"()', '28000', NULL);
SELECT throws_ok('SELECT tenancy.has_permission(''members.view'')', '28000', NULL);
SELECT throws_ok('SELECT id FROM public.users', '28000', NULL);
SELECT throws_ok('SELECT tenancy.enter(NULL)', '22004', 'entering a workspace needs a user');

-- Olga, the owner, in Acme.
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is(tenancy.current_user_id(), '00000000-0000-4000-8000-00000000000a'::uuid, 'Olga acts');
SELECT is(tenancy.current_organization_id(), '00000000-0000-4000-8000-000000000001'::uuid, 'in Acme');
SELECT is(tenancy.current_workspace_id(), tenancy.current_organization_id(), 'the workspace is the organization');
SELECT is(tenancy.current_role(), 'owner', 'as its owner');
SELECT results_eq(
    'SELECT kind, name, slug, role, plan FROM tenancy.current_workspace()',
    $$ VALUES ('organization', 'Acme', 'acme', 'owner', 'free') $$,
    'what the banner shows'
);
SELECT matches((SELECT color FROM tenancy.current_workspace()), '^#[0-9a-f]{6}$', 'and in which color');
SELECT is(tenancy.badge('00000000-0000-4000-8000-000000000001'), 'Org: Acme', 'the badge of Acme');
SELECT is(tenancy.badge(tenancy.current_user_id()), 'Personal', 'the badge of her own workspace');
SELECT is(tenancy.badge('00000000-0000-0000-0000-000000000000'), 'Public', 'the badge of the platform');
SELECT is(tenancy.badge('00000000-0000-4000-8000-000000000002'), NULL, 'Globex has none for her');
SELECT is(
    current_setting('tenancy.current_organization_id'), '00000000-0000-4000-8000-000000000001',
    'any tool can read the variable'
);
SELECT lives_ok(
    $$ SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') $$,
    'entering again as oneself is no error'
);
SELECT throws_ok(
    $$ SELECT tenancy.enter('00000000-0000-4000-8000-00000000000e', '00000000-0000-4000-8000-000000000002') $$,
    '28000', 'this transaction is already in a workspace', 'entering as somebody else is'
);
SELECT throws_ok(
    $$ SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') $$,
    '28000', 'this transaction is already in a workspace', 'and so is going elsewhere'
);
SELECT set_config('tenancy.current_organization_id', '00000000-0000-4000-8000-000000000002', true) AS forged \gset
SELECT throws_ok(
    'SELECT name FROM public.organizations', '28000',
    'the session context was not set by tenancy.enter() in this transaction', 'a variable set by hand opens nothing'
);

-- Uwe, a user of Acme.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is(tenancy.current_role(), 'user', 'Uwe is a user');
SELECT is(tenancy.has_permission('instances.view'), true, 'who may look');
SELECT is(tenancy.has_permission('instances.terminate'), false, 'and not terminate');
SELECT is(tenancy.has_permission('no.such_thing'), false, 'a permission that is none is nobody''s');
SELECT is(tenancy.has_permission(NULL), false, 'nor is none at all');
SELECT is(tenancy.workspace_for('instances.view'), tenancy.current_workspace_id(), 'where he may look');
SELECT is(tenancy.workspace_for('instances.terminate'), NULL, 'and where he may terminate: nowhere');
SELECT throws_ok(
    $$ SELECT tenancy.require_permission('instances.terminate') $$,
    '42501', 'permission instances.terminate denied to the role user'
);

-- Olga in her personal workspace.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') AS entered \gset
SELECT is(tenancy.current_organization_id(), NULL, 'no organization');
SELECT is(tenancy.current_role(), NULL, 'no role');
SELECT is(tenancy.current_workspace_id(), tenancy.current_user_id(), 'the workspace is the person');
SELECT results_eq(
    'SELECT kind, name, slug, role FROM tenancy.current_workspace()',
    $$ VALUES ('personal', 'olga', NULL::text, NULL::text) $$,
    'what the banner shows'
);

-- Pete is platform staff, which gives him no role anywhere.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000f') AS entered \gset
SELECT is(tenancy.current_role(), NULL, 'staff have no role in personal mode');

-- Whoever does not belong there, and whatever does not exist.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT throws_ok(
    $$ SELECT tenancy.enter('00000000-0000-4000-8000-00000000000f', '00000000-0000-4000-8000-000000000001') $$,
    '28000', 'no such membership', 'platform staff are no members'
);
SELECT throws_ok(
    $$ SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-0000000000ff') $$,
    '28000', 'no such membership', 'an organization that does not exist'
);
SELECT throws_ok(
    $$ SELECT tenancy.enter('00000000-0000-4000-8000-0000000000ff') $$,
    '28000', 'no such membership', 'a person who does not exist'
);

-- Other roles.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_credentialed;
SELECT throws_ok(
    $$ SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') $$, '42501', NULL,
    'a login with credentials cannot name a user'
);
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_auditor;
SELECT throws_ok(
    $$ SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') $$, '42501', NULL, 'an auditor enters nothing'
);

SELECT finish();
ROLLBACK;
