-- Invitations: who may invite whom, the list, revoking, peeking and accepting.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(64);

\ir include/people.psql

-- A transaction enters one workspace, so each turn below ends with its savepoint.
SAVEPOINT turn;
SET LOCAL ROLE tenancy_app;

-- Olga, the owner.
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is_empty('SELECT id FROM tenancy.invitations()', 'nobody is invited');
SELECT id AS first_id, token AS first_token FROM tenancy.invite_member(' New@Example.com ') \gset
SELECT matches(:'first_token'::text, '^inv_[0-9a-f]{64}$', 'she gets a token');
SELECT results_eq(
    'SELECT email, role, status, invited_by_user_id, expires_at - created_at FROM tenancy.invitations()',
    $$ VALUES ('New@Example.com', 'user', 'pending', '00000000-0000-4000-8000-00000000000a'::uuid, interval '7 days') $$,
    'for seven days, as a user'
);
SELECT results_eq(
    'SELECT email, role, organization_id FROM tenancy.invitations',
    $$ VALUES ('New@Example.com', 'user', '00000000-0000-4000-8000-000000000001'::uuid) $$,
    'which the table says, too'
);
SELECT throws_ok('SELECT token_hash FROM tenancy.invitations', '42501', NULL, 'but not what is kept of the token');
SELECT throws_ok($$ SELECT tenancy.invite_member('NEW@example.COM') $$, '23505', 'this e-mail address already has a pending invitation');
SELECT throws_ok($$ SELECT tenancy.invite_member('OLGA@example.com') $$, '23505', 'a member of the organization already has this e-mail address');
SELECT lives_ok($$ SELECT tenancy.invite_member('gina@example.com', 'owner') $$, 'somebody who has an account, as an owner');
SELECT lives_ok($$ SELECT tenancy.invite_member('a@example.com', 'admin', '90 days') $$, 'for 90 days');
SELECT lives_ok($$ SELECT tenancy.invite_member('m@example.com', 'manager', '1 second') $$, 'for a second');
SELECT throws_ok(format('SELECT tenancy.invite_member(%L)', email), '22023', 'invalid e-mail address', quote_nullable(replace(email, E'\n', ' ')))
FROM (VALUES ('x'), ('@x'), ('x@'), (''), ('a b@x'), (E'a@x\nBcc: b@x'), ('a@x,b'), ('<a@x>'), (NULL)) AS v (email);
SELECT throws_ok(
    format('SELECT tenancy.invite_member(%L, %L, %L)', 'y@example.com', 'user', lifetime), '22023', message, lifetime
)
FROM (
    VALUES
    ('0', 'an invitation that is open for no time can be accepted by nobody'),
    ('-1 day', 'an invitation does not expire before it is made'),
    ('90 days 1 second', 'an invitation is open for 90 days at most'),
    ('4 months', 'an invitation is open for 90 days at most')
) AS v (lifetime, message);
SELECT lives_ok($$ SELECT tenancy.invite_member('z@example.com', 'user', NULL) $$, 'and without one it is 7 days');
SELECT throws_ok($$ SELECT tenancy.invite_member('y@example.com', 'king') $$, '22023', 'role ''king'' does not exist');
SELECT throws_ok($$ INSERT INTO tenancy.invitations (email) VALUES ('y@example.com') $$, '42501', NULL, 'not by hand');
SELECT throws_ok($$ UPDATE tenancy.invitations SET role = 'owner' $$, '42501', NULL, 'nor changed');
SELECT throws_ok('DELETE FROM tenancy.invitations', '42501', NULL, 'nor removed');
SELECT throws_ok(
    $$ SELECT tenancy.revoke_invitation('00000000-0000-4000-8000-000000000001') $$, 'P0002', 'the organization has no such invitation'
);
SELECT lives_ok(format('SELECT tenancy.revoke_invitation(%L)', :'first_id'), 'she takes it back');
SELECT throws_ok(format('SELECT tenancy.revoke_invitation(%L)', :'first_id'), '55000', 'the invitation is revoked');
SELECT throws_ok(format('SELECT tenancy.accept_invitation(%L)', :'first_token'), '28000', 'the invitation is not valid');
SELECT lives_ok($$ SELECT tenancy.invite_member('new@example.com') $$, 'and invites again');

-- Adam, the admin: admins and users.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000b', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT lives_ok($$ SELECT tenancy.invite_member('a@example.com', 'admin') $$, 'an admin');
SELECT lives_ok($$ SELECT tenancy.invite_member('u@example.com', 'user') $$, 'a user');
SELECT throws_ok($$ SELECT tenancy.invite_member('m@example.com', 'manager') $$, '42501', 'the role admin may not give or take the role manager');
SELECT throws_ok($$ SELECT tenancy.invite_member('o@example.com', 'owner') $$, '42501', 'the role admin may not give or take the role owner');

