"""Who may do what, as data: written from the specification, not taken from a database.

``proof/test_access_matrix.py`` compares a database with it, cell by cell.
"""

# ruff: noqa: E501  (a table is as wide as it has columns)

from __future__ import annotations

__all__ = [
    "ACTORS",
    "CALLS",
    "DELEGATION",
    "IN_A_WORKSPACE",
    "PERMISSIONS",
    "READS",
    "ROLES",
    "SERVICES_WRITE",
    "UNOPENED",
    "WRITES",
    "parse",
]

ROLES = ("owner", "admin", "manager", "user")

# owner to user: members of Acme, in Acme, through the application's login.
# credentialed: Acme's owner in Acme, through a login that presents tickets.
# outsider: the owner of Globex, in Globex.
# personal: Acme's owner in the personal workspace; person: somebody without an
# organization; staff: platform staff; both in their personal workspaces.
# bare: the application's login in no workspace; forged: with variables set by hand.
# key: a program in Acme through an API key that Acme's owner made; personal_key:
# through one that Acme's owner made in the personal workspace.
# service, old, auditor: logins of these groups, in no workspace. old is the
# application as it was before. nobody: a login that was granted nothing.
IN_A_WORKSPACE = (*ROLES, "credentialed", "outsider", "key", "personal", "person", "staff", "personal_key")
ACTORS = (*IN_A_WORKSPACE, "bare", "forged", "service", "old", "auditor", "nobody")


def parse(table: str) -> dict[str, dict[str, str]]:
    """Return a table of text as rows by name, and cells by the names in its first line."""
    first, *lines = [line for line in table.strip().splitlines() if line.strip() and "-+-" not in line]
    columns = [name.strip() for name in first.split("|")[1:]]
    rows: dict[str, dict[str, str]] = {}
    for line in lines:
        name, *cells = [cell.strip() for cell in line.split("|")]
        rows[name] = {actor: cell for column, cell in zip(columns, cells, strict=True) for actor in column.split()}
    return rows


# What a SELECT shows, of the rows that are the actor's own workspace's (in
# users: the accounts of its people), those of others, and those of the platform.
# x: all of them, -: none of them, .: there are no such rows.
# no: permission denied; context, forged: 28000 no_context, invalid_context.
READS = parse("""
                                | owner admin manager credentialed outsider | user key | personal person personal_key | staff | service old | auditor | bare    | forged | nobody
--------------------------------+-------------------------------------------+----------+------------------------------+-------+-------------+---------+---------+--------+-------
public.users                    | x-.                                       | x-.      | x-.                          | xx.   | xx.         | xx.     | context | forged | no
public.organizations            | x-.                                       | x-.      | .-.                          | .-.   | xx.         | xx.     | context | forged | no
public.organization_memberships | x-.                                       | x-.      | .-.                          | .-.   | xx.         | xx.     | context | forged | no
public.api_keys                 | x-.                                       | x-.      | x-.                          | x-.   | xx.         | xx.     | context | forged | no
public.instances                | x--                                       | x--      | x-x                          | x-x   | xxx         | xxx     | context | forged | no
public.models                   | x-x                                       | x-x      | .-x                          | .-x   | xxx         | xxx     | context | forged | no
tenancy.workspaces              | x--                                       | x--      | x--                          | x--   | xxx         | xxx     | context | forged | no
tenancy.audit_log               | x--                                       | ---      | x--                          | x--   | xxx         | xxx     | context | forged | no
tenancy.invitations             | x-.                                       | --.      | .-.                          | .-.   | xx.         | xx.     | context | forged | no
tenancy.role_permissions        | ..x                                       | ..x      | ..x                          | ..x   | ..x         | ..x     | context | forged | no
tenancy.role_delegations        | ..x                                       | ..x      | ..x                          | ..x   | ..x         | ..x     | context | forged | no
tenancy.instance_transitions    | ..x                                       | ..x      | ..x                          | ..x   | ..x         | ..x     | context | forged | no
""")

