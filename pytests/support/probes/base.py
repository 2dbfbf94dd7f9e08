"""Common to all probes: the form of questions, their database, and the ways to run them."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import takewhile
from typing import Any
from uuid import uuid4

import psycopg

from support.database import Database
from support.people import People
from support.racing import Session, name_of
from support.server import Logins

__all__ = [
    "CONTEXT",
    "COUNTED_APART",
    "ENTER",
    "ENTER_PLATFORM",
    "ENTER_WITH_KEY",
    "IMMEDIATE",
    "KEEPS",
    "NIL",
    "ONE",
    "REPLICA",
    "SET",
    "WAIT",
    "Probe",
    "Probed",
    "Question",
    "error_of",
    "later",
    "superuser",
    "two_sessions",
    "without",
]

# login, user, organization, statements, and the last one's result or the error's name. A login of
# None is the superuser; "as LOGIN" and "enter USER ORGANIZATION" among the statements change the
# acting role, within one transaction. The organization may be None or "platform", and "serve USER
# ORGANIZATION" enters as a service. "{ann}" is Ann's id.
Question = tuple[str | None, str | None, str | None, str | list[str], Any]

NIL = "00000000-0000-0000-0000-000000000000"
ENTER = "SELECT tenancy.enter(%s, %s)"
ENTER_AS_SERVICE = "SELECT tenancy.enter_as_service(%s, %s)"
ENTER_PLATFORM = "SELECT tenancy.enter_platform(%s)"
ENTER_WITH_KEY = "SELECT tenancy.enter_with_api_key('{}-1')"
SET = "SELECT set_config('tenancy.{}', '{}', true)"
# A sealed context: the key (8), the seal (64), 46 characters for permissions, the role and the
# credential.
CONTEXT = "current_setting('tenancy.context')"
# From then on no parameter carries the context, as on servers where it cannot be granted.
SEALED = (
    "CREATE OR REPLACE FUNCTION tenancy_private.may_carry() RETURNS boolean"
    " LANGUAGE sql STABLE PARALLEL SAFE RETURN false"
)
IMMEDIATE = "SET CONSTRAINTS ALL IMMEDIATE"
REPLICA = "SET LOCAL session_replication_role = replica"
# A ROLLBACK does not return used numbers, unless the sequence itself was replaced.
COUNTED_APART = "ALTER TABLE tenancy.permissions ALTER number RESTART"
ONE = "WITH done AS ({}) SELECT count(*) FROM done"
WAIT = "SET LOCAL lock_timeout = '40ms'"
KEEPS = "organization_keeps_an_owner"


def superuser(statements: str | list[str], answer: Any) -> Question:
    """Ask as the superuser, or as the roles in the statements."""
    return (None, None, None, statements, answer)


def later(first: list[str], then: str, answer: Any, login: str = "app") -> Question:
    """Check, as the superuser, the result of somebody's action."""
    return superuser([f"as {login}", *first, "as None", then], answer)


def without(trigger: str, table: str, who: str, statement: str, answer: Any, *before: str) -> Question:
    """Ask what the policies refuse without a trigger."""
    return superuser(
        [f"ALTER TABLE {table} DISABLE TRIGGER {trigger}", *before, "as app", f"enter {who}", statement], answer
    )


def error_of(connection: psycopg.Connection[Any], statement: str, *values: Any) -> str:
    """Run a statement, and return ``done`` or the error's name."""
    try:
        connection.execute(statement, values or None)
    except psycopg.Error as error:
        return name_of(error)
    return "done"


