"""Only services can read a secret; it is in no result, error, log entry or statistic."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql

from pg_tenancy.tools.embedded import EmbeddedServer
from support.database import Database
from support.people import People
from support.racing import name_of
from support.roles import Place, place_of
from support.server import Server

Connection = psycopg.Connection[tuple[Any, ...]]

SECRET = "hunter2-the-very-secret"
SET = "SELECT tenancy.set_setting(%s, %s, %s)"
READ = "SELECT convert_from(value, 'UTF8'), key_id, level FROM tenancy.read_secret(%s, %s, %s)"


@pytest.fixture(autouse=True)
def definitions(admin: Connection) -> None:
    admin.execute("SELECT tenancy.define_setting('access_key', 'text', 'subject', secret => true)")
    admin.execute("SELECT tenancy.define_setting('smtp', 'text', secret => true)")
    admin.execute("SELECT tenancy.define_setting('quota', 'int', 'subject')")


def read(place: Place, organization: Any, key: str = "access_key", subject: Any = ...) -> tuple[Any, ...]:
    with place.database.connect(place.logins.service) as connection:
        (row,) = connection.execute(READ, [organization, place.provider if subject is ... else subject, key]).fetchall()
    return row


def fingerprint(place: Place, who: str = "manager") -> Any:
    return place.ask(who, "SELECT fingerprint FROM tenancy.settings() WHERE key = 'access_key'")[0][0]


def test_a_secret_answers_that_it_is_configured(place: Place) -> None:
    shown = "SELECT value, level, is_configured, fingerprint FROM tenancy.settings() WHERE key = 'access_key'"
    assert place.ask("manager", shown) == [(None, None, False, None)]
    place.ask("owner", SET, place.provider, "access_key", SECRET)
    ((value, level, configured, first),) = place.ask("manager", shown)
    assert (value, level, configured) == (None, "organization", True)
    assert len(first) == 16
    answer = "SELECT tenancy.setting(%s, 'access_key')"
    assert place.ask("manager", answer, place.provider) == [({"configured": True, "fingerprint": first},)]
    assert place.ask("outsider", answer, place.provider) == [({"configured": False, "fingerprint": None},)]
    place.ask("admin", SET, place.provider, "access_key", SECRET)
    assert fingerprint(place) == first
    place.ask("admin", SET, place.provider, "access_key", "another")
    assert fingerprint(place) != first


def test_equal_secrets_of_two_workspaces_do_not_look_alike(place: Place) -> None:
    for who in ("owner", "outsider", "platform"):
        place.ask(who, SET, place.provider, "access_key", SECRET)
    assert len({fingerprint(place, who) for who in ("owner", "outsider", "platform")}) == 3


def test_of_the_platforms_secret_an_organization_knows_that_it_is_there(place: Place) -> None:
    place.ask("platform", SET, place.provider, "access_key", SECRET)
    shown = "SELECT level, is_configured, fingerprint FROM tenancy.settings() WHERE key = 'access_key'"
    assert place.ask("owner", shown) == [("platform", True, None)]
    explained = "SELECT level, value FROM tenancy.explain_setting(%s, 'access_key') WHERE is_set"
    assert place.ask("owner", explained, place.provider) == [("platform", {"configured": True, "fingerprint": None})]
    assert place.ask("person", shown) == [("platform", True, None)]


def test_a_service_reads_the_secret_that_counts_and_that_is_recorded(place: Place) -> None:
    assert read(place, place.acme.id) == (None, None, None)
    place.ask("platform", SET, place.provider, "access_key", "everybody's")
    assert read(place, place.acme.id) == ("everybody's", None, "platform")
    place.ask("owner", SET, place.provider, "access_key", SECRET)
    assert read(place, place.acme.id) == (SECRET, None, "organization")
    assert read(place, place.globex.id) == ("everybody's", None, "platform")
    assert read(place, None) == ("everybody's", None, "platform")
    place.ask("platform", "SELECT tenancy.lock_setting(%s, 'access_key')", place.provider)
    assert read(place, place.acme.id) == ("everybody's", None, "platform")
    reads = "SELECT database_user, object_id FROM tenancy.audit_log WHERE action = 'setting.read'"
    entry = (place.logins.service, f"{place.provider} access_key")
    assert place.ask("owner", reads) == [entry] * 4
    assert place.ask("outsider", reads) == [entry]
    assert place.ask("platform", reads) == [entry]


def test_what_a_service_cannot_read(place: Place) -> None:
    with place.database.connect(place.logins.service) as connection:
        for values, error in (
            ([place.acme.id, place.provider, "none"], "setting_not_found"),
            ([place.provider, place.provider, "access_key"], "organization_not_found"),
            ([place.users["person"].id, place.provider, "access_key"], "organization_not_found"),
            ([place.acme.id, place.provider, "quota"], "setting_value_invalid"),
        ):
            with pytest.raises(psycopg.Error) as raised:
                connection.execute(READ, values)
            assert name_of(raised.value) == error
            connection.rollback()
        connection.execute("SET TRANSACTION READ ONLY")
        with pytest.raises(psycopg.Error) as raised:
            connection.execute(READ, [place.acme.id, place.provider, "access_key"])
        assert name_of(raised.value) == "audit_must_be_recorded"


def test_a_sealed_value_is_never_inspected(place: Place) -> None:
    sealed = "SELECT tenancy.set_sealed_setting(%s, %s, %s, %s)"
    place.ask("owner", sealed, place.provider, "access_key", b"\x00\xff\x80", "key-1")
    with place.database.connect(place.logins.service) as connection:
        row = connection.execute(
            "SELECT value, key_id FROM tenancy.read_secret(%s, %s, 'access_key')", [place.acme.id, place.provider]
        ).fetchone()
    assert row == (b"\x00\xff\x80", "key-1")
    for value, key_id, key in ((b"", "k", "access_key"), (b"x", "", "access_key"), (b"x", None, "access_key")):
        assert place.error("owner", sealed, place.provider, key, value, key_id) == "setting_value_invalid"
    assert place.error("owner", sealed, place.provider, "quota", b"5", "k") == "setting_value_invalid"
    assert place.error("manager", sealed, place.provider, "access_key", b"x", "k") == "permission_denied"
    place.ask("owner", SET, place.provider, "access_key", "plain")
    assert read(place, place.acme.id) == ("plain", None, "organization")


def test_a_secret_has_versions_and_is_unset_like_any_other(place: Place) -> None:
    set_it = "SELECT tenancy.set_setting(%s, 'access_key', %s, %s)"
    ((version,),) = place.ask("owner", set_it, place.provider, SECRET, 0)
    assert place.error("admin", set_it, place.provider, "x", 0) == "setting_changed"
    assert place.error("owner", set_it, place.provider, "", version) == "setting_value_invalid"
    assert place.error("owner", SET, place.provider, "access_key", None) == "setting_value_invalid"
    place.ask("owner", "SELECT tenancy.unset_setting(%s, 'access_key', %s)", place.provider, version)
    assert read(place, place.acme.id) == (None, None, None)


def _logins_of_applications(place: Place) -> dict[str, str]:
    return {name: getattr(place.logins, name) for name in ("app", "credentialed", "auditor", "service")}


ROADS = (
    "SELECT value FROM tenancy_private.secrets",
    "SELECT * FROM tenancy_private.secrets AS s RETURNING value",
    "INSERT INTO tenancy_private.secrets DEFAULT VALUES ON CONFLICT DO NOTHING RETURNING value",
    "UPDATE tenancy_private.secrets SET key = key RETURNING value",
    "DELETE FROM tenancy_private.secrets RETURNING value",
    "COPY tenancy_private.secrets TO STDOUT",
    "COPY (SELECT value FROM tenancy_private.secrets) TO STDOUT",
    "SELECT value::text::integer FROM tenancy_private.secrets",
    "SELECT tenancy_private.fingerprint(NULL, NULL, 'access_key', 'x')",
    "SELECT * FROM tenancy_private.stored_settings('00000000-0000-0000-0000-000000000000')",
    "SELECT inner_block FROM tenancy_private.fingerprint_keys",
    "SELECT pg_get_functiondef('tenancy_private.secrets'::regclass)",
    "LOCK TABLE tenancy_private.secrets",
    "TRUNCATE tenancy_private.secrets",
    "CREATE VIEW public.v AS SELECT value FROM tenancy_private.secrets",
)


def take(connection: Connection, road: str) -> None:
    """Run a statement to its end."""
    if road.startswith("COPY"):
        with connection.cursor().copy(road.encode()) as copy:
            list(copy)
    else:
        connection.execute(road.encode())


def test_no_login_of_an_application_reaches_a_secret_by_itself(place: Place) -> None:
    place.ask("owner", SET, place.provider, "access_key", SECRET)
    for name, login in _logins_of_applications(place).items():
        with place.database.connect(login) as connection:
            for road in ROADS:
                with pytest.raises(psycopg.Error) as raised:
                    take(connection, road)
                assert raised.value.sqlstate in {"42501", "42601", "42883"}, (name, road)
                assert SECRET not in str(raised.value)
                connection.rollback()
            if name != "service":
                with pytest.raises(psycopg.Error) as raised:
                    connection.execute(READ, [place.acme.id, place.provider, "access_key"])
                assert raised.value.sqlstate == "42501"
                connection.rollback()


def test_a_secret_is_in_nothing_that_an_application_reads(place: Place, admin: Connection) -> None:
    place.ask("owner", SET, place.provider, "access_key", SECRET)
    place.ask("owner", SET, None, "smtp", SECRET)
    admin.execute("ANALYZE tenancy_private.secrets, tenancy.settings, tenancy.audit_log, public.provider_settings")
    for who in ("owner", "admin", "manager"):
        for query in (
            "SELECT * FROM tenancy.settings()",
            "SELECT * FROM tenancy.explain_setting(NULL, 'smtp')",
            "SELECT tenancy.setting(NULL, 'smtp')",
            "SELECT * FROM tenancy.audit_log",
            "SELECT * FROM tenancy.settings_definitions",
            "SELECT most_common_vals::text, histogram_bounds::text FROM pg_stats",
        ):
            assert SECRET not in str(place.ask(who, query)), query
    # The statement as another session could see it, with the secret as a parameter.
    with place.database.connect(place.logins.app) as connection:
        place.enter(connection, "owner")
        connection.execute(SET, [place.provider, "access_key", SECRET])
        seen = admin.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [connection.info.backend_pid])
        assert SECRET not in str(seen.fetchall())
    # It is only in its own table.
    for table in ("tenancy.audit_log", "tenancy.settings", "public.provider_settings", "pg_statistic", "pg_stats"):
        rows = admin.execute(sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(*table.split("."))))
        assert SECRET not in str(rows.fetchall()), table
    assert (
        admin.execute("SELECT convert_from(value, 'UTF8') FROM tenancy_private.secrets").fetchall() == [(SECRET,)] * 2
    )


def test_reading_everybodys_data_is_not_reading_secrets(place: Place, new_login: Any) -> None:
    """Row-level security without a policy for it keeps even pg_read_all_data out."""
    place.ask("owner", SET, place.provider, "access_key", SECRET)
    with place.database.connect(new_login("pg_read_all_data")) as connection:
        assert connection.execute("SELECT value FROM tenancy_private.secrets").fetchall() == []


@pytest.mark.parametrize(
    "damage",
    [
        "ALTER TABLE tenancy_private.secrets ADD CHECK (length(value) < 5)",
        "CREATE UNIQUE INDEX ON tenancy_private.secrets (value)",
        "ALTER TABLE tenancy_private.secrets ADD further integer NOT NULL",
    ],
)
def test_not_even_a_constraint_over_a_secret_would_show_it(place: Place, admin: Connection, damage: str) -> None:
    if "UNIQUE" in damage:
        place.ask("outsider", SET, place.provider, "access_key", SECRET)
    admin.execute(damage.encode())
    with pytest.raises(psycopg.Error) as raised:
        place.ask("owner", SET, place.provider, "access_key", SECRET)
    fields = [getattr(raised.value.diag, name) for name in dir(raised.value.diag) if not name.startswith("_")]
    assert SECRET not in str(fields)
    assert SECRET.encode().hex() not in str(fields)


def test_a_setting_that_becomes_a_secret_is_shown_no_longer(place: Place, admin: Connection) -> None:
    admin.execute("SELECT tenancy.define_setting('token', 'text')")
    place.ask("owner", SET, None, "token", SECRET)
    admin.execute("UPDATE tenancy.settings_definitions SET is_secret = true WHERE key = 'token'")
    assert SECRET not in str(place.ask("owner", "SELECT * FROM tenancy.settings()"))
    assert SECRET not in str(place.ask("owner", "SELECT * FROM tenancy.explain_setting(NULL, 'token')"))
    assert read(place, place.acme.id, "token", None) == (SECRET, None, "organization")
    place.ask("owner", SET, None, "token", "another")
    assert admin.execute("SELECT count(*) FROM tenancy.settings").fetchone() == (0,)
    with place.database.connect(place.logins.service) as connection:
        assert connection.execute(READ, [place.acme.id, None, "token"]).fetchall() == [
            ("another", None, "organization")
        ]


# -- The server's log, as chatty as it gets -------------------------------------------------------


def test_a_secret_is_not_in_the_servers_log(own_server: EmbeddedServer) -> None:
    server = Server(own_server.dsn(), "own", "secret", str(own_server.bin_dir), own_server.version)
    database, logins = Database(server, server.template()), server.logins()
    # Callers must hide their own statements' values: by parameters, and with
    # log_parameter_max_length = 0 if statements are logged.
    own_server_settings = {
        "log_min_messages": "debug5",
        "log_error_verbosity": "verbose",
        "log_min_error_statement": "debug5",
        "log_statement": "all",
        "log_parameter_max_length": "0",
    }
    chatty = (
        "SET client_min_messages = log",
        "SET debug_print_parse = on",
        "SET debug_print_rewritten = on",
        "SET debug_print_plan = on",
        "SET debug_pretty_print = off",
        "SET plan_cache_mode = force_custom_plan",
    )
    said: list[str] = []
    with database.connect(autocommit=True) as admin:
        place = place_of(People(admin), admin, database, logins)
        admin.execute("SELECT tenancy.define_setting('access_key', 'text', 'subject', secret => true)")
        admin.execute("SELECT tenancy.define_setting('quota', 'int', 'subject', min_int => 1)")
        for name, value in own_server_settings.items():
            admin.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        admin.execute("SELECT pg_reload_conf()")
    with database.connect(logins.app, autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: said.append(f"{notice.message_primary} {notice.message_detail}"))
        # A setting is not inlined into the caller's plan.
        connection.execute("SELECT set_config('app.secret', %s, false)", [SECRET])
        for statement in chatty:
            connection.execute(statement.encode())
        for key, outcome in (("access_key", "done"), ("access_key", "done"), ("quota", "setting_value_invalid")):
            answer = "done"
            try:
                with connection.transaction():
                    place.enter(connection, "owner")
                    connection.execute(
                        "SELECT tenancy.set_setting(%s, %s, current_setting('app.secret'))", [place.provider, key]
                    )
                    connection.execute("SELECT * FROM tenancy.settings()")
                    connection.execute("SELECT * FROM tenancy.explain_setting(%s, %s)", [place.provider, key])
            except psycopg.Error as error:
                answer = name_of(error)
                said.append(f"{error} {error.diag.message_detail} {error.diag.context}")
            assert answer == outcome
    with database.connect(logins.service) as connection:
        connection.add_notice_handler(lambda notice: said.append(f"{notice.message_primary} {notice.message_detail}"))
        for statement in chatty:
            connection.execute(statement.encode())
        row = connection.execute(READ, [place.acme.id, place.provider, "access_key"]).fetchone()
        assert row is not None
        assert row[0] == SECRET
    log = own_server.log_tail(10_000_000)
    assert f"reads the secret access_key of {place.acme.id}" in log
    assert "rewritten parse tree" in log
    assert said
    as_datum = " ".join(str(byte) for byte in SECRET.encode())
    for text in (log, *said):
        for form in (SECRET, SECRET.encode().hex(), as_datum):
            assert form not in text
