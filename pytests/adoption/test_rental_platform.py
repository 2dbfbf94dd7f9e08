"""A platform that rents GPU instances is adopted as it is, without preparation."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from pg_tenancy.tools.demo.rental import TABLES
from pg_tenancy.tools.embedded import EmbeddedServer
from support.catalog import Catalog
from support.database import Database
from support.racing import name_of
from support.rental import ROWS, STATEMENTS, answers
from support.replay import PLAN, TAGS, Replay, Step, position
from support.scripts import differences, everything
from support.server import Logins, Server

ANN, BOB, CID = (UUID(f"00000000-0000-0000-0000-00000000000{letter}") for letter in "abc")
ACME, BULK, DUST = (UUID(f"00000000-0000-0000-0001-00000000000{letter}") for letter in "abc")
READY, LEGACY, ENDED = (UUID(f"00000000-0000-0000-0005-00000000000{letter}") for letter in "abc")

# The DBA's grants after the deploy's warning that the application's triggers run as tenancy_writer.
FOR_TRIGGERS = """
GRANT INSERT ON public.user_events, public.organization_events, public.api_key_events, public.instance_state_history
TO tenancy_writer;
GRANT USAGE ON SEQUENCE public.user_events_id_seq, public.organization_events_id_seq, public.api_key_events_id_seq
TO tenancy_writer;
"""


def _tables(database: Database) -> list[str]:
    found = database.fetch(
        "SELECT c.oid::regclass::text FROM pg_class AS c WHERE c.relkind = 'r'"
        " AND c.relnamespace IN ('public'::regnamespace, 'finops'::regnamespace) ORDER BY 1"
    )
    return [name for (name,) in found]


def _columns(database: Database) -> dict[str, str]:
    """Return an expression for each table with its current columns."""
    found = database.fetch(
        "SELECT a.attrelid::regclass::text, string_agg('t.' || quote_ident(a.attname), ', ' ORDER BY a.attnum)"
        " FROM pg_attribute AS a WHERE a.attrelid::regclass::text = ANY (%s) AND a.attnum > 0 AND NOT a.attisdropped"
        " GROUP BY 1",
        _tables(database),
    )
    return {table: f"ROW({columns})" for table, columns in found}


@pytest.fixture
def platform(state: Callable[..., Database]) -> Callable[..., Database]:
    def make(at: str | None = None, *, owned: bool = False) -> Database:
        return state(TABLES + ROWS, at, owned=owned)

    return make


@pytest.mark.parametrize("by", ["a superuser", "the owner"])
def test_every_tag_is_deployed_and_reverted(own_server: EmbeddedServer, by: str) -> None:
    server = Server(own_server.dsn(), "own", "secret", str(own_server.bin_dir), own_server.version)
    database, owner = server.create(), server.login("owner")
    server.execute(sql.SQL("ALTER ROLE {} CREATEROLE").format(sql.Identifier(owner)))
    database.fill(TABLES + ROWS, owner)
    columns = _columns(database)
    # The deploy activates rows without activations, until a revert.
    otherwise = columns | {
        "public.instances": re.sub(r", t\.(tech|eco)_\w+|, t\.is_operational", "", columns["public.instances"])
    }
    rows, alike = database.values(columns), database.values(otherwise)
    run = Replay(database, owner if by == "the owner" else None)

    whole = everything(database)
    with Catalog(database) as catalog:
        before = []
        for at, tag in zip([None, *TAGS], TAGS, strict=False):
            before.append(catalog.state())
            run.deploy(tag)
            run.run(*(Step("verify", change) for change in PLAN[position(at) : position(tag)]))
            assert database.values(otherwise) == alike, tag
        for to, wanted in zip([None, *TAGS[:-1]][::-1], before[::-1], strict=True):
            run.revert(to)
            assert catalog.differences(wanted, catalog.state()) == "", to
            if to in TAGS[TAGS.index("@phase-11") :]:
                assert database.values(otherwise) == alike, to
            else:
                assert database.values(columns) == rows, to
    assert differences(whole, everything(database)) == ""
    # And again, with data from the reverts. When that is restored, the application's triggers record it.
    run.deploy()
    run.verify()
    kept = {table: row for table, row in otherwise.items() if not table.endswith("_events")}
    assert database.values(kept) == {table: alike[table] for table in kept}


def test_the_old_login_gets_the_answers_that_it_always_got(platform: Callable[..., Database]) -> None:
    assert len(STATEMENTS) >= 60
    database = platform(owned=True)
    ((owner,),) = database.fetch("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'public.users'::regclass")
    before = answers(database, owner)
    # Nearly all statements must work, or nothing would be compared.
    assert sum(rows < 0 for rows, _ in before.values()) <= 8, before
    for tag in TAGS:
        Replay(database).deploy(tag)
        after = answers(database, owner)
        assert {each: after[each] for each in after if after[each] != before[each]} == {}, tag


def test_every_name_added_to_a_table_of_the_application_contains_tenancy(platform: Callable[..., Database]) -> None:
    query = """
        SELECT conrelid::regclass::text || ' ' || conname FROM pg_constraint
        WHERE connamespace IN ('public'::regnamespace, 'finops'::regnamespace) AND contype <> 'n'
        UNION SELECT relname FROM pg_class
        WHERE relkind = 'i' AND relnamespace IN ('public'::regnamespace, 'finops'::regnamespace)
        UNION SELECT tgrelid::regclass::text || ' ' || tgname FROM pg_trigger WHERE NOT tgisinternal
            AND tgrelid IN (
                SELECT oid FROM pg_class WHERE relnamespace IN ('public'::regnamespace, 'finops'::regnamespace)
            )
    """
    was = set(platform().fetch(query))
    database = platform(TAGS[-1])
    assert [name for (name,) in database.fetch(query) if (name,) not in was and "tenancy" not in name] == []
    # Their next migration.
    database.execute(
        "ALTER TABLE public.organization_models ADD CONSTRAINT organization_models_organization_id_fkey"
        " FOREIGN KEY (organization_id) REFERENCES public.organizations (id) ON DELETE CASCADE"
    )


def test_costs_keep_their_rows_of_three_levels_and_get_no_key(platform: Callable[..., Database]) -> None:
    database = platform(TAGS[-1])
    keys = (
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = 'finops.cost_actual_minute'::regclass AND contype <> 'c'"
        # Our own column has no such constraint (18).
        " AND pg_get_constraintdef(oid) <> 'NOT NULL workspace_id' ORDER BY 1"
    )
    assert database.fetch(keys) == platform().fetch(keys)
    customer = (
        "SELECT count(*) FROM pg_constraint"
        " WHERE conrelid = 'finops.inference_usage'::regclass AND conkey = ARRAY[3::int2]"
    )
    assert database.fetch(customer) == [(1,)]


def test_the_price_of_an_hour_is_the_instance_types(platform: Callable[..., Database], logins: Logins) -> None:
    database = platform(TAGS[-1])
    with database.connect(logins.service) as connection:
        (price,) = connection.execute("SELECT finops.hourly_price(%s)", [READY]).fetchone() or (None,)
        assert str(price) == "0.7500"
    with database.entered(logins.app, ANN, ACME) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT finops.hourly_price(%s)", [READY])


@pytest.mark.parametrize("column", ["api_key", "worker_metadata", "provider_instance_id"])
def test_further_columns_are_closed_and_named(platform: Callable[..., Database], logins: Logins, column: str) -> None:
    database = platform("@phase-4")
    told = Replay(database).deploy("@phase-5")
    assert re.search(rf"NOTICE:  public.instances: no tenant reads the further columns .*\b{column}\b", told)
    with database.entered(logins.app, ANN, ACME) as connection:
        assert connection.execute("SELECT id, status::text FROM public.instances").fetchall() == [(READY, "ready")]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"SELECT {column} FROM public.instances".encode())  # noqa: S608


def test_the_deploy_says_how_many_are_staff_and_what_is_not_protected(platform: Callable[..., Database]) -> None:
    database = platform("@phase-0")
    told = Replay(database).deploy("@phase-1")
    assert "2 users are platform staff" in told
    assert re.search(r"tables hold rows of tenants that are not protected yet: .*public\.workbench_messages", told)
    listed = dict(database.fetch("SELECT table_name::text, refers_to FROM tenancy.unprotected_tables()"))
    assert listed["public.user_sessions"] == "public.organizations, public.users"
    assert listed["public.workbench_messages"] == "public.workbench_runs"
    assert {"public.providers", "public.zones", "public.users"}.isdisjoint(listed)


# -- plans and colors --------------------------------------------------------------------


def _workspace(database: Database, login: str, user: UUID, organization: UUID | None) -> tuple[Any, ...]:
    with database.entered(login, user, organization) as connection:
        return connection.execute("SELECT plan, color FROM tenancy.current_workspace()").fetchall()[0]


def test_plans_and_colors_are_taken_over_and_kept_in_step(platform: Callable[..., Database], logins: Logins) -> None:
    database = platform("@phase-1")
    assert _workspace(database, logins.app, ANN, ACME) == ("subscriber", "#0EA5E9")
    assert _workspace(database, logins.app, BOB, BULK) == ("free", "teal")
    assert _workspace(database, logins.app, ANN, None)[0] == "subscriber"

    with database.connect(autocommit=True) as old:
        old.execute(
            "UPDATE public.organizations SET sidebar_color = 'red', subscription_plan = 'free' WHERE id = %s", [ACME]
        )
        old.execute("UPDATE public.users SET account_plan = 'subscriber' WHERE id = %s", [BOB])
        assert _workspace(database, logins.app, ANN, ACME) == ("free", "red")
        assert _workspace(database, logins.app, BOB, None)[0] == "subscriber"
        # An invalid color, and a valid one before.
        old.execute("UPDATE public.organizations SET sidebar_color = 'red;}' WHERE id = %s", [ACME])
        assert re.fullmatch("#[0-9a-f]{6}", _workspace(database, logins.app, ANN, ACME)[1])

    database.execute(FOR_TRIGGERS)
    with database.entered(logins.app, ANN, ACME) as connection:
        connection.execute("SELECT tenancy.update_organization(color => '#123456')")
    with database.connect(logins.service, autocommit=True) as service:
        service.execute("UPDATE tenancy.workspaces SET plan = 'subscriber' WHERE id = %s", [ACME])
    Replay(database).revert("@phase-0")
    assert database.fetch(
        "SELECT sidebar_color, subscription_plan::text, subscription_plan_updated_at > '2026-06-01'"
        " FROM public.organizations WHERE id = %s",
        ACME,
    ) == [("#123456", "subscriber", True)]
    Replay(database).deploy("@phase-1")
    assert _workspace(database, logins.app, ANN, ACME) == ("subscriber", "#123456")


# -- invitations -------------------------------------------------------------------------


def test_letters_that_were_sent_still_work_and_only_once(platform: Callable[..., Database], logins: Logins) -> None:
    database = platform("@phase-3")
    database.execute(FOR_TRIGGERS)
    with database.entered(logins.app, ANN, ACME) as connection:
        pending = connection.execute("SELECT email, status FROM tenancy.invitations()").fetchall()
    assert pending == [("dee@example.com", "pending")]

    accept = "SELECT organization_id FROM tenancy.accept_invitation(%s, username => %s, password_hash => 'h')"
    with database.connect(logins.app, autocommit=True) as connection:
        assert connection.execute(accept, ["letter-to-dee", "dee"]).fetchall() == [(ACME,)]
        for letter in ("letter-to-dee", "letter-to-eve", "letter-to-cid"):
            with pytest.raises(psycopg.Error) as error:
                connection.execute(accept, [letter, "again"])
            assert name_of(error.value) == "invalid_invitation"
    with database.connect(autocommit=True) as old:
        query = "SELECT accepted_at IS NOT NULL FROM public.organization_invitations WHERE token = 'letter-to-dee'"
        assert old.execute(query).fetchall() == [(True,)]
        # The old application's changes take effect.
        old.execute(
            "INSERT INTO public.organization_invitations (organization_id, email, token, expires_at)"
            " SELECT %s, n || '@example.com', 'letter-to-' || n, now() + interval '1 day'"
            " FROM unnest('{gus,hal,ida}'::text[]) AS n",
            [ACME],
        )
        old.execute("UPDATE public.organization_invitations SET accepted_at = now() WHERE token = 'letter-to-gus'")
        old.execute("DELETE FROM public.organization_invitations WHERE token = 'letter-to-hal'")
    with database.connect(logins.app, autocommit=True) as connection:
        for letter in ("letter-to-gus", "letter-to-hal"):
            with pytest.raises(psycopg.Error):
                connection.execute(accept, [letter, "late"])
        assert connection.execute(accept, ["letter-to-ida", "ida"]).fetchall() == [(ACME,)]


def test_an_invitation_that_is_revoked_here_is_over_there(platform: Callable[..., Database], logins: Logins) -> None:
    database = platform("@phase-3")
    with database.entered(logins.app, ANN, ACME) as connection:
        connection.execute("SELECT tenancy.revoke_invitation(id) FROM tenancy.invitations()")
    query = "SELECT expires_at <= now() FROM public.organization_invitations WHERE token = 'letter-to-dee'"
    assert database.fetch(query) == [(True,)]


# -- keys, instances and organizations --------------------------------------------------------


def test_keys_work_and_a_revert_stops_none_that_was_an_organizations_before(
    platform: Callable[..., Database], logins: Logins
) -> None:
    database = platform("@phase-4")
    wanted = {"sk-inv-0123456789abcdef0123456789abcdef": None, "sk-inv-fedcba9876543210fedcba9876543210": ACME}
    for key, organization in wanted.items():
        with database.connect(logins.credentialed) as connection:
            connection.execute("SELECT tenancy.enter_with_api_key(%s)", [key])
            found = connection.execute("SELECT tenancy.current_organization_id()").fetchone()
            assert found == (organization,)
    Replay(database).revert("@phase-3")
    assert database.fetch("SELECT count(*) FROM public.api_keys WHERE revoked_at IS NOT NULL") == [(0,)]


ORDERS = [("terminate", "terminating"), ("reinstall", "booting"), ("archive", "archived")]


@pytest.mark.parametrize(("action", "becomes"), ORDERS)
def test_the_states_that_allow_an_order(
    platform: Callable[..., Database], logins: Logins, action: str, becomes: str
) -> None:
    database = platform("@phase-5")
    database.execute(FOR_TRIGGERS)
    states = [name for (name,) in database.fetch("SELECT unnest(enum_range(NULL::public.instance_status))::text")]
    assert len(states) == 13
    allowed, refusals = set(), set()
    for state in states:
        database.execute(f"UPDATE public.instances SET status = '{state}' WHERE id = '{READY}'")  # noqa: S608
        try:
            with database.entered(logins.app, ANN, ACME) as connection:
                connection.execute(f"SELECT tenancy.{action}_instance(%s)".encode(), [READY])
                found = connection.execute(
                    "SELECT status::text FROM public.instances WHERE id = %s", [READY]
                ).fetchone()
                assert found == (becomes,)
            allowed.add(state)
        except psycopg.Error as error:
            refusals.add(name_of(error))
    assert refusals == {"instance_state"}
    ended = {"terminating", "terminated", "archived"}
    assert allowed == ({"terminated"} if action == "archive" else set(states) - ended)


def test_a_manager_archives_nothing(platform: Callable[..., Database], logins: Logins) -> None:
    database = platform("@phase-5")
    with (
        pytest.raises(psycopg.Error) as error,
        database.entered(logins.app, CID, ACME) as connection,
    ):
        connection.execute("SELECT tenancy.archive_instance(%s)", [READY])
    assert name_of(error.value) == "permission_denied"


def test_deleting_an_organization_with_instances_is_refused_with_two_ways_out(
    platform: Callable[..., Database], logins: Logins
) -> None:
    database = platform("@phase-5")
    database.execute(FOR_TRIGGERS)
    with database.connect(logins.service, autocommit=True) as service:
        with pytest.raises(psycopg.Error) as error:
            service.execute("DELETE FROM public.organizations WHERE id = %s", [ACME])
        assert (error.value.sqlstate, name_of(error.value)) == ("23503", "organization_in_use")
        hint = str(error.value.diag.message_hint)
        assert "tenancy.delete_organization()" in hint
        assert "tenancy.purge_organization()" in hint
        # An organization without instances is deleted as before.
        assert service.execute("DELETE FROM public.organizations WHERE id = %s", [DUST]).rowcount == 1
    with database.entered(logins.app, ANN, ACME) as connection:
        connection.execute("SELECT tenancy.delete_organization()")
    with database.connect(logins.service, autocommit=True) as service:
        left = service.execute("SELECT count(*) FROM public.instances WHERE organization_id = %s", [ACME])
        assert left.fetchone() == (1,)
        service.execute("SELECT tenancy.purge_organization(%s)", [ACME])
        assert service.execute("SELECT id FROM public.instances ORDER BY id").fetchall() == [(LEGACY,), (ENDED,)]
        assert service.execute("SELECT count(*) FROM public.organizations WHERE id = %s", [ACME]).fetchone() == (0,)
        # The customer of a call is not a user, and stays.
        billed = "SELECT count(*) FROM finops.inference_usage WHERE customer_id IS NOT NULL AND instance_id IS NULL"
        assert service.execute(billed).fetchone() == (1,)


# -- orphans ------------------------------------------------------------------------------


def test_the_hint_for_orphans_loses_nothing(platform: Callable[..., Database]) -> None:
    database = platform()
    database.execute(
        "UPDATE finops.inference_usage SET model_id = gen_random_uuid()"
        " WHERE id = '00000000-0000-0000-0009-00000000000a'"
    )
    with pytest.raises(RuntimeError) as error:
        Replay(database).deploy("@phase-0")
    output = str(getattr(error.value, "output", ""))
    assert "1 row whose model_id refers to no row of public.models" in output
    found = re.search(r"UPDATE finops\.inference_usage AS t SET model_id = NULL WHERE [^;]*;", output)
    assert found is not None
    database.execute(found[0])
    Replay(database).deploy("@phase-0")
    assert database.fetch("SELECT count(*), count(model_id), count(customer_id) FROM finops.inference_usage") == [
        (2, 1, 1)
    ]