@dataclass(frozen=True)
class Probe:
    """One question, with the text by which it is found."""

    text: str
    ask: Callable[[Probed], None]
    # The superuser's first steps of a question; None for another kind of probe.
    begins: tuple[str, ...] | None = None

    @classmethod
    def of(cls, question: Question) -> Probe:
        """Make a probe of a question."""
        login, user, organization, statements, wanted = question

        def ask(probed: Probed) -> None:
            found = probed.ask(login, user, organization, statements)
            assert found == probed.filled(wanted), (question, found)

        who = " ".join(name for name in (login or "superuser", user, organization) if name)
        begins = () if login or user or isinstance(statements, str) else _beginning(statements)
        return cls(f"{who}: {statements if isinstance(statements, str) else '; '.join(statements)}", ask, begins)

    def answers_wrong(self, probed: Probed) -> bool:
        """Ask, and return whether the answer is wrong."""
        try:
            self.ask(probed)
        except (AssertionError, psycopg.Error):
            return True
        return False


def _beginning(steps: list[str]) -> tuple[str, ...]:
    """Return the steps before the last one, up to the first in which anybody else acts."""
    return tuple(takewhile(lambda step: step.partition(" ")[0] not in {"as", "enter", "serve"}, steps[:-1]))


class Probed:
    """A database with a few people, which every probe leaves unchanged.

    Args:
        database: with the whole plan deployed, and no users' rows.
        logins: the run's.
        stack: closes the connections.

    """

    admin: psycopg.Connection[Any]
    connections: dict[str | None, psycopg.Connection[Any]]
    lone: psycopg.Connection[Any]

    def __init__(self, database: Database, logins: Logins, stack: ExitStack) -> None:
        self.database = database
        self.logins = {
            "app": logins.app,
            "service": logins.service,
            "auditor": logins.auditor,
            "credentialed": logins.credentialed,
        }
        self._open = stack.enter_context(ExitStack())
        # The kept beginning, with a savepoint after each step; None if it is not kept.
        self._kept: list[str] | None = None
        self.connect()
        self.ids = {"nobody": "99999999-0000-4000-8000-000000000000", "platform": NIL}
        _people_and_invitations(self.admin, self.ids)
        _rows_of_tenants(self.admin, self.ids)
        _settings(self.admin, self.ids)
        _offerings(self.admin, self.ids)
        _money(self.admin, self.ids)
        _sessions(self.admin, self.ids)
        row = self.admin.execute("SELECT key_id, secret FROM tenancy.create_ticket_key()").fetchone()
        assert row is not None
        self.key, self.secret = row

    def connect(self) -> None:
        """Open the connections, or replace them."""
        self._open.close()
        self.admin = self._open.enter_context(self.database.connect(autocommit=True))
        # With this path the name of every object is qualified.
        self.admin.execute("SET search_path = pg_catalog")
        self.connections = {
            name: self._open.enter_context(self.database.connect(login))
            for name, login in [(None, None), *self.logins.items(), ("other", self.logins["app"])]
        }
        self.lone = self._open.enter_context(self.database.connect(self.logins["app"], autocommit=True))
        # A prepared statement would be several messages.
        self.lone.prepare_threshold = None

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Run the common beginning of consecutive questions to the superuser only once.

        Creating and protecting tables takes longer than the questions about them. Until the end of the
        block nobody else can use those tables, so ask only with ``ask``.
        """
        self._kept = []
        try:
            yield
        finally:
            self._let_go()
            self._kept = None

    def _let_go(self) -> None:
        if self._kept:
            self.connections[None].rollback()
            self._kept = []

    def _begin(self, beginning: tuple[str, ...]) -> None:
        """Go to the end of a question's beginning, from the point up to which it equals the last question's."""
        connection, kept = self.connections[None], self._kept
        assert kept is not None
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(kept, beginning, strict=False)))
        if same == 0:
            self._let_go()
        elif same < len(kept):
            connection.execute(f"ROLLBACK TO SAVEPOINT kept_{same}")
            del kept[same:]
        for step in beginning[same:]:
            connection.execute(self.filled(step))
            kept.append(step)
            connection.execute(f"SAVEPOINT kept_{len(kept)}")

    def ask(self, login: str | None, user: str | None, organization: str | None, statements: str | list[str]) -> Any:
        """Run statements in one transaction, which is rolled back, and return the last rows or the error's name."""
        connection = self.connections[login]
        steps = [statements] if isinstance(statements, str) else statements
        beginning = _beginning(steps) if self._kept is not None and (login, user) == (None, None) else ()
        if any("rotate_seal_key" in step for step in steps):
            # Its key is looked up below.
            beginning = ()
        if user is not None:
            steps = [f"enter {user} {organization}", *steps]
        try:
            if beginning:
                self._begin(beginning)
            else:
                self._let_go()
            for step in steps[len(beginning) :]:
                verb, _, rest = step.partition(" ")
                if verb == "as":
                    connection.execute(
                        "RESET SESSION AUTHORIZATION"
                        if rest == "None"
                        else f"SET LOCAL SESSION AUTHORIZATION {self.logins[rest]}"
                    )
                elif step.endswith(" platform") and verb == "enter":
                    connection.execute(ENTER_PLATFORM, [self.ids[rest.split()[0]]])
                elif verb in {"enter", "serve"}:
                    who, where = rest.split()
                    entering = ENTER if verb == "enter" else ENTER_AS_SERVICE
                    connection.execute(entering, [self.ids[who], self.ids.get(where)])
                else:
                    cursor = connection.execute(self.filled(step))
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            return name_of(error)
        finally:
            if beginning and self._kept:
                connection.execute(f"ROLLBACK TO SAVEPOINT kept_{len(self._kept)}")
            else:
                connection.rollback()
            if any("rotate_seal_key" in step for step in steps):
                # A sequence is not rolled back, and every later verification would read the key.
                self.admin.execute(
                    "SELECT setval('tenancy.seal_rotations', max(rotation)) FROM tenancy_private.seal_keys"
                )

    def filled(self, thing: Any) -> Any:
        """Return a text, or rows with texts, with names replaced by ids."""
        if isinstance(thing, str):
            return re.sub(r"\{(\w+)\}", lambda name: self.ids.get(name[1], name[0]), thing)
        if isinstance(thing, list):
            return [tuple(self.filled(cell) if isinstance(cell, str) else cell for cell in row) for row in thing]
        return thing

    def waits(self, connection: psycopg.Connection[Any], statement: str, *values: Any) -> bool:
        """Run a statement in another session, return whether it waits for a lock, and cancel it."""
        session = Session(connection, self.admin)
        session.start(lambda other: other.execute(statement.encode(), values or None))
        row = self.admin.execute(
            "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", [connection.info.backend_pid]
        ).fetchone()
        connection.cancel()
        session.outcome()
        return row == (True,)

    def ticket(self, secret: str | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a ticket for Ann in Acme, or with the given claims."""
        now = int(time.time())
        parts = [
            json.dumps(part).encode()
            for part in (
                {"alg": "HS256", "kid": self.key, **(header or {})},
                {"sub": self.ids["ann"], "org": self.ids["acme"], "exp": now + 600, **claims},
            )
        ]
        signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
        digest = hmac.new((secret or self.secret).encode(), signed, hashlib.sha256).digest()
        return (signed + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")).decode()

    def enter_with(self, ticket: str) -> Any:
        """Return the user and the organization entered with a ticket, or the error's name."""
        return self.ask(
            "credentialed",
            None,
            None,
            [f"SELECT tenancy.enter_with_ticket('{ticket}')", "SELECT tenancy.current_user_id()::text"],
        )


@contextmanager
def two_sessions(
    probed: Probed, first: str | None = "app", second: str | None = "other"
) -> Iterator[tuple[psycopg.Connection[Any], psycopg.Connection[Any]]]:
    """Yield two connections, the application's by default, and roll both back at the end."""
    connection, other = probed.connections[first], probed.connections[second]
    try:
        yield connection, other
    finally:
        connection.rollback()
        other.rollback()


def _people_and_invitations(admin: psycopg.Connection[Any], ids: dict[str, str]) -> None:
    """Create people, organizations and invitations, and record their ids.

    The token of an invitation is its id's name after ``inv_``: ``inv_open_acme``.
    """
    people = People(admin)
    users = {name: people.user(name) for name in ("ann", "abe", "max", "uma", "olga")}
    users["sam"] = people.user("sam", role="admin")
    acme = people.organization("Acme", owner=users["ann"], admin=users["abe"], manager=users["max"], user=users["uma"])
    duo = people.organization("Duo", owner=users["ann"])
    people.membership(duo, users["abe"], "owner")
    bulk, gone = people.organization("Bulk", owner=users["olga"]), people.organization("Gone", owner=users["ann"])
    admin.execute("UPDATE tenancy.workspaces SET deleted_at = now() WHERE id = %s", [gone.id])
    ids |= {name: str(user.id) for name, user in users.items()}
    ids |= {organization.slug: str(organization.id) for organization in (acme, duo, bulk, gone)}
    for organization, email, state in (
        (acme, "open", ""),
        (acme, "expired", "expires_at"),
        (acme, "used", "accepted_at"),
        (acme, "revoked", "revoked_at"),
        (acme, "lapsed", "lapsed_at"),
        (acme, "olga", ""),
        (bulk, "open", ""),
        (gone, "gone", ""),
    ):
        name = f"{email}_{organization.slug}"
        ids[name] = str(uuid4())
        admin.execute(
            "INSERT INTO tenancy.invitations"
            " (id, organization_id, email, role, token_hash, invited_by_user_id, created_at, expires_at)"
            " VALUES (%s, %s, %s, 'admin', sha256(convert_to(%s, 'UTF8')), %s, now() - interval '1 day', 'infinity')",
            [ids[name], organization.id, f"{email}@example.com", f"inv_{name}", organization.owner.id],
        )
        if state:
            admin.execute(
                f"UPDATE tenancy.invitations SET {state} = now() - interval '1 hour' WHERE id = %s",
                [ids[name]],
            )


def _rows_of_tenants(admin: psycopg.Connection[Any], ids: dict[str, str]) -> None:
    """Create models, instances and API keys, and record their ids.

    A key is its id's name and ``-1``: ``k_acme-1``.
    """
    ids |= {name: str(uuid4()) for name in ("provider", "m_acme", "m_bulk", "m_public", "m_spare")}
    admin.execute("INSERT INTO public.providers (id, name) VALUES (%s, 'provider')", [ids["provider"]])
    for name in ("acme", "bulk", "public", "spare"):
        admin.execute(
            "INSERT INTO public.models (id, name, model_id, organization_id, tech_activated_at, eco_activated_at)"
            " VALUES (%s, %s, %s, %s, now(), now())",
            [ids[f"m_{name}"], name, f"of/{name}", ids.get(name)],
        )
    for name in ("acme", "bulk", "ann", "olga", "old"):
        ids[f"i_{name}"] = str(uuid4())
        owner = {} if name == "old" else {"organization_id" if name in {"acme", "bulk"} else "user_id": ids[name]}
        columns = {
            "id": ids[f"i_{name}"],
            "provider_id": ids["provider"],
            "status": "ready",
            "gpu_profile": name,
            "model_id": ids.get(f"m_{name}"),
            "tech_activated_at": "now",
            "eco_activated_at": "now",
            **owner,
        }
        admin.execute(
            f"INSERT INTO public.instances ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})",
            list(columns.values()),
        )
    for name, user, organization in (
        ("acme", "ann", "acme"),
        ("uma", "uma", "acme"),
        ("dead", "ann", "acme"),
        ("late", "ann", "acme"),
        ("bulk", "olga", "bulk"),
        ("gone", "ann", "gone"),
        ("ann", "ann", None),
        ("sam", "sam", None),
        ("lost", None, None),
    ):
        ids[f"k_{name}"] = str(uuid4())
        admin.execute(
            "INSERT INTO public.api_keys (id, user_id, organization_id, name, key_prefix, key_hash)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [
                ids[f"k_{name}"],
                ids[user] if user else None,
                ids[organization] if organization else None,
                name,
                f"k_{name}",
                hashlib.sha256(f"k_{name}-1".encode()).hexdigest(),
            ],
        )
    admin.execute("INSERT INTO finops.inference_usage DEFAULT VALUES")
    admin.execute(
        "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)"
        " VALUES ('2026-01-01', %s, %s, 1)",
        [ids["provider"], ids["i_old"]],
    )
    admin.execute("UPDATE public.api_keys SET tech_activated_at = now(), eco_activated_at = now()")
    admin.execute("UPDATE public.api_keys SET revoked_at = '2001-01-01' WHERE name = 'dead'")
    admin.execute("UPDATE public.api_keys SET expires_at = '2001-01-01' WHERE name = 'late'")


