"""Shared by all endpoints: workspaces, pages, problems and examples."""

# Without "from __future__ import annotations": FastAPI reads the annotations.

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import NoneType
from typing import Annotated, Any, Final, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

from fastapi import Depends, Query
from psycopg import AsyncConnection, sql
from psycopg.errors import UniqueViolation
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection

from pg_tenancy.aio import Workspace
from pg_tenancy.errors import TenancyError
from pg_tenancy.problems import MEDIA_TYPE

__all__ = [
    "PROBLEMS",
    "START",
    "After",
    "Body",
    "Entered",
    "IdTakenError",
    "Limit",
    "Page",
    "Pool",
    "Problem",
    "Source",
    "answers",
    "insert_once",
    "page",
    "rows_of",
]

T = TypeVar("T")
Source = AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]]


class IdTakenError(TenancyError):
    """The requested id is already taken."""

    http_status = 409


WORKSPACE = "pg_tenancy.workspace"
POOL = "pg_tenancy.pool"


def _entered(connection: HTTPConnection) -> Any:
    return connection.scope[WORKSPACE]


def _pool(connection: HTTPConnection) -> Any:
    return connection.scope[POOL]


Entered = Annotated[Workspace[tuple[Any, ...]], Depends(_entered)]
"""The workspace of the request, opened by the router."""

Pool = Annotated[Source, Depends(_pool)]
"""The router's pool, for endpoints outside of workspaces."""

Limit = Annotated[int, Query(ge=1, le=1000, description="Maximum number of rows.")]
After = Annotated[UUID | None, Query(description="`next` of the previous page; omit it for the first page.")]

START: Final = UUID(int=0)
"""``after`` of the first page. In a generic plan, "after IS NULL OR id > after" would read the index from its start."""


def _with_example(schema: dict[str, Any], kind: type[BaseModel]) -> None:
    example = {}
    for name, each in kind.model_fields.items():
        # Descriptions say what an omitted field means; examples show valid values.
        example[name] = each.examples[0] if each.examples else _sample(name, each.annotation)
    schema["examples"] = [example]


