"""Who may do what, as data: written from the specification, not taken from a database.

``proof/test_access_matrix.py`` compares a database with it, cell by cell.
"""

# ruff: noqa: E501  (a table is as wide as it has columns)

from __future__ import annotations

__all__ = [
    "ACTORS",
    "CALLS",
    "COLUMNS",
    "DELEGATION",
    "FOR_NOBODY",
    "GROUPS",
    "IN_A_WORKSPACE",
    "MONEY",
    "OFFERINGS",
    "PERMISSIONS",
    "READS",
    "ROLES",
    "SERVICES",
    "SERVICES_WRITE",
    "UNOPENED",
    "WRITER_DELETES",
    "WRITER_WRITES",
    "WRITES",
    "parse",
]

ROLES = ("owner", "admin", "manager", "user")

# owner to user: members of Acme, in Acme, through the application's login. credentialed: Acme's
# owner in Acme, through a login that presents tickets. outsider: the owner of Globex, in Globex.
# personal: Acme's owner in the personal workspace; person: somebody without an organization; staff:
# platform staff; both in their personal workspaces. platform: platform staff in the platform's
# workspace. bare: the application's login in no workspace; forged: with variables set by hand. key:
# a program in Acme with an API key created by Acme's owner; personal_key: with one that Acme's
# owner created in the personal workspace. service, old, auditor: logins of these groups, in no
# workspace. old is the application before its migration. acting: a service that has entered as
# Acme's owner in Acme. nobody: a login without grants. writer: tenancy_writer, as which functions
# write the application's tables. It cannot log in, so a superuser sets its role.
IN_A_WORKSPACE = (*ROLES, "credentialed", "outsider", "key", "personal", "person", "staff", "personal_key", "platform")
SERVICES = ("service", "old", "acting")
ACTORS = (*IN_A_WORKSPACE, "bare", "forged", *SERVICES, "auditor", "nobody", "writer")


def parse(table: str) -> dict[str, dict[str, str]]:
    """Return a table of text as rows by name, and cells by the names in its first line."""
    first, *lines = [line for line in table.strip().splitlines() if line.strip() and "-+-" not in line]
    columns = [name.strip() for name in first.split("|")[1:]]
    rows: dict[str, dict[str, str]] = {}
    for line in lines:
        name, *cells = [cell.strip() for cell in line.split("|")]
        rows[name] = {actor: cell for column, cell in zip(columns, cells, strict=True) for actor in column.split()}
    return rows


# The rows that a SELECT shows: those of the actor's own workspace (in users: the accounts of its
# people), those of others, and those of the platform, which in its workspace are the own ones. x:
# all of them, -: none of them, .: there are no such rows. no: permission denied; context, forged:
# 28000 no_context, invalid_context.
READS = parse("""
                                | owner admin manager credentialed outsider | user key | personal person personal_key staff | platform | service old acting auditor | writer | bare    | forged | nobody
--------------------------------+-------------------------------------------+----------+------------------------------------+----------+----------------------------+--------+---------+--------+-------
public.users                    | x-.                                       | x-.      | x-.                                | x..      | xx.                        | xx.    | context | forged | no
public.organizations            | x-.                                       | x-.      | .-.                                | .-.      | xx.                        | xx.    | context | forged | no
public.organization_memberships | x-.                                       | x-.      | .-.                                | .-.      | xx.                        | xx.    | context | forged | no
public.provider_settings        | x-.                                       | --.      | .-.                                | .-.      | xx.                        | xx.    | context | forged | no
public.api_keys                 | x-.                                       | x-.      | x-.                                | .-.      | xx.                        | xx.    | context | forged | no
public.instances                | x--                                       | x--      | x--                                | x-.      | xxx                        | xxx    | context | forged | no
public.models                   | x-x                                       | x-x      | .-x                                | x-.      | xxx                        | xxx    | context | forged | no
finops.inference_usage          | x--                                       | ---      | x--                                | x-.      | xxx                        | xxx    | context | forged | no
finops.cost_actual_minute       | x--                                       | ---      | .--                                | x-.      | xxx                        | xxx    | context | forged | no
tenancy.workspaces              | x--                                       | x--      | x--                                | x-.      | xxx                        | xxx    | context | forged | no
tenancy.audit_log               | x--                                       | ---      | x--                                | x-.      | xxx                        | no     | context | forged | no
tenancy.invitations             | x-.                                       | --.      | .-.                                | .-.      | xx.                        | no     | context | forged | no
tenancy.wallets                 | x-.                                       | --.      | .-.                                | .-.      | xx.                        | no     | context | forged | no
tenancy.transfers               | x-.                                       | --.      | .-.                                | .-.      | xx.                        | no     | context | forged | no
tenancy.ledger_entries          | x-.                                       | --.      | .-.                                | .-.      | xx.                        | no     | context | forged | no
tenancy.wallet_holds            | x-.                                       | --.      | .-.                                | .-.      | xx.                        | no     | context | forged | no
tenancy.credit_grants           | x-.                                       | --.      | .-.                                | .-.      | xx.                        | no     | context | forged | no
tenancy.credit_grant_uses       | x-.                                       | --.      | .-.                                | .-.      | xx.                        | no     | context | forged | no
tenancy.unpaid_amounts          | x-.                                       | --.      | .-.                                | .-.      | xx.                        | no     | context | forged | no
tenancy.spending_limits         | x-.                                       | --.      | .-.                                | .-.      | xx.                        | no     | context | forged | no
tenancy.ledger_checkpoints      | x-.                                       | --.      | .-.                                | .-.      | xx.                        | no     | context | forged | no
public.organization_models      | x-.                                       | x-.      | .-.                                | .-.      | xx.                        | xx.    | context | forged | no
public.organization_model_shares | x-.                                       | x-.      | .-.                                | .-.      | xx.                        | xx.    | context | forged | no
tenancy.offering_prices         | x-.                                       | x-.      | .-.                                | .-.      | xx.                        | no     | context | forged | no
tenancy.access_requests         | x-.                                       | x-.      | .-.                                | .-.      | xx.                        | no     | context | forged | no
tenancy.entitlements            | x-.                                       | x-.      | .-.                                | .-.      | xx.                        | no     | context | forged | no
tenancy.catalog_preferences     | x-.                                       | x-.      | .-.                                | .-.      | xx.                        | no     | context | forged | no
tenancy.usage_authorizations    | x-.                                       | --.      | .-.                                | .-.      | xx.                        | no     | context | forged | no
tenancy.offering_usage          | x-.                                       | --.      | .-.                                | .-.      | xx.                        | no     | context | forged | no
tenancy.permissions             | ..x                                       | ..x      | ..x                                | ..x      | ..x                        | no     | context | forged | no
tenancy.role_permissions        | ..x                                       | ..x      | ..x                                | ..x      | ..x                        | no     | context | forged | no
tenancy.role_delegations        | ..x                                       | ..x      | ..x                                | ..x      | ..x                        | no     | context | forged | no
tenancy.instance_transitions    | ..x                                       | ..x      | ..x                                | ..x      | ..x                        | no     | context | forged | no
tenancy.modules                 | ..x                                       | ..x      | ..x                                | ..x      | ..x                        | no     | context | forged | no
tenancy.settings_definitions    | ..x                                       | ..x      | ..x                                | ..x      | ..x                        | no     | context | forged | no
tenancy.settings                | x--                                       | ---      | .--                                | x-.      | xxx                        | no     | context | forged | no
""")

