"""The cost of common forms of tenant policies, compared with pg-tenancy's.

One table, and a login for each form of policy, by turns with a login that bypasses row-level
security and names the tenant in its WHERE, on one core. The times are the server's CPU time.
Then each login tries to read without a tenant, and as another tenant by setting the variable
that its policy reads.
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import dataclass
from uuid import UUID

import psycopg

from bench.timing import Libpq, compare, pin
from pg_tenancy.tools.embedded import EmbeddedServer
from pg_tenancy.tools.sqitch import Sqitch

_TABLES = """
CREATE TABLE public.notes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL,
    title text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX notes_workspace_idx ON public.notes (workspace_id, created_at);
CREATE TABLE public.protected_notes (
    LIKE public.notes INCLUDING DEFAULTS,
    PRIMARY KEY (id),
    FOREIGN KEY (workspace_id) REFERENCES tenancy.workspaces (id)
);
ALTER TABLE public.protected_notes ALTER workspace_id SET DEFAULT tenancy.default_workspace_id();
CREATE INDEX protected_notes_workspace_idx ON public.protected_notes (workspace_id, created_at);
CREATE TABLE public.memberships (user_id uuid, workspace_id uuid, PRIMARY KEY (user_id, workspace_id));

INSERT INTO public.users (email, username) SELECT 'user-' || n, 'user-' || n FROM generate_series(1, {tenants}) AS n;
INSERT INTO public.organizations (name, slug) SELECT 'Org ' || n, 'org-' || n FROM generate_series(1, {tenants}) AS n;
INSERT INTO public.organization_memberships (organization_id, user_id, role)
SELECT o.id, u.id, 'owner'
FROM public.organizations AS o
INNER JOIN public.users AS u ON o.slug = 'org-' || substr(u.email, 6);
INSERT INTO public.memberships (workspace_id, user_id)
SELECT organization_id, user_id FROM public.organization_memberships;

INSERT INTO public.notes (workspace_id, title, created_at)
SELECT o.id, 'note ' || n, now() - random() * interval '1000 days'
FROM generate_series(1, {rows}) AS n CROSS JOIN public.organizations AS o;
INSERT INTO public.protected_notes SELECT * FROM public.notes;

SELECT tenancy.define_permission('notes.view', roles => '{{owner}}');
CALL tenancy.protect('public.protected_notes');
CALL tenancy.allow('public.protected_notes', 'SELECT', 'notes.view', columns => 'id, title, created_at');

CREATE FUNCTION public.claim(name text) RETURNS uuid LANGUAGE sql STABLE
AS $$ SELECT (nullif(current_setting('app.claims', true), '')::jsonb ->> name)::uuid $$;
CREATE FUNCTION public.is_member(workspace uuid) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM public.memberships AS m
        WHERE m.workspace_id = workspace AND m.user_id = public.claim('user'));
