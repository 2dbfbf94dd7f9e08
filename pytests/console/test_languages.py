"""The console in two languages: texts, errors, dates and amounts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pg_tenancy import errors
from pg_tenancy.console import _pages
from pg_tenancy.console._french import FRENCH
from pg_tenancy.console._pages import LANGUAGES
from pg_tenancy.console._refusals import REFUSALS, refusal
from pg_tenancy.console._screens import SCREENS
from pg_tenancy.errors import _CLASSES, PermissionDeniedError, PhaseNotDeployedError, TenancyError, name_of
from pg_tenancy.fastapi.answers import IdTakenError
from support.console import Console, Visitor, place_of, said

ROOT = Path(__file__).resolve().parents[2]


def test_pages_are_in_the_language_of_the_browser_or_the_chosen_one(console: Console) -> None:
    visitor = console.visitor(console.tenants.members["owner"])
    place = place_of(console.tenants.acme)
    french = visitor.http.get(f"{place}/members", headers={"accept-language": "fr-CH, en;q=0.5"}).text
    assert '<html lang="fr">' in french
    assert "<h1>Membres</h1>" in french
    assert '<html lang="en">' in visitor.get(f"{place}/members").text
    chosen = visitor.post(f"{place}/members", "/language", language="fr", back=f"{place}/members")
    assert chosen.headers["location"] == f"{place}/members"
    assert "<h1>Membres</h1>" in visitor.get(f"{place}/members").text


def test_amounts_are_written_as_the_language_does(console: Console) -> None:
    visitor, place = console.visitor(console.tenants.members["owner"]), place_of(console.tenants.acme)
    for language, balance in (("en", "<dd>1,011.00 €</dd>"), ("fr", "<dd>1\u202f011,00 €</dd>")):
        page = visitor.http.get(f"{place}/wallet", headers={"accept-language": language}).text
        assert balance in page
    # Less than a cent is not shown as nothing.
    assert re.search(r"0\.00\d{1,4} €", visitor.get(f"{place}/wallet").text)


def test_every_word_of_the_console_is_translated() -> None:
    console = ROOT / "python_client" / "pg_tenancy" / "console"
    words = set()
    for template in (console / "templates").glob("*.html"):
        words |= set(re.findall(r'\b_\("([^"]+)"\)', template.read_text()))
    for module, pattern in (
        ("_app.py", r'\.say\("\w+", "([^"]+)"'),
        ("_app.py", r'\d{3}: "([^"]+)"'),
        ("_actions.py", r'return "([^"]+)"'),
        ("_actions.py", r'else "([^"]+)"'),
        ("_screens.py", r'Screen\("\w+", "([^"]+)"'),
    ):
        found = re.findall(pattern, (console / module).read_text())
        assert found, (module, pattern)
        words |= set(found)
    assert words - set(FRENCH) == set()


def test_every_refusal_has_a_sentence_in_every_language() -> None:
    # For status 500 the console has one sentence.
    names = {name for (_, name), kind in _CLASSES.items() if kind.http_status != 500}
    kinds = [getattr(errors, name) for name in errors.__all__ if name != "PhaseNotDeployedError"]
    names |= {name_of(kind("")) for kind in kinds if kind.http_status != 500}
    assert len(names) > 100
    for language in set(LANGUAGES) - {"en"}:
        assert set(REFUSALS[language]) == names | {name_of(PhaseNotDeployedError(0, "")), name_of(IdTakenError(""))}


def test_a_refusal_without_a_sentence_is_told_in_the_words_of_the_database() -> None:
    error = TenancyError("it is refused", hint="Ask somebody.", constraint="unheard_of")
    assert refusal(error, "fr") == refusal(error, "en") == "it is refused. Ask somebody."
    known = PermissionDeniedError("role user lacks it", hint="Held by: owner.", constraint="permission_denied")
    assert refusal(known, "en") == "role user lacks it. Held by: owner."
    assert refusal(known, "fr") == "Votre rôle ne le permet pas ici."


def test_what_the_database_refuses_is_told_in_french(console: Console, logged_in: Callable[[str], Visitor]) -> None:
    place = place_of(console.tenants.acme)
    send = logged_in("user").sender("/me/account", "fr")
    instance = console.tenants.rows["own"]["instance"]
    refused = send(f"{place}/instances/terminate", id=instance)
    assert said(refused) == "403 Ce module n&#39;est pas ouvert à votre rôle ici.", said(refused)
    theirs = send(f"{place}/members/remove", user_id=console.tenants.person.id)
    assert said(theirs) == "403 Votre rôle ne le permet pas ici."
    wrong = logged_in("owner").sender("/me/account", "fr")(f"{place}/keys/create", name="x", days="0")
    assert said(wrong) == "422 Une valeur manque ou n&#39;est pas acceptable."


class _Listening(dict[str, str]):
    """A dictionary that records missing keys."""

    def __init__(self, words: dict[str, str]) -> None:
        super().__init__(words)
        self.missed: set[str] = set()

    def get(self, word: str, default: Any = None) -> Any:
        if word not in self:
            self.missed.add(word)
        return super().get(word, default)


@pytest.mark.parametrize("role", ["owner", "staff"])
def test_no_word_on_a_page_lacks_its_translation(
    role: str, console: Console, logged_in: Callable[[str], Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    listening = _Listening(FRENCH)
    monkeypatch.setattr(_pages, "FRENCH", listening)
    visitor, organization = logged_in(role), console.people[role][1]
    for place in {"/me", place_of(organization)}:
        for screen in [*SCREENS, "account"]:
            page = visitor.http.get(f"{place}/{screen}", headers={"accept-language": "fr"})
            assert '<html lang="fr">' in page.text
    # The database's errors are already in French.
    assert listening.missed - set(REFUSALS["fr"].values()) == set()
