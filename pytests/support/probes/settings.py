"""Modules, settings, and secrets."""

# ruff: noqa: S608  (questions are easier to read as lines; the statements are made here)

from __future__ import annotations

from support.probes.base import NIL, SET, Question, later, superuser


def _set(key: str, value: str, subject: str = "NULL") -> str:
    return f"SELECT tenancy.set_setting({subject}, '{key}', '{value}')"


def _quota(value: str) -> str:
    return _set("quota", value, "'{provider}'")


def _theme(value: str) -> str:
    return _set("theme", value)


def _token(value: str) -> str:
    return _set("token", value)


_LOCK = "SELECT tenancy.lock_setting(NULL, 'theme'{})"
_LEVEL = "SELECT value, level, locked FROM tenancy.settings() WHERE key = '{}'"
_READ = "SELECT convert_from(value, 'UTF8'), key_id, level FROM tenancy.read_secret({}, NULL, 'token')"
_PLATFORM = ["as app", "enter sam platform"]
_ENTRIES = (
    "SELECT action, object_id, old_values, new_values FROM tenancy.audit_log"
    " WHERE object_kind IN ('setting', 'setting_lock') AND occurred_at >= now() ORDER BY occurred_at"
)


def _module(arguments: str, who: str, answer: str, column: str = "state") -> Question:
    """Ask for the state of a module defined like this."""
    return superuser(
        [
            f"SELECT tenancy.define_module('m', 'M', '/m', {arguments})",
            "as app",
            f"enter {who}",
            f"SELECT {column} FROM tenancy.visible_modules() WHERE key = 'm'",
        ],
        [(answer,)],
    )


