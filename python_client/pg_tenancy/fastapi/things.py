"""Endpoints for instances, models, activations and settings."""

# Without "from __future__ import annotations": FastAPI reads the annotations.

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic import Field

from pg_tenancy.errors import InstanceNotFoundError
from pg_tenancy.fastapi.access import NewId
from pg_tenancy.fastapi.answers import START, After, Body, Entered, Limit, Page, answers, insert_once, page, rows_of
from pg_tenancy.results import ProviderStatus, Setting, SettingLevel

router = APIRouter()

IdempotencyKey = Annotated[
    UUID | None,
    Header(description="Becomes the id of the new object. A repeated request creates nothing and returns the same id."),
]

_INSTANCE = (
    "SELECT id, provider_id, model_id, status::text AS status, host(ip_address::inet) AS ip_address,"
    " gpu_profile::text AS gpu_profile, created_at, terminated_at, is_operational FROM public.instances"
)
_MODEL = (
    "SELECT id, organization_id, name, model_id, required_vram_gb, context_length, is_active, is_operational"
    " FROM public.models"
)


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance."""

    id: UUID
    provider_id: UUID
    model_id: UUID | None
    status: str
    ip_address: str | None
    gpu_profile: str | None
    created_at: datetime
    terminated_at: datetime | None
    is_operational: bool


@dataclass(frozen=True, slots=True)
class Model:
    """A model. Public models have no organization."""

    id: UUID
    organization_id: UUID | None
    name: str
    model_id: str
    required_vram_gb: int | None
    context_length: int | None
    is_active: bool
    is_operational: bool


class NewInstance(Body):
    """A new instance."""

    provider_id: UUID
    model_id: UUID | None = None
    gpu_profile: str | None = Field(default=None, examples=["1x L4 24GB"])


class NewModel(Body):
    """A new model of the organization."""

    name: str = Field(min_length=1, examples=["Sales bot"])
    model_id: str = Field(min_length=1, examples=["acme/sales-bot"])
    required_vram_gb: int | None = Field(default=None, ge=1)
    context_length: int | None = Field(default=None, ge=1)


# Created by this request, or by an earlier one with the same key.
_MADE = {
    200: answers(NewId)[200] | {"description": "An earlier request with this key has created it.", "model": NewId}
} | answers(NewId, 201)


async def _once(ws: Any, table: str, values: dict[str, object], given_id: UUID | None, response: Response) -> NewId:
    """Insert a row; answer 200 instead of 201 if an earlier request with the same key has inserted it."""
    new_id, made = await insert_once(ws, table, values, given_id)
    if not made:
        response.status_code = 200
    return NewId(new_id)


@router.get("/instances", tags=["instances"], responses=answers(Page[Instance]))
async def instances(
    ws: Entered, limit: Limit = 100, after: After = None, status: Annotated[str | None, Query()] = None
) -> Page[Instance]:
    """List the instances of this workspace, by id."""
    query = (
        f"{_INSTANCE} WHERE (%(status)s::text IS NULL OR status::text = %(status)s)"
        " AND id > %(after)s ORDER BY id LIMIT %(limit)s"
    )
    values = {"after": after or START, "limit": limit + 1, "status": status}
    return page(await rows_of(ws, Instance, query, values), limit)


@router.get("/instances/{instance_id}", tags=["instances"], responses=answers(Instance))
async def instance(ws: Entered, instance_id: UUID) -> Instance:
    """Return an instance."""
    found = await rows_of(ws, Instance, f"{_INSTANCE} WHERE id = %s", [instance_id])
    if not found:
        raise InstanceNotFoundError("this workspace has no such instance")
    return found[0]


@router.post("/instances", tags=["instances"], status_code=201, responses=_MADE)
async def create_instance(
    ws: Entered, new: NewInstance, response: Response, idempotency_key: IdempotencyKey = None
) -> NewId:
    """Start an instance in this workspace."""
    values = {**new.model_dump(), "status": "provisioning"}
    return await _once(ws, "public.instances", values, idempotency_key, response)


@router.post("/instances/{instance_id}/terminate", tags=["instances"], status_code=204, responses=answers(None, 204))
async def terminate(ws: Entered, instance_id: UUID) -> None:
    """Terminate an instance."""
    await ws.terminate_instance(instance_id)


@router.post("/instances/{instance_id}/reinstall", tags=["instances"], status_code=204, responses=answers(None, 204))
async def reinstall(ws: Entered, instance_id: UUID) -> None:
    """Reinstall an instance."""
    await ws.reinstall_instance(instance_id)


@router.post("/instances/{instance_id}/archive", tags=["instances"], status_code=204, responses=answers(None, 204))
async def archive(ws: Entered, instance_id: UUID) -> None:
    """Archive a terminated instance."""
    await ws.execute("SELECT tenancy.archive_instance(%s)", [instance_id])


# -- models --------------------------------------------------------------------------


@router.get("/models", tags=["models"], responses=answers(Page[Model]))
async def models(ws: Entered, limit: Limit = 100, after: After = None) -> Page[Model]:
    """List the models of this workspace and public ones, by id."""
    query = f"{_MODEL} WHERE id > %(after)s ORDER BY id LIMIT %(limit)s"
    return page(await rows_of(ws, Model, query, {"after": after or START, "limit": limit + 1}), limit)


@router.post("/models", tags=["models"], status_code=201, responses=_MADE)
async def create_model(ws: Entered, new: NewModel, response: Response, idempotency_key: IdempotencyKey = None) -> NewId:
    """Create a model of the organization."""
    return await _once(ws, "public.models", new.model_dump(), idempotency_key, response)


@router.delete("/models/{model_id}", tags=["models"], status_code=204, responses=answers(None, 204))
async def delete_model(ws: Entered, model_id: UUID) -> None:
    """Delete an unused model."""
    await ws.delete_model(model_id)


@router.get("/chat/models", tags=["models"], responses=answers(list[Model]))
async def chat_models(ws: Entered) -> list[Model]:
    """List the models that this workspace can use now."""
    query = f"{_MODEL} WHERE is_active AND is_operational ORDER BY name LIMIT 1000"
    return await rows_of(ws, Model, query)


# -- activations ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Activation:
    """Whether the object can be used now."""

    is_operational: bool


@router.put("/activations/{kind}/{object_id}/{aspect}", tags=["activations"], responses=answers(Activation))
async def activate(ws: Entered, kind: str, object_id: UUID, aspect: Literal["tech", "eco"]) -> Activation:
    """Activate an `api_key`, `instance`, `model` or `offering` technically or economically."""
    return Activation(await ws.activate(kind, object_id, aspect))


@router.delete("/activations/{kind}/{object_id}/{aspect}", tags=["activations"], responses=answers(Activation))
async def deactivate(ws: Entered, kind: str, object_id: UUID, aspect: Literal["tech", "eco"]) -> Activation:
    """Deactivate an object technically or economically."""
    return Activation(await ws.deactivate(kind, object_id, aspect))


# -- settings ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Definition:
    """The definition of a setting."""

    key: str
    scope: str
    value_type: str
    is_secret: bool
    required: bool
    min_int: int | None
    max_int: int | None
    description: str | None


class SettingValue(Body):
    """A new value of a setting."""

    value: str | int | bool | dict[str, Any] | list[Any]
    subject_id: UUID | None = Field(default=None, description="The provider, for a setting of providers.")
    expected_version: int | None = Field(default=None, description="0 if not set yet; null skips the check.")


@dataclass(frozen=True, slots=True)
class Version:
    """The version of the new value."""

    version: int


Subject = Annotated[UUID | None, Query(description="The provider, for a setting of providers.")]


@router.get("/settings", tags=["settings"], responses=answers(list[Setting]))
async def settings(ws: Entered) -> list[Setting]:
    """List every setting with its effective value and level; secrets without a value."""
    return await ws.settings()


@router.get("/settings/definitions", tags=["settings"], responses=answers(list[Definition]))
async def definitions(ws: Entered) -> list[Definition]:
    """List the definitions of all settings."""
    query = (
        "SELECT key, scope, value_type, is_secret, is_required AS required, min_int, max_int, description"
        " FROM tenancy.settings_definitions ORDER BY key"
    )
    return await rows_of(ws, Definition, query)


@router.get("/settings/global", tags=["settings"], responses=answers(list[Setting]))
async def global_settings(ws: Entered) -> list[Setting]:
    """List the settings that only the platform can set."""
    return [setting for setting in await ws.settings() if setting.scope == "global"]


@router.get("/settings/{key}", tags=["settings"], responses=answers(list[SettingLevel]))
async def explain_setting(ws: Entered, key: str, subject_id: Subject = None) -> list[SettingLevel]:
    """Return the value of a setting on each level, and which one is effective."""
    return await ws.explain_setting(key, subject_id)


@router.put("/settings/{key}", tags=["settings"], responses=answers(Version))
async def set_setting(ws: Entered, key: str, new: SettingValue) -> Version:
    """Set a value of this workspace."""
    return Version(await ws.set_setting(key, new.value, new.subject_id, expected_version=new.expected_version))


@router.delete("/settings/{key}", tags=["settings"], status_code=204, responses=answers(None, 204))
async def unset_setting(
    ws: Entered, key: str, subject_id: Subject = None, expected_version: Annotated[int | None, Query()] = None
) -> None:
    """Remove this workspace's value, so that it inherits again."""
    await ws.unset_setting(key, subject_id, expected_version=expected_version)


@router.get("/providers/config-status", tags=["settings"], responses=answers(list[ProviderStatus]))
async def provider_status(ws: Entered) -> list[ProviderStatus]:
    """Return whether each provider is ready here, and what is missing."""
    return await ws.provider_status()
