"""At each tag the old application keeps working until it is cut over."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from support.database import Database
from support.platform import KEYLESS, ROWS
from support.racing import name_of
from support.replay import PLAN, TAGS, Replay, Step, position
from support.scripts import differences

NewLogin = Callable[..., str]

TABLES = (
    "public.users, public.organizations, public.organization_memberships, public.models, public.instances,"
    " public.api_keys"
)


@dataclass
class Old:
    """An old database with its logins."""

    database: Database
    owner: str
    writer: str
    reader: str
    usage_writer: str


@pytest.fixture
def old(empty_database: Database, new_login: NewLogin) -> Old:
    old = Old(empty_database, *(new_login() for _ in range(4)))
    granted = (
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLES} TO {old.writer};"
        f"GRANT SELECT ON {TABLES} TO {old.reader};"
        f"GRANT USAGE ON SCHEMA finops TO {old.usage_writer};"
        f"GRANT INSERT ON finops.inference_usage TO {old.usage_writer};"
    )
    empty_database.fill(KEYLESS + ROWS + granted, old.owner)
    return old


def _day(database: Database, login: str) -> None:
    """Run the old application's daily work."""
    with database.connect(login) as connection:
        ann, bob, acme, bulk = (uuid4() for _ in range(4))
        for user in (ann, bob):
            connection.execute(
                "INSERT INTO users (id, email, role, created_at) VALUES (%s, %s, 'user', now()) RETURNING *",
                [user, f"{user}@example.com"],
            )
        for organization, name in ((acme, "Acme"), (bulk, "Bulk")):
            connection.execute(
                "INSERT INTO organizations (id, name, slug, created_by_user_id) VALUES (%s, %s, %s, %s)",
                [organization, name, str(organization), ann],
            )
            connection.execute(
                "INSERT INTO organization_memberships (organization_id, user_id, role, created_at)"
                " VALUES (%s, %s, 'owner', now()), (%s, %s, 'user', now())",
                [organization, ann, organization, bob],
            )
            connection.commit()
        # Hands ownership over, demoting first.
        for user, role in ((ann, "admin"), (bob, "owner")):
            connection.execute(
                "UPDATE organization_memberships SET role = %s WHERE organization_id = %s AND user_id = %s",
                [role, acme, user],
            )
        connection.commit()
        connection.execute("UPDATE organizations SET name = 'Acme Ltd', updated_at = now() WHERE id = %s", [acme])
        connection.execute("UPDATE users SET password_hash = 'x' WHERE id = %s", [ann])
        rows = connection.execute(
            "SELECT o.name, m.role, u.password_hash FROM organizations o JOIN organization_memberships m"
            " ON m.organization_id = o.id JOIN users u ON u.id = m.user_id WHERE o.id = %s ORDER BY 2",
            [acme],
        ).fetchall()
        assert rows == [("Acme Ltd", "admin", "x"), ("Acme Ltd", "owner", None)]
        connection.execute(
            "INSERT INTO users (id, email, role) VALUES (%s, 'e', 'user') ON CONFLICT DO NOTHING", [uuid4()]
        )
        connection.commit()
        # Temporary tables for reports.
        connection.execute("CREATE TEMP TABLE report AS SELECT count(*) AS n FROM users")
        assert connection.execute("SELECT n > 3 FROM report").fetchone() == (True,)
        connection.commit()
        connection.execute("DELETE FROM organization_memberships WHERE organization_id = %s", [bulk])
        connection.execute("DELETE FROM organizations WHERE id = %s", [bulk])
        connection.commit()
        connection.execute("DELETE FROM organization_memberships WHERE user_id = %s", [ann])
        connection.execute("UPDATE organizations SET created_by_user_id = NULL WHERE created_by_user_id = %s", [ann])
        connection.execute("DELETE FROM users WHERE id = %s", [ann])
        connection.commit()
        connection.execute("DELETE FROM organization_memberships WHERE organization_id = %s", [acme])
        connection.execute("DELETE FROM organizations WHERE id = %s", [acme])
        connection.execute("DELETE FROM users WHERE id = %s", [bob])
        connection.commit()


