"""Pages from templates: languages, dates, amounts, colors and headers."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from markupsafe import Markup
from starlette.responses import HTMLResponse

from pg_tenancy.console._charts import bars
from pg_tenancy.console._french import FRENCH
from pg_tenancy.console._screens import MODULES, SCREENS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from pg_tenancy.console._web import Cookies, Flash
    from pg_tenancy.console._where import Where

__all__ = ["LANGUAGES", "Pages", "language_of"]

LANGUAGES: Final = {"en": "English", "fr": "Français"}
_NOTHING: Final = "\u2013"
_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}")
# For workspaces without a valid color.
_PLAIN_COLOR: Final = "#334155"


def language_of(wanted: str) -> str:
    """Return the language of a header or a cookie: English, unless French comes first."""
    first = wanted.split(",")[0].strip().lower()
    return "fr" if first.split("-")[0] == "fr" else "en"


class Pages:
    """Renders templates as responses."""

    def __init__(self, cookies: Cookies) -> None:
        self._cookies = cookies
        environment = Environment(
            loader=PackageLoader("pg_tenancy.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.filters.update(when=_when, day=_day, eur=_eur, number=_number, words=_words)
        environment.globals.update(screens=SCREENS, module_screens=MODULES, languages=LANGUAGES)
        self._environment = environment

    def language(self, request: Request) -> str:
        """Return the chosen language, or the browser's."""
        return language_of(request.cookies.get(self._cookies.language) or request.headers.get("accept-language", "en"))

    def respond(
        self,
        request: Request,
        template: str,
        flash: Flash,
        *,
        token: str | None = None,
        where: Where | None = None,
        status: int = 200,
        data: dict[str, Any] | None = None,
    ) -> Response:
        """Return a page; ``token`` is the session's, None for a visitor."""
        language = self.language(request)
        visitor = token or request.cookies.get(self._cookies.visitor) or secrets.token_urlsafe(32)
        nonce = secrets.token_urlsafe(12)
        root = request.scope.get("root_path", "")
        organization = request.path_params.get("organization_id") if where is not None else None
        color = where.current.color if where is not None and where.current.color else ""
        color = color if _COLOR.fullmatch(color) else _PLAIN_COLOR
        translate = translator(language)
        page = self._environment.get_template(f"{template}.html").render(
            _=translate,
            language=language,
            root=root,
            path=request.url.path.removeprefix(root),
            place=f"{root}/o/{organization}" if organization else f"{root}/me",
            where=where,
            messages=flash.messages,
            csrf=self._cookies.csrf(visitor),
            nonce=nonce,
            color=color,
            on_color=_contrast(color),
            bars=lambda values, title: Markup(  # noqa: S704
                bars(
                    values,
                    title=translate(title),
                    amount_in_words=lambda amount: _eur({"language": language}, amount),
                )
            ),
            **{"screen": None, **(data or {})},
        )
        response = HTMLResponse(page, status)
        if token is None and request.cookies.get(self._cookies.visitor) != visitor:
            self._cookies.set(response, self._cookies.visitor, visitor)
        if self._cookies.flash in request.cookies:
            self._cookies.drop(response, self._cookies.flash)
        response.headers.update(
            {
                # Not cached, so that going back shows no secret and no other user's page.
                "cache-control": "no-store",
                "content-security-policy": "default-src 'none'; img-src 'self'; script-src 'self'; "
                f"style-src 'self' 'nonce-{nonce}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
                "referrer-policy": "same-origin",
                "x-content-type-options": "nosniff",
                "vary": "Cookie, Accept-Language",
            }
        )
        return response


def translator(language: str) -> Callable[[str], str]:
    """Return a function that translates the console's own texts; other texts stay as they are."""
    return (lambda text: FRENCH.get(text, text)) if language == "fr" else (lambda text: text)


def _contrast(color: str) -> str:
    """Return white or black, whichever has more contrast with the color (WCAG's relative luminance)."""
    channels = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#ffffff" if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 else "#000000"


def _when(moment: datetime | None) -> Markup | str:
    if moment is None:
        return _NOTHING
    utc = moment.astimezone(timezone.utc)
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat(), f"{utc:%Y-%m-%d %H:%M} UTC")


def _day(moment: datetime | None) -> Markup | str:
    if moment is None:
        return _NOTHING
    utc = moment.astimezone(timezone.utc)
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat(), f"{utc:%Y-%m-%d}")


@pass_context
def _eur(context: Mapping[str, Any], amount: Decimal | int | None, places: int = 2) -> str:
    """Format an amount with two decimals, or with as many as it has, up to ``places``."""
    if amount is None:
        return _NOTHING
    text = f"{amount:,.{places}f}"
    whole, _, decimals = text.partition(".")
    return f"{_digits(f'{whole}.{decimals[:2]}{decimals[2:].rstrip(str(0))}', context['language'])} €"


@pass_context
def _number(context: Mapping[str, Any], amount: int | None) -> str:
    return _NOTHING if amount is None else _digits(f"{amount:,}", context["language"])


def _digits(text: str, language: str) -> str:
    """Format digits with a language's separators."""
    return text.translate({ord(","): "\u202f", ord("."): ","}) if language == "fr" else text


def _words(name: str) -> str:
    return name.replace("_", " ").strip('"')