# The tables that a later phase opens: until then they are for services alone.
UNOPENED = (
    "public.providers",
    "public.provider_settings",
    "public.organization_models",
    "public.organization_model_shares",
    "finops.inference_usage",
    "finops.cost_actual_minute",
)

# A service writes to these, whichever workspace a row belongs to. Who enters a
# workspace writes to those in WRITES: there are functions for everything else.
SERVICES_WRITE: dict[str, tuple[str, ...]] = {
    "public.users": ("INSERT", "UPDATE", "DELETE"),
    "public.organizations": ("INSERT", "UPDATE", "DELETE"),
    "public.organization_memberships": ("INSERT", "UPDATE", "DELETE"),
    "public.api_keys": ("INSERT", "UPDATE", "DELETE"),
    "public.instances": ("INSERT", "UPDATE", "DELETE"),
    "public.models": ("INSERT", "UPDATE", "DELETE"),
    "tenancy.workspaces": ("UPDATE",),
    "tenancy.audit_log": (),
    "tenancy.role_permissions": (),
    "tenancy.role_delegations": (),
    "tenancy.instance_transitions": (),
    "tenancy.invitations": (),
    **dict.fromkeys(UNOPENED, ("INSERT", "UPDATE", "DELETE")),
}

# What somebody in a workspace writes. Each UPDATE and DELETE is of every row that
# can be seen, or, where it says so, of those that are not the platform's.
# own, public: it reaches rows of the own workspace, or of the platform, and no
# others; own+: both; none: no row. no: no privilege. permission, person: 42501
# permission_denied, person_required, before a row is looked at; platform: the
# same permission_denied, because some of the rows are the platform's.
WRITES = parse("""
                                   | owner admin credentialed outsider | manager user | key        | personal person | staff  | personal_key | bare    | forged | auditor nobody
-----------------------------------+-----------------------------------+--------------+------------+-----------------+--------+--------------+---------+--------+---------------
public.api_keys INSERT             | no                                | no           | no         | no              | no     | no           | no      | no     | no
public.api_keys UPDATE             | own                               | permission   | permission | own             | own    | person       | context | forged | no
public.api_keys DELETE             | no                                | no           | no         | no              | no     | no           | no      | no     | no
public.instances INSERT            | own                               | permission   | permission | own             | own    | own          | context | forged | no
public.instances UPDATE            | own                               | permission   | permission | platform        | own+   | platform     | context | forged | no
public.instances UPDATE of its own | own                               | permission   | permission | own             | own    | own          | context | forged | no
public.instances DELETE            | no                                | no           | no         | no              | no     | no           | no      | no     | no
public.models INSERT               | own                               | permission   | permission | permission      | public | permission   | context | forged | no
public.models UPDATE               | platform                          | permission   | permission | permission      | public | permission   | context | forged | no
public.models UPDATE of its own    | own                               | permission   | permission | permission      | none   | permission   | context | forged | no
public.models DELETE               | platform                          | permission   | permission | permission      | public | permission   | context | forged | no
public.models DELETE of its own    | own                               | permission   | permission | permission      | none   | permission   | context | forged | no
""")