MODULES: list[Question] = [
    _module("roles => '{manager}'", "max acme", "visible"),
    _module("roles => '{manager}'", "ann acme", "forbidden"),
    _module("roles => '{manager}'", "ann acme", "It opens for: manager.", "reason"),
    _module("roles => '{manager,staff}'", "ann None", "visible"),
    _module("roles => '{manager,staff}', workspaces => '{organization}'", "ann None", "organization_required"),
    _module(
        "roles => '{manager,staff}', workspaces => '{organization}'",
        "ann None",
        "It opens in an organization.",
        "reason",
    ),
    _module(
        "roles => '{manager,staff}', workspaces => '{organization}'", "ann acme", "It opens for: manager.", "reason"
    ),
    _module(
        "roles => '{manager,staff}', workspaces => ARRAY['platform']", "ann acme", "It opens for: staff.", "reason"
    ),
    _module("permission => 'settings.update'", "max acme", "forbidden"),
    _module("permission => 'settings.update'", "max acme", "It opens for: owner, admin, staff.", "reason"),
    _module("permission => 'settings.update'", "max None", "visible"),
    _module("workspaces => '{personal}'", "ann acme", "forbidden"),
    _module("workspaces => '{personal}'", "ann acme", "It opens in a personal workspace.", "reason"),
    _module(
        "workspaces => '{personal}', permission => 'audit.view'", "ann acme", "It opens for nobody here.", "reason"
    ),
    _module("workspaces => ARRAY['platform']", "sam platform", "visible"),
    _module("workspaces => ARRAY['platform']", "ann None", "forbidden"),
    superuser(
        [
            "SELECT tenancy.define_module('m', 'M', '/m')",
            "SELECT tenancy.define_module('a', 'A', '/a')",
            "SELECT tenancy.define_module('first', 'First', '/first', place => 1)",
            "as app",
            "enter ann acme",
            "SELECT string_agg(key, ' ') FROM"
            " (SELECT key FROM tenancy.visible_modules() WHERE key IN ('m', 'a', 'first', 'settings')) AS m",
        ],
        [("first settings m a",)],
    ),
    ("app", "max", "acme", "SELECT tenancy.require_module('users')", "module_forbidden"),
    ("app", "max", None, "SELECT tenancy.require_module('users')", "organization_required"),
    ("app", "ann", "acme", "SELECT tenancy.require_module('nothing')", "unknown_module"),
    ("app", "ann", "acme", ["SELECT tenancy.require_module('users')", "SELECT 1"], [(1,)]),
    *(
        (
            "app",
            None,
            None,
            [SET.format("current_organization_id", "{acme}"), f"SELECT * FROM tenancy.{call}"],
            "invalid_context",
        )
        for call in ("visible_modules()", "require_module('chat')", "require_module('none')", "can_provision()")
    ),
    ("app", "ann", "acme", "SELECT allowed, state, reason FROM tenancy.can_provision()", [(True, "ready", None)]),
    (
        "app",
        "uma",
        "acme",
        "SELECT allowed, state, providers::text, reason FROM tenancy.can_provision()",
        [
            (
                False,
                "forbidden",
                "{}",
                "It takes the permission instances.create. Roles that hold it: owner, admin, staff.",
            )
        ],
    ),
    superuser(
        [
            "ALTER TABLE public.providers ADD is_active boolean DEFAULT false",
            "as app",
            "enter ann acme",
            "SELECT state, reason, providers::text FROM tenancy.can_provision()",
        ],
        [("no_provider", "No provider is active.", "{}")],
    ),
    superuser(
        [
            "SELECT tenancy.define_setting('zone', 'text', 'subject', required => true)",
            "as app",
            "enter ann acme",
            "SELECT state, missing, reason FROM tenancy.can_provision()",
        ],
        [("settings_missing", ["provider: zone"], "No active provider has all its settings.")],
    ),
    # Also without settings of providers, which check the context themselves.
    superuser(
        [
            "ALTER FUNCTION tenancy_private.provider_readiness() RENAME TO other_readiness",
            "as app",
            SET.format("current_user_id", "{ann}"),
            SET.format("current_organization_id", "{acme}"),
            SET.format("context", "0" * 72 + "1" * 46 + "_owner_"),
            "SELECT * FROM tenancy.can_provision()",
        ],
        "invalid_context",
    ),
    # A setting that has become secret is recorded as one.
    *(
        superuser(
            [
                "UPDATE tenancy.settings_definitions SET is_secret = true, default_value = NULL",
                "UPDATE public.provider_settings SET value_int = 77777",
                "as app",
                "enter ann acme",
                f"SELECT tenancy.set_setting({key}, 'x')",
                "as None",
                f"SELECT count(*), count(*) FILTER (WHERE old_values::text ~ '{value}') FROM tenancy.audit_log"
                " WHERE action = 'setting.update' AND occurred_at > now()",
            ],
            [(1, 0)],
        )
        for key, value in (("NULL, 'theme'", "red"), ("'{provider}', 'quota'", "77777"))
    ),
    ("app", "ann", "acme", "SELECT tenancy.set_setting(NULL, 'token', NULL)", "setting_value_invalid"),
    # A lock applies to one setting, and the audit log has its former state.
    superuser(
        [
            "INSERT INTO tenancy_private.setting_locks (subject_id, key) VALUES ('{provider}', 'quota')",
            "as app",
            "enter ann acme",
            "SELECT tenancy.set_setting(NULL, 'theme', 'green') IS NULL",
        ],
        [(False,)],
    ),
    superuser(
        [
            "SELECT tenancy.define_setting('alpha', 'int', 'subject')",
            "INSERT INTO public.provider_settings (provider_id, key, organization_id, value_int)"
            " VALUES ('{provider}', 'alpha', '{acme}', 55)",
            "as app",
            "enter ann acme",
            "SELECT tenancy.set_setting('{provider}', 'alpha', '56')",
            "as None",
            "SELECT count(*) FROM tenancy.audit_log"
            " WHERE action = 'setting.update' AND occurred_at > now() AND old_values::text ~ '55'",
        ],
        [(1,)],
    ),
    # Missing settings do not matter without an active provider.
    superuser(
        [
            "ALTER TABLE public.providers ADD is_active boolean DEFAULT false",
            "SELECT tenancy.define_setting('zone', 'text', 'subject', required => true)",
            "as app",
            "enter ann acme",
            "SELECT state, missing FROM tenancy.can_provision()",
        ],
        [("no_provider", [])],
    ),
    *(
        superuser([before, "as app", *context, f"SELECT * FROM tenancy.{call}"], answer)
        for before, context, answer in (
            ("DELETE FROM tenancy.modules", [], "no_context"),
            (
                "SELECT 1",
                [
                    SET.format("current_user_id", "{ann}"),
                    SET.format("current_organization_id", "{acme}"),
                    SET.format("context", "0" * 72 + "1" * 46 + "_owner_"),
                ],
                "invalid_context",
            ),
        )
        for call in ("visible_modules()", "can_provision()")
    ),
    superuser(
        [
            "SELECT tenancy.define_setting('zone', 'text', 'subject', required => true)",
            "as app",
            "enter uma acme",
            "SELECT state, missing FROM tenancy.can_provision()",
        ],
        [("forbidden", [])],
    ),
    superuser(
        [
            "UPDATE tenancy.modules SET name = 'Talk' WHERE key = 'chat'",
            "SELECT old_values ->> 'name', new_values ->> 'name' FROM tenancy.audit_log WHERE object_kind = 'module'",
        ],
        [("Chat", "Talk")],
    ),
    *(
        superuser(f"SELECT tenancy.define_module({arguments})", "module_invalid")
        for arguments in (
            "'1', 'M', '/m'",
            "'m', ' ', '/m'",
            "'m', E'M\\n', '/m'",
            "'m', 'M', 'm'",
            "'m', 'M', '/m', roles => '{boss}'",
            "'m', 'M', '/m', workspaces => '{moon}'",
            "'m', 'M', '/m', permission => 'moon.view'",
        )
    ),
    *(
        superuser(f"UPDATE tenancy.modules SET {change} WHERE key = 'chat'", error)
        for change, error in (
            ("key = 'A'", "modules_key_check"),
            ("workspaces = '{moon}'", "modules_workspaces_check"),
            ("roles = '{moon}'", "modules_roles_check"),
            ("permission = 'moon.view'", "modules_permission_fkey"),
            ("key = 'users'", "modules_pkey"),
        )
    ),
]

