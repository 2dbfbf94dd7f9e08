"""The actions of forms: one call each, in the entered workspace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

from pg_tenancy.errors import InvalidArgumentError
from pg_tenancy.fastapi.answers import insert_once

if TYPE_CHECKING:
    from pg_tenancy.aio import Workspace
    from pg_tenancy.console._web import Flash, Form

__all__ = ["ACTIONS", "Deed"]


@dataclass(frozen=True, slots=True)
class Deed:
    """A submitted form, in its workspace.

    Attributes:
        flash: messages and secrets for the next page.
        after: called after the commit.
    """

    ws: Workspace[Any]
    form: Form
    flash: Flash


Action = Callable[[Deed], Awaitable[str]]
"""Performs the action, and returns a message about it."""


def _days(form: Form, name: str = "days") -> timedelta | None:
    days = form.integer(name)
    if days is not None and not 0 < days <= 3650:
        raise InvalidArgumentError("the number of days is out of range")
    return timedelta(days=days) if days is not None else None


def _later(form: Form, name: str = "days") -> datetime | None:
    days = _days(form, name)
    return datetime.now(timezone.utc) + days if days is not None else None


# -- people --------------------------------------------------------------------------


async def change_role(deed: Deed) -> str:
    """Change a member's role."""
    await deed.ws.change_member_role(deed.form.text("user_id"), deed.form.text("role"))
    return "Role changed."


async def remove_member(deed: Deed) -> str:
    """Remove a member."""
    await deed.ws.remove_member(deed.form.text("user_id"))
    return "Member removed."


async def leave(deed: Deed) -> str:
    """Leave the organization."""
    await deed.ws.leave_organization()
    return "You have left the organization."


async def invite(deed: Deed) -> str:
    """Invite somebody; the token goes to the next page or the mail."""
    email = deed.form.text("email")
    invitation = await deed.ws.invite_member(email, deed.form.text("role"), _days(deed.form))
    deed.flash.secrets.update(invitation_token=invitation.token, invitation_email=email)
    return "Invitation created."


async def revoke_invitation(deed: Deed) -> str:
    """Revoke an invitation."""
    await deed.ws.revoke_invitation(deed.form.text("id"))
    return "Invitation revoked."


async def create_user(deed: Deed) -> str:
    """Create an account without a password."""
    form = deed.form
    await deed.ws.create_user(
        form.text("email"),
        username=form.optional("username"),
        first_name=form.optional("first_name"),
        last_name=form.optional("last_name"),
    )
    return "Account created."


async def update_user(deed: Deed) -> str:
    """Change the names of an account."""
    form = deed.form
    await deed.ws.update_user(
        form.text("user_id"), first_name=form.optional("first_name"), last_name=form.optional("last_name")
    )
    return "Account changed."


async def delete_user(deed: Deed) -> str:
    """Remove a member, from the screen of accounts."""
    await deed.ws.delete_user(deed.form.text("user_id"))
    return "Member removed."


# -- the organization -----------------------------------------------------------------


async def create_organization(deed: Deed) -> str:
    """Create an organization."""
    await deed.ws.create_organization(deed.form.text("name"), deed.form.optional("slug"))
    return "Organization created: choose it above."


async def update_organization(deed: Deed) -> str:
    """Change name, slug and color."""
    form = deed.form
    await deed.ws.update_organization(form.optional("name"), form.optional("slug"), form.optional("color"))
    return "Organization changed."


async def delete_organization(deed: Deed) -> str:
    """Delete the organization, if its slug was typed."""
    current = await deed.ws.current()
    if deed.form.optional("slug") != current.slug:
        raise InvalidArgumentError("type the slug of the organization to delete it")
    await deed.ws.delete_organization()
    return "Organization deleted."


# -- things ---------------------------------------------------------------------------


async def create_key(deed: Deed) -> str:
    """Create an API key, which the next page shows once."""
    new = await deed.ws.create_api_key(deed.form.text("name"), _later(deed.form))
    deed.flash.secrets["api_key"] = new.key
    return "API key created."