END;
$$;
CREATE FUNCTION public.my_workspaces() RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT array_agg(m.workspace_id) FROM public.memberships AS m WHERE m.user_id = public.claim('user') $$;

ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;
CREATE ROLE bench_plain LOGIN BYPASSRLS;
CREATE ROLE bench_tenancy LOGIN IN ROLE tenancy_app;
GRANT SELECT ON public.notes, public.memberships TO bench_plain;
"""
_POINT = "SELECT title FROM {table} WHERE id = $1::uuid"
_LATEST = "SELECT id, title FROM {table} {where} ORDER BY created_at DESC LIMIT 20"
_TOTALS = "SELECT count(*), max(created_at), max(title) FROM {table} {where}"


@dataclass(frozen=True)
class Form:
    """A policy, with its USING expression."""

    name: str
    using: str


_FORMS = [
    Form("a bare setting", "workspace_id = current_setting('app.workspace', true)::uuid"),
    Form("a setting in a sub-select", "workspace_id = (SELECT current_setting('app.workspace', true)::uuid)"),
    Form("a bare claim of a token", "workspace_id = public.claim('workspace')"),
    Form("a claim in a sub-select", "workspace_id = (SELECT public.claim('workspace'))"),
    Form(
        "IN (memberships)",
        "workspace_id IN (SELECT m.workspace_id FROM public.memberships AS m"
        " WHERE m.user_id = (SELECT public.claim('user')))",
    ),
    Form("= ANY (list of memberships)", "workspace_id = ANY ((SELECT public.my_workspaces())::uuid[])"),
    Form("a definer function of the row", "public.is_member(workspace_id)"),
]


def _connect(server: EmbeddedServer, login: str, tenant: tuple[UUID, UUID]) -> Libpq:
    connection = Libpq(server.dsn(user=login))
    for name, value in _settings(*tenant).items():
        connection.execute("SELECT set_config($1, $2, false)", name, value)
    return connection


def _settings(user: UUID, workspace: UUID) -> dict[str, str]:
    return {"app.workspace": str(workspace), "app.claims": f'{{"user": "{user}", "workspace": "{workspace}"}}'}


def _measure(plain: Libpq, other: Libpq, table: str, workspace: UUID, ids: list[UUID], turns: int) -> list[str]:
    """Return the server's CPU time of three queries, and its ratio to that without policies."""
    cells = []
    cycle = itertools.cycle(ids)
    for query in (_POINT, _LATEST, _TOTALS):
        statement = query.format(table=table, where="")
        bare = query.format(table="public.notes", where="WHERE workspace_id = $1::uuid")

        def run(statement: str = statement, query: str = query) -> object:
            return other.execute(statement, *([next(cycle)] if query is _POINT else []))

        def run_plain(bare: str = bare, query: str = query) -> object:
            return plain.execute(bare, next(cycle) if query is _POINT else workspace)

        started = time.perf_counter()
        run()
        # Slow queries are repeated less often.
        block, often = (10, turns) if time.perf_counter() - started < 0.005 else (1, max(turns // 20, 3))
        times = compare(run_plain, run, pids=(plain.pid, other.pid), turns=often, block=block)
        cells += [f"{times.protected_cpu:,.0f} µs", f"{times.ratio_cpu:,.1f}"]
    return cells


def _tries(server: EmbeddedServer, login: str, table: str, forged: dict[str, str]) -> list[str]:
    """Return what a session sees without a tenant, and with another tenant's forged settings."""
    cells = []
    for settings in ({}, forged):
        with psycopg.connect(server.dsn(user=login)) as connection:
            for setting in settings.items():
                connection.execute("SELECT set_config(%s, %s, false)", setting)
            try:
                row = connection.execute(f"SELECT count(id) FROM {table}".encode()).fetchone()  # noqa: S608
            except psycopg.Error:
                cells.append("an error")
            else:
                cells.append("its rows" if row and row[0] else "no rows")
    return cells


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="bench forms", description=__doc__)
    parser.add_argument("--tenants", type=int, default=50, help="organizations (default 50)")
    parser.add_argument("--rows", type=int, default=10_000, help="rows of each tenant (default 10000)")
    parser.add_argument("--turns", type=int, default=100, help="blocks of 10 runs of each query (default 100)")
    arguments = parser.parse_args()
    pinned = pin()
    with EmbeddedServer(durable=False) as server:
        Sqitch(server.dsn(), isolated=True, program_directory=server.bin_dir, plan="kernel").deploy()
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute(_TABLES.format(tenants=arguments.tenants, rows=arguments.rows).encode())
            for number, form in enumerate(_FORMS):
                admin.execute(f"CREATE ROLE bench_{number} LOGIN".encode())
                admin.execute(f"GRANT SELECT ON public.notes, public.memberships TO bench_{number}".encode())
                admin.execute(
                    f"CREATE POLICY form_{number} ON public.notes FOR SELECT TO bench_{number}"
                    f" USING ({form.using})".encode()
                )
            admin.execute("VACUUM ANALYZE")
            own, other = admin.execute(
                "SELECT user_id, organization_id FROM public.organization_memberships ORDER BY 2 LIMIT 2"
            ).fetchall()
            ids = [
                row[0]
                for row in admin.execute(
                    "SELECT id FROM public.notes WHERE workspace_id = %s LIMIT 1000", [own[1]]
                ).fetchall()
            ]
        print(
            f"PostgreSQL {server.version}, {arguments.tenants} tenants of {arguments.rows:,} rows,"
            f" {'one core' if pinned else 'not pinned'}\n\n"
            "| policy | one row by id | | the latest 20 | | an aggregate | | without a tenant | forged |\n"
            "|---|---|---|---|---|---|---|---|---|"
        )
        plain = _connect(server, "bench_plain", own)
        for number, form in enumerate(_FORMS):
            connection = _connect(server, f"bench_{number}", own)
            cells = _measure(plain, connection, "public.notes", own[1], ids, arguments.turns)
            connection.close()
            cells += _tries(server, f"bench_{number}", "public.notes", _settings(*other))
            print("|", " | ".join([form.name, *cells]), "|", flush=True)
        entered = Libpq(server.dsn(user="bench_tenancy"))
        entered.execute("BEGIN")
        entered.execute("SELECT tenancy.enter($1::uuid, $2::uuid)", *own)
        cells = _measure(plain, entered, "public.protected_notes", own[1], ids, arguments.turns)
        entered.close()
        forged = {"tenancy.current_user_id": str(other[0]), "tenancy.current_organization_id": str(other[1])}
        cells += _tries(server, "bench_tenancy", "public.protected_notes", forged)
        print("|", " | ".join(["pg-tenancy", *cells]), "|")


if __name__ == "__main__":
    main()
