"""Questions about the tables of tenants: API keys, instances, models. ``probes`` asks them."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import psycopg

__all__ = ["QUESTIONS", "fill"]

Question = tuple[str | None, str | None, str | None, str | list[str], Any]

NIL = "00000000-0000-0000-0000-000000000000"
ENTER = "SELECT tenancy.enter_with_api_key('{}-1')"
NO_SEAL = "set_config('tenancy.seal', '', true)"
REPLICA = "SET LOCAL session_replication_role = replica"


def fill(admin: psycopg.Connection[Any], ids: Mapping[str, str]) -> dict[str, str]:
    """Make the rows that the questions are about, and return their ids.

    A key is what its id is called and ``-1``: ``k_acme-1``.
    """
    rows = {name: str(uuid4()) for name in ("provider", "m_acme", "m_bulk", "m_public", "m_spare")}
    admin.execute("INSERT INTO public.providers (id, name) VALUES (%s, 'provider')", [rows["provider"]])
    for name in ("acme", "bulk", "public", "spare"):
        admin.execute(
            "INSERT INTO public.models (id, name, model_id, organization_id) VALUES (%s, %s, %s, %s)",
            [rows[f"m_{name}"], name, f"of/{name}", ids.get(name)],
        )
    for name in ("acme", "bulk", "ann", "olga", "old"):
        rows[f"i_{name}"] = str(uuid4())
        owner = {} if name == "old" else {"organization_id" if name in {"acme", "bulk"} else "user_id": ids[name]}
        columns = {
            "id": rows[f"i_{name}"],
            "provider_id": rows["provider"],
            "status": "ready",
            "gpu_profile": name,
            "model_id": rows.get(f"m_{name}"),
            **owner,
        }
        admin.execute(
            f"INSERT INTO public.instances ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})",
            list(columns.values()),
        )
    for name, user, organization in (
        ("acme", "ann", "acme"),
        ("uma", "uma", "acme"),
        ("dead", "ann", "acme"),
        ("late", "ann", "acme"),
        ("bulk", "olga", "bulk"),
        ("gone", "ann", "gone"),
        ("ann", "ann", None),
        ("sam", "sam", None),
        ("lost", None, None),
    ):
        rows[f"k_{name}"] = str(uuid4())
        admin.execute(
            "INSERT INTO public.api_keys (id, user_id, organization_id, name, key_prefix, key_hash)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [
                rows[f"k_{name}"],
                ids[user] if user else None,
                ids[organization] if organization else None,
                name,
                f"k_{name}",
                hashlib.sha256(f"k_{name}-1".encode()).hexdigest(),
            ],
        )
    admin.execute("UPDATE public.api_keys SET revoked_at = '2001-01-01' WHERE name = 'dead'")
    admin.execute("UPDATE public.api_keys SET expires_at = '2001-01-01' WHERE name = 'late'")
    return rows


def _later(first: list[str], then: str, answer: Any, login: str = "app") -> Question:
    """Ask the superuser what has become of something that somebody did."""
    return (None, None, None, [f"as {login}", *first, "as None", then], answer)


def _without(trigger: str, table: str, who: str, statement: str, answer: Any, *before: str) -> Question:
    """Ask what the policies refuse when a trigger has not done so before."""
    return (
        None,
        None,
        None,
        [f"ALTER TABLE {table} DISABLE TRIGGER {trigger}", *before, "as app", f"enter {who}", statement],
        answer,
    )


ONE = "WITH done AS ({}) SELECT count(*) FROM done"
NEW_KEY = "SELECT tenancy.create_api_key({})"
NEW_INSTANCE = "INSERT INTO public.instances (provider_id, gpu_profile) VALUES ('{provider}', 'new')"
NEW_MODEL = "INSERT INTO public.models (name, model_id) VALUES ('new', 'new')"

_LISTS: list[Question] = [
    ("app", "ann", "acme", "SELECT tenancy.workspaces_for('models.view', 'always')::text", [("{{acme},NIL}",)]),
    ("app", "ann", "acme", "SELECT tenancy.workspaces_for('models.view', 'personal')::text", [("{{acme}}",)]),
    ("app", "ann", None, "SELECT tenancy.workspaces_for('models.view', 'personal')::text", [("{{ann},NIL}",)]),
    ("app", "ann", None, "SELECT tenancy.workspaces_for('models.view', 'staff')::text", [("{{ann}}",)]),
    ("app", "sam", None, "SELECT tenancy.workspaces_for('models.view', 'staff')::text", [("{{sam},NIL}",)]),
    ("app", "uma", "acme", "SELECT tenancy.workspaces_for('models.create', 'always')", [(None,)]),
    ("app", None, None, "SELECT tenancy.workspaces_for(NULL, 'always')", "no_context"),
    ("app", "ann", "acme", "SELECT tenancy.table_for('models.view', 'public.models') > 0", [(True,)]),
    ("app", "uma", "acme", "SELECT tenancy.table_for('models.create', 'public.models')", [(None,)]),
    (
        "app",
        "ann",
        "acme",
        "SELECT tenancy.default_workspace_id()::text, tenancy.default_shared_workspace_id()::text,"
        " tenancy.default_organization_id()::text, tenancy.default_user_id()",
        [("{acme}", "{acme}", "{acme}", None)],
    ),
    (
        "app",
        "ann",
        None,
        "SELECT tenancy.default_workspace_id()::text, tenancy.default_shared_workspace_id()::text,"
        " tenancy.default_organization_id()::text, tenancy.default_user_id()::text",
        [("{ann}", NIL, None, "{ann}")],
    ),
    (
        "service",
        None,
        None,
        "SELECT tenancy.default_workspace_id()::text, tenancy.default_shared_workspace_id()::text,"
        " tenancy.default_organization_id(), tenancy.default_user_id()",
        [(NIL, NIL, None, None)],
    ),
    *(
        (
            "app",
            None,
            None,
            ["SELECT set_config('tenancy.seal', 'x', true)", f"SELECT tenancy.{name}()"],
            "invalid_context",
        )
        for name in (
            "default_workspace_id",
            "default_shared_workspace_id",
            "default_organization_id",
            "default_user_id",
        )
    ),
    ("app", "ann", None, "SELECT tenancy.require_staff_or_organization()", "permission_denied"),
    ("app", "sam", None, "SELECT tenancy.require_staff_or_organization()::text", [("",)]),
    ("app", "ann", "acme", "SELECT tenancy.require_staff_or_organization()::text", [("",)]),
    ("app", "ann", "acme", "SELECT tenancy.require_person()::text", [("",)]),
    ("app", None, None, [ENTER.format("k_acme"), "SELECT tenancy.require_person()"], "person_required"),
    # whose a row is, whoever writes it
    *(
        (
            "service",
            None,
            None,
            [
                statement,
                "SELECT workspace_id::text, organization_id::text FROM public.instances WHERE gpu_profile = 'acme'",
            ],
            [("{acme}", "{acme}")],
        )
        for statement in (
            "UPDATE public.instances SET organization_id = NULL WHERE id = '{i_acme}'",
            "UPDATE public.instances SET workspace_id = '{bulk}' WHERE id = '{i_acme}'",
            "UPDATE public.instances SET user_id = '{olga}' WHERE id = '{i_acme}'",
        )
    ),
    (
        "service",
        None,
        None,
        [
            "UPDATE public.instances SET user_id = NULL WHERE id = '{i_ann}'",
            "SELECT workspace_id::text FROM public.instances WHERE id = '{i_ann}'",
        ],
        [("{ann}",)],
    ),
    *(
        (
            "service",
            None,
            None,
            [
                f"INSERT INTO public.instances (provider_id, gpu_profile, {columns})"
                f" VALUES ('{{provider}}', 'new', {values})",
                "SELECT workspace_id::text FROM public.instances WHERE gpu_profile = 'new'",
            ],
            [(workspace,)],
        )
        for columns, values, workspace in (
            ("organization_id", "'{acme}'", "{acme}"),
            ("user_id", "'{ann}'", "{ann}"),
            ("user_id, organization_id", "'{ann}', '{acme}'", "{acme}"),
            ("status", "'new'", NIL),
        )
    ),
    *(
        (
            "service",
            None,
            None,
            [
                f"UPDATE public.{table} SET organization_id = '{{duo}}' WHERE id = '{{{row}}}'",
                f"SELECT workspace_id::text FROM public.{table} WHERE id = '{{{row}}}'",
            ],
            [("{duo}",)],
        )
        for table, row in (("api_keys", "k_bulk"), ("models", "m_public"), ("instances", "i_old"))
    ),
    *(
        (
            None,
            None,
            None,
            [REPLICA, f"UPDATE public.{table} SET {more}workspace_id = '{{bulk}}' WHERE id = '{{{row}}}'"],
            name,
        )
        for table, row, name, more in (
            ("api_keys", "k_acme", "api_keys_tenancy_workspace_check", ""),
            ("instances", "i_acme", "instances_tenancy_workspace_check", "model_id = NULL, "),
            # Of the two checks that refuse it the first by name says so.
            ("models", "m_acme", "models_tenancy_shared_check", ""),
        )
    ),
    (
        None,
        None,
        None,
        [
            "ALTER TABLE public.models DROP CONSTRAINT models_tenancy_shared_check",
            REPLICA,
            "UPDATE public.models SET workspace_id = '{bulk}' WHERE id = '{m_acme}'",
        ],
        "models_tenancy_workspace_check",
    ),
    (
        "service",
        None,
        None,
        "INSERT INTO public.models (name, model_id, workspace_id) VALUES ('n', 'n', '{ann}')",
        "models_tenancy_shared_check",
    ),
    # assign()
    *(
        ("service", None, None, f"SELECT tenancy.assign({arguments})", answer)
        for arguments, answer in (
            ("'public.instances', '{duo}'", [(1,)]),
            ("'public.models', '{duo}'", [(2,)]),
            ("'public.models', '{duo}', 'true', 1", [(1,)]),
            ("'public.models', '{duo}', 'name = ''spare'''", [(1,)]),
            ("'public.models', '{duo}', 'false'", [(0,)]),
            ("'public.users', '{duo}'", "table_not_protected"),
            ("'public.organization_models', '{duo}'", "table_not_protected"),
            ("'public.instances', '{gone}'", "organization_not_found"),
            ("'public.instances', '{ann}'", "organization_not_found"),
            ("'public.instances', NULL", "organization_not_found"),
            ("'public.instances', '{duo}', 'true', 0", "batch_size_invalid"),
            ("'public.instances', '{duo}', 'true', NULL", "batch_size_invalid"),
        )
    ),
    # Columns of those names make no table of tenants.
    (
        None,
        None,
        None,
        [
            "CREATE TABLE public.others (id uuid PRIMARY KEY, workspace_id uuid, organization_id uuid)",
            "SELECT tenancy.assign('public.others', '{duo}')",
        ],
        "table_not_protected",
    ),
    (
        "service",
        None,
        None,
        [
            "SELECT tenancy.assign('public.instances', '{duo}')",
            "SELECT gpu_profile FROM public.instances WHERE workspace_id = '{duo}'",
        ],
        [("old",)],
    ),
]

_KEYS: list[Question] = [
    ("app", "ann", "acme", "SELECT count(*) FROM public.api_keys", [(4,)]),
    ("app", "ann", None, "SELECT name FROM public.api_keys", [("ann",)]),
    ("app", "uma", "acme", "SELECT count(*) FROM public.api_keys", [(4,)]),
    ("app", "ann", "acme", "SELECT key_hash FROM public.api_keys", "42501"),
    ("service", None, None, "SELECT count(*) FROM public.api_keys", [(9,)]),
    (
        None,
        None,
        None,
        [
            "DELETE FROM tenancy.role_permissions WHERE role = 'user'",
            "as app",
            "enter uma acme",
            "SELECT count(*) FROM public.api_keys",
        ],
        [(0,)],
    ),
    ("app", "uma", "acme", "UPDATE public.api_keys SET name = 'x'", "permission_denied"),
    ("app", "ann", "acme", ["UPDATE public.api_keys SET name = 'x'", "SELECT count(*) FROM public.api_keys"], [(4,)]),
    _later(
        ["enter ann acme", "UPDATE public.api_keys SET name = 'x'"],
        "SELECT count(*) FROM public.api_keys WHERE name = 'x'",
        [(4,)],
    ),
    ("app", None, None, [ENTER.format("k_ann"), "UPDATE public.api_keys SET name = 'x'"], "person_required"),
    _without(
        "api_keys_permission",
        "public.api_keys",
        "uma acme",
        ONE.format("UPDATE public.api_keys SET name = 'x' RETURNING 1"),
        [(0,)],
    ),
    *(
        ("app", "ann", "acme", f"UPDATE public.api_keys SET name = {name}", "api_key_name_invalid")
        for name in ("''", "repeat('x', 201)", "E'a\\nb'")
    ),
    (
        "app",
        "ann",
        None,
        ["UPDATE public.api_keys SET name = ' new '", "SELECT name FROM public.api_keys"],
        [("new",)],
    ),
    (
        "service",
        None,
        None,
        ONE.format("UPDATE public.api_keys SET name = '' WHERE id = '{k_acme}' RETURNING 1"),
        [(1,)],
    ),
    # the log is written when RETURNING has been worked out
    ("app", "ann", "acme", "UPDATE public.api_keys SET name = 'x' RETURNING " + NO_SEAL, "no_context"),
    # making
    ("app", "uma", "acme", NEW_KEY.format("'x'"), "permission_denied"),
    ("app", "max", "acme", NEW_KEY.format("'x'"), "permission_denied"),
    *(
        ("app", "ann", None, NEW_KEY.format(name), "api_key_name_invalid")
        for name in ("NULL", "' '", "repeat('x', 201)", "E'a\\nb'")
    ),
    ("app", "ann", None, NEW_KEY.format("'x', now()"), "api_key_expiry_invalid"),
    ("app", None, None, NEW_KEY.format("'x'"), "no_context"),
    *(
        ("app", None, None, [ENTER.format(key), NEW_KEY.format("'x'")], "person_required")
        for key in ("k_ann", "k_acme")
    ),
    (
        None,
        None,
        None,
        [
            "DELETE FROM tenancy.role_permissions WHERE permission = 'api_keys.create'",
            "as app",
            "enter ann None",
            NEW_KEY.format("'x'"),
        ],
        "permission_denied",
    ),
    *(
        (
            None,
            None,
            None,
            [
                "as app",
                f"enter {where}",
                "SELECT set_config('test.key', key, true) FROM tenancy.create_api_key(' new ', 'infinity')",
                "as None",
                "SELECT user_id::text, organization_id::text, workspace_id::text, expires_at = 'infinity',"
                " key_hash = encode(sha256(convert_to(current_setting('test.key'), 'UTF8')), 'hex'),"
                " starts_with(current_setting('test.key'), key_prefix || '_'), length(current_setting('test.key'))"
                " FROM public.api_keys WHERE name = 'new'",
            ],
            [("{ann}", organization, workspace, True, True, True, 77)],
        )
        for where, organization, workspace in (("ann acme", "{acme}", "{acme}"), ("ann None", None, "{ann}"))
    ),
    (
        "app",
        "ann",
        None,
        "SELECT a.key <> b.key FROM tenancy.create_api_key('a') AS a, tenancy.create_api_key('b') AS b",
        [(True,)],
    ),
    # renaming and revoking
    *(
        ("app", who, where, f"SELECT tenancy.{call}", error)
        for call, error in (
            ("rename_api_key('{k_bulk}', 'x')", "api_key_not_found"),
            ("revoke_api_key('{k_bulk}')", "api_key_not_found"),
            ("revoke_api_key('{nobody}')", "api_key_not_found"),
            ("rename_api_key(NULL, 'x')", "api_key_not_found"),
        )
        for who, where in (("ann", "acme"), ("ann", None))
    ),
    ("app", "uma", "acme", "SELECT tenancy.rename_api_key('{k_acme}', 'x')", "permission_denied"),
    ("app", "uma", "acme", "SELECT tenancy.revoke_api_key('{k_acme}')", "permission_denied"),
    ("app", "ann", "acme", "SELECT tenancy.rename_api_key('{k_acme}', ' ')", "api_key_name_invalid"),
    _later(
        ["enter ann acme", "SELECT tenancy.rename_api_key('{k_acme}', ' x ')"],
        "SELECT id::text FROM public.api_keys WHERE name = 'x'",
        [("{k_acme}",)],
    ),
    _later(
        ["enter ann acme", "SELECT tenancy.revoke_api_key('{k_acme}')"],
        "SELECT id::text FROM public.api_keys WHERE revoked_at = now()",
        [("{k_acme}",)],
    ),
    _later(
        ["enter ann acme", "SELECT tenancy.revoke_api_key('{k_dead}')"],
        "SELECT revoked_at < now() FROM public.api_keys WHERE id = '{k_dead}'",
        [(True,)],
    ),
    # What was revoked beside a held row reaches it later, in the own workspace.
    *(
        (
            None,
            None,
            None,
            [
                "INSERT INTO tenancy_private.revoked_api_keys VALUES ('{k_acme}', '2002-01-01'),"
                " ('{k_bulk}', '2002-01-01'), ('{k_dead}', '2002-01-01')",
                "as app",
                "enter ann acme",
                NEW_KEY.format("'x'"),
                "as None",
                query,
            ],
            answer,
        )
        for query, answer in (
            ("SELECT api_key_id::text FROM tenancy_private.revoked_api_keys", [("{k_bulk}",)]),
            (
                "SELECT name, extract(year FROM revoked_at) FROM public.api_keys WHERE revoked_at IS NOT NULL"
                " ORDER BY name",
                [("acme", 2002), ("dead", 2001)],
            ),
        )
    ),
    # entering
    *(
        ("app", None, None, ENTER.format(key), "invalid_api_key")
        for key in ("k_dead", "k_late", "k_gone", "k_lost", "k_acme-1", "k_none", "")
    ),
    ("app", None, None, "SELECT tenancy.enter_with_api_key(NULL)", "invalid_api_key"),
    ("app", None, None, "SELECT tenancy.enter_with_api_key('k_acme-2')", "invalid_api_key"),
    (
        None,
        None,
        None,
        ["INSERT INTO tenancy_private.revoked_api_keys VALUES ('{k_acme}', now())", "as app", ENTER.format("k_acme")],
        "invalid_api_key",
    ),
    *(
        (
            login,
            None,
            None,
            [
                ENTER.format(key),
                "SELECT tenancy.current_user_id()::text, tenancy.current_organization_id()::text,"
                " tenancy.current_role(), tenancy.current_credential_id()::text,"
                " current_setting('tenancy.current_role')",
            ],
            [(user, organization, role, f"{{{key}}}", role or "")],
        )
        for login, key, user, organization, role in (
            ("app", "k_acme", "{ann}", "{acme}", "user"),
            ("credentialed", "k_acme", "{ann}", "{acme}", "user"),
            ("service", "k_ann", "{ann}", None, None),
            ("app", "k_sam", "{sam}", None, None),
        )
    ),
    ("app", "ann", "acme", "SELECT tenancy.current_credential_id()", [(None,)]),
    ("app", None, None, "SELECT tenancy.current_credential_id()", "no_context"),
    ("app", None, None, [ENTER.format("k_acme"), ENTER.format("k_uma")], "context_already_set"),
    ("app", None, None, [ENTER.format("k_ann"), "enter ann None"], "context_already_set"),
    ("app", "ann", "acme", ENTER.format("k_acme"), "context_already_set"),
    ("app", None, None, [ENTER.format("k_acme"), ENTER.format("k_acme"), "SELECT 1"], [(1,)]),
    *(
        (
            "app",
            who,
            where,
            [*first, f"SELECT set_config('tenancy.current_credential_id', {value}, true)", query],
            answer,
        )
        for who, where, first, value in (
            (None, None, [ENTER.format("k_acme")], "''"),
            (None, None, [ENTER.format("k_acme")], "'{k_uma}'"),
            ("ann", "acme", [], "'{k_acme}'"),
        )
        for query, answer in (("SELECT tenancy.current_credential_id()", "invalid_context"),)
    ),
    (
        "app",
        None,
        None,
        ["SELECT set_config('tenancy.current_credential_id', 'x', true)", "SELECT tenancy.current_role()"],
        "invalid_context",
    ),
    # who made it is gone
    *(
        (
            None,
            None,
            None,
            [
                *before,
                "DELETE FROM public.users WHERE id = '{uma}'",
                "SELECT user_id FROM public.api_keys WHERE id = '{k_uma}'",
            ],
            [(None,)],
        )
        for before in ([], [REPLICA])
    ),
    (
        "app",
        "ann",
        "acme",
        "SELECT count(DISTINCT right(k.key, 64)) FROM (SELECT (tenancy.create_api_key('x')).key"
        " UNION ALL SELECT (tenancy.create_api_key('x')).key) AS k",
        [(2,)],
    ),
    # when it was used
    *(
        _later(first, "SELECT count(*) FROM public.api_keys WHERE last_used_at = now()", [(count,)])
        for first, count in (
            ([ENTER.format("k_acme")], 1),
            (["SET TRANSACTION READ ONLY", ENTER.format("k_acme"), "SELECT 1"], 0),
        )
    ),
    *(
        (
            None,
            None,
            None,
            [
                f"UPDATE public.api_keys SET last_used_at = now() - interval '{ago}' WHERE id = '{{k_acme}}'",
                "as app",
                ENTER.format("k_acme"),
                "as None",
                "SELECT last_used_at = now() FROM public.api_keys WHERE id = '{k_acme}'",
            ],
            [(written,)],
        )
        for ago, written in (("59 s", False), ("61 s", True))
    ),
    (
        "app",
        None,
        None,
        ["SET TRANSACTION READ ONLY", ENTER.format("k_acme"), "SELECT tenancy.current_role()"],
        [("user",)],
    ),
    # whose a program is
    ("app", None, None, [ENTER.format("k_ann"), "SELECT name FROM tenancy.my_organizations()"], []),
    (
        "app",
        None,
        None,
        [ENTER.format("k_acme"), "SELECT name, role FROM tenancy.my_organizations()"],
        [("Acme", "user")],
    ),
    (
        "app",
        None,
        None,
        [ENTER.format("k_acme"), "SELECT tenancy.badge('{acme}'), tenancy.badge('{duo}')"],
        [("Org: Acme", None)],
    ),
    *(
        ("app", None, None, [ENTER.format(key), f"SELECT tenancy.{call}"], "person_required")
        for key, call in (
            ("k_ann", "create_organization('x')"),
            ("k_ann", "leave_organization()"),
            ("k_acme", "leave_organization()"),
            ("k_acme", "update_organization('x')"),
        )
    ),
    # what outlives whom
    _later(
        ["DELETE FROM public.users WHERE id = '{uma}'"],
        "SELECT count(*), count(user_id) FROM public.api_keys WHERE workspace_id = '{acme}'",
        [(4, 3)],
        "service",
    ),
    _later(
        ["DELETE FROM public.organizations WHERE id = '{acme}'"],
        "SELECT count(*) FROM public.api_keys WHERE workspace_id = '{acme}'",
        [(0,)],
        "service",
    ),
    # the audit log
    *(
        (
            None,
            None,
            None,
            [statement, "SELECT action FROM tenancy.audit_log WHERE object_kind = 'api_key' AND occurred_at > now()"],
            [(action,)] if action else [],
        )
        for statement, action in (
            (
                "INSERT INTO public.api_keys (user_id, name, key_prefix, key_hash) VALUES ('{ann}', 'n', 'p', 'h')",
                "api_key.create",
            ),
            ("DELETE FROM public.api_keys WHERE id = '{k_acme}'", "api_key.delete"),
            ("UPDATE public.api_keys SET name = 'x' WHERE id = '{k_acme}'", "api_key.update"),
            ("UPDATE public.api_keys SET last_used_at = now()", None),
        )
    ),
]

_INSTANCES: list[Question] = [
    ("app", "ann", "acme", "SELECT gpu_profile FROM public.instances", [("acme",)]),
    ("app", "ann", None, "SELECT gpu_profile FROM public.instances ORDER BY 1", [("ann",), ("old",)]),
    ("app", "sam", None, "SELECT gpu_profile FROM public.instances", [("old",)]),
    ("service", None, None, "SELECT count(*) FROM public.instances", [(5,)]),
    (
        None,
        None,
        None,
        [
            "DELETE FROM tenancy.role_permissions WHERE role = 'user'",
            "as app",
            "enter uma acme",
            "SELECT count(*) FROM public.instances",
        ],
        [(0,)],
    ),
    # writing
    ("app", "uma", "acme", NEW_INSTANCE, "permission_denied"),
    ("app", "uma", "acme", "UPDATE public.instances SET ip_address = NULL", "permission_denied"),
    (
        "app",
        "ann",
        "acme",
        [
            NEW_INSTANCE,
            "SELECT workspace_id::text, organization_id::text, user_id FROM public.instances WHERE gpu_profile = 'new'",
        ],
        [("{acme}", "{acme}", None)],
    ),
    (
        "app",
        "ann",
        None,
        [
            NEW_INSTANCE,
            "SELECT workspace_id::text, organization_id, user_id::text FROM public.instances WHERE gpu_profile = 'new'",
        ],
        [("{ann}", None, "{ann}")],
    ),
    _later(
        ["enter ann acme", "UPDATE public.instances SET ip_address = '10.0.0.1'"],
        "SELECT id::text FROM public.instances WHERE ip_address IS NOT NULL",
        [("{i_acme}",)],
    ),
    _later(
        ["enter sam None", "UPDATE public.instances SET ip_address = '10.0.0.1'"],
        "SELECT id::text FROM public.instances WHERE ip_address IS NOT NULL",
        [("{i_old}",)],
    ),
    ("app", "ann", None, "UPDATE public.instances SET ip_address = NULL", "permission_denied"),
    (
        None,
        None,
        None,
        [REPLICA, "as app", "enter ann None", "UPDATE public.instances SET ip_address = NULL"],
        "permission_denied",
    ),
    (None, None, None, ["UPDATE public.instances SET ip_address = NULL", "SELECT 1"], [(1,)]),
    # what the policies do alone
    _without("instances_permission", "public.instances", "uma acme", NEW_INSTANCE, "42501"),
    _without(
        "instances_permission",
        "public.instances",
        "uma acme",
        ONE.format("UPDATE public.instances SET ip_address = NULL RETURNING 1"),
        [(0,)],
    ),
    _without(
        "instances_platform", "public.instances", "ann None", "UPDATE public.instances SET ip_address = NULL", "42501"
    ),
    (
        None,
        None,
        None,
        [
            "GRANT INSERT (workspace_id, user_id) ON public.instances TO tenancy_app",
            "as app",
            "enter ann None",
            f"INSERT INTO public.instances (provider_id, workspace_id, user_id) VALUES ('{{provider}}', '{NIL}', NULL)",
        ],
        "42501",
    ),
    # the two actions
    *(
        ("app", who, where, f"SELECT tenancy.{call}", error)
        for who, where, call, error in (
            ("uma", "acme", "terminate_instance('{i_acme}')", "permission_denied"),
            ("uma", "acme", "reinstall_instance('{nobody}')", "permission_denied"),
            ("ann", "acme", "terminate_instance('{i_bulk}')", "instance_not_found"),
            ("ann", "acme", "terminate_instance('{i_ann}')", "instance_not_found"),
            ("ann", "acme", "terminate_instance('{i_old}')", "instance_not_found"),
            ("ann", "acme", "terminate_instance(NULL)", "instance_not_found"),
            ("ann", None, "terminate_instance('{i_olga}')", "instance_not_found"),
            ("ann", None, "terminate_instance('{i_old}')", "permission_denied"),
        )
    ),
    *(
        _later(
            [f"enter {where}", f"SELECT tenancy.{action}_instance('{{{row}}}')"],
            "SELECT id::text, status FROM public.instances WHERE status <> 'ready'",
            [(f"{{{row}}}", status)],
        )
        for where, action, row, status in (
            ("ann acme", "terminate", "i_acme", "terminating"),
            ("ann acme", "reinstall", "i_acme", "reinstalling"),
            ("ann None", "terminate", "i_ann", "terminating"),
            ("sam None", "terminate", "i_old", "terminating"),
        )
    ),
    (
        "app",
        "ann",
        "acme",
        ["SELECT tenancy.terminate_instance('{i_acme}')", "SELECT tenancy.reinstall_instance('{i_acme}')"],
        "instance_state",
    ),
    # a status that is written by itself
    *(
        (
            None,
            None,
            None,
            [
                *before,
                f"UPDATE public.instances SET status = '{old}' WHERE id = '{{i_acme}}'",
                "as app",
                f"enter {who} acme",
                f"UPDATE public.instances SET status = '{new}'",
                "SELECT 1",
            ],
            answer,
        )
        for before, who, old, new, answer in (
            ([], "ann", "terminating", "ready", "instance_state"),
            ([], "ann", "terminated", "ready", "instance_state"),
            ([], "ann", "terminated", "terminating", "instance_state"),
            ([], "ann", "booting", "reinstalling", "instance_state"),
            ([], "ann", "terminating", "terminated", [(1,)]),
            ([], "ann", "ready", "terminated", [(1,)]),
            ([], "ann", "booting", "ready", [(1,)]),
            (
                ["INSERT INTO tenancy.role_permissions VALUES ('instances.update', 'user')"],
                "uma",
                "ready",
                "terminated",
                "permission_denied",
            ),
            (
                ["INSERT INTO tenancy.role_permissions VALUES ('instances.update', 'user')"],
                "uma",
                "ready",
                "stopped",
                [(1,)],
            ),
        )
    ),
    (
        None,
        None,
        None,
        [
            "UPDATE public.instances SET status = 'terminated'",
            REPLICA,
            "as app",
            "enter ann acme",
            "UPDATE public.instances SET status = 'ready'",
        ],
        "instance_state",
    ),
    (
        "service",
        None,
        None,
        [
            "UPDATE public.instances SET status = 'terminated'",
            "UPDATE public.instances SET status = 'ready'",
            "SELECT 1",
        ],
        [(1,)],
    ),
    (
        None,
        None,
        None,
        [
            "UPDATE public.instances SET status = 'terminated'",
            "UPDATE public.instances SET status = 'ready'",
            "SELECT 1",
        ],
        [(1,)],
    ),
    ("app", "ann", "acme", "SELECT count(*) > 0 FROM tenancy.instance_transitions", [(True,)]),
    (
        None,
        None,
        None,
        "INSERT INTO tenancy.instance_transitions VALUES ('explode', 'ready', 'ready')",
        "instance_transitions_action_check",
    ),
    # what goes with a workspace, costs included
    *(
        (
            None,
            None,
            None,
            [
                "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)"
                " SELECT now(), provider_id, id, 1 FROM public.instances",
                *statements,
                "SELECT string_agg(i.gpu_profile, ' ' ORDER BY i.gpu_profile) FROM public.instances AS i"
                " JOIN finops.cost_actual_minute AS c ON c.instance_id = i.id",
            ],
            [(left,)],
        )
        for statements, left in (
            (["DELETE FROM public.users WHERE id = '{olga}'"], None),
            (["DELETE FROM public.organizations WHERE id = '{acme}'"], "ann bulk old olga"),
            ([REPLICA, "DELETE FROM tenancy.workspaces WHERE id = '{acme}'"], "ann bulk old olga"),
        )
        if left is not None
    ),
]

_MODELS: list[Question] = [
    ("app", "uma", "acme", "SELECT name FROM public.models ORDER BY 1", [("acme",), ("public",), ("spare",)]),
    ("app", "ann", None, "SELECT name FROM public.models ORDER BY 1", [("public",), ("spare",)]),
    ("service", None, None, "SELECT count(*) FROM public.models", [(4,)]),
    (
        None,
        None,
        None,
        [
            "DELETE FROM tenancy.role_permissions WHERE role = 'user'",
            "as app",
            "enter uma acme",
            "SELECT count(*) FROM public.models",
        ],
        [(0,)],
    ),
    *(
        ("app", who, where, statement, "permission_denied")
        for who, where in (("uma", "acme"), ("ann", None))
        for statement in (NEW_MODEL, "UPDATE public.models SET name = name", "DELETE FROM public.models WHERE false")
    ),
    *(
        ("app", who, where, [NEW_MODEL, "SELECT workspace_id::text FROM public.models WHERE name = 'new'"], [(lands,)])
        for who, where, lands in (("ann", "acme", "{acme}"), ("sam", None, NIL))
    ),
    ("app", "ann", "acme", "UPDATE public.models SET name = 'x' WHERE name = 'spare'", "permission_denied"),
    ("app", "ann", "acme", "DELETE FROM public.models WHERE name = 'spare'", "permission_denied"),
    *(
        (None, None, None, [REPLICA, "as app", "enter ann acme", statement], "permission_denied")
        for statement in (
            "UPDATE public.models SET name = 'x' WHERE name = 'spare'",
            "DELETE FROM public.models WHERE name = 'spare'",
        )
    ),
    ("app", "ann", "acme", ["UPDATE public.models SET name = 'x' WHERE name = 'acme'", "SELECT 1"], [(1,)]),
    (
        "app",
        "sam",
        None,
        ["UPDATE public.models SET name = 'x'", "DELETE FROM public.models", "SELECT count(*) FROM public.models"],
        [(0,)],
    ),
    (None, None, None, ["UPDATE public.models SET name = 'x'", "SELECT 1"], [(1,)]),
    # what the policies do alone
    _without("models_permission", "public.models", "uma acme", NEW_MODEL, "42501"),
    _without("models_permission", "public.models", "ann None", NEW_MODEL, "42501"),
    *(
        _without("models_permission", "public.models", "uma acme", ONE.format(f"{statement} RETURNING 1"), [(0,)])
        for statement in ("UPDATE public.models SET name = 'x'", "DELETE FROM public.models WHERE name = 'spare'")
    ),
    _without(
        "models_platform",
        "public.models",
        "ann acme",
        "UPDATE public.models SET name = 'x' WHERE name = 'spare'",
        "42501",
    ),
    # which models an instance may use
    *(
        (
            login,
            who,
            where,
            f"UPDATE public.instances SET model_id = '{{{model}}}' WHERE id = '{{{row}}}'",
            "instances_model_id_fkey",
        )
        for login, who, where, row, model in (
            ("app", "ann", "acme", "i_acme", "m_bulk"),
            ("app", "ann", "acme", "i_acme", "nobody"),
            ("app", "ann", None, "i_ann", "m_acme"),
            ("service", None, None, "i_acme", "m_bulk"),
        )
    ),
    (
        None,
        None,
        None,
        [REPLICA, "UPDATE public.instances SET model_id = '{m_bulk}' WHERE id = '{i_acme}'"],
        "instances_model_id_fkey",
    ),
    *(
        (
            "service",
            None,
            None,
            [
                f"UPDATE public.instances SET model_id = {model} WHERE id = '{{i_acme}}'",
                "SELECT model_workspace_id::text FROM public.instances WHERE id = '{i_acme}'",
            ],
            [(lands,)],
        )
        for model, lands in (("'{m_acme}'", "{acme}"), ("'{m_public}'", NIL), ("NULL", NIL))
    ),
    (
        "service",
        None,
        None,
        f"UPDATE public.instances SET model_workspace_id = '{NIL}' WHERE id = '{{i_acme}}'",
        "instances_model_workspace_id_fkey",
    ),
    (
        "service",
        None,
        None,
        "UPDATE public.instances SET model_workspace_id = '{bulk}' WHERE id = '{i_acme}'",
        "instances_model_workspace_id_check",
    ),
    (
        "service",
        None,
        None,
        "INSERT INTO public.models (name, model_id, organization_id) VALUES ('n', 'of/acme', '{acme}')",
        "models_workspace_id_model_id_key",
    ),
    (
        "service",
        None,
        None,
        [
            "INSERT INTO public.models (name, model_id, organization_id) VALUES ('n', 'of/acme', '{duo}')",
            "SELECT 1",
        ],
        [(1,)],
    ),
    # a model that is in use
    ("app", "ann", "acme", "DELETE FROM public.models WHERE name = 'acme'", "model_in_use"),
    (
        None,
        None,
        None,
        [
            "INSERT INTO public.organization_models (organization_id, model_id, name, code)"
            " VALUES ('{bulk}', '{m_spare}', 'n', 'c')",
            "as app",
            "enter sam None",
            "DELETE FROM public.models WHERE name = 'spare'",
        ],
        "model_in_use",
    ),
    *(
        (
            None,
            None,
            None,
            [
                *before,
                statement,
                "SELECT string_agg(name, ' ' ORDER BY name) FROM public.models",
            ],
            [("bulk public spare",)],
        )
        for before, statement in (
            (
                [
                    "INSERT INTO public.organization_models (organization_id, model_id, name, code)"
                    " VALUES ('{acme}', '{m_acme}', 'n', 'c'), ('{bulk}', '{m_bulk}', 'n', 'c')"
                ],
                "DELETE FROM tenancy.workspaces WHERE id = '{acme}'",
            ),
            ([REPLICA], "DELETE FROM tenancy.workspaces WHERE id = '{acme}'"),
        )
    ),
    (
        None,
        None,
        None,
        [
            "INSERT INTO public.organization_models (organization_id, model_id, name, code)"
            " VALUES ('{acme}', '{m_acme}', 'n', 'c'), ('{bulk}', '{m_bulk}', 'n', 'c')",
            "DELETE FROM tenancy.workspaces WHERE id = '{acme}'",
            "SELECT organization_id::text FROM public.organization_models",
        ],
        [("{bulk}",)],
    ),
]


def _named(question: Question) -> Question:
    """Write the platform's id where an answer says NIL."""
    *asked, answer = question
    if isinstance(answer, list):
        answer = [tuple(v.replace("NIL", NIL) if isinstance(v, str) else v for v in row) for row in answer]
    return (*asked, answer)


QUESTIONS: list[Question] = [_named(question) for question in [*_LISTS, *_KEYS, *_INSTANCES, *_MODELS]]
