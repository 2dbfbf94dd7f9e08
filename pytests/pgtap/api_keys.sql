-- API keys: creating, listing, renaming, revoking, and entering.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(57);

\ir include/people.psql

-- A key of Acme created by Olga, one of her own, and one of Globex.
INSERT INTO public.api_keys (id, user_id, organization_id, name, key_prefix, key_hash) VALUES
('00000000-0000-4000-8000-000000000011', '00000000-0000-4000-8000-00000000000a',
    '00000000-0000-4000-8000-000000000001', 'of Acme', 'acme', encode(sha256('acme-1'), 'hex')),
('00000000-0000-4000-8000-000000000012', '00000000-0000-4000-8000-00000000000a',
    NULL, 'of Olga', 'olga', encode(sha256('olga-1'), 'hex')),
('00000000-0000-4000-8000-000000000013', '00000000-0000-4000-8000-00000000000e',
    '00000000-0000-4000-8000-000000000002', 'of Globex', 'globex', encode(sha256('globex-1'), 'hex'));
UPDATE public.api_keys SET tech_activated_at = now(), eco_activated_at = now() WHERE organization_id IS NOT NULL;

-- A transaction enters one workspace, so each turn below ends with its savepoint.
SAVEPOINT turn;
SET LOCAL ROLE tenancy_app;

-- Olga, the owner, in Acme.
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq('SELECT name FROM public.api_keys', $$ VALUES ('of Acme') $$, 'she sees Acme''s keys, and not her own');
SELECT matches((SELECT key FROM tenancy.create_api_key('program')), '^pgt_[0-9a-f]{8}_[0-9a-f]{64}$', 'she makes one');
SELECT results_eq(
    $$ SELECT user_id, organization_id, workspace_id FROM public.api_keys WHERE name = 'program' $$,
    $$ VALUES ('00000000-0000-4000-8000-00000000000a'::uuid, '00000000-0000-4000-8000-000000000001'::uuid,
        '00000000-0000-4000-8000-000000000001'::uuid) $$, 'which is Acme''s'
);
SELECT throws_ok($$ SELECT tenancy.create_api_key(' ') $$, '22023', NULL, 'a key has a name');
SELECT throws_ok($$ SELECT tenancy.create_api_key('x', now()) $$, '22023', NULL, 'and expires later than now');
SELECT lives_ok($$ SELECT tenancy.rename_api_key('00000000-0000-4000-8000-000000000011', 'new') $$, 'she renames one');
SELECT lives_ok($$ UPDATE public.api_keys SET name = 'newer' WHERE name = 'new' $$, 'by hand, too');
SELECT throws_ok(
    $$ SELECT tenancy.rename_api_key('00000000-0000-4000-8000-000000000012', 'x') $$, 'P0002', NULL, 'not her own, here'
);
SELECT throws_ok(
    $$ SELECT tenancy.revoke_api_key('00000000-0000-4000-8000-000000000013') $$, 'P0002', NULL, 'nor one of Globex'
);
SELECT throws_ok($$ SELECT tenancy.revoke_api_key('00000000-0000-4000-8000-000000000099') $$, 'P0002', NULL, 'nor nobody''s');
SELECT lives_ok($$ SELECT tenancy.revoke_api_key('00000000-0000-4000-8000-000000000011') $$, 'she revokes one');
SELECT lives_ok($$ SELECT tenancy.revoke_api_key('00000000-0000-4000-8000-000000000011') $$, 'again');
SELECT results_eq(
    $$ SELECT revoked_at = now() FROM public.api_keys WHERE name = 'newer' $$, $$ VALUES (true) $$, 'the list says when'
);
SELECT throws_ok('SELECT key_hash FROM public.api_keys', '42501', NULL, 'no hash can be read');
SELECT throws_ok('SELECT * FROM public.api_keys', '42501', NULL, 'not by a star either');
SELECT throws_ok('UPDATE public.api_keys SET revoked_at = NULL', '42501', NULL, 'nothing else can be written');
SELECT throws_ok('UPDATE public.api_keys SET expires_at = NULL', '42501', NULL, 'not when it expires');
SELECT throws_ok($$ UPDATE public.api_keys SET key_hash = '' $$, '42501', NULL, 'nor the hash');
SELECT throws_ok('DELETE FROM public.api_keys', '42501', NULL, 'nothing can be deleted');
SELECT throws_ok(
    $$ INSERT INTO public.api_keys (name, key_prefix, key_hash) VALUES ('x', 'x', 'x') $$, '42501', NULL, 'nor made by hand'
);

-- Adam, the admin, and Mary, the manager.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000b', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT lives_ok($$ SELECT tenancy.create_api_key('of Adam') $$, 'he makes one');
SELECT lives_ok($$ SELECT tenancy.revoke_api_key('00000000-0000-4000-8000-000000000011') $$, 'he revokes one');
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000c', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq('SELECT name FROM public.api_keys', $$ VALUES ('of Acme') $$, 'she sees them');
SELECT throws_ok(
    $$ SELECT tenancy.create_api_key('x') $$, '42501', 'role manager lacks permission api_keys.create', 'and makes none'
);

