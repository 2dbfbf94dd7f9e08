"""Tickets, with which a login that cannot name users enters workspaces."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ["TicketKey"]


@dataclass(frozen=True, slots=True)
class TicketKey:
    """A key from ``tenancy.create_ticket_key()``, which signs tickets.

    Attributes:
        key_id: its id.
        secret: its secret, which ``repr`` omits.
    """

    key_id: str
    secret: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> TicketKey:
        """Parse a key in the form ``key_id:secret``.

        Raises:
            ValueError: the text has another form.
        """
        key_id, separator, secret = text.partition(":")
        if not (key_id and separator and secret):
            msg = "a ticket key must have the form key_id:secret"
            raise ValueError(msg)
        return cls(key_id, secret)

    def ticket(
        self,
        user_id: UUID | str,
        organization_id: UUID | str | None = None,
        *,
        seconds: int = 60,
        session: bool = False,
    ) -> str:
        """Return a ticket for a workspace.

        Args:
            user_id: the person, authenticated by the caller.
            organization_id: the organization; None for the personal workspace.
            seconds: its lifetime, at most 3,600.
            session: whether it may start a session, because the person has just logged in.
        """
        claims: dict[str, str | int] = {"sub": str(user_id), "exp": int(time.time()) + seconds}
        if session:
            claims["session"] = True
        if organization_id is not None:
            claims["org"] = str(organization_id)
        header = {"alg": "HS256", "typ": "JWT", "kid": self.key_id}
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
        return f"{signed}.{_encoded(hmac.digest(self.secret.encode(), signed.encode(), hashlib.sha256))}"


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
