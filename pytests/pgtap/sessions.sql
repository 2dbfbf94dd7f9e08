-- Sessions of people: starting, using, switching, listing and revoking.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(32);

\ir include/people.psql

SAVEPOINT turn;
SET LOCAL ROLE tenancy_app;

-- Olga's, in Acme.
SELECT session_id AS olgas, token AS olgas_token
FROM tenancy.start_session(
    '00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001', E'Firefox\non Linux'
) \gset
SELECT is(
    tenancy.current_organization_id(), '00000000-0000-4000-8000-000000000001'::uuid, 'starting a session enters the workspace'
);
SELECT matches(:'olgas_token'::text, '^pgs_[0-9a-f]{64}$', 'the token is shown, this once');
SELECT results_eq(
    'SELECT id, client, organization_id FROM tenancy.sessions()',
    format('VALUES (%L::uuid, %L, %L::uuid)', :'olgas', 'Firefox on Linux', '00000000-0000-4000-8000-000000000001'),
    'it is listed, with what it is known by as plain text'
);
SELECT results_eq(
    format('SELECT id, is_current FROM tenancy.sessions(%L)', :'olgas_token'),
    format('VALUES (%L::uuid, true)', :'olgas'), 'and marked by its token'
);
SELECT throws_ok(
    $$ SELECT tenancy.revoke_session(gen_random_uuid()) $$, 'P0002', 'you have no such session', 'there is no other'
);
RESET ROLE;
SELECT is(
    (SELECT count(*) FROM tenancy_private.user_sessions AS s WHERE s.token_hash = sha256(convert_to(:'olgas_token', 'UTF8'))),
    1::bigint, 'a hash of the token is kept'
);
SELECT ok(
    NOT EXISTS (SELECT FROM tenancy_private.user_sessions AS s WHERE s::text LIKE '%' || :'olgas_token' || '%'),
    'and not the token'
);
-- Rolling back the savepoint removes the context, but must not remove the session.
SELECT s.user_id, encode(s.token_hash, 'hex') AS token_hash FROM tenancy_private.user_sessions AS s \gset
ROLLBACK TO turn;
INSERT INTO tenancy_private.user_sessions (id, user_id, token_hash, client, started_at, expires_at) VALUES
(:'olgas', :'user_id', decode(:'token_hash', 'hex'), 'Firefox', now() - interval '1 hour', now() + interval '1 day'),
('00000000-0000-4000-8000-0000000000e1', :'user_id', sha256('late'), 'late', now() - interval '2 days', now() - interval '1 s'),
('00000000-0000-4000-8000-0000000000e2', :'user_id', sha256('phone'), 'phone', now() - interval '1 hour', now() + interval '1 day');
INSERT INTO tenancy_private.session_uses (session_id, organization_id, last_seen_at) VALUES
(:'olgas', '00000000-0000-4000-8000-000000000001', now() - interval '5 minutes'),
('00000000-0000-4000-8000-0000000000e1', NULL, now() - interval '2 days'),
('00000000-0000-4000-8000-0000000000e2', NULL, now() - interval '10 minutes');

SAVEPOINT turn;
SET LOCAL ROLE tenancy_credentialed;
SELECT throws_ok(
    $$ SELECT tenancy.start_session('00000000-0000-4000-8000-00000000000a') $$, '42501', NULL,
    'a login that cannot name a person starts no session of one'
);
SELECT is(tenancy.enter_with_session(:'olgas_token'), :'olgas'::uuid, 'it enters with the token');
SELECT is(tenancy.current_user_id(), '00000000-0000-4000-8000-00000000000a'::uuid, 'as the person');
SELECT is(
    tenancy.current_organization_id(), '00000000-0000-4000-8000-000000000001'::uuid, 'where the session is'
);
SELECT is(
    (SELECT s.last_seen_at FROM tenancy.sessions() AS s WHERE s.id = :'olgas'), now(), 'when it was used is noted'
);
SELECT is((SELECT count(*) FROM tenancy.sessions()), 2::bigint, 'what has expired is not listed');

ROLLBACK TO turn;
SET LOCAL ROLE tenancy_credentialed;
SELECT is(tenancy.enter_with_session(:'olgas_token', NULL), :'olgas'::uuid, 'another workspace can be entered with it');
SELECT is(tenancy.current_organization_id(), NULL, 'the personal one');
SELECT is(
    (SELECT s.organization_id FROM tenancy.sessions() AS s WHERE s.id = :'olgas'),
    '00000000-0000-4000-8000-000000000001'::uuid, 'and the session stays where it is'
);

ROLLBACK TO turn;
SET LOCAL ROLE tenancy_credentialed;
SELECT is(tenancy.switch_session(:'olgas_token'), :'olgas'::uuid, 'a session goes to another workspace');
SELECT is(tenancy.current_organization_id(), NULL, 'which is entered');
SELECT is(
    (SELECT s.organization_id FROM tenancy.sessions() AS s WHERE s.id = :'olgas'), NULL, 'and there it is'
);

ROLLBACK TO turn;
SET LOCAL ROLE tenancy_credentialed;
SELECT throws_ok(
    format('SELECT tenancy.enter_with_session(%L, %L)', :'olgas_token', '00000000-0000-4000-8000-000000000002'),
    '28000', 'no such membership', 'no session opens an organization whose member one is not'
);
SELECT throws_ok(
    format('SELECT tenancy.switch_session(%L, %L)', :'olgas_token', '00000000-0000-4000-8000-000000000002'),
    '28000', 'no such membership', 'nor goes there'
);
SELECT throws_ok(
    format('SELECT tenancy.enter_with_session(%L)', token), '28000', 'the session is not valid', 'not valid: ' || token
)
FROM (VALUES ('late'), ('pgs_'), ('')) AS wrong (token);
SELECT throws_ok(
    $$ SELECT tenancy.enter_with_session(NULL) $$, '28000', 'the session is not valid', 'not valid: none'
);

-- Revoked.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_credentialed;
SELECT tenancy.enter_with_session('phone') AS entered \gset
SELECT lives_ok(format('SELECT tenancy.revoke_session(%L)', :'olgas'), 'a session ends another of the person''s');
SELECT lives_ok(format('SELECT tenancy.revoke_session(%L)', :'olgas'), 'twice is no error');
SELECT is((SELECT count(*) FROM tenancy.sessions()), 1::bigint, 'it is not listed any more');
SELECT is(tenancy.revoke_sessions(keep => :'entered'), 0, 'there are no others to end');
SELECT is(tenancy.revoke_sessions(), 1, 'but this one');
SELECT throws_ok(
    format('SELECT tenancy.enter_with_session(%L)', :'olgas_token'), '28000', 'the session is not valid', 'nobody enters with it'
);

-- Somebody else's.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000b') AS entered \gset
SELECT throws_ok(
    format('SELECT tenancy.revoke_session(%L)', :'olgas'), 'P0002', 'you have no such session', 'another''s session is none'
);

SELECT finish();
ROLLBACK;