-- Mary, the manager: managers and users; and invitations by others.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_owner;
INSERT INTO tenancy.invitations (id, organization_id, email, role, token_hash, created_at, expires_at) VALUES
('00000000-0000-4000-8000-0000000000e1', '00000000-0000-4000-8000-000000000001', 'x@example.com', 'admin', sha256('x'), now(), 'infinity'),
('00000000-0000-4000-8000-0000000000e2', '00000000-0000-4000-8000-000000000002', 'x@example.com', 'user', sha256('y'), now(), 'infinity'),
('00000000-0000-4000-8000-0000000000e3', '00000000-0000-4000-8000-000000000001', 'old@example.com', 'user', sha256('z'), '2001-01-01', '2001-01-02');
SAVEPOINT invited;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000c', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT lives_ok($$ SELECT tenancy.invite_member('m@example.com', 'manager') $$, 'a manager');
SELECT throws_ok($$ SELECT tenancy.invite_member('a@example.com', 'admin') $$, '42501', 'the role manager may not give or take the role admin');
SELECT results_eq(
    'SELECT email, status FROM tenancy.invitations()',
    $$ VALUES ('m@example.com', 'pending'), ('x@example.com', 'pending'), ('old@example.com', 'expired') $$,
    'she sees Acme''s invitations, the newest first, and not Globex''s'
);
SELECT is((SELECT count(*) FROM tenancy.invitations), 3::bigint, 'in the table, too');
SELECT throws_ok(
    $$ SELECT tenancy.revoke_invitation('00000000-0000-4000-8000-0000000000e1') $$, '42501', 'the role manager may not give or take the role admin',
    'what an admin was promised is not hers to take back'
);
SELECT throws_ok(
    $$ SELECT tenancy.revoke_invitation('00000000-0000-4000-8000-0000000000e2') $$, 'P0002', 'the organization has no such invitation', 'nor Globex''s'
);
SELECT throws_ok(
    $$ SELECT tenancy.revoke_invitation('00000000-0000-4000-8000-0000000000e3') $$, '55000', 'the invitation is expired'
);
SELECT lives_ok($$ SELECT tenancy.invite_member('OLD@example.com') $$, 'what has expired is in nobody''s way');

-- Uwe, a user.
ROLLBACK TO invited;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT throws_ok('SELECT tenancy.invitations()', '42501', 'role user lacks permission members.invite');
SELECT throws_ok($$ SELECT tenancy.invite_member('u@example.com') $$, '42501', 'role user lacks permission members.invite');
SELECT throws_ok(
    $$ SELECT tenancy.revoke_invitation('00000000-0000-4000-8000-0000000000e1') $$, '42501', 'role user lacks permission members.invite'
);
SELECT is_empty('SELECT id FROM tenancy.invitations', 'he sees none');

-- Olga in her personal workspace.
ROLLBACK TO invited;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') AS entered \gset
SELECT throws_ok('SELECT tenancy.invitations()', '55000', NULL, 'nobody is invited into it');
SELECT throws_ok($$ SELECT tenancy.invite_member('u@example.com') $$, '55000', NULL, 'nor can be');
SELECT is_empty('SELECT id FROM tenancy.invitations', 'and no invitations show');

-- The holder of a token, in no workspace.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT token AS new_token FROM tenancy.invite_member('new@example.com') \gset
SELECT token AS gina_token FROM tenancy.invite_member('GINA@example.com', 'manager') \gset
RESET ROLE;
SELECT set_config('tenancy.' || name, '', true) FROM (VALUES ('context'), ('current_user_id'), ('current_organization_id')) AS v (name);
SET LOCAL ROLE tenancy_app;
SELECT throws_ok('SELECT id FROM tenancy.invitations', '28000', NULL, 'reads no invitation');
SELECT results_eq(
    format('SELECT * FROM tenancy.peek_invitation(%L)', :'new_token'), $$ VALUES ('Acme', 'user', false) $$, 'but sees what this one is for'
);
SELECT results_eq(
    format('SELECT * FROM tenancy.peek_invitation(%L)', :'gina_token'), $$ VALUES ('Acme', 'manager', true) $$, 'and that Gina has an account'
);
SELECT throws_ok(format('SELECT tenancy.peek_invitation(%L)', 'inv_' || repeat('0', 64)), '28000', 'the invitation is not valid');
SELECT lives_ok(format('SELECT tenancy.accept_invitation(%L, %L, %L, %L, %L)', :'new_token', 'newt', 'New', 'T', 'a hash'), 'accepts');
SELECT throws_ok(format('SELECT tenancy.accept_invitation(%L)', :'new_token'), '28000', 'the invitation is not valid', 'but once');
SELECT lives_ok(format('SELECT tenancy.accept_invitation(%L, %L, %L, %L, %L)', :'gina_token', 'x', 'x', 'x', 'x'), 'Gina accepts');
RESET ROLE;
SELECT results_eq(
    $$ SELECT u.email, u.username, u.first_name, u.last_name, u.password_hash, u.role, m.role
    FROM public.users AS u INNER JOIN public.organization_memberships AS m ON u.id = m.user_id
    WHERE m.organization_id = '00000000-0000-4000-8000-000000000001' AND u.email ~ 'new|gina' ORDER BY u.email $$,
    $$ VALUES ('gina@example.com', 'gina', NULL, NULL, 'x', 'user', 'manager'), ('new@example.com', 'newt', 'New', 'T', 'a hash', 'user', 'user') $$,
    'the new account has what was given, and Gina''s is as it was'
);
SELECT results_eq(
    $$ SELECT DISTINCT new_values ? 'token_hash' FROM tenancy.audit_log WHERE object_kind = 'invitation' $$, 'VALUES (false)',
    'the audit log has no hash'
);

-- An auditor, and a login in no workspace.
SET LOCAL ROLE tenancy_auditor;
SELECT isnt_empty('SELECT id FROM tenancy.invitations', 'an auditor reads');
SELECT throws_ok(format('SELECT tenancy.accept_invitation(%L)', :'gina_token'), '42501', NULL, 'and does not accept');
RESET ROLE;
SELECT isnt_empty(
    $$ SELECT id FROM tenancy.audit_log WHERE action = 'table.read' AND object_id = 'tenancy.invitations' $$, 'which is recorded'
);

SELECT finish();
ROLLBACK;
