"""Models, and which of them an instance may use."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from support.probes.base import NIL, ONE, REPLICA, Question, superuser, without

NEW_MODEL = "INSERT INTO public.models (name, model_id) VALUES ('new', 'new')"


QUESTIONS: list[Question] = [
    ("app", "uma", "acme", "SELECT name FROM public.models ORDER BY 1", [("acme",), ("public",), ("spare",)]),
    ("app", "ann", None, "SELECT name FROM public.models ORDER BY 1", [("public",), ("spare",)]),
    ("service", None, None, "SELECT count(*) FROM public.models", [(4,)]),
    superuser(
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
        superuser([REPLICA, "as app", "enter ann acme", statement], "permission_denied")
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
    superuser(["UPDATE public.models SET name = 'x'", "SELECT 1"], [(1,)]),
    # what the policies do alone
    without("models_permission", "public.models", "uma acme", NEW_MODEL, "42501"),
    without("models_permission", "public.models", "ann None", NEW_MODEL, "42501"),
    *(
        without("models_permission", "public.models", "uma acme", ONE.format(f"{statement} RETURNING 1"), [(0,)])
        for statement in ("UPDATE public.models SET name = 'x'", "DELETE FROM public.models WHERE name = 'spare'")
    ),
    without(
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
    superuser(
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
    ("service", None, None, "DELETE FROM public.models WHERE name = 'acme'", "model_in_use"),
    superuser(
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
        superuser(
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
    superuser(
        [
            "INSERT INTO public.organization_models (organization_id, model_id, name, code)"
            " VALUES ('{acme}', '{m_acme}', 'n', 'c'), ('{bulk}', '{m_bulk}', 'n', 'c')",
            "DELETE FROM tenancy.workspaces WHERE id = '{acme}'",
            "SELECT organization_id::text FROM public.organization_models",
        ],
        [("{bulk}",)],
    ),
]