def _settings(admin: psycopg.Connection[Any], ids: dict[str, str]) -> None:
    """Define settings, and set some of Acme's, of Bulk's and of the platform's."""
    for arguments in (
        "'quota', 'int', 'subject', default_value => '5', min_int => 1, max_int => 100",
        "'theme', 'text', default_value => '\"dark\"'",
        "'beta', 'bool'",
        "'flags', 'json'",
        "'signup', 'bool', 'global'",
        "'token', 'text', secret => true",
    ):
        admin.execute(f"SELECT tenancy.define_setting({arguments})".encode())
    for organization, quota in (("acme", 7), ("bulk", 8), (None, 9)):
        admin.execute(
            "INSERT INTO public.provider_settings (provider_id, key, organization_id, value_int)"
            " VALUES (%s, 'quota', %s, %s)",
            [ids["provider"], ids[organization] if organization else None, quota],
        )
    for organization, theme in (("acme", '"red"'), ("bulk", '"blue"')):
        admin.execute(
            "INSERT INTO tenancy.settings (workspace_id, key, value) VALUES (%s, 'theme', %s)",
            [ids[organization], theme],
        )
    for organization, token in (("acme", b"acme's"), ("platform", b"everybody's")):
        admin.execute(
            "INSERT INTO tenancy_private.secrets (workspace_id, subject_id, key, value) VALUES (%s, %s, 'token', %s)",
            [ids[organization], NIL, token],
        )


