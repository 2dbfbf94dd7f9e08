"""The console as an application: logins, workspaces and screens."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import secrets
import time
import unicodedata
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode
from uuid import UUID

import psycopg
from fastapi import FastAPI
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from pg_tenancy._opening import Entry
from pg_tenancy._values import Id
from pg_tenancy.aio import accept_invitation, end_session, peek_invitation, start_session, workspace
from pg_tenancy.console._actions import ACTIONS, Deed
from pg_tenancy.console._authenticator import Authenticator
from pg_tenancy.console._french import FRENCH
from pg_tenancy.console._pages import Pages, language_of
from pg_tenancy.console._passwords import hash_password
from pg_tenancy.console._refusals import refusal
from pg_tenancy.console._screens import SCREENS
from pg_tenancy.console._web import Cookies, Flash, Form, cookie_key, read_form, require_same_origin
from pg_tenancy.console._where import Where, read_where
from pg_tenancy.errors import (
    InvalidArgumentError,
    InvitationError,
    NotAMemberError,
    PermissionDeniedError,
    SessionError,
    SessionNotFoundError,
    TenancyError,
)
from pg_tenancy.fastapi import install_problems, tenancy_router
from pg_tenancy.fastapi.router import refused

if TYPE_CHECKING:
    from starlette.responses import Response

    from pg_tenancy.fastapi.tickets import TicketKey

__all__ = ["console_app"]

_LOG: Final = logging.getLogger("pg_tenancy.console")
_PAGE: Final = re.compile(r"/(me|o/[0-9a-f-]{36})/[a-z]+")
_LASTS: Final = timedelta(days=14)
_SHORTEST_PASSWORD: Final = 10
# Attempts for one address, in this many seconds.
_ATTEMPTS, _ATTEMPTS_IN = 10, 300
_SERVER_ERROR, _BUSY = 500, 503
_STATIC: Final = Path(__file__).parent / "static"
_ACCOUNT: Final = "account"

Pool = AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]]
SendInvitation = Callable[[str, str], Awaitable[None]]


def console_app(
    dsn: str,
    *,
    authenticator: str,
    ticket_key: TicketKey,
    secure: bool = True,
    address: str | None = None,
    send_invitation: SendInvitation | None = None,
    connections: int = 10,
) -> Starlette:
    """Return the console, to be served by an ASGI server or mounted in an application.

    Args:
        dsn: the DSN of a login of ``tenancy_credentialed``, which enters workspaces with tickets.
        authenticator: the DSN of the login that checks passwords.
        ticket_key: the key that signs the tickets.
        secure: whether browsers use HTTPS only; False is for this machine only.
        address: the public address, for links in invitations. None takes it from the request,
            which is safe only behind a proxy that accepts no other ``Host``.
        send_invitation: mails an invitation; called with an e-mail address and the link. Requires
            ``address``. Without it the inviter sees the link once, and could use it.
        connections: the maximum number of connections that enter workspaces.

    Returns:
        The application. Its API is under ``/api``.

    Raises:
        ValueError: ``send_invitation`` without ``address``. An inviter could then forge ``Host``,
            so that the links in mails lead to their own server and reveal the tokens.
    """
    if send_invitation is not None and address is None:
        msg = "send_invitation needs address: the links in mails must not depend on a request"
        raise ValueError(msg)
    pool = AsyncConnectionPool(dsn, min_size=1, max_size=connections, open=False)
    passwords = AsyncConnectionPool(authenticator, min_size=1, max_size=2, open=False, kwargs={"autocommit": True})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(pool)
            await stack.enter_async_context(passwords)
            yield

    # Without documentation pages, whose scripts come from other sites.
    api = FastAPI(title="pg-tenancy", docs_url=None, redoc_url=None, redirect_slashes=False)
    # Derived from the ticket key, so all processes of the console sign cookies alike.
    cookies = Cookies(cookie_key(ticket_key.secret), secure=secure)
    console = _Console(
        pool, Authenticator(passwords), ticket_key, cookies, Pages(cookies), address=address, send=send_invitation
    )
    install_problems(api)
    api.include_router(tenancy_router(pool, console.caller))
    routes: list[BaseRoute] = [Mount("/api", api), Mount("/static", StaticFiles(directory=_STATIC))]
    routes += [
        Route(path, endpoint, methods=methods)
        for path, methods, endpoint in (
            ("/", ["GET"], console.home),
            ("/login", ["GET"], console.login),
            ("/login", ["POST"], console.log_in),
            ("/logout", ["POST"], console.log_out),
            ("/join", ["GET"], console.join),
            ("/join", ["POST"], console.joined),
            ("/language", ["POST"], console.choose_language),
            ("/me", ["GET"], console.enter),
            ("/o/{organization_id:uuid}", ["GET"], console.enter),
            ("/me/account", ["GET"], console.account),
            ("/me/account/{action}", ["POST"], console.change_account),
            ("/me/{screen}", ["GET"], console.screen),
            ("/me/{screen}/{action}", ["GET"], console.back_to_screen),
            ("/me/{screen}/{action}", ["POST"], console.act),
            ("/o/{organization_id:uuid}/{screen}", ["GET"], console.screen),
            ("/o/{organization_id:uuid}/{screen}/{action}", ["GET"], console.back_to_screen),
            ("/o/{organization_id:uuid}/{screen}/{action}", ["POST"], console.act),
        )
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    # Such a redirect would lead to the request's Host, which can be forged.
    app.router.redirect_slashes = False
    app.add_exception_handler(_LoginRequiredError, console.to_login)
    app.add_exception_handler(HTTPException, console.refuse)
    app.add_exception_handler(psycopg.OperationalError, console.refuse)
    app.add_exception_handler(Exception, console.fail)
    return app


class _LoginRequiredError(Exception):
    """Nobody is logged in, or the session has ended."""


class _TooManyAttemptsError(TenancyError):
    """Too many failed attempts."""

    http_status = 429

    def __init__(self, wait: int) -> None:
        super().__init__("Too many attempts. Try again in a few minutes.")
        self.wait = wait


class _Throttle:
    """Limits failed attempts per key and time, in this process."""

    def __init__(self) -> None:
        self._attempts: OrderedDict[bytes, deque[float]] = OrderedDict()

    def attempt(self, whose: str) -> int:
        """Return how many seconds to wait. If 0, the attempt is counted.

        Attempts are counted when they start, so parallel ones gain nothing.
        """
        now = time.monotonic()
        attempts = self._attempts.setdefault(_spelling(whose), deque())
        while attempts and attempts[0] <= now - _ATTEMPTS_IN:
            attempts.popleft()
        if len(attempts) >= _ATTEMPTS:
            return max(1, round(attempts[0] + _ATTEMPTS_IN - now))
        attempts.append(now)
        self._attempts.move_to_end(_spelling(whose))
        if len(self._attempts) > 10_000:
            self._attempts.popitem(last=False)
        return 0

    def succeeded(self, whose: str) -> None:
        """Do not count the last attempt."""
        if attempts := self._attempts.get(_spelling(whose)):
            attempts.pop()


def _spelling(text: str) -> bytes:
    """Return the same short key for all spellings that a database may treat as one address."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return hashlib.sha256("".join(each for each in letters if not unicodedata.combining(each)).encode()).digest()


