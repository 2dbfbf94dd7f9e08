"""Entering, the seal, permissions, and the trigger that checks them."""

from __future__ import annotations

from support.probes.base import (
    CONTEXT,
    COUNTED_APART,
    ENTER,
    ENTER_PLATFORM,
    ENTER_WITH_KEY,
    NIL,
    REPLICA,
    SEALED,
    SET,
    Probed,
    Question,
    error_of,
    superuser,
)
from support.racing import Session

FORGE = "SELECT set_config('tenancy.context', {}, true)"
FORGED = {
    "permissions": f"overlay({CONTEXT} PLACING repeat('1', 46) FROM 73)",
    "role": f"replace({CONTEXT}, 'user', 'owner')",
    "credential": f"{CONTEXT} || '{{k_acme}}'",
    "split": f"replace({CONTEXT}, 'user_', 'us_er')",
    "seal": f"overlay({CONTEXT} PLACING repeat('1', 64) FROM 9)",
    "key": f"overlay({CONTEXT} PLACING '00000000' FROM 1)",
    "nothing": "''",
}
READERS = (
    "current_user_id()",
    "current_organization_id()",
    "current_workspace_id()",
    "current_role()",
    "current_credential_id()",
    "has_permission('members.view')",
    "require_permission('members.view')",
    "require_person()",
    "my_permissions()",
    "require_access('public.models', 'INSERT')",
    "current_workspace()",
    "badge('{acme}')",
)

CHANGED = (
    ("current_user_id", "{olga}"),
    ("current_user_id", ""),
    ("current_organization_id", "{bulk}"),
    ("current_organization_id", ""),
    ("current_organization_id", NIL),
)
# Characters cannot move from one part to another: for a person in the personal workspace and in an
# organization.
MOVED = (
    (
        "ann None",
        [SET.format("current_user_id", ""), SET.format("current_organization_id", "{ann}")],
    ),
    *(
        (
            "ann acme",
            [
                *(SET.format(name, value) for name, value in moved),
                FORGE.format(f"left({CONTEXT}, 72) || '{{acme}}' || substr({CONTEXT}, 73)"),
            ],
        )
        for moved in (
            [("current_organization_id", "")],
            [("current_user_id", ""), ("current_organization_id", "{ann}")],
        )
    ),
)
# Each with the context in the parameter, and with sealed contexts.
ON_BOTH: list[Question] = [
    superuser([*first, "as app", f"enter {who}", *changes, "SELECT tenancy.current_workspace_id()"], "invalid_context")
    for first in ([], [SEALED])
    for who, changes in (
        *MOVED,
        *(("ann acme", [SET.format(name, value)]) for name, value in CHANGED),
        *(("uma acme", [FORGE.format(forged)]) for forged in FORGED.values()),
    )
] + [
    superuser([*first, "as app", f"enter {who}", "SELECT tenancy.current_workspace_id()::text"], [(workspace,)])
    for first in ([], [SEALED])
    for who, workspace in (("ann acme", "{acme}"), ("ann None", "{ann}"), ("sam platform", NIL))
]

