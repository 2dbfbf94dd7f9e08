-- The context: entering, reading, and refusals.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(78);

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
SELECT throws_ok('SELECT tenancy.enter(NULL)', '22004', 'user_id is required to enter a workspace');

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
SELECT matches(
    current_setting('tenancy.context'), '^[0-9a-f]{8}[0-9a-f]{64}[01]{46}_owner_$',
    'what is sealed is the key, the seal, a character for each permission, the role, and no credential'
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
SELECT throws_ok(
    $$ SELECT tenancy.require_permission('instances.terminate') $$,
    '42501', 'role user lacks permission instances.terminate'
);
-- His own context with changes: each part is sealed.
SELECT current_setting('tenancy.context') AS uwes, left(current_setting('tenancy.context'), 72) AS seal \gset
SELECT throws_ok(
    format(
        'SELECT tenancy.current_workspace_id() FROM set_config(%L, %L, true)', 'tenancy.context', :'seal' || c.facts
    ), '28000', 'the session context was not set by tenancy.enter() in this transaction', c.kind
)
FROM (VALUES
    (repeat('1', 46) || '_user_', 'permissions written in by hand open nothing'),
    (replace(substr(:'uwes', 73), 'user', 'owner'), 'nor does a role'),
    (substr(:'uwes', 73) || '00000000-0000-4000-8000-0000000000aa', 'nor a credential'),
    (substr(:'uwes', 73) || '/', 'nor another split of the same'),
    ('', 'nor nothing at all')
) AS c (facts, kind);
-- Policies of commands read only the claim, and the floor stops it.
SELECT throws_ok(
    format(
        'UPDATE public.instances SET gpu_profile = %L FROM set_config(%L, %L, true)',
        'x', 'tenancy.context', :'seal' || repeat('1', 46) || '_user_'
    ), '42501', 'role user lacks permission instances.update', 'a statement cannot give itself a permission'
);
SELECT set_config('tenancy.context', :'seal' || repeat('1', 46) || '_user_', true) AS forged \gset
SELECT throws_ok(c.statement, '28000', NULL, 'nor the one before it: ' || c.statement)
FROM (VALUES
    ('UPDATE public.instances SET gpu_profile = NULL'),
    ('INSERT INTO public.models (name, model_id) VALUES (''x'', ''x'')'),
    ('SELECT id FROM tenancy.audit_log'),
    ('SELECT tenancy.has_permission(''instances.terminate'')'),
    ('SELECT tenancy.my_permissions()'),
    ('SELECT tenancy.require_permission(''instances.terminate'')'),
    ('SELECT tenancy.terminate_instance(''00000000-0000-4000-8000-000000000021'')')
) AS c (statement);

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

-- Pete is platform staff, which gives no role in organizations.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000f') AS entered \gset
SELECT is(tenancy.current_role(), NULL, 'staff have no role in personal mode');
SELECT throws_ok(
    $$ SELECT tenancy.enter_platform('00000000-0000-4000-8000-00000000000f') $$,
    '28000', 'this transaction is already in a workspace', 'nor another workspace, once they have entered it'
);

-- In the platform's workspace staff have one.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter_platform('00000000-0000-4000-8000-00000000000f') AS entered \gset
SELECT is(tenancy.current_role(), 'staff', 'their role in the platform''s workspace');
SELECT is(tenancy.current_user_id(), '00000000-0000-4000-8000-00000000000f'::uuid, 'Pete acts');
SELECT is(tenancy.current_organization_id(), NULL, 'in no organization');
SELECT is(tenancy.current_workspace_id(), '00000000-0000-0000-0000-000000000000'::uuid, 'and in the platform''s workspace');
SELECT results_eq(
    'SELECT kind, name, slug, role FROM tenancy.current_workspace()',
    $$ VALUES ('platform', 'Platform', NULL::text, 'staff') $$,
    'what the banner shows'
);
SELECT is(tenancy.has_permission('models.update'), true, 'which is for what the platform owns');
SELECT is(tenancy.has_permission('organization.update'), false, 'and no organization''s');
SELECT is_empty('SELECT id FROM public.organizations', 'they see none');
SELECT lives_ok(
    $$ SELECT tenancy.enter_platform('00000000-0000-4000-8000-00000000000f') $$, 'entering again is no error'
);
SELECT throws_ok(
    $$ SELECT tenancy.enter('00000000-0000-4000-8000-00000000000f') $$,
    '28000', 'this transaction is already in a workspace', 'going home is one'
);
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT throws_ok(
    format('SELECT tenancy.enter_platform(%L)', u.id), '28000', 'no such membership', u.kind
)
FROM (VALUES
    ('00000000-0000-4000-8000-00000000000a', 'an owner is no staff'),
    ('00000000-0000-4000-8000-0000000000ff', 'nor is nobody'),
    (NULL, 'nor is NULL')
) AS u (id, kind);
-- The platform is not an organization, whatever its id looks like.
SELECT throws_ok(
    $$ SELECT tenancy.enter('00000000-0000-4000-8000-00000000000f', '00000000-0000-0000-0000-000000000000') $$,
    '28000', 'no such membership', 'and its id opens nothing to who names it as an organization'
);

-- Non-members, and ids that do not exist.
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
SELECT throws_ok(
    $$ SELECT tenancy.enter_platform('00000000-0000-4000-8000-00000000000f') $$, '42501', NULL, 'platform staff neither'
);
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT throws_ok(
    $$ SELECT tenancy.enter_as_service('00000000-0000-4000-8000-00000000000a') $$, '42501', NULL,
    'the application is no service'
);
ROLLBACK TO turn;
SELECT throws_ok(
    $$ SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') $$,
    '28000', NULL, 'a superuser enters nothing, because nothing is hidden from him'
);
SET LOCAL ROLE tenancy_service;
SELECT throws_ok(
    $$ SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') $$,
    '28000', 'tenancy_service has the rights of tenancy_service, and sees every workspace', 'a service neither'
);
SELECT throws_ok(
    $$ SELECT tenancy.enter_platform('00000000-0000-4000-8000-00000000000f') $$,
    '28000', 'tenancy_service has the rights of tenancy_service, and sees every workspace', 'not the platform either'
);
SELECT lives_ok(
    $$ SELECT tenancy.enter_as_service('00000000-0000-4000-8000-00000000000a') $$, 'it says that it is one, and who acts'
);
SELECT is(tenancy.current_user_id(), '00000000-0000-4000-8000-00000000000a'::uuid, 'for functions, defaults and the log');
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_auditor;
SELECT throws_ok(
    $$ SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') $$, '42501', NULL, 'an auditor enters nothing'
);
ROLLBACK TO turn;

-- If tenancy_owner may set it, a parameter that the application cannot set carries the context.
SELECT ok(tenancy_private.may_carry(), 'a superuser has deployed');
SET LOCAL ROLE tenancy_app;
SELECT is(current_setting('backtrace_functions'), '', 'outside of a workspace it carries nothing');
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is(
    split_part(current_setting('backtrace_functions'), ' ', 2), current_setting('tenancy.context'), 'in one, the context'
);
SELECT throws_ok(
    $$ SET LOCAL backtrace_functions = 'mine' $$, '42501', NULL, 'and the application cannot set it'
);

SELECT finish();
ROLLBACK;
