"""Every statement that the client sends by itself, with the phase that brings it.

The placeholders are Postgres's own (``$1``), which both drivers send as they
are. Columns are always listed: an adopted table may have more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing_extensions import LiteralString


@dataclass(frozen=True, slots=True)
class Call:
    """A statement that does nothing but call one function of pg-tenancy."""

    phase: int
    function: str
    text: LiteralString


ENTER: Final = Call(1, "tenancy.enter", "SELECT tenancy.enter($1::uuid, $2::uuid)")
ENTER_WITH_TICKET: Final = Call(1, "tenancy.enter_with_ticket", "SELECT tenancy.enter_with_ticket($1::text)")
ENTER_WITH_API_KEY: Final = Call(4, "tenancy.enter_with_api_key", "SELECT tenancy.enter_with_api_key($1::text)")

CURRENT_WORKSPACE: Final = Call(
    1,
    "tenancy.current_workspace",
    "SELECT kind, id, name, slug, role, color, plan FROM tenancy.current_workspace()",
)
HAS_PERMISSION: Final = Call(1, "tenancy.has_permission", "SELECT tenancy.has_permission($1::text)")
MY_PERMISSIONS: Final = Call(
    1, "tenancy.my_permissions", "SELECT permission FROM tenancy.my_permissions() AS permission"
)
MY_ORGANIZATIONS: Final = Call(
    1,
    "tenancy.my_organizations",
    "SELECT id, name, slug, role, is_current FROM tenancy.my_organizations()",
)
CREATE_ORGANIZATION: Final = Call(
    1,
    "tenancy.create_organization",
    "SELECT id, name, slug, created_by_user_id, created_at, updated_at"
    " FROM tenancy.create_organization($1::text, $2::text)",
)
UPDATE_ORGANIZATION: Final = Call(
    1,
    "tenancy.update_organization",
    "SELECT id, name, slug, created_by_user_id, created_at, updated_at"
    " FROM tenancy.update_organization($1::text, $2::text, $3::text)",
)
DELETE_ORGANIZATION: Final = Call(1, "tenancy.delete_organization", "SELECT tenancy.delete_organization()")

MEMBERS: Final = Call(
    2,
    "tenancy.members",
    "SELECT user_id, email, username, first_name, last_name, role, member_since FROM tenancy.members()",
)
CHANGE_MEMBER_ROLE: Final = Call(
    2, "tenancy.change_member_role", "SELECT tenancy.change_member_role($1::uuid, $2::text)"
)
REMOVE_MEMBER: Final = Call(2, "tenancy.remove_member", "SELECT tenancy.remove_member($1::uuid)")
LEAVE_ORGANIZATION: Final = Call(2, "tenancy.leave_organization", "SELECT tenancy.leave_organization()")