QUESTIONS: list[Question] = [
    *ON_BOTH,
    # the context
    *(("app", None, None, f"SELECT tenancy.{reader}", "no_context") for reader in READERS),
    ("app", None, None, [SET.format("current_user_id", "{ann}"), "SELECT 1 FROM public.users"], "invalid_context"),
    (
        "app",
        None,
        None,
        [
            SET.format("current_user_id", "{ann}"),
            SET.format("current_organization_id", "{acme}"),
            SET.format("context", "0" * 72 + "1" * 46 + "_owner_"),
            "SELECT 1 FROM public.users",
        ],
        "invalid_context",
    ),
    *(
        ("app", "ann", "acme", [SET.format(name, value), f"SELECT tenancy.{reader}"], "invalid_context")
        for name, value in CHANGED
        for reader in READERS
    ),
    *(
        ("app", "uma", "acme", [FORGE.format(FORGED["permissions"]), statement], "invalid_context")
        for statement in (
            "UPDATE public.instances SET ip_address = NULL",
            "UPDATE public.models SET name = name",
            "INSERT INTO public.models (name, model_id) VALUES ('x', 'x')",
            "SELECT count(*) FROM tenancy.audit_log",
            "SELECT tenancy.terminate_instance('{i_acme}')",
        )
    ),
    ("app", "ann", "acme", "SELECT tenancy.current_user_id()::text = '{ann}'", [(True,)]),
    ("app", "ann", "acme", "SELECT tenancy.current_organization_id()::text = '{acme}'", [(True,)]),
    ("app", "ann", "acme", "SELECT tenancy.current_workspace_id()::text = '{acme}'", [(True,)]),
    ("app", "ann", None, "SELECT tenancy.current_workspace_id()::text = '{ann}'", [(True,)]),
    ("app", "ann", None, "SELECT tenancy.current_organization_id(), tenancy.current_role()", [(None, None)]),
    ("app", "max", "acme", "SELECT tenancy.current_role()", [("manager",)]),
    (
        "app",
        "uma",
        "acme",
        f"SELECT {CONTEXT} ~ '^[0-9a-f]{{72}}[01]{{46}}_user_$', substr({CONTEXT}, 75, 1), substr({CONTEXT}, 93, 1)",
        [(True, "1", "0")],
    ),
    # the platform's workspace
    (
        "app",
        "sam",
        "platform",
        "SELECT tenancy.current_user_id()::text, tenancy.current_organization_id(),"
        " tenancy.current_workspace_id()::text, tenancy.current_role(), tenancy.current_credential_id(),"
        " tenancy.has_permission('models.create'), tenancy.has_permission('members.invite')",
        [("{sam}", None, NIL, "staff", None, True, False)],
    ),
    (
        "app",
        "sam",
        "platform",
        "SELECT kind, name, slug, role FROM tenancy.current_workspace()",
        [("platform", "Platform", None, "staff")],
    ),
    ("app", "sam", None, "SELECT tenancy.current_role()", [(None,)]),
    *(("app", who, "platform", "SELECT 1", "not_a_member") for who in ("ann", "olga", "nobody")),
    ("app", None, None, "SELECT tenancy.enter_platform(NULL)", "not_a_member"),
    ("app", "sam", "nobody", "SELECT 1", "not_a_member"),
    ("app", None, None, f"SELECT tenancy.enter('{{sam}}', '{NIL}')", "not_a_member"),
    ("app", "sam", "platform", ["enter sam None", "SELECT 1"], "context_already_set"),
    ("app", "sam", None, ["enter sam platform", "SELECT 1"], "context_already_set"),
    ("app", "sam", "platform", ["enter sam platform", "SELECT 1"], [(1,)]),
    ("credentialed", "sam", "platform", "SELECT 1", "42501"),
    ("auditor", "sam", "platform", "SELECT 1", "42501"),
    superuser(
        ["UPDATE public.users SET role = 'user' WHERE id = '{sam}'", "as app", "enter sam platform", "SELECT 1"],
        "not_a_member",
    ),
    # the matrix, as it is sealed
    superuser(
        [
            "INSERT INTO tenancy.role_permissions VALUES ('organization.update', 'user')",
            "as app",
            "enter uma acme",
            "SELECT tenancy.has_permission('organization.update')",
        ],
        [(True,)],
    ),
    *(
        superuser(
            [*before, "as app", "enter uma acme", "SELECT tenancy.has_permission('models.view')"],
            [(False,)],
        )
        for before in (
            ["DELETE FROM tenancy.role_permissions WHERE permission = 'models.view'"],
            [
                "UPDATE tenancy.role_permissions SET permission = 'users.create'"
                " WHERE role = 'user' AND permission = 'models.view'"
            ],
            ["TRUNCATE tenancy.role_permissions"],
            ["DELETE FROM tenancy.permissions WHERE permission = 'models.view'"],
            [REPLICA, "DELETE FROM tenancy.role_permissions WHERE permission = 'models.view'"],
        )
    ),
    *(
        superuser(
            [*before, "INSERT INTO tenancy.permissions VALUES ('things.view', 60)", "as app", *asked],
            answer,
        )
        for before in ([], [REPLICA])
        for asked, answer in (
            (["enter ann None", "SELECT tenancy.has_permission('things.view')"], [(True,)]),
            (["enter ann acme", "SELECT tenancy.has_permission('things.view')"], [(False,)]),
            (["enter ann None", f"SELECT substr({CONTEXT}, 72 + 46, 2 + 13)"], [("1" + "0" * 13 + "1",)]),
        )
    ),
    superuser(
        [
            "as app",
            "enter uma acme",
            "as None",
            "INSERT INTO tenancy.role_permissions VALUES ('organization.update', 'user')",
            "as app",
            "SELECT tenancy.has_permission('organization.update')",
        ],
        [(False,)],
    ),
    # permissions of the application's own
    superuser(
        [
            COUNTED_APART,
            "SELECT tenancy.define_permission('things.view', ARRAY['user', 'staff'])",
            "SELECT tenancy.define_permission('things.view', ARRAY['user', 'owner'])",
            "SELECT array_agg(h.role ORDER BY h.role), min(p.number) > 100 FROM tenancy.role_permissions AS h"
            " JOIN tenancy.permissions AS p USING (permission) WHERE permission = 'things.view'",
        ],
        [(["owner", "user"], True)],
    ),
    superuser(
        [
            COUNTED_APART,
            "SELECT tenancy.define_permission('things.view', ARRAY['user'])",
            "SELECT array_agg(role ORDER BY role) FROM tenancy.role_permissions WHERE permission = 'models.delete'",
        ],
        [(["admin", "owner", "staff"],)],
    ),
    # A repeated definition uses no number.
    superuser(
        [
            COUNTED_APART,
            "SELECT tenancy.define_permission('things.view')",
            "SELECT tenancy.define_permission('things.view')",
            "SELECT tenancy.define_permission('things.change')",
            "SELECT max(number) - min(number) FROM tenancy.permissions WHERE permission ~ '^things'",
        ],
        [(1,)],
    ),
    *(
        superuser([COUNTED_APART, f"SELECT tenancy.define_permission({arguments})"], error)
        for arguments, error in (
            ("NULL", "permission_invalid"),
            ("'things'", "permission_invalid"),
            ("'Things.view'", "permission_invalid"),
            ("'things.' || repeat('x', 100)", "permission_invalid"),
            ("'things.view', ARRAY['boss']", "role_invalid"),
            ("'things.view', ARRAY['user', NULL]", "role_invalid"),
            ("'things.view', NULL", "role_invalid"),
        )
    ),
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
    *(
        (
            "app",
            "ann",
            "acme",
            [
                *(SET.format(name, "") for name in ("context", "current_user_id", "current_organization_id")),
                f"enter {who}",
                "SELECT 1",
            ],
            "context_already_set",
        )
        for who in ("olga bulk", "ann duo", "ann None", "sam platform")
    ),
    ("app", "ann", "acme", ["enter ann acme", "SELECT 1"], [(1,)]),
    # Entering relies on a scan of the keys' table, whatever planner methods the caller has
    # disabled.
    ("app", None, None, ["SET LOCAL enable_seqscan = off", "enter ann acme", "SELECT 1"], [(1,)]),
    # An application's own advisory lock does not count as having entered.
    ("app", "ann", "acme", ["SELECT pg_advisory_xact_lock(1, 2)", "enter ann acme", "SELECT 1"], [(1,)]),
    ("credentialed", "ann", "acme", "SELECT 1", "42501"),
    ("auditor", "ann", "acme", "SELECT 1", "42501"),
    # a login that sees everything
    *(
        (login, who, where, "SELECT 1", "login_sees_everything")
        for login in ("service", None)
        for who, where in (("ann", "acme"), ("ann", None), ("sam", "platform"), ("nobody", None))
    ),
    (
        "service",
        None,
        None,
        ["serve ann acme", "SELECT tenancy.current_role(), tenancy.has_permission('models.create')"],
        [("owner", True)],
    ),
    ("service", None, None, ["serve ann bulk", "SELECT 1"], "not_a_member"),
    ("service", None, None, ["serve ann acme", "serve uma acme", "SELECT 1"], "context_already_set"),
    ("app", None, None, "SELECT tenancy.enter_as_service('{ann}')", "42501"),
    ("service", None, None, "SELECT tenancy.enter_with_api_key('k_acme-1')", "login_sees_everything"),
    superuser("SELECT tenancy.enter_with_ticket('x')", "login_sees_everything"),
    ("service", None, None, "SELECT tenancy.enter_with_api_key('x')", "login_sees_everything"),
    ("service", None, None, "SELECT tenancy.enter_with_session('x')", "login_sees_everything"),
    ("service", None, None, "SELECT tenancy.enter_platform('{uma}')", "login_sees_everything"),
    # The role set by SET ROLE counts, not the session's.
    superuser(["SET LOCAL ROLE tenancy_app", "enter ann acme", "SELECT tenancy.current_role()"], [("owner",)]),
    superuser(["SET LOCAL ROLE tenancy_owner", "enter ann acme", "SELECT 1"], "login_sees_everything"),
    # The superuser, who could act as a tenant, needs no context.
    superuser(["UPDATE public.models SET name = name", "SELECT 1"], [(1,)]),
    ("service", None, None, ["UPDATE public.models SET name = name", "SELECT 1"], [(1,)]),
    ("service", None, None, ["serve uma acme", "UPDATE public.models SET name = name", "SELECT 1"], [(1,)]),
    # what a command needs
    *(
        ("app", who, where, f"SELECT tenancy.require_access('{table}', '{command}')", answer)
        for who, where, table, command, answer in (
            ("uma", "acme", "public.models", "INSERT", "permission_denied"),
            ("uma", "acme", "public.models", "UPDATE", "permission_denied"),
            ("ann", "acme", "public.models", "INSERT", [("",)]),
            ("ann", "acme", "public.models", "DELETE", "permission_denied"),
            ("ann", "acme", "public.users", "UPDATE", "permission_denied"),
            ("ann", "acme", "public.providers", "UPDATE", "permission_denied"),
            ("ann", "acme", "public.organizations", "SELECT", "permission_denied"),
            ("ann", None, "public.models", "UPDATE", "permission_denied"),
            ("ann", None, "public.instances", "UPDATE", [("",)]),
            ("sam", None, "public.models", "INSERT", "permission_denied"),
            ("sam", "platform", "public.models", "INSERT", [("",)]),
        )
    ),
    (
        "app",
        None,
        None,
        [ENTER_WITH_KEY.format("k_ann"), "SELECT tenancy.require_access('public.api_keys', 'UPDATE')"],
        "person_required",
    ),
]