# The tables of phase 12, each with the column of the row's owner.
MONEY = {
    "tenancy.wallets": "workspace_id",
    "tenancy.transfers": "workspace_id",
    "tenancy.ledger_entries": "workspace_id",
    "tenancy.wallet_holds": "workspace_id",
    "tenancy.credit_grants": "workspace_id",
    "tenancy.credit_grant_uses": "workspace_id",
    "tenancy.unpaid_amounts": "workspace_id",
    "tenancy.spending_limits": "workspace_id",
    "tenancy.ledger_checkpoints": "workspace_id",
}
OFFERINGS = {
    "public.organization_models": "organization_id",
    "public.organization_model_shares": "provider_organization_id",
    "tenancy.offering_prices": "organization_id",
    "tenancy.access_requests": "organization_id",
    "tenancy.entitlements": "organization_id",
    "tenancy.catalog_preferences": "workspace_id",
    "tenancy.usage_authorizations": "workspace_id",
    "tenancy.offering_usage": "workspace_id",
}

# The tables that a later phase opens: until then only services use them, and the functions that
# empty a workspace.
UNOPENED = ("public.providers",)

# A service writes these tables, whatever the workspace of a row. Logins in a workspace write those
# in WRITES, and all others by functions.
SERVICES_WRITE: dict[str, tuple[str, ...]] = {
    "public.users": ("INSERT", "UPDATE", "DELETE"),
    "public.organizations": ("INSERT", "UPDATE", "DELETE"),
    "public.organization_memberships": ("INSERT", "UPDATE", "DELETE"),
    "public.api_keys": ("INSERT", "UPDATE", "DELETE"),
    "public.instances": ("INSERT", "UPDATE", "DELETE"),
    "public.models": ("INSERT", "UPDATE", "DELETE"),
    "finops.inference_usage": ("INSERT", "UPDATE", "DELETE"),
    "finops.cost_actual_minute": ("INSERT", "UPDATE", "DELETE"),
    "public.provider_settings": ("INSERT", "UPDATE", "DELETE"),
    "tenancy.workspaces": ("UPDATE",),
    "tenancy.audit_log": (),
    "tenancy.permissions": (),
    "tenancy.role_permissions": (),
    "tenancy.role_delegations": (),
    "tenancy.instance_transitions": (),
    "tenancy.modules": (),
    "tenancy.settings_definitions": (),
    "tenancy.settings": (),
    "tenancy.invitations": (),
    "tenancy.wallets": (),
    "tenancy.transfers": (),
    "tenancy.ledger_entries": (),
    "tenancy.wallet_holds": (),
    "tenancy.credit_grants": (),
    "tenancy.credit_grant_uses": (),
    "tenancy.unpaid_amounts": (),
    "tenancy.spending_limits": (),
    "tenancy.ledger_checkpoints": (),
    "public.organization_models": ("INSERT", "UPDATE", "DELETE"),
    "public.organization_model_shares": ("INSERT", "UPDATE", "DELETE"),
    "tenancy.offering_prices": (),
    "tenancy.access_requests": (),
    "tenancy.entitlements": (),
    "tenancy.catalog_preferences": (),
    "tenancy.usage_authorizations": (),
    "tenancy.offering_usage": (),
    **dict.fromkeys(UNOPENED, ("INSERT", "UPDATE", "DELETE")),
}

# The tables of the application that functions write; tenancy_writer writes no others.
WRITER_WRITES = (
    "public.users",
    "public.organizations",
    "public.organization_memberships",
    "public.api_keys",
    "public.instances",
    "public.models",
    "public.provider_settings",
    "public.organization_models",
    "public.organization_model_shares",
    "finops.inference_usage",
    "finops.cost_actual_minute",
)
# Triggers on the rows deleted with a workspace run as the role that deletes it.
WRITER_DELETES = ("tenancy.workspaces",)

# The writes of somebody in a workspace. Each UPDATE and DELETE is of every reachable row. own: it
# reaches only rows of the actor's own workspace. no: no privilege. permission, person: 42501
# permission_denied, person_required, before any row is read.
WRITES = parse("""
                                | owner admin credentialed outsider | manager user key | personal person staff | platform   | personal_key | bare    | forged | auditor nobody
--------------------------------+-----------------------------------+------------------+-----------------------+------------+--------------+---------+--------+---------------
public.api_keys INSERT          | no                                | no               | no                    | no         | no           | no      | no     | no
public.api_keys UPDATE          | own                               | permission       | own                   | permission | person       | context | forged | no
public.api_keys DELETE          | no                                | no               | no                    | no         | no           | no      | no     | no
public.instances INSERT         | own                               | permission       | own                   | own        | own          | context | forged | no
public.instances INSERT with id | own                               | permission       | own                   | own        | own          | context | forged | no
public.instances UPDATE         | own                               | permission       | own                   | own        | own          | context | forged | no
public.instances DELETE         | no                                | no               | no                    | no         | no           | no      | no     | no
public.models INSERT            | own                               | permission       | permission            | own        | permission   | context | forged | no
public.models INSERT with id    | own                               | permission       | permission            | own        | permission   | context | forged | no
public.models UPDATE            | own                               | permission       | permission            | own        | permission   | context | forged | no
public.models DELETE            | no                                | no               | no                    | no         | no           | no      | no     | no
""")

