"""Children below a table of authors: visible with their parent, and written by its author."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from support.probes.base import Question, superuser

# Abe's notes, one of them shared; answers to both and to none, and remarks on each.
_TABLES = [
    "CREATE TABLE public.notes (id uuid PRIMARY KEY, body text, author_id uuid, is_shared boolean NOT NULL)",
    "CREATE TABLE public.answers (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), body text,"
    " note_id uuid REFERENCES public.notes ON DELETE CASCADE)",
    "CREATE TABLE public.remarks (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), body text,"
    " answer_id uuid REFERENCES public.answers ON DELETE CASCADE)",
    "SELECT tenancy.define_permission('notes.use', '{owner,admin,manager,user}')",
]
_ALLOWED = [
    f"CALL tenancy.allow('public.{table}', '{command}', 'notes.use', columns => '{columns}')"
    for table, parent in (("answers", "note_id"), ("remarks", "answer_id"))
    for command, columns in (("SELECT", f"body, {parent}"), ("INSERT", f"body, {parent}"), ("UPDATE", "body"))
] + [f"CALL tenancy.allow('public.{table}', 'DELETE', 'notes.use')" for table in ("answers", "remarks")]
_ROWS = [
    "INSERT INTO public.notes VALUES ('{m_acme}', 'private', '{abe}', false, '{acme}'),"
    " ('{m_bulk}', 'shared', '{abe}', true, '{acme}')",
    "INSERT INTO public.answers (id, body, note_id, workspace_id) VALUES ('{m_acme}', 'private', '{m_acme}', '{acme}'),"
    " ('{m_bulk}', 'shared', '{m_bulk}', '{acme}'), ('{m_spare}', 'alone', NULL, '{acme}')",
    "INSERT INTO public.remarks (body, answer_id, workspace_id)"
    " SELECT a.body, a.id, a.workspace_id FROM public.answers AS a",
]
BELOW = [
    *_TABLES,
    "CALL tenancy.protect('public.notes', author => 'author_id', shared => 'is_shared')",
    "CALL tenancy.allow('public.notes', 'SELECT', 'notes.use', columns => 'body')",
    "CALL tenancy.protect('public.answers', parent => 'note_id')",
    "CALL tenancy.protect('public.remarks', parent => 'answer_id')",
    *_ALLOWED,
    *_ROWS,
]
_SEEN = "SELECT " + ", ".join(
    f"(SELECT string_agg(t.body, ' ' ORDER BY t.body) FROM public.{table} AS t)" for table in ("answers", "remarks")
)
_WRITTEN = "WITH done AS ({} RETURNING body) SELECT string_agg(d.body, ' ' ORDER BY d.body) FROM done AS d"
QUESTIONS: list[Question] = [
    superuser([*BELOW, "as app", "enter abe acme", _SEEN], [("alone private shared", "alone private shared")]),
    superuser([*BELOW, "as app", "enter ann acme", _SEEN], [("alone shared", "alone shared")]),
    *(
        superuser([*BELOW, "as app", f"enter {who} acme", _WRITTEN.format(statement)], [(written,)])
        for statement in ("UPDATE public.answers SET body = body", "DELETE FROM public.remarks")
        for who, written in (("abe", "alone private shared"), ("ann", "alone"))
    ),
    superuser(
        [*BELOW, "as app", "enter ann acme", "INSERT INTO public.remarks (body, answer_id) VALUES ('x', '{m_bulk}')"],
        "42501",
    ),
    superuser([*BELOW, "SELECT count(*) FROM tenancy_private.broken_contracts()"], [(0,)]),
    # Nobody may read the note of an answer: writers of remarks need not.
    superuser(
        [
            *(statement.replace("'body, note_id'", "'body'") for statement in BELOW),
            *("as app", "enter abe acme", _WRITTEN.format("UPDATE public.remarks SET body = body")),
        ],
        [("alone private shared",)],
    ),
    # Answers that are renamed still follow.
    superuser(
        [
            *BELOW,
            "ALTER TABLE public.answers RENAME TO replies",
            "CALL tenancy.protect('public.notes', author => 'author_id', shared => 'is_shared')",
            "SELECT 1",
        ],
        [(1,)],
    ),
    # A column that is renamed above them is not overlooked.
    superuser(
        [
            *BELOW,
            "ALTER TABLE public.answers RENAME note_id TO on_note",
            "CALL tenancy.protect('public.remarks', parent => 'answer_id')",
        ],
        "column_missing",
    ),
    superuser(
        [
            *BELOW[:-3],
            "ALTER TABLE public.answers ADD other uuid CONSTRAINT other REFERENCES public.notes (id),"
            " ADD CONSTRAINT again FOREIGN KEY (note_id) REFERENCES public.notes (id)",
            "SELECT (SELECT k.conname::text FROM pg_constraint AS k"
            " WHERE k.oid = tenancy_private.key_to_parent('public.answers', 'other')), (SELECT cardinality(k.conkey)"
            " FROM pg_constraint AS k WHERE k.oid = tenancy_private.key_to_parent('public.answers', 'note_id'))",
        ],
        [("other", 2)],
    ),
    # A child of rows without an author is not restricted, and prevents that its parent gets one
    # later.
    superuser(
        [
            *_TABLES,
            "CALL tenancy.protect('public.notes')",
            "CALL tenancy.protect('public.answers', parent => 'note_id')",
            "SELECT count(*) FROM pg_policy WHERE polrelid = 'public.answers'::regclass AND polname ~ '_parent$'",
        ],
        [(0,)],
    ),
    superuser(
        [
            *_TABLES,
            "CALL tenancy.protect('public.notes')",
            "CALL tenancy.protect('public.answers', parent => 'note_id')",
            "CALL tenancy.protect('public.notes', author => 'author_id')",
        ],
        "children_first",
    ),
]
