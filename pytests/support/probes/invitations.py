"""Invitations: delegation, and the effect of tokens."""

from __future__ import annotations

from support.probes.base import ENTER, WAIT, Probed, Question, error_of, superuser, two_sessions

INVITE = "SELECT tenancy.invite_member({})"
ACCEPT = "SELECT user_id::text, organization_id::text FROM tenancy.accept_invitation('{}')"
PEEK = "SELECT * FROM tenancy.peek_invitation('{}')"
WRITE = (
    "INSERT INTO tenancy.invitations (organization_id, email, role, token_hash, expires_at)"
    " VALUES ('{{duo}}', 'x@example.com', '{}', {}, {})"
)


QUESTIONS: list[Question] = [
    (
        "app",
        "abe",
        "acme",
        "SELECT count(*), bool_and(organization_id = '{acme}') FROM tenancy.invitations",
        [(6, True)],
    ),
    ("app", "uma", "acme", "SELECT count(*) FROM tenancy.invitations", [(0,)]),
    ("app", "ann", None, "SELECT count(*) FROM tenancy.invitations", [(0,)]),
    ("app", "ann", "acme", "SELECT token_hash FROM tenancy.invitations", "42501"),
    ("service", None, None, "SELECT count(*) FROM tenancy.invitations", [(8,)]),
    ("service", None, None, "SELECT token_hash FROM tenancy.invitations", "42501"),
    (
        "app",
        "max",
        "acme",
        "SELECT string_agg(email || ' ' || status, ', ' ORDER BY email COLLATE \"C\") FROM tenancy.invitations()",
        [
            (
                "expired@example.com expired, lapsed@example.com expired, olga@example.com pending,"
                " open@example.com pending, revoked@example.com revoked, used@example.com accepted",
            )
        ],
    ),
    ("app", "uma", "acme", "SELECT * FROM tenancy.invitations()", "permission_denied"),
    ("app", "ann", None, "SELECT * FROM tenancy.invitations()", "organization_required"),
    ("app", "uma", "acme", INVITE.format("'x@example.com'"), "permission_denied"),
    ("app", "ann", None, INVITE.format("'x@example.com'"), "organization_required"),
    ("app", "abe", "acme", INVITE.format("'x@example.com', 'owner'"), "delegation_denied"),
    ("app", "ann", "acme", INVITE.format("'x@example.com', 'king'"), "unknown_role"),
    *(
        ("app", "ann", "acme", INVITE.format(f"E'{email}'"), "email_invalid")
        for email in ("x", "x@", "a b@x", "a@b@c", "a,b@x", "x@example.com>", "x" * 251 + "@x.y", "a@x\nb")
    ),
    ("app", "ann", "acme", INVITE.format("NULL"), "email_invalid"),
    *(
        ("app", "ann", "acme", INVITE.format(f"'x@example.com', 'user', {lifetime}"), "invitation_expiry_invalid")
        for lifetime in ("'0'", "'-1 s'", "'90 days 1 s'")
    ),
    ("app", "ann", "acme", INVITE.format("' UMA@example.com'"), "already_a_member"),
    ("app", "ann", "acme", INVITE.format("' OPEN@example.com'"), "invitation_pending"),
    *(
        ("app", "ann", "duo", ["SELECT tenancy.invite_member('" + email + "')", "SELECT 1"], [(1,)])
        for email in ("uma@example.com", "open@example.com")
    ),
    *(
        superuser(
            [
                "as app",
                "enter ann acme",
                f"SELECT tenancy.invite_member('{email}@example.com')",
                "as None",
                "SELECT string_agg(o.slug || ' ' || i.email, ', ' ORDER BY o.slug, i.email)"
                " FROM tenancy.invitations AS i JOIN public.organizations AS o ON o.id = i.organization_id"
                " WHERE i.lapsed_at >= now()",
            ],
            [(lapsed,)],
        )
        for email, lapsed in (("EXPIRED", "acme expired@example.com"), ("revoked", None), ("used", None))
    ),
    superuser(
        [
            "as app",
            "enter max acme",
            "SELECT set_config('test.token', token, true)"
            " FROM tenancy.invite_member(' X@example.com ', 'manager', NULL)",
            "as None",
            "SELECT organization_id::text = '{acme}', email, role, invited_by_user_id::text = '{max}',"
            " token_hash = sha256(convert_to(current_setting('test.token'), 'UTF8')),"
            " current_setting('test.token') ~ '^inv_[0-9a-f]{64}$', expires_at - created_at = interval '7 days'"
            " FROM tenancy.invitations WHERE created_at >= now()",
        ],
        [(True, "X@example.com", "manager", True, True, True, True)],
    ),
    (
        "app",
        "ann",
        "duo",
        "SELECT a.token <> b.token FROM tenancy.invite_member('x@x') AS a, tenancy.invite_member('y@x') AS b",
        [(True,)],
    ),
    # revoking
    ("app", "uma", "acme", "SELECT tenancy.revoke_invitation('{open_acme}')", "permission_denied"),
    ("app", "max", "acme", "SELECT tenancy.revoke_invitation('{open_acme}')", "delegation_denied"),
    ("app", "ann", None, "SELECT tenancy.revoke_invitation('{open_acme}')", "organization_required"),
    ("app", "ann", "duo", "SELECT tenancy.revoke_invitation('{open_acme}')", "invitation_not_found"),
    ("app", "ann", "acme", "SELECT tenancy.revoke_invitation(NULL)", "invitation_not_found"),
    *(
        ("app", "ann", "acme", f"SELECT tenancy.revoke_invitation('{{{name}_acme}}')", "invitation_not_pending")
        for name in ("expired", "used", "revoked", "lapsed")
    ),
    superuser(
        [
            "as app",
            "enter abe acme",
            "SELECT tenancy.revoke_invitation('{open_acme}')",
            "as None",
            "SELECT id::text = '{open_acme}' FROM tenancy.invitations WHERE revoked_at >= now()",
        ],
        [(True,)],
    ),
    # accepting
    *(
        ("app", None, None, statement.format(token), "invalid_invitation")
        for statement in (ACCEPT, PEEK)
        for token in ("x", "inv_expired_acme", "inv_used_acme", "inv_revoked_acme", "inv_lapsed_acme", "inv_gone_gone")
    ),
    ("app", None, None, "SELECT tenancy.accept_invitation(NULL)", "invalid_invitation"),
    ("app", None, None, "SELECT tenancy.peek_invitation(NULL)", "invalid_invitation"),
    ("app", None, None, PEEK.format("inv_open_acme"), [("Acme", "admin", False)]),
    ("app", None, None, PEEK.format("inv_olga_acme"), [("Acme", "admin", True)]),
    superuser(
        [
            "UPDATE tenancy.invitations SET email = 'OLGA@Example.com' WHERE id = '{olga_acme}'",
            "as app",
            PEEK.format("inv_olga_acme"),
        ],
        [("Acme", "admin", True)],
    ),
    ("app", None, None, ACCEPT.format("inv_olga_acme"), [("{olga}", "{acme}")]),
    ("app", None, None, [ACCEPT.format("inv_open_acme"), ACCEPT.format("inv_open_acme")], "invalid_invitation"),
    ("app", None, None, [ACCEPT.format("inv_olga_acme"), "SELECT tenancy.current_user_id()"], "no_context"),
    (
        "app",
        "uma",
        "acme",
        [ACCEPT.format("inv_open_bulk"), "SELECT tenancy.current_user_id()::text, tenancy.current_role()"],
        [("{uma}", "user")],
    ),
    superuser(
        [
            "as app",
            "SELECT tenancy.accept_invitation('inv_open_bulk', 'newt', 'N', 'T', 'h')",
            "SELECT tenancy.accept_invitation('inv_open_acme', 'x', 'x', 'x', 'x')",
            "SELECT tenancy.accept_invitation('inv_olga_acme', 'x', 'x', 'x', 'x')",
            "as None",
            "SELECT u.email, u.username, u.first_name, u.last_name, u.password_hash, u.role, m.role, o.slug"
            " FROM public.users AS u JOIN public.organization_memberships AS m ON u.id = m.user_id"
            " JOIN public.organizations AS o ON o.id = m.organization_id"
            " WHERE u.username IN ('newt', 'olga', 'x') ORDER BY 2, 8",
        ],
        [
            ("open@example.com", "newt", "N", "T", "h", "user", "admin", "acme"),
            ("open@example.com", "newt", "N", "T", "h", "user", "admin", "bulk"),
            ("olga@example.com", "olga", "Olga", "Example", "hash of olga", "user", "admin", "acme"),
            ("olga@example.com", "olga", "Olga", "Example", "hash of olga", "user", "owner", "bulk"),
        ],
    ),
    superuser(
        [
            "INSERT INTO public.organization_memberships (organization_id, user_id, role)"
            " VALUES ('{acme}', '{olga}', 'owner')",
            "as app",
            ACCEPT.format("inv_olga_acme"),
            "as None",
            "SELECT m.role, i.email, i.accepted_at >= now()"
            " FROM public.organization_memberships AS m, tenancy.invitations AS i"
            " WHERE m.user_id = '{olga}' AND m.organization_id = '{acme}' AND i.accepted_by_user_id = '{olga}'",
        ],
        [("owner", "olga@example.com", True)],
    ),
    # what an invitation can be
    *(
        superuser(statement, error)
        for statement, error in (
            (WRITE.format("king", "sha256('x')", "'infinity'"), "invitations_role_check"),
            (WRITE.format("user", "'x'", "'infinity'"), "invitations_token_hash_check"),
            (WRITE.format("user", "sha256('x')", "'-infinity'"), "invitations_expires_at_check"),
            ("UPDATE tenancy.invitations SET accepted_at = now(), revoked_at = now()", "invitations_state_check"),
            (
                "UPDATE tenancy.invitations SET accepted_by_user_id = '{ann}' WHERE id = '{open_acme}'",
                "invitations_state_check",
            ),
        )
    ),
    superuser(
        [
            "as app",
            "enter ann acme",
            "SELECT tenancy.revoke_invitation('{open_acme}')",
            "as None",
            "SELECT action, object_id, user_id::text, array(SELECT jsonb_object_keys(new_values))"
            " FROM tenancy.audit_log WHERE object_kind = 'invitation' AND occurred_at > now()",
        ],
        [("invitation.update", "{open_acme}", "{ann}", ["revoked_at"])],
    ),
    superuser(
        "SELECT DISTINCT jsonb_exists(new_values, 'token_hash') FROM tenancy.audit_log"
        " WHERE object_kind = 'invitation'",
        [(False,)],
    ),
]


