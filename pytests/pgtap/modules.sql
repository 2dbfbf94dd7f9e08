-- Modules: the roles that may open them, and whether instances can be created.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(11);

\ir include/people.psql

SELECT has_table('tenancy', 'modules', 'the modules are a table');
SELECT function_privs_are('tenancy', f.name, f.arguments, 'tenancy_credentialed', ARRAY['EXECUTE'], f.name)
FROM (VALUES
    ('visible_modules', ARRAY[]::text[]), ('require_module', ARRAY['text']), ('can_provision', ARRAY[]::text[])
) AS f (name, arguments);

SET LOCAL ROLE tenancy_app;
SAVEPOINT turn;
SELECT throws_ok('SELECT tenancy.visible_modules()', '28000', NULL, 'nobody asks without a context');
ROLLBACK TO turn;
SELECT throws_ok($$ INSERT INTO tenancy.modules (key, name, path) VALUES ('x', 'x', '/x') $$, '42501', NULL, 'no tenant adds one');
ROLLBACK TO turn;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001');
SELECT is((SELECT m.state FROM tenancy.visible_modules() AS m WHERE m.key = 'users'), 'visible', 'an owner sees the users');
SELECT lives_ok($$ SELECT tenancy.require_module('users') $$, 'and may open them');
ROLLBACK TO turn;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a');
SELECT is(
    (SELECT m.state FROM tenancy.visible_modules() AS m WHERE m.key = 'users'), 'organization_required',
    'in the personal workspace they need an organization'
);
SELECT throws_ok($$ SELECT tenancy.require_module('users') $$, '55000', NULL, 'and are not opened');
SELECT throws_ok($$ SELECT tenancy.require_module('nothing') $$, 'P0002', NULL, 'one that does not exist is an error');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
