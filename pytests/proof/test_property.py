"""Random people do random things, and the database does what a model in Python says.

``support/model.py`` is the model, ``support/stage.py`` plays it. README.md says how
to run this for long and how to read a failure.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.engine import ConjectureRunner
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from support.access_matrix import ROLES
from support.database import Database
from support.model import (
    PLATFORM,
    STATES,
    Entry,
    Instance,
    Invitation,
    Key,
    Model,
    Organization,
    Person,
    Platform,
    Refused,
)
from support.server import Logins
from support.stage import PROVIDER, Named, Play, Secret, Stage

_ALL_CHECKS = list(HealthCheck)
_PHASES = [Phase.explicit, Phase.reuse, Phase.generate] + ([] if os.environ.get("NOSHRINK") else [Phase.shrink])
PROFILES = {
    "usual": settings(
        max_examples=50,
        stateful_step_count=30,
        derandomize=True,
        database=None,
        deadline=None,
        phases=_PHASES,
        suppress_health_check=_ALL_CHECKS,
    ),
    "thorough": settings(
        max_examples=int(os.environ.get("PG_TENANCY_PROPERTY_EXAMPLES", "2000")),
        stateful_step_count=60,
        deadline=None,
        phases=_PHASES,
        suppress_health_check=_ALL_CHECKS,
    ),
}
PROFILE = PROFILES[os.environ.get("PG_TENANCY_PROPERTY", "usual")]

NUMBER = st.integers(0, 999)
ADDRESSES = (
    "ann@example.com",
    "BOB@example.com",
    "eve@example.com",
    "new@example.com",
    "New@Example.com",
    "old@example.com",
)
SLUGS = ("acme", "globex", "hooli", "initech")


def beginning() -> Platform:
    """Two organizations that share a member, somebody in none, platform staff, and a row of every kind everywhere."""
    return Platform(
        people={
            "ann": Person("ann@example.com", "ann"),
            "bob": Person("bob@example.com", "bob"),
            "cleo": Person("cleo@example.com", "cleo"),
            "dan": Person("dan@example.com", "dan"),
            "eve": Person("eve@example.com", "eve"),
            "sam": Person("sam@example.com", "sam", staff=True),
        },
        organizations={
            "Acme": Organization("Acme", "acme", "ann"),
            "Globex": Organization("Globex", "globex", "bob"),
        },
        roles={
            ("Acme", "ann"): "owner",
            ("Acme", "bob"): "admin",
            ("Acme", "cleo"): "manager",
            ("Acme", "dan"): "user",
            ("Globex", "bob"): "owner",
            ("Globex", "sam"): "manager",
            ("Globex", "dan"): "user",
        },
        invitations={
            "invitation A": Invitation("Acme", "eve@example.com", "admin", "ann"),
            "invitation B": Invitation("Globex", "new@example.com", "user", "bob"),
        },
        keys={
            "key of Acme": Key("Acme", "cleo", "ci"),
            "key of Globex": Key("Globex", "bob", "ci"),
            "key of dan": Key("dan", "dan", "laptop"),
            "key of sam": Key("sam", "sam", "laptop"),
        },
        instances={
            "instance A": Instance("Acme", "model A"),
            "instance B": Instance("Globex", "model P", "ready"),
            "instance T": Instance("Acme", None, "terminated"),
            "instance D": Instance("dan", "model P", "running"),
            "instance P": Instance(PLATFORM, None, "ready"),
        },
        models={
            "model A": Model("Acme", "tuned", "hub/small"),
            "model B": Model("Globex", "tuned", "hub/small"),
            "model P": Model(PLATFORM, "small", "hub/small"),
            "model Q": Model(PLATFORM, "large", "hub/large"),
        },
    )


# What nobody who enters a workspace may do, whoever it is: there is no privilege for it.
FORBIDDEN = (
    ("DELETE FROM public.instances WHERE id = %s", ("instances",)),
    ("INSERT INTO public.instances (provider_id, organization_id) VALUES (%s, %s)", (PROVIDER, "organizations")),
    ("INSERT INTO public.instances (provider_id, workspace_id) VALUES (%s, %s)", (PROVIDER, "organizations")),
    ("INSERT INTO public.instances (provider_id, user_id) VALUES (%s, %s)", (PROVIDER, "people")),
    ("UPDATE public.instances SET organization_id = %s WHERE id = %s", ("organizations", "instances")),
    ("UPDATE public.instances SET workspace_id = %s WHERE id = %s", ("organizations", "instances")),
    ("UPDATE public.instances SET model_workspace_id = %s WHERE id = %s", ("organizations", "instances")),
    ("UPDATE public.models SET organization_id = NULL WHERE id = %s", ("models",)),
    ("INSERT INTO public.models (name, model_id, organization_id) VALUES ('x', 'x', %s)", ("organizations",)),
    ("DELETE FROM public.api_keys WHERE id = %s", ("keys",)),
    ("UPDATE public.api_keys SET revoked_at = NULL WHERE id = %s", ("keys",)),
    ("SELECT key_hash FROM public.api_keys WHERE id = %s", ("keys",)),
    ("SELECT password_hash FROM public.users WHERE id = %s", ("people",)),
    ("UPDATE public.users SET role = 'admin' WHERE id = %s", ("people",)),
    ("DELETE FROM public.users WHERE id = %s", ("people",)),
    ("UPDATE public.organizations SET name = 'mine' WHERE id = %s", ("organizations",)),
    ("DELETE FROM public.organizations WHERE id = %s", ("organizations",)),
    (
        "INSERT INTO public.organization_memberships (organization_id, user_id, role) VALUES (%s, %s, 'owner')",
        ("organizations", "people"),
    ),
    ("UPDATE public.organization_memberships SET role = 'owner' WHERE user_id = %s", ("people",)),
    ("DELETE FROM public.organization_memberships WHERE user_id = %s", ("people",)),
    ("SELECT token_hash FROM tenancy.invitations WHERE id = %s", ("invitations",)),
    ("UPDATE tenancy.invitations SET revoked_at = NULL WHERE id = %s", ("invitations",)),
    ("UPDATE tenancy.workspaces SET deleted_at = NULL WHERE id = %s", ("organizations",)),
    ("DELETE FROM tenancy.audit_log WHERE workspace_id = %s", ("organizations",)),
    ("SELECT tenancy.restore_organization(%s)", ("organizations",)),
    ("SELECT tenancy.purge_organization(%s)", ("organizations",)),
    ("SELECT tenancy.assign('public.instances', %s)", ("organizations",)),
)

# What fails for want of a workspace, whatever there is.
CLOSED = (
    "SELECT id FROM public.users",
    "SELECT id FROM public.organizations",
    "SELECT user_id FROM public.organization_memberships",
    "SELECT id FROM public.models",
    "SELECT id FROM public.instances",
    "SELECT id FROM public.api_keys",
    "SELECT id FROM tenancy.invitations",
    "SELECT id FROM tenancy.audit_log",
    "UPDATE public.instances SET gpu_profile = 'x'",
    "UPDATE public.models SET name = 'x'",
    "DELETE FROM public.models",
    "SELECT tenancy.members()",
    "SELECT tenancy.my_organizations()",
    "SELECT tenancy.create_organization('x')",
    "SELECT tenancy.visible_user_ids()",
)


Deed = tuple[str, dict[str, Any]]
DEEDS: list[st.SearchStrategy[Deed]] = []
_Method = TypeVar("_Method", bound=Callable[..., None])


def deed(*, weight: int = 1, **choices: st.SearchStrategy[Any]) -> Callable[[_Method], _Method]:
    """Make a method one of the things that somebody may try.

    Not a rule of its own: Hypothesis leaves out most of forty rules in each play,
    and what matters here happens between them.
    """

    def register(method: _Method) -> _Method:
        DEEDS.extend(st.tuples(st.just(method.__name__), st.fixed_dictionaries(choices)) for _ in range(weight))
        return method

    return register


class People(RuleBasedStateMachine):
    """In each step somebody tries one thing; numbers choose who, and with what."""

    stage: Stage
    played = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).played += 1
        self.play = Play(self.stage, beginning())
        self.steps = 0

    @property
    def model(self) -> Platform:
        return self.play.model

    @rule(deed=st.deferred(lambda: st.one_of(DEEDS)))
    def somebody_tries(self, deed: Deed) -> None:
        name, choices = deed
        getattr(self, name)(**choices)

    # -- choosing --------------------------------------------------------------

    def pick(self, kind: str, number: int) -> str:
        """Choose one that there is or, of four times once, one that there ever was."""
        present = list(getattr(self.model, kind))
        if present and number % 4:
            return str(present[number // 4 % len(present)])
        ever = [name for name in self.play.ids if kind in self._kinds(name)]
        return ever[number // 4 % len(ever)]

    def _kinds(self, name: str) -> set[str]:
        word = name.split()[0]
        word = {"person": "people"}.get(word, f"{word}s")
        start = beginning()
        return {word, *(kind for kind in ("people", "organizations") if name in getattr(start, kind))}

    def actor(self, number: int) -> Entry:
        """Choose a way in; mostly one that is open."""
        if number % 16 == 15:
            number //= 16
            if number % 3 == 0:
                return Entry(None, key=self.pick("keys", number // 3 * 4))
            return Entry(self.pick("people", number), self.pick("organizations", number // 7))
        by_kind: list[list[Entry]] = [[], [], []]
        for entry in self.model.entries():
            by_kind[2 if entry.organization else 1 if entry.key else 0].append(entry)
        kind, number = number % 16, number // 16
        chosen = by_kind[0 if kind < 4 else 1 if kind < 7 else 2] or self.model.entries()
        return chosen[number % len(chosen)]

    # -- doing -----------------------------------------------------------------

    def do(self, who: int, statement: str, arguments: list[Any], attempt: Callable[[Entry], Any]) -> None:
        """Let somebody try something, then let him and others look."""
        actor, by_credential = self.actor(who), bool(self.steps % 2)
        self.play.act(actor, statement, arguments, lambda: attempt(actor), by_credential=by_credential)
        self.look(actor)

    def do_outside(self, login: str | None, statement: str, arguments: list[Any], attempt: Callable[[], Any]) -> None:
        """Let a login that enters nothing try something, then let others look."""
        self.play.act(login, statement, arguments, attempt)
        self.look()

    def look(self, *actors: Entry) -> None:
        """Compare what some see: the given ones, and others in turn."""
        self.steps += 1
        self.play.look_from_above()
        entries = self.model.entries()
        for actor in (*actors, *(other for other in entries[self.steps % len(entries) :][:1] if other not in actors)):
            if actor in entries:
                self.play.look(actor, by_credential=bool(self.steps % 3))
        if closed := self.model.closed():
            self.play.knock(closed[self.steps % len(closed)], by_credential=bool(self.steps % 2))

    # -- instances -------------------------------------------------------------

    @deed(who=NUMBER, which=NUMBER, served=st.booleans())
    def insert_instance(self, who: int, which: int, served: bool) -> None:
        model = self.pick("models", which) if served else None
        self.do(
            who,
            "INSERT INTO public.instances (provider_id, model_id) VALUES (%s, %s) RETURNING id",
            [Named(PROVIDER), Named(model) if model else None],
            lambda actor: [Named(self.model.insert_instance(actor, model))],
        )

    @deed(who=NUMBER, which=NUMBER, other=NUMBER)
    def update_instance_model(self, who: int, which: int, other: int) -> None:
        name, model = self.pick("instances", which), self.pick("models", other)
        self.do(
            who,
            "UPDATE public.instances SET model_id = %s WHERE id = %s",
            [Named(model), Named(name)],
            lambda actor: self.model.update_instance_model(actor, name, model),
        )

    @deed(weight=4, who=NUMBER, which=NUMBER, status=st.sampled_from(STATES))
    def update_instance_status(self, who: int, which: int, status: str) -> None:
        name = self.pick("instances", which)
        self.do(
            who,
            "UPDATE public.instances SET status = %s WHERE id = %s",
            [status, Named(name)],
            lambda actor: self.model.update_instance_status(actor, name, status),
        )

    @deed(who=NUMBER, which=NUMBER)
    def update_instance(self, who: int, which: int) -> None:
        name = self.pick("instances", which)
        self.do(
            who,
            "UPDATE public.instances SET gpu_profile = 'one' WHERE id = %s",
            [Named(name)],
            lambda actor: self.model.update_instance_profile(actor, name, "one"),
        )

    @deed(who=NUMBER)
    def update_all_instances(self, who: int) -> None:
        self.do(
            who,
            "UPDATE public.instances SET gpu_profile = 'all'",
            [],
            lambda actor: self.model.update_instance_profile(actor, None, "all"),
        )

    @deed(who=NUMBER, which=NUMBER, action=st.sampled_from(("terminate", "reinstall")))
    def transform_instance(self, who: int, which: int, action: str) -> None:
        name = self.pick("instances", which)
        self.do(
            who,
            f"SELECT tenancy.{action}_instance(%s)",
            [Named(name)],
            lambda actor: self.model.transform_instance(actor, action, name),
        )

    # -- organizations ---------------------------------------------------------

    @deed(who=NUMBER, slug=st.sampled_from(SLUGS))
    def create_organization(self, who: int, slug: str) -> None:
        self.do(
            who,
            "SELECT o.id FROM tenancy.create_organization(%s, %s) AS o",
            ["Another", slug],
            lambda actor: [Named(self.model.create_organization(actor, "Another", slug))],
        )

    @deed(who=NUMBER, slug=st.sampled_from(SLUGS))
    def update_organization(self, who: int, slug: str) -> None:
        self.do(
            who,
            "SELECT o.id FROM tenancy.update_organization(%s, %s) AS o",
            ["Renamed", slug],
            lambda actor: [Named(self.model.update_organization(actor, "Renamed", slug))],
        )

    @deed(weight=2, who=NUMBER)
    def delete_organization(self, who: int) -> None:
        self.do(who, "SELECT tenancy.delete_organization()", [], self.model.delete_organization)

    @deed(tenant=NUMBER, purge=st.booleans())
    def end_or_restore(self, tenant: int, purge: bool) -> None:
        deleted = [name for name, organization in self.model.organizations.items() if organization.deleted]
        name = deleted[tenant % len(deleted)] if deleted and tenant % 4 else self.pick("organizations", tenant)
        what = "purge" if purge and tenant % 3 == 0 else "restore"
        attempt = self.model.purge_organization if what == "purge" else self.model.restore_organization
        self.do_outside("service", f"SELECT tenancy.{what}_organization(%s)", [Named(name)], lambda: attempt(name))

    # -- members ---------------------------------------------------------------

    @deed(who=NUMBER, whom=NUMBER, role=st.sampled_from((*ROLES, "king")))
    def change_member_role(self, who: int, whom: int, role: str) -> None:
        person = self.pick("people", whom)
        self.do(
            who,
            "SELECT tenancy.change_member_role(%s, %s)",
            [Named(person), role],
            lambda actor: self.model.change_member_role(actor, person, role),
        )

    @deed(who=NUMBER, whom=NUMBER)
    def remove_member(self, who: int, whom: int) -> None:
        person = self.pick("people", whom)
        self.do(
            who,
            "SELECT tenancy.remove_member(%s)",
            [Named(person)],
            lambda actor: self.model.remove_member(actor, person),
        )

    @deed(who=NUMBER)
    def leave_organization(self, who: int) -> None:
        self.do(who, "SELECT tenancy.leave_organization()", [], self.model.leave_organization)

    # -- invitations -----------------------------------------------------------

    @deed(who=NUMBER, email=st.sampled_from(ADDRESSES), role=st.sampled_from(ROLES))
    def invite_member(self, who: int, email: str, role: str) -> None:
        def attempt(actor: Entry) -> list[Any]:
            name = self.model.invite_member(actor, email, role)
            return [Named(name), Secret(name)]

        self.do(who, "SELECT i.id, i.token FROM tenancy.invite_member(%s, %s) AS i", [email, role], attempt)

    @deed(who=NUMBER, which=NUMBER)
    def revoke_invitation(self, who: int, which: int) -> None:
        name = self.pick("invitations", which)
        self.do(
            who,
            "SELECT tenancy.revoke_invitation(%s)",
            [Named(name)],
            lambda actor: self.model.revoke_invitation(actor, name),
        )

    @deed(which=NUMBER)
    def invitation_expires(self, which: int) -> None:
        name = self.pick("invitations", which)

        def attempt() -> int:
            if name not in self.model.invitations:
                return 0
            self.model.invitations[name].expired = True
            return 1

        self.do_outside(
            "admin",
            "UPDATE tenancy.invitations SET created_at = created_at - interval '1 year',"
            " expires_at = now() - interval '1 day' WHERE id = %s",
            [Named(name)],
            attempt,
        )

    @deed(who=NUMBER, which=NUMBER, entered=st.booleans())
    def peek_invitation(self, who: int, which: int, entered: bool) -> None:
        name = self.pick("invitations", which)
        self.do_maybe_outside(
            who if entered else None,
            "SELECT i.* FROM tenancy.peek_invitation(%s) AS i",
            [Secret(name)],
            lambda: self.model.peek_invitation(name),
        )

    @deed(weight=2, who=NUMBER, which=NUMBER, entered=st.booleans())
    def accept_invitation(self, who: int, which: int, entered: bool) -> None:
        name = self.pick("invitations", which)
        self.do_maybe_outside(
            who if entered else None,
            "SELECT i.user_id, i.organization_id FROM tenancy.accept_invitation(%s, %s) AS i",
            [Secret(name), "invited"],
            lambda: [Named(member) for member in self.model.accept_invitation(name, "invited")],
        )

    def do_maybe_outside(
        self, who: int | None, statement: str, arguments: list[Any], attempt: Callable[[], Any]
    ) -> None:
        """Let somebody try something, in a workspace or before there is one."""
        if who is None:
            self.do_outside(None, statement, arguments, attempt)
        else:
            self.do(who, statement, arguments, lambda _: attempt())

    # -- API keys --------------------------------------------------------------

    @deed(who=NUMBER)
    def create_api_key(self, who: int) -> None:
        def attempt(actor: Entry) -> list[Any]:
            name = self.model.create_api_key(actor, "new")
            return [Named(name), Secret(name)]

        self.do(
            who, "SELECT k.id, k.key FROM tenancy.create_api_key('new', now() + interval '1 day') AS k", [], attempt
        )

    @deed(who=NUMBER, which=NUMBER)
    def rename_api_key(self, who: int, which: int) -> None:
        name = self.pick("keys", which)
        self.do(
            who,
            "SELECT tenancy.rename_api_key(%s, 'renamed')",
            [Named(name)],
            lambda actor: self.model.rename_api_key(actor, name, "renamed"),
        )

    @deed(who=NUMBER, which=NUMBER)
    def update_api_key(self, who: int, which: int) -> None:
        name = self.pick("keys", which)
        self.do(
            who,
            "UPDATE public.api_keys SET name = 'written' WHERE id = %s",
            [Named(name)],
            lambda actor: self.model.update_api_key(actor, name, "written"),
        )

    @deed(who=NUMBER)
    def update_all_api_keys(self, who: int) -> None:
        self.do(
            who,
            "UPDATE public.api_keys SET name = 'all'",
            [],
            lambda actor: self.model.update_api_key(actor, None, "all"),
        )

    @deed(who=NUMBER, which=NUMBER)
    def revoke_api_key(self, who: int, which: int) -> None:
        name = self.pick("keys", which)
        self.do(
            who,
            "SELECT tenancy.revoke_api_key(%s)",
            [Named(name)],
            lambda actor: self.model.revoke_api_key(actor, name),
        )

    @deed(which=NUMBER)
    def api_key_expires(self, which: int) -> None:
        name = self.pick("keys", which)

        def attempt() -> int:
            if name not in self.model.keys:
                return 0
            self.model.keys[name].expired = True
            return 1

        self.do_outside(
            "admin",
            "UPDATE public.api_keys SET expires_at = now() - interval '1 second' WHERE id = %s",
            [Named(name)],
            attempt,
        )

    @deed(which=NUMBER, by_credential=st.booleans())
    def enter_with_api_key(self, which: int, by_credential: bool) -> None:
        actor = Entry(None, key=self.pick("keys", which))
        self.play.act(
            actor,
            "SELECT tenancy.current_workspace_id()",
            [],
            lambda: [Named(self.model.workspace(actor))],
            by_credential=by_credential,
        )
        self.look(actor)

    # -- models ----------------------------------------------------------------

    @deed(who=NUMBER, model_id=st.sampled_from(("hub/small", "hub/large", "hub/tiny")))
    def insert_model(self, who: int, model_id: str) -> None:
        self.do(
            who,
            "INSERT INTO public.models (name, model_id) VALUES ('made', %s) RETURNING id",
            [model_id],
            lambda actor: [Named(self.model.insert_model(actor, "made", model_id))],
        )

    @deed(who=NUMBER, which=NUMBER)
    def update_model(self, who: int, which: int) -> None:
        name = self.pick("models", which)
        self.do(
            who,
            "UPDATE public.models SET name = 'one' WHERE id = %s",
            [Named(name)],
            lambda actor: self.model.update_model(actor, name, "one"),
        )

    @deed(who=NUMBER, which=NUMBER, model_id=st.sampled_from(("hub/small", "hub/large", "hub/tiny")))
    def update_model_id(self, who: int, which: int, model_id: str) -> None:
        name = self.pick("models", which)
        self.do(
            who,
            "UPDATE public.models SET model_id = %s WHERE id = %s",
            [model_id, Named(name)],
            lambda actor: self.model.update_model_id(actor, name, model_id),
        )

    @deed(who=NUMBER)
    def update_all_models(self, who: int) -> None:
        self.do(
            who,
            "UPDATE public.models SET name = 'all'",
            [],
            lambda actor: self.model.update_model(actor, None, "all"),
        )

    @deed(weight=3, who=NUMBER, which=NUMBER)
    def delete_model(self, who: int, which: int) -> None:
        name = self.pick("models", which)
        self.do(
            who,
            "DELETE FROM public.models WHERE id = %s",
            [Named(name)],
            lambda actor: self.model.delete_model(actor, name),
        )

    @deed(weight=2, who=NUMBER)
    def delete_all_models(self, who: int) -> None:
        self.do(who, "DELETE FROM public.models", [], lambda actor: self.model.delete_model(actor, None))

    # -- users -----------------------------------------------------------------

    @deed(who=NUMBER, email=st.sampled_from(ADDRESSES))
    def create_user(self, who: int, email: str) -> None:
        self.do(
            who,
            "SELECT tenancy.create_user(%s, 'made')",
            [email],
            lambda actor: [Named(self.model.create_user(actor, email, "made"))],
        )

    @deed(who=NUMBER, whom=NUMBER, email=st.none() | st.sampled_from(ADDRESSES))
    def update_user(self, who: int, whom: int, email: str | None) -> None:
        person = self.pick("people", whom)
        self.do(
            who,
            "SELECT tenancy.update_user(%s, username => 'changed', email => %s)",
            [Named(person), email],
            lambda actor: self.model.update_user(actor, person, "changed", email),
        )

    @deed(weight=2, who=NUMBER, whom=NUMBER, oneself=st.booleans())
    def delete_user(self, who: int, whom: int, oneself: bool) -> None:
        person = (self.actor(who).person if oneself else None) or self.pick("people", whom)
        self.do(
            who,
            "SELECT tenancy.delete_user(%s)",
            [Named(person)],
            lambda actor: self.model.delete_user(actor, person),
        )

    @deed(who=NUMBER, email=st.sampled_from(ADDRESSES))
    def find_user(self, who: int, email: str) -> None:
        self.do(
            who,
            "SELECT u.user_id FROM tenancy.all_users(%s) AS u",
            [email],
            lambda actor: self.model.find_user(actor, email),
        )

    # -- what nobody may -------------------------------------------------------

    @deed(who=NUMBER, what=st.sampled_from(FORBIDDEN), one=NUMBER, two=NUMBER)
    def overstep(self, who: int, what: tuple[str, tuple[str, ...]], one: int, two: int) -> None:
        statement, kinds = what
        names = [kind if kind == PROVIDER else self.pick(kind, n) for kind, n in zip(kinds, (one, two), strict=False)]

        def attempt(_: Entry) -> None:
            raise Refused("42501")

        self.do(who, statement, [Named(name) for name in names], attempt)

    @deed(statement=st.sampled_from(CLOSED))
    def without_a_workspace(self, statement: str) -> None:
        def attempt() -> None:
            raise Refused("28000", "no_context")

        self.do_outside(None, statement, [], attempt)

    @deed(who=NUMBER, whom=NUMBER, where=NUMBER)
    def enter_twice(self, who: int, whom: int, where: int) -> None:
        person, tenant = self.pick("people", whom), self.pick("organizations", where)
        other = Entry(person, tenant if where % 3 else None)

        def attempt(actor: Entry) -> None:
            self.model.enter(other)
            if actor != other:
                raise Refused("28000", "context_already_set")

        self.play.act(
            actor := self.actor(who),
            "SELECT tenancy.enter(%s, %s)",
            [Named(person), Named(tenant) if other.organization else None],
            lambda: attempt(actor),
        )
        self.look(actor)

    # -- services, and the application as it was before ------------------------

    @deed(where=NUMBER, which=NUMBER, served=st.booleans())
    def legacy_instance(self, where: int, which: int, served: bool) -> None:
        model = self.pick("models", which) if served else None
        workspaces = [PLATFORM, PLATFORM, *self.model.organizations, *self.model.people]
        workspace = workspaces[where % len(workspaces)]
        self.do_outside(
            "old",
            "INSERT INTO public.instances (provider_id, model_id, organization_id, user_id)"
            " VALUES (%s, %s, %s, %s) RETURNING id",
            [
                Named(PROVIDER),
                Named(model) if model else None,
                Named(workspace) if workspace in self.model.organizations else None,
                Named(workspace) if workspace in self.model.people else None,
            ],
            lambda: [Named(self.model.service_instance(workspace, model))],
        )

    @deed(where=NUMBER, model_id=st.sampled_from(("hub/small", "hub/large", "hub/tiny")))
    def legacy_model(self, where: int, model_id: str) -> None:
        workspaces = [PLATFORM, PLATFORM, *self.model.organizations]
        workspace = workspaces[where % len(workspaces)]
        self.do_outside(
            "old",
            "INSERT INTO public.models (name, model_id, organization_id) VALUES ('legacy', %s, %s) RETURNING id",
            [model_id, None if workspace == PLATFORM else Named(workspace)],
            lambda: [Named(self.model.service_model(workspace, "legacy", model_id))],
        )

    @deed(whom=NUMBER)
    def legacy_key(self, whom: int) -> None:
        people = list(self.model.people)
        if not people:
            return
        person = people[whom % len(people)]
        text = f"sk_{self.steps:09}_of_the_application"
        self.play.secrets["legacy"] = text

        def attempt() -> list[Any]:
            name = self.model.service_key(person, "legacy")
            self.play.secrets[name] = text
            return [Named(name)]

        self.do_outside(
            "old",
            "INSERT INTO public.api_keys (user_id, name, key_prefix, key_hash)"
            " VALUES (%s, 'legacy', %s, %s) RETURNING id",
            [Named(person), *self.play.key_columns("legacy")],
            attempt,
        )

    @deed(email=st.sampled_from(ADDRESSES))
    def legacy_user(self, email: str) -> None:
        self.do_outside(
            "old",
            "INSERT INTO public.users (email, username) VALUES (%s, 'legacy') RETURNING id",
            [email],
            lambda: [Named(self.model.service_user(email, "legacy"))],
        )

    @deed(which=NUMBER, status=st.sampled_from(STATES))
    def worker(self, which: int, status: str) -> None:
        name = self.pick("instances", which)
        self.do_outside(
            "service",
            "UPDATE public.instances SET status = %s WHERE id = %s",
            [status, Named(name)],
            lambda: self.model.service_status(name, status),
        )

    @deed(where=NUMBER, whom=NUMBER, role=st.sampled_from(ROLES))
    def legacy_membership(self, where: int, whom: int, role: str) -> None:
        tenants, people = list(self.model.organizations), list(self.model.people)
        if not tenants or not people:
            return
        tenant, person = tenants[where % len(tenants)], people[whom % len(people)]
        self.do_outside(
            "old",
            "INSERT INTO public.organization_memberships (organization_id, user_id, role) VALUES (%s, %s, %s)"
            " ON CONFLICT (organization_id, user_id) DO UPDATE SET role = excluded.role",
            [Named(tenant), Named(person), role],
            lambda: self.model.service_membership(tenant, person, role),
        )

    @deed(where=NUMBER, whom=NUMBER)
    def legacy_removal(self, where: int, whom: int) -> None:
        tenant, person = self.pick("organizations", where), self.pick("people", whom)
        self.do_outside(
            "old",
            "DELETE FROM public.organization_memberships WHERE organization_id = %s AND user_id = %s",
            [Named(tenant), Named(person)],
            lambda: self.model.service_removal(tenant, person),
        )

    @deed(weight=2, whom=NUMBER)
    def legacy_delete_user(self, whom: int) -> None:
        person = self.pick("people", whom)
        self.do_outside(
            "old",
            "DELETE FROM public.users WHERE id = %s",
            [Named(person)],
            lambda: self.model.service_delete_user(person),
        )

    @deed(where=NUMBER, which=NUMBER)
    def assign_instance(self, where: int, which: int) -> None:
        tenant, name = self.pick("organizations", where), self.pick("instances", which)
        self.do_outside(
            "service",
            "SELECT tenancy.assign('public.instances', %s, %s)",
            [Named(tenant), f"id = '{self.play.ids[name]}'"],
            lambda: [self.model.assign_instance(tenant, name)],
        )

    @deed(where=NUMBER, which=NUMBER)
    def assign_model(self, where: int, which: int) -> None:
        tenant, name = self.pick("organizations", where), self.pick("models", which)
        self.do_outside(
            "service",
            "SELECT tenancy.assign('public.models', %s, %s)",
            [Named(tenant), f"id = '{self.play.ids[name]}'"],
            lambda: [self.model.assign_model(tenant, name)],
        )


@pytest.fixture(autouse=True)
def _no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    # Five of six plays would be the one before with a step of it repeated.
    monkeypatch.setattr(ConjectureRunner, "generate_mutations_from", lambda *_: None, raising=False)


@pytest.fixture
def machine(database: Database, logins: Logins) -> Iterator[type[People]]:
    """Return the machine with a database of its own."""
    stage = Stage(database, logins)
    yield type("People", (People,), {"stage": stage, "played": 0})
    stage.close()


@pytest.mark.slow
def test_people_see_and_do_what_the_model_says(machine: type[People]) -> None:
    run_state_machine_as_test(machine, settings=PROFILE)


# -- planted holes -------------------------------------------------------------


def function(signature: str, old: str, new: str) -> Callable[[psycopg.Connection[Any]], None]:
    """Return what writes a function in other words."""

    def plant(admin: psycopg.Connection[Any]) -> None:
        ((definition,),) = admin.execute("SELECT pg_get_functiondef(%s::regprocedure)", [signature]).fetchall()
        assert old in definition, "the function is written in other words by now"
        admin.execute(definition.replace(old, new).encode())

    return plant


def statement(*texts: str) -> Callable[[psycopg.Connection[Any]], None]:
    """Return what runs some SQL."""

    def plant(admin: psycopg.Connection[Any]) -> None:
        for text in texts:
            admin.execute(text.encode())

    return plant


HOLES: dict[str, Callable[[psycopg.Connection[Any]], None]] = {
    "everybody sees all instances": statement(
        "ALTER POLICY instances_workspace ON public.instances USING (true)",
        "ALTER POLICY instances_select ON public.instances USING (true)",
    ),
    "an UPDATE reaches the instances of all": statement(
        "ALTER POLICY instances_workspace ON public.instances USING (true) WITH CHECK (true)",
        "ALTER POLICY instances_update ON public.instances USING (true) WITH CHECK (true)",
    ),
    "an UPDATE reaches the API keys of all": statement(
        "ALTER POLICY api_keys_workspace ON public.api_keys USING (true) WITH CHECK (true)",
        "ALTER POLICY api_keys_update ON public.api_keys USING (true) WITH CHECK (true)",
    ),
    "managers see no invitations": statement(
        "ALTER POLICY invitations_select ON tenancy.invitations"
        " USING (organization_id = (SELECT tenancy.workspace_for('organization.update')))"
    ),
    "nothing asks for permission to write models": statement("DROP TRIGGER models_permission ON public.models"),
    "everybody changes public models": statement("DROP TRIGGER models_platform ON public.models"),
    "everybody changes legacy instances": statement("DROP TRIGGER instances_platform ON public.instances"),
    "an instance becomes anything": statement("DROP TRIGGER instances_status ON public.instances"),
    "an organization's keys go with their maker": statement("DROP TRIGGER users_api_keys ON public.users"),
    "a service takes the last owner away": statement(
        "DROP TRIGGER organization_keeps_an_owner ON public.organization_memberships"
    ),
    "a revoked invitation opens": function(
        "tenancy.accept_invitation(text,text,text,text,text)", "i.revoked_at IS NULL AND ", ""
    ),
    "an expired invitation opens": function(
        "tenancy.accept_invitation(text,text,text,text,text)", "AND i.expires_at > clock_timestamp()", ""
    ),
    "an expired API key opens": function(
        "tenancy_private.find_api_key(text)", "AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())", ""
    ),
    "a deleted organization's API key opens": function(
        "tenancy_private.find_api_key(text)", "AND w.deleted_at IS NULL", ""
    ),
    "an instance uses anybody's model": statement(
        "ALTER TABLE public.instances DROP CONSTRAINT instances_model_workspace_id_check"
    ),
    "what is made lands on the platform": statement(
        "ALTER TABLE public.instances ALTER COLUMN user_id DROP DEFAULT,"
        " ALTER COLUMN workspace_id SET DEFAULT '00000000-0000-0000-0000-000000000000'",
        "ALTER POLICY instances_workspace ON public.instances USING (true) WITH CHECK (true)",
        "ALTER POLICY instances_insert ON public.instances WITH CHECK (true)",
    ),
    "the members of any organization are seen": function(
        "tenancy.visible_user_ids()", "m.organization_id = current_organization AND", ""
    ),
    "a deleted organization can be entered": function(
        "tenancy_private.enter_as(uuid,uuid)", "AND w.deleted_at IS NULL", ""
    ),
    "roles are given without delegation": function(
        "tenancy_private.check_delegation(text,text)", "RAISE EXCEPTION", "RETURN; RAISE EXCEPTION"
    ),
    "an API key does what a person may": function(
        "tenancy_private.require_person()", "RAISE EXCEPTION", "RETURN; RAISE EXCEPTION"
    ),
    "one transaction is two people": function(
        "tenancy_private.seal_context(uuid,uuid,text,uuid)", "(scans > 0 OR NOT counted) AND EXISTS", "false AND EXISTS"
    ),
    "a model goes though instances use it elsewhere": function(
        "tenancy_private.keep_used_model()", "WHERE i.model_id = old.id", "WHERE false"
    ),
}
# What has to be taken away twice, because the second guard would keep it.
_ALSO = {
    "an instance uses anybody's model": function(
        "tenancy_private.set_model_workspace()",
        "AND m.workspace_id = ANY(ARRAY[new.workspace_id, '00000000-0000-0000-0000-000000000000'::uuid])",
        "",
    ),
}
PLAYS_TO_FIND_A_HOLE = 600


@pytest.mark.slow
@pytest.mark.parametrize("hole", HOLES)
def test_a_hole_is_found_in_seconds(hole: str, machine: type[People], capsys: pytest.CaptureFixture[str]) -> None:
    HOLES[hole](machine.stage.admin)
    if hole in _ALSO:
        _ALSO[hole](machine.stage.admin)
    bounded = settings(
        PROFILES["usual"], max_examples=PLAYS_TO_FIND_A_HOLE, phases=[Phase.generate], verbosity=Verbosity.quiet
    )
    began = time.monotonic()
    with pytest.raises(AssertionError, match="the database did not do what it should") as found:
        run_state_machine_as_test(machine, settings=bounded)
    with capsys.disabled():
        print(f"\n{hole}: found in play {machine.played}, after {time.monotonic() - began:.1f} s", end="")
    print(found.value)
