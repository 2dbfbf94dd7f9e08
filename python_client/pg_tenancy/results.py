"""The results of a workspace's calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

__all__ = [
    "AcceptedInvitation",
    "AccessRequest",
    "ApiKey",
    "CatalogEntry",
    "CatalogPreferences",
    "CostForecast",
    "Costs",
    "CostsBucket",
    "CostsNow",
    "CostsPart",
    "CostsWindow",
    "CurrentWorkspace",
    "Invitation",
    "InvitationPreview",
    "LegacyInstance",
    "Member",
    "Module",
    "NewApiKey",
    "NewInvitation",
    "NewSession",
    "OfferingCall",
    "OfferingEarnings",
    "Organization",
    "OrganizationChoice",
    "ProviderStatus",
    "Provisioning",
    "RecordedUsage",
    "ResolvedOffering",
    "Reversal",
    "Session",
    "Setting",
    "SettingLevel",
    "SharedOffering",
    "StatementEntry",
    "StatementProblem",
    "UsageRequest",
    "User",
    "Wallet",
]


@dataclass(frozen=True, slots=True)
class CurrentWorkspace:
    """The workspace of the transaction, as a banner shows it.

    ``id`` is the user's in a personal workspace, the organization's in an organization,
    and ``UUID(int=0)`` in the platform's workspace. ``slug`` is None except in an
    organization. ``role`` is None in a personal workspace, and ``staff`` in the platform's.
    """

    kind: Literal["personal", "organization", "platform"]
    id: UUID
    name: str
    slug: str | None
    role: str | None
    color: str | None
    plan: str


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization, as returned by the calls that create or change one."""

    id: UUID
    name: str
    slug: str
    created_by_user_id: UUID | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class OrganizationChoice:
    """One line of the switcher: an organization that the user may enter."""

    id: UUID
    name: str
    slug: str
    role: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class LegacyInstance:
    """An instance from before the migration, without an owner."""

    id: UUID
    provider_id: UUID
    model_id: UUID | None
    status: str
    created_at: datetime
    terminated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Member:
    """A person in the current organization."""

    user_id: UUID
    email: str
    username: str | None
    first_name: str | None
    last_name: str | None
    role: str
    member_since: datetime


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """A new invitation, with the only copy of its token.

    ``repr`` omits the token, so that it does not end up in a log.
    """

    id: UUID
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation to the current organization, and its outcome."""

    id: UUID
    email: str
    role: str
    status: Literal["pending", "accepted", "revoked", "expired"]
    invited_by_user_id: UUID | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class InvitationPreview:
    """The data shown to an invited person."""

    organization_name: str
    role: str
    account_exists: bool


@dataclass(frozen=True, slots=True)
class AcceptedInvitation:
    """The new member and the organization."""

    user_id: UUID
    organization_id: UUID


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A new API key, with the only copy of the key.

    ``repr`` omits the key, so that it does not end up in a log.
    """

    id: UUID
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as a list shows it; the key itself is not stored anywhere.

    ``organization_id`` is None for a personal key, ``expires_at`` for one that does not
    expire.
    """

    id: UUID
    user_id: UUID | None
    organization_id: UUID | None
    workspace_id: UUID | None
    name: str
    key_prefix: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewSession:
    """A new session, with the only copy of its token.

    ``repr`` omits the token, so that it does not end up in a log.
    """

    id: UUID
    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A session of the person, as a list shows it.

    ``organization_id`` is None in the personal workspace, ``client`` if it is unknown.
    """

    id: UUID
    is_current: bool
    organization_id: UUID | None
    client: str | None
    started_at: datetime
    last_seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class User:
    """An account, as platform staff list it; ``role`` is the platform's, ``admin`` for staff."""

    user_id: UUID
    email: str
    username: str | None
    first_name: str | None
    last_name: str | None
    role: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CostsNow:
    """The hourly cost of the running instances, and spending and earnings since the start of the day."""

    eur_per_hour: Decimal
    running_instances: int
    today_eur: Decimal
    today_earned_eur: Decimal
    today_starts_at: datetime


@dataclass(frozen=True, slots=True)
class Costs:
    """Spending and, separately, earnings as a provider.

    ``consumed_eur`` is ``instances_eur`` and ``inference_eur`` together. ``calls`` and
    ``total_tokens`` are those that the workspace made.
    """

    consumed_eur: Decimal
    earned_eur: Decimal
    instances_eur: Decimal
    inference_eur: Decimal
    calls: int
    total_tokens: int


@dataclass(frozen=True, slots=True)
class CostsWindow:
    """The costs of a period up to now."""

    starts_at: datetime
    ends_at: datetime
    costs: Costs


@dataclass(frozen=True, slots=True)
class CostsBucket:
    """The costs of a minute, an hour, a day or a month, identified by its start."""

    bucket_start: datetime
    costs: Costs


@dataclass(frozen=True, slots=True)
class CostsPart:
    """The costs of one value of the dimension; ``key`` is None for rows without a value."""

    key: str | None
    name: str | None
    costs: Costs


