"""Cookies, other sites' forms, passwords, sessions and tokens, without a browser."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pg_tenancy.console import TicketKey, console_app, hash_password, is_password
from pg_tenancy.console._screens import SCREENS
from support.console import PASSWORD, Console, Visitor, place_of, said


def test_a_password_is_known_by_its_hash_alone() -> None:
    kept = hash_password("a long password", cost=16)
    assert is_password("a long password", kept)
    for password, other in (("another", kept), ("", kept), ("a long password", None), ("x", "scrypt$new")):
        assert not is_password(password, other)
    assert hash_password("a long password", cost=16) != kept
    # Hashes that would take all memory, or forever, match nothing.
    assert not is_password("x", "scrypt$1073741824$8$1$YQ==$YQ==")
    assert not is_password("x", "scrypt$16$8$99$YQ==$YQ==")


def test_cookies_cannot_be_read_by_scripts_or_sent_by_other_sites(console: Console) -> None:
    visitor = console.visitor()
    answer = visitor.post("/login", "/login", email=console.tenants.person.email, password=PASSWORD)
    (cookie,) = [each for each in answer.headers.get_list("set-cookie") if each.startswith("session=")]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    page = visitor.get("/me/dashboard")
    assert page.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "unsafe-inline" not in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({"sec-fetch-site": "cross-site"}, None),
        ({"sec-fetch-site": "same-site"}, None),
        ({"origin": "https://evil.example"}, None),
        ({"origin": "null"}, None),
        ({"origin": "http://[no-address"}, None),
        ({}, ""),
        ({}, "0" * 64),
    ],
)
def test_a_form_of_another_site_is_refused(console: Console, headers: dict[str, str], token: str | None) -> None:
    visitor = console.visitor(console.tenants.person)
    page = visitor.get("/me/keys").text
    known = page.split('name="csrf" value="')[1].split('"')[0]
    data = {"csrf": known if token is None else token, "name": "theirs"}
    assert visitor.http.post("/me/keys/create", data=data, headers=headers).status_code == 403
    assert "theirs" not in visitor.get("/me/keys").text


def test_the_token_of_a_form_is_that_of_one_browser(console: Console) -> None:
    ours, theirs = console.visitor(console.tenants.person), console.visitor(console.tenants.staff)
    token = theirs.get("/me/keys").text.split('name="csrf" value="')[1].split('"')[0]
    assert ours.http.post("/me/keys/create", data={"csrf": token, "name": "x"}).status_code == 403


def test_a_wrong_password_and_an_unknown_address_are_answered_alike(console: Console) -> None:
    visitor = console.visitor()
    known = visitor.post("/login", "/login", email=console.tenants.person.email, password="wrong")
    unknown = visitor.post("/login", "/login", email="nobody@example.com", password="wrong")
    assert known.status_code == unknown.status_code == 401
    assert said(known) == said(unknown)


def test_who_guesses_passwords_has_to_wait(console: Console) -> None:
    visitor = console.visitor()
    for _ in range(10):
        answer = visitor.post("/login", "/login", email="victim@example.com", password="guess")
        assert answer.status_code == 401
    answer = visitor.post("/login", "/login", email="VICTIM@example.com", password="guess")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 300
    visitor.log_in(console.tenants.person)


def test_guesses_at_once_are_no_more_than_one_after_the_other(console: Console) -> None:
    visitor = console.visitor()
    token = visitor.get("/login").text.split('name="csrf" value="')[1].split('"')[0]

    def guess(password: str) -> int:
        form = {"csrf": token, "email": "crowd@example.com", "password": password}
        return visitor.http.post("/login", data=form).status_code

    with ThreadPoolExecutor(14) as pool:
        answers = list(pool.map(guess, (f"guess {number}" for number in range(14))))
    assert sorted(answers) == [401] * 10 + [429] * 4


def test_other_spellings_of_an_address_are_no_more_guesses(console: Console) -> None:
    visitor, email = console.visitor(), console.tenants.outsider.email
    spellings = [email, email.upper(), f" {email}", email.replace("i", "\u0130"), email.replace("e", "E")]
    for number in range(10):
        answer = visitor.post("/login", "/login", email=spellings[number % 5], password="guess")
        assert answer.status_code == 401
    for spelling in spellings:
        assert visitor.post("/login", "/login", email=spelling, password=PASSWORD).status_code == 429


def test_the_right_password_is_no_guess(console: Console) -> None:
    for _ in range(12):
        console.visitor(console.tenants.person)


def test_a_session_is_no_place_to_guess_the_password(console: Console) -> None:
    visitor = console.visitor(console.tenants.members["user"])
    for _ in range(10):
        wrong = visitor.post("/me/account", "/me/account/password", current="guess", password="quite another one")
        assert wrong.status_code == 403
    right = visitor.post("/me/account", "/me/account/password", current=PASSWORD, password="quite another one")
    assert right.status_code == 429, said(right)
    assert "Too many attempts." in said(right)
    assert 0 < int(right.headers["retry-after"]) <= 300


def test_no_redirect_leads_to_the_host_that_a_request_names(console: Console) -> None:
    visitor = console.visitor(console.tenants.person)
    for path in ("/me/keys/", "/api", "/api/auth/me/", "/login/", "//evil.example/"):
        answer = visitor.http.get(path, headers={"host": "evil.example"})
        assert "evil" not in answer.headers.get("location", ""), path


def test_links_in_mails_do_not_depend_on_a_request() -> None:
    async def send(email: str, link: str) -> None:
        raise AssertionError(email, link)

    with pytest.raises(ValueError, match="send_invitation needs address"):
        console_app("", authenticator="", ticket_key=TicketKey("k", "s"), send_invitation=send)


def test_answers_of_the_api_are_kept_nowhere(console: Console) -> None:
    visitor = console.visitor(console.tenants.person)
    for path in ("/api/auth/me", "/api/api_keys", f"/api/organizations/invitations/{console.tenants.tokens['own']}"):
        answer = visitor.get(path)
        assert (answer.status_code, answer.headers.get("cache-control")) == (200, "no-store")


def test_logging_in_leads_to_pages_of_ours_alone(console: Console) -> None:
    for wanted, target in (
        ("/me/keys", "/me/keys"),
        ("https://evil.example/", "/me/dashboard"),
        ("//evil.example", "/me/dashboard"),
        ("/logout", "/me/dashboard"),
    ):
        visitor = console.visitor()
        answer = visitor.post("/login", f"/login?next={wanted}", email=console.tenants.person.email, password=PASSWORD)
        assert answer.headers["location"] == target


def test_a_token_of_before_logging_in_is_worth_nothing_after(console: Console) -> None:
    visitor = console.visitor()
    visitor.http.cookies.set("session", "planted", domain="127.0.0.1", path="/")
    answer = visitor.post("/login", "/login", email=console.tenants.person.email, password=PASSWORD)
    (cookie,) = [each for each in answer.headers.get_list("set-cookie") if each.startswith("session=")]
    assert "planted" not in cookie


def test_a_new_password_ends_the_other_sessions(console: Console) -> None:
    user = console.tenants.members["manager"]
    here, there = console.visitor(user), console.visitor(user)
    short = here.post("/me/account", "/me/account/password", current=PASSWORD, password="short")
    wrong = here.post("/me/account", "/me/account/password", current="wrong", password="quite another one")
    assert (short.status_code, wrong.status_code) == (422, 403)
    assert there.get("/me/account").status_code == 200
    done = here.post("/me/account", "/me/account/password", current=PASSWORD, password="quite another one")
    assert done.status_code == 303, said(done)
    assert here.get("/me/account").status_code == 200
    assert there.get("/me/account").headers["location"] == "/login?next=/me/account"
    fresh = console.visitor()
    answer = fresh.post("/login", "/login", email=user.email, password="quite another one")
    assert answer.status_code == 303
    back = here.post("/me/account", "/me/account/password", current="quite another one", password=PASSWORD)
    assert back.status_code == 303, said(back)


def test_a_message_of_somebody_else_is_not_shown(console: Console) -> None:
    visitor = console.visitor(console.tenants.person)
    planted = base64.urlsafe_b64encode(json.dumps([2**40, [["done", "Call +1 555"]], {}]).encode()).decode()
    visitor.http.cookies.set("flash", f"{planted}.{'0' * 64}", domain="127.0.0.1", path="/")
    assert "Call +1" not in visitor.get("/me/dashboard").text


def test_what_is_no_form_is_refused(console: Console) -> None:
    visitor = console.visitor(console.tenants.person)
    assert visitor.http.post("/me/keys/create", content=b"x" * 200_000).status_code == 413
    assert visitor.http.post("/me/keys/create", content=b"\xff\xfe").status_code == 400
    assert visitor.get("/me/nothing").status_code == 404
    assert visitor.post("/me/keys", "/me/keys/nothing").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "models?after=x",
        "models?after=0000_000-0000-4000-8000-000000000000",
        "models?after=00000000-0000-4000-8000-000000000000",
        "instances?status=%00",
        "instances?status=%27",
        "costs?by=nothing",
        "costs?by=%00",
        "members?from=-1",
        "members?from=99999",
        "settings?explain=theme&subject=x",
        "settings?explain=nothing",
        "invitations?status=%3Cscript%3E",
        "accounts?email=%00",
        "module?key=%00",
        "keys?status=%F0%9F%99%82",
    ],
)
def test_an_address_that_somebody_has_changed_is_answered_with_a_page(
    path: str, console: Console, logged_in: Callable[[str], Visitor]
) -> None:
    answer = logged_in("owner").get(f"{place_of(console.tenants.acme)}/{path}")
    assert answer.status_code in {200, 403, 404, 422}, said(answer)
    assert "<h1>" in answer.text
    assert "<script>" not in answer.text


@pytest.fixture
def marked(console: Console) -> Iterator[str]:
    """Return markup that one test puts into all names."""
    markup = "\"'><img src=x onerror=alert(1)>"
    columns = [
        ("public.users", "first_name"),
        ("public.organizations", "name"),
        ("public.models", "name"),
        ("public.providers", "name"),
        ("public.api_keys", "name"),
        ("public.organization_models", "name"),
        ("tenancy_private.user_sessions", "client"),
    ]
    with console.tenants.admin() as admin:
        for table, column in columns:
            admin.execute(f"UPDATE {table} SET {column} = {column} || %s".encode(), [markup])  # noqa: S608
        yield markup
        for table, column in columns:
            undo = f"UPDATE {table} SET {column} = replace({column}, %s, '')"  # noqa: S608
            admin.execute(undo.encode(), [markup])


def test_names_are_no_markup(console: Console, logged_in: Callable[[str], Visitor], marked: str) -> None:
    owner, escaped = logged_in("owner"), set()
    for place, screen, language in itertools.product(
        ("/me", place_of(console.tenants.acme)), [*SCREENS, "account"], ("en", "fr")
    ):
        page = owner.http.get(f"{place}/{screen}", headers={"accept-language": language}).text
        assert "<img" not in page, (place, screen)
        assert "'><" not in page, (place, screen)
        escaped |= {screen} if "&lt;img src=x" in page else set()
    assert {"members", "keys", "models", "catalog", "offerings", "instances", "users", "organization"} <= escaped


def test_a_membership_that_ended_opens_nothing(console: Console) -> None:
    tenants = console.tenants
    with tenants.admin() as admin:
        admin.execute(
            "INSERT INTO public.organization_memberships (organization_id, user_id, role) VALUES (%s, %s, 'user')",
            [tenants.globex.id, tenants.person.id],
        )
        visitor, place = console.visitor(tenants.person), place_of(tenants.globex)
        assert visitor.get(f"{place}/dashboard").status_code == 200
        admin.execute(
            "DELETE FROM public.organization_memberships WHERE organization_id = %s AND user_id = %s",
            [tenants.globex.id, tenants.person.id],
        )
    gone = visitor.get(f"{place}/dashboard")
    unknown = visitor.get("/o/00000000-0000-4000-8000-000000000000/dashboard")
    assert gone.status_code == unknown.status_code == 403
    assert said(gone) == said(unknown)
    assert "Globex" not in gone.text


def test_the_login_of_the_console_names_nobody(console: Console) -> None:
    with console.tenants.admin() as admin:
        (logins,) = admin.execute(
            "SELECT array_agg(r.rolname || ' ' || g.rolname) FROM pg_auth_members AS m"
            " JOIN pg_roles AS r ON r.oid = m.member JOIN pg_roles AS g ON g.oid = m.roleid"
            " WHERE r.rolname ~ '_(console|authenticator)_' AND g.rolname ~ '^tenancy_'"
        ).fetchone() or ([],)
    assert {login.split()[1] for login in logins} == {"tenancy_credentialed"}


def _page(visitor: Visitor, path: str) -> str:
    return visitor.get(path).text


def test_an_invitation_is_accepted_once_and_logs_a_new_account_in(console: Console) -> None:
    tenants = console.tenants
    owner, place = console.visitor(tenants.members["owner"]), place_of(tenants.acme)
    sent = owner.post(f"{place}/invitations", f"{place}/invitations/invite", email="zoe@example.com", role="manager")
    link = _page(owner, sent.headers["location"]).split('id="link" readonly value="')[1].split('"')[0]
    assert "/join?token=" not in _page(owner, f"{place}/invitations"), "it is shown once"
    assert link.startswith(console.address)
    path = link.removeprefix(console.address)
    account = {"token": path.split("=")[1], "username": "zoe", "password": "a long password"}
    zoe, late = console.visitor(), console.visitor()
    assert "Acme" in _page(zoe, path)
    page_of_late = _page(late, path)
    short = zoe.post(path, "/join", **{**account, "password": "short"})
    assert short.status_code == 422, said(short)
    joined = zoe.post(path, "/join", **account)
    assert joined.headers["location"] == f"{place}/dashboard", said(joined)
    assert "You are now a member." in _page(zoe, joined.headers["location"])
    token = page_of_late.split('name="csrf" value="')[1].split('"')[0]
    again = late.http.post("/join", data={"csrf": token, **account})
    assert again.status_code == 404
    assert "was used" in said(again)


def test_an_existing_account_has_to_log_in_after_joining(console: Console) -> None:
    tenants = console.tenants
    owner, place = console.visitor(tenants.members["owner"]), place_of(tenants.acme)
    owner.post(f"{place}/invitations", f"{place}/invitations/invite", email=tenants.staff.email, role="user")
    link = _page(owner, f"{place}/invitations").split('id="link" readonly value="')[1].split('"')[0]
    path = link.removeprefix(console.address)
    joining = console.visitor()
    answer = joining.post(path, "/join", token=path.split("=")[1])
    assert answer.headers["location"] == f"{place}/dashboard"
    assert joining.get(f"{place}/dashboard").headers["location"] == f"/login?next={place}/dashboard"


def test_an_account_that_was_created_meanwhile_has_to_log_in_after_joining(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise an inviter who repeats the form with a name that is taken gets into the account once it exists."""
    tenants = console.tenants
    owner, place = console.visitor(tenants.members["owner"]), place_of(tenants.acme)
    owner.post(f"{place}/invitations", f"{place}/invitations/invite", email="yves@example.com", role="user")
    link = _page(owner, f"{place}/invitations").split('id="link" readonly value="')[1].split('"')[0]
    path = link.removeprefix(console.address)

    async def create_account(*_: object) -> str:
        """Create it after the console has seen that there is none."""
        with tenants.database.connect(tenants.logins.app) as connection:
            connection.execute("SELECT tenancy.sign_up('yves@example.com', 'yves', 'Yves', 'Y', %s)", [kept])
        return hash_password("the inviter's password", cost=16)

    kept = hash_password(PASSWORD, cost=16)
    monkeypatch.setattr("pg_tenancy.console._app._Console._new_hash", create_account)
    inviter = console.visitor()
    joined = inviter.post(path, "/join", token=path.split("=")[1], username="yves", password="the inviter's password")
    assert joined.headers["location"] == f"{place}/dashboard", said(joined)
    assert "session" not in inviter.http.cookies
    assert inviter.get(f"{place}/dashboard").headers["location"] == f"/login?next={place}/dashboard"
