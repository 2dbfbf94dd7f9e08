"""The guards that a database's catalog lists: policies, grants, triggers, constraints, settings of functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg

from support.mutations import Mutation

__all__ = ["catalog_mutations"]

Connection = psycopg.Connection[Any]


def catalog_mutations(connection: Connection) -> list[Mutation]:
    """Return every mutation of the catalog's guards, in a database at ``@phase-1`` or later.

    Args:
        connection: the superuser's, in autocommit or not; it changes nothing.

    """
    row = connection.execute("SELECT current_setting('search_path')").fetchone()
    assert row is not None
    # With this path the name of every object is qualified.
    connection.execute("SET search_path = pg_catalog")
    try:
        return [mutation for mutations in _LISTS for mutation in mutations(connection)]
    finally:
        connection.execute("SELECT set_config('search_path', %s, false)", row)


def _rows(connection: Connection, query: str, *values: Any) -> list[tuple[str, ...]]:
    return connection.execute(query, values or None).fetchall()


# -- policies ------------------------------------------------------------------------------

POLICIES = """
SELECT p.polrelid::regclass::text, p.polname::text,
    format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', p.polname, p.polrelid::regclass,
        CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
        CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
            ELSE 'ALL' END,
        (SELECT string_agg(r::regrole::text, ', ') FROM unnest(p.polroles) AS r),
        coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', ''),
        coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')),
    coalesce(pg_get_expr(p.polqual, p.polrelid), ''), coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')
FROM pg_policy AS p ORDER BY 1, 2
"""


# Parts of conditions, as PostgreSQL prints them, and their replacements.
PARTS = (
    (
        "does not verify",
        r"tenancy\.current_workspace_id\(\)",
        "COALESCE(NULLIF(current_setting('tenancy.current_organization_id'::text, true), ''::text),"
        " NULLIF(current_setting('tenancy.current_user_id'::text, true), ''::text))::uuid",
    ),
    (
        "needs no permission",
        r"substr\(current_setting\('tenancy\.context'::text, true\), \d+, 1\) = '1'::text",
        "true",
    ),
    ("needs no person", r"\"right\"\(current_setting\('tenancy\.context'::text, true\), 1\) = '_'::text", "true"),
    (
        "needs no organization",
        r"current_setting\('tenancy\.current_organization_id'::text, true\) <> ''::text",
        "true",
    ),
)


def _policies(connection: Connection) -> Iterator[Mutation]:
    for table, name, create, using, check in _rows(connection, POLICIES):
        drop = f"DROP POLICY {name} ON {table}"
        yield Mutation(f"{table}: {name} dropped", table, "policy", drop, create)
        for clause, expression in (("USING", using), ("WITH CHECK", check)):
            if expression not in {"", "true"}:
                yield Mutation(
                    f"{table}: {name} {clause} (true)",
                    table,
                    "policy",
                    f"ALTER POLICY {name} ON {table} {clause} (true)",
                    f"{drop}; {create}",
                )
        for what, part, instead in PARTS:
            changed = re.sub(part, lambda _, instead=instead: instead, create)  # type: ignore[misc]
            if changed != create:
                yield Mutation(f"{table}: {name} {what}", table, "policy", f"{drop}; {changed}", f"{drop}; {create}")


CLOSED = "SELECT oid::regclass::text, relforcerowsecurity::text FROM pg_class WHERE relrowsecurity ORDER BY 1"


def _row_security(connection: Connection) -> Iterator[Mutation]:
    for table, forced in _rows(connection, CLOSED):
        for off, on in (
            ("DISABLE ROW LEVEL SECURITY", "ENABLE ROW LEVEL SECURITY"),
            ("NO FORCE ROW LEVEL SECURITY", "FORCE ROW LEVEL SECURITY"),
        )[: 2 if forced == "true" else 1]:
            yield Mutation(
                f"{table} {off}", table, "row security", f"ALTER TABLE {table} {off}", f"ALTER TABLE {table} {on}"
            )


# -- grants --------------------------------------------------------------------------------

# The tables of the application on which somebody in a workspace has a right.
OPEN = [
    "public.users",
    "public.organizations",
    "public.organization_memberships",
    "public.api_keys",
    "public.instances",
    "public.models",
    "public.provider_settings",
    "public.organization_models",
    "public.organization_model_shares",
    "finops.inference_usage",
    "finops.cost_actual_minute",
]

GRANTS = """
SELECT object, kind, privilege, grantee FROM (
    SELECT n.nspname::text AS object, 'SCHEMA' AS kind, acl.privilege_type AS privilege, acl.grantee::regrole::text
    FROM pg_namespace AS n, aclexplode(n.nspacl) AS acl
    WHERE n.nspname IN ('public', 'tenancy', 'tenancy_private') AND acl.grantee NOT IN (0, n.nspowner)
    UNION ALL
    SELECT c.oid::regclass::text, 'TABLE', acl.privilege_type, acl.grantee::regrole::text
    FROM pg_class AS c, aclexplode(c.relacl) AS acl
    WHERE acl.grantee::regrole::text ~ '^tenancy_' AND acl.grantee <> c.relowner
        AND (c.relnamespace = 'tenancy'::regnamespace OR c.oid::regclass::text = ANY(%s))
    UNION ALL
    SELECT c.oid::regclass::text, 'TABLE', acl.privilege_type || ' (' || a.attname || ')', acl.grantee::regrole::text
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid, aclexplode(a.attacl) AS acl
    WHERE acl.grantee::regrole::text ~ '^tenancy_'
    UNION ALL
    SELECT p.oid::regprocedure::text, CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, 'EXECUTE',
        acl.grantee::regrole::text
    FROM pg_proc AS p, aclexplode(p.proacl) AS acl
    WHERE p.pronamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace)
        AND acl.grantee <> p.proowner
) AS g ORDER BY 1, 3, 4
"""

TABLES = """
SELECT oid::regclass::text FROM pg_class
WHERE relkind IN ('r', 'm') AND (relnamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace)
    OR oid::regclass::text = ANY(%s))
