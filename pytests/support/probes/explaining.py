"""Why somebody sees a row or not, for logins that see everything."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from support.probes.base import Question, superuser
from support.probes.below_authors import BELOW

_EXPLAIN = (
    "SELECT string_agg(left(c.command, 1) || CASE WHEN c.allowed THEN '+' ELSE '-' END, ' '),"
    " min(c.reason) FILTER (WHERE c.command = 'SELECT')"
    " FROM tenancy.explain_access('public.{}', '{{{}}}', '{{{}}}', {}) AS c"
)
_ALL, _SOME, _NONE = "S+ I+ U+ D-", "S+ I- U- D-", "S- I- U- D-"


def _explained(table: str, row: str, user: str, place: str | None) -> str:
    return _EXPLAIN.format(table, row, user, f"'{{{place}}}'" if place else "NULL")


QUESTIONS: list[Question] = [
    *(
        (
            "service",
            None,
            None,
            f"SELECT o.string_agg, o.min ~ '{why}' FROM ({_explained(*asked)}) AS o",
            [(said, True)],
        )
        for asked, said, why in (
            (("instances", "i_acme", "ann", "acme"), _ALL, "role owner has permission instances.view"),
            (("instances", "i_acme", "uma", "acme"), _SOME, "role user has"),
            (("instances", "i_bulk", "ann", "acme"), "S- I+ U- D-", "belongs to the organization Bulk"),
            (("instances", "i_ann", "ann", None), _ALL, "a person has every permission"),
            (("instances", "i_olga", "ann", None), "S- I+ U- D-", "the personal workspace of olga"),
            (("instances", "i_acme", "olga", "acme"), _NONE, "is not a member of the organization Acme"),
            (("instances", "i_acme", "ann", "gone"), _NONE, "Gone, which is deleted, so entering is refused"),
            (("instances", "i_acme", "nobody", None), _NONE, "no account .* exists"),
            (("instances", "i_old", "sam", "platform"), _ALL, "role staff has"),
            (("instances", "i_old", "ann", "platform"), _NONE, "is not platform staff"),
            (("instances", "nobody", "ann", "acme"), "S- I+ U- D-", "no row .* exists"),
            (("models", "m_public", "ann", "acme"), "S+ I+ U- D-", "has permission models.view"),
            (("models", "m_bulk", "ann", "acme"), "S- I+ U- D-", "belongs to the organization Bulk"),
            (("users", "uma", "ann", "acme"), _SOME, "everybody|has permission"),
            (("users", "olga", "ann", "acme"), _NONE, "not a member of the organization Acme"),
            (("users", "ann", "ann", None), _SOME, "everybody|has permission"),
            (("users", "uma", "ann", None), _NONE, "another person"),
            (("users", "uma", "sam", "platform"), _SOME, "everybody|has permission"),
        )
    ),
    ("service", None, None, "SELECT tenancy.explain_access('pg_class', 'x', '{ann}')", "table_not_protected"),
    ("service", None, None, "SELECT tenancy.explain_access('public.instances', 'x', '{ann}')", "row_id_invalid"),
    ("app", "ann", "acme", "SELECT tenancy.explain_access('public.instances', '{i_acme}', '{ann}')", "42501"),
    # Invisible rows cannot be named either.
    superuser(
        [
            "DELETE FROM tenancy.role_permissions WHERE permission = 'instances.view'",
            "as service",
            _explained("instances", "i_acme", "ann", "acme"),
        ],
        [("S- I+ U- D-", "role owner lacks permission instances.view; roles that hold it: nobody")],
    ),
    # An auditor's call is recorded, a service's is not.
    *(
        superuser(
            [
                f"as {login}",
                "SELECT tenancy.explain_access('public.instances', '{i_acme}', '{ann}')",
                "as None",
                "SELECT count(*) FROM tenancy.audit_log WHERE occurred_at >= now()",
            ],
            [(entries,)],
        )
        for login, entries in (("auditor", 1), ("service", 0))
    ),
    # Rows with an author, and their children.
    *(
        superuser([*BELOW, "as service", _explained(table, row, who, "acme")], [(said, why)])
        for table, row, who, said, why in (
            ("notes", "m_acme", "abe", "S+ I- U- D-", "role admin has permission notes.use, columns: body"),
            ("notes", "m_acme", "ann", _NONE, "the row is private to its author"),
            ("answers", "m_acme", "ann", "S- I+ U- D-", "the row is private to its author"),
            (
                "answers",
                "m_bulk",
                "ann",
                "S+ I+ U- D-",
                "role owner has permission notes.use, columns: body, note_id",
            ),
            (
                "answers",
                "m_acme",
                "abe",
                "S+ I+ U+ D+",
                "role admin has permission notes.use, columns: body, note_id",
            ),
        )
    ),
]
