"""The application's triggers that write its own tables: our functions run them with the necessary rights."""

# ruff: noqa: S608  (the names are the test's own)

from __future__ import annotations

from uuid import UUID

import psycopg
import pytest

from support.database import Database
from support.hanging import AUDITED, HANGING, TRIGGERED, State, refused
from support.people import People
from support.platform import KEYLESS, ROWS
from support.replay import WHOLE_PLAN, Replay
from support.scripts import differences
from support.server import Logins

ANN = UUID("00000000-0000-0000-0000-00000000000a")
ACME = UUID("00000000-0000-0000-0001-00000000000a")


def _written(database: Database) -> tuple[set[tuple[str, str]], set[str]]:
    """Return the triggers' notes with the table's name, and the roles that wrote them."""
    noted = database.fetch(
        "SELECT 'trail', what, login FROM public.trail UNION ALL SELECT 'entries', what, login FROM audit.entries"
        " UNION ALL SELECT 'totals', what, NULL FROM audit.totals"
        " UNION ALL SELECT 'calls', what, login FROM audit.calls"
    )
    return {(table, what) for table, what, _ in noted}, {login for *_, login in noted if login is not None}


def _clear(database: Database) -> None:
    database.execute("TRUNCATE public.trail, audit.entries, audit.totals, audit.calls")


@pytest.mark.parametrize("owned", [True, False], ids=["a login's", "the superuser's"])
def test_functions_run_the_triggers_of_the_application(state: State, logins: Logins, owned: bool) -> None:
    database = state(HANGING, WHOLE_PLAN, owned=owned)
    database.execute(f"UPDATE public.instances SET organization_id = '{ACME}'")
    _clear(database)
    with database.entered(logins.app, ANN) as connection:
        connection.execute("SELECT tenancy.create_organization('Two words')")
    with database.entered(logins.app, ANN, ACME) as connection:
        connection.execute("SELECT tenancy.create_user('carl@example.com', first_name => 'Carl')")
        connection.execute("SELECT tenancy.create_api_key('nightly')")
        connection.execute("SELECT tenancy.terminate_instance(id) FROM public.instances")
    written, roles = _written(database)
    events = {
        "INSERT organizations",
        "INSERT organization_memberships",
        "INSERT users",
        "INSERT api_keys",
        "UPDATE instances",
    }
    assert written == {(table, event) for table in ("trail", "entries", "totals", "calls") for event in events}
    assert roles == {"tenancy_writer"}


def test_what_goes_with_an_account_goes_as_the_same_role(state: State, logins: Logins) -> None:
    """Deleting a person deletes their keys by a foreign key, and the trigger must not run as the owner of keys."""
    database = state(HANGING, WHOLE_PLAN, owned=True)
    database.execute(
        f"INSERT INTO public.organization_memberships (organization_id, user_id, role, updated_at)"
        f" SELECT '{ACME}', id, 'owner', now() FROM public.users WHERE id <> '{ANN}'"
    )
    _clear(database)
    with database.entered(logins.app, ANN) as connection:
        connection.execute("SELECT tenancy.create_api_key('mine')")
    with database.entered(logins.app, ANN) as connection:
        connection.execute("SELECT tenancy.delete_user(%s)", [ANN])
    written, roles = _written(database)
    assert {
        ("trail", "DELETE api_keys"),
        ("entries", "DELETE users"),
        ("trail", "DELETE organization_memberships"),
    } <= written
    # From 18 on it is deleted as the owner of its table.
    ((owner,),) = database.fetch("SELECT tableowner FROM pg_tables WHERE tablename = 'api_keys'")
    assert "tenancy_writer" in roles
    assert roles <= {"tenancy_writer", owner}


def test_what_goes_with_an_organization_goes_as_the_same_role(state: State, logins: Logins) -> None:
    """A foreign key to the workspace deletes rows too, whose triggers must not run as the owner of our functions."""
    database = state(HANGING, WHOLE_PLAN, owned=True)
    database.execute(
        f"UPDATE public.instances SET organization_id = '{ACME}'",
        f"INSERT INTO public.models (organization_id, name, model_id) VALUES ('{ACME}', 'Own', 'own')",
    )
    with database.entered(logins.app, ANN, ACME) as connection:
        connection.execute("SELECT tenancy.create_api_key('ours')")
        connection.execute("SELECT tenancy.delete_organization()")
    _clear(database)
    with database.connect(logins.service) as connection:
        connection.execute("SELECT tenancy.purge_organization(%s)", [ACME])
        connection.commit()
    written, roles = _written(database)
    gone = ("api_keys", "instances", "models", "organization_memberships", "organizations")
    assert {("trail", f"DELETE {table}") for table in gone} <= written
    # From 18 on rows are deleted as the owner of their table.
    ((owner,),) = database.fetch("SELECT tableowner FROM pg_tables WHERE tablename = 'api_keys'")
    assert "tenancy_writer" in roles
    assert roles <= {"tenancy_writer", owner}


def test_the_revert_takes_the_rights_back(state: State) -> None:
    before, database = state(HANGING, owned=True).dump(), state(HANGING, WHOLE_PLAN, owned=True)
    run = Replay(database)
    run.verify()
    assert database.fetch("SELECT has_table_privilege('tenancy_writer', 'audit.entries', 'INSERT')") == [(True,)]
    assert database.fetch("SELECT has_table_privilege('tenancy_writer', 'audit.entries', 'DELETE')") == [(False,)]
    run.revert()
    assert differences(before, database.dump()) == ""


