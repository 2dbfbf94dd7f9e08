"""The documents' lists are complete: errors, exceptions, statuses and writable columns."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg

from pg_tenancy import errors, results
from pg_tenancy.errors import _CLASSES

Connection = psycopg.Connection[tuple[Any, ...]]
ROOT = Path(__file__).resolve().parents[2]

WRITABLE = """
SELECT c.oid::regclass::text, p.privilege, coalesce(string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname), '')
FROM pg_class AS c
CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE']) AS p (privilege)
LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    AND has_column_privilege('tenancy_app', c.oid, a.attnum, p.privilege)
WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text IN ('public', 'tenancy')
GROUP BY c.oid, p.privilege
UNION ALL
SELECT c.oid::regclass::text, 'DELETE', CASE WHEN has_table_privilege('tenancy_app', c.oid, 'DELETE') THEN 'yes' END
FROM pg_class AS c
WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text IN ('public', 'tenancy')
"""


def _rows(document: str, heading: str) -> list[list[str]]:
    """Return the cells of the tables under a heading."""
    text = (ROOT / "docs" / document).read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:2] == "| "]


def test_every_error_is_in_the_table_with_its_sqlstate() -> None:
    listed = {(row[0], name) for row in _rows("sql.md", "Errors")[1:] for name in re.findall(r"`(\w+)`", row[1])}
    raised = re.compile(r"ERRCODE = '(\w{5})',\s*CONSTRAINT = '(\w+)'")
    scripts = [path.read_text() for path in (ROOT / "sql" / "deploy").glob("*/*.sql")]
    found = {pair for text in scripts if "GRANT EXECUTE ON FUNCTION tenancy." in text for pair in raised.findall(text)}
    assert found - listed == set()
    assert set(_CLASSES) - listed == set()


def test_an_error_has_one_sqlstate_wherever_it_is_raised() -> None:
    sqlstates: dict[str, set[str]] = {}
    scripts = [path.read_text() for path in (ROOT / "sql").rglob("*") if path.suffix in {".sql", ".psql"}]
    raised = re.compile(r"\bUSING\s+ERRCODE = '(\w{5})',[^;]*?\bCONSTRAINT = '(\w+)'")
    for sqlstate, name in [pair for text in scripts for pair in raised.findall(text)] + list(_CLASSES):
        sqlstates.setdefault(name, set()).add(sqlstate)
    assert len(sqlstates) > 150
    assert {name: found for name, found in sqlstates.items() if len(found) > 1} == {}


def test_every_exception_and_every_answer_is_named_where_the_client_is_described() -> None:
    text = (ROOT / "docs" / "python.md").read_text()
    for name in [*errors.__all__, *results.__all__]:
        assert f"`{name}`" in text, name
    listed = "\n".join(row[0] for row in _rows("python.md", "Errors"))
    assert [name for name in errors.__all__ if name != "TenancyError" and f"`{name}`" not in listed] == [
        "ApiKeyNotFoundError",
        "EntitlementNotFoundError",
        "InstanceNotFoundError",
        "InvitationNotFoundError",
        "MemberNotFoundError",
        "ModelNotFoundError",
        "OfferingNotFoundError",
        "OrganizationNotFoundError",
        "RequestNotFoundError",
        "SessionNotFoundError",
        "ShareNotFoundError",
        "UsageNotFoundError",
        "UserNotFoundError",
    ], "but for the kinds of NotFoundError, which its own row names"


def test_every_exception_is_listed_with_its_http_status() -> None:
    for names, status, _ in _rows("python.md", "Errors")[1:]:
        for name in re.findall(r"`(\w+Error)`", names):
            assert str(getattr(errors, name).http_status) == status, name


def test_the_columns_that_can_be_written_are_listed(admin: Connection) -> None:
    admin.execute("SET search_path = pg_catalog")
    can: dict[str, dict[str, set[str]]] = {}
    for table, privilege, columns in admin.execute(WRITABLE.encode()).fetchall():
        if columns:
            can.setdefault(table, {})[privilege] = set(columns.split(", "))
    listed: dict[str, dict[str, set[str]]] = {}
    for table, *cells in _rows("sql.md", "What can be written"):
        if table == "table":
            continue
        for privilege, cell in zip(("INSERT", "UPDATE", "DELETE"), cells, strict=True):
            if cell not in {"none", "no"}:
                listed.setdefault(table.strip("`"), {})[privilege] = set(re.findall(r"`(\w+)`", cell)) or {cell}
    assert listed == can


def test_what_an_adoption_needs_is_listed_as_the_first_change_asks_for_it() -> None:
    expected = (ROOT / "sql" / "adoption" / "expected.psql").read_text()
    tables = expected.split("INSERT INTO pg_temp.expected_tables")[1].split(";")[0]
    wanted = {}
    for schema, table, key, columns in re.findall(
        r"\(\s*'(\w+)', '(\w+)', '\{([\w,]+)\}',\s*((?:'[^']*'\s*)+)\)", tables
    ):
        described = "".join(re.findall("'([^']*)'", columns)).split(", ")
        wanted[f"`{schema}.{table}`"] = (key.split(","), described)
    assert len(wanted) == tables.count("'{")
    kinds = dict(re.findall(r"\('(\w+)', '\{[^}]*\}', '([^']*)'\)", expected))
    listed, types = {}, {}
    for row in _rows("dba.md", "What an adoption needs"):
        if len(row) == 3 and row[0] != "table":
            described = [cell.replace("`", "").replace("(may be missing)", "optional") for cell in row[2].split(", ")]
            listed[row[0]] = (re.findall(r"`(\w+)`", row[1]), described)
        elif len(row) == 2 and row[0] != "kind":
            types[row[0]] = row[1]
    assert listed == wanted
    assert types == {kind: words for kind, words in kinds.items() if kind != words}