SETTINGS: list[Question] = [
    # Acme has set its quota, Bulk and the platform have others; Acme has a secret, and the platform one.
    ("app", "max", "acme", _LEVEL.format("quota"), [(7, "organization", False)]),
    ("app", "olga", "bulk", _LEVEL.format("quota"), [(8, "organization", False)]),
    ("app", "ann", "duo", _LEVEL.format("quota"), [(9, "platform", False)]),
    ("app", "sam", "platform", _LEVEL.format("quota"), [(9, "platform", False)]),
    ("app", "ann", None, _LEVEL.format("theme"), [("dark", "default", False)]),
    ("app", "ann", "acme", "SELECT tenancy.setting('{provider}', 'quota')", [(7,)]),
    ("app", "max", "acme", "SELECT key FROM tenancy.settings", [("theme",)]),
    ("app", "uma", "acme", "SELECT count(*) FROM tenancy.settings", [(0,)]),
    ("app", "ann", None, "SELECT count(*) FROM tenancy.settings", [(0,)]),
    ("app", "ann", "acme", "SELECT value FROM tenancy.settings", "42501"),
    ("app", "ann", "acme", "SELECT value_text FROM public.provider_settings", "42501"),
    ("auditor", None, None, "SELECT value_text FROM public.provider_settings", "42501"),
    ("app", "max", "acme", "SELECT key FROM public.provider_settings", [("quota",)]),
    ("app", "uma", "acme", "SELECT count(*) FROM public.provider_settings", [(0,)]),
    *(
        ("app", "uma", "acme", f"SELECT * FROM tenancy.{call}", "permission_denied")
        for call in (
            "settings()",
            "setting(NULL, 'theme')",
            "explain_setting(NULL, 'theme')",
            "provider_status()",
        )
    ),
    *(
        ("app", who, where, statement, error)
        for who, where, error in (("max", "acme", "permission_denied"), ("ann", None, "organization_required"))
        for statement in (_theme("x"), _token("x"), "SELECT tenancy.unset_setting(NULL, 'theme')")
    ),
    ("app", "max", "acme", "SELECT tenancy.set_sealed_setting(NULL, 'token', 'x', 'k')", "permission_denied"),
    ("app", "max", "acme", "SELECT tenancy.set_sealed_setting(NULL, 'nothing', 'x', 'k')", "permission_denied"),
    ("app", "max", "acme", _set("nothing", "x"), "permission_denied"),
    ("app", "max", "acme", _LOCK.format(""), "permission_denied"),
    ("app", "ann", "acme", _LOCK.format(""), "setting_of_platform"),
    ("app", "ann", "acme", _set("signup", "true"), "setting_of_platform"),
    ("app", "ann", "acme", "SELECT tenancy.unset_setting(NULL, 'signup')", "setting_of_platform"),
    later(["enter sam platform", _set("signup", "true")], "SELECT 1", [(1,)]),
    # The place of a value in the database after it was set.
    later(
        ["enter ann acme", _quota("77")],
        "SELECT value_int FROM public.provider_settings ORDER BY 1",
        [(8,), (9,), (77,)],
    ),
    later(["enter ann acme", _theme("new")], "SELECT value FROM tenancy.settings ORDER BY 1", [("blue",), ("new",)]),
    later(
        ["enter ann acme", "SELECT tenancy.unset_setting('{provider}', 'quota')"],
        "SELECT value_int FROM public.provider_settings ORDER BY 1",
        [(8,), (9,)],
    ),
    later(
        ["enter ann acme", "SELECT tenancy.unset_setting(NULL, 'theme')"],
        "SELECT value FROM tenancy.settings",
        [("blue",)],
    ),
    *(
        ("app", "ann", "acme", statement, "setting_value_invalid")
        for statement in (
            _quota("0"),
            _quota("101"),
            _quota("x"),
            _set("flags", "{"),
            _set("flags", "null"),
            "SELECT tenancy.set_setting(NULL, 'theme', repeat('x', 10001))",
            "SELECT tenancy.set_setting(NULL, 'flags', to_json(repeat('x', 100001))::text)",
            "SELECT tenancy.set_setting(NULL, 'theme', NULL)",
            "SELECT tenancy.set_setting(NULL, 'token', '')",
            "SELECT tenancy.set_setting(NULL, 'token', repeat('x', 100001))",
            "SELECT tenancy.set_sealed_setting(NULL, 'theme', 'x', 'k')",
            "SELECT tenancy.set_sealed_setting(NULL, 'token', '', 'k')",
            "SELECT tenancy.set_sealed_setting(NULL, 'token', 'x', '')",
        )
    ),
    ("app", "ann", "acme", _set("beta", "maybe"), "setting_value_invalid"),
    ("app", "ann", "acme", "SELECT tenancy.setting(NULL, 'nothing')", "setting_not_found"),
    ("app", "ann", "acme", "SELECT tenancy.setting(NULL, 'quota')", "setting_subject_invalid"),
    ("app", "ann", "acme", "SELECT tenancy.setting('{provider}', 'theme')", "setting_subject_invalid"),
    ("app", "ann", "acme", "SELECT tenancy.setting('{nobody}', 'quota')", "setting_not_found"),
    superuser(
        [
            "UPDATE tenancy.settings_definitions SET subjects = '{}' WHERE key = 'quota'",
            "as app",
            "enter ann acme",
            "SELECT tenancy.setting('{provider}', 'quota')",
        ],
        "setting_not_found",
    ),
    superuser(
        [
            "UPDATE tenancy.settings_definitions SET subjects = '{}' WHERE key = 'quota'",
            "as app",
            "enter ann acme",
            "SELECT count(*) FROM tenancy.settings() WHERE key = 'quota'",
        ],
        [(0,)],
    ),
    # Versions, and concurrent changes.
    ("app", "ann", "acme", "SELECT tenancy.set_setting('{provider}', 'quota', '5', 0)", "setting_changed"),
    ("app", "ann", "duo", ["SELECT tenancy.set_setting('{provider}', 'quota', '5', 0)", "SELECT 1"], [(1,)]),
    ("app", "ann", "acme", "SELECT tenancy.unset_setting('{provider}', 'quota', 0)", "setting_changed"),
    ("app", "ann", "acme", "SELECT tenancy.set_sealed_setting(NULL, 'token', 'x', 'k', 0)", "setting_changed"),
    # Locks.
    later([*_PLATFORM[1:], _LOCK.format("")], "SELECT count(*) FROM tenancy_private.setting_locks", [(1,)]),
    *(
        later(
            [*_PLATFORM[1:], _LOCK.format(""), _LOCK.format("")],
            query,
            answer,
        )
        for query, answer in (
            ("SELECT key, subject_id::text FROM tenancy_private.setting_locks", [("theme", NIL)]),
            (_ENTRIES, [("setting_lock.create", "theme", None, {"locked": True})]),
        )
    ),
    *(
        superuser(
            [f"INSERT INTO tenancy_private.setting_locks VALUES ('{NIL}', 'theme')", "as app", "enter ann acme", query],
            answer,
        )
        for query, answer in (
            (_LEVEL.format("theme"), [("dark", "default", True)]),
            (_theme("x"), "setting_locked"),
            (_LEVEL.format("quota"), [(7, "organization", False)]),
            (
                "SELECT level, value, counts, locked FROM tenancy.explain_setting(NULL, 'theme')",
                [
                    ("organization", "red", False, False),
                    ("platform", None, False, True),
                    ("default", "dark", True, False),
                ],
            ),
        )
    ),
    superuser(
        [
            f"INSERT INTO tenancy_private.setting_locks VALUES ('{NIL}', 'theme'), ('{NIL}', 'token')",
            *_PLATFORM,
            _LOCK.format(", false"),
            "as None",
            "SELECT key FROM tenancy_private.setting_locks",
        ],
        [("token",)],
    ),
    # Former staff, and programs.
    superuser(
        [
            *_PLATFORM,
            "as None",
            "UPDATE public.users SET role = 'user' WHERE username = 'sam'",
            "as app",
            _LOCK.format(""),
        ],
        "not_a_member",
    ),
    # Secrets.
    ("app", "max", "acme", "SELECT tenancy.setting(NULL, 'token') -> 'configured'", [(True,)]),
    ("app", "olga", "bulk", "SELECT tenancy.setting(NULL, 'token') -> 'fingerprint'", [(None,)]),
    (
        "app",
        "max",
        "acme",
        "SELECT value, length(fingerprint) FROM tenancy.settings() WHERE key = 'token'",
        [(None, 16)],
    ),
    (
        "app",
        "olga",
        "bulk",
        "SELECT level, fingerprint FROM tenancy.settings() WHERE key = 'token'",
        [("platform", None)],
    ),
    (
        "app",
        "olga",
        "bulk",
        "SELECT level, value FROM tenancy.explain_setting(NULL, 'token') WHERE is_set",
        [("platform", {"configured": True, "fingerprint": None})],
    ),
    *(
        ("service", None, None, _READ.format(of), answer)
        for of, answer in (
            ("'{acme}'", [("acme's", None, "organization")]),
            ("'{bulk}'", [("everybody's", None, "platform")]),
            ("NULL", [("everybody's", None, "platform")]),
            ("'{gone}'", "organization_not_found"),
            ("'{ann}'", "organization_not_found"),
        )
    ),
    ("service", None, None, "SELECT tenancy.read_secret(NULL, NULL, 'theme')", "setting_value_invalid"),
    ("service", None, None, ["SET TRANSACTION READ ONLY", _READ.format("NULL")], "audit_must_be_recorded"),
    later(
        [_READ.format("'{acme}'")],
        "SELECT workspace_id::text, object_id FROM tenancy.audit_log WHERE action = 'setting.read'",
        [("{acme}", "token")],
        login="service",
    ),
    later(
        ["enter ann acme", _token("new")],
        "SELECT convert_from(value, 'UTF8') FROM tenancy_private.secrets ORDER BY 1",
        [("everybody's",), ("new",)],
    ),
    later(
        ["enter ann acme", "SELECT tenancy.unset_setting(NULL, 'token')"],
        "SELECT convert_from(value, 'UTF8') FROM tenancy_private.secrets",
        [("everybody's",)],
    ),
    later(
        ["enter ann acme", "SELECT tenancy.set_sealed_setting(NULL, 'token', 'x', 'k')"],
        "SELECT convert_from(value, 'UTF8'), key_id FROM tenancy_private.secrets ORDER BY 1",
        [("everybody's", None), ("x", "k")],
    ),
    later(
        ["enter ann acme", _quota("5"), "SELECT tenancy.unset_setting('{provider}', 'quota')"],
        _ENTRIES,
        [
            ("setting.update", "{provider} quota", {"value": 7}, {"value": 5}),
            ("setting.delete", "{provider} quota", {"value": 5}, None),
        ],
    ),
    later(
        ["enter ann duo", _token("x")],
        "SELECT action, new_values ? 'value', length(new_values ->> 'fingerprint') FROM tenancy.audit_log"
        " WHERE object_kind = 'setting' AND occurred_at >= now()",
        [("setting.create", False, 16)],
    ),
    # A setting that becomes secret later is hidden, and services read it; so is an adopted one.
    superuser(
        [
            "UPDATE tenancy.settings_definitions SET is_secret = true, default_value = NULL WHERE key = 'theme'",
            "as app",
            "enter ann acme",
            "SELECT value, is_configured FROM tenancy.settings() WHERE key = 'theme'",
        ],
        [(None, True)],
    ),
    superuser(
        [
            "UPDATE tenancy.settings_definitions SET is_secret = true, default_value = NULL WHERE key = 'theme'",
            "as service",
            "SELECT convert_from(value, 'UTF8'), level FROM tenancy.read_secret('{acme}', NULL, 'theme')",
        ],
        [("red", "organization")],
    ),
    superuser(
        [
            "UPDATE tenancy.settings_definitions SET is_secret = true, default_value = NULL WHERE key = 'quota'",
            "as app",
            "enter ann acme",
            "SELECT value, is_configured FROM tenancy.settings() WHERE key = 'quota'",
        ],
        [(None, True)],
    ),
    superuser(
        [
            "UPDATE tenancy.settings_definitions SET is_secret = true, default_value = NULL WHERE key = 'quota'",
            "as service",
            "SELECT convert_from(value, 'UTF8'), level FROM tenancy.read_secret('{acme}', '{provider}', 'quota')",
        ],
        [("7", "organization")],
    ),
    # Not even the owner's functions see a violating row of secrets in an error.
    superuser("SELECT relforcerowsecurity FROM pg_class WHERE oid = 'tenancy_private.secrets'::regclass", [(True,)]),
    *(
        superuser(f"SELECT tenancy.define_setting({arguments})", "setting_invalid")
        for arguments in (
            "'1', 'int'",
            "'s', 'date'",
            "'s', 'int', 'moon'",
            "'s', 'text', min_int => 1",
            "'s', 'int', min_int => 2, max_int => 1",
            "'s', 'text', secret => NULL",
            "'s', 'text', default_value => '\"x\"', secret => true",
            "'s', 'int', secret => true",
            "'s', 'int', subjects => '{}'",
            "'s', 'int', default_value => '\"5\"'",
        )
    ),
    *(
        superuser(f"UPDATE tenancy.settings_definitions SET {change} WHERE key = 'theme'", error)
        for change, error in (
            ("scope = 'moon'", "settings_definitions_scope_check"),
            ("value_type = 'moon'", "settings_definitions_value_type_check"),
            ("min_int = 2, max_int = 1", "settings_definitions_range_check"),
            ("is_secret = true", "settings_definitions_default_value_check"),
            ("key = 'quota'", "settings_definitions_pkey"),
        )
    ),
    superuser(
        "INSERT INTO tenancy.settings (workspace_id, key, value) VALUES ('{acme}', 'theme', '1')", "settings_pkey"
    ),
    superuser(
        "INSERT INTO tenancy.settings (workspace_id, key, value) VALUES ('{nobody}', 'theme', '1')",
        "settings_workspace_id_fkey",
    ),
    superuser(
        [
            "SET CONSTRAINTS ALL IMMEDIATE",
            f"INSERT INTO tenancy_private.secrets VALUES ('{{nobody}}', '{NIL}', 'k', 'v')",
        ],
        "secrets_workspace_id_fkey",
    ),
    superuser(f"INSERT INTO tenancy_private.secrets VALUES ('{{acme}}', '{NIL}', 'token', 'v')", "secrets_pkey"),
    superuser("INSERT INTO tenancy_private.fingerprint_keys (id) VALUES ('only')", "fingerprint_keys_pkey"),
    superuser("INSERT INTO tenancy_private.fingerprint_keys (id) VALUES ('two')", "fingerprint_keys_id_check"),
    superuser(
        [f"INSERT INTO tenancy_private.setting_locks VALUES ('{NIL}', 'x')"] * 2,
        "setting_locks_pkey",
    ),
]

