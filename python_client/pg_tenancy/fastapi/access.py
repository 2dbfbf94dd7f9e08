"""The caller, the workspace and its open modules; accounts, and the API keys of the workspace."""

# Without "from __future__ import annotations": FastAPI reads the annotations.

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from pg_tenancy.fastapi.answers import After, Body, Entered, Limit, Page, answers, page, rows_of
from pg_tenancy.results import ApiKey, CurrentWorkspace, Module, NewApiKey, Provisioning, Session, User

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Account:
    """An account, as its workspace shows it."""

    id: UUID
    email: str
    username: str | None
    first_name: str | None
    last_name: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Me:
    """The caller: the account is null for an organization's API key, the workspace is the entered one."""

    account: Account | None
    workspace: CurrentWorkspace
    permissions: list[str]


_ACCOUNT = "SELECT id, email, username, first_name, last_name, created_at FROM public.users"


@router.get("/auth/me", tags=["auth"], responses=answers(Me))
async def me(ws: Entered) -> Me:
    """Return who is calling, in which workspace, with which permissions."""
    found = await rows_of(ws, Account, f"{_ACCOUNT} WHERE id = (SELECT tenancy.current_user_id())")
    return Me(found[0] if found else None, await ws.current(), sorted(await ws.my_permissions()))


@router.get("/modules", tags=["auth"], responses=answers(list[Module]))
async def modules(ws: Entered) -> list[Module]:
    """Return every module in menu order, with its state in this workspace."""
    return await ws.visible_modules()


@router.get("/modules/instances/provisioning", tags=["auth"], responses=answers(Provisioning))
async def provisioning(ws: Entered) -> Provisioning:
    """Return whether an instance can be created here, and what is missing for it."""
    return await ws.can_provision()


@router.get("/auth/sessions", tags=["auth"], responses=answers(list[Session]))
async def sessions(ws: Entered) -> list[Session]:
    """List where the caller is logged in, the last used first."""
    return await ws.sessions()


@router.delete("/auth/sessions/{session_id}", tags=["auth"], status_code=204, responses=answers(None, 204))
async def revoke_session(ws: Entered, session_id: UUID) -> None:
    """End one of the caller's sessions; repeating it is not an error."""
    await ws.revoke_session(session_id)


# -- accounts ------------------------------------------------------------------------


class NewUser(Body):
    """An account to make."""

    email: str = Field(examples=["zoe@example.com"])
    username: str | None = Field(default=None, examples=["zoe"])
    first_name: str | None = None
    last_name: str | None = None


class UserChange(Body):
    """Changes of an account; omitted fields stay."""

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
    """List the accounts of the organization's members; in the personal workspace one's own."""
    query = f"{_ACCOUNT} WHERE %(after)s::uuid IS NULL OR id > %(after)s ORDER BY id LIMIT %(limit)s"
    return page(await rows_of(ws, Account, query, {"after": after, "limit": limit + 1}), limit)


@router.get("/users/all", tags=["users"], responses=answers(Page[User]))
async def all_users(
    ws: Entered, limit: Limit = 100, after: After = None, email: Annotated[str | None, Query()] = None
) -> Page[User]:
    """List everybody, or the account with an address: for platform staff."""
    found = await ws.all_users(email, after_id=after, page_size=limit + 1)
    return page(found, limit, key="user_id")


@router.post("/users", tags=["users"], status_code=201, responses=answers(NewId, 201))
async def create_user(ws: Entered, new: NewUser) -> NewId:
    """Make an account, a member with the role `user`. Repeated, it is the problem `email_taken`."""
    return NewId(await ws.create_user(**new.model_dump(exclude={"email"}), email=new.email))


@router.patch("/users/{user_id}", tags=["users"], status_code=204, responses=answers(None, 204))
async def update_user(ws: Entered, user_id: UUID, change: UserChange) -> None:
    """Change an account: one's own, or the names of a member."""
    await ws.update_user(user_id, **change.model_dump())


@router.delete("/users/{user_id}", tags=["users"], status_code=204, responses=answers(None, 204))
async def delete_user(ws: Entered, user_id: UUID) -> None:
    """End a membership; in the personal workspace, delete one's own account."""
    await ws.delete_user(user_id)


# -- API keys ------------------------------------------------------------------------


class KeyRequest(Body):
    """An API key to make."""

    name: str = Field(examples=["build server"])
    expires_at: AwareDatetime | None = Field(default=None, description="With a time zone; null for never.")


class KeyChange(Body):
    """The new name of an API key."""

    name: str = Field(examples=["build server"])


@router.get("/api_keys", tags=["API keys"], responses=answers(Page[ApiKey]))
async def api_keys(ws: Entered, limit: Limit = 100, after: After = None) -> Page[ApiKey]:
    """List the API keys of this workspace, the newest first, revoked ones too."""
    return page(await ws.api_keys(), limit, after)


@router.post("/api_keys", tags=["API keys"], status_code=201, responses=answers(NewApiKey, 201))
async def create_api_key(ws: Entered, new: KeyRequest) -> NewApiKey:
    """Make an API key. The answer is its only copy; repeated, it makes another key."""
    return await ws.create_api_key(new.name, new.expires_at)


@router.patch("/api_keys/{key_id}", tags=["API keys"], status_code=204, responses=answers(None, 204))
async def rename_api_key(ws: Entered, key_id: UUID, change: KeyChange) -> None:
    """Give an API key another name."""
    await ws.rename_api_key(key_id, change.name)


@router.delete("/api_keys/{key_id}", tags=["API keys"], status_code=204, responses=answers(None, 204))
async def revoke_api_key(ws: Entered, key_id: UUID) -> None:
    """Revoke an API key for good; repeating it is not an error."""
    await ws.revoke_api_key(key_id)
