"""A revert loses no data: it returns when the phase is deployed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import psycopg
import pytest

from support.database import Database
from support.people import Organization, People, User
from support.platform import KEYLESS, ROWS, TABLES
from support.replay import TAGS, WHOLE_PLAN, Replay
from support.scripts import ScriptError
from support.server import Logins, Server
from support.states import on_the_way_down

# None is the database before anything was deployed.
EARLIER: list[str | None] = [None, *TAGS[:-1]]

# Keys are deliberately not kept, and the count of owner changes is
# meaningless between transactions. Sorted by content.
KEPT = {
    **dict.fromkeys(TABLES, "to_jsonb(t)"),
    "tenancy.workspaces": "to_jsonb(t) - 'owner_changes'",
    "tenancy.role_permissions": "to_jsonb(t)",
    "tenancy.role_delegations": "to_jsonb(t)",
    "tenancy.audit_log": "to_jsonb(t)",
    "tenancy.invitations": "to_jsonb(t)",
}


def _archived(database: Database) -> list[str]:
    with database.connect() as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('tenancy_archive') AND relkind = 'r'"
            " ORDER BY 1"
        )
        return [str(name) for (name,) in rows.fetchall()]


class Used:
    """A database in which people have used everything that the phases offer."""

    def __init__(self, database: Database, logins: Logins) -> None:
        with database.connect(autocommit=True) as connection:
            people = People(connection)
            self.ann, self.bob, self.cid = (people.user(name) for name in ("ann", "bob", "cid"))
            self.acme = self._make(database, logins, self.ann, "Acme")
            self.bulk = self._make(database, logins, self.bob, "Bulk")
            self.gone = self._make(database, logins, self.cid, "Gone")
            for organization, user, role in (
                (self.acme, self.bob, "admin"),
                (self.acme, self.cid, "user"),
                (self.bulk, self.ann, "owner"),
            ):
                people.membership(organization, user, role)
            for statement in (
                "UPDATE tenancy.workspaces SET plan = 'subscriber', color = '#010203' WHERE id = '{ann}'",
                "DELETE FROM tenancy.role_permissions WHERE permission = 'audit.view' AND role = 'manager'",
                "SELECT tenancy.define_permission('coffee.make', '{{user}}')",
                "INSERT INTO tenancy.role_delegations VALUES ('manager', 'admin')",
            ):
                connection.execute(statement.format(ann=self.ann.id))
            # Rows of every other table that the project may have created.
            rest = ROWS.partition("INSERT INTO public.providers")
            connection.execute(
                ("INSERT INTO public.providers" + rest[2])
                .replace("00000000-0000-0000-0000-00000000000a", str(self.ann.id))
                .replace("00000000-0000-0000-0001-00000000000a", str(self.acme.id))
                .replace("00000000-0000-0000-0001-00000000000b", str(self.bulk.id))
            )
        with database.entered(logins.app, self.ann, self.acme) as connection:
            connection.execute("SELECT tenancy.update_organization(name => 'Acme Ltd', color => '#00ff00')")
            connection.execute("SELECT tenancy.change_member_role(%s, 'manager')", [self.cid.id])
        with database.entered(logins.app, self.bob, self.bulk) as connection:
            connection.execute("SELECT tenancy.leave_organization()")
        with database.entered(logins.app, self.ann, self.acme) as connection:
            connection.execute("SELECT tenancy.invite_member('dee@example.com', 'admin')")
            connection.execute("SELECT tenancy.revoke_invitation(id) FROM tenancy.invite_member('eve@example.com')")
        with database.entered(logins.app, self.ann, self.bulk) as connection:
            token = connection.execute("SELECT token FROM tenancy.invite_member('Bob@example.com')").fetchone()
        with database.connect(logins.app) as connection:
            connection.execute("SELECT tenancy.accept_invitation(%s)", token)
        with database.entered(logins.app, self.cid, self.gone) as connection:
            connection.execute("SELECT tenancy.invite_member('gil@example.com')")
            connection.execute("SELECT tenancy.delete_organization()")

    @staticmethod
    def _make(database: Database, logins: Logins, owner: User, name: str) -> Organization:
        with database.entered(logins.app, owner) as connection:
            row = connection.execute("SELECT id, slug FROM tenancy.create_organization(%s)", [name]).fetchone()
        assert row is not None
        return Organization(row[0], name, row[1], owner)


def _kept(database: Database) -> dict[str, list[str]]:
    """Return the rows that a revert keeps, as far as their tables exist, and those in archives."""
    tables = {name for (name,) in database.fetch("SELECT c.oid::regclass::text FROM pg_class AS c")}
    archives = (f"tenancy_archive.{name}" for name in _archived(database))
    return database.values({name: value for name, value in KEPT.items() if name in tables}) | database.values(
        dict.fromkeys(archives, "to_jsonb(t)")
    )


class Reverted:
    """A used database, reverted tag by tag, with a copy at each tag and the rows that were kept there."""

    def __init__(self, server: Server, logins: Logins, *, is_adopted: bool) -> None:
        self.is_adopted = is_adopted
        database = server.create(server.state(KEYLESS if is_adopted else "", WHOLE_PLAN, owned=is_adopted))
        self.used = Used(database, logins)
        self.before = _kept(database)
        self.at = on_the_way_down(database, EARLIER[::-1])
        self.kept = {to: _kept(copy) for to, copy in self.at.items()}
        self._made = [database, *self.at.values()]

    def copy(self, to: str | None) -> Database:
        """Return another copy of the database at a tag."""
        self._made.append(self._made[0].server.create(self.at[to].name))
        return self._made[-1]

    def close(self) -> None:
        """Drop the databases."""
        self._made[0].server.drop(*(database.name for database in self._made))


@pytest.fixture(scope="module")
def _all_reverted(server: Server, logins: Logins) -> Iterator[Callable[[bool], Reverted]]:
    @cache
    def make(is_adopted: bool) -> Reverted:
        made.append(Reverted(server, logins, is_adopted=is_adopted))
        return made[-1]

    made: list[Reverted] = []
    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="module", params=[False, True], ids=["made by the plan", "adopted"])
def reverted(request: pytest.FixtureRequest, _all_reverted: Callable[[bool], Reverted]) -> Reverted:
    """Return one with tables from the plan, and one with an application's tables."""
    return _all_reverted(request.param)


