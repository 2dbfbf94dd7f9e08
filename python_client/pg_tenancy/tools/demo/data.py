"""The sample rows of the demonstration's platform, the same in every run."""

from __future__ import annotations

import hashlib
import json
import random
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from pg_tenancy.tools.demo.words import (
    COMPANY_FIRST,
    COMPANY_LAST,
    FIRST_NAMES,
    GPU_PROFILES,
    LAST_NAMES,
    MODELS,
    PROVIDERS,
)

__all__ = ["COLUMNS", "ROLES", "Organization", "Person", "Platform", "generate"]

ROLES: Final = ("owner", "admin", "manager", "user")

COLUMNS: Final[dict[str, str]] = {
    "public.users": "id email username first_name last_name password_hash role created_at updated_at",
    "public.organizations": "id name slug created_by_user_id created_at updated_at",
    "public.organization_memberships": "organization_id user_id role created_at",
    "public.providers": "id name",
    "public.provider_settings": "id provider_id key value_int value_bool value_text value_json",
    "public.models": "id name model_id required_vram_gb context_length is_active metadata",
    "public.instances": "id provider_id model_id status ip_address gpu_profile hourly_price_eur created_at "
    "terminated_at",
    "public.api_keys": "id user_id name key_prefix key_hash created_at last_used_at revoked_at",
    "public.organization_models": "id organization_id model_id name code description is_active",
    "public.organization_model_shares": "id provider_organization_id consumer_organization_id organization_model_id "
    "status pricing starts_at ends_at",
    "finops.inference_usage": "id occurred_at customer_id api_key_id model_id instance_id input_tokens output_tokens "
    "total_tokens unit_price_eur_per_1k_tokens charged_amount_eur provider_organization_id consumer_organization_id "
    "organization_model_id",
    "finops.cost_actual_minute": "bucket_minute provider_id instance_id amount_eur",
}
"""The tables, in the order in which they can be filled, with their columns."""

_START: Final = datetime(2024, 1, 8, 8, 0, tzinfo=timezone.utc)
_DAYS: Final = 660


@dataclass(frozen=True)
class Person:
    """A row of ``users``."""

    id: UUID
    name: str
    email: str
    created_at: datetime
    is_staff: bool = False


@dataclass(frozen=True)
class Organization:
    """A row of ``organizations``."""

    id: UUID
    name: str


@dataclass
class Platform:
    """All rows of the old platform."""

    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: {table: [] for table in COLUMNS})
    people: list[Person] = field(default_factory=list)
    organizations: list[Organization] = field(default_factory=list)
    memberships: dict[tuple[UUID, UUID], str] = field(default_factory=dict)
    """(organization, person) to role."""

    def members(self, organization: Organization, role: str | None = None) -> list[Person]:
        """Return an organization's members, of one role or all, in the order they joined."""
        known = {person.id: person for person in self.people}
        return [
            known[person_id]
            for (organization_id, person_id), held in self.memberships.items()
            if organization_id == organization.id and role in (None, held)
        ]

    def outsiders(self) -> list[Person]:
        """Return the people without an organization."""
        inside = {person_id for _, person_id in self.memberships}
        return [person for person in self.people if person.id not in inside]


