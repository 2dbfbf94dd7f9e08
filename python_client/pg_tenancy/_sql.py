"""Every statement that the client itself sends, with the phase that it requires.

The placeholders are PostgreSQL's own (``$1``), which both drivers send unchanged. Columns
are always listed, because an application's table may have others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pg_tenancy._values import Argument, Bytes, Count, Flag, Id, Many, Moment, Secret, Span, Text, Value, Version
from pg_tenancy.errors import ApiKeyError, InvitationError, SessionError, TicketError, UserRequiredError

if TYPE_CHECKING:
    from typing_extensions import LiteralString


@dataclass(frozen=True, slots=True)
class Call:
    """A statement that only calls one function of pg-tenancy.

    Attributes:
        phase: the number of the phase that adds the function.
        function: the function's name, with its schema.
        text: the statement.
        takes: its placeholders' arguments, in order.

    """

    phase: int
    function: str
    text: LiteralString
    takes: tuple[Argument, ...] = ()

    def checked(self, values: Sequence[object]) -> tuple[object, ...]:
        """Check the values, and return them as they are passed to the drivers.

        Raises:
            TenancyError: one of them is not acceptable.
        """
        return tuple([argument(value) for argument, value in zip(self.takes, values, strict=True)])


_ACCOUNT: Final = tuple(Text(name, optional=True) for name in ("username", "first_name", "last_name", "password_hash"))

ENTER: Final = Call(
    1,
    "tenancy.enter",
    "SELECT tenancy.enter($1::uuid, $2::uuid)",
    (Id("user_id", missing=UserRequiredError), Id("organization_id", optional=True)),
)
ENTER_PLATFORM: Final = Call(
    1, "tenancy.enter_platform", "SELECT tenancy.enter_platform($1::uuid)", (Id("user_id", missing=UserRequiredError),)
)
ENTER_WITH_TICKET: Final = Call(
    1, "tenancy.enter_with_ticket", "SELECT tenancy.enter_with_ticket($1::text)", (Secret("ticket", TicketError),)
)
ENTER_WITH_API_KEY: Final = Call(
    4, "tenancy.enter_with_api_key", "SELECT tenancy.enter_with_api_key($1::text)", (Secret("api_key", ApiKeyError),)
)

ENTER_WITH_SESSION: Final = Call(
    7,
    "tenancy.enter_with_session",
    "SELECT tenancy.enter_with_session($1::text)",
    (Secret("session", SessionError),),
)
ENTER_WITH_SESSION_IN: Final = Call(
    7,
    "tenancy.enter_with_session",
    "SELECT tenancy.enter_with_session($1::text, $2::uuid)",
    (Secret("session", SessionError), Id("organization_id", optional=True)),
)

CURRENT_WORKSPACE: Final = Call(
    1,
    "tenancy.current_workspace",
    "SELECT kind, id, name, slug, role, color, plan FROM tenancy.current_workspace()",
)
HAS_PERMISSION: Final = Call(
    1, "tenancy.has_permission", "SELECT tenancy.has_permission($1::text)", (Text("permission"),)
)
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
    (Text("name"), Text("slug", optional=True)),
)
UPDATE_ORGANIZATION: Final = Call(
    1,
    "tenancy.update_organization",
    "SELECT id, name, slug, created_by_user_id, created_at, updated_at"
    " FROM tenancy.update_organization($1::text, $2::text, $3::text)",
    (Text("name", optional=True), Text("slug", optional=True), Text("color", optional=True)),
)
DELETE_ORGANIZATION: Final = Call(1, "tenancy.delete_organization", "SELECT tenancy.delete_organization()")

MEMBERS: Final = Call(
    2,
    "tenancy.members",
    "SELECT user_id, email, username, first_name, last_name, role, member_since FROM tenancy.members()",
)
MEMBER: Final = Call(
    2,
    "tenancy.member",
    "SELECT user_id, email, username, first_name, last_name, role, member_since FROM tenancy.member($1::uuid)",
    (Id("user_id"),),
)
CHANGE_MEMBER_ROLE: Final = Call(
    2,
    "tenancy.change_member_role",
    "SELECT tenancy.change_member_role($1::uuid, $2::text)",
    (Id("user_id"), Text("role")),
)
REMOVE_MEMBER: Final = Call(2, "tenancy.remove_member", "SELECT tenancy.remove_member($1::uuid)", (Id("user_id"),))
LEAVE_ORGANIZATION: Final = Call(2, "tenancy.leave_organization", "SELECT tenancy.leave_organization()")

INVITE_MEMBER: Final = Call(
    3,
    "tenancy.invite_member",
    "SELECT id, token FROM tenancy.invite_member($1::text, $2::text)",
    (Text("email"), Text("role")),
)
INVITE_MEMBER_FOR: Final = Call(
    3,
    "tenancy.invite_member",
    "SELECT id, token FROM tenancy.invite_member($1::text, $2::text, $3::interval)",
    (Text("email"), Text("role"), Span("expires_in")),
)
INVITATIONS: Final = Call(
    3,
    "tenancy.invitations",
    "SELECT id, email, role, status, invited_by_user_id, created_at, expires_at FROM tenancy.invitations()",
)
REVOKE_INVITATION: Final = Call(
    3, "tenancy.revoke_invitation", "SELECT tenancy.revoke_invitation($1::uuid)", (Id("invitation_id"),)
)
PEEK_INVITATION: Final = Call(
    3,
    "tenancy.peek_invitation",
    "SELECT organization_name, role, account_exists FROM tenancy.peek_invitation($1::text)",
    (Secret("token", InvitationError),),
)
ACCEPT_INVITATION: Final = Call(
    3,
    "tenancy.accept_invitation",
    "SELECT user_id, organization_id FROM tenancy.accept_invitation($1::text, $2::text, $3::text, $4::text, $5::text)",
    (Secret("token", InvitationError), *_ACCOUNT),
)
SIGN_UP: Final = Call(
    3,
    "tenancy.sign_up",
    "SELECT tenancy.sign_up($1::text, $2::text, $3::text, $4::text, $5::text)",
    (Text("email"), *_ACCOUNT),
)

CREATE_API_KEY: Final = Call(
    4,
    "tenancy.create_api_key",
    "SELECT id, key FROM tenancy.create_api_key($1::text, $2::timestamptz)",
    (Text("name"), Moment("expires_at", optional=True)),
)
# The table may be older than its phase, with some of these columns or all. The server
# analyses FROM first, so without the phase the error is a missing function, as for every
# other call.
API_KEYS: Final = Call(
    4,
    "tenancy.enter_with_api_key",
    "SELECT k.id, k.user_id, k.organization_id, k.workspace_id, k.name, k.key_prefix,"
    " k.created_at, k.last_used_at, k.revoked_at, k.expires_at"
    " FROM (SELECT 'tenancy.enter_with_api_key(text)'::regprocedure) AS phase, public.api_keys AS k"
    " ORDER BY k.created_at DESC NULLS LAST, k.id DESC",
)
RENAME_API_KEY: Final = Call(
    4, "tenancy.rename_api_key", "SELECT tenancy.rename_api_key($1::uuid, $2::text)", (Id("api_key_id"), Text("name"))
)
REVOKE_API_KEY: Final = Call(
    4, "tenancy.revoke_api_key", "SELECT tenancy.revoke_api_key($1::uuid)", (Id("api_key_id"),)
)

TERMINATE_INSTANCE: Final = Call(
    5, "tenancy.terminate_instance", "SELECT tenancy.terminate_instance($1::uuid)", (Id("instance_id"),)
)
REINSTALL_INSTANCE: Final = Call(
    5, "tenancy.reinstall_instance", "SELECT tenancy.reinstall_instance($1::uuid)", (Id("instance_id"),)
)

LEGACY_INSTANCES: Final = Call(
    5,
    "tenancy.legacy_instances",
    "SELECT id, provider_id, model_id, status, created_at, terminated_at"
    " FROM tenancy.legacy_instances($1::uuid, $2::integer)",
    (Id("after_id", optional=True), Count("page_size")),
)

DELETE_MODEL: Final = Call(6, "tenancy.delete_model", "SELECT tenancy.delete_model($1::uuid)", (Id("model_id"),))

CREATE_USER: Final = Call(
    7,
    "tenancy.create_user",
    "SELECT tenancy.create_user($1::text, $2::text, $3::text, $4::text, $5::text)",
    (Text("email"), *_ACCOUNT),
)
UPDATE_USER: Final = Call(
    7,
    "tenancy.update_user",
    "SELECT tenancy.update_user($1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text)",
    (Id("user_id"), Text("email", optional=True), *_ACCOUNT),
)
DELETE_USER: Final = Call(7, "tenancy.delete_user", "SELECT tenancy.delete_user($1::uuid)", (Id("user_id"),))
ALL_USERS: Final = Call(
    7,
    "tenancy.all_users",
    "SELECT user_id, email, username, first_name, last_name, role, created_at"
    " FROM tenancy.all_users($1::text, $2::uuid, $3::integer)",
    (Text("email", optional=True), Id("after_id", optional=True), Count("page_size")),
)

_CLIENT: Final = (Text("client", optional=True), Span("lasts"))
START_SESSION: Final = Call(
    7,
    "tenancy.start_session",
    "SELECT session_id, token, expires_at FROM tenancy.start_session($1::uuid, $2::uuid, $3::text, $4::interval)",
    (*ENTER.takes, *_CLIENT),
)
START_SESSION_WITH_TICKET: Final = Call(
    7,
    "tenancy.start_session_with_ticket",
    "SELECT session_id, token, expires_at FROM tenancy.start_session_with_ticket($1::text, $2::text, $3::interval)",
    (*ENTER_WITH_TICKET.takes, *_CLIENT),
)
SWITCH_SESSION: Final = Call(
    7,
    "tenancy.switch_session",
    "SELECT tenancy.switch_session($1::text, $2::uuid)",
    (Secret("token", SessionError), Id("organization_id", optional=True)),
)
END_SESSION: Final = Call(
    7,
    "tenancy.enter_with_session",
    "SELECT tenancy.revoke_session(tenancy.enter_with_session($1::text, NULL))",
    (Secret("token", SessionError),),
)
SESSIONS: Final = Call(
    7,
    "tenancy.sessions",
    "SELECT id, is_current, organization_id, client, started_at, last_seen_at, expires_at"
    " FROM tenancy.sessions($1::text)",
    (Text("token", optional=True),),
)
REVOKE_SESSION: Final = Call(
    7, "tenancy.revoke_session", "SELECT tenancy.revoke_session($1::uuid)", (Id("session_id"),)
)
REVOKE_SESSIONS: Final = Call(
    7, "tenancy.revoke_sessions", "SELECT tenancy.revoke_sessions($1::uuid)", (Id("keep", optional=True),)
)

_RANGE: Final = (Moment("starts_at"), Moment("ends_at"))

COST_CURRENT: Final = Call(
    9,
    "finops.cost_current",
    "SELECT eur_per_hour, running_instances, today_eur, today_earned_eur, today_starts_at"
    " FROM finops.cost_current($1::text)",
    (Text("time_zone", optional=True),),
)
COSTS_SUMMARY: Final = Call(
    9,
    "finops.costs_summary",
    "SELECT consumed_eur, earned_eur, instances_eur, inference_eur, calls, total_tokens"
    " FROM finops.costs_summary($1::timestamptz, $2::timestamptz)",
    _RANGE,
)
COSTS_WINDOW: Final = Call(
    9,
    "finops.costs_window",
    "SELECT starts_at, ends_at, consumed_eur, earned_eur, instances_eur, inference_eur, calls, total_tokens"
    " FROM finops.costs_window($1::text)",
    (Text("span"),),
)
COSTS_SERIES: Final = Call(
    9,
    "finops.costs_series",
    "SELECT bucket_start, consumed_eur, earned_eur, instances_eur, inference_eur, calls, total_tokens"
    " FROM finops.costs_series($1::timestamptz, $2::timestamptz, $3::text, $4::text)",
    (*_RANGE, Text("bucket"), Text("time_zone", optional=True)),
)
COSTS_BY: Final = Call(
    9,
    "finops.costs_by",
    "SELECT key, name, consumed_eur, earned_eur, instances_eur, inference_eur, calls, total_tokens"
    " FROM finops.costs_by($1::timestamptz, $2::timestamptz, $3::text)",
    (*_RANGE, Text("dimension")),
)
COST_FORECAST: Final = Call(
    9,
    "finops.cost_forecast",
    "SELECT horizon_name, eur_per_hour, forecast_eur FROM finops.cost_forecast($1::text)",
    (Text("horizon", optional=True),),
)

# JSON is returned as text, because only one of the drivers parses it.
_SETTING: Final = (Id("subject_id", optional=True), Text("key"))
_EXPECTED: Final = Version("expected_version", optional=True)

SETTINGS: Final = Call(
    8,
    "tenancy.settings",
    "SELECT subject_id, key, scope, value_type, value::text, level, locked, version, is_secret, is_configured,"
    " fingerprint, min_int, max_int, description FROM tenancy.settings()",
)
SETTING: Final = Call(8, "tenancy.setting", "SELECT tenancy.setting($1::uuid, $2::text)::text", _SETTING)
EXPLAIN_SETTING: Final = Call(
    8,
    "tenancy.explain_setting",
    "SELECT level, value::text, is_set, counts, locked, version FROM tenancy.explain_setting($1::uuid, $2::text)",
    _SETTING,
)
SET_SETTING: Final = Call(
    8,
    "tenancy.set_setting",
    "SELECT tenancy.set_setting($1::uuid, $2::text, $3::text, $4::bigint)",
    (*_SETTING, Value("value"), _EXPECTED),
)
SET_SEALED_SETTING: Final = Call(
    8,
    "tenancy.set_sealed_setting",
    "SELECT tenancy.set_sealed_setting($1::uuid, $2::text, $3::bytea, $4::text, $5::bigint)",
    (*_SETTING, Bytes("value"), Text("key_id"), _EXPECTED),
)
UNSET_SETTING: Final = Call(
    8,
    "tenancy.unset_setting",
    "SELECT tenancy.unset_setting($1::uuid, $2::text, $3::bigint)",
    (*_SETTING, _EXPECTED),
)
LOCK_SETTING: Final = Call(
    8,
    "tenancy.lock_setting",
    "SELECT tenancy.lock_setting($1::uuid, $2::text, $3::boolean)",
    (*_SETTING, Flag("locked")),
)
PROVIDER_STATUS: Final = Call(
    8,
    "tenancy.provider_status",
    "SELECT provider_id, name, is_active, ready, missing FROM tenancy.provider_status()",
)

VISIBLE_MODULES: Final = Call(
    10, "tenancy.visible_modules", "SELECT key, name, path, state, reason FROM tenancy.visible_modules()"
)
REQUIRE_MODULE: Final = Call(10, "tenancy.require_module", "SELECT tenancy.require_module($1::text)", (Text("key"),))
CAN_PROVISION: Final = Call(
    10,
    "tenancy.can_provision",
    "SELECT allowed, state, reason, providers, missing FROM tenancy.can_provision()",
)

WALLET: Final = Call(
    12,
    "tenancy.wallet",
    "SELECT workspace_id, currency, balance, held, granted, unpaid, overdraft, available, version, chain"
    " FROM tenancy.wallet()",
)
STATEMENT: Final = Call(
    12,
    "tenancy.statement",
    "SELECT version, transfer_id, kind, reference, amount, balance_after, occurred_at, created_at, digest, chain"
    " FROM tenancy.statement(coalesce($1::timestamptz, '-infinity'), coalesce($2::timestamptz, 'infinity'))",
    (Moment("since", optional=True), Moment("until", optional=True)),
)
VERIFY_STATEMENT: Final = Call(
    12,
    "tenancy.verify_statement",
    "SELECT problem, transfer_id, expected, found"
    " FROM tenancy.verify_statement($1::text::bigint, pg_catalog.decode($2::text, 'hex'))",
    (Text("known_version", optional=True), Text("known_chain", optional=True)),
)

CATALOG_PREFERENCES: Final = Call(
    12,
    "tenancy.catalog_preferences",
    "SELECT shows_public, shows_paid, shows_contracts FROM tenancy.catalog_preferences()",
)
SET_CATALOG_PREFERENCES: Final = Call(
    12,
    "tenancy.set_catalog_preferences",
    "SELECT tenancy.set_catalog_preferences($1::text::boolean, $2::text::boolean, $3::text::boolean)",
    (Text("shows_public", optional=True), Text("shows_paid", optional=True), Text("shows_contracts", optional=True)),
)
COMMUNITY_CATALOG: Final = Call(
    12,
    "tenancy.community_catalog",
    "SELECT id, name, code, organization_name, title, description, model_id, access_policy, eur_per_1k, is_allowed,"
    " reason FROM tenancy.community_catalog($1::uuid, $2::integer)",
    (Id("after_id", optional=True), Count("page_size")),
)
SHARED_OFFERINGS: Final = Call(
    12,
    "tenancy.shared_offerings",
    "SELECT id, name, code, title, description, model_id, right_kind, status, eur_per_1k, starts_at, ends_at,"
    " quota_tokens, used_tokens FROM tenancy.shared_offerings()",
)
RESOLVE_OFFERING: Final = Call(
    12,
    "tenancy.resolve_offering",
    "SELECT kind, id, model_id, organization_id, full_name, is_allowed, reason, access, eur_per_1k"
    " FROM tenancy.resolve_offering($1::text)",
    (Text("name"),),
)
PUBLISH_OFFERING: Final = Call(
    12,
    "tenancy.publish_offering",
    "SELECT tenancy.publish_offering($1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text::numeric, $7::text,"
    " $8::text::integer, $9::text::bigint)",
    (
        Id("model_id"),
        Text("code"),
        Text("name"),
        Text("visibility"),
        Text("access_policy"),
        Text("eur_per_1k", optional=True),
        Text("description", optional=True),
        Text("trial_days", optional=True),
        Text("trial_tokens", optional=True),
    ),
)
UPDATE_OFFERING: Final = Call(
    12,
    "tenancy.update_offering",
    "SELECT tenancy.update_offering($1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text::boolean,"
    " $8::text::integer, $9::text::bigint)",
    (
        Id("offering_id"),
        Text("name", optional=True),
        Text("code", optional=True),
        Text("description", optional=True),
        Text("visibility", optional=True),
        Text("access_policy", optional=True),
        Text("is_active", optional=True),
        Text("trial_days", optional=True),
        Text("trial_tokens", optional=True),
    ),
)
SET_OFFERING_PRICE: Final = Call(
    12,
    "tenancy.set_offering_price",
    "SELECT tenancy.set_offering_price($1::uuid, $2::text::numeric, $3::timestamptz)",
    (Id("offering_id"), Text("eur_per_1k"), Moment("valid_from", optional=True)),
)
SHARE_OFFERING: Final = Call(
    12,
    "tenancy.share_offering",
    "SELECT tenancy.share_offering($1::uuid, $2::uuid, $3::text::jsonb, $4::timestamptz, $5::timestamptz)",
    (
        Id("offering_id"),
        Id("organization_id"),
        Text("pricing", optional=True),
        Moment("starts_at", optional=True),
        Moment("ends_at", optional=True),
    ),
)
PAUSE_SHARE: Final = Call(
    12,
    "tenancy.pause_share",
    "SELECT tenancy.pause_share($1::uuid)",
    (Id("share_id"),),
)
RESUME_SHARE: Final = Call(
    12,
    "tenancy.resume_share",
    "SELECT tenancy.resume_share($1::uuid)",
    (Id("share_id"),),
)
REVOKE_SHARE: Final = Call(
    12,
    "tenancy.revoke_share",
    "SELECT tenancy.revoke_share($1::uuid)",
    (Id("share_id"),),
)
REQUEST_ACCESS: Final = Call(
    12,
    "tenancy.request_access",
    "SELECT tenancy.request_access($1::uuid, $2::text)",
    (Id("offering_id"), Text("message", optional=True)),
)
ACCESS_REQUESTS: Final = Call(
    12,
    "tenancy.access_requests",
    "SELECT id, direction, offering_id, name, other_workspace_id, other_name, message, request_status, created_at,"
    " decided_at, reason FROM tenancy.access_requests($1::text)",
    (Text("status", optional=True),),
)
APPROVE_ACCESS: Final = Call(
    12,
    "tenancy.approve_access",
    "SELECT tenancy.approve_access($1::uuid, $2::timestamptz, $3::text::bigint, $4::text::numeric, $5::timestamptz)",
    (
        Id("request_id"),
        Moment("ends_at", optional=True),
        Text("quota_tokens", optional=True),
        Text("eur_per_1k", optional=True),
        Moment("starts_at", optional=True),
    ),
)
DENY_ACCESS: Final = Call(
    12,
    "tenancy.deny_access",
    "SELECT tenancy.deny_access($1::uuid, $2::text)",
    (Id("request_id"), Text("reason", optional=True)),
)
REVOKE_ENTITLEMENT: Final = Call(
    12,
    "tenancy.revoke_entitlement",
    "SELECT tenancy.revoke_entitlement($1::uuid)",
    (Id("entitlement_id"),),
)
AUTHORIZE_USAGE: Final = Call(
    12,
    "tenancy.authorize_usage",
    "SELECT tenancy.authorize_usage($1::uuid, $2::text::bigint, $3::interval)",
    (Id("offering_id"), Text("max_tokens"), Span("expires_in")),
)
RELEASE_USAGE: Final = Call(
    12,
    "tenancy.release_usage",
    "SELECT tenancy.release_usage($1::uuid)",
    (Id("hold"),),
)
RECORD_USAGE: Final = Call(
    12,
    "tenancy.record_usage",
    "SELECT usage_id, eur_per_1k, amount, charged, unpaid, replayed FROM tenancy.record_usage($1::text, $2::uuid,"
    " $3::text::bigint, $4::text::bigint, $5::timestamptz, $6::uuid)",
    (
        Text("request_id"),
        Id("offering_id"),
        Text("input_tokens"),
        Text("output_tokens"),
        Moment("occurred_at", optional=True),
        Id("hold", optional=True),
    ),
)
# FROM names a function first, because a missing type would not be reported as a missing function.
RECORD_USAGES: Final = Call(
    12,
    "tenancy.record_usages",
    "SELECT r.request_id, r.usage_id, r.eur_per_1k, r.amount, r.charged, r.unpaid, r.replayed"
    " FROM (SELECT 'tenancy.reverse_usage(uuid)'::regprocedure) AS phase,"
    " tenancy.record_usages((SELECT pg_catalog.array_agg(ROW(u.request_id, u.offering, u.input_tokens::bigint,"
    " u.output_tokens::bigint, u.occurred_at, u.hold)::tenancy.usage_request ORDER BY u.place)"
    " FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::uuid[]), pg_catalog.unnest($3::text[]),"
    " pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::timestamptz[]), pg_catalog.unnest($6::uuid[]))"
    " WITH ORDINALITY AS u (request_id, offering, input_tokens, output_tokens, occurred_at, hold, place))) AS r",
    (
        Many(Text("request_id")),
        Many(Id("offering_id")),
        Many(Text("input_tokens")),
        Many(Text("output_tokens")),
        Many(Moment("occurred_at", optional=True)),
        Many(Id("hold", optional=True)),
    ),
)
REVERSE_USAGE: Final = Call(
    12,
    "tenancy.reverse_usage",
    "SELECT returned, owed, replayed FROM tenancy.reverse_usage($1::uuid)",
    (Id("usage_id"),),
)
OFFERING_EARNINGS: Final = Call(
    12,
    "tenancy.offering_earnings",
    "SELECT offering_id, code, calls, total_tokens, amount, unpaid, reversed"
    " FROM tenancy.offering_earnings(coalesce($1::timestamptz, '-infinity'), coalesce($2::timestamptz, 'infinity'))",
    (Moment("since", optional=True), Moment("until", optional=True)),
)
OFFERING_CALLS: Final = Call(
    12,
    "tenancy.offering_calls",
    "SELECT usage_id, occurred_at, input_tokens, output_tokens, access, eur_per_1k, amount, unpaid, reversed_at"
    " FROM tenancy.offering_calls($1::uuid, coalesce($2::timestamptz, '-infinity'),"
    " coalesce($3::timestamptz, 'infinity'), $4::integer)",
    (Id("offering_id"), Moment("since", optional=True), Moment("until", optional=True), Count("page_size")),
)

ASSIGN: Final = Call(4, "tenancy.assign", "SELECT tenancy.assign($1::oid::regclass, $2::uuid, $3::text, $4::integer)")
# NULL if the database has no function to assign rows with.
MAY_ASSIGN: Final[LiteralString] = (
    "SELECT pg_catalog.quote_ident(current_user), pg_catalog.bool_or("
    "pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE'))"
    " FROM pg_catalog.pg_proc AS p INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace"
    " WHERE n.nspname = 'tenancy' AND p.proname = 'assign'"
)
TABLE: Final[LiteralString] = (
    "SELECT c.oid, n.nspname, c.relname, a.attname IS NOT NULL"
    " FROM pg_catalog.pg_class AS c"
    " INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_catalog.pg_attribute AS a"
    " ON a.attrelid = c.oid AND a.attname = 'workspace_id' AND a.attnum > 0 AND NOT a.attisdropped"
    " WHERE c.oid = pg_catalog.to_regclass($1::text) AND c.relkind IN ('r', 'p')"
)
ORGANIZATION: Final[LiteralString] = (
    "SELECT o.id, o.name"
    " FROM public.organizations AS o"
    " INNER JOIN tenancy.workspaces AS w ON w.id = o.id"
    " WHERE w.deleted_at IS NULL AND (o.id = $1::uuid OR o.slug = $2::text)"
    " ORDER BY o.id = $1::uuid DESC NULLS LAST"
    " LIMIT 1"
)

# The login's privileges on the table that a message of PostgreSQL names, in any language: at
# its end, or else as a word in it. No row if the table is not protected.
GRANTED: Final = (
    "SELECT t.id::pg_catalog.regclass::text, g.insertable, g.updatable, g.readable,"
    " pg_catalog.has_table_privilege(t.id, 'DELETE')"
    " FROM (SELECT c.oid AS id FROM pg_catalog.pg_class AS c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    r" AND $1::text ~ ('(^|\W)' || pg_catalog.regexp_replace(c.relname, '(\W)', '\\\1', 'g') || '($|\W)')"
    " ORDER BY pg_catalog.right($1, pg_catalog.length(c.relname)) = c.relname DESC,"
    " pg_catalog.length(c.relname) DESC, pg_catalog.pg_table_is_visible(c.oid) DESC LIMIT 1) AS t"
    " CROSS JOIN LATERAL (SELECT"
    " pg_catalog.array_agg(a.attname::text ORDER BY a.attnum)"
    " FILTER (WHERE pg_catalog.has_column_privilege(t.id, a.attnum, 'INSERT')) AS insertable,"
    " pg_catalog.array_agg(a.attname::text ORDER BY a.attnum)"
    " FILTER (WHERE pg_catalog.has_column_privilege(t.id, a.attnum, 'UPDATE')) AS updatable,"
    " pg_catalog.array_agg(a.attname::text ORDER BY a.attnum)"
    " FILTER (WHERE pg_catalog.has_column_privilege(t.id, a.attnum, 'SELECT')) AS readable"
    " FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = t.id AND a.attnum > 0 AND NOT a.attisdropped) AS g"
    " WHERE EXISTS (SELECT FROM pg_catalog.pg_policy AS p WHERE p.polrelid = t.id"
    " AND pg_catalog.to_regrole('tenancy_credentialed')::oid = ANY(p.polroles))"
)

_ACTIVATION: Final = (Text("kind"), Id("object_id"), Text("aspect"))

ACTIVATE: Final = Call(11, "tenancy.activate", "SELECT tenancy.activate($1::text, $2::uuid, $3::text)", _ACTIVATION)
DEACTIVATE: Final = Call(
    11, "tenancy.deactivate", "SELECT tenancy.deactivate($1::text, $2::uuid, $3::text)", _ACTIVATION
)
REQUIRE_OPERATIONAL: Final = Call(
    11,
    "tenancy.require_operational",
    "SELECT tenancy.require_operational($1::text, $2::uuid)",
    (Text("kind"), Id("object_id")),
)
