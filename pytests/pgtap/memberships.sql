-- Memberships: listing, promoting, removing, leaving, and the last owner.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(47);

\ir include/people.psql

-- A transaction enters one workspace, so each turn below ends with its savepoint.
SAVEPOINT turn;
SET LOCAL ROLE tenancy_app;

-- Olga, the owner.
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq(
    'SELECT email, role FROM tenancy.members() ORDER BY email COLLATE "C"',
    $$ VALUES
        ('adam@example.com', 'admin'), ('mary@example.com', 'manager'),
        ('olga@example.com', 'owner'), ('uwe@example.com', 'user') $$,
    'she sees who belongs to Acme, and nobody else'
);
SELECT is((SELECT count(*) FROM public.organization_memberships), 4::bigint, 'in the table, too');
SELECT results_eq(
    $$ SELECT * FROM tenancy.member('00000000-0000-4000-8000-00000000000b') $$,
    $$ SELECT * FROM tenancy.members() AS m WHERE m.email = 'adam@example.com' $$,
    'and one of them, as in the list'
);
SELECT is_empty($$ SELECT * FROM tenancy.member('00000000-0000-4000-8000-00000000000e') $$, 'Gina is Globex''s');
SELECT is_empty($$ SELECT * FROM tenancy.member('00000000-0000-4000-8000-000000000000') $$, 'nobody');
SELECT is_empty('SELECT * FROM tenancy.member(NULL)', 'NULL is nobody');
SELECT throws_ok('SELECT tenancy.leave_organization()', '23514', 'organization Acme must keep an owner');
SELECT throws_ok(
    $$ SELECT tenancy.change_member_role('00000000-0000-4000-8000-00000000000a', 'admin') $$, '23514', 'organization Acme must keep an owner'
);
SELECT throws_ok($$ SELECT tenancy.remove_member('00000000-0000-4000-8000-00000000000a') $$, '23514', 'organization Acme must keep an owner');
SELECT throws_ok(
    $$ SELECT tenancy.remove_member('00000000-0000-4000-8000-00000000000e') $$, 'P0002', 'the organization has no such member', 'Gina is Globex''s'
);
SELECT throws_ok(
    $$ SELECT tenancy.remove_member('00000000-0000-4000-8000-000000000000') $$, 'P0002', 'the organization has no such member', 'nobody'
);
SELECT throws_ok($$ SELECT tenancy.change_member_role('00000000-0000-4000-8000-00000000000d', 'king') $$, '22023', 'role ''king'' does not exist');
SELECT throws_ok($$ SELECT tenancy.change_member_role('00000000-0000-4000-8000-00000000000d', NULL) $$, '22023', 'role NULL does not exist');
SELECT throws_ok($$ UPDATE public.organization_memberships SET role = 'owner' $$, '42501', NULL, 'not by hand');
SELECT lives_ok($$ SELECT tenancy.change_member_role('00000000-0000-4000-8000-00000000000b', 'owner') $$, 'she makes Adam an owner');
SELECT lives_ok('SELECT tenancy.leave_organization()', 'then she may leave');
SELECT throws_ok(
    $$ SELECT tenancy.change_member_role('00000000-0000-4000-8000-00000000000b', 'user') $$, '28000', 'no such membership',
    'and can change nothing any more, in the same transaction'
);
RESET ROLE;
SELECT lives_ok('SET CONSTRAINTS ALL IMMEDIATE', 'Acme has an owner');

-- Adam, the admin: admins and users.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000b', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT lives_ok($$ SELECT tenancy.change_member_role('00000000-0000-4000-8000-00000000000d', 'admin') $$, 'user to admin');
SELECT lives_ok($$ SELECT tenancy.change_member_role('00000000-0000-4000-8000-00000000000d', 'user') $$, 'and back');
SELECT throws_ok(
    $$ SELECT tenancy.change_member_role('00000000-0000-4000-8000-00000000000d', 'manager') $$, '42501',
    'the role admin may not give or take the role manager'
);
SELECT throws_ok(
    $$ SELECT tenancy.change_member_role('00000000-0000-4000-8000-00000000000c', 'user') $$, '42501',
    'the role admin may not give or take the role manager', 'nor take it'
);
SELECT throws_ok(
    $$ SELECT tenancy.change_member_role('00000000-0000-4000-8000-00000000000b', 'owner') $$, '42501',
    'the role admin may not give or take the role owner', 'not to himself either'
);
SELECT throws_ok(
    $$ SELECT tenancy.remove_member('00000000-0000-4000-8000-00000000000c') $$, '42501', 'the role admin may not give or take the role manager'
);
SELECT lives_ok($$ SELECT tenancy.remove_member('00000000-0000-4000-8000-00000000000d') $$, 'he removes a user');
SELECT lives_ok('SELECT tenancy.leave_organization()', 'he leaves');

