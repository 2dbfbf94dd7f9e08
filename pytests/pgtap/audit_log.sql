-- The audit log: its entries and readers, and that nobody can change it.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(23);

\ir include/people.psql

-- A transaction enters one workspace, so each turn below ends with its savepoint.
SAVEPOINT turn;
SET LOCAL ROLE tenancy_app;

-- Olga renames Acme and promotes Uwe.
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT lives_ok($$ SELECT tenancy.update_organization('Acme Inc.') $$, 'a change');
SELECT lives_ok($$ SELECT tenancy.change_member_role('00000000-0000-4000-8000-00000000000d', 'admin') $$, 'and another');
SELECT results_eq(
    $$
    SELECT action, object_kind, object_id, old_values, new_values, user_id, organization_id, role
    FROM tenancy.audit_log WHERE action LIKE '%.update' ORDER BY occurred_at
    $$,
    $$ VALUES
        ('organization.update', 'organization', '00000000-0000-4000-8000-000000000001', '{"name": "Acme"}'::jsonb, '{"name": "Acme Inc."}'::jsonb,
            '00000000-0000-4000-8000-00000000000a'::uuid, '00000000-0000-4000-8000-000000000001'::uuid, 'owner'),
        ('membership.update', 'membership', '00000000-0000-4000-8000-00000000000d', '{"role": "user"}'::jsonb, '{"role": "admin"}'::jsonb,
            '00000000-0000-4000-8000-00000000000a'::uuid, '00000000-0000-4000-8000-000000000001'::uuid, 'owner') $$,
    'who, where, what, old and new'
);
SELECT is(
    (SELECT DISTINCT workspace_id FROM tenancy.audit_log), '00000000-0000-4000-8000-000000000001'::uuid, 'she reads the entries of Acme and no others'
);
SELECT is((SELECT DISTINCT database_user FROM tenancy.audit_log), session_user::text, 'with the login behind them');
SELECT throws_ok('DELETE FROM tenancy.audit_log', '42501', NULL, 'she removes none');
SELECT throws_ok($$ UPDATE tenancy.audit_log SET action = 'x' $$, '42501', NULL, 'and changes none');
SELECT throws_ok(
    $$ INSERT INTO tenancy.audit_log (workspace_id, action, object_kind, object_id) VALUES ('00000000-0000-4000-8000-000000000001', 'x', 'x', 'x') $$,
    '42501', NULL, 'and adds none'
);

-- Adam and Mary read it, Uwe does not.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000b', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT isnt_empty('SELECT FROM tenancy.audit_log', 'an admin reads it');
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000c', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT isnt_empty('SELECT FROM tenancy.audit_log', 'a manager reads it');
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is_empty('SELECT FROM tenancy.audit_log', 'a user does not');

-- Gina reads Globex's.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000e', '00000000-0000-4000-8000-000000000002') AS entered \gset
SELECT is((SELECT DISTINCT workspace_id FROM tenancy.audit_log), '00000000-0000-4000-8000-000000000002'::uuid, 'another organization reads its own');

-- Olga in her personal workspace reads its entries.
ROLLBACK TO turn;
UPDATE tenancy.workspaces SET plan = 'subscriber' WHERE id = '00000000-0000-4000-8000-00000000000a';
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') AS entered \gset
SELECT results_eq(
    'SELECT action, new_values FROM tenancy.audit_log',
    $$ VALUES ('workspace.update', '{"plan": "subscriber"}'::jsonb) $$, 'a person reads the own entries'
);

-- A service reads all of it and changes nothing.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_service;
SELECT ok((SELECT count(DISTINCT workspace_id) FROM tenancy.audit_log) >= 2, 'a service reads all');
SELECT throws_ok('DELETE FROM tenancy.audit_log', '42501', NULL, 'and removes none');
SELECT lives_ok($$ UPDATE public.organizations SET name = 'By hand' WHERE id = '00000000-0000-4000-8000-000000000001' $$, 'its changes');
SELECT results_eq(
    $$ SELECT user_id, role FROM tenancy.audit_log WHERE new_values = '{"name": "By hand"}' $$,
    $$ VALUES (NULL::uuid, NULL::text) $$, 'are recorded without a person'
);

-- An auditor leaves a trace.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_auditor;
SELECT lives_ok('SELECT id FROM public.organizations', 'an auditor reads organizations');
SELECT isnt_empty(
    $$ SELECT FROM tenancy.audit_log WHERE action = 'table.read' AND object_id LIKE '%organizations' $$,
    'and that is an entry'
);

-- Not even its owner or a superuser changes it.
ROLLBACK TO turn;
SELECT throws_ok('DELETE FROM tenancy.audit_log', '42501', 'the audit log is append-only', 'a superuser');
SELECT throws_ok('TRUNCATE tenancy.audit_log', '42501', 'the audit log is append-only', 'not with TRUNCATE either');
SET LOCAL ROLE tenancy_owner;
SELECT throws_ok('DELETE FROM tenancy.audit_log', '42501', 'the audit log is append-only', 'the owner of the table');
RESET ROLE;
SELECT is_empty(
    $$ SELECT FROM tenancy.audit_log WHERE concat(old_values, new_values) ~ 'hash|secret|token' $$,
    'no entry holds a secret'
);

SELECT finish();
ROLLBACK;
