"""One PostgreSQL server for a whole test run and all of its processes.

pytest, its xdist workers and pg_prove all use the server that the first of them started. An
environment variable describes it, which the others inherit.
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
from contextlib import AbstractContextManager, contextmanager, suppress
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
from support.sessions import Sessions
from support.states import state_of

__all__ = ["Logins", "Server", "server_of_this_run", "start_embedded"]

_VARIABLE = "PG_TENANCY_TEST_RUN"

# The group that each login of a run is granted.
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

    Each is an ordinary role that is granted the group of its name; ``old`` is the login of the
    application before its migration.
    """

    app: str
    credentialed: str
    service: str
    auditor: str
    old: str


@dataclass(frozen=True)
class Server:
    """A server and the part of it that belongs to this test run.

    The names of all databases and logins of the run begin with ``run``, so that a shared server is
    left as it was.
    """

    dsn: str
    run: str
    password: str
    bin_dir: str | None
    version: int
    _numbers: Iterator[int] = field(default_factory=itertools.count, compare=False, repr=False)
    # Databases and logins that exist until the end of the run, as far as this process knows.
    _made: set[str] = field(default_factory=set, compare=False, repr=False)
    sessions: Sessions = field(default_factory=Sessions, compare=False, repr=False)

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
        # asyncpg does not know psycopg's own parameters.
        user = quote(parameters.pop("user", ""), safe="")
        password = quote(parameters.pop("password", ""), safe="")
        account = f"{user}:{password}@" if password else f"{user}@" if user else ""
        return f"postgresql://{account}/{quote(dbname, safe='')}?{urlencode(parameters)}"

    def execute(self, *statements: sql.Composed | sql.SQL) -> None:
        """Run each statement as the superuser, in autocommit."""
        with self._session() as connection:
            for statement in statements:
                connection.execute(statement)

    def _session(self) -> AbstractContextManager[psycopg.Connection[tuple[object, ...]]]:
        # Not of a database of the run, which somebody may copy.
        return self.sessions.session("", None, True, lambda: psycopg.connect(self.dsn, autocommit=True))

    def new_name(self, kind: str) -> str:
        """Return an unused name for a database or login of the run."""
        return f"{self.run}_{kind}_{os.getpid()}_{next(self._numbers)}"

    # -- databases -------------------------------------------------------------

    def create(self, template: str = "template0", name: str | None = None) -> Database:
        """Create a database, empty or as a copy of another of the run.

        PostgreSQL copies neither the owner nor the privileges on the database itself, which our
        changes may have altered, so they are set again.
        """
        name = name or self.new_name("db")
        self.sessions.close(template)
        with self._session() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY {}").format(
                    sql.Identifier(name),
                    sql.Identifier(template),
                    # The run's own server does not wait for the disk, so a checkpoint costs less than ten MB of
                    # log.
                    sql.SQL("FILE_COPY" if self.bin_dir else "WAL_LOG"),
                )
            )
            for statement in _as_on(connection, template, name) if template != "template0" else []:
                connection.execute(statement)
        return Database(self, name)

    def drop(self, *names: str) -> None:
        """Drop databases, even while somebody is connected to them."""
        self.sessions.close(*names)
        self.execute(
            *(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)) for name in names)
        )

    def once(
        self, kind: str, make: Callable[[Database], object], template: Callable[[], str] = lambda: "template0"
    ) -> str:
        """Return the name of a database that the first process to need it creates.

        It has its name only when it is finished. PostgreSQL copies no database with connections, so
        do not connect to one that is copied.

        Args:
            kind: its kind, which is also the end of its name.
            make: takes the database, and prepares it.
            template: returns the name of the database to copy.

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
                self.sessions.close(building)
                self.execute(
                    sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(building), sql.Identifier(name))
                )
        self._made.add(name)
        return name

    def numbers(self, kind: str) -> list[int]:
        """Return the numbers at the ends of the names of this kind that ``once`` has finished."""
        start = f"{self.run}_{kind}"
        with self._session() as connection:
            names = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [start])
            rests = [str(name).removeprefix(start) for (name,) in names.fetchall()]
        return [int(rest) for rest in rests if rest.isdigit()]

    def state(self, tables: str = "", at: str | None = None, *, owned: bool = False) -> str:
        """Return the name of a template: an application's tables with a part of the plan deployed.

        It is created once a run, from a template with the same tables and less of the plan.

        Args:
            tables: SQL that creates the tables and rows; default: nothing.
            at: the last deployed tag or change; default: nothing is deployed.
            owned: whether database and tables belong to a separate login instead of the superuser.

        """
        return state_of(self, tables, at, owned)

    def template(self, to: str | None = None) -> str:
        """Return the name of a template that was empty before the plan.

        Args:
            to: the last deployed tag or change; default: the whole plan.

        """
        return self.state(at=to or WHOLE_PLAN)

    def tap_template(self) -> str:
        """Return the name of a deployed database that also has pgTAP, in the schema ``tap``."""

        def load(building: Database) -> None:
            with building.connect(autocommit=True) as connection:
                _load_pgtap(connection)

        return self.once("tap", load, self.template)

    def sqitch(self, dbname: str) -> Sqitch:
        """Return sqitch for a database, without the machine's own configuration."""
        return Sqitch(
            self.uri(dbname),
            isolated=True,
            program_directory=Path(self.program("psql")).parent,
        )

    def dump(self, dbname: str) -> str:
        """Return the schema of a database as comparable text.

        It is pg_dump's output without anything that differs between two runs, without sqitch's own
        tables and archives, and with the privileges on the database itself.
        """
        lines = [self.pg_dump(dbname, "--schema-only", "--exclude-schema=sqitch", "--exclude-schema=tenancy_archive")]
        with self._session() as connection:
            lines += [f"-- on the database: {grant}" for grant in _explode(connection, dbname)]
        return "\n".join(lines)

    def pg_dump(self, dbname: str, *options: str) -> str:
        """Return pg_dump's output, without the lines that differ between two runs."""
        written = subprocess.run(
            [self.program("pg_dump"), *options],
            env={**os.environ, **libpq_environment(self.uri(dbname))},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        # All at once, and from the end of the line before, which is found faster than a beginning: a dump has forty
        # thousand lines, and some tests make dozens of dumps.
        return re.sub(r"\n(?:\\(?:un)?restrict |-- Dumped (?:from|by) ).*", "", written).rstrip("\n")

    # -- logins ----------------------------------------------------------------

    def logins(self) -> Logins:
        """Create the run's logins, once; the groups are created with the template."""
        self.template()
        return Logins(**{name: self.login(name, group) for name, group in _GROUPS.items()})

    def login(self, kind: str, *groups: str) -> str:
        """Return the name of a login that the first process to need it creates."""
        name = f"{self.run}_{kind}"
        if name not in self._made:
            with self._alone(name) as connection:
                if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone():
                    self.create_login(name, *groups)
            self._made.add(name)
        return name

    def create_login(self, name: str, *groups: str) -> str:
        """Create a login with the run's password and grant it groups."""
        login = sql.Identifier(name)
        self.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(login, self.password),
            *(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), login) for group in groups),
        )
        return name

    # -- taking part in a run --------------------------------------------------

    def environment(self) -> dict[str, str]:
        """Return the variables with which another process joins this run, and finds the server's programs first.

        Debian's psql is a script that looks for the program, and takes ten times as long.
        """
        known = ("dsn", "run", "password", "bin_dir", "version")
        return {
            _VARIABLE: json.dumps({name: getattr(self, name) for name in known}),
            "PATH": f"{Path(self.program('psql')).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def clean_up(self, roles_before: frozenset[str]) -> None:
        """Drop the run's databases and logins, and the groups that were created with them."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            ours = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [self.run])
            self.drop(*(name for (name,) in ours.fetchall()))
            for role in sorted(_roles(connection, self.run) - roles_before):
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
            for role in sorted(_roles(connection, "tenancy_") - roles_before):
                try:
                    # Its privilege on a parameter belongs to the server, like the role.
                    connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
                    connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
                except psycopg.errors.DependentObjectsStillExist:
                    continue

    @contextmanager
    def _alone(self, name: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """Block the run's other processes while something of that name is created for all."""
        with self._session() as connection:
            # Until the session is set back.
            connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
            yield connection

    def _exists(self, name: str) -> bool:
        with self._session() as connection:
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
    """Return SQL that gives a database the owner of another one, and the privileges on it."""
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
    # Only the superuser may create anything in it, and all may call its functions.
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
    # The file begins with a line for psql, because it belongs to an extension.
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
    """Start a server for tests, which does not wait for the disk."""
    return EmbeddedServer(
        durable=False,
        settings={
            "max_connections": "200",
            "max_locks_per_transaction": "256",
            # Databases live for seconds, and plans in tests must not depend on the moment.
            "autovacuum": "off",
            # Plans that tests make expensive would be compiled, if the server can.
            "jit": "off",
            # A test that waits for a lock is stuck, and should fail soon.
            "deadlock_timeout": "200ms",
            "log_lock_waits": "on",
            "log_line_prefix": "%m [%p] %q%u@%d ",
        },
    ).start()


@contextmanager
def server_of_this_run(environment: Mapping[str, str] = os.environ) -> Iterator[Server]:
    """Join the run that the environment describes, or start one.

    With ``PG_TENANCY_DSN`` a run uses that server as a superuser, and leaves it as it was;
    otherwise it starts its own server.
    """
    if _VARIABLE in environment:
        joined = Server(**json.loads(environment[_VARIABLE]))
        try:
            yield joined
        finally:
            joined.sessions.close_all()
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
            server.sessions.close_all()
        return
    embedded = start_embedded()
    server = Server(embedded.dsn(), run, password, str(embedded.bin_dir), embedded.version)
    try:
        yield server
    finally:
        server.sessions.close_all()
        embedded.stop()