# Every function and procedure of the schema tenancy, and what its call comes to.
# ok, or an error: permission and delegation (42501), organization (55000
# organization_required), owner (23514), member (P0002 member_not_found), deleted
# (P0002 deleted_organization_not_found), ticket, key (28000 invalid_ticket,
# invalid_api_key), person (42501 person_required), api_key, instance (P0002
# api_key_not_found, instance_not_found), invitation (28000 invalid_invitation),
# uninvited (P0002 invitation_not_found), credentials (42501
# credentials_denied), context, forged; no: permission denied
# for the function.
# {user} is a member of Acme with the role user. Acme has two owners, Globex one.
# {api_key} and {instance} are Acme's, {public_instance} is one from before tenancy.
# {invitation} is Acme's, for an admin, and {token} its token.
CALLS = (
    parse("""
                                                    | owner credentialed | admin      | manager    | user       | key        | outsider | personal person staff | personal_key | bare service old | forged | auditor nobody
----------------------------------------------------+--------------------+------------+------------+------------+------------+----------+-----------------------+--------------+------------------+--------+---------------
current_user_id()                                   | ok                 | ok         | ok         | ok         | ok         | ok       | ok                    | ok           | context          | forged | no
current_organization_id()                           | ok                 | ok         | ok         | ok         | ok         | ok       | ok                    | ok           | context          | forged | no
current_workspace_id()                              | ok                 | ok         | ok         | ok         | ok         | ok       | ok                    | ok           | context          | forged | no
current_role()                                      | ok                 | ok         | ok         | ok         | ok         | ok       | ok                    | ok           | context          | forged | no
current_workspace()                                 | ok                 | ok         | ok         | ok         | ok         | ok       | ok                    | ok           | context          | forged | no
workspace_for('members.invite')                     | ok                 | ok         | ok         | ok         | ok         | ok       | ok                    | ok           | context          | forged | no
has_permission('members.invite')                    | ok                 | ok         | ok         | ok         | ok         | ok       | ok                    | ok           | context          | forged | no
my_permissions()                                    | ok                 | ok         | ok         | ok         | ok         | ok       | ok                    | ok           | context          | forged | no
my_organizations()                                  | ok                 | ok         | ok         | ok         | ok         | ok       | ok                    | ok           | context          | forged | no
badge('{acme}')                                     | ok                 | ok         | ok         | ok         | ok         | ok       | ok                    | ok           | context          | forged | no
require_permission('members.view')                  | ok                 | ok         | ok         | ok         | ok         | ok       | ok                    | ok           | context          | forged | no
require_permission('members.invite')                | ok                 | ok         | ok         | permission | permission | ok       | ok                    | ok           | context          | forged | no
require_permission('organization.delete')           | ok                 | permission | permission | permission | permission | ok       | ok                    | ok           | context          | forged | no
create_organization('New')                          | ok                 | ok         | ok         | ok         | person     | ok       | ok                    | person       | context          | forged | no
update_organization(name => 'New')                  | ok                 | permission | permission | permission | person     | ok       | organization          | organization | context          | forged | no
delete_organization()                               | ok                 | permission | permission | permission | person     | ok       | organization          | organization | context          | forged | no
members()                                           | ok                 | ok         | ok         | ok         | ok         | ok       | organization          | organization | context          | forged | no
change_member_role('{user}', 'admin')               | ok                 | ok         | delegation | permission | person     | member   | organization          | organization | context          | forged | no
change_member_role('{user}', 'manager')             | ok                 | delegation | ok         | permission | person     | member   | organization          | organization | context          | forged | no
change_member_role('{user}', 'owner')               | ok                 | delegation | delegation | permission | person     | member   | organization          | organization | context          | forged | no
remove_member('{user}')                             | ok                 | ok         | ok         | permission | person     | member   | organization          | organization | context          | forged | no
leave_organization()                                | ok                 | ok         | ok         | ok         | person     | owner    | organization          | person       | context          | forged | no
current_credential_id()                             | ok                 | ok         | ok         | ok         | ok         | ok       | ok                    | ok           | context          | forged | no
workspaces_for('models.view', 'always')             | ok                 | ok         | ok         | ok         | ok         | ok       | ok                    | ok           | context          | forged | no
create_api_key('New')                               | ok                 | ok         | permission | permission | person     | ok       | ok                    | person       | context          | forged | no
rename_api_key('{api_key}', 'New')                  | ok                 | ok         | permission | permission | person     | api_key  | api_key               | person       | context          | forged | no
revoke_api_key('{api_key}')                         | ok                 | ok         | permission | permission | person     | api_key  | api_key               | person       | context          | forged | no
terminate_instance('{instance}')                    | ok                 | ok         | permission | permission | permission | instance | instance              | instance     | context          | forged | no
reinstall_instance('{instance}')                    | ok                 | ok         | permission | permission | permission | instance | instance              | instance     | context          | forged | no
require_instance_transition('ready', 'terminating') | ok                 | ok         | permission | permission | permission | ok       | ok                    | ok           | context          | forged | no
""")
    | parse("""
                                        | owner credentialed | admin    | manager    | user       | key        | outsider | personal person | staff | personal_key | bare service old | forged | auditor nobody
----------------------------------------+--------------------+----------+------------+------------+------------+----------+-----------------+-------+--------------+------------------+--------+---------------
terminate_instance('{public_instance}') | instance           | instance | permission | permission | permission | instance | permission      | ok    | permission   | context          | forged | no
require_staff_or_organization()         | ok                 | ok       | ok         | ok         | ok         | ok       | permission      | ok    | permission   | context          | forged | no
""")
    | parse("""
                 | owner admin manager credentialed user outsider personal person staff | key personal_key | bare service old | forged | auditor nobody
-----------------+----------------------------------------------------------------------+------------------+------------------+--------+---------------
require_person() | ok                                                                   | person           | context          | forged | no
""")
    | parse("""
                              | owner admin manager credentialed user key outsider personal person staff personal_key | bare service old | forged | auditor nobody
------------------------------+---------------------------------------------------------------------------------------+------------------+--------+---------------
default_workspace_id()        | ok                                                                                    | ok               | forged | no
default_shared_workspace_id() | ok                                                                                    | ok               | forged | no
default_organization_id()     | ok                                                                                    | ok               | forged | no
default_user_id()             | ok                                                                                    | ok               | forged | no
""")
    | parse("""
                                     | owner admin manager user key outsider personal person staff personal_key | bare forged | credentialed | service old | auditor | nobody
-------------------------------------+--------------------------------------------------------------------------+-------------+--------------+-------------+---------+-------
enter('{user}', '{acme}')            | other                                                                    | ok          | no           | ok          | no      | no
enter_with_ticket('ticket')          | ticket                                                                   | ticket      | ticket       | ticket      | no      | no
enter_with_api_key('key')            | key                                                                      | key         | key          | key         | no      | no
record_read('public.users')          | no                                                                       | no          | no           | no          | ok      | no
assign('public.instances', '{acme}') | no                                                                       | no          | no           | ok          | no      | no
restore_organization('{acme}')       | no                                                                       | no          | no           | deleted     | no      | no
purge_organization('{acme}')         | no                                                                       | no          | no           | deleted     | no      | no
rotate_seal_key()                    | no                                                                       | no          | no           | no          | no      | no
create_ticket_key()                  | no                                                                       | no          | no           | no          | no      | no
revoke_ticket_key('00000000')        | no                                                                       | no          | no           | no          | no      | no
drop_policies('public.users')        | no                                                                       | no          | no           | no          | no      | no
harden_database()                    | no                                                                       | no          | no           | no          | no      | no
""")
    | parse("""
                                          | owner credentialed | admin      | manager    | user       | key        | outsider   | personal person staff | personal_key | bare service old | forged     | auditor nobody
------------------------------------------+--------------------+------------+------------+------------+------------+------------+-----------------------+--------------+------------------+------------+---------------
invite_member('new@example.com')          | ok                 | ok         | ok         | permission | person     | ok         | organization          | organization | context          | forged     | no
invite_member('new@example.com', 'owner') | ok                 | delegation | delegation | permission | person     | ok         | organization          | organization | context          | forged     | no
invitations()                             | ok                 | ok         | ok         | permission | permission | ok         | organization          | organization | context          | forged     | no
revoke_invitation('{invitation}')         | ok                 | ok         | delegation | permission | person     | uninvited  | organization          | organization | context          | forged     | no
peek_invitation('{token}')                | ok                 | ok         | ok         | ok         | ok         | ok         | ok                    | ok           | ok               | ok         | no
peek_invitation('inv_0')                  | invitation         | invitation | invitation | invitation | invitation | invitation | invitation            | invitation   | invitation       | invitation | no
accept_invitation('{token}')              | ok                 | ok         | ok         | ok         | ok         | ok         | ok                    | ok           | ok               | forged     | no
accept_invitation('inv_0')                | invitation         | invitation | invitation | invitation | invitation | invitation | invitation            | invitation   | invitation       | invitation | no
""")
    | parse("""
                                          | owner credentialed | admin | manager | user | key | outsider | personal person staff | personal_key | bare service old | forged | auditor nobody
------------------------------------------+--------------------+-------+---------+------+-----+----------+-----------------------+--------------+------------------+--------+---------------
visible_user_ids()                        | ok                 | ok    | ok      | ok   | ok  | ok       | ok                    | ok           | context          | forged | no
sees_all_users()                          | ok                 | ok    | ok      | ok   | ok  | ok       | ok                    | ok           | context          | forged | no
is_listed('{user}', '{{}}')               | ok                 | ok    | ok      | ok   | ok  | ok       | ok                    | ok           | ok               | ok     | no
table_for('members.view', 'public.users') | ok                 | ok    | ok      | ok   | ok  | ok       | ok                    | ok           | context          | forged | no
""")
    | parse("""
                               | owner admin credentialed outsider | manager user | key personal_key | personal person | staff | bare service old | forged | auditor nobody
-------------------------------+-----------------------------------+--------------+------------------+-----------------+-------+------------------+--------+---------------
all_users()                    | permission                        | permission   | permission       | permission      | ok    | context          | forged | no
create_user('new@example.com') | ok                                | permission   | person           | organization    | ok    | context          | forged | no
""")
    | parse("""
                                                  | owner credentialed | admin       | manager user | key personal_key | outsider | personal person | staff | bare service old | forged | auditor nobody
--------------------------------------------------+--------------------+-------------+--------------+------------------+----------+-----------------+-------+------------------+--------+---------------
update_user('{user}', first_name => 'New')        | ok                 | ok          | permission   | person           | member   | permission      | ok    | context          | forged | no
update_user('{user}', email => 'new@example.com') | credentials        | credentials | permission   | person           | member   | permission      | ok    | context          | forged | no
delete_user('{user}')                             | ok                 | ok          | permission   | person           | member   | permission      | ok    | context          | forged | no
""")
)

