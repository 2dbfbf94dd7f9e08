"""Forms, cookies, and messages for the next page."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from pg_tenancy._values import Id
from pg_tenancy.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["Cookies", "Flash", "Form", "cookie_key", "read_form", "require_same_origin"]

_LARGEST_FORM: Final = 100_000
_FLASH_SECONDS: Final = 60


class Form:
    """The fields of a form, without surrounding spaces. An empty field counts as missing."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values = dict(pairs)

    def text(self, name: str) -> str:
        """Return a required field.

        Raises:
            InvalidArgumentError: it is missing.
        """
        value = self.optional(name)
        if value is None:
            raise InvalidArgumentError(f"{name} is missing")
        return value

    def optional(self, name: str) -> str | None:
        """Return a field, or None."""
        return self._values.get(name, "").strip() or None

    def secret(self, name: str) -> str:
        """Return a field with its spaces."""
        return self._values.get(name, "")

    def integer(self, name: str) -> int | None:
        """Return a whole number, or None.

        Raises:
            InvalidArgumentError: the field holds something else.
        """
        value = self.optional(name)
        if value is None:
            return None
        try:
            return int(value)
        except ValueError:
            raise InvalidArgumentError(f"{name} must be a whole number") from None

    def id(self, name: str) -> UUID:
        """Return an id.

        Raises:
            InvalidArgumentError: the field is missing, or holds something else.
        """
        checked: UUID = Id(name)(self.text(name))
        return checked

    def decimal(self, name: str) -> Decimal | None:
        """Return a number, with a comma or a point, or None.

        Raises:
            InvalidArgumentError: the field holds something else.
        """
        value = self.optional(name)
        if value is None:
            return None
        try:
            return Decimal(value.replace(",", "."))
        except InvalidOperation:
            raise InvalidArgumentError(f"{name} must be a number") from None

    def checked(self, name: str) -> bool:
        """Return whether a box is checked."""
        return name in self._values


async def read_form(request: Request) -> Form:
    """Return the form that a request sends.

    Raises:
        HTTPException: 413 for more than 100,000 bytes, 400 if it is not a form.
    """
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LARGEST_FORM:
                raise HTTPException(413)
    except ClientDisconnect:
        raise HTTPException(400) from None
    try:
        return Form(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=100))
    except ValueError:
        raise HTTPException(400) from None


def require_same_origin(request: Request, address: str | None = None) -> None:
    """Refuse requests from other sites' pages.

    Browsers send the origin of a request. Other programs do not, but they have no cookies of
    other people.

    Args:
        request: the request.
        address: the console's public address, which a proxy may have removed from the request.

    Raises:
        HTTPException: 403.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in {"same-origin", "none"}:
        raise HTTPException(403)
    origin = request.headers.get("origin")
    ours = {request.headers.get("host"), urlsplit(address).netloc if address else None}
    try:
        theirs = urlsplit(origin).netloc if origin is not None else None
    except ValueError:
        raise HTTPException(403) from None
    if origin is not None and theirs not in ours:
        raise HTTPException(403)


@dataclass
class Flash:
    """Messages and secrets that only the next page shows."""

    messages: list[tuple[str, str]] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)

    def say(self, kind: str, message: str) -> None:
        """Add a message, once; ``kind`` is ``done`` or ``error``."""
        if (kind, message) not in self.messages:
            self.messages.append((kind, message))


def cookie_key(secret: str) -> bytes:
    """Derive the key that signs cookies from another key."""
    return hmac.digest(secret.encode(), b"cookies of the console", hashlib.sha256)


class Cookies:
    """The console's cookies, which scripts cannot read and other sites' requests do not carry.

    Args:
        key: the key that signs them, the same in all processes of a console.
        secure: whether browsers use HTTPS only; required except on this machine.
    """

    def __init__(self, key: bytes, *, secure: bool) -> None:
        self._key = key
        self._secure = secure
        # The prefix keeps other hosts of the domain from setting them.
        prefix = "__Host-" if secure else ""
        self.session = f"{prefix}session"
        self.visitor = f"{prefix}visitor"
        self.flash = f"{prefix}flash"
        self.language = "language"

    def set(self, response: Response, name: str, value: str, *, max_age: int | None = None) -> None:
        """Set a cookie."""
        response.set_cookie(name, value, max_age=max_age, path="/", secure=self._secure, httponly=True, samesite="lax")

    def drop(self, response: Response, name: str) -> None:
        """Delete a cookie."""
        response.delete_cookie(name, path="/", secure=self._secure, httponly=True, samesite="lax")

    def csrf(self, value: str) -> str:
        """Return the CSRF token of a form. It is derived from a cookie that other sites' pages cannot read."""
        return self._sign(b"csrf", value.encode())

    def require_csrf(self, form: Form, known: list[str]) -> None:
        """Refuse a form without a valid CSRF token.

        Raises:
            HTTPException: 403.
        """
        given = form.secret("csrf").encode()
        if not any([hmac.compare_digest(given, self.csrf(value).encode()) for value in known]):  # noqa: C419
            raise HTTPException(403)

    def put_flash(self, response: Response, flash: Flash) -> None:
        """Send messages and secrets to the next page."""
        if not flash.messages and not flash.secrets:
            return
        text = json.dumps([int(time.time()) + _FLASH_SECONDS, flash.messages, flash.secrets], separators=(",", ":"))
        encoded = base64.urlsafe_b64encode(text.encode()).decode()
        self.set(response, self.flash, f"{encoded}.{self._sign(b'flash', text.encode())}", max_age=_FLASH_SECONDS)

    def take_flash(self, request: Request) -> Flash:
        """Return the messages and secrets from the previous page."""
        encoded, _, signature = request.cookies.get(self.flash, "").partition(".")
        try:
            text = base64.urlsafe_b64decode(encoded)
        except (ValueError, binascii.Error):
            return Flash()
        if not hmac.compare_digest(signature.encode(), self._sign(b"flash", text).encode()):
            return Flash()
        expires, messages, secrets = json.loads(text)
        return Flash([tuple(message) for message in messages], secrets) if expires > time.time() else Flash()

    def _sign(self, purpose: bytes, value: bytes) -> str:
        return hmac.digest(self._key, purpose + b":" + value, hashlib.sha256).hex()