def _replay(probed: Probed) -> None:
    names = ("current_user_id", "current_organization_id", "context")
    query = "SELECT " + ", ".join(f"current_setting('tenancy.{name}')" for name in names)
    answer = probed.ask("app", "ann", "acme", query)
    assert isinstance(answer, list), answer
    (values,) = answer
    steps = [SET.format(name, value) for name, value in zip(names, values, strict=True)]
    answer = probed.ask("app", None, None, [*steps, "SELECT tenancy.current_user_id()"])
    assert answer == "invalid_context", answer


def _committed_replay(probed: Probed) -> None:
    """The context of a committed transaction is not valid in the next one, if its variables are set again."""
    names = [f"tenancy.{name}" for name in ("current_user_id", "current_organization_id", "context")]
    with probed.database.connect(probed.logins["app"]) as connection:
        connection.execute(ENTER, [probed.ids["ann"], probed.ids["acme"]])
        values = [(connection.execute("SELECT current_setting(%s)", [name]).fetchone() or ("",))[0] for name in names]
        connection.commit()
        for name, value in zip(names, values, strict=True):
            connection.execute("SELECT set_config(%s, %s, true)", [name, value])
        answer = error_of(connection, "SELECT tenancy.current_user_id()")
        assert answer == "invalid_context", answer