@pytest.fixture
def from_the_plan(_all_reverted: Callable[[bool], Reverted]) -> Reverted:
    """Return the one with tables from the plan."""
    return _all_reverted(False)


@pytest.fixture
def adopted(_all_reverted: Callable[[bool], Reverted]) -> Reverted:
    """Return the one whose tables belong to the login of an old application."""
    return _all_reverted(True)


@pytest.mark.parametrize("to", EARLIER, ids=str)
def test_everything_is_there_again(reverted: Reverted, to: str | None) -> None:
    """Up to the next tag, to what was kept there on the way down; from the beginning and the last tag, to the end."""
    database = reverted.copy(to)
    run = Replay(database)
    if reverted.is_adopted:
        # The application's earlier data stays where it is.
        with database.connect() as connection:
            for table in TABLES:
                assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() != (0,)  # noqa: S608
        assert not {table.rpartition(".")[2] for table in TABLES} & set(_archived(database))
    then = None if to in (None, EARLIER[-1]) else EARLIER[EARLIER.index(to) + 1]
    run.deploy(then)
    if reverted.is_adopted:
        run.verify()
    assert _kept(database) == (reverted.before if then is None else reverted.kept[then])
    if then is None:
        assert _archived(database) == []


@pytest.mark.parametrize("to", [None, "@phase-0"], ids=str)
def test_changes_of_the_old_application_in_between_are_respected(
    adopted: Reverted, logins: Logins, to: str | None
) -> None:
    used, database = adopted.used, adopted.copy(to)
    with database.connect(autocommit=True) as connection:
        people = People(connection)
        # Usage and instances refer to a person; the old application clears them too.
        connection.execute("DELETE FROM finops.inference_usage")
        # Without keys, nothing cascades.
        for statement in (
            "DELETE FROM public.organization_memberships WHERE organization_id = '{bulk}'",
            "DELETE FROM public.organization_model_shares",
            "DELETE FROM public.organizations WHERE id = '{bulk}'",
            "UPDATE public.organization_memberships SET role = 'owner' WHERE user_id = '{cid}'",
            "DELETE FROM public.organization_memberships WHERE user_id = '{bob}'",
            "UPDATE public.organizations SET created_by_user_id = NULL WHERE created_by_user_id = '{bob}'",
            "DELETE FROM public.users WHERE id = '{bob}'",
        ):
            connection.execute(statement.format(bulk=used.bulk.id, bob=used.bob.id, cid=used.cid.id))
        dan = people.user("dan")
        new = people.organization("New", owner=dan)
    run = Replay(database)
    run.deploy()
    run.verify()
    with database.connect() as connection:
        workspaces = dict(
            connection.execute(
                "SELECT id, (color, plan, deleted_at IS NOT NULL)::text FROM tenancy.workspaces"
            ).fetchall()
        )
        expected = {used.ann.id, used.cid.id, dan.id, used.acme.id, used.gone.id, new.id}
        nil = {key for key in workspaces if key.int == 0}
        assert len(nil) == 1
        assert set(workspaces) - nil == expected
        assert workspaces[used.ann.id] == "(#010203,subscriber,f)"
        assert workspaces[used.acme.id] == "(#00ff00,free,f)"
        assert workspaces[used.gone.id].endswith(",free,t)")
        entries = connection.execute(
            "SELECT count(*) FROM tenancy.audit_log WHERE workspace_id = %s", [used.bulk.id]
        ).fetchone()
        assert entries is not None
        assert entries[0] > 0, "the audit log outlives the organization"
    with database.entered(logins.app, dan, new) as connection:
        connection.execute("SELECT tenancy.change_member_role(%s, 'owner')", [dan.id])
    with pytest.raises(psycopg.Error, match="no such membership"), database.entered(logins.app, used.cid, used.gone):
        pass
    assert _archived(database) == []


