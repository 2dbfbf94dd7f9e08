-- Children of rows with an author: visible with their parent, written by its author.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(12);

\ir include/people.psql

CREATE TABLE public.notes (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), author_id uuid, is_shared boolean NOT NULL, body text);
CREATE TABLE public.answers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text, note_id uuid REFERENCES public.notes ON DELETE CASCADE
);
SELECT tenancy.define_permission('notes.use', '{owner,admin,manager,user}') AS defined \gset
CALL tenancy.protect('public.notes', author => 'author_id', shared => 'is_shared');
CALL tenancy.allow('public.notes', 'SELECT', 'notes.use', columns => 'id, body');
CALL tenancy.protect('public.answers', parent => 'note_id');
CALL tenancy.allow('public.answers', 'SELECT', 'notes.use', columns => 'id, body, note_id');
CALL tenancy.allow('public.answers', 'INSERT', 'notes.use', columns => 'body, note_id');
CALL tenancy.allow('public.answers', 'UPDATE', 'notes.use', columns => 'body');
CALL tenancy.allow('public.answers', 'DELETE', 'notes.use');
INSERT INTO public.notes (id, author_id, is_shared, body, workspace_id) VALUES
('00000000-0000-4000-8000-0000000000f1', '00000000-0000-4000-8000-00000000000a', false, 'private', '00000000-0000-4000-8000-000000000001'),
('00000000-0000-4000-8000-0000000000f2', '00000000-0000-4000-8000-00000000000a', true, 'shared', '00000000-0000-4000-8000-000000000001');
INSERT INTO public.answers (body, note_id, workspace_id)
SELECT 'to ' || n.body, n.id, n.workspace_id FROM public.notes AS n;

SELECT policies_are('public', 'answers', ARRAY[
    'answers_tenant', 'answers_tenant_parent', 'answers_select',
    'answers_tenant_insert', 'answers_tenant_insert_parent', 'answers_insert',
    'answers_tenant_update', 'answers_tenant_update_parent', 'answers_update',
    'answers_tenant_delete', 'answers_tenant_delete_parent', 'answers_delete',
    'answers_service', 'answers_auditor'
], 'a policy more for each command follows the parent');
SELECT is_empty('SELECT * FROM tenancy_private.broken_contracts()', 'and the contracts say so');
SELECT throws_ok(
    $$ CALL tenancy.protect('public.organizations', author => 'created_by_user_id') $$, NULL, NULL, 'tables of ours stay as they are'
);

SAVEPOINT turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq(
    'SELECT body FROM public.answers ORDER BY body COLLATE "C"', $$ VALUES ('to private'), ('to shared') $$, 'the author sees all'
);
SELECT lives_ok(
    $$ INSERT INTO public.answers (body, note_id) VALUES ('x', '00000000-0000-4000-8000-0000000000f1') $$, 'and writes'
);

ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq('SELECT body FROM public.answers', $$ VALUES ('to shared') $$, 'a colleague sees what is below a shared row');
SELECT throws_ok(
    format($$ INSERT INTO public.answers (body, note_id) VALUES ('x', '00000000-0000-4000-8000-0000000000%s') $$, note),
    '42501', NULL, 'and writes nothing below ' || what
)
FROM (VALUES ('f1', 'a private one'), ('f2', 'a shared one'), ('f9', 'one that does not exist')) AS n (note, what);
SELECT is_empty($$ UPDATE public.answers SET body = 'x' RETURNING 1 $$, 'changes nothing');
SELECT is_empty($$ DELETE FROM public.answers RETURNING 1 $$, 'and deletes nothing');

ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT throws_ok('SELECT body FROM public.answers', '28000', NULL, 'without a workspace there is nothing to see');

SELECT finish();
ROLLBACK;