ORDER BY 1
"""

NOT_FOR_PEOPLE = """
SELECT p.oid::regprocedure::text FROM pg_proc AS p
WHERE p.pronamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace)
    AND NOT has_function_privilege('tenancy_credentialed', p.oid, 'EXECUTE')
ORDER BY 1
"""


def _grants(connection: Connection) -> Iterator[Mutation]:
    for thing, kind, privilege, grantee in _rows(connection, GRANTS, OPEN):
        on = f"{privilege} ON {kind} {thing}"
        yield Mutation(
            f"{on} from {grantee}", thing, "grant", f"REVOKE {on} FROM {grantee}", f"GRANT {on} TO {grantee}"
        )


def _further_grants(connection: Connection) -> Iterator[Mutation]:
    """Yield grants that must not exist."""
    held = {
        (thing, privilege)
        for thing, kind, privilege, grantee in _rows(connection, GRANTS, OPEN)
        if kind == "TABLE" and grantee == "tenancy_credentialed"
    }
    for (table,) in _rows(connection, TABLES, OPEN):
        for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"):
            if (table, privilege) in held:
                continue
            on = f"{privilege} ON {table}"
            # Revoking a privilege on a table revokes it on the table's columns too.
            columns = [
                f"GRANT {of_columns} ON {table} TO tenancy_credentialed"
                for of, of_columns in sorted(held)
                if of == table and of_columns.startswith(f"{privilege} (")
            ]
            yield Mutation(
                f"{on} to credentialed",
                table,
                "grant",
                f"GRANT {on} TO tenancy_credentialed",
                "; ".join([f"REVOKE {on} FROM tenancy_credentialed", *columns]),
            )
    for (routine,) in _rows(connection, NOT_FOR_PEOPLE):
        on = f"EXECUTE ON ROUTINE {routine}"
        yield Mutation(f"{on} to PUBLIC", routine, "grant", f"GRANT {on} TO PUBLIC", f"REVOKE {on} FROM PUBLIC")
    for privilege, kind, thing, grantee in (
        ("USAGE", "SCHEMA", "tenancy_private", "tenancy_credentialed"),
        ("USAGE", "SCHEMA", "tenancy_private", "tenancy_writer"),
        ("CREATE", "SCHEMA", "public", "PUBLIC"),
        ("CREATE", "SCHEMA", "tenancy", "tenancy_credentialed"),
        ("EXECUTE", "FUNCTION", "tenancy.enter(uuid, uuid)", "tenancy_credentialed"),
        ("EXECUTE", "FUNCTION", "tenancy.enter_platform(uuid)", "tenancy_credentialed"),
        ("EXECUTE", "FUNCTION", "tenancy.enter_as_service(uuid, uuid)", "tenancy_app"),
        ("EXECUTE", "FUNCTION", "pg_terminate_backend(integer, bigint)", "PUBLIC"),
        ("EXECUTE", "FUNCTION", "pg_cancel_backend(integer)", "PUBLIC"),
        ("EXECUTE", "FUNCTION", "lo_create(oid)", "PUBLIC"),
        ("EXECUTE", "FUNCTION", "pg_stat_get_xact_tuples_fetched(oid)", "PUBLIC"),
    ):
        grant = f"GRANT {privilege} ON {kind} {thing} TO {grantee}"
        revoke = f"REVOKE {privilege} ON {kind} {thing} FROM {grantee}"
        yield Mutation(grant, thing, "grant", grant, revoke)
    ((database,),) = _rows(connection, "SELECT quote_ident(current_database())")
    yield Mutation(
        "GRANT TEMPORARY ON DATABASE TO PUBLIC",
        "database",
        "grant",
        f"GRANT TEMPORARY ON DATABASE {database} TO PUBLIC",
        f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC",
    )


# -- triggers and constraints --------------------------------------------------------------

TRIGGERS = """
SELECT tgrelid::regclass::text, tgname::text, pg_get_triggerdef(oid), tgenabled::text
FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2
"""


def _triggers(connection: Connection) -> Iterator[Mutation]:
    for table, name, create, enabled in _rows(connection, TRIGGERS):
        always = f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"
        undo = f"{create}; {always}" if enabled == "A" else create
        yield Mutation(f"{name} dropped", table, "trigger", f"DROP TRIGGER {name} ON {table}", undo)
        if enabled == "A":
            yield Mutation(f"{name} not always", table, "trigger", f"ALTER TABLE {table} ENABLE TRIGGER {name}", always)


# The keys that are rules.
KEYS = [
    "access_table_name_fkey",
    "instances_tenancy_model_workspace_id_fkey",
    "permissions_number_key",
    "role_permissions_permission_fkey",
]

CONSTRAINTS = """
SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid) || coalesce(
    format('; COMMENT ON CONSTRAINT %%I ON %%s IS %%L', conname, conrelid::regclass, obj_description(oid)), '')