async def rename_key(deed: Deed) -> str:
    """Rename an API key."""
    await deed.ws.rename_api_key(deed.form.text("id"), deed.form.text("name"))
    return "API key renamed."


async def revoke_key(deed: Deed) -> str:
    """Revoke an API key."""
    await deed.ws.revoke_api_key(deed.form.text("id"))
    return "API key revoked."


async def create_instance(deed: Deed) -> str:
    """Start an instance, at most one for each page view."""
    form = deed.form
    values = {
        "provider_id": form.text("provider_id"),
        "model_id": form.optional("model_id"),
        "status": "provisioning",
        "gpu_profile": form.optional("gpu_profile"),
    }
    await insert_once(deed.ws, "public.instances", values, form.id("new_id"))
    return "Instance ordered."


async def terminate(deed: Deed) -> str:
    """Terminate an instance."""
    await deed.ws.terminate_instance(deed.form.text("id"))
    return "Termination ordered."


async def reinstall(deed: Deed) -> str:
    """Reinstall an instance."""
    await deed.ws.reinstall_instance(deed.form.text("id"))
    return "Reinstallation ordered."


async def archive(deed: Deed) -> str:
    """Archive a terminated instance."""
    await deed.ws.execute("SELECT tenancy.archive_instance(%s)", [deed.form.text("id")])
    return "Instance archived."


async def create_model(deed: Deed) -> str:
    """Create a model, at most one for each page view."""
    form = deed.form
    values = {
        "name": form.text("name"),
        "model_id": form.text("model_id"),
        "required_vram_gb": form.integer("required_vram_gb"),
    }
    await insert_once(deed.ws, "public.models", values, form.id("new_id"))
    return "Model created."


async def delete_model(deed: Deed) -> str:
    """Delete a model."""
    await deed.ws.delete_model(deed.form.text("id"))
    return "Model deleted."


async def activate(deed: Deed) -> str:
    """Activate an object."""
    form = deed.form
    done = await deed.ws.activate(form.text("kind"), form.text("id"), form.text("aspect"))
    return "Activated, and now operational." if done else "Activated. The other activation is still missing."


async def deactivate(deed: Deed) -> str:
    """Deactivate an object."""
    form = deed.form
    await deed.ws.deactivate(form.text("kind"), form.text("id"), form.text("aspect"))
    return "Activation withdrawn."


# -- settings -------------------------------------------------------------------------


async def set_setting(deed: Deed) -> str:
    """Set a value, unless somebody else changed it meanwhile."""
    form = deed.form
    await deed.ws.set_setting(
        form.text("key"), form.secret("value"), form.optional("subject_id"), expected_version=form.integer("version")
    )
    return "Setting changed."


async def unset_setting(deed: Deed) -> str:
    """Remove a value, so that the setting inherits again."""
    form = deed.form
    await deed.ws.unset_setting(form.text("key"), form.optional("subject_id"), expected_version=form.integer("version"))
    return "The setting inherits its value again."


# -- offerings ------------------------------------------------------------------------


async def set_preferences(deed: Deed) -> str:
    """Choose what the catalog shows."""
    form = deed.form
    await deed.ws.set_catalog_preferences(
        shows_public=form.checked("shows_public"),
        shows_paid=form.checked("shows_paid"),
        shows_contracts=form.checked("shows_contracts"),
    )
    return "Catalog preferences saved."


async def request_access(deed: Deed) -> str:
    """Request access to an offering."""
    await deed.ws.request_access(deed.form.text("id"), deed.form.optional("message"))
    return "Access requested."


def _offered(form: Form) -> dict[str, Any]:
    return {name: form.optional(name) for name in ("description", "visibility", "access_policy")} | {
        name: form.integer(name) for name in ("trial_days", "trial_tokens")
    }


