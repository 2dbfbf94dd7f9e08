-- Rights that PostgreSQL gives to everybody, and that a tenant must not have.

BEGIN;
SELECT plan(18);

SELECT is_empty(
    $$
    SELECT p.oid::regprocedure
    FROM pg_proc AS p
    WHERE p.pronamespace = 'pg_catalog'::regnamespace
        AND (
            p.proname ~ '^(pg_stat_get_|lo_)'
            OR p.proname IN ('loread', 'lowrite', 'pg_cancel_backend', 'pg_terminate_backend')
        )
        AND (
            has_function_privilege('tenancy_app', p.oid, 'EXECUTE')
            OR has_function_privilege('tenancy_credentialed', p.oid, 'EXECUTE')
            OR has_function_privilege('tenancy_auditor', p.oid, 'EXECUTE')
        )
    $$,
    'a tenant calls no function that counts rows, watches or stops sessions, or keeps large objects'
);
SELECT is_empty(
    $$
    SELECT object_kind, object, privilege FROM tenancy_private.revoked_from_public
    WHERE object_kind NOT IN ('DATABASE', 'SCHEMA', 'FUNCTION')
    $$,
    'what was taken is written down for the way back'
);
SELECT isnt_empty(
    $$ SELECT FROM tenancy_private.revoked_from_public WHERE object_kind = 'FUNCTION' $$,
    'functions among it'
);
SELECT
    is(
        has_database_privilege('tenancy_app', current_database(), 'TEMPORARY'),
        false,
        'no temporary objects'
    );
SELECT
    is(
        has_database_privilege('tenancy_app', current_database(), 'CONNECT'),
        true,
        'but a connection'
    );

-- The application.
SET LOCAL ROLE tenancy_app;
SELECT
    throws_ok(
        'SELECT query FROM pg_stat_activity',
        '42501',
        NULL,
        'it does not see the statements of others'
    );
SELECT
    throws_ok(
        'SELECT n_live_tup FROM pg_stat_user_tables', '42501', NULL, 'nor how many rows there are'
    );
SELECT throws_ok('SELECT pg_terminate_backend(1)', '42501', NULL, 'it stops nobody');
SELECT throws_ok('SELECT lo_create(0)', '42501', NULL, 'it makes no large object');
SELECT throws_ok('CREATE TABLE public.mine (id integer)', '42501', NULL, 'it makes no table');
SELECT
    throws_ok('CALL tenancy.harden_database()', '42501', NULL, 'and it cannot call the hardening');
SELECT
    throws_ok('SELECT pid FROM pg_locks', '42501', NULL, 'it does not see what was read for it');
SELECT
    throws_ok(
        $$ SELECT currtid2('tenancy.audit_log', '(0,1)') $$,
        '42501',
        NULL,
        'nor where a hidden row is now'
    );
SELECT lives_ok('SELECT relname FROM pg_class', 'what it may see, it still sees');

-- The old application keeps its rights.
RESET ROLE;
SET LOCAL ROLE tenancy_service;
SELECT lives_ok('SELECT n_live_tup FROM pg_stat_user_tables', 'a service reads statistics');
SELECT lives_ok('SELECT lo_create(0)', 'a service makes large objects');
SELECT
    throws_ok(
        'SELECT inner_block FROM tenancy_private.seal_keys',
        '42501',
        NULL,
        'a service does not read the keys'
    );

-- Called again, it changes nothing.
RESET ROLE;
SELECT lives_ok('CALL tenancy.harden_database()', 'it can be called again');

SELECT finish();
ROLLBACK;
