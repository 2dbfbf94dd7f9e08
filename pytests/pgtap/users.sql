-- Users: visibility, and creating, changing and deleting accounts.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(93);

\ir include/people.psql
UPDATE public.users SET role = 'user' WHERE username = 'pete';
INSERT INTO public.users (id, email, username, password_hash, role) VALUES
('00000000-0000-4000-8000-000000000010', 'sam@example.com', 'sam', 'x', 'admin');
INSERT INTO public.organization_memberships (organization_id, user_id, role) VALUES
('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000010', 'user');
INSERT INTO public.api_keys (user_id, organization_id, name, key_prefix, key_hash)
SELECT k.user_id::uuid, k.organization_id::uuid, 'k', left(k.key, 12), encode(sha256(convert_to(k.key, 'UTF8')), 'hex')
FROM (
    VALUES
    ('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001', 'pgt_0000000a_acme'),
    ('00000000-0000-4000-8000-00000000000a', NULL, 'pgt_0000000b_olga'),
    ('00000000-0000-4000-8000-000000000010', NULL, 'pgt_0000000c_sam')
) AS k (user_id, organization_id, key);
UPDATE public.api_keys SET tech_activated_at = now(), eco_activated_at = now() WHERE organization_id IS NOT NULL;

-- A transaction enters one workspace, so each turn below ends with its savepoint.
SAVEPOINT turn;
SET LOCAL ROLE tenancy_app;

-- In no workspace.
SELECT throws_ok('SELECT id FROM public.users', '28000', 'this transaction is in no workspace');
SELECT throws_ok(
    $$ SELECT id FROM public.users WHERE id = '00000000-0000-4000-8000-00000000000a' $$, '28000', 'this transaction is in no workspace',
    'of somebody who is there'
);
SELECT throws_ok(
    $$ SELECT id FROM public.users WHERE id = '00000000-0000-4000-8000-0000000000ff' $$, '28000', 'this transaction is in no workspace',
    'and of nobody'
);
SELECT throws_ok('SELECT tenancy.visible_user_ids()', '28000', 'this transaction is in no workspace');
SELECT throws_ok('SELECT tenancy.all_users()', '28000', 'this transaction is in no workspace');

-- Signing up needs no workspace, and enters none.
SELECT throws_ok($$ SELECT tenancy.sign_up('Olga@Example.com') $$, '23505', 'an account with this e-mail address exists');
SELECT throws_ok($$ SELECT tenancy.sign_up('nobody') $$, '22023', 'invalid e-mail address');
SELECT isnt(tenancy.sign_up('new@example.com', 'new'), NULL, 'somebody whom nobody has invited has an account');
SELECT throws_ok('SELECT id FROM public.users', '28000', 'this transaction is in no workspace', 'and sees nothing yet');
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_auditor;
SELECT throws_ok($$ SELECT tenancy.sign_up('new@example.com') $$, '42501', NULL, 'an auditor signs nobody up');
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;

