"""Entering, the seal, permissions, and the trigger that asks for them."""

from __future__ import annotations

from support.probes.base import NIL, SET, Probed, Question, error_of, superuser

QUESTIONS: list[Question] = [
    # the context
    ("app", None, None, "SELECT tenancy.current_user_id()", "no_context"),
    ("app", None, None, "SELECT tenancy.current_workspace_id()", "no_context"),
    ("app", None, None, "SELECT tenancy.has_permission('members.view')", "no_context"),
    ("app", None, None, "SELECT * FROM tenancy.my_permissions()", "no_context"),
    ("app", None, None, [SET.format("current_user_id", "{ann}"), "SELECT 1 FROM public.users"], "invalid_context"),
    (
        "app",
        None,
        None,
        [
            SET.format("current_user_id", "{ann}"),
            SET.format("current_organization_id", "{acme}"),
            SET.format("current_role", "owner"),
            SET.format("seal", "00000000"),
            "SELECT 1 FROM public.users",
        ],
        "invalid_context",
    ),
    (
        "app",
        "ann",
        "acme",
        [SET.format("current_user_id", "{olga}"), "SELECT tenancy.current_user_id()"],
        "invalid_context",
    ),
    (
        "app",
        "ann",
        "acme",
        [SET.format("current_organization_id", "{bulk}"), "SELECT tenancy.current_workspace_id()"],
        "invalid_context",
    ),
    ("app", "uma", "acme", [SET.format("current_role", "owner"), "SELECT tenancy.current_role()"], "invalid_context"),
    ("app", "uma", "acme", [SET.format("seal", ""), "SELECT tenancy.current_role()"], "invalid_context"),
    ("app", "ann", "acme", "SELECT tenancy.current_user_id()::text = '{ann}'", [(True,)]),
    ("app", "ann", "acme", "SELECT tenancy.current_organization_id()::text = '{acme}'", [(True,)]),
    ("app", "ann", "acme", "SELECT tenancy.current_workspace_id()::text = '{acme}'", [(True,)]),
    ("app", "ann", None, "SELECT tenancy.current_workspace_id()::text = '{ann}'", [(True,)]),
    ("app", "ann", None, "SELECT tenancy.current_organization_id(), tenancy.current_role()", [(None, None)]),
    ("app", "max", "acme", "SELECT tenancy.current_role()", [("manager",)]),
    (
        "app",
        "sam",
        None,
        "SELECT tenancy.current_role(), current_setting('tenancy.current_role')",
        [(None, "staff")],
    ),
    ("app", "ann", None, "SELECT current_setting('tenancy.current_role')", [("",)]),
    (
        "app",
        "ann",
        "acme",
        "SELECT kind, name, slug, role FROM tenancy.current_workspace()",
        [("organization", "Acme", "acme", "owner")],
    ),
    (
        "app",
        "ann",
        None,
        "SELECT kind, name, slug, role FROM tenancy.current_workspace()",
        [("personal", "Ann Example", None, None)],
    ),
    *(
        ("app", user, "acme", "SELECT tenancy.has_permission('organization.update')", [(user == "ann",)])
        for user in ("ann", "abe", "max", "uma")
    ),
    ("app", "ann", None, "SELECT tenancy.has_permission('organization.update')", [(True,)]),
    ("app", "ann", None, "SELECT tenancy.has_permission('no.such'), tenancy.has_permission(NULL)", [(False, False)]),
    ("app", "ann", "acme", "SELECT tenancy.has_permission('no.such'), tenancy.has_permission(NULL)", [(False, False)]),
    ("app", "max", "acme", "SELECT tenancy.workspace_for('instances.create')", [(None,)]),
    (
        "app",
        "uma",
        "acme",
        "SELECT string_agg(p, ' ') FROM tenancy.my_permissions() AS p WHERE p ~ '^(members|models|audit)'",
        [("members.view models.use models.view",)],
    ),
    (
        "app",
        "ann",
        None,
        "SELECT count(*) = count(DISTINCT p) AND count(*) > 40 FROM tenancy.my_permissions() AS p",
        [(True,)],
    ),
    ("app", "uma", "acme", "SELECT tenancy.require_permission('instances.create')", "permission_denied"),
    ("app", "ann", "acme", "SELECT tenancy.require_permission(NULL)", "permission_denied"),
    ("app", "ann", "acme", "SELECT tenancy.require_permission('instances.create')::text", [("",)]),
    (
        "app",
        "ann",
        "acme",
        "SELECT tenancy.badge('{acme}'), tenancy.badge('{bulk}'), tenancy.badge('{ann}'), tenancy.badge('" + NIL + "')",
        [("Org: Acme", None, "Personal", "Public")],
    ),
    # entering
    ("app", "ann", "bulk", "SELECT 1", "not_a_member"),
    ("app", "ann", "gone", "SELECT 1", "not_a_member"),
    ("app", "nobody", None, "SELECT 1", "not_a_member"),
    ("app", "nobody", "acme", "SELECT 1", "not_a_member"),
    ("app", "ann", "nobody", "SELECT 1", "not_a_member"),
    ("app", None, None, "SELECT tenancy.enter(NULL)", "user_id_required"),
    ("app", "ann", "acme", ["enter ann None", "SELECT 1"], "context_already_set"),
    ("app", "ann", "acme", ["enter uma acme", "SELECT 1"], "context_already_set"),
    ("app", "ann", "acme", [SET.format("seal", ""), "enter olga bulk", "SELECT 1"], "context_already_set"),
    ("app", "ann", "acme", ["enter ann acme", "SELECT 1"], [(1,)]),
    ("credentialed", "ann", "acme", "SELECT 1", "42501"),
    ("auditor", "ann", "acme", "SELECT 1", "42501"),
    ("service", "ann", "acme", "SELECT tenancy.current_role()", [("owner",)]),
    # check_permission, which applications put on their own tables
    *(
        superuser(
            [
                "CREATE TABLE public.things (id integer)",
                "ALTER TABLE public.things ENABLE ROW LEVEL SECURITY",
                "CREATE POLICY things ON public.things USING (true)",
                "GRANT ALL ON public.things TO tenancy_app, tenancy_service",
                "CREATE TRIGGER p BEFORE INSERT OR UPDATE OR DELETE ON public.things"
                " FOR EACH STATEMENT EXECUTE FUNCTION tenancy.check_permission("
                "'instances.create', 'organization.update', 'models.use')",
                f"as {login}",
                f"enter {who} acme",
                statement,
                "SELECT 1",
            ],
            answer,
        )
        for login, who, statement, answer in (
            ("app", "uma", "INSERT INTO public.things VALUES (1)", "permission_denied"),
            ("app", "abe", "INSERT INTO public.things VALUES (1)", [(1,)]),
            ("app", "abe", "UPDATE public.things SET id = 2", "permission_denied"),
            ("app", "uma", "DELETE FROM public.things", [(1,)]),
            ("service", "uma", "INSERT INTO public.things VALUES (1)", [(1,)]),
        )
    ),
    # The superuser, who could act as tenancy_app and is not asked for a context.
    superuser(
        [
            "CREATE TABLE public.things (id integer)",
            "CREATE TRIGGER p BEFORE INSERT ON public.things FOR EACH STATEMENT EXECUTE FUNCTION"
            " tenancy.check_permission('instances.create', 'instances.update', 'instances.delete')",
            "INSERT INTO public.things VALUES (1)",
            "SELECT 1",
        ],
        [(1,)],
    ),
]


def _replay(probed: Probed) -> None:
    names = ("current_user_id", "current_organization_id", "current_role", "seal")
    query = "SELECT " + ", ".join(f"current_setting('tenancy.{name}')" for name in names)
    answer = probed.ask("app", "ann", "acme", query)
    assert isinstance(answer, list), answer
    (values,) = answer
    steps = [SET.format(name, value) for name, value in zip(names, values, strict=True)]
    answer = probed.ask("app", None, None, [*steps, "SELECT tenancy.current_user_id()"])
    assert answer == "invalid_context", answer


def _autocommit(probed: Probed) -> None:
    # Parameters would make it several messages, of which the first begins.
    answer = error_of(probed.lone, probed.filled("SELECT tenancy.enter('{ann}')"))
    assert answer == "transaction_required", answer


OTHERS = {
    "seal_context workspace_for replay": _replay,
    "seal_context autocommit": _autocommit,
}
