"""The deployer need not be a superuser, and several databases of one server share the roles."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from pg_tenancy.tools.embedded import EmbeddedServer, find_binaries
from pg_tenancy.tools.lint import lint
from pg_tenancy.tools.sqitch import Sqitch, SqitchError
from support.database import Database
from support.people import People
from support.platform import KEYLESS, ROWS
from support.replay import Replay
from support.scripts import ScriptError, differences
from support.server import Server


def _version_of(directory: Path) -> str:
    found = re.search(r"postgresql/(\d+)/", str(directory))
    return found[1] if found else "default"


# The server of the run's version, and all other versions on this machine.
BINARIES = [
    find_binaries(),
    *(path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()),
]
BINARIES = list({path.resolve(): path for path in BINARIES}.values())


every_version = pytest.mark.parametrize("cluster", BINARIES, ids=_version_of, indirect=True)


@pytest.fixture(scope="module")
def _clusters() -> Iterator[Callable[[Path], Server]]:
    with ExitStack() as stack:

        @cache
        def start(binaries: Path) -> Server:
            settings = {"deadlock_timeout": "200ms", "jit": "off"}
            own = stack.enter_context(EmbeddedServer(bin_dir=binaries, durable=False, settings=settings).start())
            return Server(own.dsn(), "own", "secret", str(own.bin_dir), own.version)

        yield start


@pytest.fixture
def cluster(request: pytest.FixtureRequest, _clusters: Callable[[Path], Server]) -> Server:
    return _clusters(getattr(request, "param", BINARIES[0]))


@pytest.fixture
def roles(cluster: Server) -> Iterator[Callable[..., str]]:
    """Return a function that creates a role; databases and roles are dropped after the test."""

    def make(attributes: str = "LOGIN") -> str:
        name = cluster.new_name("role")
        cluster.execute(sql.SQL(f"CREATE ROLE {name} {attributes} PASSWORD 'secret'"))
        return name

    yield make
    with psycopg.connect(cluster.dsn, autocommit=True) as connection:
        cluster.drop(
            *(
                name
                for (name,) in connection.execute("SELECT datname FROM pg_database WHERE datname ~ '^own'").fetchall()
            )
        )
        left = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname ~ '^(own|tenancy)' ORDER BY rolname ~ '^own' DESC"
        ).fetchall()
        for (name,) in left:
            connection.execute(f"DROP OWNED BY {name}")
            connection.execute(f"DROP ROLE {name}")


def _database(cluster: Server, owner: str | None = None, tables: str = "") -> Database:
    database = cluster.create()
    database.fill(tables, owner)
    return database


def _sqitch(database: Database, login: str) -> Sqitch:
    return Sqitch(database.dsn(login), isolated=True, program_directory=Path(database.server.program("psql")).parent)


def _groups(cluster: Server) -> list[str]:
    with psycopg.connect(cluster.dsn) as connection:
        rows = connection.execute("SELECT rolname FROM pg_roles WHERE rolname ~ '^tenancy_' ORDER BY 1")
        return [str(name) for (name,) in rows.fetchall()]


def _works(database: Database, login: str) -> None:
    """Check that people can work in the database, each in a workspace."""
    with database.connect(autocommit=True) as connection:
        people = People(connection)
        name = uuid4().hex
        organization, other = (
            people.organization(f"{name} {number}", owner=people.user(f"{name}_{number}")) for number in (1, 2)
        )
        connection.execute(f"GRANT tenancy_app TO {login}")
    with database.entered(login, organization.owner, organization) as connection:
        assert connection.execute("SELECT id FROM public.organizations").fetchall() == [(organization.id,)]
        assert connection.execute("SELECT user_id FROM tenancy.members()").fetchall() == [(organization.owner.id,)]
    with (
        pytest.raises(psycopg.Error, match="no such membership"),
        database.entered(login, organization.owner, other),
    ):
        pass


def _ends_as_it_began(database: Database, deployer: str, before: str) -> None:
    Replay(database, deployer).revert()
    assert differences(before, database.dump()) == ""


# A table of the deployer's own, protected and released.
OWN_TABLE = (
    "CREATE TABLE public.projects (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text)",
    "SELECT tenancy.define_permission('projects.view', roles => '{owner}')",
    "CALL tenancy.protect('public.projects')",
    "CALL tenancy.allow('public.projects', 'SELECT', 'projects.view', columns => 'id, name')",
    "CALL tenancy_private.verify_contracts()",
    "CALL tenancy.unprotect('public.projects')",
    "DROP TABLE public.projects",
)

# -- a deployer without superuser --------------------------------------------------------


@every_version
@pytest.mark.parametrize("tables", [KEYLESS + ROWS], ids=["adopted"])
def test_the_owner_with_createrole_deploys_and_reverts(cluster: Server, roles: Callable[..., str], tables: str) -> None:
    deployer, app = roles("LOGIN CREATEROLE"), roles()
    database = _database(cluster, deployer, tables)
    before = database.dump()
    # The deployer makes sqitch's registry too; a replay goes on with it.
    told = _sqitch(database, deployer).deploy("@phase-1")
    assert re.search(r"WARNING:.*PUBLIC keeps", told)
    run = Replay(database, deployer)
    run.deploy()
    _works(database, app)
    with database.connect(deployer, autocommit=True) as connection:
        for statement in OWN_TABLE:
            connection.execute(statement.encode())
    with database.connect(autocommit=True) as connection:
        connection.execute("UPDATE tenancy.workspaces SET plan = 'subscriber' WHERE kind = 'organization'")
        count = connection.execute("SELECT count(*) FROM tenancy.workspaces WHERE plan = 'subscriber'").fetchone()
    # The same deployer restores everything.
    run.revert("@phase-0")
    run.deploy()
    run.verify()
    with database.connect(autocommit=True) as connection:
        assert (
            connection.execute("SELECT count(*) FROM tenancy.workspaces WHERE plan = 'subscriber'").fetchone() == count
        )
    run.revert()
    assert differences(before, database.dump()) == ""
    assert _groups(cluster) == []


def test_a_member_of_the_owner_deploys(cluster: Server, roles: Callable[..., str]) -> None:
    owner, deployer, app = roles(), roles("LOGIN CREATEROLE"), roles()
    database = _database(cluster, owner, KEYLESS + ROWS)
    cluster.execute(sql.SQL(f"GRANT {owner} TO {deployer}"))
    before = database.dump()
    run = Replay(database, deployer)
    run.deploy()
    run.verify()
    _works(database, app)
    # The deployer may grant the groups, which is no hole.
    with database.connect(autocommit=True) as connection:
        assert {each.rule for each in lint(connection).at_least("error")} <= {"server_outdated"}
    with database.connect(owner) as connection:
        assert connection.execute("SELECT count(*) FROM public.users").fetchone() != (0,)
    _ends_as_it_began(database, deployer, before)
    assert _groups(cluster) == []


def test_a_superuser_finishes_the_hardening_and_the_deployer_reverts_the_rest(
    cluster: Server, roles: Callable[..., str]
) -> None:
    deployer = roles("LOGIN CREATEROLE")
    database = _database(cluster, deployer)
    run = Replay(database, deployer)
    run.deploy("@phase-1")
    with database.connect(autocommit=True) as connection:
        query = "SELECT has_function_privilege('public', 'pg_terminate_backend(integer, bigint)', 'EXECUTE')"
        assert connection.execute(query).fetchone() == (True,)
        connection.execute("CALL tenancy.harden_database()")
        assert connection.execute(query).fetchone() == (False,)
    # The deployer cannot restore what only a superuser could revoke. The revert
    # reports that and continues, or fails and says what to do.
    try:
        run.revert()
    except ScriptError as error:
        told = error.output
    else:
        return
    assert re.search(r"superuser", told), told
    Replay(database).revert()


@pytest.mark.parametrize(
    ("attributes", "owns", "tables", "message"),
    [
        ("LOGIN", True, "", r"lacks CREATEROLE"),
        ("LOGIN CREATEROLE", False, "", r"does not own the database"),
        ("LOGIN", False, "", r"does not own the database.*\n.*lacks CREATEROLE"),
    ],
)
def test_a_deployer_who_lacks_something_is_told_so(
    cluster: Server, roles: Callable[..., str], attributes: str, owns: bool, tables: str, message: str
) -> None:
    deployer = roles(attributes)
    database = _database(cluster, deployer if owns else None, tables)
    # For sqitch's own tables.
    cluster.execute(sql.SQL(f"GRANT CREATE ON DATABASE {database.name} TO {deployer}"))
    before = database.dump()
    with pytest.raises(SqitchError) as error:
        _sqitch(database, deployer).deploy()
    assert re.search(message, error.value.output), error.value.output
    assert differences(before, database.dump()) == ""
    assert _groups(cluster) == []


def test_a_deployer_who_does_not_own_the_tables_is_told_so(cluster: Server, roles: Callable[..., str]) -> None:
    deployer, owner = roles("LOGIN CREATEROLE"), roles()
    database = _database(cluster, owner, KEYLESS)
    cluster.execute(sql.SQL(f"ALTER DATABASE {database.name} OWNER TO {deployer}"))
    with pytest.raises(ScriptError) as error:
        Replay(database, deployer).deploy()
    output = error.value.output
    assert (
        f"{deployer} is neither the owner of public.users nor a member of its owner {owner}: as a superuser, " in output
    )
    assert "Each query above" not in output
    assert "HINT:  Nothing was changed. Give the deployer what it lacks, or deploy as a superuser." in output
    assert _groups(cluster) == []

    grants = set(re.findall(rf"as a superuser, (GRANT {owner} TO {deployer}[^;]*);", output))
    assert len(grants) == 1, output
    # Following the message is enough; test_a_member_of_the_owner_deploys goes further.
    cluster.execute(*(sql.SQL(grant) for grant in grants))
    run = Replay(database, deployer)
    run.deploy("@phase-1")
    run.verify()
    run.revert()
    assert _groups(cluster) == []


@every_version
def test_roles_that_a_superuser_made_before_are_asked_for_by_name(cluster: Server, roles: Callable[..., str]) -> None:
    first = _database(cluster)
    Replay(first).deploy("kernel/roles")
    deployer, app = roles("LOGIN CREATEROLE"), roles()
    database = _database(cluster, deployer)
    if cluster.version >= 16:
        # Before 16, CREATEROLE was enough to join any role.
        with pytest.raises(ScriptError) as error:
            Replay(database, deployer).deploy()
        hints = re.findall(r"(GRANT tenancy_\w+ TO \S+ WITH ADMIN OPTION)", error.value.output)
        assert hints, error.value.output
        cluster.execute(*(sql.SQL(hint) for hint in hints))
    run = Replay(database, deployer)
    # All roles come with phase 0, and the next two phases use them.
    run.deploy("@phase-2")
    run.verify()
    _works(database, app)
    run.revert()
    # The first database still needs them.
    assert len(_groups(cluster)) == 7
    Replay(first).revert()
    assert _groups(cluster) == []


# -- two databases -------------------------------------------------------------------------


def test_two_databases_share_the_roles(cluster: Server, roles: Callable[..., str]) -> None:
    app, owner = roles(), roles()
    first, second = _database(cluster), _database(cluster, owner, KEYLESS + ROWS)
    before = [database.dump() for database in (first, second)]
    Replay(first).deploy("@phase-2")
    Replay(second).deploy()
    for database in (first, second):
        _works(database, app)
    with first.connect(autocommit=True) as connection:
        for table in ("organization_memberships", "organizations", "users"):
            connection.execute(f"ALTER TABLE public.{table} DISABLE TRIGGER ALL")
            connection.execute(f"DELETE FROM public.{table}")  # noqa: S608
    Replay(first).revert()
    assert differences(before[0], first.dump()) == ""
    Replay(second).verify()
    _works(second, app)
    with second.connect(owner) as connection:
        assert connection.execute("SELECT count(*) FROM public.users").fetchone() == (6,)
    Replay(second).revert()
    with second.connect(autocommit=True) as connection:
        # The people created above stay, like all rows of an adopted table.
        assert connection.execute("SELECT count(*) FROM public.users").fetchone() == (6,)
    assert differences(before[1], second.dump()) == ""
    assert _groups(cluster) == []
    # And again from the start.
    Replay(first).deploy("@phase-2")
    _works(first, app)
    Replay(first).revert("@phase-0")