def _work(database: Database, login: str, *, keyed: bool) -> None:
    """Rent machines and serve models, without naming owners."""
    with database.connect(login) as connection:
        user, key, model, instance = (uuid4() for _ in range(4))
        connection.execute("INSERT INTO users (id, email, role) VALUES (%s, %s, 'user')", [user, f"{user}@example.com"])
        connection.execute(
            "INSERT INTO models (id, name, model_id, is_active) VALUES (%s, 'Large', %s, true)", [model, f"hub/{model}"]
        )
        connection.execute(
            "INSERT INTO instances (id, provider_id, model_id, status, created_at)"
            " VALUES (%s, '00000000-0000-0000-0002-00000000000a', %s, 'provisioning', now())",
            [instance, model],
        )
        connection.execute(
            "INSERT INTO api_keys (id, user_id, name, key_prefix, key_hash, created_at)"
            " VALUES (%s, %s, 'ci', 'pk_b', 'x', now()) RETURNING *",
            [key, user],
        )
        connection.commit()
        # It still writes its own states and names.
        for status in ("ready", "terminated", "on holiday"):
            connection.execute("UPDATE instances SET status = %s WHERE id = %s", [status, instance])
        connection.execute("UPDATE models SET metadata = '{}', model_id = %s WHERE id = %s", [f"hub/x/{model}", model])
        connection.execute(
            "UPDATE instances SET model_id = '00000000-0000-0000-0004-00000000000a' WHERE id = %s", [instance]
        )
        connection.execute("UPDATE api_keys SET last_used_at = now(), key_hash = 'y' WHERE id = %s", [key])
        connection.execute("UPDATE api_keys SET revoked_at = now() WHERE id = %s", [key])
        connection.commit()
        rows = connection.execute(
            "SELECT i.status, m.name, k.key_hash FROM instances i JOIN models m ON m.id = i.model_id, api_keys k"
            " WHERE i.id = %s AND k.id = %s",
            [instance, key],
        ).fetchall()
        assert rows == [("on holiday", "Small", "y")]
        if keyed:
            with pytest.raises(psycopg.errors.ForeignKeyViolation), connection.transaction():
                connection.execute("UPDATE instances SET model_id = gen_random_uuid() WHERE id = %s", [instance])
        connection.execute("DELETE FROM models WHERE id = %s", [model])
        connection.execute("DELETE FROM instances WHERE id = %s", [instance])
        if not keyed:
            connection.execute("DELETE FROM api_keys WHERE user_id = %s", [user])
        # The keys are deleted with their user.
        connection.execute("DELETE FROM users WHERE id = %s", [user])
        assert connection.execute("SELECT count(*) FROM api_keys WHERE id = %s", [key]).fetchone() == (0,)
        connection.commit()


def _orphans(database: Database) -> list[Any]:
    """Return people and organizations without a workspace, and workspaces without either."""
    with database.connect() as connection:
        if connection.execute("SELECT to_regclass('tenancy.workspaces')").fetchone() == (None,):
            return []
        return connection.execute(
            "SELECT coalesce(t.id, w.id) FROM (SELECT id FROM users UNION ALL SELECT id FROM organizations) AS t"
            " FULL JOIN (SELECT id FROM tenancy.workspaces WHERE kind <> 'platform') AS w ON t.id = w.id"
            " WHERE t.id IS NULL OR w.id IS NULL"
        ).fetchall()


def test_the_day_goes_on_at_each_tag_and_back(old: Old) -> None:
    run = Replay(old.database)
    for number, tag in enumerate([None, *TAGS]):
        if tag:
            run.deploy(tag)
            run.run(*(Step("verify", change) for change in PLAN[position([None, *TAGS][number - 1]) : position(tag)]))
        for login in (old.owner, old.writer):
            _day(old.database, login)
            _work(old.database, login, keyed=tag is not None)
        assert _orphans(old.database) == []
    run.verify()
    for tag in reversed([None, *TAGS[:-1]]):
        run.revert(tag)
        for login in (old.owner, old.writer):
            _day(old.database, login)
            _work(old.database, login, keyed=tag is not None)


def test_a_reading_login_is_named_by_the_deploy_and_sees_nothing_until_granted(old: Old) -> None:
    count = "SELECT count(*) FROM public.users"
    run = Replay(old.database)
    run.deploy("@phase-0")
    with old.database.connect(old.reader) as connection:
        assert connection.execute(count).fetchone() == (2,)
    told = run.deploy("@phase-1")
    assert f"WARNING:  {old.reader} can read tables that this phase closes to it" in told
    assert f"GRANT tenancy_legacy TO {old.reader}, or tenancy_auditor" in told
    assert f"granted tenancy_service to {old.owner}, which still sees everything" in told
    assert f"granted tenancy_legacy to {old.writer}, which keeps the rights it has" in told
    with old.database.connect(old.reader) as connection:
        assert connection.execute(count).fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM public.users")
    with old.database.connect(autocommit=True) as connection:
        connection.execute(f"GRANT tenancy_auditor TO {old.reader}")
    with old.database.connect(old.reader) as connection:
        assert connection.execute(count).fetchone() == (2,)
    # The deploy did not grant it, so the revert does not revoke it.
    run.revert("@phase-0")
    with old.database.connect(old.reader) as connection:
        assert connection.execute(count).fetchone() == (2,)
        assert connection.execute("SELECT pg_has_role('tenancy_auditor', 'MEMBER')").fetchone() == (True,)