# A mistaken grant and policy do not open others' settings, which only functions read.
_WIDE = [
    "CREATE POLICY wide ON public.provider_settings TO tenancy_credentialed USING (true) WITH CHECK (true)",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON public.provider_settings TO tenancy_credentialed",
]
_UNTOUCHED = "ALTER TABLE public.provider_settings DISABLE TRIGGER provider_settings_tenancy_permission"
SETTINGS += [
    superuser(
        [*_WIDE, "as app", "enter ann acme", "SELECT value_int FROM public.provider_settings"],
        [(7,)],
    ),
    superuser([*_WIDE, "as app", "SELECT value_int FROM public.provider_settings"], "no_context"),
    superuser(
        [
            *_WIDE,
            "as app",
            "enter ann acme",
            SET.format("current_organization_id", "{bulk}"),
            "SELECT value_int FROM public.provider_settings",
        ],
        "invalid_context",
    ),
    *(
        superuser([*_WIDE, "as app", "enter ann acme", statement], "permission_denied")
        for statement in (
            "UPDATE public.provider_settings SET value_int = 1",
            "DELETE FROM public.provider_settings",
            "INSERT INTO public.provider_settings (provider_id, key) VALUES ('{provider}', 'x')",
        )
    ),
    *(
        superuser([*_WIDE, _UNTOUCHED, "as app", "enter ann acme", statement], answer)
        for statement, answer in (
            ("UPDATE public.provider_settings SET value_int = 1 RETURNING value_int", [(1,)]),
            ("UPDATE public.provider_settings SET organization_id = '{bulk}', key = 'y'", "42501"),
            ("DELETE FROM public.provider_settings RETURNING value_int", [(7,)]),
            (
                "INSERT INTO public.provider_settings (provider_id, key, organization_id)"
                " VALUES ('{provider}', 'x', '{bulk}')",
                "42501",
            ),
        )
    ),
    *(
        superuser(
            [
                *_WIDE,
                _UNTOUCHED,
                "as app",
                "enter ann acme",
                SET.format("current_organization_id", "{bulk}"),
                statement,
            ],
            "invalid_context",
        )
        for statement in (
            "UPDATE public.provider_settings SET value_int = 1",
            "DELETE FROM public.provider_settings",
            "INSERT INTO public.provider_settings (provider_id, key, organization_id)"
            " VALUES ('{provider}', 'x', '{bulk}')",
        )
    ),
    ("service", None, None, "SELECT count(*) FROM public.provider_settings", [(3,)]),
    superuser(
        [
            "GRANT SELECT ON public.provider_settings TO tenancy_auditor",
            "as auditor",
            "SELECT count(*) FROM public.provider_settings",
        ],
        [(3,)],
    ),
    superuser(
        [
            "GRANT SELECT ON public.provider_settings TO tenancy_auditor",
            "as auditor",
            "SELECT FROM public.provider_settings",
            "as None",
            "SELECT DISTINCT object_id FROM tenancy.audit_log WHERE database_user ~ 'auditor'",
        ],
        [("public.provider_settings",)],
    ),
]

QUESTIONS = [*MODULES, *SETTINGS]
