"""Members, their roles, and the last owner."""

from __future__ import annotations

from support.probes.base import (
    ENTER,
    IMMEDIATE,
    KEEPS,
    REPLICA,
    WAIT,
    Probed,
    Question,
    error_of,
    superuser,
    two_sessions,
)

MEMBER = "UPDATE public.organization_memberships SET {} WHERE organization_id = '{{acme}}' AND user_id = '{{ann}}'"


QUESTIONS: list[Question] = [
    # A role applies in one organization only.
    superuser(
        [
            "INSERT INTO public.organization_memberships (organization_id, user_id, role)"
            " VALUES ('{duo}', '{uma}', 'user')",
            "as app",
            "enter ann acme",
            "SELECT tenancy.change_member_role('{uma}', 'admin')",
            "as None",
            "SELECT string_agg(role, ' ' ORDER BY role) FROM public.organization_memberships WHERE user_id = '{uma}'",
        ],
        [("admin user",)],
    ),
    (
        "app",
        "uma",
        "acme",
        "SELECT array_agg(username ORDER BY username) FROM tenancy.members()",
        [(["abe", "ann", "max", "uma"],)],
    ),
    ("app", "ann", None, "SELECT * FROM tenancy.members()", "organization_required"),
    ("app", "uma", "acme", "SELECT username, role FROM tenancy.member('{max}')", [("max", "manager")]),
    # A member of another organization.
    ("app", "ann", "acme", "SELECT * FROM tenancy.member('{olga}')", []),
    ("app", "ann", None, "SELECT * FROM tenancy.member('{ann}')", "organization_required"),
    ("app", "sam", "platform", "SELECT * FROM tenancy.members()", "organization_required"),
    ("app", "sam", "platform", "SELECT * FROM tenancy.member('{sam}')", "organization_required"),
    ("app", "ann", None, "SELECT tenancy.change_member_role('{uma}', 'user')", "organization_required"),
    ("app", "ann", None, "SELECT tenancy.leave_organization()", "organization_required"),
    *(
        superuser(
            ["DELETE FROM tenancy.role_permissions WHERE role = 'user'", "as app", "enter uma acme", statement],
            "permission_denied",
        )
        for statement in ("SELECT * FROM tenancy.members()", "SELECT * FROM tenancy.member('{uma}')")
    ),
    superuser(
        [
            "DELETE FROM tenancy.role_permissions WHERE role = 'user'",
            "as app",
            "enter uma acme",
            "SELECT count(*) FROM public.organization_memberships",
        ],
        [(0,)],
    ),
    ("app", "ann", "acme", "SELECT tenancy.change_member_role('{uma}', 'boss')", "unknown_role"),
    ("app", "ann", "acme", "SELECT tenancy.change_member_role('{uma}', NULL)", "unknown_role"),
    ("app", "ann", "acme", "SELECT tenancy.change_member_role('{olga}', 'user')", "member_not_found"),
    ("app", "abe", "acme", "SELECT tenancy.change_member_role('{uma}', 'manager')", "delegation_denied"),
    ("app", "abe", "acme", "SELECT tenancy.change_member_role('{max}', 'user')", "delegation_denied"),
    ("app", "abe", "acme", "SELECT tenancy.change_member_role('{abe}', 'owner')", "delegation_denied"),
    ("app", "uma", "acme", "SELECT tenancy.change_member_role('{uma}', 'user')", "permission_denied"),
    ("app", "ann", "acme", "SELECT tenancy.change_member_role('{ann}', 'user')", KEEPS),
    superuser(
        [
            "as app",
            "enter max acme",
            "SELECT tenancy.change_member_role('{uma}', 'manager')",
            "as None",
            "SELECT count(*) FROM public.organization_memberships WHERE role = 'manager'",
        ],
        [(2,)],
    ),
    ("app", "abe", "acme", "SELECT tenancy.remove_member('{max}')", "delegation_denied"),
    ("app", "uma", "acme", "SELECT tenancy.remove_member('{abe}')", "permission_denied"),
    ("app", "ann", "acme", "SELECT tenancy.remove_member('{ann}')", KEEPS),
    ("app", "ann", "acme", "SELECT tenancy.remove_member('{olga}')", "member_not_found"),
    ("app", "ann", "acme", "SELECT tenancy.leave_organization()", KEEPS),
    *(
        superuser(
            ["as app", f"enter {who} acme", call, "as None", "SELECT count(*) FROM public.organization_memberships"],
            [(7,)],
        )
        for who, call in (
            ("abe", "SELECT tenancy.remove_member('{uma}')"),
            # A member of another organization, too.
            ("ann", "SELECT tenancy.remove_member('{abe}')"),
            ("uma", "SELECT tenancy.leave_organization()"),
        )
    ),
    # Changes since the transaction entered count.
    *(
        superuser(
            ["as app", "enter abe acme", "as None", meanwhile, "as app", "SELECT tenancy.remove_member('{uma}')"],
            error,
        )
        for meanwhile, error in (
            (
                MEMBER.format("role = 'user'").replace("{ann}", "{abe}"),
                "permission_denied",
            ),
            ("DELETE FROM public.organization_memberships WHERE user_id = '{abe}'", "not_a_member"),
            ("UPDATE tenancy.workspaces SET deleted_at = now() WHERE id = '{acme}'", "not_a_member"),
        )
    ),
    # the last owner
    *(
        ("service", None, None, [statement, IMMEDIATE], KEEPS)
        for statement in (
            MEMBER.format("role = 'user'"),
            MEMBER.format("organization_id = '{bulk}'"),
            "DELETE FROM public.organization_memberships WHERE organization_id = '{acme}'",
            "DELETE FROM public.users WHERE id = '{ann}'",
        )
    ),
    *(
        superuser([REPLICA, statement, IMMEDIATE], KEEPS)
        for statement in (
            "UPDATE public.organization_memberships SET role = 'user'",
            "DELETE FROM public.organization_memberships",
            "TRUNCATE public.organization_memberships",
        )
    ),
    ("service", None, None, ["DELETE FROM public.organizations WHERE id = '{acme}'", IMMEDIATE, "SELECT 1"], [(1,)]),
    (
        "service",
        None,
        None,
        [
            MEMBER.format("role = 'user'"),
            "UPDATE public.organization_memberships SET role = 'owner' WHERE user_id = '{uma}'",
            IMMEDIATE,
            "SELECT 1",
        ],
        [(1,)],
    ),
]