def test_a_statement_may_make_somebody_and_what_is_theirs(old: Old) -> None:
    Replay(old.database).deploy()
    with old.database.connect(old.writer) as connection:
        user = "WITH u AS (INSERT INTO users (id, email, role) VALUES (gen_random_uuid(), '{}', 'user') RETURNING id)"
        organization = (
            "WITH o AS (INSERT INTO organizations (id, name, slug) VALUES (gen_random_uuid(), 'N', 'n') RETURNING id)"
        )
        for made in (
            user.format("c@example.com") + " INSERT INTO api_keys (id, user_id, name, key_prefix, key_hash)"
            " SELECT gen_random_uuid(), id, 'n', 'p', 'h' FROM u",
            user.format("d@example.com") + " INSERT INTO instances (id, user_id, provider_id, status)"
            " SELECT gen_random_uuid(), id, '00000000-0000-0000-0002-00000000000a', 'ready' FROM u",
            organization + " INSERT INTO models (id, organization_id, name, model_id)"
            " SELECT gen_random_uuid(), id, 'M', 'hub/m' FROM o",
        ):
            assert connection.execute(made.encode()).rowcount == 1
        connection.rollback()


@pytest.mark.parametrize(("action", "left"), [("SET NULL", 1), ("CASCADE", 0)])
def test_a_key_that_clears_or_deletes_instances_goes_on_doing_so(old: Old, action: str, left: int) -> None:
    with old.database.connect(old.owner) as connection:
        connection.execute("ALTER TABLE models ADD PRIMARY KEY (id)")
        connection.execute(
            f"ALTER TABLE instances ADD FOREIGN KEY (model_id) REFERENCES models (id) ON DELETE {action}".encode()
        )
    Replay(old.database).deploy("@phase-6")
    with old.database.connect(old.writer) as connection:
        model, instance = uuid4(), uuid4()
        connection.execute("INSERT INTO models (id, name, model_id) VALUES (%s, 'M', 'hub/m')", [model])
        connection.execute(
            "INSERT INTO instances (id, provider_id, model_id, status)"
            " VALUES (%s, '00000000-0000-0000-0002-00000000000a', %s, 'ready')",
            [instance, model],
        )
        assert connection.execute("DELETE FROM models WHERE id = %s", [model]).rowcount == 1
        found = connection.execute("SELECT model_id FROM instances WHERE id = %s", [instance]).fetchall()
        assert found == [(None,)] * left


def test_the_application_can_change_the_types_of_its_columns(old: Old) -> None:
    Replay(old.database).deploy()
    with old.database.connect(old.owner) as connection:
        for column in (
            "users ALTER email",
            "api_keys ALTER name",
            "api_keys ALTER key_prefix",
            "instances ALTER status",
        ):
            connection.execute(f"ALTER TABLE public.{column} TYPE varchar(300)".encode())


