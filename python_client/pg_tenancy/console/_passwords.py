"""The console's password hashes: scrypt, from Python's standard library."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

__all__ = ["hash_password", "is_password"]

# OWASP's recommendation: 32 MB and about 0.1 s per hash.
_COST: Final = (2**15, 8, 1)
_MEMORY: Final = 64 * 1024 * 1024
_MOST: Final = (2**17, 16, 4)


def hash_password(password: str, *, cost: int = _COST[0]) -> str:
    """Return the hash to store, ``scrypt$N$r$p$salt$hash``.

    Args:
        password: at most 1,024 characters.
        cost: scrypt's N, a power of 2.
    """
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, cost, *_COST[1:])
    return f"scrypt${cost}${_COST[1]}${_COST[2]}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def is_password(password: str, kept: str | None) -> bool:
    """Return whether the password matches the hash.

    A hash in another format matches nothing, and takes as long.
    """
    try:
        kind, *numbers, salt, digest = (kept or "").split("$")
        n, r, p = (int(number) for number in numbers)
        known = kind == "scrypt" and 1 < n <= _MOST[0] and 0 < r <= _MOST[1] and 0 < p <= _MOST[2]
        wanted = base64.b64decode(digest, validate=True)
        given = _scrypt(password, base64.b64decode(salt, validate=True), n, r, p) if known else b""
    except (ValueError, binascii.Error):
        known, wanted, given = False, b"", b""
    if not known:
        _scrypt(password, b"nobody's password", *_COST)
        return False
    return hmac.compare_digest(given, wanted)


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password[:1024].encode(), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32)