def _one_account(probed: Probed) -> None:
    """Two organizations that an unknown address joins at the same time wait for each other's account."""
    with two_sessions(probed) as (connection, other):
        connection.execute("SELECT tenancy.accept_invitation('inv_open_acme')")
        assert probed.waits(other, "SELECT tenancy.accept_invitation('inv_open_bulk')"), "two accounts"


def _past_account(probed: Probed) -> None:
    """An account that a snapshot does not show is not created twice."""
    lock = "SELECT tenancy_private.lock_email('open@example.com')"
    with two_sessions(probed, None) as (connection, other):
        connection.execute(lock)
        connection.commit()
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT 1 FROM pg_class LIMIT 1")
        connection.execute(lock)
        connection.commit()
        assert error_of(other, "SELECT tenancy.accept_invitation('inv_open_bulk')") == "40001", "two accounts"


def _waits_for_no_owner(probed: Probed) -> None:
    """Accepting does not wait for changes of the organization; revoking checks when it is done."""
    with two_sessions(probed) as (connection, other):
        connection.execute(ENTER, [probed.ids["ann"], probed.ids["acme"]])
        connection.execute("SELECT tenancy.change_member_role(%s, 'admin')", [probed.ids["max"]])
        other.execute(WAIT)
        assert error_of(other, "SELECT tenancy.accept_invitation('inv_open_acme')") == "done"
        connection.rollback()
        connection.execute(WAIT)
        connection.execute(ENTER, [probed.ids["max"], probed.ids["acme"]])
        answer = error_of(connection, "SELECT tenancy.revoke_invitation(%s)", probed.ids["open_acme"])
        assert answer == "55P03", answer


OTHERS = {
    "accept_invitation new_user lock_email wait": _one_account,
    "lock_email accept_invitation snapshot": _past_account,
    "accept_invitation revoke_invitation wait": _waits_for_no_owner,
}