def _offerings(admin: psycopg.Connection[Any], ids: dict[str, str]) -> None:
    """Let Acme and Bulk offer a public model to each other, and record the ids.

    ``o_acme`` is public, ``o_acme_asked`` requires an approved request, and ``o_acme_own`` is private.
    """
    for provider, consumer in (("acme", "bulk"), ("bulk", "acme")):
        for code, visibility, policy in (
            ("", "public", "pay_per_token"),
            ("_asked", "public", "request_required"),
            ("_own", "private", "request_required"),
        ):
            name = f"o_{provider}{code}"
            ids[name] = str(uuid4())
            admin.execute(
                "INSERT INTO public.organization_models (id, organization_id, model_id, name, code, visibility,"
                " access_policy, tech_activated_at, eco_activated_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, now(), now())",
                [ids[name], ids[provider], ids["m_public"], name, name, visibility, policy],
            )
            admin.execute(
                "INSERT INTO tenancy.offering_prices (organization_id, offering_id, valid_from, number, eur_per_1k)"
                " VALUES (%s, %s, '2026-01-01', 1, 2)",
                [ids[provider], ids[name]],
            )
        ids |= {f"{kind}_{provider}": str(uuid4()) for kind in ("s", "r", "e")}
        admin.execute(
            "INSERT INTO public.organization_model_shares"
            " (id, provider_organization_id, consumer_organization_id, organization_model_id, starts_at)"
            " VALUES (%s, %s, %s, %s, '2026-01-01')",
            [ids[f"s_{provider}"], ids[provider], ids[consumer], ids[f"o_{provider}_own"]],
        )
        admin.execute(
            "INSERT INTO tenancy.access_requests (id, organization_id, offering_id, consumer_id, message)"
            " VALUES (%s, %s, %s, %s, 'Please.')",
            [ids[f"r_{provider}"], ids[provider], ids[f"o_{provider}_asked"], ids[consumer]],
        )
        admin.execute(
            "INSERT INTO tenancy.entitlements (id, organization_id, offering_id, consumer_id, kind, starts_at)"
            " VALUES (%s, %s, %s, %s, 'contract', '2026-01-01')",
            [ids[f"e_{provider}"], ids[provider], ids[f"o_{provider}"], ids[consumer]],
        )
        admin.execute("INSERT INTO tenancy.catalog_preferences VALUES (%s, true, true, true)", [ids[provider]])