@dataclass
class _Console:
    pool: Pool
    authenticator: Authenticator
    ticket_key: TicketKey
    cookies: Cookies
    pages: Pages
    address: str | None
    send: SendInvitation | None
    throttle: _Throttle = field(default_factory=_Throttle)
    # Attempts to change a password, by account.
    account_throttle: _Throttle = field(default_factory=_Throttle)

    # -- who, and where ---------------------------------------------------------------

    def _token(self, request: Request) -> str:
        """Return the session's token. Entering a workspace checks it."""
        token = request.cookies.get(self.cookies.session)
        if not token:
            raise _LoginRequiredError
        return token

    def _entry(self, token: str, organization_id: UUID | None) -> Entry:
        # The address decides the workspace, so that tabs can be in different ones.
        if organization_id is None:
            return {"session": token, "personal": True}
        return {"session": token, "organization_id": organization_id}

    async def caller(self, request: Request) -> Entry:
        """Authenticate a caller of the API: an API key or a session."""
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return {"api_key": key}
        token = request.cookies.get(self.cookies.session)
        if not token:
            return {"session": None}
        if request.method not in {"GET", "HEAD"}:
            require_same_origin(request, self.address)
            # Forms of other sites cannot send this header.
            if "x-requested-with" not in request.headers:
                raise HTTPException(403)
        named = request.headers.get("x-organization-id")
        return self._entry(token, Id("X-Organization-Id", optional=True)(named or None))

    async def _form(self, request: Request) -> Form:
        """Return the form, if its CSRF token is valid."""
        require_same_origin(request, self.address)
        form = await read_form(request)
        # A visitor's form may arrive with an old session's cookie.
        known = [request.cookies.get(name) for name in (self.cookies.session, self.cookies.visitor)]
        self.cookies.require_csrf(form, [value for value in known if value])
        return form

    def _words(self, request: Request, error: TenancyError) -> str:
        """Return an error's message for people, without details of internal errors."""
        if error.http_status == _SERVER_ERROR:
            _LOG.error("%s", error, exc_info=error)
            return "An internal error occurred."
        # The console's own messages are translated with its pages.
        return error.message if error.message in FRENCH else refusal(error, self.pages.language(request))

    # -- workspaces -------------------------------------------------------------------

    async def screen(self, request: Request) -> Response:
        """Show a screen of a workspace."""
        return await self._show(request, self.cookies.take_flash(request))

    async def back_to_screen(self, request: Request) -> Response:
        """Show the screen if somebody reloads the response to a form."""
        return RedirectResponse(_above(request), 303)

    async def act(self, request: Request) -> Response:
        """Perform a form's action, and show the screen again."""
        token = self._token(request)
        form = await self._form(request)
        name = request.path_params["screen"]
        action = ACTIONS.get(name, {}).get(request.path_params["action"])
        if action is None:
            raise HTTPException(404)
        flash = Flash()
        try:
            async with workspace(self.pool, **self._entry(token, _organization(request))) as ws:
                # Forms of a screen that does not open are refused too.
                await SCREENS[name].require(ws)
                message = await action(Deed(ws, form, flash))
        except SessionError:
            raise _LoginRequiredError from None
        except TenancyError as error:
            return await self._show(request, Flash(), error)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            # An error of the application's own tables, whose message may contain other tenants' values.
            _LOG.info("a form was refused: %s", error.diag.constraint_name or error.sqlstate)
            refused = InvalidArgumentError("the database rejected these values")
            return await self._show(request, Flash(), refused)
        await self._deliver(request, flash)
        flash.say("done", message)
        ended = (name, request.path_params["action"]) in {("members", "leave"), ("organization", "delete")}
        response = RedirectResponse(f"{_root(request)}/me/dashboard" if ended else _above(request), 303)
        self.cookies.put_flash(response, flash)
        return response

    async def _deliver(self, request: Request, flash: Flash) -> None:
        """Mail a committed invitation, or show its link on the next page."""
        token = flash.secrets.pop("invitation_token", None)
        if token is None:
            return
        base = self.address or str(request.base_url)
        link = f"{base.rstrip('/')}/join?{urlencode({'token': token})}"
        if self.send is not None:
            await self.send(flash.secrets.pop("invitation_email"), link)
        else:
            flash.secrets["invitation_link"] = link

    async def _show(self, request: Request, flash: Flash, error: TenancyError | None = None) -> Response:
        token = self._token(request)
        screen = SCREENS.get(request.path_params["screen"])
        if screen is None:
            raise HTTPException(404)
        where: Where | None = None
        data: dict[str, Any] = {}
        status = 200
        if error is not None:
            status = error.http_status
            flash.say("error", self._words(request, error))
        try:
            async with workspace(self.pool, **self._entry(token, _organization(request))) as ws:
                where = await read_where(ws)
                await screen.require(ws, where)
                data = await screen.read(ws, where, request.query_params)
            template = screen.key
        except SessionError:
            raise _LoginRequiredError from None
        except NotAMemberError as refusal:
            status, template, where = refusal.http_status, "refused", None
            flash.say("error", "This workspace does not exist, or you are not a member of it.")
        except (TenancyError, psycopg.DataError) as refusal:
            if isinstance(refusal, psycopg.DataError):
                refusal = InvalidArgumentError("The address of this page contains an invalid value")
            status, template = refusal.http_status, "refused"
            flash.say("error", self._words(request, refusal))
        data |= {"screen": screen, "secrets": flash.secrets}
        return self.pages.respond(request, template, flash, token=token, where=where, status=status, data=data)

    # -- logging in and out -----------------------------------------------------------

    async def home(self, request: Request) -> Response:
        """Redirect to the personal workspace."""
        return RedirectResponse(f"{_root(request)}/me/dashboard", 303)

    async def enter(self, request: Request) -> Response:
        """Redirect to a workspace's dashboard."""
        return RedirectResponse(f"{_root(request)}{_place(request)}/dashboard", 303)

    async def to_login(self, request: Request, _: Exception) -> Response:
        """Redirect to the login page, and back afterwards."""
        path = request.url.path.removeprefix(_root(request))
        wanted = path if request.method == "GET" else path.rsplit("/", 1)[0]
        following = f"?next={quote(wanted)}" if _PAGE.fullmatch(wanted) else ""
        response = RedirectResponse(f"{_root(request)}/login{following}", 303)
        self.cookies.drop(response, self.cookies.session)
        return response

    async def login(self, request: Request) -> Response:
        """Show the login form."""
        if token := request.cookies.get(self.cookies.session):
            try:
                async with workspace(self.pool, **self._entry(token, None)) as ws:
                    await ws.open()
                return await self.home(request)
            except TenancyError:
                pass  # it has ended
        return self._login_page(request, self.cookies.take_flash(request))

    def _login_page(
        self, request: Request, flash: Flash, email: str = "", status: int = 200, wait: int = 0
    ) -> Response:
        data = {"email": email, "next": request.query_params.get("next", "")}
        response = self.pages.respond(request, "login", flash, status=status, data=data)
        if wait:
            response.headers["retry-after"] = str(wait)
        return response

    async def log_in(self, request: Request) -> Response:
        """Check a password, and start a session with a new token."""
        form = await self._form(request)
        email, flash = form.optional("email") or "", Flash()
        if wait := self.throttle.attempt(email):
            flash.say("error", "Too many attempts. Try again in a few minutes.")
            return self._login_page(request, flash, email, 429, wait)
        user_id = await self.authenticator.authenticate(email, form.secret("password"))
        if user_id is None:
            flash.say("error", "Wrong e-mail address or password.")
            return self._login_page(request, flash, email, 401)
        self.throttle.succeeded(email)
        wanted = request.query_params.get("next", "")
        target = wanted if _PAGE.fullmatch(wanted) else "/me/dashboard"
        return await self._start(request, user_id, target)

    async def _start(self, request: Request, user_id: UUID, target: str, flash: Flash | None = None) -> Response:
        response = RedirectResponse(f"{_root(request)}{target}", 303)
        session = await start_session(
            self.pool,
            ticket=self.ticket_key.ticket(user_id, session=True),
            client=request.headers.get("user-agent", "")[:200],
            lasts=_LASTS,
        )
        self.cookies.set(response, self.cookies.session, session.token)
        self.cookies.drop(response, self.cookies.visitor)
        self.cookies.put_flash(response, flash or Flash())
        return response

    async def log_out(self, request: Request) -> Response:
        """End the session of this browser."""
        token = self._token(request)
        await self._form(request)
        with suppress(SessionError):
            await end_session(self.pool, token)
        response = RedirectResponse(f"{_root(request)}/login", 303)
        self.cookies.drop(response, self.cookies.session)
        return response

    async def account(self, request: Request) -> Response:
        """Show the account's sessions, and a form to change the password."""
        return await self._account_page(request, self.cookies.take_flash(request))

    async def _account_page(self, request: Request, flash: Flash, status: int = 200) -> Response:
        token = self._token(request)
        try:
            async with workspace(self.pool, **self._entry(token, None)) as ws:
                where, sessions = await read_where(ws), await ws.sessions(token)
        except SessionError:
            raise _LoginRequiredError from None
        data = {"sessions": sessions, "shortest": _SHORTEST_PASSWORD}
        return self.pages.respond(request, _ACCOUNT, flash, token=token, where=where, status=status, data=data)

    async def change_account(self, request: Request) -> Response:
        """End another session, or change the password, which ends all other sessions."""
        token = self._token(request)
        form = await self._form(request)
        change = {"end": self._end, "password": self._change_password}.get(request.path_params["action"])
        if change is None:
            raise HTTPException(404)
        flash = Flash()
        try:
            flash.say("done", await change(token, form))
        except SessionError:
            raise _LoginRequiredError from None
        except TenancyError as error:
            flash.say("error", self._words(request, error))
            response = await self._account_page(request, flash, error.http_status)
            if isinstance(error, _TooManyAttemptsError):
                response.headers["retry-after"] = str(error.wait)
            return response
        response = RedirectResponse(_above(request), 303)
        self.cookies.put_flash(response, flash)
        return response

    async def _end(self, token: str, form: Form) -> str:
        async with workspace(self.pool, **self._entry(token, None)) as ws:
            try:
                await ws.revoke_session(form.text("id"))
            except SessionNotFoundError as error:
                raise SessionNotFoundError("This session has already ended.") from error
        return "Session ended."

    async def _change_password(self, token: str, form: Form) -> str:
        async with workspace(self.pool, **self._entry(token, None)) as ws:
            user_id = (await ws.current()).id
        if wait := self.account_throttle.attempt(str(user_id)):
            raise _TooManyAttemptsError(wait)
        if not await self.authenticator.confirm(user_id, form.secret("current")):
            raise PermissionDeniedError("The current password is wrong.")
        self.account_throttle.succeeded(str(user_id))
        password_hash = await self._new_hash(form)
        async with workspace(self.pool, **self._entry(token, None)) as ws:
            await ws.update_user(user_id, password_hash=password_hash)
            (here,) = [session.id for session in await ws.sessions(token) if session.is_current]
            await ws.revoke_sessions(keep=here)
        return "Password changed. All other sessions were ended."

    async def _new_hash(self, form: Form) -> str:
        password = form.secret("password")
        if len(password) < _SHORTEST_PASSWORD:
            raise InvalidArgumentError("The password must have at least 10 characters.")
        return await asyncio.to_thread(hash_password, password)

    # -- invitations ------------------------------------------------------------------

    async def join(self, request: Request) -> Response:
        """Show an invitation to anybody with its token."""
        return await self._join_page(request, request.query_params.get("token", ""), Flash())

    async def _join_page(self, request: Request, token: str, flash: Flash, status: int = 200) -> Response:
        preview = None
        try:
            preview = await peek_invitation(self.pool, token)
        except InvitationError as error:
            flash.say("error", "This invitation is not valid: it was used or revoked, or it has expired.")
            status = error.http_status
        data = {"preview": preview, "token": token, "shortest": _SHORTEST_PASSWORD}
        return self.pages.respond(request, "join", flash, status=status, data=data)

    async def joined(self, request: Request) -> Response:
        """Accept an invitation. A new account is logged in; an existing one must log in."""
        form = await self._form(request)
        token, flash = form.secret("token"), Flash()
        try:
            account = {name: form.optional(name) for name in ("username", "first_name", "last_name")}
            preview = await peek_invitation(self.pool, token)
            if not preview.account_exists:
                account["password_hash"] = await self._new_hash(form)
            accepted = await accept_invitation(self.pool, token, **account)
        except InvitationError:
            return await self._join_page(request, token, flash)
        except TenancyError as error:
            flash.say("error", self._words(request, error))
            return await self._join_page(request, token, flash, error.http_status)
        flash.say("done", "You are now a member.")
        target = f"/o/{accepted.organization_id}/dashboard"
        # The token proves access to the mailbox, not knowledge of the password: somebody may have created the account
        # since, with another one.
        if not preview.account_exists and await self.authenticator.confirm(accepted.user_id, form.secret("password")):
            return await self._start(request, accepted.user_id, target, flash)
        response = RedirectResponse(f"{_root(request)}{target}", 303)
        self.cookies.put_flash(response, flash)
        return response

    # -- everything else --------------------------------------------------------------

    async def choose_language(self, request: Request) -> Response:
        """Store the language, and show the same page in it."""
        form = await self._form(request)
        back = form.secret("back")
        target = back if _PAGE.fullmatch(back) or back == "/login" else "/"
        response = RedirectResponse(f"{_root(request)}{target}", 303)
        self.cookies.set(response, self.cookies.language, language_of(form.secret("language")), max_age=31_536_000)
        return response

    async def refuse(self, request: Request, error: Exception) -> Response:
        """Show an HTTP error, as a page or as a problem document."""
        # A path with a line break matches no route of the API.
        if isinstance(error, HTTPException) and request.url.path.startswith(f"{_root(request)}/api/"):
            return await refused(request, error)
        status = error.status_code if isinstance(error, HTTPException) else _BUSY
        words = {
            403: "This form has expired or comes from another site. Open the page again.",
            404: "This page does not exist.",
            503: "The database is busy or unavailable. Try again.",
        }
        flash = Flash([("error", words.get(status, "The request is invalid."))])
        response = self.pages.respond(request, "refused", flash, status=status)
        if status == _BUSY:
            response.headers["retry-after"] = "5"
        return response

    async def fail(self, request: Request, error: Exception) -> Response:
        """Show that something unexpected happened, with a number that the log has too."""
        reference = secrets.token_hex(6)
        _LOG.error("unexpected error %s", reference, exc_info=error)
        return self.pages.respond(request, "failed", Flash(), status=500, data={"reference": reference})


def _organization(request: Request) -> UUID | None:
    organization_id: UUID | None = request.path_params.get("organization_id")
    return organization_id


def _place(request: Request) -> str:
    """Return the path of the workspace's screens, below the root."""
    organization_id = _organization(request)
    return "/me" if organization_id is None else f"/o/{organization_id}"


def _root(request: Request) -> str:
    """Return the path where the console is mounted, without a slash at the end."""
    return str(request.scope.get("root_path", ""))


def _above(request: Request) -> str:
    return request.url.path.rsplit("/", 1)[0]
