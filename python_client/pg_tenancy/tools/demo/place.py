"""The place of the demonstration: a private server, or a new database on a given server."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pg_tenancy.tools.embedded import EmbeddedServer
from pg_tenancy.tools.sqitch import Sqitch

__all__ = ["Login", "Place", "uri"]


@dataclass(frozen=True)
class Login:
    """A role that logs in.

    Attributes:
        name: the role.
        dsn: its DSN; may hold a password, so it is never printed.
        shown: the same as a URI that names a password file instead.

    """

    name: str
    dsn: str
    shown: str


class Place:
    """A database for the demonstration, with its logins; closing it removes them.

    Args:
        dsn: a server, as a role that may create databases and roles; None starts an embedded one.

    Attributes:
        deployer: the login that deploys; a superuser on the embedded server.
        old: the login of the old application.
        app: the login of the migrated application, after :meth:`admit_application`.

    """

    def __init__(self, dsn: str | None = None) -> None:
        self._given = dsn
        self._cleanup = ExitStack()
        self.server: EmbeddedServer | None = None
        self.database = "demo"
        self.version = ""
        self._passwords: Path | None = None

    def __enter__(self) -> Place:
        """Start the server or create the database."""
        try:
            self._open()
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Remove everything that was created."""
        self._cleanup.close()

    def keep(self) -> None:
        """Leave the database and the logins; an embedded server still ends with this process."""
        if self.server is None:
            self._cleanup.pop_all()

    @property
    def how_to_remove(self) -> list[str]:
        """Return the commands that remove what :meth:`keep` left."""
        logins = ", ".join((self.old.name, self.app.name))
        commands = [
            f'psql {shlex.quote(uri(self._given or ""))} -c "{statement}"'
            for statement in (f"DROP DATABASE {self.database}", f"DROP ROLE {logins}")
        ]
        return [*commands, *([f"rm -r {shlex.quote(str(self._passwords.parent))}"] if self._passwords else [])]

    def connect(self, login: Login | None = None, *, autocommit: bool = True) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection, by default as the deployer."""
        return psycopg.connect((login or self.deployer).dsn, autocommit=autocommit)

    def sqitch(self) -> Sqitch:
        """Return sqitch for the database."""
        programs = self.server.bin_dir if self.server is not None else None
        if programs is not None and not (programs / "psql").exists():
            programs = None
        return Sqitch(self.deployer.dsn, isolated=True, program_directory=programs)

    def admit_application(self) -> None:
        """Grant ``tenancy_app`` to the new application's login."""
        with self.connect() as connection:
            connection.execute(sql.SQL("GRANT tenancy_app TO {}").format(sql.Identifier(self.app.name)))

    def _open(self) -> None:
        suffix = ""
        if self._given is None:
            self.server = self._cleanup.enter_context(EmbeddedServer(durable=False))
            base = self.server.dsn()
        else:
            base = self._given
            suffix = f"_{secrets.token_hex(3)}"
        self.database = f"{'pg_tenancy_' if suffix else ''}demo{suffix}"
        with psycopg.connect(base, autocommit=True) as connection:
            self.version = connection.info.parameter_status("server_version") or ""
            database = sql.Identifier(self.database)
            if suffix:
                self._cleanup.callback(self._remove_groups, base, self._groups(connection))
            self.deployer = self._login(base, connection.info.user, None)
            self.old = self._create_login(connection, base, f"old_application{suffix}")
            self.app = self._create_login(connection, base, f"new_application{suffix}")
            if not connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchall()[0][0]:
                # The deployer must own the tables or be a member of their owner.
                connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(self.old.name)))
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(database))
            if suffix:
                self._cleanup.callback(
                    self._execute, base, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database)
                )
            connection.execute(
                sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, sql.Identifier(self.old.name))
            )
        with self.connect() as connection:
            connection.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(self.old.name)))

    def _create_login(self, connection: psycopg.Connection[tuple[Any, ...]], base: str, name: str) -> Login:
        role = sql.Identifier(name)
        password = None if self.server is not None else secrets.token_urlsafe(18)
        if password is None:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
        else:
            # Sent as a hash, to keep it out of server logs.
            hashed = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, hashed.decode()))
            self._cleanup.callback(self._execute, base, sql.SQL("DROP ROLE IF EXISTS {}").format(role))
        return self._login(base, name, password)

    def _login(self, base: str, name: str, password: str | None) -> Login:
        settings = {"dbname": self.database, "user": name}
        if password is not None:
            settings["password"] = password
            if self._passwords is None:
                directory = tempfile.mkdtemp(prefix="pg-tenancy-")
                self._cleanup.callback(shutil.rmtree, directory, ignore_errors=True)
                self._passwords = Path(directory, "passwords")
                self._passwords.touch(mode=0o600)
            with self._passwords.open("a") as file:
                file.write(f"*:*:{self.database}:{name}:{password}\n")
        dsn = make_conninfo(base, **settings)
        passfile = str(self._passwords) if password is not None else None
        return Login(name, dsn, uri(dsn, **({"passfile": passfile} if passfile else {})))

    @staticmethod
    def _execute(base: str, *statements: sql.Composed) -> None:
        with psycopg.connect(base, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    @staticmethod
    def _groups(connection: psycopg.Connection[tuple[Any, ...]]) -> set[str]:
        found = connection.execute(r"SELECT rolname FROM pg_roles WHERE rolname LIKE 'tenancy\_%'")
        return {name for (name,) in found.fetchall()}

    @classmethod
    def _remove_groups(cls, base: str, before: set[str]) -> None:
        """Drop the groups that the deploy created, unless another database uses them."""
        with psycopg.connect(base, autocommit=True) as connection:
            for name in sorted(cls._groups(connection) - before):
                try:
                    connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
                except (psycopg.errors.DependentObjectsStillExist, psycopg.errors.InternalError_):
                    # The second error: a database that uses it is being dropped at this moment.
                    continue


def uri(dsn: str, **more: str) -> str:
    """Return a DSN as a URI for psql, without its password.

    Args:
        dsn: a URI or a ``keyword=value`` string.
        more: further parameters.

    """
    parts = {name: str(value) for name, value in (conninfo_to_dict(dsn) | more).items() if value not in (None, "")}
    parts.pop("password", None)
    user = quote(parts.pop("user", ""), safe="")
    database = quote(parts.pop("dbname", ""), safe="")
    # A socket's directory cannot be the host part of a URI.
    host = parts.pop("host", os.environ.get("PGHOST", ""))
    port = parts.pop("port", "")
    where = ""
    if host.startswith("/") or "," in host or ":" in host:
        parts = {"host": host, **({"port": port} if port else {}), **parts}
    else:
        where = quote(host, safe="") + (f":{port}" if port else "")
    query = f"?{urlencode(parts)}" if parts else ""
    return f"postgresql://{user}{'@' if user else ''}{where}/{database}{query}"
