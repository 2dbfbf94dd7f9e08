"""The deployer's own settings: its default privileges, and the role in which it starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pg_tenancy.tools.sqitch import Sqitch
from support.database import Database
from support.hanging import AUDITED, State, refused
from support.platform import KEYLESS, ROWS
from support.replay import Replay
from support.scripts import differences

NewLogin = Callable[..., str]


def test_privileges_that_the_deployer_gives_by_default_reach_nothing_of_ours(state: State, new_login: NewLogin) -> None:
    database, reader = state(KEYLESS + ROWS), new_login()
    ((deployer,),) = database.fetch("SELECT current_user")
    for kind, privilege in (
        ("FUNCTIONS", "EXECUTE"),
        ("TABLES", "SELECT"),
        ("SEQUENCES", "USAGE"),
        ("SCHEMAS", "USAGE"),
        ("TYPES", "USAGE"),
    ):
        database.execute(
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {deployer} GRANT {privilege} ON {kind} TO {reader}",
        )
    before = database.dump()
    run = Replay(database)
    run.deploy()
    run.verify()
    reached = database.fetch(
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p, aclexplode(p.proacl) AS a"
        " WHERE p.pronamespace::regnamespace::text ~ '^tenancy' AND a.grantee = %s::regrole"
        " UNION ALL SELECT c.oid::regclass::text FROM pg_class AS c, aclexplode(c.relacl) AS a"
        " WHERE c.relnamespace::regnamespace::text ~ '^tenancy' AND a.grantee = %s::regrole"
        " UNION ALL SELECT n.nspname FROM pg_namespace AS n, aclexplode(n.nspacl) AS a"
        " WHERE n.nspname ~ '^tenancy' AND a.grantee = %s::regrole",
        *[reader] * 3,
    )
    assert reached == []
    run.revert()
    assert differences(before, database.dump()) == ""
    database.execute(f"DROP OWNED BY {reader}")


def test_a_login_that_begins_as_a_superuser_deploys_and_reverts(state: State, new_login: NewLogin) -> None:
    database, deployer, dba = state(KEYLESS + ROWS), new_login(), new_login()
    database.execute(
        f"ALTER ROLE {dba} SUPERUSER NOLOGIN", f"GRANT {dba} TO {deployer}", f"ALTER ROLE {deployer} SET role = {dba}"
    )
    before = database.dump()
    sqitch = Sqitch(
        database.dsn(deployer), isolated=True, program_directory=Path(database.server.program("psql")).parent
    )
    sqitch.deploy("@phase-1")
    run = Replay(database, deployer)
    run.deploy()
    run.verify()
    sqitch.revert("@phase-11")
    run.revert()
    assert differences(before, database.dump()) == ""


def test_a_deployer_who_may_not_grant_what_a_trigger_needs_is_told(
    state: State, new_login: NewLogin, server_roles: Callable[[Database, str], None]
) -> None:
    database: Database = state(KEYLESS + ROWS + AUDITED, owned=True)
    ((deployer,),) = database.fetch("SELECT tableowner FROM pg_tables WHERE tablename = 'users'")
    other = new_login()
    database.execute(f"ALTER TABLE audit.entries OWNER TO {other}")
    server_roles(database, deployer)
    output = refused(database, login=deployer)
    assert (
        f"{deployer} may not grant INSERT, SELECT on the table audit.entries, which writing public.api_keys" in output
    )
    assert f"GRANT {other} TO {deployer}" in output
    database.execute(f"ALTER TABLE audit.entries OWNER TO {deployer}")


@pytest.fixture
def server_roles(template: str) -> Callable[[Database, str], None]:
    """Return a function that gives a login the server's roles that a deployer needs; they come with the template."""

    def grant(database: Database, login: str) -> None:
        database.execute(
            f"ALTER ROLE {login} CREATEROLE",
            *(
                f"GRANT {role} TO {login} WITH ADMIN OPTION"
                for role in ("tenancy_owner", "tenancy_writer", "tenancy_service", "tenancy_legacy")
            ),
        )

    return grant
