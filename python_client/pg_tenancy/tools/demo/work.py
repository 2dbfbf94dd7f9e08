"""A day of work on the migrated platform, as the new application."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import psycopg

from pg_tenancy.tools.demo.data import Organization, Person
from pg_tenancy.tools.demo.truth import PLATFORM, Cast, Instance, Invitation, Truth

__all__ = ["do_some_work"]

Connection = psycopg.Connection[tuple[Any, ...]]

_BATCH: Final = 50
_MODEL: Final = "house/assistant-7b"


def do_some_work(application: Connection, service: Connection, truth: Truth, cast: Cast) -> list[str]:
    """Use the features of each phase, and update the expected state.

    Args:
        application: the new application's connection, in autocommit.
        service: a connection of a login of ``tenancy_service``, in autocommit.
        truth: the expected state, which is updated.
        cast: the people who work.

    Returns:
        what was done, a line each, starting with the phase.

    """
    work = _Work(application, service, truth, cast)
    work.organizations()
    work.memberships()
    work.invitations()
    work.api_keys()
    work.instances()
    work.models()
    work.users()
    work.costs()
    work.modules()
    work.settings()
    work.money()
    return work.done


class _Work:
    def __init__(self, application: Connection, service: Connection, truth: Truth, cast: Cast) -> None:
        self.application = application
        self.service = service
        self.truth = truth
        self.cast = cast
        self.done: list[str] = []

    def tell(self, phase: int, line: str) -> None:
        self.done.append(f"@phase-{phase}  {line}")

    def act(self, person: Person, organization: Organization | None, statement: str, *values: Any) -> tuple[Any, ...]:
        """Run one statement in a workspace, and return the first row of its answer."""
        with self.application.transaction():
            self.application.execute(
                "SELECT tenancy.enter(%s, %s)", [person.id, organization.id if organization else None]
            )
            return self.application.execute(statement.encode(), values).fetchall()[0]

    def administer(self, statement: str, *values: Any) -> tuple[Any, ...]:
        """Run one statement in the platform's workspace, as its staff."""
        with self.application.transaction():
            self.application.execute("SELECT tenancy.enter_platform(%s)", [self.cast.staff.id])
            return self.application.execute(statement.encode(), values).fetchall()[0]

    def join(self, organization: Organization, person: UUID, role: str) -> None:
        self.truth.memberships[organization.id, person] = role
        self.truth.record(organization.id, "membership.create", person)

    # -- phases 1 and 2 -------------------------------------------------------------

    def organizations(self) -> None:
        truth, cast = self.truth, self.cast
        self.act(cast.other_owner, cast.second, "SELECT tenancy.update_organization(color => %s)", "#123456")
        truth.record(cast.second.id, "workspace.update", cast.second.id)
        self.tell(1, f"{cast.other_owner.name} changed the color of {cast.second.name}")
        (created,) = self.act(cast.founder, None, "SELECT (tenancy.create_organization(%s)).id", "Café Zürich")
        truth.organizations[created] = "Café Zürich"
        truth.record(created, "organization.create", created)
        self.join(Organization(created, "Café Zürich"), cast.founder.id, "owner")
        self.tell(1, f"{cast.founder.name} made the organization Café Zürich")

    def memberships(self) -> None:
        truth, cast = self.truth, self.cast
        for role in ("manager", "user"):
            self.act(cast.owner, cast.first, "SELECT tenancy.change_member_role(%s, %s)", cast.user.id, role)
            truth.record(cast.first.id, "membership.update", cast.user.id)
            self.tell(2, f"{cast.owner.name} made {cast.user.name} a {role} of {cast.first.name}")
        promoted = next(person for person, role in truth.members(cast.first.id).items() if role == "user")
        if promoted != cast.user.id:
            self.act(cast.manager, cast.first, "SELECT tenancy.change_member_role(%s, 'manager')", promoted)
            truth.memberships[cast.first.id, promoted] = "manager"
            truth.record(cast.first.id, "membership.update", promoted)
            self.tell(2, f"{cast.manager.name} made {truth.people[promoted].name} a manager of {cast.first.name}")

    # -- phase 3 ----------------------------------------------------------------------

    def invite(self, person: Person, email: str, role: str) -> tuple[UUID, str]:
        where = self.cast.first
        invitation, token = self.act(person, where, "SELECT id, token FROM tenancy.invite_member(%s, %s)", email, role)
        self.truth.invitations[invitation] = Invitation(where.id, email, role)
        self.truth.record(where.id, "invitation.create", invitation)
        return invitation, token

    def accept(self, invitation: UUID, token: str, name: tuple[str, str] | None = None) -> UUID:
        """Accept an invitation outside of any workspace, and return the new member's id."""
        (person,) = self.application.execute(
            "SELECT user_id FROM tenancy.accept_invitation("
            "%s, username => %s, first_name => %s, last_name => %s, password_hash => 'scrypt$new')",
            [token, ".".join(name).lower() if name else None, *(name or (None, None))],
        ).fetchall()[0]
        known = self.truth.invitations[invitation]
        self.truth.invitations[invitation] = replace(known, status="accepted")
        # The membership is recorded after the acceptance.
        self.truth.record(known.organization, "invitation.update", invitation)
        self.truth.record(known.organization, "invitation.update", invitation)
        assert isinstance(person, UUID)  # noqa: S101
        return person

    def invitations(self) -> None:
        truth, cast = self.truth, self.cast
        first = cast.first

        invitation, token = self.invite(cast.owner, cast.guest.email, "admin")
        self.tell(3, f"{cast.owner.name} invited {cast.guest.email} into {first.name}: a token, shown only once")
        self.accept(invitation, token)
        self.join(first, cast.guest.id, "admin")
        truth.secrets["used invitation"] = token
        self.tell(3, f"{cast.guest.name}, who has an account, accepted and is an admin of {first.name}")

        email = "noor.newcomer@example.org"
        invitation, token = self.invite(cast.manager, email, "user")
        newcomer = self.accept(invitation, token, ("Noor", "Newcomer"))
        truth.people[newcomer] = Person(newcomer, "Noor Newcomer", email, datetime.now(timezone.utc))
        self.join(first, newcomer, "user")
        self.tell(3, f"{email}, an address without an account, accepted: an account, and a user of {first.name}")

        invitation, token = self.invite(cast.admin, cast.nobody.email, "user")
        self.act(cast.admin, first, "SELECT tenancy.revoke_invitation(%s)", invitation)
        truth.invitations[invitation] = replace(truth.invitations[invitation], status="revoked")
        truth.record(first.id, "invitation.update", invitation)
        truth.secrets["revoked invitation"] = token
        self.tell(3, f"{cast.admin.name} invited {cast.nobody.email} and revoked it")

    # -- phase 4 ----------------------------------------------------------------------

    def make_key(self, person: Person, organization: Organization | None, name: str) -> tuple[UUID, str]:
        number, key = self.act(person, organization, "SELECT id, key FROM tenancy.create_api_key(%s)", name)
        workspace = organization.id if organization else person.id
        self.truth.api_keys[number] = workspace
        self.truth.record(workspace, "api_key.create", number)
        return number, key

    def api_keys(self) -> None:
        truth, cast = self.truth, self.cast
        first = cast.first

        number, truth.secrets["organization's key"] = self.make_key(cast.guest, first, "build server")
        self.act(cast.guest, first, "SELECT tenancy.leave_organization()")
        del truth.memberships[first.id, cast.guest.id]
        truth.record(first.id, "membership.delete", cast.guest.id)
        self.tell(
            4, f"{cast.guest.name} created a key for {first.name}, shown only once, and left; the key stays valid"
        )
        self.activate("api_key", number)
        self.tell(11, f"{cast.admin.name} and {cast.manager.name} activated it, and it can enter")
        for person, whose in ((cast.nobody, "person's key"), (cast.staff, "staff's key")):
            _, truth.secrets[whose] = self.make_key(person, None, "laptop")
            self.tell(4, f"{person.name} created a personal key")
        number, truth.secrets["revoked key"] = self.make_key(cast.owner, first, "old laptop")
        self.act(cast.owner, first, "SELECT tenancy.revoke_api_key(%s)", number)
        truth.record(first.id, "api_key.update", number)
        self.tell(4, f"{cast.owner.name} created another for {first.name} and revoked it")

    # -- phase 5 ----------------------------------------------------------------------

    def assign(self, organization: Organization, profile: str) -> None:
        """Assign the legacy instances of one profile to an organization, in batches."""
        batches: list[int] = []
        stored = self.truth.profile(profile)
        while not batches or batches[-1]:
            (count,) = self.service.execute(
                "SELECT tenancy.assign('public.instances', %s, %s, %s)",
                [organization.id, f"gpu_profile = '{stored}'", _BATCH],
            ).fetchall()[0]
            batches.append(count)
        for number, instance in self.truth.instances.items():
            if (instance.workspace, instance.profile) == (PLATFORM, stored):
                self.truth.instances[number] = replace(instance, workspace=organization.id)
        legacy = sum(instance.workspace == PLATFORM for instance in self.truth.instances.values())
        self.tell(
            5,
            f"a service assigned the {sum(batches)} instances {profile} to {organization.name}, {_BATCH} at a time; "
            f"legacy_instances() lists the other {legacy}",
        )

    def make_instance(self, person: Person, organization: Organization | None, status: str) -> UUID:
        profile = self.truth.profile("1x H100 80GB")
        number, workspace = self.act(
            person,
            organization,
            "INSERT INTO public.instances (provider_id, status, gpu_profile) VALUES (%s, %s, %s)"
            " RETURNING id, workspace_id",
            self.truth.provider,
            status,
            profile,
        )
        # The expected workspace, independent of the answer.
        self.truth.instances[number] = Instance(organization.id if organization else person.id, status, profile)
        assert isinstance(workspace, UUID)  # noqa: S101
        assert isinstance(number, UUID)  # noqa: S101
        return number

    def instances(self) -> None:
        truth, cast = self.truth, self.cast
        first = cast.first
        self.assign(first, "1x L4 24GB")
        self.assign(cast.second, "1x L40S 48GB")
        number = self.make_instance(cast.owner, first, "provisioning")
        self.tell(5, f"{cast.owner.name} started an instance: it belongs to {first.name}, without the query saying so")
        self.activate("instance", number)
        self.act(cast.owner, first, "UPDATE public.instances SET status = 'ready' WHERE id = %s RETURNING id", number)
        truth.instances[number] = replace(truth.instances[number], status="ready")
        self.tell(
            11, f"{cast.admin.name} activated it technically and {cast.manager.name} economically, and it is ready"
        )
        self.make_instance(cast.nobody, None, "ready")
        self.tell(5, f"{cast.nobody.name} started one in the personal workspace")
        for action, before, after in (
            ("terminate", "provisioning", "terminating"),
            ("reinstall", "failed", "booting"),
        ):
            number = self.make_instance(cast.admin, first, before)
            self.act(cast.admin, first, f"SELECT tenancy.{action}_instance(%s)", number)
            truth.instances[number] = replace(truth.instances[number], status=after)
            self.tell(5, f"{cast.admin.name} started one more, which is {after} by {action}_instance()")

    # -- phase 11 ---------------------------------------------------------------------

    def activate(self, kind: str, number: UUID) -> None:
        """Let two people of the first organization activate a new object."""
        for person, aspect in ((self.cast.admin, "tech"), (self.cast.manager, "eco")):
            self.act(person, self.cast.first, "SELECT tenancy.activate(%s, %s, %s)", kind, number, aspect)
            self.truth.record(self.cast.first.id, f"{kind}.activate_{aspect}", number)

    # -- phase 6 ----------------------------------------------------------------------

    def make_model(self, person: Person, organization: Organization | None, model_id: str) -> UUID:
        statement = (
            "INSERT INTO public.models (name, model_id, required_vram_gb, context_length) VALUES (%s, %s, 16, 32768)"
            " RETURNING id"
        )
        values = (model_id.split("/")[1], model_id)
        (number,) = (
            self.act(person, organization, statement, *values) if organization else self.administer(statement, *values)
        )
        self.truth.models[number] = organization.id if organization else PLATFORM
        assert isinstance(number, UUID)  # noqa: S101
        return number

    def models(self) -> None:
        cast = self.cast
        own = self.make_model(cast.admin, cast.first, _MODEL)
        self.activate("model", own)
        self.make_model(cast.other_owner, cast.second, _MODEL)
        self.tell(6, f"{cast.first.name} and {cast.second.name} each created a model {_MODEL}, and see only their own")
        self.tell(11, f"{cast.admin.name} and {cast.manager.name} activated the model of {cast.first.name}")
        self.make_model(cast.staff, None, "house/embedder")
        self.tell(6, f"{cast.staff.name}, platform staff, created a public model in the platform's workspace")
        for model, words in ((self.truth.model(PLATFORM), "a public model"), (own, f"{cast.first.name}'s own")):
            self.act(
                cast.owner,
                cast.first,
                "UPDATE public.instances SET model_id = %s WHERE id = %s RETURNING id",
                model,
                self.truth.instance(cast.first.id, "ready"),
            )
            self.tell(6, f"{cast.owner.name} ran {words} on an instance")

    # -- phase 7 ----------------------------------------------------------------------

    def make_user(self, person: Person, organization: Organization | None, first: str, last: str) -> Person:
        email = f"{first}.{last}@example.net".lower()
        statement = "SELECT tenancy.create_user(%s, %s, %s, %s, 'scrypt$new')"
        values = (email, f"{first}.{last}".lower(), first, last)
        (number,) = (
            self.act(person, organization, statement, *values) if organization else self.administer(statement, *values)
        )
        self.truth.people[number] = made = Person(number, f"{first} {last}", email, datetime.now(timezone.utc))
        return made

    def users(self) -> None:
        truth, cast = self.truth, self.cast
        made = self.make_user(cast.admin, cast.first, "Milo", "Colleague")
        self.join(cast.first, made.id, "user")
        self.tell(7, f"{cast.admin.name} created an account for {made.name}, a user of {cast.first.name}")
        self.act(cast.owner, cast.first, "SELECT tenancy.update_user(%s, last_name => 'Newhall')", made.id)
        self.tell(7, f"{cast.owner.name} corrected the name of {made.name}")
        leaver = self.make_user(cast.staff, None, "Lou", "Leaver")
        self.tell(
            7, f"{cast.staff.name}, platform staff, created an account for {leaver.name}, without an organization"
        )
        key, _ = self.make_key(leaver, None, "laptop")
        instance = self.make_instance(leaver, None, "ready")
        self.act(leaver, None, "SELECT tenancy.delete_user(%s)", leaver.id)
        del truth.people[leaver.id], truth.api_keys[key], truth.instances[instance]
        self.tell(7, f"{leaver.name} deleted their account, with the key and the instance in the personal workspace")

    # -- phases 9, 10 and 8 -----------------------------------------------------------

    def costs(self) -> None:
        first = self.cast.first
        (spent, calls) = self.act(
            self.cast.owner,
            first,
            "SELECT consumed_eur, calls FROM finops.costs_summary('2000-01-01Z', '2100-01-01Z')",
        )
        rows = self.service.execute(
            "SELECT coalesce((SELECT sum(c.amount_eur) FROM finops.cost_actual_minute AS c"
            " WHERE c.workspace_id = %(id)s AND c.instance_id IS NOT NULL), 0)"
            " + coalesce(sum(u.charged_amount_eur), 0), count(*)"
            " FROM finops.inference_usage AS u WHERE u.workspace_id = %(id)s",
            {"id": first.id},
        ).fetchall()[0]
        if (spent, calls) != rows:
            raise RuntimeError(f"costs_summary() says {spent} euros and {calls} calls, and the rows add up to {rows}")
        self.tell(
            9, f"{self.cast.owner.name} sees that {first.name} spent {spent:,.2f} euros, which is the sum of the rows"
        )

    def modules(self) -> None:
        cast = self.cast
        for person, role in ((cast.owner, "owner"), (cast.user, "user")):
            (shown, all_) = self.act(
                person,
                cast.first,
                "SELECT count(*) FILTER (WHERE state = 'visible'), count(*) FROM tenancy.visible_modules()",
            )
            self.tell(10, f"{person.name}, as {role} of {cast.first.name}, may open {shown} of {all_} modules")

    def settings(self) -> None:
        (count,) = self.act(self.cast.owner, self.cast.first, "SELECT count(*) FROM tenancy.settings()")
        self.tell(8, f"{self.cast.owner.name} reads {count} settings of {self.cast.first.name}, each with its level")

    # -- phase 12 ---------------------------------------------------------------------

    def money(self) -> None:
        first, second = self.cast.first, self.cast.second
        (transfer,) = self.service.execute("SELECT tenancy.top_up(%s, 100, 'invoice 1')", [first.id]).fetchall()[0]
        self.truth.record(first.id, "transfer.create", transfer)
        self.service.execute("SELECT tenancy.charge(%s, %s, 12.5, 'order', 'order 1')", [first.id, second.id])
        (balance,) = self.act(self.cast.owner, first, "SELECT balance FROM tenancy.wallet()")
        (wrong,) = self.service.execute("SELECT count(*) FROM tenancy.reconcile()").fetchall()[0]
        if (balance, wrong) != (Decimal("87.5"), 0):
            raise RuntimeError(f"the wallet holds {balance}, and reconcile() finds {wrong} faults")
        self.tell(
            12, f"a service topped up the wallet of {first.name} with 100 euros, and charged 12.50 for {second.name}"
        )
        self.tell(12, f"{self.cast.owner.name} sees {balance:.2f} euros, and reconcile() finds no fault in the ledger")