@dataclass(frozen=True, slots=True)
class CostForecast:
    """The future cost of the running instances, if they keep running."""

    horizon: str
    eur_per_hour: Decimal
    forecast_eur: Decimal


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting with its effective value in the workspace, and the level of the value.

    ``level`` is None if no level has a value. ``version`` is that of the workspace's own value,
    0 if it has none. A secret has no ``value``, but ``is_configured`` and, if it is the
    workspace's own, ``fingerprint``, which changes with the secret.
    """

    subject_id: UUID | None
    key: str
    scope: Literal["organization", "subject", "global"]
    value_type: Literal["int", "bool", "text", "json"]
    value: Any
    level: Literal["organization", "platform", "default"] | None
    locked: bool
    version: int
    is_secret: bool
    is_configured: bool
    fingerprint: str | None
    min_int: int | None
    max_int: int | None
    description: str | None


@dataclass(frozen=True, slots=True)
class SettingLevel:
    """The value of a setting on one level; ``counts`` is true for the effective one."""

    level: Literal["organization", "platform", "default"]
    value: Any
    is_set: bool
    counts: bool
    locked: bool
    version: int


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """Whether a provider is ready in the workspace, and the required settings that are missing."""

    provider_id: UUID
    name: str
    is_active: bool
    ready: bool
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the application; ``reason`` is None where it is visible."""

    key: str
    name: str
    path: str
    state: Literal["visible", "organization_required", "forbidden"]
    reason: str | None


@dataclass(frozen=True, slots=True)
class Provisioning:
    """Whether an instance can be created in the workspace, and if not, why; ``missing`` as ``provider: setting``."""

    allowed: bool
    state: Literal["ready", "forbidden", "no_provider", "settings_missing"]
    reason: str | None
    providers: tuple[UUID, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wallet:
    """The wallet of a workspace.

    ``held`` and ``granted`` are parts of ``balance``; ``available`` can be spent now, includes
    ``overdraft``, and is 0 while an amount is ``unpaid``. A copy of ``version`` and ``chain``,
    kept elsewhere, proves a later change of the ledger: see ``verify_statement()``.
    """

    workspace_id: UUID
    currency: str
    balance: Decimal
    held: Decimal
    granted: Decimal
    unpaid: Decimal
    overdraft: Decimal
    available: Decimal
    version: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """One entry of the workspace's statement; ``reference`` is None where another workspace paid."""

    version: int
    transfer_id: UUID
    kind: str
    reference: str | None
    amount: Decimal
    balance_after: Decimal
    occurred_at: datetime
    created_at: datetime
    digest: bytes
    chain: bytes


@dataclass(frozen=True, slots=True)
class StatementProblem:
    """An error in the workspace's statement."""

    problem: str
    transfer_id: UUID | None
    expected: str | None
    found: str | None


@dataclass(frozen=True, slots=True)
class CatalogPreferences:
    """The kinds of others' offerings that a workspace wants to see."""

    shows_public: bool
    shows_paid: bool
    shows_contracts: bool


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A public offering of another organization; ``name`` is for clients, ``title`` for people.

    ``eur_per_1k`` is this workspace's price; ``reason`` says why it may not use the offering now.
    """

    id: UUID
    name: str
    code: str
    organization_name: str
    title: str
    description: str | None
    model_id: UUID
    access_policy: str
    eur_per_1k: Decimal | None
    is_allowed: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class SharedOffering:
    """An offering that the workspace may use by a share, an agreement or a trial; ``ends_at`` is None for no end."""

    id: UUID
    name: str
    code: str
    title: str
    description: str | None
    model_id: UUID
    right_kind: Literal["share", "contract", "trial"]
    status: Literal["active", "paused", "upcoming", "used_up"]
    eur_per_1k: Decimal | None
    starts_at: datetime | None
    ends_at: datetime | None
    quota_tokens: int | None
    used_tokens: int | None


@dataclass(frozen=True, slots=True)
class ResolvedOffering:
    """The offering that a name refers to in the workspace.

    The ``kind`` ``model`` is a public model, without offering, organization and price. ``access`` is the
    right by which it may be used, ``reason`` says why it may not.
    """

    kind: Literal["offering", "model"]
    id: UUID | None
    model_id: UUID | None
    organization_id: UUID | None
    full_name: str | None
    is_allowed: bool
    reason: str | None
    access: str | None
    eur_per_1k: Decimal | None


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """A request that the workspace made or received; the other workspace is the provider or the requester."""

    id: UUID
    direction: Literal["made", "received"]
    offering_id: UUID
    name: str
    other_workspace_id: UUID
    other_name: str | None
    message: str | None
    status: Literal["pending", "approved", "denied"]
    created_at: datetime
    decided_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class UsageRequest:
    """A call for ``record_usages()``; the fields are the arguments of ``record_usage()``."""

    request_id: str
    offering_id: UUID | str
    input_tokens: int
    output_tokens: int
    occurred_at: datetime | None = None
    hold: UUID | str | None = None


@dataclass(frozen=True, slots=True)
class RecordedUsage:
    """A recorded call; ``replayed`` is True if it was recorded before.

    ``amount`` is ``charged`` and ``unpaid`` together, in euros.
    """

    request_id: str
    usage_id: UUID
    eur_per_1k: Decimal
    amount: Decimal
    charged: Decimal
    unpaid: Decimal
    replayed: bool


@dataclass(frozen=True, slots=True)
class Reversal:
    """The amount returned at once, and the amount that the provider still owes."""

    returned: Decimal
    owed: Decimal
    replayed: bool


@dataclass(frozen=True, slots=True)
class OfferingEarnings:
    """The totals of others' calls of an offering; ``code`` is None after the offering was deleted."""

    offering_id: UUID
    code: str | None
    calls: int
    total_tokens: int
    amount: Decimal
    unpaid: Decimal
    reversed: Decimal


@dataclass(frozen=True, slots=True)
class OfferingCall:
    """A call that an offering of the organization served."""

    usage_id: UUID
    occurred_at: datetime
    input_tokens: int
    output_tokens: int
    access: str
    eur_per_1k: Decimal
    amount: Decimal
    unpaid: Decimal
    reversed_at: datetime | None