FROM pg_constraint
WHERE contype = 'c' AND (connamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace)
    OR conname ~ 'tenancy' OR conname = 'instances_tenancy_model_workspace_id_check')
    OR conname = ANY(%s) ORDER BY 1, 2
"""

# Unique indexes are rules, except those of constraints.
INDEXES = """
SELECT x.indrelid::regclass::text, c.relname::text, c.oid::regclass::text, pg_get_indexdef(c.oid)
    || coalesce(format('; COMMENT ON INDEX %s IS %L', c.oid::regclass, obj_description(c.oid, 'pg_class')), '')
FROM pg_class AS c JOIN pg_index AS x ON x.indexrelid = c.oid
WHERE x.indisunique AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = c.oid)
    AND (c.relnamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace) OR c.relname ~ 'tenancy')
ORDER BY 1, 2
"""


def _constraints(connection: Connection) -> Iterator[Mutation]:
    for table, name, definition in _rows(connection, CONSTRAINTS, KEYS):
        yield Mutation(
            f"{name} dropped",
            table,
            "constraint",
            f"ALTER TABLE {table} DROP CONSTRAINT {name}",
            f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}",
        )
    for table, name, index, definition in _rows(connection, INDEXES):
        yield Mutation(f"{name} dropped", table, "constraint", f"DROP INDEX {index}", definition)


# -- functions -----------------------------------------------------------------------------

PINNED = """
SELECT oid::regprocedure::text, (SELECT substr(s, 13) FROM unnest(proconfig) AS s WHERE s ~ '^search_path=')
FROM pg_proc
WHERE proconfig IS NOT NULL AND pronamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace) ORDER BY 1
"""


def _search_paths(connection: Connection) -> Iterator[Mutation]:
    for routine, path in _rows(connection, PINNED):
        yield Mutation(
            f"{routine} search_path",
            routine,
            "search_path",
            f"ALTER ROUTINE {routine} RESET search_path",
            f"ALTER ROUTINE {routine} SET search_path = {path}",
        )


_LISTS: list[Callable[[Connection], Iterator[Mutation]]] = [
    _policies,
    _row_security,
    _grants,
    _further_grants,
    _triggers,
    _constraints,
    _search_paths,
]
