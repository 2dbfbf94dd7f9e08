"""The common parts of all tables of tenants."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from support.probes.base import ENTER_WITH_KEY, NIL, REPLICA, SET, Question, superuser
from support.probes.instances import NEW_INSTANCE

QUESTIONS: list[Question] = [
    *(
        (
            login,
            who,
            where,
            "SELECT tenancy.default_workspace_id()::text, tenancy.default_organization_id()::text,"
            " tenancy.default_user_id()::text, tenancy.default_author_id()::text",
            [defaults],
        )
        for login, who, where, defaults in (
            ("app", "ann", "acme", ("{acme}", "{acme}", None, "{ann}")),
            ("app", "ann", None, ("{ann}", None, "{ann}", "{ann}")),
            ("app", "sam", "platform", (NIL, None, None, "{sam}")),
            ("service", None, None, (NIL, None, None, None)),
        )
    ),
    # A default is the value of the variables; the floor of every table verifies it.
    *(
        (
            "app",
            "ann",
            "acme",
            [SET.format(name, "{bulk}"), NEW_INSTANCE],
            "invalid_context",
        )
        for name in ("current_organization_id", "current_user_id")
    ),
    ("app", "ann", "acme", "SELECT tenancy.require_person()::text", [("",)]),
    ("app", None, None, [ENTER_WITH_KEY.format("k_acme"), "SELECT tenancy.require_person()"], "person_required"),
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
        for table, row in (("api_keys", "k_bulk"), ("models", "m_spare"), ("instances", "i_old"))
    ),
    *(
        superuser(
            [REPLICA, f"UPDATE public.{table} SET {more}workspace_id = '{{bulk}}' WHERE id = '{{{row}}}'"],
            name,
        )
        for table, row, name, more in (
            ("api_keys", "k_acme", "api_keys_tenancy_workspace_check", ""),
            ("instances", "i_acme", "instances_tenancy_workspace_check", "model_id = NULL, "),
            # Two checks refuse it, and the first by name raises.
            ("models", "m_acme", "models_tenancy_shared_check", ""),
        )
    ),
    superuser(
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
    # assign(), of models that nobody offers
    *(
        (
            "service",
            None,
            None,
            ["DELETE FROM public.organization_models", f"SELECT tenancy.assign({arguments})"],
            answer,
        )
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
    # Columns with these names do not make it a table of tenants.
    superuser(
        [
            "CREATE TABLE public.others (id uuid PRIMARY KEY, workspace_id uuid, organization_id uuid)",
            "SELECT tenancy.assign('public.others', '{duo}')",
        ],
        "table_not_protected",
    ),
    # A row with a parent follows it.
    superuser(
        [
            "CREATE TABLE public.things (id uuid PRIMARY KEY DEFAULT gen_random_uuid())",
            "CREATE TABLE public.parts (id uuid PRIMARY KEY, thing_id uuid REFERENCES public.things)",
            "INSERT INTO public.things DEFAULT VALUES",
            "INSERT INTO public.parts SELECT gen_random_uuid(), id FROM public.things",
            "CALL tenancy.protect('public.things')",
            "CALL tenancy.protect('public.parts', parent => 'thing_id')",
            "SELECT tenancy.assign('public.parts', '{duo}')",
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
