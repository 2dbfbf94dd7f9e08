"""Models, and their use by instances."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from support.probes.base import NIL, ONE, REPLICA, SET, Question, later, superuser, without

NEW_MODEL = "INSERT INTO public.models (name, model_id) VALUES ('new', 'new')"


QUESTIONS: list[Question] = [
    # A workspace set in the middle of a statement has no models, for any login that set the application's role.
    superuser(
        [
            "as app",
            "enter ann acme",
            "INSERT INTO public.instances (provider_id, model_id) SELECT '{provider}', gen_random_uuid()"
            " FROM (SELECT set_config('tenancy.current_organization_id', '{duo}', true) AS v OFFSET 0) AS x"
            " WHERE x.v IS NOT NULL",
        ],
        "invalid_context",
    ),
    # After setting another workspace by hand nobody learns which models it has; services and owners are not
    # checked.
    *(
        (
            "app",
            "ann",
            "acme",
            [
                SET.format("current_organization_id", "{bulk}"),
                f"INSERT INTO public.instances (provider_id, model_id) VALUES ('{{provider}}', {model})",
            ],
            "invalid_context",
        )
        for model in ("'{m_bulk}'", "gen_random_uuid()")
    ),
    superuser(
        [
            "as service",
            "INSERT INTO public.instances (provider_id, organization_id, model_id)"
            " VALUES ('{provider}', '{bulk}', '{m_bulk}')",
            "SELECT 1",
        ],
        [(1,)],
    ),
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
        for statement in (NEW_MODEL, "UPDATE public.models SET name = name")
    ),
    *(
        ("app", who, where, "DELETE FROM public.models WHERE false", "42501")
        for who, where in (("ann", "acme"), ("sam", "platform"))
    ),
    *(
        ("app", "sam", None, statement, "permission_denied")
        for statement in (NEW_MODEL, "UPDATE public.models SET name = name")
    ),
    *(
        ("app", who, where, [NEW_MODEL, "SELECT workspace_id::text FROM public.models WHERE name = 'new'"], [(lands,)])
        for who, where, lands in (("ann", "acme", "{acme}"), ("sam", "platform", NIL))
    ),
    ("app", "sam", "platform", "SELECT name FROM public.models ORDER BY 1", [("public",), ("spare",)]),
    *(
        later(
            [f"enter {where}", "UPDATE public.models SET context_length = 1"],
            "SELECT name FROM public.models WHERE context_length = 1 ORDER BY 1",
            rows,
        )
        for where, rows in (("ann acme", [("acme",)]), ("sam platform", [("public",), ("spare",)]), ("ann duo", []))
    ),
    ("app", "ann", "acme", "UPDATE public.models SET organization_id = NULL", "42501"),
    (
        "app",
        "ann",
        "acme",
        f"INSERT INTO public.models (id, name, model_id) VALUES ('{NIL}', 'x', 'x') RETURNING 1",
        [(1,)],
    ),
    # deleting
    *(
        ("app", who, where, f"SELECT tenancy.delete_model({model})", error)
        for who, where, model, error in (
            ("ann", "acme", "'{m_bulk}'", "model_not_found"),
            ("ann", "acme", "'{m_spare}'", "model_not_found"),
            ("ann", "acme", "'{m_public}'", "model_not_found"),
            ("ann", "acme", "'{nobody}'", "model_not_found"),
            ("ann", "acme", "NULL", "model_not_found"),
            ("ann", "duo", "'{m_acme}'", "model_not_found"),
            ("ann", None, "'{m_spare}'", "model_not_found"),
            ("sam", None, "'{m_spare}'", "model_not_found"),
            ("sam", "platform", "'{m_acme}'", "model_not_found"),
            ("uma", "acme", "'{m_acme}'", "permission_denied"),
            ("uma", "acme", "'{nobody}'", "permission_denied"),
            ("ann", "acme", "'{m_acme}'", "model_in_use"),
        )
    ),
    ("app", None, None, "SELECT tenancy.delete_model('{m_spare}')", "no_context"),
    *(
        superuser(
            [
                *before,
                "as app",
                f"enter {where}",
                f"SELECT tenancy.delete_model('{{{model}}}')",
                "as None",
                "SELECT name FROM public.models ORDER BY 1",
            ],
            [(name,) for name in left.split()],
        )
        for before, where, model, left in (
            (["UPDATE public.instances SET model_id = NULL"], "ann acme", "m_acme", "bulk public spare"),
            ([], "sam platform", "m_spare", "acme bulk public"),
        )
    ),
    # Whatever the foreign key does on a delete, delete_model() refuses.
    superuser(
        [
            "ALTER TABLE public.organization_models DROP CONSTRAINT organization_models_tenancy_model_id_fkey,"
            " ADD CONSTRAINT organization_models_tenancy_model_id_fkey FOREIGN KEY (model_id)"
            " REFERENCES public.models (id)"
            " ON DELETE CASCADE",
            "INSERT INTO public.organization_models (organization_id, model_id, name, code)"
            " VALUES ('{bulk}', '{m_spare}', 'n', 'c')",
            "as app",
            "enter sam platform",
            "SELECT tenancy.delete_model('{m_spare}')",
        ],
        "model_in_use",
    ),
    ("app", "ann", "acme", ["UPDATE public.models SET name = 'x' WHERE name = 'acme'", "SELECT 1"], [(1,)]),
    superuser(["UPDATE public.models SET name = 'x'", "SELECT 1"], [(1,)]),
    # what the policies do alone
    (
        "app",
        "ann",
        "acme",
        "INSERT INTO public.models (id, name, model_id) VALUES ('{m_bulk}', 'x', 'x') ON CONFLICT DO NOTHING",
        "models_tenancy_pkey",
    ),
    without("models_tenancy_permission", "public.models", "uma acme", NEW_MODEL, "42501"),
    without("models_tenancy_permission", "public.models", "ann None", NEW_MODEL, "42501"),
    *(
        without(
            "models_tenancy_permission",
            "public.models",
            who,
            ONE.format("UPDATE public.models SET name = 'x' RETURNING 1"),
            [(0,)],
        )
        for who in ("uma acme", "ann None", "sam None")
    ),
    # A personal workspace has no models, and if it had one, the person could not change it.
    superuser(
        [
            "ALTER TABLE public.models DISABLE TRIGGER USER, DROP CONSTRAINT models_tenancy_shared_check",
            "INSERT INTO public.models (name, model_id, workspace_id) VALUES ('x', 'x', '{ann}')",
            "as app",
            "enter ann None",
            ONE.format("UPDATE public.models SET name = 'y' RETURNING 1"),
        ],
        [(0,)],
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
        "instances_tenancy_model_workspace_id_fkey",
    ),
    (
        "service",
        None,
        None,
        "UPDATE public.instances SET model_workspace_id = '{bulk}' WHERE id = '{i_acme}'",
        "instances_tenancy_model_workspace_id_check",
    ),
    (
        "service",
        None,
        None,
        "INSERT INTO public.models (name, model_id, organization_id) VALUES ('n', 'of/acme', '{acme}')",
        "models_tenancy_workspace_id_model_id_key",
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
    ("service", None, None, "DELETE FROM public.models WHERE name = 'acme'", "model_in_use"),
    superuser(
        [
            "INSERT INTO public.organization_models (organization_id, model_id, name, code)"
            " VALUES ('{bulk}', '{m_spare}', 'n', 'c')",
            "as app",
            "enter sam platform",
            "SELECT tenancy.delete_model('{m_spare}')",
        ],
        "model_in_use",
    ),
    # An existing table's key may clear a model, and its application relies on that.
    *(
        superuser(
            [
                *before,
                f"ALTER TABLE {table} DROP CONSTRAINT {key}, ADD CONSTRAINT {key} FOREIGN KEY (model_id)"
                f" REFERENCES public.models (id) ON DELETE {action}",
                f"DELETE FROM public.models WHERE name = '{model}'",
                f"SELECT count(*) FROM public.models WHERE name = '{model}'",
            ],
            [(0,)],
        )
        for before, table, key, action, model in (
            (
                # Our key is the younger one there, and is checked after the other one has cleared
                # the row.
                ["ALTER TABLE public.instances DROP CONSTRAINT instances_tenancy_model_workspace_id_fkey"],
                "public.instances",
                "instances_tenancy_model_id_fkey",
                "SET NULL",
                "acme",
            ),
            (
                [
                    "INSERT INTO public.organization_models (organization_id, model_id, name, code)"
                    " VALUES ('{bulk}', '{m_spare}', 'n', 'c')"
                ],
                "public.organization_models",
                "organization_models_tenancy_model_id_fkey",
                "CASCADE",
                "spare",
            ),
        )
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
            "SELECT organization_id::text FROM public.organization_models WHERE code = 'c'",
        ],
        [("{bulk}",)],
    ),
]
