"""Visible rows, and floors that isolate whatever is added to them."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from support.probes.base import CONTEXT, NIL, ONE, REPLICA, SET, Probed, Question, superuser
from support.probes.privileges import MONEY, PUBLISHED, READABLE

QUESTIONS: list[Question] = [
    ("app", "ann", "acme", "SELECT name FROM public.organizations", [("Acme",)]),
    ("app", "ann", None, "SELECT name FROM public.organizations", []),
    ("app", "uma", "acme", "SELECT count(*) FROM public.organization_memberships", [(4,)]),
    ("app", "ann", None, "SELECT count(*) FROM public.organization_memberships", [(0,)]),
    ("app", "ann", "acme", "SELECT username FROM public.users ORDER BY 1", [("abe",), ("ann",), ("max",), ("uma",)]),
    superuser(
        [
            "DELETE FROM tenancy.role_permissions WHERE role = 'user'",
            "as app",
            "enter uma acme",
            "SELECT username FROM public.users",
        ],
        [],
    ),
    ("app", "ann", None, "SELECT username FROM public.users", [("ann",)]),
    ("app", "ann", "acme", "SELECT kind FROM tenancy.workspaces", [("organization",)]),
    ("app", "ann", None, "SELECT kind FROM tenancy.workspaces", [("personal",)]),
    ("app", "ann", "acme", "SELECT DISTINCT workspace_id::text = '{acme}' FROM tenancy.audit_log", [(True,)]),
    ("app", "uma", "acme", "SELECT count(*) FROM tenancy.audit_log", [(0,)]),
    ("app", "ann", "acme", "SELECT count(*) > 0 FROM tenancy.role_permissions", [(True,)]),
    ("app", "ann", "acme", "SELECT count(*) > 40 FROM tenancy.permissions", [(True,)]),
    ("app", "ann", "acme", "SELECT count(*) FROM tenancy.instance_transitions WHERE action = 'reinstall'", [(14,)]),
    ("app", "ann", "acme", "SELECT count(*) FROM tenancy.role_delegations", [(8,)]),
    ("app", "ann", "acme", "SELECT password_hash FROM public.users", "42501"),
    *(("app", None, None, f"SELECT count(*) FROM {table}", "no_context") for table in READABLE),
    *(
        ("service", None, None, f"SELECT count(*) FROM {table}", [(count,)])
        for table, count in (("public.users", 6), ("public.organizations", 4), ("tenancy.workspaces", 11))
    ),
    ("service", None, None, "SELECT count(*) FROM public.organization_memberships", [(8,)]),
    *(("service", None, None, f"SELECT count(*) > 0 FROM {table}", [(True,)]) for table in PUBLISHED),
    *(("auditor", None, None, f"SELECT count(*) > 0 FROM {table}", [(True,)]) for table in READABLE),
    *(
        (
            "auditor",
            None,
            None,
            [
                f"SELECT FROM {table}",
                "as None",
                "SELECT DISTINCT object_id, action FROM tenancy.audit_log WHERE database_user ~ 'auditor'",
            ],
            [(table, "table.read")],
        )
        for table in READABLE
    ),
    ("service", None, None, "UPDATE tenancy.workspaces SET color = '#000000' RETURNING 1 LIMIT 0", "42601"),
    ("service", None, None, ["UPDATE tenancy.workspaces SET plan = 'free'", "SELECT 1"], [(1,)]),
    ("service", None, None, "UPDATE tenancy.workspaces SET deleted_at = now()", "42501"),
]


# The floor isolates whatever is added to it, and lets no row be moved out either.
ONLY = {
    "public.organizations": "id = '{acme}'",
    "public.users": "id IN ('{ann}', '{abe}', '{max}', '{uma}')",
    "public.organization_memberships": "organization_id = '{acme}'",
    "tenancy.workspaces": "id = '{acme}'",
    "tenancy.audit_log": "workspace_id = '{acme}'",
    "tenancy.invitations": "organization_id = '{acme}'",
    "tenancy.settings": "workspace_id = '{acme}'",
    "public.provider_settings": "organization_id = '{acme}'",
    "public.api_keys": "workspace_id = '{acme}'",
    "public.instances": "workspace_id = '{acme}'",
    "public.models": f"workspace_id IN ('{{acme}}', '{NIL}')",
    "public.organization_models": "organization_id = '{acme}'",
    "public.organization_model_shares": "provider_organization_id = '{acme}'",
    **dict.fromkeys(MONEY, "workspace_id = '{acme}'"),
    "tenancy.offering_prices": "organization_id = '{acme}'",
    "tenancy.access_requests": "organization_id = '{acme}'",
    "tenancy.entitlements": "organization_id = '{acme}'",
    "tenancy.catalog_preferences": "workspace_id = '{acme}'",
    "tenancy.usage_authorizations": "workspace_id = '{acme}'",
    "tenancy.offering_usage": "workspace_id = '{acme}'",
}
# Tables that refuse it before the permission is checked.
APPEND_ONLY = ("audit_log", "credit_grant_uses", "ledger_checkpoints", "ledger_entries", "transfers")
_NAMED = "GRANT {} ON {} TO tenancy_credentialed"
for _table, _own in ONLY.items():
    _name = _table.partition(".")[2]
    _key = _own.partition(" ")[0]
    _question = ["as app", "enter ann acme", f"SELECT bool_and({_own}), count(*) > 0 FROM {_table}"]
    _wide = f"CREATE POLICY wide ON {_table} TO tenancy_credentialed USING (true) WITH CHECK (true)"
    # Triggers that would raise first: the permission, the append-only rule, the row's workspace.
    _silent = f"ALTER TABLE {_table} DISABLE TRIGGER USER"
    QUESTIONS += [
        superuser([_wide, *_question], [(True, True)]),
        superuser(
            [
                _wide,
                _NAMED.format("UPDATE", _table),
                _silent,
                "as app",
                "enter ann acme",
                f"UPDATE {_table} SET {_key} = gen_random_uuid()",
            ],
            "42501",
        ),
        # A command that was not allowed is refused, even with triggers disabled.
        superuser(
            [
                _NAMED.format("INSERT, UPDATE, DELETE", _table),
                *([f"ALTER TABLE {_table} DISABLE TRIGGER {_name}_append_only"] if _name in APPEND_ONLY else []),
                REPLICA,
                "as app",
                "enter uma acme",
                f"UPDATE {_table} SET {_key} = {_key}",
            ],
            "permission_denied",
        ),
    ]
# A revoked permission stays revoked whatever is added, without any trigger.
for _table, _own in ONLY.items():
    if _table not in {"public.organizations", "public.users", "tenancy.workspaces"}:
        QUESTIONS.append(
            superuser(
                [
                    "DELETE FROM tenancy.role_permissions WHERE role = 'user'",
                    f"CREATE POLICY wide ON {_table} TO tenancy_credentialed USING (true)",
                    "as app",
                    "enter uma acme",
                    f"SELECT count(*) FROM {_table}",
                ],
                [(0,)],
            )
        )
for _table, _column in (("public.api_keys", "name"), ("public.instances", "status"), ("public.models", "name")):
    _unasked = [
        "DELETE FROM tenancy.role_permissions WHERE role = 'user' AND permission !~ '[.]view$'",
        f"CREATE POLICY wide ON {_table} TO tenancy_credentialed USING (true) WITH CHECK (true)",
        _NAMED.format("INSERT", _table),
        f"ALTER TABLE {_table} DISABLE TRIGGER USER",
        "as app",
        "enter uma acme",
    ]
    QUESTIONS += [
        superuser([*_unasked, ONE.format(f"UPDATE {_table} SET {_column} = {_column} RETURNING 1")], [(0,)]),
        *(
            [superuser([*_unasked, f"INSERT INTO {_table} (workspace_id) VALUES ('{{acme}}')"], "42501")]
            if _table != "public.api_keys"
            else []
        ),
    ]
# Writes, with only the floor of the command.
for _table in ("public.api_keys", "public.instances", "public.models"):
    _name = _table.partition(".")[2]
    QUESTIONS += [
        superuser(
            [
                f"DROP POLICY {_name}_tenant ON {_table}",
                f"ALTER TABLE {_table} DISABLE TRIGGER USER",
                _NAMED.format("UPDATE (workspace_id)", _table),
                "as app",
                "enter ann acme",
                f"UPDATE {_table} SET workspace_id = '{{bulk}}'",
            ],
            "42501",
        ),
    ]
    # A context set by hand, without an earlier check: the floor checks it.
    _forged = [
        SET.format("current_user_id", "{ann}"),
        SET.format("current_organization_id", "{acme}"),
        SET.format("context", "0" * 72 + "1" * 46 + "_owner_"),
    ]
    QUESTIONS += [
        superuser(
            [
                f"ALTER TABLE {_table} DISABLE TRIGGER USER",
                _NAMED.format("INSERT (workspace_id), UPDATE (workspace_id), DELETE", _table),
                f"CREATE POLICY wide ON {_table} TO tenancy_credentialed USING (true) WITH CHECK (true)",
                "as app",
                *_forged,
                statement,
            ],
            "invalid_context",
        )
        for statement in (
            f"INSERT INTO {_table} (workspace_id) VALUES ('{{acme}}')",
            f"UPDATE {_table} SET workspace_id = '{{acme}}'",
            f"DELETE FROM {_table}",
        )
    ]
_WIDE_MODELS = [
    "CREATE POLICY wide ON public.models TO tenancy_credentialed USING (true) WITH CHECK (true)",
    "GRANT INSERT, UPDATE, DELETE ON public.models TO tenancy_credentialed",
    "ALTER TABLE public.models DISABLE TRIGGER USER",
    "as app",
    "enter ann acme",
]
QUESTIONS += [
    *(
        superuser(
            [*_WIDE_MODELS, ONE.format(f"{statement} WHERE id IN ('{{m_spare}}', '{{m_bulk}}') RETURNING 1")], [(0,)]
        )
        for statement in ("UPDATE public.models SET name = 'x'", "DELETE FROM public.models")
    ),
    *(
        superuser(
            [*_WIDE_MODELS, f"INSERT INTO public.models (name, model_id, workspace_id) VALUES ('x', 'x', {workspace})"],
            "42501",
        )
        for workspace in ("'{bulk}'", f"'{NIL}'", "NULL")
    ),
]


# The variables are changed in the middle of a statement, after the floor has verified them.
MIDWAY = (
    "SELECT count(*) FROM {table} WHERE {key} = (SELECT '{{acme}}'::uuid WHERE {change} IS NOT NULL)",
    "SELECT count(*) FROM {table} AS a JOIN {table} AS b USING ({key})"
    " WHERE {key} = (SELECT '{{acme}}'::uuid WHERE {change} IS NOT NULL)",
    "WITH x AS MATERIALIZED (SELECT {change} AS v) SELECT count(*) FROM x, {table} WHERE v IS NOT NULL",
    "WITH x AS MATERIALIZED (SELECT {change} AS v) SELECT count({key}) FROM x LEFT JOIN {table} ON true",
    "SELECT count(*) FROM {table} WHERE (SELECT {change}) IS NOT NULL",
    "SELECT count(*) FROM {table} WHERE {change} IS NOT NULL",
    "WITH a AS MATERIALIZED (SELECT count(*) AS n FROM {table}),"
    " x AS MATERIALIZED (SELECT {change} AS v FROM a) SELECT count(*) FROM x, {table} WHERE v IS NOT NULL",
)


def shows_midway(probed: Probed, who: str, table: str, key: str, change: str, *before: str) -> list[str]:
    """Return queries of somebody in Acme that count rows of a table after changing the variables midway."""
    shown = []
    for query in MIDWAY:
        for setting in ("enable_seqscan", "enable_indexscan"):
            statement = query.format(table=table, key=key, change=change)
            steps = [*before, "as app", f"enter {who}", f"SET LOCAL {setting} = off", statement]
            answer = probed.ask(None, None, None, steps)
            if answer not in ([(0,)], "invalid_context"):
                shown.append(f"{statement}: {answer}")
    return shown


def _permissions_set_midway(probed: Probed) -> None:
    """Setting permissions in the middle of a statement shows no further rows."""
    all_of_them = f"set_config('tenancy.context', overlay({CONTEXT} PLACING repeat('1', 46) FROM 73), true)"
    for table in ONLY:
        if table not in {"public.organizations", "public.users", "tenancy.workspaces"}:
            key = ONLY[table].partition(" ")[0]
            shown = shows_midway(
                probed, "uma acme", table, key, all_of_them, "DELETE FROM tenancy.role_permissions WHERE role = 'user'"
            )
            assert not shown, shown


def names_midway(probed: Probed, table: str, where: str, *before: str) -> None:
    """Check that naming Bulk in the middle of a statement does not show names of its rows."""
    elsewhere = " || ".join(
        f"set_config('tenancy.{name}', '{{{{bulk}}}}', true)" for name in ("current_organization_id", "current_user_id")
    )
    for query in MIDWAY:
        statement = query.replace("count(*)", "string_agg(name, ' ')").replace("count({key})", "string_agg(name, ' ')")
        steps = [
            *before,
            "as app",
            f"enter {where}",
            statement.format(table=table, key="workspace_id", change=elsewhere)
            .replace(f"AS a JOIN {table} AS b USING (workspace_id)", "")
            .replace("{acme}", "{bulk}"),
        ]
        answer = probed.ask(None, None, None, steps)
        assert "bulk" not in str(answer), (steps, answer)


def _workspace_set_midway(probed: Probed) -> None:
    """Naming another workspace in the middle of a statement does not show its models."""
    for where in ("ann acme", "ann None"):
        names_midway(probed, "public.models", where)


OTHERS = {
    "isolation permissions set midway": _permissions_set_midway,
    "isolation models workspace set midway": _workspace_set_midway,
}