async def publish(deed: Deed) -> str:
    """Offer a model."""
    form = deed.form
    await deed.ws.publish_offering(
        form.text("model_id"),
        form.text("code"),
        form.text("name"),
        eur_per_1k=form.decimal("eur_per_1k"),
        **_offered(form),
    )
    return "Offering published. It can be used after both activations."


async def update_offering(deed: Deed) -> str:
    """Change an offering; empty fields stay unchanged."""
    form = deed.form
    await deed.ws.update_offering(form.text("id"), code=form.text("code"), name=form.text("name"), **_offered(form))
    return "Offering changed."


async def stop_offering(deed: Deed) -> str:
    """Pause an offering."""
    await deed.ws.update_offering(deed.form.text("id"), is_active=False)
    return "Offering paused: nobody can use it."


async def start_offering(deed: Deed) -> str:
    """Resume a paused offering."""
    await deed.ws.update_offering(deed.form.text("id"), is_active=True)
    return "Offering resumed."


async def set_price(deed: Deed) -> str:
    """Set the price of an offering from now on."""
    price = deed.form.decimal("eur_per_1k")
    if price is None:
        raise InvalidArgumentError("eur_per_1k is missing")
    await deed.ws.set_offering_price(deed.form.text("id"), price)
    return "Price set."


async def share(deed: Deed) -> str:
    """Share an offering with an organization."""
    await deed.ws.share_offering(deed.form.text("id"), deed.form.text("organization_id"))
    return "Offering shared."


async def pause_share(deed: Deed) -> str:
    """Pause a share."""
    await deed.ws.pause_share(deed.form.text("id"))
    return "Share paused."


async def resume_share(deed: Deed) -> str:
    """Resume a share."""
    await deed.ws.resume_share(deed.form.text("id"))
    return "Share resumed."


async def revoke_share(deed: Deed) -> str:
    """Revoke a share."""
    await deed.ws.revoke_share(deed.form.text("id"))
    return "Share revoked."


async def approve(deed: Deed) -> str:
    """Approve a request."""
    form = deed.form
    await deed.ws.approve_access(
        form.text("id"),
        ends_at=_later(form),
        quota_tokens=form.integer("quota_tokens"),
        eur_per_1k=form.decimal("eur_per_1k"),
    )
    return "Request approved."


async def deny(deed: Deed) -> str:
    """Deny a request."""
    await deed.ws.deny_access(deed.form.text("id"), deed.form.optional("reason"))
    return "Request denied."


async def revoke_agreement(deed: Deed) -> str:
    """End an agreement."""
    await deed.ws.revoke_entitlement(deed.form.text("id"))
    return "Agreement ended."


_ACTIVATION: Final[dict[str, Action]] = {"activate": activate, "deactivate": deactivate}

ACTIONS: Final[dict[str, dict[str, Action]]] = {
    "members": {"change-role": change_role, "remove": remove_member, "leave": leave},
    "invitations": {"invite": invite, "revoke": revoke_invitation},
    "keys": {"create": create_key, "rename": rename_key, "revoke": revoke_key, **_ACTIVATION},
    "instances": {
        "create": create_instance,
        "terminate": terminate,
        "reinstall": reinstall,
        "archive": archive,
        **_ACTIVATION,
    },
    "models": {"create": create_model, "delete": delete_model, **_ACTIVATION},
    "users": {"create": create_user, "update": update_user, "delete": delete_user},
    "settings": {"set": set_setting, "unset": unset_setting},
    "catalog": {"preferences": set_preferences, "request": request_access},
    "offerings": {
        "publish": publish,
        "update": update_offering,
        "stop": stop_offering,
        "start": start_offering,
        "price": set_price,
        "share": share,
        "pause": pause_share,
        "resume": resume_share,
        "revoke": revoke_share,
        **_ACTIVATION,
    },
    "requests": {"approve": approve, "deny": deny, "revoke": revoke_agreement},
    "organization": {"update": update_organization, "delete": delete_organization},
    "dashboard": {"create-organization": create_organization},
}
"""The actions by screen and form."""
