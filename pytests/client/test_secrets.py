"""No secret is in the text of a statement, or in a repr()."""

# ruff: noqa: PT012  (the whole block of a workspace is what raises)

from __future__ import annotations

import struct
from collections.abc import Iterator
from uuid import uuid4

import pytest

from pg_tenancy import TenancyError
from pg_tenancy._opening import identify
from pg_tenancy.results import (
    NewApiKey,
    NewInvitation,
)
from support.clients import Client
from support.proxy import Proxy

pytestmark = pytest.mark.shared_database


def messages(sent: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Split a client's bytes after the login into messages, each with kind and body."""
    while sent:
        (length,) = struct.unpack_from("!i", sent, 1)
        yield sent[:1], sent[5 : 1 + length]
        sent = sent[1 + length :]


@pytest.mark.parametrize("way", ["api_key", "peek", "accept"])
async def test_a_secret_is_sent_as_a_parameter_and_never_in_a_text(client: Client, dsn: str, way: str) -> None:
    """Statement texts are logged and shown in pg_stat_activity."""
    secret = "sk_such_a_secret_as_never_was"
    sent = bytearray()
    with Proxy(dsn) as proxy:
        async with client.connect(proxy.dsn) as conn:
            proxy.on_sent = sent.extend
            with pytest.raises(TenancyError) as raised:
                if way == "api_key":
                    await client.fetch_all(conn, "SELECT 1", api_key=secret)
                elif way == "peek":
                    await client.peek_invitation(conn, secret)
                else:
                    await client.accept_invitation(conn, secret)
            proxy.on_sent = None
    forms = (secret.encode(), secret.encode().hex().encode())
    kinds = {kind for kind, body in messages(bytes(sent)) if any(form in body for form in forms)}
    assert kinds <= {b"B"}
    cause = raised.value.__cause__
    said = f"{raised.value} {raised.value!r} {cause} {cause!r} {vars(cause) if cause else ''}"
    assert not any(form.decode() in said for form in forms)


def test_no_secret_is_shown_by_repr() -> None:
    assert "secret" not in repr(NewInvitation(uuid4(), "inv_secret"))
    assert "secret" not in repr(NewApiKey(uuid4(), "sk_secret"))
    for given in (
        identify({"api_key": "sk_secret"}),
        identify({"ticket": "a.secret.ticket"}),
    ):
        assert "secret" not in repr(given)