-- Olga, the owner.
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq(
    'SELECT username FROM public.users ORDER BY username COLLATE "C"',
    $$ VALUES ('adam'), ('mary'), ('olga'), ('sam'), ('uwe') $$,
    'she sees who belongs to Acme, and nobody else'
);
SELECT is_empty($$ SELECT id FROM public.users WHERE email = 'gina@example.com' $$, 'not Gina of Globex');
SELECT throws_ok('SELECT password_hash FROM public.users', '42501', NULL, 'nor how anybody is let in');
SELECT throws_ok('SELECT * FROM tenancy.all_users()', '42501', 'only platform staff may list all users');
SELECT throws_ok($$ SELECT tenancy.create_user('GINA@example.com') $$, '23505', 'an account with this e-mail address exists');
SELECT throws_ok($$ SELECT tenancy.create_user('no address') $$, '22023', 'invalid e-mail address');
SELECT lives_ok($$ SELECT tenancy.create_user(' New@Example.com ', 'newt', 'N', 'T', 'hash') $$, 'she makes an account');
SELECT results_eq(
    $$ SELECT email, username, first_name, last_name, role FROM public.users WHERE username = 'newt' $$,
    $$ VALUES ('New@Example.com', 'newt', 'N', 'T', 'user') $$,
    'which is a member at once'
);
SELECT is((SELECT m.role FROM tenancy.members() AS m WHERE m.username = 'newt'), 'user', 'and a user');
SELECT lives_ok($$ SELECT tenancy.update_user('00000000-0000-4000-8000-00000000000b', username => 'addy') $$, 'she changes Adam''s name');
SELECT throws_ok(
    $$ SELECT tenancy.update_user('00000000-0000-4000-8000-00000000000b', 'adam@example.org') $$, '42501',
    'another member''s e-mail address and password cannot be changed'
);
SELECT throws_ok(
    $$ SELECT tenancy.update_user('00000000-0000-4000-8000-00000000000d', password_hash => 'y') $$, '42501',
    'another member''s e-mail address and password cannot be changed', 'of a user neither'
);
SELECT lives_ok($$ SELECT tenancy.update_user('00000000-0000-4000-8000-00000000000a', 'olga@example.org', password_hash => 'y') $$, 'her own she does');
SELECT throws_ok(
    $$ SELECT tenancy.update_user('00000000-0000-4000-8000-00000000000e', username => 'y') $$, 'P0002',
    'the organization has no such member', 'Gina is Globex''s'
);
SELECT throws_ok(
    $$ SELECT tenancy.delete_user('00000000-0000-4000-8000-00000000000e') $$, 'P0002', 'the organization has no such member'
);
SELECT throws_ok(
    $$ SELECT tenancy.delete_user('00000000-0000-4000-8000-00000000000a') $$, '23514', 'organization Acme must keep an owner'
);
SELECT lives_ok($$ SELECT tenancy.delete_user('00000000-0000-4000-8000-00000000000c') $$, 'Mary''s membership ends');
SELECT is_empty($$ SELECT id FROM public.users WHERE username = 'mary' $$, 'so that she is not seen');
SELECT throws_ok($$ UPDATE public.users SET role = 'admin' $$, '42501', NULL, 'nothing is written by hand');
SELECT throws_ok($$ INSERT INTO public.users (email) VALUES ('x@example.com') $$, '42501', NULL, 'nor made');
SELECT throws_ok('DELETE FROM public.users', '42501', NULL, 'nor deleted');
RESET ROLE;
SELECT is((SELECT count(*) FROM public.users WHERE username = 'mary'), 1::bigint, 'Mary''s account is still there');

-- Adam, the admin: the same, except for owners and managers.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000b', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is((SELECT count(*) FROM public.users), 5::bigint, 'he sees the members');
SELECT lives_ok($$ SELECT tenancy.create_user('new@example.com') $$, 'makes accounts');
SELECT lives_ok($$ SELECT tenancy.update_user('00000000-0000-4000-8000-00000000000c', first_name => 'Mary') $$, 'changes the manager''s name');
SELECT throws_ok(
    $$ SELECT tenancy.update_user('00000000-0000-4000-8000-00000000000a', first_name => 'Olga') $$, '42501',
    'the role admin may not change the profile of an owner', 'not the owner''s'
);
SELECT throws_ok(
    $$ SELECT tenancy.delete_user('00000000-0000-4000-8000-00000000000c') $$, '42501', 'the role admin may not give or take the role manager'
);
SELECT throws_ok(
    $$ SELECT tenancy.delete_user('00000000-0000-4000-8000-00000000000a') $$, '42501', 'the role admin may not give or take the role owner'
);
SELECT lives_ok($$ SELECT tenancy.delete_user('00000000-0000-4000-8000-00000000000d') $$, 'a user''s membership he ends');

-- Mary, the manager: sees, and changes herself.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000c', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is((SELECT count(*) FROM public.users), 5::bigint, 'she sees the members');
SELECT throws_ok($$ SELECT tenancy.create_user('new@example.com') $$, '42501', 'role manager lacks permission users.create');
SELECT throws_ok(
    $$ SELECT tenancy.update_user('00000000-0000-4000-8000-00000000000d', username => 'y') $$, '42501',
    'role manager lacks permission users.update'
);
SELECT throws_ok(
    $$ SELECT tenancy.delete_user('00000000-0000-4000-8000-00000000000d') $$, '42501', 'role manager lacks permission users.delete'
);
SELECT lives_ok($$ SELECT tenancy.update_user('00000000-0000-4000-8000-00000000000c', 'mary@example.org', 'm', 'M', 'Y', 'y') $$, 'herself');