def _sealed_replay(probed: Probed) -> None:
    """The same with sealed contexts."""
    before = probed.admin.execute("SELECT pg_get_functiondef('tenancy_private.may_carry()'::regprocedure)").fetchone()
    assert before is not None
    try:
        probed.admin.execute(SEALED)
        _replay(probed)
    finally:
        probed.admin.execute(before[0])


def _autocommit(probed: Probed) -> None:
    # With parameters it would be several messages, and the first would begin the transaction.
    answer = error_of(probed.lone, probed.filled("SELECT tenancy.enter('{ann}')"))
    assert answer == "transaction_required", answer


def _fresh_session(probed: Probed) -> None:
    """A session in which nothing was ever set is in no workspace either."""
    with probed.database.connect(probed.logins["app"]) as connection:
        for query in ("SELECT tenancy.current_workspace_id()", "SELECT count(*) FROM public.models"):
            answer = error_of(connection, query)
            assert answer == "no_context", answer
            connection.rollback()


def _bypasses(probed: Probed) -> None:
    """A role that bypasses row-level security, tenancy_writer, and legacy logins cannot enter."""
    connection, login = probed.connections[None], f"{probed.database.name}_bypass"
    for by in ("BYPASSRLS", "IN ROLE tenancy_writer", "IN ROLE tenancy_legacy"):
        try:
            connection.execute(f"CREATE ROLE {login} {by}".encode())
            connection.execute(f"GRANT tenancy_app TO {login}".encode())
            connection.execute(f"SET LOCAL ROLE {login}".encode())
            for query in ("SELECT tenancy.enter(%s)", "SELECT tenancy.enter_platform(%s)"):
                with connection.transaction(force_rollback=True):
                    answer = error_of(connection, query, probed.ids["sam"])
                    assert answer == "login_sees_everything", (by, answer)
        finally:
            connection.rollback()


