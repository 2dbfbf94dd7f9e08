-- Tables of an application: protect(), allow(), publish() and unprotect(), shape by shape.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(102);

SET LOCAL client_min_messages = error;
\ir include/people.psql

-- An application's own tables, with existing rows, and their permissions.
CREATE TABLE public.projects (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, cost integer, secret text);
CREATE TABLE public.tasks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), project_id uuid REFERENCES public.projects (id) ON DELETE CASCADE, name text
);
CREATE TABLE public.notes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), author_id uuid, is_shared boolean NOT NULL DEFAULT false, body text
);
CREATE TABLE public.parts (id serial PRIMARY KEY, name text);
CREATE TABLE public.countries (code text PRIMARY KEY, name text, remark text);
INSERT INTO public.projects (id, name) VALUES ('00000000-0000-4000-8000-000000000041', 'from before');
INSERT INTO public.tasks (project_id, name) VALUES ('00000000-0000-4000-8000-000000000041', 'of before');
INSERT INTO public.parts (name) VALUES ('screw');
INSERT INTO public.countries VALUES ('de', 'Germany', 'secret');

SELECT count(tenancy.define_permission(p.name, p.roles::text[])) AS defined
FROM (VALUES
    ('projects.view', '{owner,admin,manager,user}'), ('projects.change', '{owner,admin}'), ('projects.delete', '{owner}'),
    ('notes.view', '{owner,admin,manager,user}'), ('notes.write', '{owner,admin,manager,user}'), ('notes.moderate', '{owner}')
) AS p (name, roles) \gset

CREATE TEMPORARY TABLE before AS
SELECT c.oid, c.relacl, c.relrowsecurity, c.relforcerowsecurity, (
    SELECT array_agg(format('%s %s %s', a.attname, a.attacl, pg_get_expr(d.adbin, d.adrelid)) ORDER BY a.attnum)
    FROM pg_attribute AS a
    LEFT JOIN pg_attrdef AS d ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
) AS columns, (
    SELECT array_agg(pg_get_constraintdef(k.oid) ORDER BY k.conname) FROM pg_constraint AS k WHERE k.conrelid = c.oid
) AS constraints, (
    SELECT array_agg(pg_get_indexdef(i.indexrelid) ORDER BY 1) FROM pg_index AS i WHERE i.indrelid = c.oid
) AS indexes
FROM pg_class AS c
WHERE c.oid IN (
    'public.projects'::regclass, 'public.tasks'::regclass, 'public.notes'::regclass,
    'public.parts'::regclass, 'public.countries'::regclass
);

-- == What is refused ==
SELECT throws_ok('CALL ' || c.call, c.state, c.message, c.call)
FROM (VALUES
    ('tenancy.protect(''pg_catalog.pg_class'')', '0A000', NULL),
    ('tenancy.protect(''tenancy_private.seal_keys'')', '0A000', NULL),
    ('tenancy.protect(''pg_temp.before'')', '0A000', NULL),
    ('tenancy.protect(''public.projects_pkey'')', '0A000', 'public.projects_pkey cannot be protected: it is not a table'),
    ('tenancy.protect(''public.projects'', key => ''owner'')', '42703', 'public.projects lacks the columns owner'),
    ('tenancy.protect(''public.projects'', key => ''name'')', '42804', 'public.projects: name is text, and must be uuid'),
    ('tenancy.protect(''public.notes'', author => ''body'')', '42804', NULL),
    ('tenancy.protect(''public.notes'', author => ''author_id'', shared => ''body'')', '42804', NULL),
    ('tenancy.protect(''public.notes'', shared => ''is_shared'')', '22023', 'a table can be a child, have authors or be a catalogue, but only one of them'),
    ('tenancy.protect(''public.parts'', catalogue => true, author => ''id'')', '22023', NULL),
    ('tenancy.protect(''public.projects'', people => ''members'')', '22023', 'people (self or members) applies only to public.users'),
    ('tenancy.protect(''public.users'', key => ''id'', people => ''self'')', '55000', NULL),
    ('tenancy.protect(''public.tasks'', parent => ''project_id'')', '55000', 'public.tasks.project_id refers to no protected table'),
    ('tenancy.allow(''public.projects'', ''SELECT'', ''projects.view'', columns => ''id'')', '55000', 'public.projects is not protected'),
    ('tenancy.unprotect(''public.projects'')', '55000', 'public.projects is not protected')
) AS c (call, state, message);