-- Uwe, a user.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is((SELECT count(*) FROM public.users), 5::bigint, 'he sees the members');
SELECT throws_ok($$ SELECT tenancy.create_user('new@example.com') $$, '42501', 'role user lacks permission users.create');
SELECT throws_ok(
    $$ SELECT tenancy.delete_user('00000000-0000-4000-8000-00000000000d') $$, '42501', 'role user lacks permission users.delete',
    'who wants to go leaves'
);

-- Gina, of Globex.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000e', '00000000-0000-4000-8000-000000000002') AS entered \gset
SELECT results_eq('SELECT username FROM public.users', $$ VALUES ('gina') $$, 'she sees Globex''s people');
SELECT throws_ok(
    $$ SELECT tenancy.update_user('00000000-0000-4000-8000-00000000000d', username => 'y') $$, 'P0002', 'the organization has no such member'
);
SELECT throws_ok(
    $$ SELECT tenancy.update_user('00000000-0000-4000-8000-0000000000ff', username => 'y') $$, 'P0002', 'the organization has no such member',
    'as of nobody'
);

-- Pete, in no organization.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000f') AS entered \gset
SELECT results_eq('SELECT username FROM public.users', $$ VALUES ('pete') $$, 'he sees himself');
SELECT throws_ok('SELECT * FROM tenancy.all_users()', '42501', NULL, 'not everybody');
SELECT throws_ok(
    $$ SELECT tenancy.create_user('new@example.com') $$, '55000', 'this requires an organization, and the current workspace is personal'
);
SELECT throws_ok(
    $$ SELECT tenancy.update_user('00000000-0000-4000-8000-00000000000e', username => 'y') $$, '42501',
    'in personal mode people may change only their own account'
);
SELECT throws_ok(
    $$ SELECT tenancy.delete_user('00000000-0000-4000-8000-00000000000e') $$, '42501', 'in personal mode people may change only their own account'
);
SELECT throws_ok(
    $$ SELECT tenancy.update_user('00000000-0000-4000-8000-00000000000f', 'olga@EXAMPLE.com') $$, '23505', 'an account with this e-mail address exists'
);
SELECT lives_ok($$ SELECT tenancy.update_user('00000000-0000-4000-8000-00000000000f', 'pete@example.org') $$, 'another address he takes');
SELECT lives_ok($$ SELECT tenancy.delete_user('00000000-0000-4000-8000-00000000000f') $$, 'his own account he deletes');
SELECT is_empty('SELECT id FROM public.users', 'and is gone');

-- Gina tries to delete her own account: Globex would have no owner.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000e') AS entered \gset
SELECT throws_ok(
    $$ SELECT tenancy.delete_user('00000000-0000-4000-8000-00000000000e') $$, '23514', 'the person is the last owner of Globex (globex)'
);

-- Sam, platform staff, in his personal workspace: like everybody, except for the list.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-000000000010') AS entered \gset
SELECT results_eq('SELECT username FROM public.users', $$ VALUES ('sam') $$, 'he sees himself');
SELECT is(tenancy.visible_user_ids(), ARRAY['00000000-0000-4000-8000-000000000010'::uuid], 'by whatever way');
SELECT is((SELECT count(*) FROM tenancy.all_users()), 7::bigint, 'and lists everybody');
SELECT results_eq(
    $$ SELECT username FROM tenancy.all_users(' GINA@example.com') $$, $$ VALUES ('gina') $$, 'or who has an address'
);
SELECT results_eq(
    $$ SELECT username FROM tenancy.all_users(after_id => '00000000-0000-4000-8000-00000000000d', page_size => 1) $$,
    $$ VALUES ('gina') $$, 'page by page'
);
SELECT throws_ok('SELECT tenancy.all_users(page_size => 0)', '22023', 'a page must have 1 to 10000 rows');
SELECT throws_ok(
    $$ SELECT tenancy.create_user('new@example.com') $$, '55000', 'this requires an organization, and the current workspace is personal'
);
SELECT throws_ok(
    $$ SELECT tenancy.update_user('00000000-0000-4000-8000-00000000000e', username => 'y') $$, '42501',
    'in personal mode people may change only their own account'
);
SELECT throws_ok(
    $$ SELECT tenancy.delete_user('00000000-0000-4000-8000-00000000000f') $$, '42501',
    'in personal mode people may change only their own account'
);

