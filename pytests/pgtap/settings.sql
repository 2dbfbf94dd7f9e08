-- Settings: three levels, their writers, and secrets.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(23);

\ir include/people.psql

SELECT has_table(t.schema, t.name, t.name)
FROM (VALUES ('tenancy'::name, 'settings'::name), ('tenancy', 'settings_definitions'), ('tenancy_private', 'secrets')) AS t (schema, name);
SELECT function_privs_are('tenancy', f.name, f.arguments, 'tenancy_credentialed', ARRAY['EXECUTE'], f.name)
FROM (VALUES
    ('settings', ARRAY[]::text[]), ('setting', ARRAY['uuid', 'text']), ('explain_setting', ARRAY['uuid', 'text']),
    ('set_setting', ARRAY['uuid', 'text', 'text', 'bigint']), ('unset_setting', ARRAY['uuid', 'text', 'bigint']),
    ('lock_setting', ARRAY['uuid', 'text', 'boolean']), ('provider_status', ARRAY[]::text[])
) AS f (name, arguments);
SELECT function_privs_are('tenancy', 'read_secret', ARRAY['uuid', 'uuid', 'text'], 'tenancy_credentialed', '{}'::text[], 'no tenant reads a secret');
SELECT function_privs_are('tenancy', 'read_secret', ARRAY['uuid', 'uuid', 'text'], 'tenancy_service', ARRAY['EXECUTE'], 'a service does');
SELECT table_privs_are('tenancy_private', 'secrets', r.name, '{}'::text[], r.name || ' has nothing of the secrets')
FROM (VALUES ('tenancy_credentialed'::name), ('tenancy_service'), ('tenancy_auditor')) AS r (name);

SELECT tenancy.define_setting('pgtap_limit', 'int', min_int => 1, max_int => 10, default_value => '5');
SELECT tenancy.define_setting('pgtap_token', 'text', secret => true);

-- as the application's role
SET LOCAL ROLE tenancy_app;
SAVEPOINT turn;
SELECT throws_ok('SELECT tenancy.settings()', '28000', NULL, 'nobody asks without a context');
ROLLBACK TO turn;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001');
SELECT is(tenancy.setting(NULL, 'pgtap_limit'), '5'::jsonb, 'the default counts');
SELECT lives_ok($$ SELECT tenancy.set_setting(NULL, 'pgtap_limit', '7') $$, 'an owner sets a value');
SELECT is(tenancy.setting(NULL, 'pgtap_limit'), '7'::jsonb, 'which counts then');
SELECT throws_ok(
    $$ SELECT tenancy.set_setting(NULL, 'pgtap_limit', '11') $$, '22023', NULL, 'a value out of the range is refused'
);
SELECT lives_ok($$ SELECT tenancy.set_setting(NULL, 'pgtap_token', 'very secret') $$, 'a secret is set');
SELECT is(
    (SELECT (s.is_configured, s.value IS NULL)::text FROM tenancy.settings() AS s WHERE s.key = 'pgtap_token'),
    '(t,t)', 'and not read back'
);
SELECT is(
    (SELECT count(*) FROM tenancy.audit_log AS a WHERE concat(a.old_values, a.new_values) LIKE '%very secret%'),
    0::bigint, 'nor in the audit log'
);
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
