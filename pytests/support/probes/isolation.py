"""Which rows are seen, and that each of the two layers alone isolates."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from support.probes.base import NIL, Question, superuser
from support.probes.privileges import READABLE, WHOLE

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
    ("app", "ann", "acme", "SELECT count(*) FROM tenancy.role_delegations", [(8,)]),
    ("app", "ann", "acme", "SELECT password_hash FROM public.users", "42501"),
    *(("app", None, None, f"SELECT count(*) FROM {table}", "no_context") for table in (*READABLE, *WHOLE)),
    *(
        ("service", None, None, f"SELECT count(*) FROM {table}", [(count,)])
        for table, count in (("public.users", 6), ("public.organizations", 4), ("tenancy.workspaces", 11))
    ),
    ("service", None, None, "SELECT count(*) FROM public.organization_memberships", [(8,)]),
    *(("service", None, None, f"SELECT count(*) > 0 FROM {table}", [(True,)]) for table in WHOLE),
    *(("auditor", None, None, f"SELECT count(*) > 0 FROM {table}", [(True,)]) for table in (*READABLE, *WHOLE)),
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
        for table in (*READABLE, *WHOLE)
    ),
    ("service", None, None, "UPDATE tenancy.workspaces SET color = '#000000' RETURNING 1 LIMIT 0", "42601"),
    ("service", None, None, ["UPDATE tenancy.workspaces SET plan = 'free'", "SELECT 1"], [(1,)]),
    ("service", None, None, "UPDATE tenancy.workspaces SET deleted_at = now()", "42501"),
]


# Each of the two layers alone isolates: the policies without the floor, and the
# floor whatever is added to it; and it lets no row out either.
ONLY = {
    "public.organizations": "id = '{acme}'",
    "public.users": "id IN ('{ann}', '{abe}', '{max}', '{uma}')",
    "public.organization_memberships": "organization_id = '{acme}'",
    "tenancy.workspaces": "id = '{acme}'",
    "tenancy.audit_log": "workspace_id = '{acme}'",
    "tenancy.invitations": "organization_id = '{acme}'",
    "public.api_keys": "workspace_id = '{acme}'",
    "public.instances": "workspace_id = '{acme}'",
    "public.models": f"workspace_id IN ('{{acme}}', '{NIL}')",
}
for _table, _own in ONLY.items():
    _name = _table.partition(".")[2]
    _key = _own.partition(" ")[0]
    _question = ["as app", "enter ann acme", f"SELECT bool_and({_own}), count(*) > 0 FROM {_table}"]
    QUESTIONS += [
        *(
            # An account belongs to no workspace: there the floor alone says who is seen.
            [superuser([f"DROP POLICY IF EXISTS {_name}_workspace ON {_table}", *_question], [(True, True)])]
            if _name != "users"
            else []
        ),
        superuser([f"CREATE POLICY wide ON {_table} TO tenancy_app USING (true)", *_question], [(True, True)]),
        superuser(
            [
                f"CREATE POLICY wide ON {_table} TO tenancy_app USING (true) WITH CHECK (true)",
                f"GRANT SELECT, UPDATE ON {_table} TO tenancy_app",
                # The append-only rule and what keeps a row's workspace would answer first.
                *(
                    [f"ALTER TABLE {_table} DISABLE TRIGGER USER"]
                    if _name in {"audit_log", "api_keys", "instances", "models"}
                    else []
                ),
                "as app",
                "enter ann acme",
                f"UPDATE {_table} SET {_key} = gen_random_uuid()",
            ],
            "42501",
        ),
    ]
QUESTIONS += [
    superuser(
        [
            "DROP POLICY IF EXISTS audit_log_workspace ON tenancy.audit_log",
            "as app",
            f"enter {who} acme",
            "SELECT count(*) > 0 FROM tenancy.audit_log",
        ],
        [(sees,)],
    )
    for who, sees in (("ann", True), ("uma", False))
]