-- Mary, the manager: managers and users.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000c', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT lives_ok($$ SELECT tenancy.change_member_role('00000000-0000-4000-8000-00000000000d', 'manager') $$, 'user to manager');
SELECT lives_ok($$ SELECT tenancy.change_member_role('00000000-0000-4000-8000-00000000000d', 'user') $$, 'and back');
SELECT throws_ok(
    $$ SELECT tenancy.change_member_role('00000000-0000-4000-8000-00000000000d', 'admin') $$, '42501',
    'the role manager may not give or take the role admin'
);
SELECT throws_ok(
    $$ SELECT tenancy.remove_member('00000000-0000-4000-8000-00000000000a') $$, '42501', 'the role manager may not give or take the role owner'
);

-- Uwe, a user.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is((SELECT count(*) FROM tenancy.members()), 4::bigint, 'he sees the members');
SELECT is((SELECT m.username FROM tenancy.member('00000000-0000-4000-8000-00000000000a') AS m), 'olga', 'and one of them');
SELECT throws_ok(
    $$ SELECT tenancy.change_member_role('00000000-0000-4000-8000-00000000000d', 'owner') $$, '42501',
    'role user lacks permission members.change_role'
);
SELECT throws_ok(
    $$ SELECT tenancy.remove_member('00000000-0000-4000-8000-00000000000c') $$, '42501', 'role user lacks permission members.remove'
);
SELECT lives_ok('SELECT tenancy.leave_organization()', 'he leaves');

-- Olga in her personal workspace.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') AS entered \gset
SELECT is_empty('SELECT role FROM public.organization_memberships', 'no memberships show');
SELECT throws_ok('SELECT tenancy.members()', '55000', NULL, 'there are no members');
SELECT throws_ok(
    $$ SELECT tenancy.member('00000000-0000-4000-8000-00000000000a') $$, '55000', NULL, 'she is none herself'
);
SELECT throws_ok('SELECT tenancy.leave_organization()', '55000', NULL, 'and nothing to leave');

-- A service, with its own SQL: the last owner stays, at the latest at COMMIT.
ROLLBACK TO turn;
SET CONSTRAINTS ALL DEFERRED;
SET LOCAL ROLE tenancy_service;
SELECT lives_ok(
    $$ DELETE FROM public.organization_memberships WHERE organization_id = '00000000-0000-4000-8000-000000000001' AND role = 'owner';
    UPDATE public.organization_memberships SET role = 'owner' WHERE user_id = '00000000-0000-4000-8000-00000000000b' $$,
    'handing over, in any order'
);
SELECT lives_ok('SET CONSTRAINTS ALL IMMEDIATE', 'is allowed');
SELECT throws_ok(
    $$ DELETE FROM public.organization_memberships WHERE user_id = '00000000-0000-4000-8000-00000000000b' $$, '23514',
    'organization Acme must keep an owner', 'removing the last owner is not'
);
SELECT throws_ok(
    $$ UPDATE public.organization_memberships SET role = 'user' WHERE user_id = '00000000-0000-4000-8000-00000000000b' $$, '23514',
    'organization Acme must keep an owner', 'nor demoting'
);
SELECT throws_ok(
    $$ DELETE FROM public.users WHERE id = '00000000-0000-4000-8000-00000000000b' $$, '23514', 'organization Acme must keep an owner',
    'nor deleting the person'
);
SELECT throws_ok(
    $$ UPDATE public.organization_memberships SET role = 'king' $$, '23514', NULL, 'a role is one of four'
);
SELECT lives_ok($$ DELETE FROM public.organizations WHERE id = '00000000-0000-4000-8000-000000000001' $$, 'the organization goes as a whole');
RESET ROLE;
SELECT throws_ok(
    'TRUNCATE public.organization_memberships', '23514', 'organizations must keep their owners', 'and not by TRUNCATE'
);

SELECT finish();
ROLLBACK;