CALL tenancy.protect('public.projects');
SELECT throws_ok('CALL tenancy.allow(''public.projects'', ' || c.arguments || ')', c.state, c.message, c.arguments)
FROM (VALUES
    ('''TRUNCATE'', ''projects.view''', '22023', 'command must be SELECT, INSERT, UPDATE or DELETE'),
    ('NULL, ''projects.view''', '22023', NULL),
    ('''SELECT'', ''projects.hide'', columns => ''id''', '22023', 'permission projects.hide is not defined'),
    ('''UPDATE'', NULL, columns => ''name''', '22023', 'a write requires a permission'),
    ('''DELETE'', NULL', '22023', 'a write requires a permission'),
    ('''SELECT'', ''projects.view''', '22023', 'name the columns of public.projects for SELECT'),
    ('''UPDATE'', ''projects.change'', columns => ''color''', '42703', 'public.projects lacks the columns color'),
    ('''UPDATE'', ''projects.change'', columns => ''name, workspace_id''', '22023', 'tenants cannot write public.projects.workspace_id'),
    ('''INSERT'', ''projects.change'', columns => ''workspace_id''', '22023', 'tenants cannot write public.projects.workspace_id'),
    ('''SELECT'', ''projects.view'', columns => ''id'', "for" => ''persons''', '22023', 'for must be organization, or left out')
) AS c (arguments, state, message);

-- == A table of tenants, and a child of it ==
CALL tenancy.allow('public.projects', 'SELECT', 'projects.view', columns => 'id, name, cost');
CALL tenancy.allow('public.projects', 'INSERT', 'projects.change', columns => 'id, name');
CALL tenancy.allow('public.projects', 'UPDATE', 'projects.change', columns => 'name');
CALL tenancy.allow('public.projects', 'DELETE', 'projects.delete', person => true);
SELECT throws_ok(
    'CALL tenancy.allow(''public.projects'', ''SELECT'', ''projects.view'', columns => ''secret'')', '42710', NULL,
    'a command is allowed once: what it needs is not widened in passing'
);
CALL tenancy.protect('public.tasks', parent => 'project_id');
CALL tenancy.allow('public.tasks', 'SELECT', 'projects.view', columns => 'id, project_id, name');
CALL tenancy.allow('public.tasks', 'INSERT', 'projects.change', columns => 'project_id, name');
CALL tenancy.allow('public.tasks', 'UPDATE', 'projects.change', columns => 'project_id, name');
SELECT throws_ok(
    'CALL tenancy.unprotect(''public.projects'')', '55000', 'public.projects has children that are protected: public.tasks',
    'a parent stays while it has children'
);
SELECT results_eq(
    $$ SELECT DISTINCT workspace_id FROM public.projects UNION ALL SELECT workspace_id FROM public.tasks $$,
    $$ VALUES ('00000000-0000-0000-0000-000000000000'::uuid), ('00000000-0000-0000-0000-000000000000'::uuid) $$,
    'rows from before are the platform''s'
);
SELECT lives_ok('CALL tenancy_private.verify_contracts()', 'what was made is what is verified');

SAVEPOINT turn;
SET LOCAL ROLE tenancy_app;
SELECT throws_ok('SELECT id FROM public.projects', '28000', NULL, 'without a workspace there is nothing to see');
SELECT throws_ok('INSERT INTO public.projects (name) VALUES (''x'')', '28000', NULL, 'nor to make');
SELECT throws_ok('DELETE FROM public.projects', '28000', NULL, 'nor to delete');

SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT lives_ok(
    $$ INSERT INTO public.projects (id, name) VALUES ('00000000-0000-4000-8000-000000000042', 'of Acme') $$, 'Olga makes a project'
);
SELECT results_eq(
    'SELECT name, workspace_id FROM public.projects', $$ VALUES ('of Acme', '00000000-0000-4000-8000-000000000001'::uuid) $$,
    'which is Acme''s, and all that she sees'
);
SELECT throws_ok('SELECT secret FROM public.projects', '42501', NULL, 'a column that nobody named is closed');
SELECT throws_ok('UPDATE public.projects SET cost = 1', '42501', NULL, 'one that is only read is not written');
SELECT throws_ok('UPDATE public.projects SET workspace_id = NULL', '42501', NULL, 'and whose it is least of all');
SELECT lives_ok(
    $$ INSERT INTO public.tasks (project_id, name) VALUES ('00000000-0000-4000-8000-000000000042', 'of Acme') $$, 'she makes a task'
);
SELECT is((SELECT workspace_id FROM public.tasks), '00000000-0000-4000-8000-000000000001'::uuid, 'which is where its project is');
SELECT throws_ok('DELETE FROM public.tasks', '42501', NULL, 'what nobody was allowed is refused');
RESET ROLE;
SELECT set_config('tenancy.' || name, '', true) FROM (VALUES ('context'), ('current_user_id'), ('current_organization_id')) AS v (name);
INSERT INTO public.projects (id, name, workspace_id) VALUES
('00000000-0000-4000-8000-000000000043', 'of Globex', '00000000-0000-4000-8000-000000000002');
INSERT INTO public.tasks (project_id, name) VALUES ('00000000-0000-4000-8000-000000000043', 'of Globex');
SELECT is(
    (SELECT workspace_id FROM public.tasks WHERE name = 'of Globex'), '00000000-0000-4000-8000-000000000002'::uuid,
    'a service names the parent, and the child is there, too'
);
SELECT throws_ok(
    $$ UPDATE public.tasks SET workspace_id = '00000000-0000-4000-8000-000000000001' WHERE name = 'of Globex' $$, '23503', NULL,
    'a child is nowhere else'
);
SELECT is(
    ARRAY(
        SELECT c.conname::text FROM pg_constraint AS c
        WHERE c.conrelid = 'public.tasks'::regclass AND c.confrelid = 'public.projects'::regclass
    ), ARRAY['tasks_tenancy_project_id_fkey'], 'a child has one key, so that there is one error'
);

-- Adam, Uwe and Gina.
ROLLBACK TO turn;
INSERT INTO public.projects (id, name, workspace_id) VALUES
('00000000-0000-4000-8000-000000000042', 'of Acme', '00000000-0000-4000-8000-000000000001'),
('00000000-0000-4000-8000-000000000043', 'of Globex', '00000000-0000-4000-8000-000000000002');
SAVEPOINT turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000b', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT lives_ok($$ UPDATE public.projects SET name = 'renamed' $$, 'Adam changes them');
SELECT throws_ok('DELETE FROM public.projects', '42501', 'role admin lacks permission projects.delete', 'and deletes none');
SELECT throws_ok(
    format('INSERT INTO public.tasks (project_id) VALUES (%L)', p.id), '23503',
    'insert or update on table "tasks" violates foreign key constraint "tasks_tenancy_project_id_fkey"', p.kind
)
FROM (VALUES
    ('00000000-0000-4000-8000-000000000043', 'a project of Globex'), ('00000000-0000-4000-8000-000000000041', 'one of the platform'),
    ('00000000-0000-4000-8000-000000000099', 'and one that is none are one error')
) AS p (id, kind);
RESET ROLE;
SELECT results_eq(
    'SELECT name FROM public.projects ORDER BY name COLLATE "C"', $$ VALUES ('from before'), ('of Globex'), ('renamed') $$,
    'what he changed was Acme''s'
);
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq('SELECT name FROM public.projects', $$ VALUES ('of Acme') $$, 'Uwe looks');
SELECT throws_ok(
    'INSERT INTO public.projects (name) VALUES (''x'')', '42501', 'role user lacks permission projects.change', 'and makes none'
);
SELECT throws_ok(
    'UPDATE public.projects SET name = ''x'' WHERE false', '42501', 'role user lacks permission projects.change', 'changes none'
);
SELECT throws_ok('DELETE FROM public.projects', '42501', 'role user lacks permission projects.delete', 'deletes none');
ROLLBACK TO turn;
SET LOCAL session_replication_role = replica;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT throws_ok(
    'UPDATE public.projects SET name = ''x''', '42501', 'role user lacks permission projects.change', 'also where triggers are off'
);
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000e', '00000000-0000-4000-8000-000000000002') AS entered \gset
SELECT results_eq('SELECT name FROM public.projects', $$ VALUES ('of Globex') $$, 'Gina sees Globex''s');
SELECT lives_ok('DELETE FROM public.projects', 'and deletes them all');
RESET ROLE;
SELECT is((SELECT count(*) FROM public.projects), 2::bigint, 'which is one');
ROLLBACK TO turn;
INSERT INTO public.api_keys (user_id, organization_id, name, key_prefix, key_hash) VALUES
('00000000-0000-4000-8000-00000000000e', NULL, 'of Gina', 'gina', encode(sha256('gina-1'), 'hex'));
UPDATE public.api_keys SET tech_activated_at = now(), eco_activated_at = now() WHERE organization_id IS NOT NULL;
SET LOCAL ROLE tenancy_credentialed;
SELECT tenancy.enter_with_api_key('gina-1') AS entered \gset
SELECT lives_ok('INSERT INTO public.projects (name) VALUES (''x'')', 'a program writes');
SELECT throws_ok('DELETE FROM public.projects', '42501', 'an API key is not allowed to do this', 'but not what is for persons');
RESET ROLE;
SELECT is(
    (SELECT workspace_id FROM public.projects WHERE name = 'x'), '00000000-0000-4000-8000-00000000000e'::uuid,
    'in the personal workspace of whose key it has'
);
DELETE FROM tenancy.workspaces WHERE id = '00000000-0000-4000-8000-000000000001';
SELECT is_empty($$ SELECT id FROM public.projects WHERE name = 'of Acme' $$, 'what is Acme''s goes with Acme');
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_service;
SELECT is((SELECT count(secret) + count(*) FROM public.projects), 3::bigint, 'a service sees all');
SELECT lives_ok('UPDATE public.projects SET name = ''x''', 'and writes all');
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_auditor;
SELECT is((SELECT count(name) FROM public.projects), 3::bigint, 'an auditor reads all');
SELECT throws_ok('SELECT secret FROM public.projects', '42501', NULL, 'but what nobody named');
SELECT throws_ok('DELETE FROM public.projects', '42501', NULL, 'and writes nothing');
RESET ROLE;
SELECT is(
    (SELECT count(*) FROM tenancy.audit_log WHERE action = 'table.read' AND object_id = 'public.projects'), 1::bigint,
    'which is recorded'
);

-- == Rows that have an author ==
ROLLBACK TO turn;
CALL tenancy.protect('public.notes', author => 'author_id', shared => 'is_shared');
CALL tenancy.allow('public.notes', 'SELECT', 'notes.view', columns => 'id, author_id, is_shared, body');
CALL tenancy.allow('public.notes', 'INSERT', 'notes.write', columns => 'is_shared, body');
CALL tenancy.allow('public.notes', 'UPDATE', 'notes.write', columns => 'is_shared, body');
CALL tenancy.allow('public.notes', 'DELETE', 'notes.write');
INSERT INTO public.notes (author_id, is_shared, body, workspace_id) VALUES
('00000000-0000-4000-8000-00000000000a', false, 'of Olga', '00000000-0000-4000-8000-000000000001'),
('00000000-0000-4000-8000-00000000000b', false, 'of Adam', '00000000-0000-4000-8000-000000000001'),
('00000000-0000-4000-8000-00000000000b', true, 'shared by Adam', '00000000-0000-4000-8000-000000000001'),
(NULL, false, 'of nobody', '00000000-0000-4000-8000-000000000001'),
('00000000-0000-4000-8000-00000000000d', true, 'of Globex', '00000000-0000-4000-8000-000000000002');
SAVEPOINT notes;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq('SELECT body FROM public.notes', $$ VALUES ('shared by Adam') $$, 'Uwe sees what is shared');
SELECT lives_ok($$ INSERT INTO public.notes (body) VALUES ('of Uwe') $$, 'writes his own');
SELECT results_eq(
    $$ SELECT author_id, workspace_id FROM public.notes WHERE body = 'of Uwe' $$,
    $$ VALUES ('00000000-0000-4000-8000-00000000000d'::uuid, '00000000-0000-4000-8000-000000000001'::uuid) $$, 'as its author'
);
SELECT throws_ok(
    $$ INSERT INTO public.notes (author_id, body) VALUES ('00000000-0000-4000-8000-00000000000a', 'x') $$, '42501', NULL, 'not as Olga'
);
SELECT lives_ok($$ UPDATE public.notes SET body = 'changed' $$, 'changes his');
SELECT lives_ok('DELETE FROM public.notes', 'and deletes his');
RESET ROLE;
SELECT results_eq(
    'SELECT body FROM public.notes ORDER BY body COLLATE "C"',
    $$ VALUES ('of Adam'), ('of Globex'), ('of Olga'), ('of nobody'), ('shared by Adam') $$, 'and nobody else''s'
);
-- Olga moderates what is shared.
ROLLBACK TO notes;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq(
    'SELECT body FROM public.notes ORDER BY body COLLATE "C"', $$ VALUES ('of Olga'), ('shared by Adam') $$, 'Olga sees no more'
);
SELECT lives_ok('DELETE FROM public.notes', 'but deletes what is shared, too');
RESET ROLE;
SELECT results_eq(
    'SELECT body FROM public.notes ORDER BY body COLLATE "C"', $$ VALUES ('of Adam'), ('of Globex'), ('of nobody') $$, 'and no more'
);
-- A program is not an author.
ROLLBACK TO notes;
INSERT INTO public.api_keys (user_id, organization_id, name, key_prefix, key_hash) VALUES
('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001', 'of Olga', 'olga', encode(sha256('olga-1'), 'hex'));
UPDATE public.api_keys SET tech_activated_at = now(), eco_activated_at = now() WHERE organization_id IS NOT NULL;
SET LOCAL ROLE tenancy_credentialed;
SELECT tenancy.enter_with_api_key('olga-1') AS entered \gset
SELECT results_eq('SELECT body FROM public.notes', $$ VALUES ('shared by Adam') $$, 'a program sees what is shared');
SELECT throws_ok($$ INSERT INTO public.notes (body) VALUES ('x') $$, '42501', NULL, 'and writes for nobody');
SELECT throws_ok('DELETE FROM public.notes', '42501', NULL, 'nor deletes');
RESET ROLE;
SELECT is((SELECT count(*) FROM public.notes), 5::bigint, 'anything');

-- == A catalogue ==
ROLLBACK TO turn;
CALL tenancy.protect('public.parts', catalogue => true);
SELECT throws_ok(
    $$ CALL tenancy.allow('public.parts', 'INSERT', 'projects.change', columns => 'id, name') $$, '22023',
    'tenants cannot write public.parts.id: all tenants share its numbers',
    'a number that is taken would tell of others'
);
CALL tenancy.allow('public.parts', 'SELECT', 'projects.view', columns => 'id, name');
CALL tenancy.allow('public.parts', 'INSERT', 'projects.change', "for" => 'organization', columns => 'name');
CALL tenancy.allow('public.parts', 'UPDATE', 'projects.change', "for" => 'organization', columns => 'name');
CALL tenancy.allow('public.parts', 'DELETE', 'projects.change', "for" => 'organization');
INSERT INTO public.parts (name, workspace_id) VALUES ('of Globex', '00000000-0000-4000-8000-000000000002');
SAVEPOINT parts;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000b', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT lives_ok($$ INSERT INTO public.parts (name) VALUES ('of Acme') $$, 'Adam adds a part, with a number of its own');
SELECT results_eq(
    'SELECT name FROM public.parts ORDER BY name COLLATE "C"', $$ VALUES ('of Acme'), ('screw') $$, 'he sees Acme''s and the platform''s'
);
SELECT lives_ok($$ UPDATE public.parts SET name = 'x' $$, 'he changes all');
SELECT results_eq('SELECT name FROM public.parts ORDER BY name COLLATE "C"', $$ VALUES ('screw'), ('x') $$, 'that is Acme''s');
SELECT lives_ok('DELETE FROM public.parts', 'and deletes it');
SELECT results_eq('SELECT name FROM public.parts', $$ VALUES ('screw') $$, 'not the platform''s');
ROLLBACK TO parts;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') AS entered \gset
SELECT results_eq('SELECT name FROM public.parts', $$ VALUES ('screw') $$, 'a person sees the platform''s');
SELECT throws_ok(
    $$ INSERT INTO public.parts (name) VALUES ('x') $$, '42501', 'a personal workspace has no rows of public.parts', 'and has none'
);
SELECT throws_ok('DELETE FROM public.parts', '42501', 'a personal workspace has no rows of public.parts', 'to delete either');
ROLLBACK TO parts;
SET LOCAL ROLE tenancy_app;
SELECT throws_ok('SELECT id FROM public.parts', '28000', NULL, 'nothing shows in no workspace, not the platform''s either');

-- == What everybody reads ==
ROLLBACK TO turn;
CALL tenancy.publish('public.countries', columns => 'code, name');
SELECT throws_ok(
    $$ CALL tenancy.allow('public.countries', 'INSERT', 'projects.change', columns => 'name') $$, '22023',
    'tenants cannot write public.countries: it is published', 'and nobody in a workspace writes them'
);
SAVEPOINT countries;
SET LOCAL ROLE tenancy_app;
SELECT throws_ok('SELECT code FROM public.countries', '28000', NULL, 'in no workspace nobody reads');
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a') AS entered \gset
SELECT results_eq('SELECT name FROM public.countries', $$ VALUES ('Germany') $$, 'in any everybody');
SELECT throws_ok('SELECT remark FROM public.countries', '42501', NULL, 'the columns that were named');
SELECT throws_ok('UPDATE public.countries SET name = ''x''', '42501', NULL, 'and writes none');

-- == And back ==
ROLLBACK TO turn;
CALL tenancy.protect('public.notes', author => 'author_id', shared => 'is_shared');
CALL tenancy.protect('public.parts', catalogue => true);
CALL tenancy.allow('public.parts', 'INSERT', 'projects.change', columns => 'name');
CALL tenancy.publish('public.countries', columns => 'code, name');
CALL tenancy.unprotect('public.tasks');
CALL tenancy.unprotect('public.projects');
CALL tenancy.unprotect('public.notes');
CALL tenancy.unprotect('public.parts');
CALL tenancy.unprotect('public.countries');
SELECT is_empty(
    $$
    SELECT c.oid::regclass
    FROM before AS b
    INNER JOIN pg_class AS c ON b.oid = c.oid
    WHERE (b.relrowsecurity, b.relforcerowsecurity, b.columns, b.constraints, b.indexes) IS DISTINCT FROM (
        c.relrowsecurity, c.relforcerowsecurity, (
            SELECT array_agg(format('%s %s %s', a.attname, a.attacl, pg_get_expr(d.adbin, d.adrelid)) ORDER BY a.attnum)
            FROM pg_attribute AS a
            LEFT JOIN pg_attrdef AS d ON a.attrelid = d.adrelid AND a.attnum = d.adnum
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        ), (
            SELECT array_agg(pg_get_constraintdef(k.oid) ORDER BY k.conname) FROM pg_constraint AS k WHERE k.conrelid = c.oid
        ), (
            SELECT array_agg(pg_get_indexdef(i.indexrelid) ORDER BY 1) FROM pg_index AS i WHERE i.indrelid = c.oid
        )
    )
    $$,
    'unprotected tables are as they were'
);
SELECT is_empty(
    $$
    SELECT p.polname::text, b.oid::regclass FROM pg_policy AS p INNER JOIN before AS b ON p.polrelid = b.oid
    UNION ALL
    SELECT t.tgname, b.oid::regclass FROM pg_trigger AS t INNER JOIN before AS b ON t.tgrelid = b.oid WHERE NOT t.tgisinternal
    UNION ALL
    SELECT acl.grantee::regrole::text, b.oid::regclass
    FROM before AS b INNER JOIN pg_class AS c ON b.oid = c.oid CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
    WHERE acl.grantee <> c.relowner
    UNION ALL
    SELECT r.role, b.oid::regclass
    FROM before AS b
    CROSS JOIN (VALUES ('tenancy_app'), ('tenancy_credentialed'), ('tenancy_auditor'), ('tenancy_service')) AS r (role)
    WHERE has_any_column_privilege(r.role, b.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
    $$,
    'without policies, triggers and privileges of ours'
);
SELECT is(
    has_sequence_privilege('tenancy_app', 'public.parts_id_seq', 'USAGE'), false, 'a sequence''s neither'
);
SELECT is_empty(
    $$
    SELECT t.table_name FROM tenancy_private.protected_tables AS t INNER JOIN before AS b ON t.table_name = b.oid
    UNION ALL
    SELECT t.table_name FROM tenancy_private.access AS t INNER JOIN before AS b ON t.table_name = b.oid
    UNION ALL
    SELECT t.table_name FROM tenancy_private.adopted_parts AS t INNER JOIN before AS b ON t.table_name = b.oid
    UNION ALL
    SELECT t.table_name FROM tenancy_private.contracts AS t INNER JOIN before AS b ON t.table_name = b.oid
    UNION ALL
    SELECT t.table_name FROM tenancy_private.closed_tables AS t INNER JOIN before AS b ON t.table_name = b.oid
    $$,
    'and nothing is remembered of them'
);
CALL tenancy.protect('public.projects');
SELECT results_eq(
    'SELECT name, workspace_id FROM public.projects ORDER BY name COLLATE "C"',
    $$ VALUES ('from before', '00000000-0000-0000-0000-000000000000'::uuid),
        ('of Acme', '00000000-0000-4000-8000-000000000001'::uuid), ('of Globex', '00000000-0000-4000-8000-000000000002'::uuid) $$,
    'protected again, each row is where it was'
);

SELECT finish();
ROLLBACK;