class Body(BaseModel):
    """A request body, with an example. Unknown fields are refused.

    Otherwise a misspelt field would be ignored silently.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra=_with_example)


class Page(BaseModel, Generic[T]):
    """A page of a list."""

    items: list[T]
    next: UUID | None = Field(description="`after` of the next page, or null on the last one.")


def page(rows: Sequence[T], limit: int, after: UUID | None = None, *, key: str = "id") -> Page[T]:
    """Return a page of rows.

    Args:
        rows: all rows, or one more than ``limit`` if the query was limited.
        limit: the maximum number of rows.
        after: the last key of the previous page, if ``rows`` are all rows; an unknown key ends the list.
        key: the attribute that identifies a row.
    """
    if after is not None:
        known = [getattr(row, key) for row in rows]
        rows = rows[known.index(after) + 1 :] if after in known else []
    items = list(rows[:limit])
    return Page(items=items, next=getattr(items[-1], key) if len(rows) > limit else None)


async def insert_once(ws: Any, table: str, values: Mapping[str, object], given_id: UUID | None) -> tuple[UUID, bool]:
    """Insert a row. If the sender chose its id, a repeated request inserts nothing.

    Args:
        ws: the workspace.
        table: the table, with its schema.
        values: the values by column; None is NULL.
        given_id: the id of the new row; None lets the database choose one.

    Returns:
        The row's id, and whether it was inserted: False if it already existed.

    Raises:
        IdTakenError: a row that the workspace cannot see has this id.
        psycopg.Error: the database refused the row.
    """
    connection = await ws.connection()
    row = {**values} if given_id is None else {"id": given_id, **values}
    insert = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING id").format(
        sql.Identifier(*table.split(".")),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Placeholder, row)),
    )
    try:
        async with connection.transaction():
            cursor = await connection.execute(insert, row)
            return (await cursor.fetchone())[0], True
    except UniqueViolation as error:
        if given_id is None or not (error.diag.constraint_name or "").endswith("_pkey"):
            raise
    # Another workspace may have this id, which must not be revealed.
    there = sql.SQL("SELECT FROM {} WHERE id = %s").format(sql.Identifier(*table.split(".")))
    if not (await connection.execute(there, [given_id])).rowcount:
        raise IdTakenError("the id is already taken", hint="Choose a new one.")
    return given_id, False


async def rows_of(
    ws: Workspace[Any], kind: type[T], query: str, values: dict[str, Any] | Sequence[Any] | None = None
) -> list[T]:
    """Run a query and return its rows as instances of a dataclass."""
    cursor = (await ws.connection()).cursor(row_factory=class_row(kind))
    await cursor.execute(query.encode(), values)
    return await cursor.fetchall()


class Problem(BaseModel):
    """An error as in RFC 9457. `name` identifies it and is stable across versions."""

    type: str = Field(examples=["urn:pg-tenancy:error:permission_denied"])
    title: str = Field(examples=["Permission denied"])
    status: int = Field(examples=[403])
    name: str = Field(examples=["permission_denied"])
    detail: str = Field(examples=["role user lacks permission instances.terminate"])
    hint: str | None = Field(default=None, examples=["Roles that hold it: owner, admin."])
    phase: int | None = None


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": words, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for status, words in (
        (400, "The request is malformed."),
        (401, "The caller is not authenticated."),
        (403, "The role lacks the permission, or the caller may not enter the workspace."),
        (404, "The object does not exist, or this workspace cannot see it."),
        (409, "The state of the object, or of another one, does not allow it."),
        (422, "A value is invalid."),
        (503, "The database is busy or unavailable; `Retry-After` says when to try again."),
    )
}

_SAMPLES: dict[str, Any] = {
    "email": "zoe@example.com",
    "username": "zoe",
    "first_name": "Zoe",
    "last_name": "Martin",
    "slug": "acme",
    "organization_name": "Acme",
    "role": "manager",
    "color": "#1d4ed8",
    "plan": "free",
    "status": "ready",
    "key_prefix": "sk-a1b2c3d4",
    "key": "sk-a1b2c3d4…",
    "token": "pX3…",
    "message": "For our sales team",
    "reason": "Not this month",
    "description": "Answers questions about our products",
    "visibility": "public",
    "access_policy": "request_required",
    "model_id": "acme/sales-bot",
    "gpu_profile": "1x L4 24GB",
    "ip_address": "192.0.2.10",
    "permission": "instances.view",
    "name": "Acme",
    "code": "sales-bot",
    "currency": "EUR",
    "path": "/instances",
}


def answers(kind: Any, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return an endpoint's ``responses``: an example of its response type, and the problems."""
    return {status: {"content": {"application/json": {"example": _sample("", kind)}}}, **PROBLEMS}


def _sample(name: str, kind: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return arguments[0]
    if NoneType in arguments:
        return _sample(name, next(each for each in arguments if each is not NoneType))
    if origin in (list, tuple) or (isinstance(kind, type) and issubclass(kind, Page)):
        inner = arguments or kind.__pydantic_generic_metadata__["args"]
        sample = [_sample(name, inner[0])]
        return {"items": sample, "next": None} if origin not in (list, tuple) else sample
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return {each.name: _sample(each.name, hints[each.name]) for each in dataclasses.fields(kind)}
    plain: dict[Any, Any] = {
        UUID: "0b6f1c1e-7f0e-4c39-9d53-0f8a6c6a2f11",
        datetime: "2027-11-29T12:00:00Z",
        AwareDatetime: "2027-11-29T12:00:00Z",
        Decimal: "12.50",
        int: 1,
        bool: True,
    }
    return plain[kind] if kind in plain else _SAMPLES.get(name, name or None)