-- Uwe, a user.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq('SELECT name FROM public.api_keys', $$ VALUES ('of Acme') $$, 'he sees them');
SELECT throws_ok(
    $$ SELECT tenancy.create_api_key('x') $$, '42501', 'role user lacks permission api_keys.create', 'and makes none'
);
SELECT throws_ok(
    $$ SELECT tenancy.rename_api_key('00000000-0000-4000-8000-000000000011', 'x') $$, '42501',
    'role user lacks permission api_keys.update'
);
SELECT throws_ok(
    $$ SELECT tenancy.revoke_api_key('00000000-0000-4000-8000-000000000011') $$, '42501',
    'role user lacks permission api_keys.revoke'
);
SELECT throws_ok(
    $$ UPDATE public.api_keys SET name = 'x' $$, '42501', 'role user lacks permission api_keys.update', 'nor by hand'
);

-- Gina, the owner of Globex.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000e', '00000000-0000-4000-8000-000000000002') AS entered \gset
SELECT results_eq('SELECT name FROM public.api_keys', $$ VALUES ('of Globex') $$, 'she sees Globex''s');
SELECT throws_ok(
    $$ SELECT tenancy.revoke_api_key('00000000-0000-4000-8000-000000000011') $$, 'P0002', NULL, 'and revokes none of Acme'
);

-- Olga in her personal workspace.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') AS entered \gset
SELECT results_eq('SELECT name FROM public.api_keys', $$ VALUES ('of Olga') $$, 'she sees her own, not what she made for Acme');
SELECT lives_ok($$ SELECT tenancy.create_api_key('mine') $$, 'she makes one');
SELECT throws_ok(
    $$ SELECT tenancy.revoke_api_key('00000000-0000-4000-8000-000000000011') $$, 'P0002', NULL, 'and revokes none of Acme here'
);
SELECT lives_ok($$ SELECT tenancy.revoke_api_key('00000000-0000-4000-8000-000000000012') $$, 'but her own');

-- Pete, platform staff, in his personal workspace.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000f') AS entered \gset
SELECT is_empty('SELECT name FROM public.api_keys', 'he sees nobody''s');
SELECT throws_ok(
    $$ SELECT tenancy.revoke_api_key('00000000-0000-4000-8000-000000000012') $$, 'P0002', NULL, 'and revokes nobody''s'
);

-- A program with Acme's key, through a login that cannot name users.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_credentialed;
SELECT lives_ok($$ SELECT tenancy.enter_with_api_key('acme-1') $$, 'it enters');
SELECT is(tenancy.current_role(), 'user', 'as a user');
SELECT is(tenancy.current_organization_id(), '00000000-0000-4000-8000-000000000001'::uuid, 'of Acme');
SELECT is(tenancy.current_credential_id(), '00000000-0000-4000-8000-000000000011'::uuid, 'by its key');
SELECT results_eq('SELECT name FROM public.api_keys', $$ VALUES ('of Acme') $$, 'it sees Acme''s keys');
SELECT throws_ok($$ SELECT tenancy.create_api_key('x') $$, '42501', 'an API key is not allowed to do this', 'and makes none');
SELECT throws_ok($$ SELECT tenancy.create_organization('x') $$, '42501', 'an API key is not allowed to do this', 'no organization');
SELECT throws_ok('SELECT tenancy.leave_organization()', '42501', 'an API key is not allowed to do this', 'it does not leave for Olga');
SELECT results_eq('SELECT name FROM tenancy.my_organizations()', $$ VALUES ('Acme') $$, 'it can go nowhere else');
SELECT throws_ok($$ SELECT tenancy.enter_with_api_key('olga-1') $$, '28000', NULL, 'not with another key either');

-- A program with Olga's own key.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_credentialed;
SELECT lives_ok($$ SELECT tenancy.enter_with_api_key('olga-1') $$, 'it enters');
SELECT is(tenancy.current_workspace_id(), '00000000-0000-4000-8000-00000000000a'::uuid, 'her personal workspace');
SELECT is_empty('SELECT name FROM tenancy.my_organizations()', 'and no organization');
SELECT throws_ok(
    $$ UPDATE public.api_keys SET name = 'x' $$, '42501', 'an API key is not allowed to do this', 'it renames no key'
);

-- Invalid keys.
ROLLBACK TO turn;
UPDATE public.api_keys SET revoked_at = now() WHERE name = 'of Acme';
UPDATE public.api_keys SET expires_at = clock_timestamp() WHERE name = 'of Olga';
UPDATE tenancy.workspaces SET deleted_at = now() WHERE id = '00000000-0000-4000-8000-000000000002';
SET LOCAL ROLE tenancy_app;
SELECT throws_ok(
    format('SELECT tenancy.enter_with_api_key(%L)', k.key), '28000', 'the API key is not valid', k.kind || ' and others are one error'
)
FROM (VALUES
    ('acme-1', 'a revoked key'), ('olga-1', 'an expired one'), ('globex-1', 'one of a deleted organization'),
    ('acme-2', 'a wrong one'), (NULL, 'none')
) AS k (key, kind);

-- A service sees all.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_service;
SELECT is((SELECT count(*) FROM public.api_keys), 3::bigint, 'of everybody');

SELECT finish();
ROLLBACK;