ACTIVATIONS = "tech_activated_at tech_activated_by eco_activated_at eco_activated_by is_operational"

# The columns that somebody in a workspace may name, whatever the role. The auditor reads the same.
COLUMNS: dict[str, dict[str, set[str]]] = {
    table: {command: set(names.split()) for command, names in commands.items()}
    for table, commands in {
        "public.users": {"SELECT": "id email username first_name last_name role created_at updated_at"},
        "public.organizations": {"SELECT": "id name slug created_by_user_id created_at updated_at"},
        "public.organization_memberships": {"SELECT": "organization_id user_id role created_at"},
        "public.api_keys": {
            "SELECT": "id workspace_id organization_id user_id name key_prefix created_at expires_at last_used_at revoked_at "
            + ACTIVATIONS,
            "UPDATE": "name",
        },
        "public.instances": {
            "SELECT": "id workspace_id organization_id user_id provider_id model_id status ip_address gpu_profile"
            " hourly_price_eur created_at terminated_at " + ACTIVATIONS,
            "INSERT": "id provider_id model_id status ip_address gpu_profile",
            "UPDATE": "model_id status ip_address gpu_profile",
        },
        "public.models": {
            "SELECT": "id workspace_id organization_id name model_id required_vram_gb context_length is_active metadata "
            + ACTIVATIONS,
            "INSERT": "id name model_id required_vram_gb context_length is_active metadata",
            "UPDATE": "name model_id required_vram_gb context_length is_active metadata",
        },
        "finops.inference_usage": {
            "SELECT": "id workspace_id occurred_at user_id api_key_id model_id instance_id input_tokens output_tokens"
            " total_tokens unit_price_eur_per_1k_tokens charged_amount_eur provider_organization_id"
            " consumer_organization_id organization_model_id"
        },
        "finops.cost_actual_minute": {"SELECT": "bucket_minute workspace_id provider_id instance_id amount_eur"},
        "tenancy.workspaces": {"SELECT": "id kind user_id organization_id color plan created_at deleted_at"},
        "tenancy.audit_log": {
            "SELECT": "id workspace_id occurred_at user_id organization_id role database_user action object_kind object_id"
            " old_values new_values"
        },
        "tenancy.invitations": {
            "SELECT": "id organization_id email role invited_by_user_id created_at expires_at accepted_at"
            " accepted_by_user_id revoked_at lapsed_at"
        },
        "tenancy.wallets": {
            "SELECT": "workspace_id currency balance held granted unpaid overdraft version chain next_expiry is_limited"
            " is_deferred adoption"
        },
        "tenancy.transfers": {
            "SELECT": "workspace_id kind reference id payee_id amount fingerprint occurred_at created_at api_key_id"
            " user_id reverses"
        },
        "tenancy.ledger_entries": {
            "SELECT": "workspace_id version account transfer_id kind amount balance_after occurred_at created_at digest"
            " chain"
        },
        "tenancy.wallet_holds": {
            "SELECT": "workspace_id id amount reference api_key_id user_id created_at expires_at is_freed"
        },
        "tenancy.credit_grants": {"SELECT": "workspace_id id amount remaining priority created_at expires_at"},
        "tenancy.credit_grant_uses": {"SELECT": "workspace_id transfer_id grant_id amount"},
        "tenancy.unpaid_amounts": {"SELECT": "workspace_id transfer_id payee_id amount remaining payments created_at"},
        "tenancy.spending_limits": {"SELECT": "workspace_id id api_key_id user_id amount spent spent_in"},
        "tenancy.ledger_checkpoints": {"SELECT": "workspace_id version balance chain created_at"},
        "public.organization_models": {
            "SELECT": "id organization_id model_id name code description is_active visibility access_policy trial_days"
            " trial_tokens tech_activated_at tech_activated_by eco_activated_at eco_activated_by is_operational"
        },
        "public.organization_model_shares": {
            "SELECT": "id provider_organization_id consumer_organization_id organization_model_id status pricing"
            " starts_at ends_at"
        },
        "tenancy.offering_prices": {
            "SELECT": "organization_id offering_id valid_from number eur_per_1k created_at user_id"
        },
        "tenancy.access_requests": {
            "SELECT": "organization_id id offering_id consumer_id message created_at status decided_at"
            " decided_by_user_id reason"
        },
        "tenancy.entitlements": {
            "SELECT": "organization_id id offering_id consumer_id kind request_id starts_at ends_at quota_tokens"
            " used_tokens eur_per_1k created_at revoked_at"
        },
        "tenancy.catalog_preferences": {"SELECT": "workspace_id shows_public shows_paid shows_contracts"},
        "tenancy.usage_authorizations": {
            "SELECT": "workspace_id id offering_id access eur_per_1k max_tokens created_at expires_at"
        },
        "tenancy.offering_usage": {
            "SELECT": "workspace_id request_id id offering_id access user_id api_key_id input_tokens output_tokens"
            " eur_per_1k amount unpaid occurred_at created_at reversed_at"
        },
        "tenancy.permissions": {"SELECT": "permission number"},
        "tenancy.role_permissions": {"SELECT": "permission role"},
        "tenancy.role_delegations": {"SELECT": "role delegated_role"},
        "tenancy.instance_transitions": {"SELECT": "action from_status to_status"},
        "public.provider_settings": {"SELECT": "organization_id key"},
        "tenancy.modules": {"SELECT": "key name path place workspaces roles permission"},
        "tenancy.settings_definitions": {
            "SELECT": "key scope value_type min_int max_int default_value is_secret is_required subjects description"
        },
        "tenancy.settings": {"SELECT": "workspace_id subject_id key updated_at updated_by_user_id"},
    }.items()
}

# The groups granted to logins, and those granted to nobody; the groups that each inherits.
GROUPS: dict[str, set[str]] = {
    "tenancy_app": {"tenancy_credentialed"},
    "tenancy_credentialed": set(),
    "tenancy_service": set(),
    "tenancy_legacy": set(),
    "tenancy_auditor": set(),
}
FOR_NOBODY = ("tenancy_owner", "tenancy_writer")

