-- Tickets: entering with a ticket signed outside of the database.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(20);

\ir include/people.psql

-- The signer's part, with the secret that was shown once.
SELECT key_id, secret FROM tenancy.create_ticket_key() \gset
SELECT set_config('test.secret', :'secret', true) AS kept \gset
SELECT set_config('test.key_id', :'key_id', true) AS kept \gset

CREATE FUNCTION pg_temp.base64url(data bytea) RETURNS text
LANGUAGE sql AS $$ SELECT translate(encode(data, 'base64'), E'+/=\n', '-_') $$;

CREATE FUNCTION pg_temp.ticket(claims jsonb, header jsonb DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
    SELECT m.message || '.' || pg_temp.base64url(sha256(
        tenancy_private.hmac_block(convert_to(current_setting('test.secret'), 'UTF8'), 92)
        || sha256(
            tenancy_private.hmac_block(convert_to(current_setting('test.secret'), 'UTF8'), 54)
            || convert_to(m.message, 'UTF8')
        )
    ))
    FROM (
        SELECT pg_temp.base64url(convert_to(coalesce(
            header, jsonb_build_object('alg', 'HS256', 'kid', current_setting('test.key_id'))
        )::text, 'UTF8')) || '.' || pg_temp.base64url(convert_to(claims::text, 'UTF8')) AS message
    ) AS m
$$;

CREATE FUNCTION pg_temp.claims(seconds double precision) RETURNS jsonb
LANGUAGE sql AS $$
    SELECT jsonb_build_object(
        'sub', '00000000-0000-4000-8000-00000000000a',
        'org', '00000000-0000-4000-8000-000000000001',
        'exp', floor(extract(EPOCH FROM clock_timestamp()) + seconds)
    )
$$;

CREATE TEMPORARY TABLE tickets AS
SELECT t.name, t.ticket
FROM (VALUES
    ('good', pg_temp.ticket(pg_temp.claims(60))),
    ('without a key id', pg_temp.ticket(pg_temp.claims(60), '{"alg": "HS256"}')),
    ('personal', pg_temp.ticket(pg_temp.claims(60) - 'org')),
    ('of an hour', pg_temp.ticket(pg_temp.claims(3590))),
    ('expired', pg_temp.ticket(pg_temp.claims(-1))),
    ('too far ahead', pg_temp.ticket(pg_temp.claims(3700))),
    ('without an end', pg_temp.ticket(pg_temp.claims(60) - 'exp')),
    ('not yet valid', pg_temp.ticket(pg_temp.claims(60) || '{"nbf": 99999999999}')),
    ('alg none', pg_temp.ticket(pg_temp.claims(60), '{"alg": "none"}')),
    ('another key', pg_temp.ticket(pg_temp.claims(60), '{"alg": "HS256", "kid": "00000000"}')),
    ('somebody else''s', pg_temp.ticket(
        pg_temp.claims(60) || '{"org": "00000000-0000-4000-8000-000000000002"}'
    )),
    ('cut', left(pg_temp.ticket(pg_temp.claims(60)), -2))
) AS t (name, ticket);
GRANT SELECT ON tickets TO tenancy_credentialed;

CREATE FUNCTION pg_temp.entering(name text) RETURNS text
LANGUAGE sql AS $$
    SELECT format('SELECT tenancy.enter_with_ticket(%L)', (SELECT t.ticket FROM tickets AS t WHERE t.name = entering.name))
$$;

SAVEPOINT turn;
SET LOCAL ROLE tenancy_credentialed;

-- A login that cannot name a user, with a ticket.
SELECT throws_ok(
    $$ SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') $$, '42501', NULL, 'naming a user is refused'
);
SELECT lives_ok(pg_temp.entering('good'), 'a ticket is not');
SELECT is(tenancy.current_user_id(), '00000000-0000-4000-8000-00000000000a'::uuid, 'it says who');
SELECT is(tenancy.current_role(), 'owner', 'the database says as what');
SELECT results_eq('SELECT name FROM public.organizations', $$ VALUES ('Acme') $$, 'and where');
SELECT lives_ok(pg_temp.entering('good'), 'the same ticket again is no error');
SELECT throws_ok(
    pg_temp.entering('personal'), '28000', 'this transaction is already in a workspace', 'another one is'
);

ROLLBACK TO turn;
SET LOCAL ROLE tenancy_credentialed;
SELECT lives_ok(pg_temp.entering('personal'), 'without org it opens the personal workspace');
SELECT is(tenancy.current_organization_id(), NULL, 'and no organization');

ROLLBACK TO turn;
SET LOCAL ROLE tenancy_credentialed;
SELECT lives_ok(pg_temp.entering('without a key id'), 'the key need not be named');

ROLLBACK TO turn;
SET LOCAL ROLE tenancy_credentialed;
SELECT lives_ok(pg_temp.entering('of an hour'), 'an hour is allowed');

-- The error does not reveal what is wrong with a ticket.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_credentialed;
SELECT throws_ok(pg_temp.entering(name), '28000', 'the ticket is not valid', name)
FROM (VALUES ('expired'), ('too far ahead'), ('without an end'), ('not yet valid'), ('alg none'), ('another key'), ('cut'))
AS wrong (name);
SELECT throws_ok(
    pg_temp.entering('somebody else''s'), '28000', 'no such membership', 'a signature makes nobody a member'
);

-- A revoked key.
ROLLBACK TO turn;
SELECT tenancy.revoke_ticket_key(:'key_id') AS revoked \gset
SET LOCAL ROLE tenancy_credentialed;
SELECT throws_ok(pg_temp.entering('good'), '28000', 'the ticket is not valid', 'its tickets end with a key');

SELECT finish();
ROLLBACK;
