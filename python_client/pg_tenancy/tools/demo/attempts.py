"""Attempts that must be refused, each with the error that it must cause."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from pg_tenancy.tools.demo.data import Organization, Person
from pg_tenancy.tools.demo.truth import PLATFORM, Cast, Truth

__all__ = ["Attempt", "attempts"]

Step = tuple[str, list[Any]]

_COUNT: Final = "SELECT count(*) FROM public.organizations"
_KEEP: Final = "SELECT set_config(v.name, current_setting(v.name), false) FROM unnest(%s::text[]) AS v (name)"
_ALL_PERMISSIONS: Final = (
    "SELECT set_config('tenancy.context', regexp_replace(current_setting('tenancy.context'),"
    " '^(.{72})([01]+)_', '\\1' || repeat('1', 40) || '_'), true)"
)
_VARIABLES: Final = [
    "tenancy.current_user_id",
    "tenancy.current_organization_id",
    "tenancy.context",
]
_UNKNOWN: Final = UUID(int=0xDEAD, version=4)


@dataclass
class Attempt:
    """An attempt that must be refused.

    Attributes:
        what: what is tried.
        wanted: SQLSTATE and name of the error that it must cause; None if it must find no rows.
        steps: statements with their values; the last one must be refused.
        alike: attempts with the same value here must cause the same error.
        got: SQLSTATE and name of the actual error.
        message: the server's message or answer.

    """

    what: str
    wanted: tuple[str, str] | None
    steps: list[Step]
    alike: str = ""
    got: tuple[str, str] | None = None
    message: str = ""
    failures: list[str] = field(default_factory=list)


def attempts(truth: Truth, cast: Cast) -> list[Attempt]:
    """Return all attempts, before they are made."""
    return [
        *_of_the_context(cast),
        *_of_organizations(cast),
        *_of_invitations(truth, cast),
        *_of_api_keys(truth, cast),
        *_of_instances(truth, cast),
        *_of_models(truth, cast),
        *_of_users(truth, cast),
    ]


def _enter_with(key: str) -> list[Step]:
    return [("BEGIN", []), ("SELECT tenancy.enter_with_api_key(%s)", [key])]


def _enter(person: Person, organization: Organization | None) -> list[Step]:
    identity = [person.id, organization.id if organization else None]
    return [("BEGIN", []), ("SELECT tenancy.enter(%s, %s)", identity)]


def _of_the_context(cast: Cast) -> list[Attempt]:
    first, second = cast.first, cast.second
    other = cast.other_owner
    elsewhere = [str(first.id)]
    set_organization = "SELECT set_config('tenancy.current_organization_id', %s, true)"
    nowhere = Organization(_UNKNOWN, "")
    forged: list[Step] = [
        ("BEGIN", []),
        ("SELECT set_config('tenancy.current_user_id', %s, true)", [str(cast.owner.id)]),
        (set_organization, elsewhere),
        # In the right format: key id, seal, permissions, role, no credential.
        ("SELECT set_config('tenancy.context', %s, true)", ["0" * 72 + "1" * 100 + "_owner_"]),
        (_COUNT, []),
    ]
    return [
        Attempt(
            f"{other.name}, not a member, enters {first.name}",
            ("28000", "not_a_member"),
            _enter(other, first),
            "strangers",
        ),
        Attempt(
            f"{other.name} enters an organization that does not exist",
            ("28000", "not_a_member"),
            _enter(other, nowhere),
            "strangers",
        ),
        Attempt("a query without a context", ("28000", "no_context"), [("BEGIN", []), (_COUNT, [])]),
        Attempt(f"SET by hand: {cast.owner.name} in {first.name}", ("28000", "invalid_context"), forged),
        Attempt(
            f"{other.name} enters {second.name}, then SETs {first.name}",
            ("28000", "invalid_context"),
            [*_enter(other, second), (set_organization, elsewhere), (_COUNT, [])],
        ),
        Attempt(
            f"{cast.user.name}, a user, claims an owner's permissions by SET",
            ("28000", "invalid_context"),
            [*_enter(cast.user, first), (_ALL_PERMISSIONS, []), (_COUNT, [])],
        ),
        Attempt(
            "a context copied into the next transaction",
            ("28000", "invalid_context"),
            [*_enter(cast.owner, first), (_KEEP, [_VARIABLES]), ("COMMIT", []), ("BEGIN", []), (_COUNT, [])],
        ),
        Attempt(
            "the context after COMMIT",
            ("28000", "no_context"),
            [*_enter(cast.owner, first), ("COMMIT", []), ("BEGIN", []), (_COUNT, [])],
        ),
        Attempt(
            f"{cast.owner.name} enters {first.name} and, in the same transaction, {second.name}",
            ("28000", "context_already_set"),
            [*_enter(cast.owner, first), *_enter(cast.owner, second)[1:]],
        ),
        Attempt(
            "a workspace outside a transaction",
            ("25P01", "transaction_required"),
            [(f"SELECT tenancy.enter('{cast.owner.id}', '{first.id}')", [])],
        ),
    ]


def _of_organizations(cast: Cast) -> list[Attempt]:
    first, second = cast.first, cast.second
    other = cast.other_owner
    return [
        Attempt(
            f"{other.name} asks for {first.name} by its id, in {second.name}",
            None,
            [*_enter(other, second), ("SELECT name FROM public.organizations WHERE id = %s", [first.id])],
        ),
        Attempt(
            f"{cast.user.name}, a user, makes {cast.owner.name} a user",
            ("42501", "permission_denied"),
            [*_enter(cast.user, first), ("SELECT tenancy.change_member_role(%s, 'user')", [cast.owner.id])],
        ),
        Attempt(
            f"{cast.admin.name}, an admin, becomes an owner",
            ("42501", "delegation_denied"),
            [*_enter(cast.admin, first), ("SELECT tenancy.change_member_role(%s, 'owner')", [cast.admin.id])],
        ),
        Attempt(
            f"{cast.owner.name}, the last owner, leaves {first.name}",
            ("23514", "organization_keeps_an_owner"),
            [*_enter(cast.owner, first), ("SELECT tenancy.leave_organization()", [])],
        ),
        Attempt(
            f"{cast.user.name} writes the memberships without the functions",
            ("42501", ""),
            [*_enter(cast.user, first), ("UPDATE public.organization_memberships SET role = 'owner'", [])],
        ),
        Attempt(
            f"{cast.staff.name}, platform staff, enters {first.name}",
            ("28000", "not_a_member"),
            _enter(cast.staff, first),
        ),
        Attempt(
            f"{cast.owner.name} empties the audit log of {first.name}",
            ("42501", ""),
            [*_enter(cast.owner, first), ("DELETE FROM tenancy.audit_log", [])],
        ),
    ]


def _of_invitations(truth: Truth, cast: Cast) -> list[Attempt]:
    first = cast.first
    invite = "SELECT tenancy.invite_member('somebody@example.com', %s)"
    return [
        *(
            Attempt(
                what,
                ("28000", "invalid_invitation"),
                [("BEGIN", []), ("SELECT tenancy.accept_invitation(%s)", [token])],
                "tokens",
            )
            for what, token in (
                (f"the invitation of {cast.guest.name} is used a second time", truth.secrets["used invitation"]),
                ("a revoked invitation is used", truth.secrets["revoked invitation"]),
                ("an invented invitation is used", "inv_" + "0" * 64),
            )
        ),
        Attempt(
            f"{cast.user.name}, a user, invites somebody",
            ("42501", "permission_denied"),
            [*_enter(cast.user, first), (invite, ["user"])],
        ),
        Attempt(
            f"{cast.manager.name}, a manager, invites an admin",
            ("42501", "delegation_denied"),
            [*_enter(cast.manager, first), (invite, ["admin"])],
        ),
        Attempt(
            f"{cast.owner.name} reads the hashes of the tokens",
            ("42501", ""),
            [*_enter(cast.owner, first), ("SELECT token_hash FROM tenancy.invitations", [])],
        ),
    ]


def _of_api_keys(truth: Truth, cast: Cast) -> list[Attempt]:
    first = cast.first
    key, other = truth.secrets["organization's key"], cast.other_owner
    revoke = "SELECT tenancy.revoke_api_key(%s)"
    return [
        *(
            Attempt(what, ("28000", "invalid_api_key"), _enter_with(secret), "keys")
            for what, secret in (
                ("a revoked key", truth.secrets["revoked key"]),
                ("an invented key", "pgt_00000000_" + "0" * 64),
            )
        ),
        Attempt(
            f"the key of {first.name} creates another key",
            ("42501", "person_required"),
            [*_enter_with(key), ("SELECT tenancy.create_api_key('one more')", [])],
        ),
        Attempt(
            f"the key of {first.name}, which has the role user, starts an instance",
            ("42501", "permission_denied"),
            [
                *_enter_with(key),
                ("INSERT INTO public.instances (provider_id, status) VALUES (%s, 'ready')", [truth.provider]),
            ],
        ),
        Attempt(
            f"the key of {cast.nobody.name} creates an organization",
            ("42501", "person_required"),
            [*_enter_with(truth.secrets["person's key"]), ("SELECT tenancy.create_organization('Mine')", [])],
        ),
        Attempt(
            f"the key of {cast.nobody.name} renames itself",
            ("42501", "person_required"),
            [*_enter_with(truth.secrets["person's key"]), ("UPDATE public.api_keys SET name = 'x'", [])],
        ),
        Attempt(
            f"{cast.user.name}, a user, revokes a key of {first.name}",
            ("42501", "permission_denied"),
            [*_enter(cast.user, first), (revoke, [truth.api_key(first.id)])],
        ),
        Attempt(
            f"{other.name} revokes a key of {first.name} by its id, in {cast.second.name}",
            ("P0002", "api_key_not_found"),
            [*_enter(other, cast.second), (revoke, [truth.api_key(first.id)])],
        ),
        Attempt(
            f"{cast.owner.name} reads the hashes of the keys",
            ("42501", ""),
            [*_enter(cast.owner, first), ("SELECT key_hash FROM public.api_keys", [])],
        ),
    ]


def _of_instances(truth: Truth, cast: Cast) -> list[Attempt]:
    first, other = cast.first, cast.other_owner
    terminate = "SELECT tenancy.terminate_instance(%s)"
    ready = truth.instance(first.id, "ready")
    return [
        Attempt(
            f"{cast.user.name}, a user, terminates an instance",
            ("42501", "permission_denied"),
            [*_enter(cast.user, first), (terminate, [ready])],
        ),
        Attempt(
            f"{cast.admin.name} terminates an instance that is terminating",
            ("55000", "instance_state"),
            [*_enter(cast.admin, first), (terminate, [truth.instance(first.id, "terminating")])],
        ),
        Attempt(
            f"{cast.admin.name} reinstalls it",
            ("55000", "instance_state"),
            [
                *_enter(cast.admin, first),
                ("SELECT tenancy.reinstall_instance(%s)", [truth.instance(first.id, "terminating")]),
            ],
        ),
        *(
            Attempt(what, ("P0002", "instance_not_found"), [*_enter(other, cast.second), (terminate, [number])], "ids")
            for what, number in (
                (f"{other.name} terminates an instance of {first.name} by its id, in {cast.second.name}", ready),
                (f"{other.name} terminates an instance that does not exist", _UNKNOWN),
            )
        ),
        Attempt(
            f"{other.name} asks for an instance of {first.name} by its id",
            None,
            [*_enter(other, cast.second), ("SELECT status FROM public.instances WHERE id = %s", [ready])],
        ),
        Attempt(
            f"{cast.nobody.name} changes a legacy instance",
            None,
            [
                *_enter(cast.nobody, None),
                (
                    "UPDATE public.instances SET gpu_profile = '\"mine\"' WHERE id = %s RETURNING id",
                    [truth.instance(PLATFORM)],
                ),
            ],
        ),
        Attempt(
            f"{cast.nobody.name}, who is not platform staff, enters the platform's workspace",
            ("28000", "not_a_member"),
            [("BEGIN", []), ("SELECT tenancy.enter_platform(%s)", [cast.nobody.id])],
        ),
        Attempt(
            f"{cast.owner.name} moves an instance to {cast.second.name}",
            ("42501", ""),
            [*_enter(cast.owner, first), ("UPDATE public.instances SET organization_id = %s", [cast.second.id])],
        ),
    ]


def _of_models(truth: Truth, cast: Cast) -> list[Attempt]:
    first, other = cast.first, cast.other_owner
    private, public = truth.model(first.id), truth.model(PLATFORM)
    delete = "SELECT tenancy.delete_model(%s)"
    return [
        Attempt(
            f"{other.name} asks for the model of {first.name} by its id, in {cast.second.name}",
            None,
            [*_enter(other, cast.second), ("SELECT name FROM public.models WHERE id = %s", [private])],
        ),
        *(
            Attempt(
                what,
                ("23503", "instances_model_id_fkey"),
                [
                    *_enter(other, cast.second),
                    (
                        "INSERT INTO public.instances (provider_id, model_id, status) VALUES (%s, %s, 'ready')",
                        [truth.provider, model],
                    ),
                ],
                "models",
            )
            for what, model in (
                (f"{other.name} starts an instance with the model of {first.name}, in {cast.second.name}", private),
                (f"{other.name} starts one with a model that does not exist", _UNKNOWN),
            )
        ),
        Attempt(
            f"{cast.owner.name} deletes a public model",
            ("P0002", "model_not_found"),
            [*_enter(cast.owner, first), (delete, [public])],
        ),
        Attempt(
            f"{cast.nobody.name} creates a public model",
            ("42501", "permission_denied"),
            [
                *_enter(cast.nobody, None),
                ("INSERT INTO public.models (name, model_id) VALUES ('mine', 'mine/mine')", []),
            ],
        ),
        Attempt(
            f"{cast.admin.name} deletes the model of {first.name} that an instance uses",
            ("23503", "model_in_use"),
            [*_enter(cast.admin, first), (delete, [private])],
        ),
    ]


def _of_users(truth: Truth, cast: Cast) -> list[Attempt]:
    first, second, other = cast.first, cast.second, cast.other_owner
    there = truth.members(second.id)
    stranger = next(truth.people[person] for person in truth.members(first.id) if person not in there)
    member = next(truth.people[person] for person, role in truth.members(first.id).items() if role == "user")
    return [
        Attempt(
            f"{other.name} asks for the account of {stranger.name}, in {second.name}",
            None,
            [*_enter(other, second), ("SELECT email FROM public.users WHERE id = %s", [stranger.id])],
        ),
        Attempt(
            f"{cast.owner.name} selects password_hash",
            ("42501", ""),
            [*_enter(cast.owner, first), ("SELECT password_hash FROM public.users", [])],
        ),
        Attempt(
            f"{cast.owner.name} changes the e-mail address of {member.name}",
            ("42501", "credentials_denied"),
            [*_enter(cast.owner, first), ("SELECT tenancy.update_user(%s, email => 'a@example.com')", [member.id])],
        ),
        Attempt(
            f"{cast.admin.name}, an admin, changes the name of {cast.owner.name}, an owner",
            ("42501", "delegation_denied"),
            [*_enter(cast.admin, first), ("SELECT tenancy.update_user(%s, last_name => 'X')", [cast.owner.id])],
        ),
        Attempt(
            f"{cast.nobody.name} deletes the account of {cast.founder.name}",
            ("42501", "permission_denied"),
            [*_enter(cast.nobody, None), ("SELECT tenancy.delete_user(%s)", [cast.founder.id])],
        ),
        Attempt(
            f"{cast.founder.name}, the last owner of Café Zürich, deletes the account",
            ("23514", "organization_keeps_an_owner"),
            [*_enter(cast.founder, None), ("SELECT tenancy.delete_user(%s)", [cast.founder.id])],
        ),
    ]
