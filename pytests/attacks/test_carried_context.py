"""The parameter that carries the context: only the functions can set it, and nothing else is accepted."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from support.contexts import Sealed, context, names, of_globex, set_context
from support.two_tenants import TwoTenants, refused

CARRIER = "SELECT current_setting('backtrace_functions')"


def _carried(tenants: TwoTenants, login: str) -> str:
    """Return the parameter's value for a user of Acme."""
    with tenants.entered(tenants.members["user"], tenants.acme, login) as connection:
        (text,) = connection.execute(CARRIER).fetchone() or ("",)
    return str(text)


@pytest.mark.parametrize(
    "statement",
    [
        "SET backtrace_functions = {}",
        "SET LOCAL backtrace_functions = {}",
        "SELECT set_config('backtrace_functions', {}, true)",
        "SELECT set_config('BACKTRACE_FUNCTIONS', {}, false)",
        "UPDATE pg_settings SET setting = {} WHERE name = 'backtrace_functions'",
        "RESET backtrace_functions",
        "SET backtrace_functions TO DEFAULT",
        "ALTER ROLE CURRENT_USER SET backtrace_functions = {}",
        "ALTER SYSTEM SET backtrace_functions = {}",
        "GRANT SET ON PARAMETER backtrace_functions TO CURRENT_USER",
    ],
)
@pytest.mark.parametrize("entered", [True, False], ids=["entered", "before"])
def test_no_login_sets_it(tenants: TwoTenants, login: str, statement: str, entered: bool) -> None:
    wanted = sql.Literal(_carried(tenants, login))
    with tenants.session(login, autocommit=statement.startswith("ALTER SYSTEM")) as connection:
        if entered and not statement.startswith("ALTER SYSTEM"):
            tenants.enter(connection, tenants.members["user"], tenants.acme)
        with refused("42501"):
            connection.execute(sql.SQL(statement).format(wanted))


def test_no_connection_begins_with_it(tenants: TwoTenants, login: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied to set parameter"):
        psycopg.connect(tenants.database.dsn(login), options="-c backtrace_functions=x")


def test_it_is_empty_before_and_after(tenants: TwoTenants, login: str) -> None:
    with tenants.session(login) as connection:
        for end in (connection.rollback, connection.commit):
            assert connection.execute(CARRIER).fetchone() == ("",)
            tenants.enter(connection, tenants.members["user"], tenants.acme)
            assert connection.execute(CARRIER).fetchone() != ("",)
            end()
        assert connection.execute(CARRIER).fetchone() == ("",)


def test_clearing_it_makes_no_room_for_somebody_else(tenants: TwoTenants, login: str) -> None:
    with tenants.session(login) as connection:
        tenants.enter(connection, tenants.members["user"], tenants.acme)
        kept = context(connection)
        connection.execute("RESET ALL")
        for error, values in (
            ("no_context", {}),
            ("invalid_context", kept),
            ("invalid_context", of_globex(tenants, kept["context"][:72])),
        ):
            set_context(connection, values)
            with refused("28000", error), connection.transaction():
                names(connection)
        with refused("28000", "context_already_set"), connection.transaction():
            tenants.enter(connection, tenants.outsider, tenants.globex)
        tenants.enter(connection, tenants.members["user"], tenants.acme)
        assert names(connection) == ["Acme"]


@pytest.mark.parametrize("inserted", ["-", "_", ",", " ", "\t", "0", "1"])
def test_no_permission_moves_to_another_place(tenants: TwoTenants, login: str, inserted: str) -> None:
    with tenants.entered(tenants.members["user"], tenants.acme, login) as connection:
        sealed = Sealed.of(context(connection))
        for place in range(0, len(sealed.bits), 5):
            moved = sealed.bits[:place] + inserted + sealed.bits[place:]
            for bits in (moved, moved[:-1]):
                if bits == sealed.bits:
                    continue
                connection.execute("SELECT set_config('tenancy.context', %s, true)", [sealed.but(bits=bits)])
                with refused("28000", "invalid_context"), connection.transaction():
                    names(connection)


@pytest.mark.parametrize("variable", ["current_user_id", "current_organization_id"])
@pytest.mark.parametrize("written", ["_", "", ",", " "])
def test_an_id_is_written_in_one_way(tenants: TwoTenants, login: str, variable: str, written: str) -> None:
    # The parameter has "_" for a hyphen, which a UUID does not accept.
    with tenants.entered(tenants.members["user"], tenants.acme, login) as connection:
        before = context(connection)
        set_context(connection, {variable: before[variable].replace("-", written)})
        with pytest.raises(psycopg.Error) as error:
            connection.execute("SELECT tenancy.current_user_id(), tenancy.current_organization_id()")
        assert error.value.sqlstate == ("22P02" if written == "_" else "28000")


def test_a_path_with_operators_of_ones_own_says_nothing_else(tenants: TwoTenants, login: str) -> None:
    # A role that may create nothing cannot create these; here somebody else did.
    with tenants.database.connect(autocommit=True) as admin:
        admin.execute("CREATE SCHEMA hostile")
        admin.execute("GRANT USAGE ON SCHEMA hostile TO PUBLIC")
        for operator, function in (("=", "true"), ("<>", "false")):
            admin.execute(
                f"CREATE FUNCTION hostile.f_{function}(text, text) RETURNS boolean IMMUTABLE LANGUAGE sql"
                f" AS 'SELECT {function}'".encode()
            )
            admin.execute(
                f"CREATE OPERATOR hostile.{operator} (LEFTARG = text, RIGHTARG = text,"
                f" FUNCTION = hostile.f_{function})".encode()
            )
        admin.execute("CREATE DOMAIN hostile.uuid AS pg_catalog.uuid")
        for function in ("current_setting(text)", "current_setting(text, boolean)", "concat(VARIADIC text[])"):
            admin.execute(
                f"CREATE FUNCTION hostile.{function} RETURNS text LANGUAGE sql AS 'SELECT ''''::text'".encode()
            )
    try:
        with tenants.session(login) as connection:
            connection.execute("SET search_path = hostile, pg_catalog, public")
            set_context(connection, of_globex(tenants))
            with refused("28000", "invalid_context"), connection.transaction():
                names(connection)
            tenants.enter(connection, tenants.members["user"], tenants.acme)
            assert names(connection) == ["Acme"]
            assert connection.execute("SELECT tenancy.current_workspace_id()").fetchone() == (tenants.acme.id,)
            set_context(connection, of_globex(tenants))
            with refused("28000", "invalid_context"):
                names(connection)
    finally:
        tenants.database.execute("DROP SCHEMA hostile CASCADE")


def test_a_value_of_the_dbas_own_is_in_nobodys_way(tenants: TwoTenants, login: str) -> None:
    alter = sql.SQL("ALTER DATABASE {} {}").format
    name = sql.Identifier(tenants.database.name)
    tenants.database.server.execute(alter(name, sql.SQL("SET backtrace_functions = 'ri_triggers'")))
    try:
        with tenants.session(login) as connection:
            assert connection.execute(CARRIER).fetchone() == ("ri_triggers",)
            with refused("28000", "no_context"), connection.transaction():
                names(connection)
            tenants.enter(connection, tenants.members["user"], tenants.acme)
            assert names(connection) == ["Acme"]
    finally:
        tenants.database.server.execute(alter(name, sql.SQL("RESET backtrace_functions")))