def _money(admin: psycopg.Connection[Any], ids: dict[str, str]) -> None:
    """Let Acme and Bulk have about 1000, owe, hold and spend some, and record the ids.

    ``t_acme`` and ``t_acme_more`` are Acme's purchases, and ``u_acme`` is a call of Bulk's offering.
    """
    # Money to move.
    for name in ("acme", "bulk"):
        admin.execute("SELECT tenancy.grant_credit(%s, 10, 'grant')", [ids[name]])
    for payer, payee in (("acme", "bulk"), ("bulk", "acme")):
        (ids[f"t_{payer}"],) = _row(
            admin, "SELECT transfer_id::text FROM tenancy.charge(%s, %s, 5, 'order', 'order')", ids[payer], ids[payee]
        )
        # More than was held: the rest is unpaid until the top-up.
        (hold,) = _row(admin, "SELECT tenancy.hold_amount(%s, 1, '1 hour', 'call')", ids[payer])
        (ids[f"t_{payer}_more"],) = _row(
            admin,
            "SELECT transfer_id::text FROM tenancy.charge(%s, %s, 50, 'order', 'more', hold => %s)",
            ids[payer],
            ids[payee],
            hold,
        )
    for payer, payee in (("acme", "bulk"), ("bulk", "acme")):
        admin.execute("SELECT tenancy.top_up(%s, 1000, 'top-up')", [ids[payer]])
        (ids[f"h_{payer}"],) = _row(admin, "SELECT tenancy.hold_amount(%s, 1, '1 day', 'hold')::text", ids[payer])
        admin.execute("SELECT tenancy.set_spending_limit(%s, 500)", [ids[payer]])
        (ids[f"u_{payer}"],) = _row(
            admin,
            "SELECT usage_id::text FROM tenancy.record_usage_for(%s, 'request', %s, 500, 500)",
            ids[payer],
            ids[f"o_{payee}"],
        )
        (ids[f"a_{payer}"],) = _row(
            admin,
            "SELECT tenancy.authorize_usage_for(%s, %s, 1000, '1 hour')::text",
            ids[payer],
            ids[f"o_{payee}"],
        )
    admin.execute("SELECT tenancy.take_checkpoint()")


