"""Endpoints for the caller, modules, sessions, accounts and API keys."""

# Without "from __future__ import annotations": FastAPI reads the annotations.

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from pg_tenancy.fastapi.answers import START, After, Body, Entered, Limit, Page, answers, page, rows_of
from pg_tenancy.results import ApiKey, CurrentWorkspace, Module, NewApiKey, Provisioning, Session, User

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Account:
    """An account."""

    id: UUID
    email: str
    username: str | None
    first_name: str | None
    last_name: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Me:
    """The caller and the entered workspace. For an organization's API key the account is null."""

    account: Account | None
    workspace: CurrentWorkspace
    permissions: list[str]


_ACCOUNT = "SELECT id, email, username, first_name, last_name, created_at FROM public.users"


@router.get("/auth/me", tags=["auth"], responses=answers(Me))
async def me(ws: Entered) -> Me:
    """Return the caller, the workspace and the permissions."""
    found = await rows_of(ws, Account, f"{_ACCOUNT} WHERE id = (SELECT tenancy.current_user_id())")
    return Me(found[0] if found else None, await ws.current(), sorted(await ws.my_permissions()))


@router.get("/modules", tags=["auth"], responses=answers(list[Module]))
async def modules(ws: Entered) -> list[Module]:
    """Return every module in menu order, with its state in this workspace."""
    return await ws.visible_modules()


@router.get("/modules/instances/provisioning", tags=["auth"], responses=answers(Provisioning))
async def provisioning(ws: Entered) -> Provisioning:
    """Return whether an instance can be created here, and what is missing."""
    return await ws.can_provision()


@router.get("/auth/sessions", tags=["auth"], responses=answers(list[Session]))
async def sessions(ws: Entered) -> list[Session]:
    """List the caller's sessions, the last used first."""
    return await ws.sessions()


@router.delete("/auth/sessions/{session_id}", tags=["auth"], status_code=204, responses=answers(None, 204))
async def revoke_session(ws: Entered, session_id: UUID) -> None:
    """End one of the caller's sessions. Can be repeated."""
    await ws.revoke_session(session_id)


# -- accounts ------------------------------------------------------------------------


class NewUser(Body):
    """A new account."""

    email: str = Field(examples=["zoe@example.com"])
    username: str | None = Field(default=None, examples=["zoe"])
    first_name: str | None = None
    last_name: str | None = None


class UserChange(Body):
    """Changes to an account. Omitted fields stay unchanged."""

    email: str | None = None
    username: str | None = Field(default=None, examples=["zoe"])
    first_name: str | None = None
    last_name: str | None = None


@dataclass(frozen=True, slots=True)
class NewId:
    """The created object."""

    id: UUID


@router.get("/users", tags=["users"], responses=answers(Page[Account]))
async def users(ws: Entered, limit: Limit = 100, after: After = None) -> Page[Account]:
    """List the accounts of the organization's members; in the personal workspace, only the caller's."""
    query = f"{_ACCOUNT} WHERE id > %(after)s ORDER BY id LIMIT %(limit)s"
    return page(await rows_of(ws, Account, query, {"after": after or START, "limit": limit + 1}), limit)


@router.get("/users/all", tags=["users"], responses=answers(Page[User]))
async def all_users(
    ws: Entered, limit: Limit = 100, after: After = None, email: Annotated[str | None, Query()] = None
) -> Page[User]:
    """List all accounts, or the one with an e-mail address. For platform staff."""
    found = await ws.all_users(email, after_id=after, page_size=limit + 1)
    return page(found, limit, key="user_id")


@router.post("/users", tags=["users"], status_code=201, responses=answers(NewId, 201))
async def create_user(ws: Entered, new: NewUser) -> NewId:
    """Create an account and make it a member with the role `user`. A repeated request fails with `email_taken`."""
    return NewId(await ws.create_user(**new.model_dump(exclude={"email"}), email=new.email))


@router.patch("/users/{user_id}", tags=["users"], status_code=204, responses=answers(None, 204))
async def update_user(ws: Entered, user_id: UUID, change: UserChange) -> None:
    """Change the caller's account, or a member's names."""
    await ws.update_user(user_id, **change.model_dump())


@router.delete("/users/{user_id}", tags=["users"], status_code=204, responses=answers(None, 204))
async def delete_user(ws: Entered, user_id: UUID) -> None:
    """Remove a member; in the personal workspace, delete the caller's account."""
    await ws.delete_user(user_id)


# -- API keys ------------------------------------------------------------------------


class KeyRequest(Body):
    """A new API key."""

    name: str = Field(examples=["build server"])
    expires_at: AwareDatetime | None = Field(default=None, description="With a time zone; null for never.")


class KeyChange(Body):
    """The new name of an API key."""

    name: str = Field(examples=["build server"])


@router.get("/api_keys", tags=["API keys"], responses=answers(Page[ApiKey]))
async def api_keys(ws: Entered, limit: Limit = 100, after: After = None) -> Page[ApiKey]:
    """List the API keys of this workspace, including revoked ones, the newest first."""
    return page(await ws.api_keys(), limit, after)


@router.post("/api_keys", tags=["API keys"], status_code=201, responses=answers(NewApiKey, 201))
async def create_api_key(ws: Entered, new: KeyRequest) -> NewApiKey:
    """Create an API key. The response is its only copy. A repeated request creates another key."""
    return await ws.create_api_key(new.name, new.expires_at)


@router.patch("/api_keys/{key_id}", tags=["API keys"], status_code=204, responses=answers(None, 204))
async def rename_api_key(ws: Entered, key_id: UUID, change: KeyChange) -> None:
    """Rename an API key."""
    await ws.rename_api_key(key_id, change.name)


@router.delete("/api_keys/{key_id}", tags=["API keys"], status_code=204, responses=answers(None, 204))
async def revoke_api_key(ws: Entered, key_id: UUID) -> None:
    """Revoke an API key permanently. Can be repeated."""
    await ws.revoke_api_key(key_id)
