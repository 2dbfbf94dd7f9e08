-- Lint finds planted faults in pg-tenancy's own tables, and none without; and explain_access().
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(20);

\ir include/people.psql

SELECT has_function('tenancy', 'lint', ARRAY['text[]', 'text[]'], 'there is a function that lints');
SELECT function_privs_are('tenancy', 'lint', ARRAY['text[]', 'text[]'], r.role, ARRAY[]::text[], 'not for ' || r.role)
FROM (VALUES ('tenancy_credentialed'), ('tenancy_service'), ('tenancy_auditor')) AS r (role);

-- Roles and the server do not depend on this database.
CREATE TEMPORARY VIEW found AS
SELECT f.rule, f.severity, f.object
FROM tenancy.lint() AS f
-- pgTAP's own functions are in a separate schema.
WHERE f.object !~ '^role |^function tap\.' AND f.rule <> 'server_outdated';

SELECT is_empty($$ SELECT * FROM found WHERE severity <> 'info' $$, 'nothing is above info in the database as it is');
SELECT cmp_ok((SELECT count(*) FROM found), '>', 5::bigint, 'and it has looked');

SAVEPOINT as_it_was;
ALTER TABLE public.models NO FORCE ROW LEVEL SECURITY;
SELECT set_has(
    'SELECT rule, severity, object FROM found', $$ VALUES ('rls_not_forced', 'error', 'table public.models') $$,
    'a table that does not bind its owner is found'
);
ROLLBACK TO as_it_was;
DROP POLICY models_tenant ON public.models;
SELECT set_has(
    'SELECT rule, severity, object FROM found', $$ VALUES ('floor_missing', 'error', 'table public.models') $$,
    'a table without its floor is found'
);
ROLLBACK TO as_it_was;
CREATE VIEW public.all_models AS SELECT m.id, m.name FROM public.models AS m;
GRANT SELECT ON public.all_models TO tenancy_credentialed;
SELECT set_has(
    'SELECT rule, severity, object FROM found', $$ VALUES ('view_as_owner', 'error', 'view public.all_models') $$,
    'a view that reads as its owner is found'
);
ROLLBACK TO as_it_was;
GRANT UPDATE (workspace_id) ON public.models TO tenancy_credentialed WITH GRANT OPTION;
SELECT set_has(
    'SELECT rule, severity, object FROM found', $$ VALUES ('grant_option', 'warning', 'table public.models') $$,
    'a right that may be passed on is found'
);
ROLLBACK TO as_it_was;
CREATE TABLE public.files (organization_id uuid NOT NULL, name text, secret text);
GRANT SELECT ON public.files TO tenancy_credentialed;
SELECT set_has(
    'SELECT rule, object FROM found',
    $$ VALUES ('rls_disabled', 'table public.files'), ('secret_readable', 'table public.files') $$,
    'a new table that nobody protected is found, and its secret'
);
ROLLBACK TO as_it_was;

-- -- why a row is hidden

SELECT function_privs_are('tenancy', 'explain_access', ARRAY['regclass', 'text', 'uuid', 'uuid'], 'tenancy_credentialed', ARRAY[]::text[], 'tenants are not told why they see nothing');
SELECT function_privs_are('tenancy', 'explain_access', ARRAY['regclass', 'text', 'uuid', 'uuid'], 'tenancy_app', ARRAY[]::text[], 'nor is their application');
SELECT function_privs_are('tenancy', 'explain_access', ARRAY['regclass', 'text', 'uuid', 'uuid'], 'tenancy_legacy', ARRAY[]::text[], 'nor are logins from before');
SELECT function_privs_are('tenancy', 'explain_access', ARRAY['regclass', 'text', 'uuid', 'uuid'], 'tenancy_service', ARRAY['EXECUTE'], 'services are');
SELECT function_privs_are('tenancy', 'explain_access', ARRAY['regclass', 'text', 'uuid', 'uuid'], 'tenancy_auditor', ARRAY['EXECUTE'], 'and auditors');

INSERT INTO public.models (id, name, model_id, organization_id)
VALUES ('00000000-0000-4000-8000-0000000000e1', 'Mine', 'hub/mine', '00000000-0000-4000-8000-000000000001');
SET LOCAL ROLE tenancy_service;
SELECT results_eq(
    $$
    SELECT e.command, e.allowed
    FROM tenancy.explain_access(
        'public.models', '00000000-0000-4000-8000-0000000000e1', '00000000-0000-4000-8000-00000000000a',
        '00000000-0000-4000-8000-000000000001'
    ) AS e
    $$,
    $$ VALUES ('SELECT', true), ('INSERT', true), ('UPDATE', true), ('DELETE', false) $$,
    'an owner sees and changes a model of the organization, and deletes it by a function'
);
SELECT results_eq(
    $$
    SELECT e.allowed, e.reason ~ '^the row belongs to the organization '
    FROM tenancy.explain_access(
        'public.models', '00000000-0000-4000-8000-0000000000e1', '00000000-0000-4000-8000-00000000000a'
    ) AS e
    WHERE e.command = 'SELECT'
    $$,
    $$ VALUES (false, true) $$,
    'and not in the personal workspace, because it is the organization''s'
);
SELECT throws_ok(
    $$ SELECT * FROM tenancy.explain_access('pg_catalog.pg_class', '1', '00000000-0000-4000-8000-00000000000a') $$,
    '55000', 'pg_class is not protected', 'only protected tables are explained'
);
RESET ROLE;
SET LOCAL ROLE tenancy_app;
SELECT throws_ok(
    $$ SELECT * FROM tenancy.explain_access('public.models', 'x', '00000000-0000-4000-8000-00000000000a') $$,
    '42501', 'permission denied for function explain_access', 'a tenant is refused before a row is looked for'
);
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
