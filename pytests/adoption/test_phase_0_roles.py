"""Groups belong to the whole server: their creation, refusals and removal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from pg_tenancy.tools.embedded import EmbeddedServer
from support.database import Database
from support.platform import KEYLESS, NAMED_KEYS, PRIMARY_KEYS, ROWS, primary_keys
from support.replay import Replay
from support.scripts import ScriptError
from support.server import Server, start_embedded


def _refusal(run: Replay) -> str:
    with pytest.raises(ScriptError) as error:
        run.deploy("@phase-0")
    return error.value.output


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedServer]:
    with start_embedded() as server:
        yield server


@pytest.fixture
def alone(embedded: EmbeddedServer) -> Iterator[Server]:
    """Return a server whose roles no other test uses; databases and roles are dropped after the test."""
    server = Server(embedded.dsn(), "alone", "secret", str(embedded.bin_dir), embedded.version)
    yield server
    server.clean_up(frozenset())


def _tenancy_roles(server: Server) -> set[str]:
    with psycopg.connect(server.dsn) as connection:
        rows = connection.execute("SELECT rolname FROM pg_roles WHERE starts_with(rolname, 'tenancy_')")
        return {str(name) for (name,) in rows.fetchall()}


GROUPS = {f"tenancy_{name}" for name in ("owner", "writer", "app", "credentialed", "service", "legacy", "auditor")}


def test_roles_stay_until_the_last_database_that_uses_them(alone: Server) -> None:
    one, two = alone.create(), alone.create()
    Replay(one).deploy("@phase-0")
    Replay(two).deploy("kernel/roles")
    login = alone.create_login("alone_worker", "tenancy_service", "tenancy_app")
    output = Replay(one).revert()
    for role in GROUPS:
        assert f"role {role} stays, because it is still needed" in output
    assert _tenancy_roles(alone) == GROUPS
    assert two.fetch("SELECT pg_has_role(%s, 'tenancy_service', 'MEMBER')", login) == [(True,)]
    Replay(two).verify()
    Replay(two).revert()
    assert _tenancy_roles(alone) == set()


def test_a_revert_does_not_lock_roles_that_another_database_is_using(alone: Server) -> None:
    one, two = alone.create(), alone.create()
    for database in (one, two):
        Replay(database).deploy("kernel/roles")
    with two.connect() as deploying:
        # Until this transaction ends it holds a lock on the role, as every deploy does.
        deploying.execute("CREATE TABLE mine (id int)")
        deploying.execute("CREATE POLICY everybody ON mine TO tenancy_auditor")
        output = Replay(one).revert()
    assert f"role tenancy_auditor stays, because it is still needed: database {two.name}" in output
    Replay(two).verify()


def test_a_revert_leaves_a_role_that_another_database_begins_to_use(alone: Server) -> None:
    one, two = alone.create(), alone.create()
    Replay(one).deploy("kernel/roles")
    with two.connect() as deploying:
        deploying.execute("CREATE TABLE mine (id int)")
        deploying.execute("CREATE POLICY everybody ON mine TO tenancy_auditor")
        output = Replay(one).revert()
    assert "role tenancy_auditor stays, because it has just come into use" in output
    assert _tenancy_roles(alone) == {"tenancy_auditor"}


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("CREATE ROLE tenancy_app LOGIN", "LOGIN"),
        ("CREATE ROLE tenancy_service BYPASSRLS", "BYPASSRLS"),
        ("CREATE ROLE tenancy_owner SUPERUSER CREATEDB", "SUPERUSER, CREATEDB"),
        ("CREATE ROLE tenancy_auditor IN ROLE pg_read_all_data", "member of pg_read_all_data"),
    ],
)
def test_a_role_of_that_name_that_is_no_plain_group_is_refused(alone: Server, statement: str, reason: str) -> None:
    database = alone.create()
    database.execute(statement)
    before = database.dump()
    output = _refusal(Replay(database))
    assert f"exists and is not a plain group: {reason}" in output
    assert database.dump() == before


@pytest.mark.parametrize("grantee", ["PUBLIC", "tenancy_app", "through"])
def test_verify_names_roles_that_could_forge_a_context(alone: Server, grantee: str) -> None:
    database = alone.create()
    Replay(database).deploy("kernel/roles")
    login = alone.create_login("alone_app", "tenancy_app")
    if grantee == "through":
        database.execute("CREATE ROLE through NOLOGIN", f"GRANT through TO {login}")
    Replay(database).verify()
    database.execute(f"GRANT SET ON PARAMETER backtrace_functions TO {grantee}")
    try:
        with pytest.raises(ScriptError) as error:
            Replay(database).verify()
        assert "backtrace_functions, which carries the context, can be set by" in error.value.output
        assert login in error.value.output
    finally:
        database.execute(f"REVOKE ALL ON PARAMETER backtrace_functions FROM {grantee}")
        if grantee == "through":
            database.execute("DROP ROLE through")


def test_where_nobody_may_grant_the_parameter_contexts_are_sealed(alone: Server) -> None:
    database = alone.create()
    Replay(database).deploy()
    assert database.fetch("SELECT tenancy_private.may_carry()") == [(True,)]
    database.execute("REVOKE SET ON PARAMETER backtrace_functions FROM tenancy_owner")
    login = alone.create_login("alone_app", "tenancy_app")
    database.execute("INSERT INTO public.users (email, username) VALUES ('ann@example.com', 'ann')")
    with database.connect(login) as connection:
        connection.execute("SELECT tenancy.enter(%s)", database.fetch("SELECT id FROM public.users")[0])
        assert connection.execute("SELECT current_setting('backtrace_functions')").fetchone() == ("",)
        assert connection.execute("SELECT username FROM public.users").fetchone() == ("ann",)
    Replay(database).verify()


def test_two_databases_can_be_deployed_and_reverted_at_once(alone: Server) -> None:
    databases = [alone.create() for _ in range(3)]
    failures: list[Exception] = []

    def run(action: Callable[[Replay], Any]) -> None:
        def guarded(database: Database) -> None:
            try:
                action(Replay(database))
            except ScriptError as error:
                failures.append(error)

        threads = [threading.Thread(target=guarded, args=[database]) for database in databases]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    run(lambda each: each.deploy("kernel/roles"))
    assert failures == []
    run(lambda each: each.revert())
    assert failures == []


@pytest.mark.parametrize("platform", ["", KEYLESS + ROWS, NAMED_KEYS], ids=["empty", "keyless", "named"])
def test_the_owner_of_a_database_who_may_make_roles_can_deploy(alone: Server, platform: str) -> None:
    database = alone.create()
    database.execute("CREATE ROLE alone_dba LOGIN CREATEROLE PASSWORD 'secret'")
    database.fill(platform, "alone_dba")
    before = database.dump()
    run = Replay(database, "alone_dba")
    run.deploy("@phase-0")
    run.verify()
    assert set(primary_keys(database)) >= set(PRIMARY_KEYS) - {"finops.cost_actual_minute"}
    run.revert()
    assert database.dump() == before
    assert _tenancy_roles(alone) == set()


def test_a_deployer_is_told_every_privilege_that_is_missing(alone: Server) -> None:
    database = alone.create()
    database.execute(
        KEYLESS,
        "CREATE ROLE alone_dba LOGIN PASSWORD 'secret'",
        "CREATE ROLE tenancy_owner",
        # sqitch creates its own tables first.
        f"GRANT CREATE, TEMPORARY ON DATABASE {database.name} TO alone_dba",
    )
    output = _refusal(Replay(database, "alone_dba"))
    for problem in (
        f"alone_dba does not own the database {database.name}",
        "alone_dba lacks CREATEROLE, and role tenancy_app must be created",
        "alone_dba is not a member of the existing role tenancy_owner",
        "alone_dba may not grant USAGE and CREATE on the schema public",
        "alone_dba is neither the owner of public.users nor a member of its owner",
        # A member of a superuser can become it.
        "as a superuser, ALTER TABLE public.users OWNER TO alone_dba;",
    ):
        assert problem in output
    assert "Each query above" not in output