def test_tenants_who_write_a_table_themselves_need_the_function_to_be_a_definers(state: State, logins: Logins) -> None:
    database = state(KEYLESS + ROWS + AUDITED, owned=True)
    output = Replay(database).deploy("@phase-0")
    for table in ("instances", "models", "api_keys"):
        assert (
            f"public.{table} has triggers that write other tables, with the rights of each login that writes it"
            in output
        )
    told = [line for line in output.splitlines() if "ALTER FUNCTION" in line]
    assert len({line.strip() for line in told}) == 3
    assert "touch" not in output
    Replay(database).deploy("@phase-5")
    insert = "INSERT INTO public.instances (status) VALUES ('provisioning')"
    # A schema without USAGE is not searched.
    with pytest.raises(psycopg.errors.UndefinedTable), database.entered(logins.app, ANN, ACME) as connection:
        connection.execute(insert)
    database.execute(*{line.partition("ALTER")[1] + line.partition("ALTER")[2] for line in told})
    with database.entered(logins.app, ANN, ACME) as connection:
        connection.execute(insert)
    assert ("entries", "INSERT instances") in _written(database)[0]


def test_a_name_that_only_the_applications_path_finds_is_refused_at_first(state: State) -> None:
    database = state(KEYLESS + ROWS + AUDITED)
    database.execute(
        f"ALTER DATABASE {database.name} SET search_path = public, audit",
        "CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO entries (what) VALUES ('x'); RETURN NULL; END $$",
        "CREATE TRIGGER note AFTER UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION public.note()",
    )
    output = refused(database)
    assert "public.note(), a trigger's of public.users, names audit.entries without its schema" in output
    statement = "ALTER FUNCTION public.note() SET search_path = public, audit, pg_temp;"
    assert statement in output
    database.execute(statement)
    Replay(database).deploy("@phase-1")


def test_every_table_of_the_test_has_its_triggers(state: State) -> None:
    assert len(state(HANGING).fetch("SELECT FROM pg_trigger WHERE NOT tgisinternal")) == 3 * len(TRIGGERED) + 2


SPY = """
CREATE TABLE public.gone (what text, login name NOT NULL DEFAULT current_user, reads_keys boolean NOT NULL);
GRANT INSERT ON public.gone TO PUBLIC;
CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.gone (what, reads_keys) VALUES (
        concat_ws(' ', tg_op, tg_table_name), has_table_privilege('tenancy_private.seal_keys'::regclass, 'SELECT')
    );
    RETURN NULL;
EXCEPTION
    WHEN insufficient_privilege THEN
        INSERT INTO public.gone (what, reads_keys) VALUES (concat_ws(' ', tg_op, tg_table_name), false);
        RETURN NULL;
END; $$;
"""
SPIED = ("public.organization_memberships", "public.api_keys", "public.organizations", "public.users")


def test_of_tables_that_came_with_us_triggers_run_as_the_same_role(
    database: Database, people: People, logins: Logins
) -> None:
    """A foreign key deletes rows as the owner of their table, which is here the owner of our functions."""
    database.execute(SPY)
    for table in (*SPIED, "finops.inference_usage"):
        database.execute(
            f"CREATE TRIGGER note AFTER UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION public.note()"
        )
    for table in SPIED:
        database.execute(
            f"CREATE CONSTRAINT TRIGGER note_later AFTER UPDATE OR DELETE ON {table}"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.note()"
        )
    ann, bob = people.user("ann"), people.user("bob")
    acme = people.organization("Acme", owner=bob, admin=ann)
    globex = people.organization("Globex", owner=bob)
    for user, organization in ((ann, None), (ann, acme), (bob, globex)):
        with database.entered(logins.app, user, organization) as connection:
            connection.execute("SELECT tenancy.create_api_key('a key')")
    database.execute(
        "INSERT INTO finops.inference_usage (occurred_at, user_id, api_key_id, input_tokens, output_tokens)"
        " SELECT now(), user_id, id, 1, 1 FROM public.api_keys",
        f"UPDATE public.organizations SET created_by_user_id = '{ann.id}' WHERE id = '{globex.id}'",
        "TRUNCATE public.gone",
    )
    with database.entered(logins.app, ann) as connection:
        connection.execute("SELECT tenancy.delete_user(%s)", [ann.id])
    # The organization keeps its key.
    assert database.fetch(f"SELECT user_id FROM public.api_keys WHERE organization_id = '{acme.id}'") == [(None,)]
    with database.entered(logins.app, bob, globex) as connection:
        connection.execute("SELECT tenancy.delete_organization()")
    with database.connect(logins.service) as connection:
        connection.execute("SELECT tenancy.purge_organization(%s)", [globex.id])
    noted = {(str(what), str(login), keys) for what, login, keys in database.fetch("SELECT * FROM public.gone")}
    assert {what for what, *_ in noted} >= {
        "DELETE users",
        "DELETE api_keys",
        "UPDATE api_keys",
        "DELETE organization_memberships",
        "DELETE organizations",
        "UPDATE organizations",
    }
    assert {(login, keys) for _, login, keys in noted} == {("tenancy_writer", False)}
