"""EXPANDED.sql and the table in README.md of sql/policies match a database."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg

from support.command import run
from support.database import Database

Connection = psycopg.Connection[tuple[Any, ...]]
ROOT = Path(__file__).resolve().parents[2]
POLICIES = ROOT / "sql" / "policies"

# Removes pg-tenancy's grants and policies from every table that has some.
CLEARED = """
DO $$
DECLARE
    cleared record;
BEGIN
    FOR cleared IN
        SELECT p.table_name, n.nspname = 'tenancy' AS is_ours
        FROM tenancy_private.protected_tables AS p
        INNER JOIN pg_class AS c ON p.table_name = c.oid
        INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
    LOOP
        CALL tenancy.drop_policies(cleared.table_name);
        EXECUTE format('REVOKE ALL ON %s FROM tenancy_credentialed, tenancy_auditor', cleared.table_name);
        IF cleared.is_ours THEN
            EXECUTE format('REVOKE ALL ON %s FROM tenancy_service', cleared.table_name);
        END IF;
    END LOOP;
END;
$$
"""

# PostgreSQL takes USING for a WITH CHECK that an UPDATE's policy does not have.
EFFECT = """
SELECT
    p.polrelid::regclass::text, p.polname, p.polpermissive, p.polcmd,
    ARRAY(SELECT r::regrole::text FROM unnest(p.polroles) AS r ORDER BY r::regrole::text),
    pg_get_expr(p.polqual, p.polrelid),
    pg_get_expr(coalesce(p.polwithcheck, CASE WHEN p.polcmd IN ('*', 'w') THEN p.polqual END), p.polrelid)
FROM pg_policy AS p
INNER JOIN tenancy_private.protected_tables AS t ON p.polrelid = t.table_name
ORDER BY 1, 2
"""

# An organization's API key is a user without what needs a person. The tables that are
# keyed by an organization have no rows elsewhere.
ALLOWED = """
SELECT p.table_name::text, r.role, coalesce(string_agg(left(a.command, 1), ''
    ORDER BY array_position(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'], a.command)), '-')
FROM tenancy_private.protected_tables AS p
CROSS JOIN unnest(ARRAY['owner', 'admin', 'manager', 'user', 'personal', 'staff']) AS r (role)
LEFT JOIN tenancy_private.access AS a ON p.table_name = a.table_name
    AND (a.permission IS NULL OR r.role = 'personal' OR EXISTS (
        SELECT FROM tenancy.role_permissions AS h WHERE h.permission = a.permission AND h.role = r.role))
    AND (a.workspace IS NULL OR r.role <> 'personal')
    AND (r.role NOT IN ('personal', 'staff') OR p.table_name <> ALL(ARRAY[
        'public.organizations', 'public.organization_memberships', 'tenancy.invitations',
        'public.provider_settings']::regclass[]))
GROUP BY p.table_name, r.role
UNION ALL
SELECT p.table_name::text, replace(g.grantee, 'tenancy_', ''), coalesce((
    SELECT string_agg(left(c.command, 1), '' ORDER BY c.place)
    FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) WITH ORDINALITY AS c (command, place)
    WHERE CASE c.command
        WHEN 'DELETE' THEN has_table_privilege(g.grantee, p.table_name, 'DELETE')
        ELSE has_any_column_privilege(g.grantee, p.table_name, c.command)
    END), '-')
FROM tenancy_private.protected_tables AS p
CROSS JOIN unnest(ARRAY['tenancy_service', 'tenancy_auditor']) AS g (grantee)
"""


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("expand_policies", ROOT / "tools" / "expand_policies.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def test_the_expanded_policies_are_those_of_a_database(admin: Connection) -> None:
    text = _tool().expand(admin)
    assert text == (POLICIES / "EXPANDED.sql").read_text(), "run tools/expand_policies.py"


def test_running_the_expanded_policies_makes_every_policy_and_grant(database: Database) -> None:
    before = database.fetch(EFFECT)
    database.execute(CLEARED)
    assert database.fetch(EFFECT) == []
    command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(POLICIES / "EXPANDED.sql"), database.dsn()]
    done = run(command)
    assert (done.returncode, done.stderr) == (0, "")
    assert database.fetch(EFFECT) == before
    other = "SELECT * FROM tenancy_private.broken_contracts() AS b WHERE b.problem NOT LIKE 'policy %'"
    assert database.fetch(other) == []


def test_the_table_of_who_reads_and_writes_what_is_that_of_a_database(database: Database) -> None:
    lines = [line for line in (POLICIES / "README.md").read_text().split("\n## ")[0].splitlines() if line[:2] == "| "]
    (_, *roles), *rows = ([cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in lines)
    listed = {(table, role): cell for table, *cells in rows for role, cell in zip(roles, cells, strict=True)}
    letters = str.maketrans({"S": "R"})
    assert listed == {(table, role): cell.translate(letters) for table, role, cell in database.fetch(ALLOWED)}
