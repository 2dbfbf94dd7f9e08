"""Activations of organizations' objects: permissions, effects, and objects that need none."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from support.probes.base import ENTER, ENTER_WITH_KEY, Probed, Question, error_of, superuser, two_sessions
from support.racing import Session

_ENTRY = (
    "SELECT action, user_id::text, organization_id::text, object_kind, object_id,"
    " old_values ->> 'tech_activated_at' IS NOT NULL, new_values ->> 'tech_activated_at' IS NOT NULL"
    " FROM tenancy.audit_log WHERE workspace_id = '{acme}' AND occurred_at > now()"
)
_PENDING = "INSERT INTO tenancy_private.pending_deactivations VALUES ('model', '{m_acme}', 'tech')"
_REQUIRED = "SELECT tenancy.require_operational('model', '{m_acme}')"

QUESTIONS: list[Question] = [
    # One for the technical side, one for the costs.
    *(
        ("app", who, "acme", f"SELECT tenancy.{function}('{kind}', '{{{name}}}', '{aspect}')", answer)
        for function, remains in (("activate", True), ("deactivate", False))
        for kind, name in (("model", "m_acme"), ("offering", "o_acme"))
        for who, aspect, answer in (
            ("abe", "tech", [(remains,)]),
            ("abe", "eco", "permission_denied"),
            ("max", "tech", "permission_denied"),
            ("max", "eco", [(remains,)]),
            ("uma", "tech", "permission_denied"),
            ("uma", "eco", "permission_denied"),
        )
    ),
    *(
        ("app", "ann", "acme", f"SELECT tenancy.activate('{kind}', '{{{name}}}', 'eco')", answer)
        for kind, name, answer in (
            ("model", "m_bulk", "model_not_found"),
            ("model", "m_spare", "model_not_found"),
            ("instance", "i_bulk", "instance_not_found"),
            ("api_key", "k_bulk", "api_key_not_found"),
            ("offering", "o_bulk", "offering_not_found"),
            ("model", "nobody", "model_not_found"),
            ("thing", "m_acme", "kind_invalid"),
        )
    ),
    ("app", "ann", "acme", "SELECT tenancy.activate('model', '{m_acme}', 'both')", "aspect_invalid"),
    ("app", "ann", "acme", "SELECT tenancy.activate('model', '{m_acme}', NULL)", "aspect_invalid"),
    ("app", "ann", None, "SELECT tenancy.activate('instance', '{i_ann}', 'tech')", "organization_required"),
    (
        "app",
        None,
        None,
        [ENTER_WITH_KEY.format("k_acme"), "SELECT tenancy.activate('model', '{m_acme}', 'tech')"],
        "person_required",
    ),
    # Existing activations keep account and time; new ones get both.
    *(
        superuser(
            [
                *before,
                "as app",
                "enter abe acme",
                "SELECT tenancy.activate('model', '{m_acme}', 'tech')",
                "as None",
                "SELECT tech_activated_at IS NOT NULL, tech_activated_by::text, is_operational"
                " FROM public.models WHERE id = '{m_acme}'",
            ],
            [(True, by, True)],
        )
        for before, by in (
            ([], None),
            (["UPDATE public.models SET tech_activated_at = NULL WHERE id = '{m_acme}'"], "{abe}"),
        )
    ),
    # Recorded once for each change.
    superuser(
        ["as app", "enter abe acme", "SELECT tenancy.deactivate('model', '{m_acme}', 'tech')", "as None", _ENTRY],
        [("model.deactivate_tech", "{abe}", "{acme}", "model", "{m_acme}", True, False)],
    ),
    superuser(
        [
            "UPDATE public.models SET tech_activated_at = NULL WHERE id = '{m_acme}'",
            "as app",
            "enter abe acme",
            "SELECT tenancy.activate('model', '{m_acme}', 'tech')",
            "SELECT tenancy.activate('model', '{m_acme}', 'tech')",
            "as None",
            _ENTRY + " AND user_id IS NOT NULL",
        ],
        [("model.activate_tech", "{abe}", "{acme}", "model", "{m_acme}", False, True)],
    ),
    # Objects that can be used.
    *(
        ("app", "uma", "acme", f"SELECT tenancy.require_operational('{kind}', '{{{name}}}')", answer)
        for kind, name, answer in (
            ("model", "m_acme", [("",)]),
            ("model", "m_spare", [("",)]),
            ("model", "m_bulk", "model_not_found"),
            ("model", "nobody", "model_not_found"),
            ("offering", "o_acme", [("",)]),
            ("offering", "o_bulk", "offering_not_found"),
            ("instance", "i_old", "instance_not_found"),
            ("thing", "m_acme", "kind_invalid"),
        )
    ),
    *(
        ("service", None, None, f"SELECT tenancy.require_operational('model', '{{{name}}}')", answer)
        for name, answer in (("m_bulk", [("",)]), ("nobody", "model_not_found"))
    ),
    ("app", None, None, _REQUIRED, "no_context"),
    superuser(
        [
            "DELETE FROM tenancy.role_permissions WHERE permission = 'offerings.use'",
            "as app",
            "enter uma acme",
            "SELECT tenancy.require_operational('offering', '{o_acme}')",
        ],
        "permission_denied",
    ),
    *(
        superuser([statement, "as app", "enter uma acme", _REQUIRED], "not_operational")
        for statement in (
            "UPDATE public.models SET tech_activated_at = NULL",
            "UPDATE public.models SET eco_activated_at = NULL",
            _PENDING,
            _PENDING.replace("tech", "eco"),
        )
    ),
    superuser([_PENDING.replace("m_acme", "m_bulk"), "as app", "enter uma acme", _REQUIRED], [("",)]),
    # A person's own objects need no activation.
    superuser(
        [
            "UPDATE public.instances SET tech_activated_at = NULL, eco_activated_at = NULL",
            "as app",
            "enter ann None",
            "SELECT tenancy.require_operational('instance', '{i_ann}')",
        ],
        [("",)],
    ),
    (
        None,
        None,
        None,
        "UPDATE public.instances SET tech_activated_at = NULL WHERE id = '{i_ann}' RETURNING is_operational",
        [(True,)],
    ),
    # A deactivation during a lock is applied to its row with the next change, or replaced by a new
    # activation.
    *(
        superuser(
            [
                _PENDING,
                "as app",
                "enter ann acme",
                f"SELECT tenancy.{function}('model', '{{m_acme}}', '{aspect}')",
                "as None",
                "SELECT is_operational, tech_activated_at IS NULL, (SELECT count(*) FROM"
                " tenancy_private.pending_deactivations) FROM public.models WHERE id = '{m_acme}'",
            ],
            answer,
        )
        for function, aspect, answer in (
            ("activate", "tech", [(True, False, 0)]),
            ("activate", "eco", [(False, True, 0)]),
            ("deactivate", "eco", [(False, True, 0)]),
        )
    ),
    superuser(
        [
            _PENDING.replace("m_acme", "m_bulk"),
            "as app",
            "enter ann acme",
            "SELECT tenancy.activate('model', '{m_acme}', 'tech')",
            "as None",
            "SELECT is_operational, (SELECT count(*) FROM tenancy_private.pending_deactivations)"
            " FROM public.models WHERE id = '{m_bulk}'",
        ],
        [(True, 1)],
    ),
    # Only by functions.
    *(
        ("service", None, None, statement, answer)
        for statement, answer in (
            ("UPDATE public.models SET tech_activated_at = NULL", "activation_by_function"),
            ("UPDATE public.models SET eco_activated_by = '{ann}'", "activation_by_function"),
            ("UPDATE public.organization_models SET is_operational = NOT is_operational", "activation_by_function"),
            (
                "INSERT INTO public.models (name, model_id, organization_id, tech_activated_at)"
                " VALUES ('n', 'n', '{acme}', now())",
                "activation_by_function",
            ),
            (
                "INSERT INTO public.models (name, model_id, organization_id, is_operational)"
                " VALUES ('n', 'n', '{acme}', true)",
                "activation_by_function",
            ),
            (
                "INSERT INTO public.models (name, model_id, organization_id) VALUES ('n', 'n', '{acme}')"
                " RETURNING is_operational",
                [(False,)],
            ),
            ("UPDATE public.models SET name = 'n' WHERE id = '{m_acme}' RETURNING is_operational", [(True,)]),
        )
    ),
    # Consistency of the columns.
    *(
        superuser(
            [
                f"UPDATE public.models SET {columns} WHERE id = '{{m_acme}}'",
                "SELECT tech_activated_at IS NOT NULL, eco_activated_at IS NOT NULL, is_operational"
                " FROM public.models WHERE id = '{m_acme}'",
            ],
            answer,
        )
        for columns, answer in (
            ("tech_activated_at = NULL", [(False, True, False)]),
            ("eco_activated_at = NULL", [(True, False, False)]),
            ("is_operational = false", [(True, True, True)]),
            ("tech_activated_at = NULL, tech_activated_by = '{ann}'", [(True, True, True)]),
            ("eco_activated_at = NULL, eco_activated_by = '{ann}'", [(True, True, True)]),
        )
    ),
    # Objects that move to another organization must be activated there, and legacy ones keep
    # working.
    *(
        superuser(
            [
                *before,
                move,
                "SELECT tech_activated_at IS NOT NULL, eco_activated_at IS NOT NULL, is_operational"
                f" FROM public.models WHERE id = '{{{model}}}'",
            ],
            answer,
        )
        for before, move, model, answer in (
            (
                ["UPDATE public.instances SET model_id = NULL"],
                "UPDATE public.models SET organization_id = '{duo}', workspace_id = '{duo}' WHERE id = '{m_acme}'",
                "m_acme",
                [(False, False, False)],
            ),
            (
                ["UPDATE public.models SET tech_activated_at = NULL, eco_activated_at = NULL"],
                "UPDATE public.models SET organization_id = '{duo}', workspace_id = '{duo}' WHERE id = '{m_spare}'",
                "m_spare",
                [(True, True, True)],
            ),
        )
    ),
]


def _held(probed: Probed) -> None:
    """A deactivation does not wait for a lock on the row, and takes effect at once."""
    with two_sessions(probed) as (connection, other):
        connection.execute(ENTER, [probed.ids["ann"], probed.ids["acme"]])
        connection.execute("UPDATE public.models SET name = name WHERE id = %s", [probed.ids["m_acme"]])
        other.execute(ENTER, [probed.ids["abe"], probed.ids["acme"]])
        other.execute("SET LOCAL lock_timeout = '40ms'")
        deactivate = "SELECT tenancy.deactivate('model', %s, 'tech')"
        row = other.execute(deactivate, [probed.ids["m_acme"]]).fetchone()
        assert row == (False,), row
        # Recorded once, when it was revoked.
        other.execute(deactivate, [probed.ids["m_acme"]])
        entries = other.execute(
            "SELECT action, user_id::text FROM tenancy.audit_log WHERE object_id = %s AND occurred_at > now()",
            [probed.ids["m_acme"]],
        ).fetchall()
        assert entries == [("model.deactivate_tech", probed.ids["abe"])], entries
        answer = error_of(other, "SELECT tenancy.require_operational('model', %s)", probed.ids["m_acme"])
        assert answer == "not_operational", answer


def _given_again(probed: Probed) -> None:
    """A new activation waits for the lock, and replaces a deactivation made meanwhile."""
    admin, model = probed.admin, probed.ids["m_acme"]
    with two_sessions(probed) as (connection, other):
        try:
            connection.execute(ENTER, [probed.ids["ann"], probed.ids["acme"]])
            connection.execute("UPDATE public.models SET name = name WHERE id = %s", [model])
            admin.execute("INSERT INTO tenancy_private.pending_deactivations VALUES ('model', %s, 'tech')", [model])
            other.execute(ENTER, [probed.ids["abe"], probed.ids["acme"]])
            session = Session(other, admin)
            for function in ("activate('model', %s, 'tech')", "require_operational('model', %s)"):
                session.start(lambda second, call=function: second.execute(f"SELECT tenancy.{call}", [model]))  # type: ignore[misc]
                connection.rollback()
            assert session.outcome() == "done"
        finally:
            other.rollback()
            admin.execute("DELETE FROM tenancy_private.pending_deactivations")


OTHERS = {
    "activation set_activation activate pending_deactivations wait": _given_again,
    "activation set_activation deactivate pending_deactivations": _held,
}