# Every function and procedure of the schema tenancy, and the result of its call. ok, or an error:
# permission and delegation (42501), organization (55000 organization_required), owner (23514),
# member (P0002 member_not_found), deleted (P0002 deleted_organization_not_found), stranger, other,
# sees_all, ticket, key (28000 not_a_member, context_already_set, login_sees_everything,
# invalid_ticket, invalid_api_key), session, no_session (28000 invalid_session, P0002
# session_not_found), person (42501 person_required), api_key, instance, model (P0002
# api_key_not_found, instance_not_found, model_not_found), state (55000 instance_state), used (23503
# model_in_use), invitation (28000 invalid_invitation), uninvited (P0002 invitation_not_found),
# credentials (42501 credentials_denied), module (42501 module_forbidden), platforms (42501
# setting_of_platform), value (22023 setting_value_invalid), workspace, transfer (P0002
# workspace_not_found, transfer_not_found), funds (P0001 insufficient_funds), offering, share,
# request, entitlement, hold, usage (P0002 ..._not_found), unnamed (55000 organization_required),
# granted (23505 access_granted), status (55000 share_state_invalid), context, forged; no:
# permission denied for the function. {user} is a member of Acme with the role user, {staff}
# platform staff. Acme has two owners, Globex one. {api_key}, {instance}, {model} and {spare_model}
# are Acme's; {public_instance} is a legacy instance; nothing uses a spare model. {invitation} is
# Acme's, for an admin, and {token} its token. {offering}, {share}, {request}, {entitlement} and
# {call} belong to Acme's offering, on which Globex has an agreement. {authorization} is for a call
# by Acme. Defaults of columns trust forged variables: a table's policies verify the resulting row,
# as WRITES shows.
CALLS = (
    parse("""
                                                    | owner credentialed acting | admin      | manager    | user       | key        | outsider   | personal person staff | personal_key | platform     | bare service old | forged | auditor nobody writer
----------------------------------------------------+---------------------------+------------+------------+------------+------------+------------+-----------------------+--------------+--------------+------------------+--------+----------------------
current_user_id()                                   | ok                        | ok         | ok         | ok         | ok         | ok         | ok                    | ok           | ok           | context          | forged | no
current_organization_id()                           | ok                        | ok         | ok         | ok         | ok         | ok         | ok                    | ok           | ok           | context          | forged | no
current_role()                                      | ok                        | ok         | ok         | ok         | ok         | ok         | ok                    | ok           | ok           | context          | forged | no
current_workspace()                                 | ok                        | ok         | ok         | ok         | ok         | ok         | ok                    | ok           | ok           | context          | forged | no
current_credential_id()                             | ok                        | ok         | ok         | ok         | ok         | ok         | ok                    | ok           | ok           | context          | forged | no
has_permission('members.invite')                    | ok                        | ok         | ok         | ok         | ok         | ok         | ok                    | ok           | ok           | context          | forged | no
my_permissions()                                    | ok                        | ok         | ok         | ok         | ok         | ok         | ok                    | ok           | ok           | context          | forged | no
my_organizations()                                  | ok                        | ok         | ok         | ok         | ok         | ok         | ok                    | ok           | ok           | context          | forged | no
badge('{acme}')                                     | ok                        | ok         | ok         | ok         | ok         | ok         | ok                    | ok           | ok           | context          | forged | no
visible_user_ids()                                  | ok                        | ok         | ok         | ok         | ok         | ok         | ok                    | ok           | ok           | context          | forged | no
sees_all_users()                                    | ok                        | ok         | ok         | ok         | ok         | ok         | ok                    | ok           | ok           | context          | forged | no
require_permission('members.view')                  | ok                        | ok         | ok         | ok         | ok         | ok         | ok                    | ok           | ok           | context          | forged | no
require_permission('members.invite')                | ok                        | ok         | ok         | permission | permission | ok         | ok                    | ok           | permission   | context          | forged | no
require_permission('organization.delete')           | ok                        | permission | permission | permission | permission | ok         | ok                    | ok           | permission   | context          | forged | no
require_permission('models.update')                 | ok                        | ok         | permission | permission | permission | ok         | ok                    | ok           | ok           | context          | forged | no
require_person()                                    | ok                        | ok         | ok         | ok         | person     | ok         | ok                    | person       | ok           | context          | forged | no
sessions()                                          | ok                        | ok         | ok         | ok         | person     | ok         | ok                    | person       | ok           | context          | forged | no
revoke_sessions()                                   | ok                        | ok         | ok         | ok         | person     | ok         | ok                    | person       | ok           | context          | forged | no
revoke_session('{user}')                            | no_session                | no_session | no_session | no_session | person     | no_session | no_session            | person       | no_session   | context          | forged | no
require_access('public.instances', 'INSERT')        | ok                        | ok         | permission | permission | permission | ok         | ok                    | ok           | ok           | context          | forged | no
require_access('public.models', 'INSERT')           | ok                        | ok         | permission | permission | permission | ok         | permission            | permission   | ok           | context          | forged | no
require_access('public.models', 'DELETE')           | permission                | permission | permission | permission | permission | permission | permission            | permission   | permission   | context          | forged | no
require_access('public.api_keys', 'UPDATE')         | ok                        | ok         | permission | permission | permission | ok         | ok                    | person       | permission   | context          | forged | no
create_organization('New')                          | ok                        | ok         | ok         | ok         | person     | ok         | ok                    | person       | ok           | context          | forged | no
update_organization(name => 'New')                  | ok                        | permission | permission | permission | person     | ok         | organization          | organization | organization | context          | forged | no
delete_organization()                               | ok                        | permission | permission | permission | person     | ok         | organization          | organization | organization | context          | forged | no
members()                                           | ok                        | ok         | ok         | ok         | ok         | ok         | organization          | organization | organization | context          | forged | no
member('{user}')                                    | ok                        | ok         | ok         | ok         | ok         | ok         | organization          | organization | organization | context          | forged | no
change_member_role('{user}', 'admin')               | ok                        | ok         | delegation | permission | person     | member     | organization          | organization | organization | context          | forged | no
change_member_role('{user}', 'manager')             | ok                        | delegation | ok         | permission | person     | member     | organization          | organization | organization | context          | forged | no
change_member_role('{user}', 'owner')               | ok                        | delegation | delegation | permission | person     | member     | organization          | organization | organization | context          | forged | no
remove_member('{user}')                             | ok                        | ok         | ok         | permission | person     | member     | organization          | organization | organization | context          | forged | no
leave_organization()                                | ok                        | ok         | ok         | ok         | person     | owner      | organization          | person       | organization | context          | forged | no
create_api_key('New')                               | ok                        | ok         | permission | permission | person     | ok         | ok                    | person       | permission   | context          | forged | no
rename_api_key('{api_key}', 'New')                  | ok                        | ok         | permission | permission | person     | api_key    | api_key               | person       | permission   | context          | forged | no
revoke_api_key('{api_key}')                         | ok                        | ok         | permission | permission | person     | api_key    | api_key               | person       | permission   | context          | forged | no
terminate_instance('{instance}')                    | ok                        | ok         | permission | permission | permission | instance   | instance              | instance     | instance     | context          | forged | no
reinstall_instance('{instance}')                    | ok                        | ok         | permission | permission | permission | instance   | instance              | instance     | instance     | context          | forged | no
archive_instance('{instance}')                      | state                     | state      | permission | permission | permission | instance   | instance              | instance     | instance     | context          | forged | no
terminate_instance('{public_instance}')             | instance                  | instance   | permission | permission | permission | instance   | instance              | instance     | ok           | context          | forged | no
reinstall_instance('{public_instance}')             | instance                  | instance   | permission | permission | permission | instance   | instance              | instance     | ok           | context          | forged | no
require_instance_transition('ready', 'terminating') | ok                        | ok         | permission | permission | permission | ok         | ok                    | ok           | ok           | context          | forged | no
legacy_instances()                                  | permission                | permission | permission | permission | permission | permission | ok                    | ok           | permission   | context          | forged | no
delete_model('{spare_model}')                       | ok                        | ok         | permission | permission | permission | model      | model                 | model        | model        | context          | forged | no
delete_model('{model}')                             | used                      | used       | permission | permission | permission | model      | model                 | model        | model        | context          | forged | no
delete_model('{public_spare_model}')                | model                     | model      | permission | permission | permission | model      | model                 | model        | ok           | context          | forged | no
delete_model('{public_model}')                      | model                     | model      | permission | permission | permission | model      | model                 | model        | used         | context          | forged | no
""")
    | parse("""
                       | owner credentialed acting admin manager user key outsider personal person staff personal_key platform | bare service old writer | forged | auditor nobody
-----------------------+-------------------------------------------------------------------------------------------------------+-------------------------+--------+---------------
current_workspace_id() | ok                                                                                                    | context                 | forged | no
verify_context()       | ok                                                                                                    | context                 | forged | no
""")
    | parse("""
                          | owner admin manager credentialed user key outsider personal person staff personal_key platform acting bare forged service old writer | auditor nobody
--------------------------+--------------------------------------------------------------------------------------------------------------------------------------+---------------
default_workspace_id()    | ok                                                                                                                                   | no
default_organization_id() | ok                                                                                                                                   | no
default_user_id()         | ok                                                                                                                                   | no
default_author_id()       | ok                                                                                                                                   | no
""")
    | parse("""
                                       | owner admin manager user key outsider personal person personal_key | staff    | platform | bare forged | credentialed | service old | acting   | auditor | nobody writer
---------------------------------------+--------------------------------------------------------------------+----------+----------+-------------+--------------+-------------+----------+---------+--------------
enter('{user}', '{acme}')              | other                                                              | other    | other    | ok          | no           | sees_all    | sees_all | no      | no
enter('{user}')                        | other                                                              | other    | other    | ok          | no           | sees_all    | sees_all | no      | no
enter('{staff}')                       | other                                                              | ok       | other    | ok          | no           | sees_all    | sees_all | no      | no
enter('{user}', '{globex}')            | stranger                                                           | stranger | stranger | stranger    | no           | sees_all    | sees_all | no      | no
enter_platform('{user}')               | stranger                                                           | stranger | stranger | stranger    | no           | sees_all    | sees_all | no      | no
enter_platform('{staff}')              | other                                                              | other    | ok       | ok          | no           | sees_all    | sees_all | no      | no
enter_as_service('{user}', '{acme}')   | no                                                                 | no       | no       | no          | no           | ok          | other    | no      | no
enter_as_service('{user}', '{globex}') | no                                                                 | no       | no       | no          | no           | stranger    | stranger | no      | no
enter_with_ticket('ticket')            | ticket                                                             | ticket   | ticket   | ticket      | ticket       | sees_all    | sees_all | no      | no
enter_with_api_key('key')              | key                                                                | key      | key      | key         | key          | sees_all    | sees_all | no      | no
enter_with_session('session')          | session                                                            | session  | session  | session     | session      | sees_all    | sees_all | no      | no
enter_with_session('session', NULL)    | session                                                            | session  | session  | session     | session      | sees_all    | sees_all | no      | no
switch_session('session')              | session                                                            | session  | session  | session     | session      | sees_all    | sees_all | no      | no
start_session('{user}', '{acme}')      | other                                                              | other    | other    | ok          | no           | sees_all    | sees_all | no      | no
start_session_with_ticket('ticket')    | ticket                                                             | ticket   | ticket   | ticket      | ticket       | sees_all    | sees_all | no      | no
writable_columns('public.models')      | ok                                                                 | ok       | ok       | ok          | ok           | ok          | ok       | no      | no
unprotected_tables()                   | no                                                                 | no       | no       | no          | no           | ok          | ok       | no      | no
explain_access('public.models', '{model}', '{user}', '{acme}') | no                                                                 | no       | no       | no          | no           | ok          | ok       | ok      | no
record_read('public.users')            | no                                                                 | no       | no       | no          | no           | no          | no       | ok      | no
assign('public.instances', '{acme}')   | no                                                                 | no       | no       | no          | no           | ok          | ok       | no      | no
restore_organization('{acme}')         | no                                                                 | no       | no       | no          | no           | deleted     | deleted  | no      | no
purge_organization('{acme}')           | no                                                                 | no       | no       | no          | no           | deleted     | deleted  | no      | no
lint()                                 | no                                                                 | no       | no       | no          | no           | no          | no       | no      | no
rotate_seal_key()                      | no                                                                 | no       | no       | no          | no           | no          | no       | no      | no
create_ticket_key()                    | no                                                                 | no       | no       | no          | no           | no          | no       | no      | no
revoke_ticket_key('00000000')          | no                                                                 | no       | no       | no          | no           | no          | no       | no      | no
define_permission('new.view')          | no                                                                 | no       | no       | no          | no           | no          | no       | no      | no
protect('public.providers')            | no                                                                 | no       | no       | no          | no           | no          | no       | no      | no
allow('public.users', 'DELETE', NULL)  | no                                                                 | no       | no       | no          | no           | no          | no       | no      | no
publish('public.providers', 'name')    | no                                                                 | no       | no       | no          | no           | no          | no       | no      | no
unprotect('public.users')              | no                                                                 | no       | no       | no          | no           | no          | no       | no      | no
drop_policies('public.users')          | no                                                                 | no       | no       | no          | no           | no          | no       | no      | no
harden_database()                      | no                                                                 | no       | no       | no          | no           | no          | no       | no      | no
define_module('n', 'N', '/n')          | no                                                                 | no       | no       | no          | no           | no          | no       | no      | no
define_setting('new', 'int')           | no                                                                 | no       | no       | no          | no           | no          | no       | no      | no
read_secret(NULL, NULL, 'token')       | no                                                                 | no       | no       | no          | no           | ok          | ok       | no      | no
""")
    | parse("""
                                          | owner credentialed acting | admin      | manager    | user       | key        | outsider   | personal person staff | personal_key | platform     | bare service old | forged     | auditor nobody writer
------------------------------------------+---------------------------+------------+------------+------------+------------+------------+-----------------------+--------------+--------------+------------------+------------+----------------------
invite_member('new@example.com')          | ok                        | ok         | ok         | permission | person     | ok         | organization          | organization | organization | context          | forged     | no
invite_member('new@example.com', 'owner') | ok                        | delegation | delegation | permission | person     | ok         | organization          | organization | organization | context          | forged     | no
invitations()                             | ok                        | ok         | ok         | permission | permission | ok         | organization          | organization | organization | context          | forged     | no
revoke_invitation('{invitation}')         | ok                        | ok         | delegation | permission | person     | uninvited  | organization          | organization | organization | context          | forged     | no
peek_invitation('{token}')                | ok                        | ok         | ok         | ok         | ok         | ok         | ok                    | ok           | ok           | ok               | ok         | no
peek_invitation('inv_0')                  | invitation                | invitation | invitation | invitation | invitation | invitation | invitation            | invitation   | invitation   | invitation       | invitation | no
accept_invitation('{token}')              | ok                        | ok         | ok         | ok         | ok         | ok         | ok                    | ok           | ok           | ok               | forged     | no
accept_invitation('inv_0')                | invitation                | invitation | invitation | invitation | invitation | invitation | invitation            | invitation   | invitation   | invitation       | invitation | no
sign_up('new@example.com')                | ok                        | ok         | ok         | ok         | ok         | ok         | ok                    | ok           | ok           | ok               | ok         | no
is_listed('{user}', '{{}}')               | ok                        | ok         | ok         | ok         | ok         | ok         | ok                    | ok           | ok           | ok               | ok         | no
""")
    | parse("""
                                                  | owner credentialed acting | admin       | manager user | key personal_key | outsider   | personal person | staff        | platform | bare service old | forged | auditor nobody writer
--------------------------------------------------+---------------------------+-------------+--------------+------------------+------------+-----------------+--------------+----------+------------------+--------+----------------------
all_users()                                       | permission                | permission  | permission   | permission       | permission | permission      | ok           | ok       | context          | forged | no
create_user('new@example.com')                    | ok                        | ok          | permission   | person           | ok         | organization    | organization | ok       | context          | forged | no
update_user('{user}', first_name => 'New')        | ok                        | ok          | permission   | person           | member     | permission      | permission   | ok       | context          | forged | no
update_user('{user}', email => 'new@example.com') | credentials               | credentials | permission   | person           | member     | permission      | permission   | ok       | context          | forged | no
update_user('{user}', password_hash => 'new')     | credentials               | credentials | permission   | person           | member     | permission      | permission   | ok       | context          | forged | no
delete_user('{user}')                             | ok                        | ok          | permission   | person           | member     | permission      | permission   | ok       | context          | forged | no
""")
    | parse("""
                                             | owner credentialed acting | admin        | manager    | user       | key        | outsider  | personal person staff | personal_key | platform | bare service old | forged | auditor nobody writer
---------------------------------------------+---------------------------+--------------+------------+------------+------------+-----------+-----------------------+--------------+----------+------------------+--------+----------------------
visible_modules()                            | ok                        | ok           | ok         | ok         | ok         | ok        | ok                    | ok           | ok       | context          | forged | no
require_module('chat')                       | ok                        | ok           | ok         | ok         | ok         | ok        | ok                    | ok           | ok       | context          | forged | no
require_module('users')                      | ok                        | ok           | module     | module     | module     | ok        | organization          | organization | ok       | context          | forged | no
can_provision()                              | ok                        | ok           | ok         | ok         | ok         | ok        | ok                    | ok           | ok       | context          | forged | no
settings()                                   | ok                        | ok           | ok         | permission | permission | ok        | ok                    | ok           | ok       | context          | forged | no
setting(NULL, 'theme')                       | ok                        | ok           | ok         | permission | permission | ok        | ok                    | ok           | ok       | context          | forged | no
explain_setting(NULL, 'theme')               | ok                        | ok           | ok         | permission | permission | ok        | ok                    | ok           | ok       | context          | forged | no
provider_status()                            | ok                        | ok           | ok         | permission | permission | ok        | ok                    | ok           | ok       | context          | forged | no
set_setting(NULL, 'theme', 'new')            | ok                        | ok           | permission | permission | permission | ok        | organization          | organization | ok       | context          | forged | no
set_setting(NULL, 'signup', 'true')          | platforms                 | platforms    | permission | permission | permission | platforms | organization          | organization | ok       | context          | forged | no
set_sealed_setting(NULL, 'token', '', 'key') | value                     | value        | permission | permission | permission | value     | value                 | value        | value    | context          | forged | no
unset_setting(NULL, 'theme')                 | ok                        | ok           | permission | permission | permission | ok        | organization          | organization | ok       | context          | forged | no
lock_setting(NULL, 'theme')                  | platforms                 | platforms    | permission | permission | permission | platforms | platforms             | platforms    | ok       | context          | forged | no
""")
    | parse("""
                   | owner credentialed acting admin manager outsider personal person staff personal_key platform | user key   | bare service old | forged | auditor nobody writer
-------------------+----------------------------------------------------------------------------------------------+------------+------------------+--------+----------------------
wallet()           | ok                                                                                           | permission | context          | forged | no
statement()        | ok                                                                                           | permission | context          | forged | no
verify_statement() | ok                                                                                           | permission | context          | forged | no
""")
    | parse("""
                                                                  | owner admin manager credentialed outsider user key personal person staff personal_key platform bare forged | service old acting | auditor | nobody writer
------------------------------------------------------------------+------------------------------------------------------------------------------------------------------------+--------------------+---------+--------------
top_up('{acme}', 1, 'new')                                        | no                                                                                                         | ok                 | no      | no
top_up('{invitation}', 1, 'new')                                  | no                                                                                                         | workspace          | no      | no
pay_out('{acme}', 1, 'new')                                       | no                                                                                                         | ok                 | no      | no
pay_out('{acme}', 9999, 'new')                                    | no                                                                                                         | funds              | no      | no
grant_credit('{acme}', 1, 'new')                                  | no                                                                                                         | ok                 | no      | no
charge('{acme}', '{globex}', 1, 'order', 'new')                   | no                                                                                                         | ok                 | no      | no
refund('{acme}', 'new')                                           | no                                                                                                         | transfer           | no      | no
hold_amount('{acme}', 1, '1 minute', 'new')                       | no                                                                                                         | ok                 | no      | no
release_amount('{acme}')                                          | no                                                                                                         | ok                 | no      | no
settle('{acme}')                                                  | no                                                                                                         | ok                 | no      | no
fold_credits()                                                    | no                                                                                                         | ok                 | no      | no
set_overdraft('{acme}', 1)                                        | no                                                                                                         | ok                 | no      | no
set_currency('{acme}', 'EUR')                                     | no                                                                                                         | ok                 | no      | no
set_deferred_credit('{acme}', true)                               | no                                                                                                         | ok                 | no      | no
set_spending_limit('{acme}', 1)                                   | no                                                                                                         | ok                 | no      | no
set_plan('{acme}', 'subscriber')                                  | no                                                                                                         | ok                 | no      | no
reconcile()                                                       | no                                                                                                         | ok                 | ok      | no
take_checkpoint()                                                 | no                                                                                                         | ok                 | no      | no
transfer_digest('{acme}', '{acme}', 1, 'a', 'b', '', now(), NULL) | ok                                                                                                         | ok                 | ok      | no
entry_hash('', '{acme}', 1, '{acme}', 1, 1, now(), '')            | ok                                                                                                         | ok                 | ok      | no
""")
    | parse("""
                                          | owner credentialed acting | admin      | manager    | user       | key        | outsider    | personal person staff | personal_key | platform     | bare service old | forged | auditor nobody writer
------------------------------------------+---------------------------+------------+------------+------------+------------+-------------+-----------------------+--------------+--------------+------------------+--------+----------------------
catalog_preferences()                     | ok                        | ok         | ok         | ok         | ok         | ok          | ok                    | ok           | permission   | context          | forged | no
set_catalog_preferences(true)             | ok                        | ok         | permission | permission | permission | ok          | ok                    | person       | ok           | context          | forged | no
community_catalog()                       | ok                        | ok         | ok         | ok         | ok         | ok          | ok                    | ok           | permission   | context          | forged | no
shared_offerings()                        | ok                        | ok         | ok         | ok         | ok         | ok          | ok                    | ok           | permission   | context          | forged | no
access_requests()                         | ok                        | ok         | ok         | ok         | ok         | ok          | ok                    | ok           | permission   | context          | forged | no
resolve_offering('{offering}')            | ok                        | ok         | ok         | ok         | ok         | ok          | offering              | offering     | permission   | context          | forged | no
resolve_offering('new')                   | unnamed                   | unnamed    | unnamed    | unnamed    | unnamed    | unnamed     | unnamed               | unnamed      | permission   | context          | forged | no
publish_offering('{model}', 'new', 'New') | ok                        | ok         | permission | permission | person     | model       | organization          | organization | organization | context          | forged | no
update_offering('{offering}')             | ok                        | ok         | permission | permission | person     | offering    | organization          | organization | organization | context          | forged | no
set_offering_price('{offering}', 1)       | ok                        | permission | ok         | permission | person     | offering    | organization          | organization | organization | context          | forged | no
share_offering('{offering}', '{globex}')  | ok                        | permission | ok         | permission | person     | offering    | organization          | organization | organization | context          | forged | no
pause_share('{share}')                    | ok                        | permission | ok         | permission | person     | share       | organization          | organization | organization | context          | forged | no
resume_share('{share}')                   | status                    | permission | status     | permission | person     | share       | organization          | organization | organization | context          | forged | no
revoke_share('{share}')                   | ok                        | permission | ok         | permission | person     | share       | organization          | organization | organization | context          | forged | no
request_access('{offering}')              | granted                   | granted    | granted    | granted    | person     | granted     | offering              | person       | permission   | context          | forged | no
approve_access('{request}')               | ok                        | permission | ok         | permission | person     | request     | organization          | organization | organization | context          | forged | no
deny_access('{request}')                  | ok                        | permission | ok         | permission | person     | request     | organization          | organization | organization | context          | forged | no
revoke_entitlement('{entitlement}')       | ok                        | permission | ok         | permission | person     | entitlement | organization          | organization | organization | context          | forged | no
authorize_usage('{offering}', 10)         | ok                        | ok         | ok         | ok         | ok         | ok          | offering              | offering     | permission   | context          | forged | no
record_usage('new', '{offering}', 1, 1)   | ok                        | ok         | ok         | ok         | ok         | ok          | offering              | offering     | permission   | context          | forged | no
record_usages('{{}}')                     | ok                        | ok         | ok         | ok         | ok         | ok          | ok                    | ok           | permission   | context          | forged | no
release_usage('{authorization}')          | ok                        | ok         | ok         | ok         | ok         | hold        | hold                  | hold         | permission   | context          | forged | no
offering_earnings()                       | ok                        | ok         | ok         | permission | permission | ok          | organization          | organization | organization | context          | forged | no
offering_calls('{offering}')              | ok                        | ok         | ok         | permission | permission | ok          | organization          | organization | organization | context          | forged | no
""")
    | parse("""
                                                      | owner credentialed | admin      | manager | user       | key    | outsider | personal person staff | personal_key | platform     | bare    | service old acting | forged | auditor | nobody writer
------------------------------------------------------+--------------------+------------+---------+------------+--------+----------+-----------------------+--------------+--------------+---------+--------------------+--------+---------+--------------
reverse_usage('{call}')                               | ok                 | permission | ok      | permission | person | usage    | organization          | organization | organization | context | ok                 | forged | no      | no
authorize_usage_for('{acme}', '{offering}', 1)        | no                 | no         | no      | no         | no     | no       | no                    | no           | no           | no      | ok                 | no     | no      | no
record_usage_for('{acme}', 'new', '{offering}', 1, 1) | no                 | no         | no      | no         | no     | no       | no                    | no           | no           | no      | ok                 | no     | no      | no
reconcile_usage()                                     | no                 | no         | no      | no         | no     | no       | no                    | no           | no           | no      | ok                 | no     | ok      | no
""")
    | parse("""
                                               | owner credentialed acting | admin      | manager    | user       | key    | outsider | personal person staff | personal_key | platform     | bare    | service old | forged | auditor nobody writer
-----------------------------------------------+---------------------------+------------+------------+------------+--------+----------+-----------------------+--------------+--------------+---------+-------------+--------+----------------------
activate('instance', '{instance}', 'tech')     | ok                        | ok         | permission | permission | person | instance | organization          | organization | organization | context | context     | forged | no
activate('instance', '{instance}', 'eco')      | ok                        | permission | ok         | permission | person | instance | organization          | organization | organization | context | context     | forged | no
deactivate('instance', '{instance}', 'tech')   | ok                        | ok         | permission | permission | person | instance | organization          | organization | organization | context | context     | forged | no
deactivate('instance', '{instance}', 'eco')    | ok                        | permission | ok         | permission | person | instance | organization          | organization | organization | context | context     | forged | no
activate('model', '{model}', 'tech')           | ok                        | ok         | permission | permission | person | model    | organization          | organization | organization | context | context     | forged | no
activate('model', '{model}', 'eco')            | ok                        | permission | ok         | permission | person | model    | organization          | organization | organization | context | context     | forged | no
activate('api_key', '{api_key}', 'tech')       | ok                        | ok         | permission | permission | person | api_key  | organization          | organization | organization | context | context     | forged | no
activate('offering', '{offering}', 'tech')     | ok                        | ok         | permission | permission | person | offering | organization          | organization | organization | context | context     | forged | no
activate('api_key', '{api_key}', 'eco')        | ok                        | permission | ok         | permission | person | api_key  | organization          | organization | organization | context | context     | forged | no
activate('offering', '{offering}', 'eco')      | ok                        | permission | ok         | permission | person | offering | organization          | organization | organization | context | context     | forged | no
require_operational('instance', '{instance}')  | ok                        | ok         | ok         | ok         | ok     | instance | instance              | instance     | instance     | context | ok          | forged | no
require_operational('model', '{model}')        | ok                        | ok         | ok         | ok         | ok     | model    | model                 | model        | model        | context | ok          | forged | no
require_operational('api_key', '{api_key}')    | ok                        | ok         | ok         | ok         | ok     | api_key  | api_key               | api_key      | api_key      | context | ok          | forged | no
require_operational('offering', '{offering}')  | ok                        | ok         | ok         | ok         | ok     | offering | offering              | offering     | permission   | context | ok          | forged | no
require_operational('model', '{public_model}') | ok                        | ok         | ok         | ok         | ok     | ok       | ok                    | ok           | ok           | context | ok          | forged | no
""")
)

