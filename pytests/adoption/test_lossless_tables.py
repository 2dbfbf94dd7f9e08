"""The owners of keys, instances and models survive a revert, whatever the old application does meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from pg_tenancy.tools.sqitch import Sqitch, SqitchError
from support.database import Database
from support.people import Organization, People, User
from support.platform import KEYLESS
from support.racing import name_of
from support.replay import TAGS, Replay
from support.scripts import ScriptError, differences
from support.server import Logins, Server

BEFORE = TAGS[TAGS.index("@phase-4") - 1]
EARLIER = [BEFORE, "@phase-4", "@phase-5"]

KEPT = {
    "public.api_keys": "to_jsonb(t)",
    "public.models": "to_jsonb(t)",
    "public.instances": "to_jsonb(t)",
    "tenancy.instance_transitions": "to_jsonb(t)",
}


@dataclass(frozen=True)
class Key:
    """An API key, with its text."""

    id: UUID
    text: str


class Platform:
    """Two organizations and some people who have keys, instances and models."""

    def __init__(self, database: Database, logins: Logins) -> None:
        self.database, self.logins = database, logins
        with database.connect(autocommit=True) as connection:
            people = People(connection)
            self.ann, self.bob, self.gone = (people.user(name) for name in ("ann", "bob", "gone"))
            self.acme, self.bulk = (
                people.organization("Acme", owner=self.ann),
                people.organization("Bulk", owner=self.bob),
            )
            people.membership(self.acme, self.gone, "admin")
            connection.execute("INSERT INTO providers (id, name) VALUES (gen_random_uuid(), 'Cloud')")
            connection.execute("INSERT INTO models (id, name, model_id) VALUES (gen_random_uuid(), 'Public', 'hub/p')")
            connection.execute(
                "INSERT INTO instances (id, provider_id, model_id, status)"
                " SELECT gen_random_uuid(), p.id, m.id, 'ready' FROM providers AS p, models AS m"
            )
            connection.execute(
                "INSERT INTO tenancy.instance_transitions VALUES ('terminate', 'sleeping', 'terminating')"
            )
        provider = self.one("SELECT id FROM providers")
        self.orphan = self.key(self.gone, self.acme)
        self.key(self.gone)
        with database.connect(autocommit=True) as connection:
            connection.execute("DELETE FROM users WHERE id = %s", [self.gone.id])
        self.personal, self.shared = self.key(self.ann), self.key(self.ann, self.acme)
        self.expiring = self.key(self.ann, expires="1 day")
        self.revoked = self.key(self.ann, self.acme)
        with database.entered(logins.app, self.ann, self.acme) as connection:
            connection.execute("SELECT tenancy.revoke_api_key(%s)", [self.revoked.id])
        for user, organization in ((self.ann, self.acme), (self.bob, self.bulk), (self.bob, None)):
            with database.entered(logins.app, user, organization) as connection:
                if organization:
                    connection.execute("INSERT INTO models (name, model_id) VALUES ('Own', 'hub/own')")
                connection.execute(
                    "INSERT INTO instances (provider_id, model_id, status) SELECT %s, m.id, 'ready' FROM models AS m",
                    [provider],
                )

    def copy(self) -> Platform:
        """Return the same in a copy of the database."""
        copied = copy(self)
        copied.database = self.database.server.create(self.database.name)
        return copied

    def key(self, user: User, organization: Organization | None = None, expires: str | None = None) -> Key:
        """Make a key."""
        with self.database.entered(self.logins.app, user, organization) as connection:
            row = connection.execute(
                "SELECT id, key FROM tenancy.create_api_key('ci', now() + %s::interval)", [expires]
            ).fetchone()
        assert row is not None
        return Key(*row)

    def works(self, key: Key) -> bool:
        """Return whether a key can enter."""
        with self.database.connect(self.logins.app) as connection:
            try:
                connection.execute("SELECT tenancy.enter_with_api_key(%s)", [key.text])
            except psycopg.Error as error:
                return name_of(error) != "invalid_api_key"
            return True

    def rows(self) -> dict[str, list[str]]:
        """Return the rows that must be restored."""
        return self.database.values(KEPT)

    def execute(self, *statements: str, **values: Any) -> None:
        """Run a statement as the old application, which sees everything."""
        with self.database.connect(self.logins.old, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement, values)

    def one(self, query: str, **values: Any) -> Any:
        """Return a value."""
        with self.database.connect() as connection:
            row = connection.execute(query, values).fetchone()
        return None if row is None else row[0]


# The keys of a careful application.
ADOPTED = KEYLESS + "ALTER TABLE public.api_keys ALTER COLUMN user_id SET NOT NULL;"


@pytest.fixture(scope="module")
def _platform(server: Server, logins: Logins) -> Iterator[Platform]:
    platform = Platform(server.create(server.state(ADOPTED, "@phase-6", owned=True)), logins)
    yield platform
    server.drop(platform.database.name)


@pytest.fixture
def platform(server: Server, _platform: Platform) -> Iterator[Platform]:
    platform = _platform.copy()
    yield platform
    server.drop(platform.database.name)


@dataclass(frozen=True)
class Reverted:
    """A platform that was reverted to before phase 4, with its rows and schema from before, and its schema now."""

    platform: Platform
    rows: dict[str, list[str]]
    deployed: str
    at_rest: str


@pytest.fixture(scope="module")
def _reverted(server: Server, _platform: Platform) -> Iterator[Reverted]:
    platform = _platform.copy()
    rows, deployed = platform.rows(), platform.database.dump()
    Replay(platform.database).revert(BEFORE)
    yield Reverted(platform, rows, deployed, platform.database.dump())
    server.drop(platform.database.name)


@pytest.fixture
def reverted(server: Server, _reverted: Reverted) -> Iterator[Reverted]:
    """Yield a copy of the platform that was reverted."""
    platform = _reverted.platform.copy()
    yield replace(_reverted, platform=platform)
    server.drop(platform.database.name)


def _archived(platform: Platform) -> list[str]:
    with platform.database.connect() as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('tenancy_archive') AND relkind = 'r'"
        )
        return [str(name) for (name,) in rows.fetchall()]


@pytest.mark.parametrize("to", [None, "@phase-0", "@phase-1", *EARLIER])
def test_all_owners_are_there_again(platform: Platform, to: str | None) -> None:
    before, run = platform.rows(), Replay(platform.database)
    run.revert(to)
    run.deploy("@phase-6")
    assert platform.rows() == before
    assert _archived(platform) == []
    run.verify()
    for key, works in (
        (platform.personal, True),
        (platform.shared, True),
        (platform.expiring, True),
        (platform.orphan, True),
        (platform.revoked, False),
    ):
        assert platform.works(key) is works


def test_an_organizations_key_is_nobodys_in_the_old_schema(platform: Platform) -> None:
    run = Replay(platform.database)
    expired = platform.key(platform.ann, expires="1 day")
    platform.execute("UPDATE api_keys SET expires_at = now() - interval '1 hour' WHERE id = %(id)s", id=expired.id)
    run.revert(BEFORE)
    stopped = "SELECT revoked_at IS NOT NULL AND user_id IS NOT NULL FROM api_keys WHERE id = %(id)s"
    for key in (platform.shared, platform.orphan, platform.revoked, expired):
        assert platform.one(stopped, id=key.id) is True
    for key in (platform.personal, platform.expiring):
        assert platform.one(stopped, id=key.id) is False
    # Whatever the old application does to it, the archive keeps its owner.
    platform.execute("UPDATE api_keys SET last_used_at = now()")
    run.deploy("@phase-6")
    assert platform.works(platform.shared)
    assert platform.works(platform.orphan)
    assert not platform.works(platform.revoked)
    assert not platform.works(expired)
    assert platform.one("SELECT revoked_at FROM api_keys WHERE id = %(id)s", id=expired.id) is None
    assert platform.one("SELECT user_id FROM api_keys WHERE id = %(id)s", id=platform.orphan.id) is None


def test_what_the_old_application_did_in_between_counts(reverted: Reverted) -> None:
    platform = reverted.platform
    run = Replay(platform.database)
    platform.execute(
        # Revokes a working key, and one that the revert revoked, manually.
        "UPDATE api_keys SET revoked_at = now() WHERE id IN (%(expiring)s, %(shared)s)",
        # Hands one over.
        "UPDATE api_keys SET user_id = %(bob)s WHERE id = %(personal)s",
        "DELETE FROM api_keys WHERE id = %(orphan)s",
        "INSERT INTO api_keys (id, user_id, name) VALUES (gen_random_uuid(), %(bob)s, 'new')",
        "INSERT INTO models (id, name, model_id) VALUES (gen_random_uuid(), 'New', 'hub/new')",
        "INSERT INTO instances (id, provider_id, model_id, status)"
        " SELECT gen_random_uuid(), p.id, m.id, 'new' FROM providers AS p, models AS m WHERE m.model_id = 'hub/new'",
        "UPDATE instances SET status = 'changed' WHERE status = 'ready'",
        expiring=platform.expiring.id,
        shared=platform.shared.id,
        personal=platform.personal.id,
        orphan=platform.orphan.id,
        bob=platform.bob.id,
    )
    run.deploy("@phase-6")
    run.verify()
    assert not platform.works(platform.expiring)
    assert not platform.works(platform.shared)
    workspace = "SELECT workspace_id FROM api_keys WHERE {} = %(value)s"
    assert platform.one(workspace.format("id"), value=platform.personal.id) == platform.bob.id
    assert platform.one(workspace.format("name"), value="new") == platform.bob.id
    assert (
        platform.one("SELECT organization_id FROM api_keys WHERE id = %(id)s", id=platform.shared.id)
        == platform.acme.id
    )
    assert platform.one("SELECT count(*) FROM api_keys WHERE id = %(id)s", id=platform.orphan.id) == 0
    assert platform.one("SELECT workspace_id FROM models WHERE model_id = 'hub/new'") == UUID(int=0)
    assert (
        platform.one(
            "SELECT count(*) FROM instances WHERE status = 'changed' AND workspace_id <> %(nil)s", nil=UUID(int=0)
        )
        == 5
    )
    assert _archived(platform) == []


@pytest.mark.parametrize("who", ["organization", "person"])
def test_rows_of_a_deleted_owner_do_not_become_public(reverted: Reverted, who: str) -> None:
    platform = reverted.platform
    run = Replay(platform.database)
    platform.execute("DELETE FROM organizations WHERE id = %(bulk)s", bulk=platform.bulk.id)
    if who == "person":
        platform.execute("DELETE FROM users WHERE id = %(bob)s", bob=platform.bob.id)
    with pytest.raises(ScriptError) as error:
        run.deploy("@phase-6")
    output = error.value.output
    assert "rows of instances belonged to organizations or users that no longer exist" in output
    query = next(line for line in output.splitlines() if line.startswith("DETAIL:")).removeprefix("DETAIL:").strip()
    with platform.database.connect(autocommit=True) as connection:
        found = [id_ for (id_,) in connection.execute(query.encode()).fetchall()]
        assert len(found) == (2 if who == "organization" else 3)
    with platform.database.connect(platform.logins.app) as connection, pytest.raises(psycopg.Error):
        connection.execute("SELECT * FROM instances")
    # The old application deletes the instances, the DBA makes the model public.
    platform.execute("DELETE FROM instances WHERE id = ANY(%(found)s)", found=found)
    with pytest.raises(ScriptError, match="rows of models belonged"):
        run.deploy("@phase-6")
    with platform.database.connect(autocommit=True) as connection:
        connection.execute("DELETE FROM tenancy_archive.models_ownership WHERE workspace_id = %s", [platform.bulk.id])
        connection.execute(
            "UPDATE models SET model_id = 'hub/bulk' WHERE model_id = 'hub/own' AND organization_id IS NULL"
            " AND id NOT IN (SELECT id FROM tenancy_archive.models_ownership)"
        )
    run.deploy("@phase-6")
    run.verify()
    assert _archived(platform) == []
    assert platform.one("SELECT workspace_id FROM models WHERE model_id = 'hub/bulk'") == UUID(int=0)


def test_models_that_came_twice_meanwhile_are_said(platform: Platform) -> None:
    run = Replay(platform.database)
    run.revert("@phase-5")
    platform.execute(
        "INSERT INTO models (id, name, model_id) SELECT gen_random_uuid(), n, 'hub/x' FROM unnest(ARRAY['a', 'b']) AS n"
    )
    with pytest.raises(ScriptError, match=r"public\.models: 1 value of model_id is that of more than one"):
        run.deploy("@phase-6")
    platform.execute("DELETE FROM models WHERE name = 'b'")
    run.deploy("@phase-6")
    run.verify()


# -- stopped halfway -----------------------------------------------------------------

# Ends the session, like a killed psql, at the n-th command that changes something.
SABOTAGE = """
CREATE SCHEMA sabotage;
CREATE TABLE sabotage.statements (at bigint);
CREATE SEQUENCE sabotage.statement;
CREATE FUNCTION sabotage.stop() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF nextval('sabotage.statement') = (SELECT at FROM sabotage.statements) THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
    END IF;