def _sessions(admin: psycopg.Connection[Any], ids: dict[str, str]) -> None:
    """Create sessions, and record their ids; the token of ``s_ann`` is that name."""
    for name, user, place, lasts in (
        ("s_ann", "ann", "acme", "1 day"),
        ("s_old", "ann", "acme", "-1 hour"),
        ("s_off", "ann", "acme", "1 day"),
        ("s_phone", "ann", None, "1 day"),
        ("s_uma", "uma", "acme", "1 day"),
    ):
        (ids[name],) = _row(
            admin,
            "INSERT INTO tenancy_private.user_sessions "
            " (user_id, token_hash, client, started_at, expires_at)"
            " VALUES (%s, sha256(convert_to(%s, 'UTF8')), %s, now() - interval '2 days', now() + %s::interval)"
            " RETURNING id::text",
            ids[user],
            name,
            name,
            lasts,
        )
        admin.execute(
            "INSERT INTO tenancy_private.session_uses VALUES (%s, %s, now() - interval '1 hour')",
            [ids[name], ids[place] if place else None],
        )
    admin.execute(
        "INSERT INTO tenancy_private.revocations VALUES (%s, '2001-01-01', tenancy_private.revocation_place(%s))",
        [ids["s_off"], ids["s_off"]],
    )


def _row(admin: psycopg.Connection[Any], query: str, *values: Any) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = admin.execute(query.encode(), values).fetchone()
    assert row is not None
    return row