def _in_force(probed: Probed) -> None:
    """A login cannot enter after SET ROLE to the role of services, even if it does not inherit its rights."""
    connection, login = probed.connections[None], f"{probed.database.name}_both"
    try:
        connection.execute(f"CREATE ROLE {login} NOINHERIT IN ROLE tenancy_app, tenancy_service".encode())
        connection.execute(f"SET LOCAL SESSION AUTHORIZATION {login}".encode())
        connection.execute("SET LOCAL ROLE tenancy_service")
        answer = error_of(connection, ENTER, probed.ids["ann"], probed.ids["acme"])
        assert answer == "login_sees_everything", answer
    finally:
        connection.rollback()


def _old_snapshots(probed: Probed) -> None:
    """A transaction with an old snapshot cannot enter a workspace that has been closed since."""
    acme = [probed.ids["uma"], probed.ids["acme"]]
    membership = "UPDATE public.organization_memberships SET role = {} WHERE user_id = '{{uma}}'"
    deleted = "UPDATE tenancy.workspaces SET deleted_at = {} WHERE id = '{{acme}}'"
    account = "UPDATE public.users SET username = username WHERE id = '{sam}'"
    other = probed.connections["other"]
    for change, back, entering, values in (
        (membership.format("'manager'"), membership.format("'user'"), ENTER, acme),
        (deleted.format("now()"), deleted.format("NULL"), ENTER, acme),
        (account, account, ENTER, [probed.ids["sam"], None]),
        (account, account, ENTER_PLATFORM, [probed.ids["sam"]]),
    ):
        for level, answer in (("REPEATABLE READ", "40001"), ("SERIALIZABLE", "40001")):
            try:
                other.execute(f"SET TRANSACTION ISOLATION LEVEL {level}".encode())
                other.execute("SELECT 1")
                probed.admin.execute(probed.filled(change).encode())
                found = error_of(other, entering, *values)
                assert found == answer, (change, level, found)
            finally:
                other.rollback()
                probed.admin.execute(probed.filled(back).encode())
        # An unchanged membership is valid, and the check does not lock it.
        try:
            other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            found = error_of(other, entering, *values)
            assert found == "done", (entering, found)
            probed.admin.execute("SET lock_timeout = '40ms'")
            probed.admin.execute(probed.filled(back).encode())
        finally:
            probed.admin.execute("RESET lock_timeout")
            other.rollback()
        # This cannot be checked where nothing can be locked.
        try:
            other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            found = error_of(other, entering, *values)
            assert found == "snapshot_not_checked", (entering, found)
        finally:
            other.rollback()


def _matrix_waits(probed: Probed) -> None:
    """Two simultaneous changes of the matrix are both in later contexts."""
    grant = "INSERT INTO tenancy.role_permissions VALUES ('organization.update', %s)"
    admin = probed.admin
    sealed = admin.execute("SELECT role, bits FROM tenancy_private.role_bits").fetchall()
    try:
        with probed.database.connect() as connection, probed.database.connect() as other:
            session = Session(other, admin)
            connection.execute(grant, ["user"])
            session.start(lambda second: second.execute(grant, ["manager"]))
            connection.commit()
            session.commit()
            assert session.outcome() == "done"
        bits = "SELECT string_agg(substr(bits, 1, 1), '' ORDER BY role) FROM tenancy_private.role_bits"
        # admin, manager, owner, person, staff, user
        assert admin.execute(bits).fetchone() == ("011101",)
    finally:
        admin.execute(
            "DELETE FROM tenancy.role_permissions"
            " WHERE permission = 'organization.update' AND role IN ('user', 'manager')"
        )
        # Restored, also if the trigger that maintains it is missing.
        for role, bits in sealed:
            admin.execute("UPDATE tenancy_private.role_bits SET bits = %s WHERE role = %s", [bits, role])


OTHERS = {
    "current_workspace_id no context fresh session": _fresh_session,
    "check_login enter_as bypasses row-level security": _bypasses,
    "check_login enter_as session_user and role": _in_force,
    "check_fresh reads_the_past enter_as enter_platform snapshot": _old_snapshots,
    "refresh_role_bits role_permissions wait": _matrix_waits,
    "enter_as current_workspace_id replay": _replay,
    "seal verify_context replay": _sealed_replay,
    "enter_as current_workspace_id committed": _committed_replay,
    "enter_as require_transaction autocommit": _autocommit,
}