END; $$;
CREATE EVENT TRIGGER sabotage ON ddl_command_end
WHEN TAG IN ('ALTER TABLE', 'ALTER INDEX', 'CREATE INDEX', 'DROP INDEX', 'COMMENT', 'CREATE TRIGGER', 'DROP TRIGGER',
    'CREATE TABLE', 'DROP TABLE', 'GRANT', 'REVOKE')
EXECUTE FUNCTION sabotage.stop();
"""
MEND = "DROP EVENT TRIGGER sabotage; DROP SCHEMA sabotage CASCADE"


def _stop_at(database: Database, place: float, statements: int, run: Callable[[], Any]) -> None:
    at = 1 + int(place * (statements - 1))
    database.execute(SABOTAGE, f"INSERT INTO sabotage.statements VALUES ({at})")  # noqa: S608
    with pytest.raises((SqitchError, ScriptError)):
        run()
    database.execute(MEND)


@pytest.fixture(scope="module")
def statements(server: Server) -> dict[str, int]:
    """Return the numbers of commands in the revert and the deploy."""
    database = server.create(server.state(ADOPTED, "@phase-6", owned=True))

    def counted(run: Callable[[str], str], to: str) -> int:
        database.execute(SABOTAGE)
        run(to)
        ((count,),) = database.fetch("SELECT last_value FROM sabotage.statement")
        database.execute(MEND)
        return int(count)

    run = Replay(database)
    counts = {"revert": counted(run.revert, BEFORE), "deploy": counted(run.deploy, "@phase-6")}
    server.drop(database.name)
    return counts


PLACES = [0.0, 0.23, 0.45, 0.67, 0.9]
BY_SQITCH = 0.45  # wherever it is stopped, sqitch does the same


def _tool(database: Database, place: float) -> Sqitch | Replay:
    return database.server.sqitch(database.name) if place == BY_SQITCH else Replay(database)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_revert_that_was_stopped_goes_on(platform: Platform, statements: dict[str, int], place: float) -> None:
    run, before = _tool(platform.database, place), platform.rows()
    _stop_at(platform.database, place, statements["revert"], lambda: run.revert(BEFORE))
    platform.execute("UPDATE api_keys SET last_used_at = last_used_at")
    run.revert(BEFORE)
    platform.execute("UPDATE instances SET status = status")
    Replay(platform.database).deploy("@phase-6")
    assert platform.rows() == before
    assert _archived(platform) == []


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("then", ["deploy", "revert"])
def test_a_deploy_that_was_stopped_goes_on_or_back(
    reverted: Reverted, statements: dict[str, int], place: float, then: str
) -> None:
    platform, database = reverted.platform, reverted.platform.database
    replay, run = Replay(database), _tool(database, place)
    _stop_at(database, place, statements["deploy"], lambda: run.deploy("@phase-6"))
    if then == "revert":
        # One further back than the deploy's start, including the interrupted change.
        run.revert("@phase-2")
        replay.deploy(BEFORE)
        assert differences(reverted.at_rest, database.dump()) == ""
        replay.deploy("@phase-6")
    else:
        run.deploy("@phase-6")
    replay.verify()
    assert platform.rows() == reverted.rows
    assert differences(reverted.deployed, database.dump()) == ""
    assert _archived(platform) == []


# Makes the trigger's creator wait for a lock while the trigger exists but is not visible yet.
_STOP_AT_THE_TRIGGER = """
CREATE FUNCTION public.stop_at_the_trigger() RETURNS event_trigger LANGUAGE plpgsql SET lock_timeout = 0 AS $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_event_trigger_ddl_commands() AS c
        WHERE starts_with(c.object_identity, 'instances_tenancy_keep_ownership ')
    ) THEN
        PERFORM pg_advisory_xact_lock(1355);
    END IF;
