"""Every finding of other linters in pg-tenancy's database has an answer, and each answer is true."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
ANSWERS: dict[str, dict[str, dict[str, str]]] = json.loads((DOCS / "linters.json").read_text())
RULES = [(tool, rule) for tool, rules in ANSWERS.items() for rule in rules]


def _objects(connection: psycopg.Connection[Any], tool: str, rule: str) -> set[str]:
    connection.execute("SET LOCAL search_path = pg_catalog, pg_temp")
    return {name for (name,) in connection.execute(ANSWERS[tool][rule]["objects"].encode()).fetchall()}


def test_each_answer_is_about_something(admin: psycopg.Connection[Any]) -> None:
    with admin.transaction():
        assert {rule: bool(_objects(admin, tool, rule)) for tool, rule in RULES} == {rule: True for _, rule in RULES}


# Real faults of such objects, which must not be answered: a statement, the rule and the object.
WRONG = [
    (
        "CREATE POLICY wrong ON public.models TO tenancy_credentialed USING (true)",
        ("SEC005", "SEC008", "SEC028", "SEC038"),
        "public.models.wrong",
    ),
    (
        "CREATE FUNCTION tenancy.wrong() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        ("SEC014", "functionSearchPathMutable"),
        "tenancy.wrong",
    ),
    (
        "GRANT SELECT ON public.providers TO tenancy_credentialed",
        ("SEC001",),
        "public.providers",
    ),
    ("GRANT USAGE ON SCHEMA tenancy_private TO tenancy_app", ("SEC002", "SEC009"), "tenancy_private.access"),
    (
        "CREATE POLICY wrong ON public.models USING (workspace_id = current_setting('x.y')::uuid)",
        ("authRlsInitplan",),
        "public.models.wrong",
    ),
    (
        "CREATE FUNCTION public.wrong() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER wrong AFTER INSERT ON public.models EXECUTE FUNCTION public.wrong()",
        ("SEC013",),
        "public.models.wrong",
    ),
]


@pytest.mark.parametrize(("statement", "rules", "name"), WRONG)
def test_no_answer_covers_what_is_wrong(
    admin: psycopg.Connection[Any], statement: str, rules: tuple[str, ...], name: str
) -> None:
    with admin.transaction(force_rollback=True):
        admin.execute(statement.encode())
        for tool, rule in RULES:
            if rule in rules:
                assert name not in _objects(admin, tool, rule), rule


def test_the_document_has_every_answer() -> None:
    text = (DOCS / "linters.md").read_text()
    tools = "|".join(map(re.escape, ANSWERS))
    listed = re.findall(rf"^\| ({tools}) \| `(\w+)` \| (.+) \|$", text, re.MULTILINE)
    assert listed == [(tool, rule, each["reason"]) for tool, rules in ANSWERS.items() for rule, each in rules.items()]