class _Generator:
    """Generates a platform. The order of the calls affects the result."""

    def __init__(self, scale: float) -> None:
        # Seeded, because the rows must be the same in every run; not for secrets.
        self.random = random.Random("pg-tenancy")  # noqa: S311
        self.scale = scale
        self.platform = Platform()

    def many(self, count: int) -> int:
        return max(3, round(count * self.scale))

    def uuid(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def moment(self, after: datetime = _START, days: float = _DAYS) -> datetime:
        last = _START + timedelta(days=_DAYS)
        seconds = min((last - after).total_seconds(), days * 86400)
        return after + timedelta(seconds=int(self.random.uniform(0, seconds)))

    def secret_hash(self, text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    def add(self, table: str, *values: Any) -> None:
        self.platform.rows[table].append(values)

    def ids(self, table: str) -> list[UUID]:
        return [row[0] for row in self.platform.rows[table]]

    def generate(self) -> Platform:
        self.users()
        self.make_organizations()
        self.providers_and_models()
        self.instances()
        self.api_keys()
        self.offerings()
        self.usage()
        self.costs()
        return self.platform

    def users(self) -> None:
        taken: set[str] = set()
        for number in range(self.many(3000)):
            first, last = self.random.choice(FIRST_NAMES), self.random.choice(LAST_NAMES)
            username = base = f"{_ascii(first)}.{_ascii(last)}"
            suffix = 1
            while username in taken:
                suffix += 1
                username = f"{base}{suffix}"
            taken.add(username)
            staff = number < 5
            domain = "platform.example" if staff else self.random.choice(("example.com", "example.org", "example.net"))
            person = Person(self.uuid(), f"{first} {last}", f"{username}@{domain}", self.moment(days=500), staff)
            self.platform.people.append(person)
            self.add(
                "public.users",
                person.id,
                person.email,
                username,
                first,
                last,
                f"scrypt${self.secret_hash(person.email)}",
                "admin" if staff else "user",
                person.created_at,
                self.moment(person.created_at),
            )

    def make_organizations(self) -> None:
        taken: set[str] = set()
        staff, everybody = self.platform.people[:5], self.platform.people[5:]
        # Two thirds of the people have no organization.
        joiners = everybody[: len(everybody) // 3]
        for number in range(self.many(80)):
            name = f"{self.random.choice(COMPANY_FIRST)} {self.random.choice(COMPANY_LAST)}"
            while name in taken:
                name = f"{self.random.choice(COMPANY_FIRST)} {self.random.choice(COMPANY_LAST)}"
            taken.add(name)
            organization = Organization(self.uuid(), name)
            self.platform.organizations.append(organization)
            size = min(len(joiners) // 2, 48 if number == 0 else self.random.randint(4, 30))
            members = self.random.sample(joiners, size)
            # The first organization has one owner, who is a manager in the second
            # and a user in the third; a member of the staff is a user in the second.
            if number == 0:
                roles = ["owner", "admin", "admin", "manager", "manager"]
            else:
                first_owner = self.platform.members(self.platform.organizations[0], "owner")[0]
                members = [person for person in members if person != first_owner]
                roles = ["owner"] * self.random.choice((1, 1, 1, 2)) + ["admin", "manager"]
            if number == 1:
                # Its owner is not a member of the first one.
                inside = self.platform.members(self.platform.organizations[0])
                members.sort(key=lambda person: person in inside)
                members[2:2] = [first_owner]
                roles = ["owner", "admin", "manager"]
                members.append(staff[0])
            elif number == 2:
                members.append(first_owner)
            created = self.moment(max(person.created_at for person in members), days=60)
            self.add(
                "public.organizations",
                organization.id,
                name,
                _ascii(name).replace(" ", "-"),
                members[0].id,
                created,
                self.moment(created),
            )
            joined = created
            for position, person in enumerate(members):
                role = roles[position] if position < len(roles) else "user"
                self.platform.memberships[organization.id, person.id] = role
                self.add("public.organization_memberships", organization.id, person.id, role, joined)
                joined = self.moment(joined, days=20)

    def providers_and_models(self) -> None:
        for name in PROVIDERS:
            provider = self.uuid()
            self.add("public.providers", provider, name)
            for key, values in (
                ("max_instances", (self.random.randint(10, 400), None, None, None)),
                ("spot_allowed", (None, self.random.random() < 0.5, None, None)),
                ("region", (None, None, self.random.choice(("eu-west-1", "eu-north-2", "eu-central-1")), None)),
                ("retry", (None, None, None, json.dumps({"attempts": self.random.randint(2, 6), "wait_s": 30}))),
            ):
                self.add("public.provider_settings", self.uuid(), provider, key, *values)
        for hub_name, memory, context in MODELS:
            self.add(
                "public.models",
                self.uuid(),
                hub_name.split("/")[1].replace("-", " "),
                hub_name,
                memory,
                context,
                self.random.random() < 0.9,
                json.dumps({"publisher": hub_name.split("/")[0], "quantized": False}),
            )

    def instances(self) -> None:
        models = [(row[0], row[3]) for row in self.platform.rows["public.models"]]
        for number in range(self.many(900)):
            profile, memory, price = self.random.choice(GPU_PROFILES)
            model = self.random.choice([model_id for model_id, needed in models if needed <= memory])
            created = self.moment()
            status = self.random.choices(
                ("ready", "terminated", "provisioning", "failed"), weights=(30, 60, 4, 6), k=1
            )[0]
            self.add(
                "public.instances",
                self.uuid(),
                self.random.choice(self.ids("public.providers")),
                model,
                status,
                f"10.{number // 62500}.{number // 250 % 250}.{number % 250 + 1}",
                profile,
                Decimal(price),
                created,
                self.moment(created, days=40) if status == "terminated" else None,
            )

    def api_keys(self) -> None:
        for person in self.platform.people:
            for _ in range(self.random.choices((0, 1, 2, 3), weights=(50, 30, 15, 5), k=1)[0]):
                created = self.moment(person.created_at)
                self.add(
                    "public.api_keys",
                    self.uuid(),
                    person.id,
                    self.random.choice(("ci", "laptop", "notebook", "production", "staging", "evaluation")),
                    f"gpk_{self.random.getrandbits(40):010x}",
                    self.secret_hash(str(self.random.getrandbits(256))),
                    created,
                    self.moment(created) if self.random.random() < 0.8 else None,
                    self.moment(created) if self.random.random() < 0.1 else None,
                )

    def offerings(self) -> None:
        models = self.platform.rows["public.models"]
        organizations = self.platform.organizations
        for organization in organizations[::3]:
            model = self.random.choice(models)
            offering = self.uuid()
            code = self.random.choice(("sales-bot", "support-bot", "summaries", "translations", "code-review"))
            self.add(
                "public.organization_models",
                offering,
                organization.id,
                model[0],
                code.replace("-", " ").capitalize(),
                code,
                f"{model[1]}, tuned by {organization.name}",
                True,
            )
            for consumer in self.random.sample(organizations, min(2, len(organizations))):
                if consumer != organization:
                    self.add(
                        "public.organization_model_shares",
                        self.uuid(),
                        organization.id,
                        consumer.id,
                        offering,
                        self.random.choice(("active", "active", "paused")),
                        json.dumps({"eur_per_1k_tokens": self.random.choice(("0.0020", "0.0040", "0.0150"))}),
                        self.moment(),
                        None,
                    )

    def usage(self) -> None:
        keys = [(row[0], row[1]) for row in self.platform.rows["public.api_keys"]]
        instances = [(row[0], row[2]) for row in self.platform.rows["public.instances"]]
        shares = self.platform.rows["public.organization_model_shares"]
        for _ in range(self.many(30000)):
            key, customer = self.random.choice(keys)
            instance, model = self.random.choice(instances)
            tokens_in, tokens_out = self.random.randint(20, 4000), self.random.randint(1, 1500)
            price = Decimal(self.random.choice(("0.0004", "0.0009", "0.0021", "0.0040")))
            shared = self.random.choice(shares) if shares and self.random.random() < 0.2 else None
            self.add(
                "finops.inference_usage",
                self.uuid(),
                self.moment(),
                customer,
                key,
                model,
                instance,
                tokens_in,
                tokens_out,
                tokens_in + tokens_out,
                price,
                (price * (tokens_in + tokens_out) / 1000).quantize(Decimal("0.000001")),
                *((shared[1], shared[2], shared[3]) if shared else (None, None, None)),
            )

    def costs(self) -> None:
        instances = self.platform.rows["public.instances"]
        for row in self.random.sample(instances, min(len(instances), self.many(100))):
            minute = self.moment(row[7], days=30).replace(second=0)
            for number in range(180):
                self.add(
                    "finops.cost_actual_minute",
                    minute + timedelta(minutes=number),
                    row[1],
                    row[0],
                    (row[6] / 60).quantize(Decimal("0.000001")),
                )


def _ascii(text: str) -> str:
    special = {"ø": "o", "ß": "ss", "æ": "ae"}
    letters = unicodedata.normalize("NFKD", "".join(special.get(letter, letter) for letter in text.lower()))
    return letters.encode("ascii", "ignore").decode()


def generate(scale: float = 1.0) -> Platform:
    """Return the platform's rows.

    Args:
        scale: a factor for the number of rows: 1 gives about 55,000, 0.05 is enough for a test.

    """
    return _Generator(scale).generate()