END; $$;
CREATE EVENT TRIGGER stop_at_the_trigger ON ddl_command_end WHEN TAG IN ('CREATE TRIGGER')
EXECUTE FUNCTION public.stop_at_the_trigger();
"""


def test_writes_during_the_copy_of_owners_are_kept(platform: Platform) -> None:
    """A locked row makes the revert wait in the middle, and changes its owner there."""
    run = Replay(platform.database)
    with platform.database.connect() as holder, platform.database.connect(autocommit=True) as watcher:
        watcher.execute(_STOP_AT_THE_TRIGGER)

        def wait_for(query: str) -> None:
            deadline = time.monotonic() + 30
            while watcher.execute(query.encode()).fetchone() is None:
                assert time.monotonic() < deadline, query
                time.sleep(0.05)

        instance = platform.one(
            "SELECT id FROM instances WHERE organization_id = %(acme)s LIMIT 1", acme=platform.acme.id
        )
        watcher.execute("SELECT pg_advisory_lock(1355)")
        revert = threading.Thread(target=lambda: run.revert("@phase-4"))
        revert.start()
        try:
            wait_for("SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 1355 AND NOT granted")
            holder.execute("SELECT FROM instances WHERE id = %s FOR UPDATE", [instance])
            watcher.execute("SELECT pg_advisory_unlock(1355)")
            wait_for("SELECT FROM pg_trigger WHERE tgname = 'instances_tenancy_keep_ownership'")
            made = UUID(int=77)
            platform.execute(
                "INSERT INTO instances (id, organization_id, provider_id, status)"
                " SELECT %(made)s, %(bulk)s, p.id, 'late' FROM providers AS p",
                made=made,
                bulk=platform.bulk.id,
            )
            holder.execute(
                "UPDATE instances SET model_id = NULL, organization_id = %s WHERE id = %s", [platform.bulk.id, instance]
            )
            holder.commit()
        finally:
            watcher.execute("SELECT pg_advisory_unlock_all()")
            holder.rollback()
            revert.join()
        watcher.execute("DROP EVENT TRIGGER stop_at_the_trigger; DROP FUNCTION public.stop_at_the_trigger()")
    run.deploy("@phase-6")
    query = "SELECT workspace_id FROM instances WHERE id = %(id)s"
    assert platform.one(query, id=instance) == platform.bulk.id
    assert platform.one(query, id=made) == platform.bulk.id