# Which organization role holds which permission. *: api_keys, instances, models, offerings.
_MATRIX = """
                                                                            | owner | admin | manager | user
----------------------------------------------------------------------------+-------+-------+---------+-----
organization.update                                                         | x     |       |         |
organization.delete                                                         | x     |       |         |
members.view                                                                | x     | x     | x       | x
members.invite                                                              | x     | x     | x       |
members.change_role                                                         | x     | x     | x       |
members.remove                                                              | x     | x     | x       |
api_keys.view                                                               | x     | x     | x       | x
api_keys.create api_keys.update api_keys.revoke                             | x     | x     |         |
instances.view                                                              | x     | x     | x       | x
instances.create instances.update instances.terminate instances.reinstall   | x     | x     |         |
models.view                                                                 | x     | x     | x       | x
models.create models.update models.delete                                   | x     | x     |         |
*.activate_tech                                                             | x     | x     |         |
*.activate_eco                                                              | x     |       | x       |
audit.view                                                                  | x     | x     | x       |
users.create                                                                | x     | x     |         |
users.update                                                                | x     | x     |         |
users.delete                                                                | x     | x     |         |
settings.view                                                               | x     | x     | x       |
settings.update                                                             | x     | x     |         |
finops.view                                                                 | x     | x     | x       |
finops.price                                                                | x     |       | x       |
finops.authorize                                                            | x     |       | x       |
offerings.view                                                              | x     | x     | x       | x
offerings.publish offerings.update                                          | x     | x     |         |
offerings.price offerings.share offerings.approve                           | x     |       | x       |
offerings.request offerings.use                                             | x     | x     | x       | x
models.use instances.use                                                    | x     | x     | x       | x
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

# Between which roles a role may move a member, and which it may remove.
DELEGATION: dict[str, set[str]] = {
    "owner": {"owner", "admin", "manager", "user"},
    "admin": {"admin", "user"},
    "manager": {"manager", "user"},
    "user": set(),
}