def test_a_revert_that_finds_an_older_archive_keeps_both(from_the_plan: Reverted) -> None:
    """A deploy that stopped before it restored the archive, and another revert."""
    used, before, database = from_the_plan.used, from_the_plan.before, from_the_plan.copy("@phase-0")
    run = Replay(database)
    # An organization with a taken slug was written, so the deploy stops halfway.
    with database.connect(autocommit=True) as connection:
        connection.execute(
            "INSERT INTO public.organizations (id, name, slug) VALUES (gen_random_uuid(), 'x', %s)",
            [used.acme.slug.upper()],
        )
    with pytest.raises(ScriptError, match="more than one organization"):
        run.deploy()
    run.revert("@phase-0")
    with database.connect(autocommit=True) as connection:
        connection.execute("DELETE FROM public.organizations WHERE name = 'x'")
    run.deploy()
    assert database.values(KEPT)["tenancy.workspaces"] == before["tenancy.workspaces"]
    assert set(database.values(KEPT)["tenancy.audit_log"]) >= set(before["tenancy.audit_log"])
    assert _archived(database) == []


def test_keys_are_made_anew_and_nothing_unused_is_kept(database_at: Callable[[str], Database]) -> None:
    database, query = database_at("@phase-1"), "SELECT id FROM tenancy_private.seal_keys"
    with database.connect(autocommit=True) as connection:
        connection.execute("SELECT * FROM tenancy.create_ticket_key()")
        before = connection.execute(query).fetchall()
        Replay(database).revert("@phase-0")
        assert _archived(database) == []
        Replay(database).deploy("@phase-1")
        assert connection.execute(query).fetchall() != before
        assert connection.execute("SELECT count(*) FROM tenancy_private.ticket_keys").fetchone() == (0,)
