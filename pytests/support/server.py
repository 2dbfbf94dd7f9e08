"""One PostgreSQL server for a whole test run, whoever takes part in it.

pytest, its xdist workers and pg_prove all use the server that the first of them
started. It is described by one environment variable, which the others inherit.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from pg_tenancy.tools.embedded import EmbeddedServer, EmbeddedServerError, find_binaries
from pg_tenancy.tools.sqitch import Sqitch, libpq_environment
from support.database import Database
from support.replay import WHOLE_PLAN
from support.states import state_of

__all__ = ["Logins", "Server", "server_of_this_run", "start_embedded"]

_VARIABLE = "PG_TENANCY_TEST_RUN"

# Group roles that each login of a run is granted.
_GROUPS = {
    "app": "tenancy_app",
    "credentialed": "tenancy_credentialed",
    "service": "tenancy_service",
    "auditor": "tenancy_auditor",
    "old": "tenancy_service",
}


@dataclass(frozen=True)
class Logins:
    """The names of the logins that every database of the run has.

    Each is an ordinary role, granted the group that its name says; ``old`` is
    the login of the application as it was before tenancy.
    """

    app: str
    credentialed: str
    service: str
    auditor: str
    old: str


@dataclass(frozen=True)
class Server:
    """A server and the part of it that belongs to this test run.

    Every database and login of the run has a name that starts with ``run``, so
    that a server that is not ours alone is left as it was.
    """

    dsn: str
    run: str
    password: str
    bin_dir: str | None
    version: int
    _numbers: Iterator[int] = field(default_factory=itertools.count, compare=False, repr=False)
    # What exists for the rest of the run, as far as this process knows.
    _made: set[str] = field(default_factory=set, compare=False, repr=False)

    # -- connecting ------------------------------------------------------------

    def uri(self, dbname: str, login: str | None = None) -> str:
        """Return the URI of a database, for psycopg and asyncpg alike.

        Args:
            dbname: the database.
            login: the role to connect as; default: the superuser.

        """
        parameters = {key: str(value) for key, value in conninfo_to_dict(self.dsn).items() if value is not None}
        parameters.pop("dbname", None)
        if login is not None:
            parameters |= {"user": login, "password": self.password}
        # asyncpg knows none of psycopg's own parameters.
        user = quote(parameters.pop("user", ""), safe="")
        password = quote(parameters.pop("password", ""), safe="")
        account = f"{user}:{password}@" if password else f"{user}@" if user else ""
        return f"postgresql://{account}/{quote(dbname, safe='')}?{urlencode(parameters)}"

    def execute(self, *statements: sql.Composed | sql.SQL) -> None:
        """Run statements as the superuser, each by itself."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def new_name(self, kind: str) -> str:
        """Return a name that no other database or login of the run has."""
        return f"{self.run}_{kind}_{os.getpid()}_{next(self._numbers)}"

    # -- databases -------------------------------------------------------------

    def create(self, template: str = "template0", name: str | None = None) -> Database:
        """Make a database, empty or as a copy of another of the run.

        PostgreSQL copies neither the owner nor the privileges on the database
        itself, which a change of ours may have altered, so they are given again.
        """
        name = name or self.new_name("db")
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY {}").format(
                    sql.Identifier(name),
                    sql.Identifier(template),
                    # A server of ours waits for no disk, so that a checkpoint costs it less than ten MB of log.
                    sql.SQL("FILE_COPY" if self.bin_dir else "WAL_LOG"),
                )
            )
            for statement in _as_on(connection, template, name) if template != "template0" else []:
                connection.execute(statement)
        return Database(self, name)

    def drop(self, *names: str) -> None:
        """Drop databases, whoever is still connected to them."""
        self.execute(
            *(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)) for name in names)
        )

    def once(
        self, kind: str, make: Callable[[Database], object], template: Callable[[], str] = lambda: "template0"
    ) -> str:
        """Return the name of a database that the first of the run's processes to need it makes.

        It has its name only when it is finished. PostgreSQL copies no database that
        somebody is connected to, so who takes copies of it must not connect to it.

        Args:
            kind: what it is, which is also what its name ends with.
            make: given the database, makes it what it should be.
            template: returns the name of the database that it is a copy of at first.

        """
        name = f"{self.run}_{kind}"
        if name in self._made or self._exists(name):
            self._made.add(name)
            return name
        source = template()
        with self._alone(name):
            if not self._exists(name):
                building = f"{name}_building"
                try:
                    make(self.create(source, building))
                except BaseException:
                    self.drop(building)
                    raise
                self.execute(
                    sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(building), sql.Identifier(name))
                )
        self._made.add(name)
        return name

    def state(self, tables: str = "", at: str | None = None, *, owned: bool = False) -> str:
        """Return the name of a template: an application's tables with a part of the plan deployed on them.

        It is made once a run, on top of the same tables at the tag before.

        Args:
            tables: SQL that makes the tables, and rows in them; default: nothing.
            at: the tag or change that is the last one deployed; default: none is.
            owned: whether database and tables belong to a login of their own
                instead of the superuser.

        """
        return state_of(self, tables, at, owned)

    def template(self, to: str | None = None) -> str:
        """Return the name of a template in which there was nothing before the plan.

        Args:
            to: the tag or change that is the last one deployed; default: the whole plan.

        """
        return self.state(at=to or WHOLE_PLAN)

    def tap_template(self) -> str:
        """Return the name of a deployed database that also has pgTAP, in the schema ``tap``."""

        def load(building: Database) -> None:
            with building.connect(autocommit=True) as connection:
                _load_pgtap(connection)

        return self.once("tap", load, self.template)

    def sqitch(self, dbname: str) -> Sqitch:
        """Return sqitch for a database, deaf to the machine's own configuration."""
        return Sqitch(
            self.uri(dbname),
            isolated=True,
            program_directory=Path(self.program("psql")).parent,
        )

    def dump(self, dbname: str) -> str:
        """Return the schema of a database as text that can be compared.

        It is what pg_dump writes without what differs between two runs, without
        sqitch's own tables and what a revert keeps aside, and with the
        privileges on the database itself.
        """
        lines = [self.pg_dump(dbname, "--schema-only", "--exclude-schema=sqitch", "--exclude-schema=tenancy_archive")]
        with psycopg.connect(self.dsn) as connection:
            lines += [f"-- on the database: {grant}" for grant in _explode(connection, dbname)]
        return "\n".join(lines)

    def pg_dump(self, dbname: str, *options: str) -> str:
        """Return what pg_dump writes, without the lines that differ between two runs of it."""
        written = subprocess.run(
            [self.program("pg_dump"), *options],
            env={**os.environ, **libpq_environment(self.uri(dbname))},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        # All at once: a dump has thousands of lines, and some tests make hundreds of dumps.
        return re.sub(r"^(\\(un)?restrict |-- Dumped (from|by) ).*\n", "", written, flags=re.MULTILINE).rstrip("\n")

    # -- logins ----------------------------------------------------------------

    def logins(self) -> Logins:
        """Make the run's logins, once; the groups come with the template."""
        self.template()
        return Logins(**{name: self.login(name, group) for name, group in _GROUPS.items()})

    def login(self, kind: str, *groups: str) -> str:
        """Return the name of a login that the first of the run's processes to need it makes."""
        name = f"{self.run}_{kind}"
        if name not in self._made:
            with self._alone(name), psycopg.connect(self.dsn, autocommit=True) as connection:
                if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone():
                    self.create_login(name, *groups)
            self._made.add(name)
        return name

    def create_login(self, name: str, *groups: str) -> str:
        """Make a login with the run's password and grant it groups."""
        login = sql.Identifier(name)
        self.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(login, self.password),
            *(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), login) for group in groups),
        )
        return name

    # -- taking part in a run --------------------------------------------------

    def environment(self) -> dict[str, str]:
        """Return the variables by which another process joins this run, and finds the server's programs first.

        Debian's psql is a script that looks for the program, in ten times the time that the program takes.
        """
        known = ("dsn", "run", "password", "bin_dir", "version")
        return {
            _VARIABLE: json.dumps({name: getattr(self, name) for name in known}),
            "PATH": f"{Path(self.program('psql')).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def clean_up(self, roles_before: frozenset[str]) -> None:
        """Drop the run's databases and logins, and the groups that came with them."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            ours = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [self.run])
            self.drop(*(name for (name,) in ours.fetchall()))
            for role in sorted(_roles(connection, self.run) - roles_before):
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
            for role in sorted(_roles(connection, "tenancy_") - roles_before):
                try:
                    # What it may do with a parameter belongs to the server, as the role does.
                    connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
                    connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
                except psycopg.errors.DependentObjectsStillExist:
                    continue

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Keep the run's other processes out while something of that name is made once for all."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
            yield

    def _exists(self, name: str) -> bool:
        with psycopg.connect(self.dsn) as connection:
            return bool(connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone())

    def program(self, name: str) -> str:
        """Return the path of a client program of the server's version or a newer one."""
        return str(_directory_of(name, self.bin_dir, self.version) / name)


@cache
def _directory_of(program: str, bin_dir: str | None, version: int) -> Path:
    candidates = [Path(bin_dir)] if bin_dir else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    in_path = shutil.which(program)
    candidates += [Path(in_path).parent] if in_path else []
    with suppress(EmbeddedServerError):
        candidates.append(find_binaries())
    for directory in candidates:
        if not (directory / program).exists():
            continue
        answer = subprocess.run([str(directory / program), "--version"], capture_output=True, text=True)
        found = re.search(r"(\d+)", answer.stdout)
        if answer.returncode == 0 and found and int(found[1]) >= version:
            return directory
    raise RuntimeError(f"there is no {program} of version {version} or newer")


def _as_on(connection: psycopg.Connection[tuple[object, ...]], template: str, name: str) -> list[sql.Composed]:
    """Return what gives a database the owner of another, and the privileges on it."""
    database, statements = sql.Identifier(name), []
    wanted, found = _owner_of(connection, template), _owner_of(connection, name)
    if wanted != found:
        statements.append(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, sql.Identifier(wanted)))
    grants = _explode(connection, template)
    if grants == _explode(connection, name):
        return statements
    statements.append(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    for grantee, privilege, grantable in grants:
        statements.append(
            sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(
                sql.SQL(privilege),
                database,
                sql.SQL("PUBLIC") if grantee == "" else sql.Identifier(grantee),
                sql.SQL(" WITH GRANT OPTION" if grantable else ""),
            )
        )
    return statements


def _owner_of(connection: psycopg.Connection[tuple[object, ...]], name: str) -> str:
    row = connection.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", [name]).fetchone()
    assert row is not None
    return str(row[0])


def _explode(connection: psycopg.Connection[tuple[object, ...]], name: str) -> list[tuple[str, str, bool]]:
    rows = connection.execute(
        """
        SELECT CASE WHEN acl.grantee = 0 THEN '' ELSE pg_get_userbyid(acl.grantee) END,
            acl.privilege_type, acl.is_grantable
        FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS acl
        WHERE datname = %s AND acl.grantee <> datdba
        ORDER BY 1, 2
        """,
        [name],
    )
    return [(str(grantee), str(privilege), bool(grantable)) for grantee, privilege, grantable in rows.fetchall()]


def _roles(connection: psycopg.Connection[tuple[object, ...]], prefix: str) -> set[str]:
    rows = connection.execute("SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)", [prefix])
    return {str(name) for (name,) in rows.fetchall()}


def _load_pgtap(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    # No role but the superuser may create anything in it, and all may call it.
    connection.execute("CREATE SCHEMA tap")
    connection.execute("GRANT USAGE ON SCHEMA tap TO PUBLIC")
    available = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'pgtap'").fetchone()
    if available:
        connection.execute("CREATE EXTENSION pgtap SCHEMA tap")
        return
    script = _pgtap_script()
    if script is None:
        raise RuntimeError("pgTAP is missing: install Debian's postgresql-*-pgtap, or set PG_TENANCY_PGTAP_SQL")
    connection.execute("SET search_path = tap")
    # The file begins with a line for psql, that it is part of an extension.
    text = "".join(line for line in script.read_text().splitlines(keepends=True) if not line.startswith("\\"))
    connection.execute(text.encode())


def _pgtap_script() -> Path | None:
    named = os.environ.get("PG_TENANCY_PGTAP_SQL")
    if named:
        return Path(named)
    root = Path(__file__).resolve().parents[2]
    places = [
        *root.glob(".venv/debian/usr/share/postgresql/*/extension/pgtap--*.sql"),
        *Path("/usr/share/postgresql").glob("*/extension/pgtap--*.sql"),
    ]
    whole = [path for path in places if re.fullmatch(r"pgtap--[\d.]+\.sql", path.name)]
    return max(whole, key=lambda path: [int(part) for part in re.findall(r"\d+", path.name)], default=None)


def start_embedded() -> EmbeddedServer:
    """Start a server for tests, which waits for no disk."""
    return EmbeddedServer(
        durable=False,
        settings={
            "max_connections": "200",
            "max_locks_per_transaction": "256",
            # Databases live for seconds, and a plan that a test looks at must not hang on the moment.
            "autovacuum": "off",
            # Plans that tests make dear would be compiled, where the server can.
            "jit": "off",
            # A test that waits for a lock is stuck, and had better say so.
            "deadlock_timeout": "200ms",
            "log_lock_waits": "on",
            "log_line_prefix": "%m [%p] %q%u@%d ",
        },
    ).start()


@contextmanager
def server_of_this_run(environment: Mapping[str, str] = os.environ) -> Iterator[Server]:
    """Join the run that the environment describes, or start one.

    With ``PG_TENANCY_DSN`` a run uses that server, as a superuser of it, and
    leaves it as it was; otherwise it starts a server of its own.
    """
    if _VARIABLE in environment:
        yield Server(**json.loads(environment[_VARIABLE]))
        return
    run, password = f"pgt_{secrets.token_hex(4)}", secrets.token_urlsafe(18)
    dsn = environment.get("PG_TENANCY_DSN")
    if dsn:
        with psycopg.connect(dsn) as connection:
            server = Server(dsn, run, password, None, connection.info.server_version // 10000)
            before = frozenset(_roles(connection, "tenancy_"))
        try:
            yield server
        finally:
            server.clean_up(before)
        return
    embedded = start_embedded()
    try:
        yield Server(embedded.dsn(), run, password, str(embedded.bin_dir), embedded.version)
    finally:
        embedded.stop()
