"""Instances and models, activations, settings."""

# Without "from __future__ import annotations": FastAPI reads the annotations.

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, Field

from pg_tenancy.fastapi.access import NewId
from pg_tenancy.fastapi.answers import After, Entered, IdTakenError, Limit, Page, answers, insert_once, page, rows_of
from pg_tenancy.results import CatalogEntry, ProviderStatus, ResolvedOffering, Setting, SettingLevel, SharedOffering

router = APIRouter()

IdempotencyKey = Annotated[
    UUID | None,
    Header(description="Becomes the id of what is made: the same request again makes nothing, and answers the same."),
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
    """A model; a public one has no organization."""

    id: UUID
    organization_id: UUID | None
    name: str
    model_id: str
    required_vram_gb: int | None
    context_length: int | None
    is_active: bool
    is_operational: bool


class NewInstance(BaseModel):
    """An instance to start."""

    provider_id: UUID
    model_id: UUID | None = None
    gpu_profile: str | None = Field(default=None, examples=["1x L4 24GB"])


class NewModel(BaseModel):
    """A model of the organization to make."""

    name: str = Field(examples=["Sales bot"])
    model_id: str = Field(examples=["acme/sales-bot"])
    required_vram_gb: int | None = Field(default=None, ge=1)
    context_length: int | None = Field(default=None, ge=1)


async def _once(ws: Any, table: str, insert: str, values: dict[str, Any], response: Response) -> NewId:
    """Insert a row; answer 200 in place of 201 if this very request has made it before."""
    made = await insert_once(ws, insert, values, values["id"])
    if made is not None:
        return NewId(made)
    # Whoever else may have this id, it is not for this workspace to know.
    if await ws.fetch_value(f"SELECT id FROM {table} WHERE id = %s", [values["id"]]) is None:  # noqa: S608
        raise IdTakenError("the Idempotency-Key is the id of something else", hint="Make a new one.")
    response.status_code = 200
    return NewId(values["id"])


@router.get("/instances", tags=["instances"], responses=answers(Page[Instance]))
async def instances(
    ws: Entered, limit: Limit = 100, after: After = None, status: Annotated[str | None, Query()] = None
) -> Page[Instance]:
    """List the instances of this workspace, by id."""
    query = (
        f"{_INSTANCE} WHERE (%(status)s::text IS NULL OR status::text = %(status)s)"
        " AND (%(after)s::uuid IS NULL OR id > %(after)s) ORDER BY id LIMIT %(limit)s"
    )
    values = {"after": after, "limit": limit + 1, "status": status}
    return page(await rows_of(ws, Instance, query, values), limit)


@router.post("/instances", tags=["instances"], status_code=201, responses=answers(NewId, 201))
async def create_instance(
    ws: Entered, new: NewInstance, response: Response, idempotency_key: IdempotencyKey = None
) -> NewId:
    """Start an instance in this workspace."""
    insert = (
        "INSERT INTO public.instances (id, provider_id, model_id, gpu_profile, status) VALUES"
        " (coalesce(%(id)s::uuid, gen_random_uuid()), %(provider_id)s, %(model_id)s, %(gpu_profile)s, 'provisioning')"
        " RETURNING id"
    )
    values = {"id": idempotency_key, **new.model_dump()}
    return await _once(ws, "public.instances", insert, values, response)


@router.post("/instances/{instance_id}/terminate", tags=["instances"], status_code=204, responses=answers(None, 204))
async def terminate(ws: Entered, instance_id: UUID) -> None:
    """Order the termination of an instance."""
    await ws.terminate_instance(instance_id)


@router.post("/instances/{instance_id}/reinstall", tags=["instances"], status_code=204, responses=answers(None, 204))
async def reinstall(ws: Entered, instance_id: UUID) -> None:
    """Order the reinstallation of an instance."""
    await ws.reinstall_instance(instance_id)


@router.post("/instances/{instance_id}/archive", tags=["instances"], status_code=204, responses=answers(None, 204))
async def archive(ws: Entered, instance_id: UUID) -> None:
    """Archive a terminated instance."""
    await ws.execute("SELECT tenancy.archive_instance(%s)", [instance_id])


# -- models --------------------------------------------------------------------------


@router.get("/models", tags=["models"], responses=answers(Page[Model]))
async def models(ws: Entered, limit: Limit = 100, after: After = None) -> Page[Model]:
    """List the models of this workspace, public ones included, by id."""
    query = f"{_MODEL} WHERE %(after)s::uuid IS NULL OR id > %(after)s ORDER BY id LIMIT %(limit)s"
    return page(await rows_of(ws, Model, query, {"after": after, "limit": limit + 1}), limit)


@router.post("/models", tags=["models"], status_code=201, responses=answers(NewId, 201))
async def create_model(ws: Entered, new: NewModel, response: Response, idempotency_key: IdempotencyKey = None) -> NewId:
    """Make a model of the organization."""
    insert = (
        "INSERT INTO public.models (id, name, model_id, required_vram_gb, context_length) VALUES"
        " (coalesce(%(id)s::uuid, gen_random_uuid()), %(name)s, %(model_id)s, %(required_vram_gb)s,"
        " %(context_length)s) RETURNING id"
    )
    return await _once(ws, "public.models", insert, {"id": idempotency_key, **new.model_dump()}, response)


@router.delete("/models/{model_id}", tags=["models"], status_code=204, responses=answers(None, 204))
async def delete_model(ws: Entered, model_id: UUID) -> None:
    """Delete a model that nothing uses."""
    await ws.delete_model(model_id)


@router.get("/models/community", tags=["models"], responses=answers(Page[CatalogEntry]))
async def community(ws: Entered, limit: Limit = 100, after: After = None) -> Page[CatalogEntry]:
    """List the public offerings of other organizations, and whether they can be used here."""
    return page(await ws.community_catalog(after_id=after, page_size=limit + 1), limit)


@router.get("/models/shared", tags=["models"], responses=answers(list[SharedOffering]))
async def shared(ws: Entered) -> list[SharedOffering]:
    """List the offerings that this workspace may use by a right of its own."""
    return await ws.shared_offerings()


@router.post("/models/community/{offering_id}/request", tags=["models"], status_code=201, responses=answers(NewId, 201))
async def request_access(ws: Entered, offering_id: UUID, message: Annotated[str | None, Query()] = None) -> NewId:
    """Request access to an offering. Repeated, it is the problem `already_requested`."""
    return NewId(await ws.request_access(offering_id, message))


@router.get("/chat/models", tags=["models"], responses=answers(list[Model]))
async def chat_models(ws: Entered) -> list[Model]:
    """List the models of this workspace that can be used now."""
    query = f"{_MODEL} WHERE is_active AND is_operational ORDER BY name LIMIT 1000"
    return await rows_of(ws, Model, query)


@router.get("/chat/models/resolve", tags=["models"], responses=answers(ResolvedOffering))
async def resolve(ws: Entered, name: Annotated[str, Query(examples=["acme/sales-bot"])]) -> ResolvedOffering:
    """Find an offering by a client's name, and whether it may be used here."""
    return await ws.resolve_offering(name)


# -- activations ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Activation:
    """Whether the object can be used now."""

    is_operational: bool


@router.put("/activations/{kind}/{object_id}/{aspect}", tags=["activations"], responses=answers(Activation))
async def activate(ws: Entered, kind: str, object_id: UUID, aspect: Literal["tech", "eco"]) -> Activation:
    """Give an `api_key`, `instance`, `model` or `offering` one of its two activations."""
    return Activation(await ws.activate(kind, object_id, aspect))


@router.delete("/activations/{kind}/{object_id}/{aspect}", tags=["activations"], responses=answers(Activation))
async def deactivate(ws: Entered, kind: str, object_id: UUID, aspect: Literal["tech", "eco"]) -> Activation:
    """Take an activation back."""
    return Activation(await ws.deactivate(kind, object_id, aspect))


# -- settings ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Definition:
    """What a setting is."""

    key: str
    scope: str
    value_type: str
    is_secret: bool
    required: bool
    min_int: int | None
    max_int: int | None
    description: str | None


class SettingValue(BaseModel):
    """The value of a setting."""

    value: str | int | bool | dict[str, Any] | list[Any]
    subject_id: UUID | None = Field(default=None, description="The provider, of a setting that each has.")
    expected_version: int | None = Field(default=None, description="0 for none yet; null does not ask.")


@dataclass(frozen=True, slots=True)
class Version:
    """The version of a value that was set."""

    version: int


Subject = Annotated[UUID | None, Query(description="The provider, of a setting that each has.")]


@router.get("/settings", tags=["settings"], responses=answers(list[Setting]))
async def settings(ws: Entered) -> list[Setting]:
    """List every setting with the value that counts here, and its level; secrets without a value."""
    return await ws.settings()


@router.get("/settings/definitions", tags=["settings"], responses=answers(list[Definition]))
async def definitions(ws: Entered) -> list[Definition]:
    """List the settings that there are."""
    query = (
        "SELECT key, scope, value_type, is_secret, is_required AS required, min_int, max_int, description"
        " FROM tenancy.settings_definitions ORDER BY key"
    )
    return await rows_of(ws, Definition, query)


@router.get("/settings/global", tags=["settings"], responses=answers(list[Setting]))
async def global_settings(ws: Entered) -> list[Setting]:
    """List the settings that only the platform sets."""
    return [setting for setting in await ws.settings() if setting.scope == "global"]


@router.get("/settings/{key}", tags=["settings"], responses=answers(list[SettingLevel]))
async def explain_setting(ws: Entered, key: str, subject_id: Subject = None) -> list[SettingLevel]:
    """Return the value of a setting on each level, and which one counts."""
    return await ws.explain_setting(key, subject_id)


@router.put("/settings/{key}", tags=["settings"], responses=answers(Version))
async def set_setting(ws: Entered, key: str, new: SettingValue) -> Version:
    """Set a value of this workspace."""
    return Version(await ws.set_setting(key, new.value, new.subject_id, expected_version=new.expected_version))


@router.delete("/settings/{key}", tags=["settings"], status_code=204, responses=answers(None, 204))
async def unset_setting(
    ws: Entered, key: str, subject_id: Subject = None, expected_version: Annotated[int | None, Query()] = None
) -> None:
    """Take this workspace's own value back, so that it inherits again."""
    await ws.unset_setting(key, subject_id, expected_version=expected_version)


@router.get("/providers/config-status", tags=["settings"], responses=answers(list[ProviderStatus]))
async def provider_status(ws: Entered) -> list[ProviderStatus]:
    """Return whether each provider is ready here, and what it lacks."""
    return await ws.provider_status()