# The permissions of each role of an organization, and of staff in the platform's workspace. *: api_keys, instances,
# models, offerings.
_MATRIX = """
                                                                            | owner | admin | manager | user | staff
----------------------------------------------------------------------------+-------+-------+---------+------+------
organization.update                                                         | x     |       |         |      |
organization.delete                                                         | x     |       |         |      |
members.view                                                                | x     | x     | x       | x    | x
members.invite                                                              | x     | x     | x       |      |
members.change_role                                                         | x     | x     | x       |      |
members.remove                                                              | x     | x     | x       |      |
api_keys.view                                                               | x     | x     | x       | x    |
api_keys.create api_keys.update api_keys.revoke                             | x     | x     |         |      |
instances.view                                                              | x     | x     | x       | x    | x
instances.create instances.update instances.terminate instances.reinstall   | x     | x     |         |      | x
models.view                                                                 | x     | x     | x       | x    | x
models.create models.update models.delete                                   | x     | x     |         |      | x
*.activate_tech                                                             | x     | x     |         |      |
*.activate_eco                                                              | x     |       | x       |      |
audit.view                                                                  | x     | x     | x       |      | x
users.create                                                                | x     | x     |         |      | x
users.update                                                                | x     | x     |         |      | x
users.delete                                                                | x     | x     |         |      | x
settings.view                                                               | x     | x     | x       |      | x
settings.update                                                             | x     | x     |         |      | x
finops.view                                                                 | x     | x     | x       |      | x
finops.price                                                                | x     |       | x       |      |
finops.authorize                                                            | x     |       | x       |      |
offerings.view                                                              | x     | x     | x       | x    |
offerings.publish offerings.update                                          | x     | x     |         |      |
offerings.price offerings.share offerings.approve                           | x     |       | x       |      |
offerings.request offerings.use                                             | x     | x     | x       | x    |
models.use instances.use                                                    | x     | x     | x       | x    | x
"""
PERMISSIONS: dict[str, set[str]] = {
    permission: {role for role, cell in holders.items() if cell == "x"}
    for names, holders in parse(_MATRIX).items()
    for name in names.split()
    for permission in (
        [f"{kind}.{name[2:]}" for kind in ("api_keys", "instances", "models", "offerings")]
        if name.startswith("*.")
        else [name]
    )
}

# The roles between which a role may move members, and which members it may remove.
DELEGATION: dict[str, set[str]] = {
    "owner": {"owner", "admin", "manager", "user"},
    "admin": {"admin", "user"},
    "manager": {"manager", "user"},
    "user": set(),
}
