"""Instances."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from support.probes.base import (
    ENTER,
    ENTER_WITH_KEY,
    NIL,
    ONE,
    REPLICA,
    SEALED,
    Probed,
    Question,
    error_of,
    later,
    superuser,
    without,
)

NEW_INSTANCE = "INSERT INTO public.instances (provider_id, gpu_profile) VALUES ('{provider}', 'new')"


QUESTIONS: list[Question] = [
    ("app", "ann", "acme", "SELECT gpu_profile FROM public.instances", [("acme",)]),
    ("app", "ann", None, "SELECT gpu_profile FROM public.instances", [("ann",)]),
    ("app", "sam", None, "SELECT gpu_profile FROM public.instances", []),
    ("app", "sam", "platform", "SELECT gpu_profile FROM public.instances", [("old",)]),
    ("app", "ann", "acme", "SELECT model_workspace_id FROM public.instances", "42501"),
    # those from before, to everybody in personal mode
    *(
        ("app", who, None, f"SELECT id::text, status FROM tenancy.legacy_instances({page})", rows)
        for who in ("ann", "sam")
        for page, rows in (
            ("", [("{i_old}", "ready")]),
            ("page_size => 1", [("{i_old}", "ready")]),
            ("'{i_old}'", []),
            (f"'{NIL}'", [("{i_old}", "ready")]),
        )
    ),
    superuser(
        [
            "INSERT INTO public.instances (provider_id) VALUES ('{provider}')",
            "as app",
            "enter ann None",
            "SELECT (SELECT count(*) FROM tenancy.legacy_instances()),"
            " (SELECT count(*) FROM tenancy.legacy_instances(page_size => 1)),"
            " (SELECT count(*) FROM tenancy.legacy_instances("
            "(SELECT id FROM tenancy.legacy_instances(page_size => 1))))",
        ],
        [(2, 1, 1)],
    ),
    *(
        ("app", "ann", None, f"SELECT tenancy.legacy_instances(page_size => {size})", "page_size_invalid")
        for size in ("0", "10001", "NULL")
    ),
    ("app", "ann", "acme", "SELECT tenancy.legacy_instances()", "permission_denied"),
    ("app", "sam", "platform", "SELECT tenancy.legacy_instances()", "permission_denied"),
    ("app", None, None, "SELECT tenancy.legacy_instances()", "no_context"),
    ("app", None, None, [ENTER_WITH_KEY.format("k_acme"), "SELECT tenancy.legacy_instances()"], "permission_denied"),
    ("service", None, None, "SELECT count(*) FROM public.instances", [(5,)]),
    superuser(
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
    later(
        ["enter ann acme", "UPDATE public.instances SET ip_address = '10.0.0.1'"],
        "SELECT id::text FROM public.instances WHERE ip_address IS NOT NULL",
        [("{i_acme}",)],
    ),
    later(
        ["enter sam platform", "UPDATE public.instances SET ip_address = '10.0.0.1'"],
        "SELECT id::text FROM public.instances WHERE ip_address IS NOT NULL",
        [("{i_old}",)],
    ),
    *(
        later(
            [f"enter {where}", "UPDATE public.instances SET ip_address = '10.0.0.1'"],
            "SELECT id::text FROM public.instances WHERE ip_address IS NOT NULL",
            rows,
        )
        for where, rows in (("ann None", [("{i_ann}",)]), ("sam None", []))
    ),
    *(
        ("app", "ann", "acme", f"UPDATE public.instances SET {column}", "42501")
        for column in ("hourly_price_eur = 0", "terminated_at = now()", "id = id", "workspace_id = workspace_id")
    ),
    (
        "app",
        "ann",
        "acme",
        f"INSERT INTO public.instances (id, provider_id) VALUES ('{NIL}', '{{provider}}') RETURNING 1",
        [(1,)],
    ),
    (
        "app",
        "ann",
        "acme",
        "INSERT INTO public.instances (id, provider_id) VALUES ('{i_bulk}', '{provider}') ON CONFLICT DO NOTHING",
        "instances_tenancy_pkey",
    ),
    superuser(["UPDATE public.instances SET ip_address = NULL", "SELECT 1"], [(1,)]),
    # what the policies do alone
    without("instances_tenancy_permission", "public.instances", "uma acme", NEW_INSTANCE, "42501"),
    without(
        "instances_tenancy_permission",
        "public.instances",
        "uma acme",
        ONE.format("UPDATE public.instances SET ip_address = NULL RETURNING 1"),
        [(0,)],
    ),
    superuser(
        [
            "GRANT INSERT (workspace_id, user_id) ON public.instances TO tenancy_credentialed",
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
            ("ann", None, "terminate_instance('{i_old}')", "instance_not_found"),
            ("sam", None, "terminate_instance('{i_old}')", "instance_not_found"),
            ("sam", "platform", "terminate_instance('{i_acme}')", "instance_not_found"),
        )
    ),
    *(
        later(
            [f"enter {where}", f"SELECT tenancy.{action}_instance('{{{row}}}')"],
            "SELECT id::text, status FROM public.instances WHERE status <> 'ready'",
            [(f"{{{row}}}", status)],
        )
        for where, action, row, status in (
            ("ann acme", "terminate", "i_acme", "terminating"),
            ("ann acme", "reinstall", "i_acme", "booting"),
            ("ann None", "terminate", "i_ann", "terminating"),
            ("sam platform", "terminate", "i_old", "terminating"),
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
        superuser(
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
            ([], "ann", "terminated", "booting", "instance_state"),
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
            *(
                (["INSERT INTO tenancy.role_permissions VALUES ('instances.update', 'user')"], "uma", *change)
                for change in (("ready", "stopped", [(1,)]), ("ready", "booting", "permission_denied"))
            ),
        )
    ),
    superuser(
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
    superuser(
        [
            "UPDATE public.instances SET status = 'terminated'",
            "UPDATE public.instances SET status = 'ready'",
            "SELECT 1",
        ],
        [(1,)],
    ),
    ("app", "ann", "acme", "SELECT count(*) > 0 FROM tenancy.instance_transitions", [(True,)]),
    superuser(
        "INSERT INTO tenancy.instance_transitions VALUES ('explode', 'ready', 'ready')",
        "instance_transitions_action_check",
    ),
    # what goes with a workspace, costs included
    *(
        superuser(
            [
                "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)"
                " SELECT now(), provider_id, id, 1 FROM public.instances",
                *statements,
                "SELECT string_agg(DISTINCT i.gpu_profile, ' ' ORDER BY i.gpu_profile) FROM public.instances AS i"
                " JOIN finops.cost_actual_minute AS c ON c.instance_id = i.id",
            ],
            [("ann bulk old olga",)],
        )
        for statements in (
            ["DELETE FROM public.organizations WHERE id = '{acme}'"],
            [REPLICA, "DELETE FROM tenancy.workspaces WHERE id = '{acme}'"],
        )
    ),
]


def _changed_in_the_middle(probed: Probed) -> None:
    """A statement that switches to another workspace halfway does not get that workspace's permissions."""
    connection = probed.connections[None]
    names = ("current_user_id", "current_organization_id", "context")
    try:
        # Only with seals can a transaction have two valid contexts.
        connection.execute(SEALED)
        connection.execute("INSERT INTO tenancy.role_permissions VALUES ('instances.update', 'user')")
        connection.execute(f"SET LOCAL SESSION AUTHORIZATION {probed.logins['app']}".encode())
        connection.execute("SAVEPOINT home")
        connection.execute(ENTER, [probed.ids["uma"], None])
        row = connection.execute(
            "SELECT " + ", ".join(f"current_setting('tenancy.{name}')" for name in names)
        ).fetchone()
        assert row is not None
        connection.execute("ROLLBACK TO SAVEPOINT home")
        connection.execute(ENTER, [probed.ids["uma"], probed.ids["acme"]])
        home = ", ".join(
            f"set_config('tenancy.{name}', '{value}', true)" for name, value in zip(names, row, strict=True)
        )
        answer = error_of(
            connection, f"UPDATE public.instances SET status = 'terminated', gpu_profile = concat({home})"
        )
        assert answer == "invalid_context", answer
    finally:
        connection.rollback()


OTHERS = {"check_instance_status instances_tenancy_status middle": _changed_in_the_middle}
