"""The developer's database: people and organizations for tests, deleted afterwards."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pg_tenancy import Workspace, workspace
from pg_tenancy.testing._cells import Cast, Connection
from pg_tenancy.testing._rows import RowMaker

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pg_tenancy._opening import Options

__all__ = ["LiveDatabaseError", "Organization", "Tenancy", "User", "refuse_live", "temporary_login"]

# Names of test databases.
FOR_TESTS: Final = re.compile(r"(^|[^a-z])(test|tests|testing|dev|devel|development|ci|local|sandbox)([^a-z]|$)")
LIVE: Final = re.compile(r"(^|[^a-z])(prod|production|live)([^a-z]|$)")
MANY: Final = 1000

SIGNS: Final = """
SELECT
    current_database()::text,
    pg_is_in_recovery(),
    (SELECT count(*) FROM pg_catalog.pg_stat_replication),
    (SELECT count(*) FROM (SELECT FROM public.users LIMIT %s) AS u)
"""


class LiveDatabaseError(Exception):
    """The database may be live, so nothing is tried in it."""


def refuse_live(connection: Connection, allowed: Collection[str] = ()) -> None:
    """Refuse a database that looks live or cannot be tested.

    Args:
        connection: a superuser's.
        allowed: names of test databases that look live.

    Raises:
        LiveDatabaseError: its name does not look like a test database's, it has more than
            1,000 users, or it is replicated.
        ValueError: pg-tenancy is not deployed in it, or the login is not a superuser.
    """
    is_superuser = connection.execute(
        "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
    ).fetchone()
    if is_superuser != (True,):
        msg = "the tests require a superuser, who then acts as the application's login: tenancy_dsn"
        raise ValueError(msg)
    try:
        row = connection.execute(SIGNS, [MANY + 1]).fetchone()
    except psycopg.errors.UndefinedTable as error:
        msg = "the database has no public.users: pg-tenancy deploy --plan kernel"
        raise ValueError(msg) from error
    name, in_recovery, replicas, users = row or ("", False, 0, 0)
    if name in allowed:
        return
    signs = [
        words
        for is_so, words in (
            (not FOR_TESTS.search(name.lower()), "its name does not contain test, dev, ci, local or sandbox"),
            (LIVE.search(name.lower()), "its name says that it is live"),
            (in_recovery or replicas, "it is replicated"),
            (users > MANY, f"it has more than {MANY} users"),
        )
        if is_so
    ]
    if signs:
        raise LiveDatabaseError(
            f"the database {name} looks live: {'; '.join(signs)}."
            f" If it is a test database, set tenancy_allow_database = {name}"
        )


@dataclass(frozen=True)
class User:
    """A person of a test.

    Attributes:
        id: the id in ``public.users``.
        email: the address.

    """

    id: UUID
    email: str | None


@dataclass(frozen=True)
class Organization:
    """An organization of a test.

    Attributes:
        id: the id in ``public.organizations``.
        owner: its owner.

    """

    id: UUID
    owner: User


@dataclass(eq=False)
class Tenancy:
    """Creates people, organizations, workspaces and connections for one test.

    After the test they are deleted, with the rows in their workspaces; nothing else in the
    database changes.

    Attributes:
        admin: the superuser's connection, in autocommit, to prepare and to check.
        dsn: the URI of the application's login.

    """

    admin: Connection
    dsn: str
    _stack: ExitStack = field(default_factory=ExitStack)
    _users: list[UUID] = field(default_factory=list)
    _organizations: list[UUID] = field(default_factory=list)

    def user(self, **columns: Any) -> User:
        """Create a person.

        Args:
            **columns: values of columns of ``public.users``; the others are generated.
        """
        row = Cast.person(RowMaker(self.admin), **columns)
        self._users.append(row["id"])
        return User(row["id"], row.get("email"))

    def organization(self, *, owner: User | None = None, **members: User) -> Organization:
        """Create an organization.

        Args:
            owner: its owner; default: a new person.
            **members: a person each for ``admin``, ``manager`` and ``user``.
        """
        owner = owner or self.user()
        maker = RowMaker(self.admin)
        with self.admin.transaction():
            row = Cast.organization(maker, owner.id)
            for role, user in {"owner": owner, **members}.items():
                Cast.membership(maker, row["id"], user.id, role)
        self._organizations.append(row["id"])
        return Organization(row["id"], owner)

    def member(self, organization: Organization, role: str = "user") -> User:
        """Create a person who is a member of an organization."""
        user = self.user()
        Cast.membership(RowMaker(self.admin), organization.id, user.id, role)
        return user

    def workspace(
        self, user: User, organization: Organization | None = None, **options: Unpack[Options]
    ) -> Workspace[Any]:
        """Return a context manager for one transaction of the application's login in a workspace.

        Args:
            user: the person.
            organization: the organization; None for the personal workspace.
            **options: options of the transaction, as for ``pg_tenancy.workspace``.
        """
        return workspace(
            self.connection(), user_id=user.id, organization_id=organization.id if organization else None, **options
        )

    def connection(self) -> Connection:
        """Open a connection of the application's login; it is closed after the test."""
        return self._stack.enter_context(psycopg.connect(self.dsn))

    def close(self) -> None:
        """Close the connections and delete the rows."""
        self._stack.close()
        with self.admin.transaction():
            self.admin.execute("DELETE FROM public.organizations WHERE id = ANY(%s)", [self._organizations])
            self.admin.execute("DELETE FROM public.users WHERE id = ANY(%s)", [self._users])


@contextmanager
def temporary_login(admin: Connection, dsn: str) -> Iterator[str]:
    """Create a login in ``tenancy_app``, yield its DSN, and drop it at the end of the block."""
    name, password = sql.Identifier(f"tenancy_test_{token_hex(6)}"), token_hex(16)
    statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE tenancy_app")
    admin.execute(statement.format(name, sql.Literal(password)))
    try:
        yield make_conninfo(dsn, user=name.as_string().strip('"'), password=password)
    finally:
        admin.execute(sql.SQL("DROP ROLE {}").format(name))
