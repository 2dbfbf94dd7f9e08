"""Attacks on tickets: every invalid ticket raises the same error."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any
from uuid import UUID

import psycopg
import pytest

from support.two_tenants import Key, TwoTenants, base64url, refused


def forgeries(tenants: TwoTenants) -> dict[str, Any]:
    """Return invalid tickets by their fault."""
    key, user, organization = tenants.key, tenants.acme.owner, tenants.acme
    good = key.ticket(user, organization)
    header, claims, signature = good.split(".")
    body: dict[str, Any] = {"sub": str(user.id), "org": str(organization.id), "exp": int(time.time()) + 60}
    stranger = Key("ffffffff", "f" * 64)
    unsigned = base64url(json.dumps({"alg": "none"}).encode())

    other_claims = base64url(json.dumps(body | {"sub": str(tenants.outsider.id)}).encode())
    plain = hashlib.sha256(f"{key.secret}{header}.{claims}".encode())

    def headed(**fields: Any) -> str:
        return key.sign(body, {"alg": "HS256", "kid": key.id} | fields)

    def claiming(**fields: Any) -> str:
        return key.sign(body | fields)

    def raw(text: str) -> str:
        return key.sign(text.encode())

    def signed_with(algorithm: str) -> str:
        message = f"{base64url(json.dumps({'alg': algorithm, 'kid': key.id}).encode())}.{claims}"
        digest = hmac.digest(key.secret.encode(), message.encode(), {"HS384": "sha384"}.get(algorithm, "sha512"))
        return f"{message}.{base64url(digest)}"

    tickets: dict[str, Any] = {
        "nothing": None,
        "an empty string": "",
        "a word": "ticket",
        "dots": "..",
        "two parts": f"{header}.{claims}",
        "four parts": f"{good}.{signature}",
        "alg none, no signature": f"{unsigned}.{claims}.",
        "alg none, a signature": f"{unsigned}.{claims}.{signature}",
        "alg None": headed(alg="None"),
        "alg hs256": headed(alg="hs256"),
        "alg RS256": headed(alg="RS256"),
        "alg HS384": signed_with("HS384"),
        "alg HS512": signed_with("HS512"),
        "alg in an array": headed(alg=["HS256"]),
        "alg null": headed(alg=None),
        "no alg": key.sign(body, {"kid": key.id}),
        "a header that is an array": key.sign(body, [{"alg": "HS256"}]),
        "a header that is a string": key.sign(body, "HS256"),
        "a header that is null": key.sign(body, b"null"),
        "a header that is no JSON": key.sign(body, b"alg=HS256"),
        "a header that is no UTF-8": key.sign(body, b'{"alg":"HS256","x":"\xff"}'),
        "a header with a null character": key.sign(body, b'{"alg":"HS256","x":"\\u0000"}'),
        "a header with a lone surrogate": key.sign(body, b'{"alg":"HS256","x":"\\ud800"}'),
        "a header nested a thousand times": stranger.sign(
            body, b'{"alg":"HS256","x":' + b"[" * 900 + b"]" * 900 + b"}"
        ),
        "a key of its own in the header": stranger.sign(
            body, {"alg": "HS256", "jwk": {"kty": "oct", "k": base64url(stranger.secret.encode())}}
        ),
        "crit": headed(crit=["exp"]),
        "an empty crit": headed(crit=[]),
        "kid of a stranger": stranger.ticket(user, organization),
        "kid unknown": headed(kid="00000000"),
        "kid empty": headed(kid=""),
        "kid with a wildcard": headed(kid="%"),
        "kid with SQL": headed(kid="' OR true --"),
        "kid in an array": headed(kid=[key.id]),
        "another key under the right kid": Key(key.id, "0" * 64).ticket(user, organization),
        "the secret as bytes and not as text": Key(key.id, "").sign(body),
        "no kid, another key": Key("", "0" * 64).sign(body, {"alg": "HS256"}),
        "the signature cut": good[:-4],
        "the signature cut by one": good[:-1],
        "the signature of nothing": f"{header}.{claims}.{base64url(b'')}",
        "the signature doubled": f"{good}{signature}",
        "the signature in hexadecimal": f"{header}.{claims}.{_bytes(signature).hex()}",
        "the signature of other claims": f"{header}.{other_claims}.{signature}",
        "a plain hash": f"{header}.{claims}.{base64url(plain.digest())}",
        "padding": f"{good}=",
        "a newline at the end": f"{good}\n",
        "a newline inside": f"{header}\n.{claims}.{signature}",
        "a space": f" {good}",
        "base64 that is not for URLs": good.replace("-", "+").replace("_", "/") + "+/",
        "letters that look alike": good.replace("e", "\N{CYRILLIC SMALL LETTER IE}"),
        "the word Bearer": f"Bearer {good}",
        "ten megabytes": good + "A" * 10_000_000,
        "ten megabytes of dots": "." * 10_000_000,
        "five kilobytes of claims": claiming(x="A" * 5000),
        "expired": claiming(exp=int(time.time()) - 1),
        "expired long ago": claiming(exp=0),
        "exp below zero": claiming(exp=-1e300),
        "exp too far ahead": claiming(exp=int(time.time()) + 3660),
        "exp in milliseconds": claiming(exp=int(time.time() * 1000)),
        "exp as a string": claiming(exp=str(int(time.time()) + 60)),
        "exp null": claiming(exp=None),
        "exp true": claiming(exp=True),
        "exp in an array": claiming(exp=[int(time.time()) + 60]),
        "no exp": key.sign({"sub": str(user.id), "org": str(organization.id)}),
        "exp NaN": raw(f'{{"sub": "{user.id}", "exp": NaN}}'),
        "exp Infinity": raw(f'{{"sub": "{user.id}", "exp": Infinity}}'),
        "exp 1e400": raw(f'{{"sub": "{user.id}", "exp": 1e400}}'),
        "exp -1e400": raw(f'{{"sub": "{user.id}", "exp": -1e400}}'),
        "exp 1e-400": raw(f'{{"sub": "{user.id}", "exp": 1e-400}}'),
        "exp of a thousand digits": raw(f'{{"sub": "{user.id}", "exp": {"9" * 1000}}}'),
        "exp 1e200000": raw(f'{{"sub": "{user.id}", "exp": 1e200000}}'),
        "exp twice, the last too far": raw(f'{{"sub": "{user.id}", "exp": {body["exp"]}, "exp": 99999999999}}'),
        "nbf in the future": claiming(nbf=int(time.time()) + 60),
        "nbf as a string": claiming(nbf="0"),
        "nbf 1e400": raw(f'{{"sub": "{user.id}", "exp": {body["exp"]}, "nbf": 1e400}}'),
        "no sub": key.sign({"exp": body["exp"]}),
        "sub null": claiming(sub=None),
        "sub empty": claiming(sub=""),
        "sub in an array": claiming(sub=[str(user.id)]),
        "sub an object": claiming(sub={"id": str(user.id)}),
        "sub a number": claiming(sub=1),
        "sub no uuid": claiming(sub="ann"),
        "sub with SQL": claiming(sub="' OR true --"),
        "sub with a slash": claiming(sub=f"{user.id}/{organization.id}"),
        "org empty": claiming(org=""),
        "org in an array": claiming(org=[str(organization.id)]),
        "org false": claiming(org=False),
        "org a number": claiming(org=0),
        "org no uuid": claiming(org="acme"),
        "claims that are an array": key.sign([body]),
        "claims that are a string": key.sign("claims"),
        "claims that are null": raw("null"),
        "claims that are no JSON": raw("{"),
        "claims with something after them": raw(json.dumps(body) + "{}"),
        "claims with a null character": raw(f'{{"sub": "{user.id}\\u0000", "exp": {body["exp"]}}}'),
        "claims that are no UTF-8": key.sign(b'{"sub": "\xff"}'),
        "claims nested": raw("[" * 1000 + "]" * 1000),
    }
    return tickets


def _bytes(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_ticket_opens_what_it_names(tenants: TwoTenants, login: str) -> None:
    with tenants.session(login) as connection:
        for ticket in (
            tenants.key.ticket(tenants.acme.owner, tenants.acme),
            tenants.key.ticket(tenants.acme.owner, tenants.acme, exp=int(time.time()) + 3590, nbf=0, iat=0, jti="x"),
            tenants.key.sign(
                {"sub": str(tenants.acme.owner.id), "org": str(tenants.acme.id), "exp": time.time() + 60.5},
                {"alg": "HS256"},
            ),
        ):
            connection.execute("SELECT tenancy.enter_with_ticket(%s)", [ticket])
            assert connection.execute("SELECT name FROM public.organizations").fetchall() == [("Acme",)]
            connection.rollback()
        connection.execute("SELECT tenancy.enter_with_ticket(%s)", [tenants.key.ticket(tenants.acme.owner)])
        assert connection.execute("SELECT tenancy.current_organization_id()").fetchall() == [(None,)]


def test_every_forged_ticket_gets_the_same_answer(tenants: TwoTenants, login: str) -> None:
    opened, answers = [], {}
    with tenants.session(login) as connection:
        for wrong, ticket in forgeries(tenants).items():
            try:
                with connection.transaction():
                    connection.execute("SELECT tenancy.enter_with_ticket(%s::text)", [ticket])
                    opened.append(wrong)
            except psycopg.Error as error:
                diag = error.diag
                answers[wrong] = (
                    diag.sqlstate,
                    diag.constraint_name,
                    diag.message_primary,
                    diag.message_detail,
                    diag.context,
                )
        seal = connection.execute("SELECT coalesce(current_setting('tenancy.seal', true), '')").fetchall()
    usual = answers["a word"]
    assert usual[:4] == ("28000", "invalid_ticket", "the ticket is not valid", None)
    assert opened == []
    assert {wrong: answer for wrong, answer in answers.items() if answer != usual} == {}
    assert seal == [("",)]


def test_two_claims_of_one_name_are_read_as_the_last(tenants: TwoTenants, login: str) -> None:
    # Signed with a valid key, so not a forgery, but malformed.
    claims = f'{{"sub": "{tenants.outsider.id}", "sub": "{tenants.person.id}", "exp": {int(time.time()) + 60}}}'
    with tenants.session(login) as connection:
        connection.execute("SELECT tenancy.enter_with_ticket(%s)", [tenants.key.sign(claims.encode())])
        assert connection.execute("SELECT id FROM public.users").fetchall() == [(tenants.person.id,)]


def test_a_ticket_for_somebody_elses_organization_opens_nothing(tenants: TwoTenants, login: str) -> None:
    for user, organization in (
        (tenants.acme.owner, tenants.globex),
        (tenants.acme.owner, UUID(int=0)),
        (tenants.globex.id, None),
    ):
        with tenants.session(login) as connection, refused("28000", "not_a_member"):
            connection.execute("SELECT tenancy.enter_with_ticket(%s)", [tenants.key.ticket(user, organization)])


def test_a_ticket_opens_no_second_workspace(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(login=login) as connection, refused("28000", "context_already_set"):
        connection.execute(
            "SELECT tenancy.enter_with_ticket(%s)", [tenants.key.ticket(tenants.outsider, tenants.globex)]
        )


def test_a_key_that_is_revoked_ends_its_tickets_and_no_others(tenants: TwoTenants, login: str) -> None:
    with tenants.admin() as admin, tenants.session(login) as connection:
        row = admin.execute("SELECT key_id, secret FROM tenancy.create_ticket_key()").fetchone()
        assert row is not None
        ticket = Key(*row).ticket(tenants.person)
        connection.execute("SELECT tenancy.enter_with_ticket(%s)", [ticket])
        connection.rollback()
        admin.execute("SELECT tenancy.revoke_ticket_key(%s)", [row[0]])
        with refused("28000", "invalid_ticket"), connection.transaction():
            connection.execute("SELECT tenancy.enter_with_ticket(%s)", [ticket])
        connection.execute("SELECT tenancy.enter_with_ticket(%s)", [tenants.key.ticket(tenants.person)])


def test_a_ticket_expires_by_the_clock_and_not_by_the_transactions_start(tenants: TwoTenants, login: str) -> None:
    with tenants.session(login) as connection:
        connection.execute("SELECT 1")
        ticket = tenants.key.ticket(tenants.person, exp=time.time() + 0.2)
        connection.execute("SELECT pg_sleep(0.4)")
        with refused("28000", "invalid_ticket"):
            connection.execute("SELECT tenancy.enter_with_ticket(%s)", [ticket])


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM tenancy_private.ticket_keys",
        "SELECT tenancy.create_ticket_key()",
        "SELECT tenancy.revoke_ticket_key('00000000')",
        "SELECT tenancy_private.read_ticket('x')",
        "INSERT INTO tenancy_private.ticket_keys (id, inner_block, outer_block) VALUES ('00000000', '', '')",
    ],
)
def test_no_application_role_reaches_the_keys(tenants: TwoTenants, statement: str) -> None:
    for login in (
        tenants.logins.app,
        tenants.logins.credentialed,
        tenants.logins.service,
        tenants.logins.auditor,
        tenants.nobody,
    ):
        with tenants.session(login) as connection, refused("42501"):
            connection.execute(statement)