def test_row_level_security_that_was_on_is_on_again(old: Old) -> None:
    run = Replay(old.database)
    with old.database.connect(old.owner) as connection:
        connection.execute("ALTER TABLE models ENABLE ROW LEVEL SECURITY")
        connection.execute("ALTER TABLE users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    run.deploy("@phase-0")
    before = old.database.dump()
    # The last phase that closes one of the two.
    run.deploy("@phase-7")
    run.revert("@phase-0")
    assert differences(before, old.database.dump()) == ""


def test_a_revert_next_door_leaves_the_application_its_rows(old: Old) -> None:
    def rows() -> list[tuple[Any, ...]]:
        with old.database.connect(old.owner) as connection:
            return connection.execute("SELECT count(*) FROM public.users").fetchall()

    server = old.database.server
    Replay(old.database).deploy("@phase-4")
    rehearsal = server.create(old.database.name)
    told = Replay(rehearsal).revert()
    assert f"{old.owner} keeps tenancy_service, for the databases {old.database.name}" in told
    assert rows() == [(2,)]
    # The last revert revokes it, login by login.
    told = Replay(old.database).revert("@phase-0")
    assert "keeps tenancy_service" not in told
    assert rows() == [(2,)]
    with old.database.connect(old.owner) as connection:
        assert connection.execute("SELECT pg_has_role('tenancy_service', 'MEMBER')").fetchone() == (False,)
    server.drop(rehearsal.name)


def _refused(database: Database, login: str, statements: tuple[str, ...]) -> list[str]:
    """Return those of the given statements that a login lacks rights for."""
    refused = []
    with database.connect(login, autocommit=True) as connection:
        for statement in statements:
            try:
                connection.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege:
                refused.append(statement)
    return refused


def test_a_login_that_only_wrote_usage_never_learns_anything(old: Old) -> None:
    reading = (
        "SELECT password_hash FROM public.users",
        "SELECT count(*) FROM finops.inference_usage",
        "SELECT id FROM public.organizations",
        "SELECT count(*) FROM public.provider_settings",
        "UPDATE finops.inference_usage SET input_tokens = 0",
        "DELETE FROM finops.inference_usage",
    )
    ours = (
        "SELECT * FROM tenancy.audit_log",
        "SELECT * FROM tenancy.wallets",
        "SELECT tenancy.enter('00000000-0000-0000-0000-00000000000a')",
        "SELECT tenancy.enter_as_service('00000000-0000-0000-0000-00000000000a')",
        "SELECT * FROM finops.costs_summary('2020-01-01', now())",
    )

    def writes() -> None:
        """Like the old application: for a person's key, and for nobody."""
        with old.database.connect(old.usage_writer) as connection:
            connection.execute(
                "INSERT INTO finops.inference_usage (id, occurred_at, api_key_id) VALUES"
                " (gen_random_uuid(), now(), '00000000-0000-0000-0006-00000000000a'), (gen_random_uuid(), now(), NULL)"
            )

    run = Replay(old.database)
    tags = ("@phase-1", "@phase-7", "@phase-9", TAGS[-1])
    for tag in (None, *tags):
        if tag:
            told = run.deploy(tag)
            kept = f"granted tenancy_legacy to {old.usage_writer}, which keeps the rights it has"
            assert (kept in told) == (tag == "@phase-9")
        writes()
        assert _refused(old.database, old.usage_writer, reading) == list(reading), tag
    assert _refused(old.database, old.usage_writer, ours) == list(ours)
    # A call with Ann's key belongs to her, one without a key to the platform.
    with old.database.connect() as connection:
        landed = connection.execute(
            "SELECT workspace_id::text, count(*) FROM finops.inference_usage"
            " WHERE occurred_at > now() - interval '1 hour' GROUP BY 1 ORDER BY 1"
        ).fetchall()
    run.verify()
    number = len(tags) + 1
    assert landed == [
        ("00000000-0000-0000-0000-000000000000", number),
        ("00000000-0000-0000-0000-00000000000a", number),
    ]
    # The cut-over is a revoke.
    old.database.execute(f"REVOKE tenancy_legacy FROM {old.usage_writer}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        writes()
    old.database.execute(f"GRANT tenancy_legacy TO {old.usage_writer}")
    # A revert revokes its own grants, and leaves earlier ones.
    run.revert("@phase-7")
    with old.database.connect(old.usage_writer) as connection:
        assert connection.execute("SELECT pg_has_role('tenancy_legacy', 'MEMBER')").fetchone() == (False,)
    writes()
    assert _refused(old.database, old.usage_writer, reading) == list(reading)


# The tables that the phases close, each with an insert of a login that only inserts there.
INSERTED = {
    "public.users": "(id, email, role) VALUES (gen_random_uuid(), 'new@example.com', 'user')",
    "public.organizations": "(id, name, slug) VALUES (gen_random_uuid(), 'New', 'new')",
    "public.organization_memberships": (
        "(organization_id, user_id, role) VALUES"
        " ('00000000-0000-0000-0001-00000000000b', '00000000-0000-0000-0000-00000000000a', 'user')"
    ),
    "public.api_keys": (
        "(id, user_id, name, key_prefix, key_hash) VALUES"
        " (gen_random_uuid(), '00000000-0000-0000-0000-00000000000a', 'n', 'p', 'h')"
    ),
    "public.instances": (
        "(id, provider_id, status) VALUES (gen_random_uuid(), '00000000-0000-0000-0002-00000000000a', 'ready')"
    ),
    "public.models": "(id, name, model_id) VALUES (gen_random_uuid(), 'M', 'hub/new')",
    "public.provider_settings": (
        "(id, provider_id, key) VALUES (gen_random_uuid(), '00000000-0000-0000-0002-00000000000a', 'k')"
    ),
    "public.organization_models": (
        "(id, organization_id, model_id, name, code) VALUES (gen_random_uuid(),"
        " '00000000-0000-0000-0001-00000000000a', '00000000-0000-0000-0004-00000000000a', 'N', 'n')"
    ),
    "public.organization_model_shares": (
        "(id, provider_organization_id, consumer_organization_id, organization_model_id, status) VALUES"
        " (gen_random_uuid(), '00000000-0000-0000-0001-00000000000b', '00000000-0000-0000-0001-00000000000a',"
        " '00000000-0000-0000-0007-00000000000a', 'active')"
    ),
    "finops.cost_actual_minute": (
        "(bucket_minute, provider_id, instance_id, amount_eur) VALUES (now(),"
        " '00000000-0000-0000-0002-00000000000a', '00000000-0000-0000-0005-00000000000a', 1)"
    ),
}


def test_a_login_that_writes_one_table_keeps_that_and_gets_nothing(old: Old, new_login: NewLogin) -> None:
    logins = {table: new_login() for table in INSERTED}
    old.database.execute(
        *(
            f"GRANT USAGE ON SCHEMA finops TO {login}; GRANT INSERT ON {table} TO {login}"
            for table, login in logins.items()
        )
    )

    def inserts() -> None:
        for table, login in logins.items():
            with old.database.connect(login) as connection:
                connection.execute(f"INSERT INTO {table} {INSERTED[table]}".encode())
                connection.rollback()

    inserts()
    run = Replay(old.database)
    told = run.deploy()
    for login in logins.values():
        assert f"granted tenancy_legacy to {login}" in told
        forbidden = tuple(f"{word} FROM {table}" for table in INSERTED for word in ("SELECT 1", "DELETE"))
        assert _refused(old.database, login, forbidden) == list(forbidden)
    inserts()
    run.revert("@phase-0")
    inserts()


def test_logins_from_before_keep_the_rights_of_public(old: Old, new_login: NewLogin) -> None:
    login, stranger = new_login(), new_login()
    old.database.execute(f"GRANT SELECT (id, email) ON public.users TO PUBLIC; GRANT INSERT ON public.users TO {login}")
    before = old.database.dump()
    run = Replay(old.database)
    run.deploy("@phase-1")
    count = "SELECT count(email) FROM public.users"
    with old.database.connect(login, autocommit=True) as connection:
        assert connection.execute(count).fetchone() == (2,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT password_hash FROM public.users")
    assert _refused(old.database, stranger, (count,)) == [count]
    run.revert()
    assert differences(before, old.database.dump()) == ""


def test_a_login_that_inherits_nothing_goes_on(old: Old) -> None:
    old.database.server.execute(sql.SQL("ALTER ROLE {} NOINHERIT").format(sql.Identifier(old.writer)))
    told = Replay(old.database).deploy("@phase-1")
    if old.database.server.version >= 16:
        _day(old.database, old.writer)
    else:
        # Before 16 INHERIT belongs to the role, so it cannot be changed here.
        assert f"{old.writer}" in told
        assert "NOINHERIT" in told or "INHERIT" in told


@pytest.mark.parametrize("who", ["owner", "writer"])
def test_the_cut_over_is_a_revoke(old: Old, who: str) -> None:
    login = getattr(old, who)
    run = Replay(old.database)
    # All of these tables are closed.
    run.deploy("@phase-6")
    with old.database.connect(autocommit=True) as connection:
        connection.execute(f"REVOKE {'tenancy_service' if who == 'owner' else 'tenancy_legacy'} FROM {login}")
    with old.database.connect(login, autocommit=True) as connection:
        for table in TABLES.split(", "):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
            assert connection.execute(f"DELETE FROM {table}").rowcount == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO public.users (id, email, role) VALUES (gen_random_uuid(), 'x', 'admin')")
        if who == "writer":
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("CREATE TEMP TABLE t (i integer)")
    # After the migration it enters workspaces like any other login.
    with old.database.connect(autocommit=True) as connection:
        connection.execute(f"GRANT tenancy_app TO {login}")
    with old.database.connect(login) as connection:
        with pytest.raises(psycopg.Error) as error:
            connection.execute("SELECT count(*) FROM public.organizations")
        assert name_of(error.value) == "no_context"
        connection.rollback()
        connection.execute(
            "SELECT tenancy.enter('00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0001-00000000000a')"
        )
        assert connection.execute("SELECT name FROM public.organizations").fetchall() == [("Acme",)]
        assert connection.execute("SELECT count(*) FROM public.users").fetchone() == (1,)
    # A revert restores its rights, as if it had never been cut over.
    run.revert()
    _day(old.database, login)