-- In the platform's workspace he can see and change every account.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter_platform('00000000-0000-4000-8000-000000000010') AS entered \gset
SELECT is((SELECT count(*) FROM public.users), 7::bigint, 'he sees everybody');
SELECT is((SELECT count(*) FROM tenancy.all_users()), 7::bigint, 'and lists them');
SELECT throws_ok('SELECT password_hash FROM public.users', '42501', NULL, 'not how anybody is let in');
SELECT throws_ok($$ UPDATE public.users SET username = 'x' $$, '42501', NULL, 'nothing is written by hand');
SELECT lives_ok($$ SELECT tenancy.create_user('new@example.com') $$, 'he makes accounts');
SELECT lives_ok($$ SELECT tenancy.update_user('00000000-0000-4000-8000-00000000000e', 'gina@example.org', password_hash => 'y') $$, 'changes Gina''s');
SELECT throws_ok(
    $$ SELECT tenancy.update_user('00000000-0000-4000-8000-0000000000ff', username => 'y') $$, 'P0002', 'no such user'
);
SELECT throws_ok($$ SELECT tenancy.delete_user('00000000-0000-4000-8000-0000000000ff') $$, 'P0002', 'no such user');
SELECT throws_ok(
    $$ SELECT tenancy.delete_user('00000000-0000-4000-8000-00000000000a') $$, '23514', 'the person is the last owner of Acme (acme)'
);
SELECT lives_ok($$ SELECT tenancy.delete_user('00000000-0000-4000-8000-00000000000f') $$, 'and deletes Pete''s');

-- Sam, in Acme: a user.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-000000000010', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is((SELECT count(*) FROM public.users), 5::bigint, 'he sees the members');
SELECT throws_ok('SELECT * FROM tenancy.all_users()', '42501', NULL, 'and not everybody');
SELECT throws_ok($$ SELECT tenancy.create_user('new@example.com') $$, '42501', 'role user lacks permission users.create');

-- Programs, with keys.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_credentialed;
SELECT tenancy.enter_with_api_key('pgt_0000000a_acme') AS entered \gset
SELECT is((SELECT count(*) FROM public.users), 5::bigint, 'Acme''s key sees the members');
SELECT throws_ok($$ SELECT tenancy.create_user('new@example.com') $$, '42501', 'an API key is not allowed to do this');
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_credentialed;
SELECT tenancy.enter_with_api_key('pgt_0000000b_olga') AS entered \gset
SELECT results_eq('SELECT username FROM public.users', $$ VALUES ('olga') $$, 'Olga''s sees her');
SELECT throws_ok(
    $$ SELECT tenancy.update_user('00000000-0000-4000-8000-00000000000a', username => 'y') $$, '42501', 'an API key is not allowed to do this'
);
SELECT throws_ok($$ SELECT tenancy.delete_user('00000000-0000-4000-8000-00000000000a') $$, '42501', 'an API key is not allowed to do this');
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_credentialed;
SELECT tenancy.enter_with_api_key('pgt_0000000c_sam') AS entered \gset
SELECT throws_ok('SELECT * FROM tenancy.all_users()', '42501', NULL, 'Sam''s is not platform staff');
SELECT throws_ok($$ SELECT tenancy.delete_user('00000000-0000-4000-8000-00000000000f') $$, '42501', 'an API key is not allowed to do this');

-- The application's own rules for its users, seen by Olga in Acme.
ROLLBACK TO turn;
ALTER TABLE public.users ALTER COLUMN username TYPE varchar(10);
ALTER TABLE public.users ADD CONSTRAINT users_username_key UNIQUE (username);
ALTER TABLE public.users ADD CONSTRAINT users_last_name_check CHECK (last_name <> '');
ALTER TABLE public.users ALTER COLUMN username SET NOT NULL;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT throws_ok($$ SELECT tenancy.create_user('new@example.com', 'gina') $$, '23505', 'an account with this username exists');
SELECT throws_ok(
    $$ SELECT tenancy.create_user('new@example.com') $$, '22023', 'the column username of public.users has to have a value'
);
SELECT throws_ok(
    $$ SELECT tenancy.update_user('00000000-0000-4000-8000-00000000000a', username => 'eleven char') $$, '22023',
    'the column username of public.users takes 10 characters at most'
);
SELECT throws_ok(
    $$ SELECT tenancy.update_user('00000000-0000-4000-8000-00000000000a', last_name => '') $$, '22023',
    'the constraint users_last_name_check of public.users does not allow this'
);

SELECT finish();
ROLLBACK;