def _second_waits(probed: Probed) -> None:
    """Two changes of one organization's owners wait for each other."""
    with two_sessions(probed) as (connection, other):
        connection.execute(ENTER, [probed.ids["ann"], probed.ids["duo"]])
        connection.execute("SELECT tenancy.leave_organization()")
        other.execute(WAIT)
        other.execute(ENTER, [probed.ids["abe"], probed.ids["duo"]])
        assert error_of(other, "SELECT tenancy.leave_organization()") == "55P03", "both left"


def _refused_without_waiting(probed: Probed) -> None:
    """A caller without the permission gets an error, and blocks nobody."""
    with two_sessions(probed) as (connection, other):
        connection.execute(ENTER, [probed.ids["ann"], probed.ids["acme"]])
        connection.execute("SELECT tenancy.change_member_role(%s, 'admin')", [probed.ids["max"]])
        other.execute(WAIT)
        other.execute(ENTER, [probed.ids["uma"], probed.ids["acme"]])
        answer = error_of(other, "SELECT tenancy.remove_member(%s)", probed.ids["max"])
        assert answer == "permission_denied", answer


def _second_service_waits(probed: Probed) -> None:
    """The same for plain SQL, by a service and by the superuser."""
    demote = "UPDATE public.organization_memberships SET role = 'user' WHERE organization_id = %s AND user_id = %s"
    with two_sessions(probed, "service", None) as (connection, other):
        connection.execute(demote, [probed.ids["duo"], probed.ids["ann"]])
        connection.execute(IMMEDIATE)
        other.execute(WAIT)
        other.execute(demote, [probed.ids["duo"], probed.ids["abe"]])
        assert error_of(other, IMMEDIATE) == "55P03", "both were demoted"


OTHERS = {
    "act_in_organization wait": _second_waits,
    "act_in_organization refused": _refused_without_waiting,
    "keep_an_owner wait": _second_service_waits,
}
