"""API keys."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from support.probes.base import (
    CONTEXT,
    ENTER,
    ENTER_WITH_KEY,
    ONE,
    REPLICA,
    WAIT,
    Probed,
    Question,
    error_of,
    later,
    superuser,
    without,
)

NO_CONTEXT = "set_config('tenancy.context', '', true)"
NEW_KEY = "SELECT tenancy.create_api_key({})"
USE_KEY = ENTER_WITH_KEY.format("k_acme")
REVOKE_KEY = "SELECT tenancy.revoke_api_key('{k_acme}')"
FORGOTTEN = "DELETE FROM tenancy_private.revocations WHERE credential_id IN (SELECT k.id FROM public.api_keys AS k)"
# Like revoke_api_key() while another transaction has locked the key's row.
REVOKED = (
    "INSERT INTO tenancy_private.revocations SELECT k.id, {}, tenancy_private.revocation_place(k.id)"
    " FROM public.api_keys AS k WHERE k.id IN ({})"
)


QUESTIONS: list[Question] = [
    ("app", "ann", "acme", "SELECT count(*) FROM public.api_keys", [(4,)]),
    ("app", "ann", None, "SELECT name FROM public.api_keys", [("ann",)]),
    ("app", "uma", "acme", "SELECT count(*) FROM public.api_keys", [(4,)]),
    ("app", "ann", "acme", "SELECT key_hash FROM public.api_keys", "42501"),
    ("service", None, None, "SELECT count(*) FROM public.api_keys", [(9,)]),
    superuser(
        [
            "DELETE FROM tenancy.role_permissions WHERE role = 'user'",
            "as app",
            "enter uma acme",
            "SELECT count(*) FROM public.api_keys",
        ],
        [(0,)],
    ),
    ("app", "uma", "acme", "UPDATE public.api_keys SET name = 'x'", "permission_denied"),
    ("app", "ann", "acme", ["UPDATE public.api_keys SET name = 'x'", "SELECT count(*) FROM public.api_keys"], [(4,)]),
    later(
        ["enter ann acme", "UPDATE public.api_keys SET name = 'x'"],
        "SELECT count(*) FROM public.api_keys WHERE name = 'x'",
        [(4,)],
    ),
    ("app", None, None, [ENTER_WITH_KEY.format("k_ann"), "UPDATE public.api_keys SET name = 'x'"], "person_required"),
    without(
        "api_keys_tenancy_permission",
        "public.api_keys",
        "uma acme",
        ONE.format("UPDATE public.api_keys SET name = 'x' RETURNING 1"),
        [(0,)],
        "ALTER TABLE public.api_keys DISABLE TRIGGER api_keys_tenancy_permission_after",
    ),
    superuser(
        [
            "ALTER TABLE public.api_keys DISABLE TRIGGER USER",
            "as app",
            ENTER_WITH_KEY.format("k_ann"),
            ONE.format("UPDATE public.api_keys SET name = 'x' RETURNING 1"),
        ],
        [(0,)],
    ),
    *(
        ("app", "ann", "acme", f"UPDATE public.api_keys SET name = {name}", "api_key_name_invalid")
        for name in ("''", "repeat('x', 201)", "E'a\\nb'")
    ),
    (
        "app",
        "ann",
        None,
        ["UPDATE public.api_keys SET name = ' new '", "SELECT name FROM public.api_keys"],
        [("new",)],
    ),
    (
        "service",
        None,
        None,
        ONE.format("UPDATE public.api_keys SET name = '' WHERE id = '{k_acme}' RETURNING 1"),
        [(1,)],
    ),
    # the log is written after RETURNING has been evaluated
    ("app", "ann", "acme", "UPDATE public.api_keys SET name = 'x' RETURNING " + NO_CONTEXT, "invalid_context"),
    # making
    ("app", "uma", "acme", NEW_KEY.format("'x'"), "permission_denied"),
    ("app", "max", "acme", NEW_KEY.format("'x'"), "permission_denied"),
    *(
        ("app", "ann", None, NEW_KEY.format(name), "api_key_name_invalid")
        for name in ("NULL", "' '", "repeat('x', 201)", "E'a\\nb'")
    ),
    ("app", "ann", None, NEW_KEY.format("'x', now()"), "api_key_expiry_invalid"),
    ("app", None, None, NEW_KEY.format("'x'"), "no_context"),
    *(
        ("app", None, None, [ENTER_WITH_KEY.format(key), NEW_KEY.format("'x'")], "person_required")
        for key in ("k_ann", "k_acme")
    ),
    superuser(
        [
            "DELETE FROM tenancy.permissions WHERE permission = 'api_keys.create'",
            "as app",
            "enter ann None",
            NEW_KEY.format("'x'"),
        ],
        "permission_denied",
    ),
    *(
        superuser(
            [
                "as app",
                f"enter {where}",
                "SELECT set_config('test.key', key, true) FROM tenancy.create_api_key(' new ', 'infinity')",
                "as None",
                "SELECT user_id::text, organization_id::text, workspace_id::text, expires_at = 'infinity',"
                " key_hash = encode(sha256(convert_to(current_setting('test.key'), 'UTF8')), 'hex'),"
                " starts_with(current_setting('test.key'), key_prefix || '_'), length(current_setting('test.key'))"
                " FROM public.api_keys WHERE name = 'new'",
            ],
            [("{ann}", organization, workspace, True, True, True, 77)],
        )
        for where, organization, workspace in (("ann acme", "{acme}", "{acme}"), ("ann None", None, "{ann}"))
    ),
    (
        "app",
        "ann",
        None,
        "SELECT a.key <> b.key FROM tenancy.create_api_key('a') AS a, tenancy.create_api_key('b') AS b",
        [(True,)],
    ),
    # renaming and revoking
    *(
        ("app", who, where, f"SELECT tenancy.{call}", error)
        for call, error in (
            ("rename_api_key('{k_bulk}', 'x')", "api_key_not_found"),
            ("revoke_api_key('{k_bulk}')", "api_key_not_found"),
            ("revoke_api_key('{nobody}')", "api_key_not_found"),
            ("rename_api_key(NULL, 'x')", "api_key_not_found"),
        )
        for who, where in (("ann", "acme"), ("ann", None))
    ),
    ("app", "uma", "acme", "SELECT tenancy.rename_api_key('{k_acme}', 'x')", "permission_denied"),
    ("app", "uma", "acme", "SELECT tenancy.revoke_api_key('{k_acme}')", "permission_denied"),
    ("app", "ann", "acme", "SELECT tenancy.rename_api_key('{k_acme}', ' ')", "api_key_name_invalid"),
    later(
        ["enter ann acme", "SELECT tenancy.rename_api_key('{k_acme}', ' x ')"],
        "SELECT id::text FROM public.api_keys WHERE name = 'x'",
        [("{k_acme}",)],
    ),
    later(
        ["enter ann acme", "SELECT tenancy.revoke_api_key('{k_acme}')"],
        "SELECT id::text FROM public.api_keys WHERE revoked_at = now()",
        [("{k_acme}",)],
    ),
    later(
        ["enter ann acme", "SELECT tenancy.revoke_api_key('{k_dead}')"],
        "SELECT revoked_at < now() FROM public.api_keys WHERE id = '{k_dead}'",
        [(True,)],
    ),
    # A revocation beside a locked row is applied to it later, in its own workspace.
    *(
        superuser(
            [
                REVOKED.format("'2002-01-01'", "'{k_acme}', '{k_bulk}', '{k_dead}'"),
                "as app",
                "enter ann acme",
                NEW_KEY.format("'x'"),
                "as None",
                query,
            ],
            answer,
        )
        for query, answer in (
            (
                "SELECT r.credential_id::text FROM tenancy_private.revocations AS r"
                " INNER JOIN public.api_keys AS k ON r.credential_id = k.id",
                [("{k_bulk}",)],
            ),
            (
                "SELECT name, extract(year FROM revoked_at) FROM public.api_keys WHERE revoked_at IS NOT NULL"
                " ORDER BY name",
                [("acme", 2002), ("dead", 2001)],
            ),
        )
    ),
    # entering
    *(
        ("app", None, None, ENTER_WITH_KEY.format(key), "invalid_api_key")
        for key in ("k_dead", "k_late", "k_gone", "k_lost", "k_acme-1", "k_none", "")
    ),
    ("app", None, None, "SELECT tenancy.enter_with_api_key(NULL)", "invalid_api_key"),
    ("app", None, None, "SELECT tenancy.enter_with_api_key('k_acme-2')", "invalid_api_key"),
    superuser(
        [
            REVOKED.format("now()", "'{k_acme}'"),
            "as app",
            USE_KEY,
        ],
        "invalid_api_key",
    ),
    *(
        (
            login,
            None,
            None,
            [
                ENTER_WITH_KEY.format(key),
                "SELECT tenancy.current_user_id()::text, tenancy.current_organization_id()::text,"
                " tenancy.current_role(), tenancy.current_credential_id()::text",
            ],
            [(user, organization, role, f"{{{key}}}")],
        )
        for login, key, user, organization, role in (
            ("app", "k_acme", "{ann}", "{acme}", "user"),
            ("credentialed", "k_acme", "{ann}", "{acme}", "user"),
            ("app", "k_ann", "{ann}", None, None),
            ("app", "k_sam", "{sam}", None, None),
        )
    ),
    ("app", "ann", "acme", "SELECT tenancy.current_credential_id()", [(None,)]),
    ("app", None, None, "SELECT tenancy.current_credential_id()", "no_context"),
    ("app", None, None, [USE_KEY, ENTER_WITH_KEY.format("k_uma")], "context_already_set"),
    ("app", None, None, [ENTER_WITH_KEY.format("k_ann"), "enter ann None"], "context_already_set"),
    ("app", "ann", "acme", USE_KEY, "context_already_set"),
    ("app", None, None, [USE_KEY, USE_KEY, "SELECT 1"], [(1,)]),
    *(
        (
            "app",
            who,
            where,
            [
                *first,
                f"SELECT set_config('tenancy.context', regexp_replace({CONTEXT}, '[^/]*$', {value}), true)",
                "SELECT tenancy.current_credential_id()",
            ],
            "invalid_context",
        )
        for who, where, first, value in (
            (None, None, [USE_KEY], "''"),
            (None, None, [USE_KEY], "'{k_uma}'"),
            ("ann", "acme", [], "'{k_acme}'"),
        )
    ),
    *(
        (
            "app",
            None,
            None,
            [
                ENTER_WITH_KEY.format(key),
                "SELECT tenancy.has_permission('organization.update'), tenancy.has_permission('models.view')",
            ],
            [(all_of_them, True)],
        )
        for key, all_of_them in (("k_acme", False), ("k_ann", True), ("k_sam", True))
    ),
    # A staff member's own key opens nothing of the platform.
    ("app", None, None, [ENTER_WITH_KEY.format("k_sam"), "SELECT tenancy.all_users()"], "permission_denied"),
    # who made it is gone
    *(
        superuser(
            [
                *before,
                "DELETE FROM public.users WHERE id = '{uma}'",
                "SELECT user_id FROM public.api_keys WHERE id = '{k_uma}'",
            ],
            [(None,)],
        )
        for before in ([], [REPLICA])
    ),
    (
        "app",
        "ann",
        "acme",
        "SELECT count(DISTINCT right(k.key, 64)) FROM (SELECT (tenancy.create_api_key('x')).key"
        " UNION ALL SELECT (tenancy.create_api_key('x')).key) AS k",
        [(2,)],
    ),
    # when it was used
    *(
        later(first, "SELECT count(*) FROM public.api_keys WHERE last_used_at = now()", [(count,)])
        for first, count in (
            ([USE_KEY], 1),
            (["SET TRANSACTION READ ONLY", USE_KEY, "SELECT 1"], 0),
        )
    ),
    *(
        superuser(
            [
                f"UPDATE public.api_keys SET last_used_at = now() - interval '{ago}' WHERE id = '{{k_acme}}'",
                "as app",
                USE_KEY,
                "as None",
                "SELECT last_used_at = now() FROM public.api_keys WHERE id = '{k_acme}'",
            ],
            [(written,)],
        )
        for ago, written in (("59 s", False), ("61 s", True))
    ),
    (
        "app",
        None,
        None,
        ["SET TRANSACTION READ ONLY", USE_KEY, "SELECT tenancy.current_role()"],
        [("user",)],
    ),
    # whose a program is
    ("app", None, None, [ENTER_WITH_KEY.format("k_ann"), "SELECT name FROM tenancy.my_organizations()"], []),
    (
        "app",
        None,
        None,
        [USE_KEY, "SELECT name, role FROM tenancy.my_organizations()"],
        [("Acme", "user")],
    ),
    (
        "app",
        None,
        None,
        [USE_KEY, "SELECT tenancy.badge('{acme}'), tenancy.badge('{duo}')"],
        [("Org: Acme", None)],
    ),
    *(
        ("app", None, None, [ENTER_WITH_KEY.format(key), f"SELECT tenancy.{call}"], "person_required")
        for key, call in (
            ("k_ann", "create_organization('x')"),
            ("k_ann", "leave_organization()"),
            ("k_acme", "leave_organization()"),
            ("k_acme", "update_organization('x')"),
        )
    ),
    # what outlives whom
    later(
        ["DELETE FROM public.users WHERE id = '{uma}'"],
        "SELECT count(*), count(user_id) FROM public.api_keys WHERE workspace_id = '{acme}'",
        [(4, 3)],
        "service",
    ),
    later(
        ["DELETE FROM public.organizations WHERE id = '{acme}'"],
        "SELECT count(*) FROM public.api_keys WHERE workspace_id = '{acme}'",
        [(0,)],
        "service",
    ),
    # the audit log
    *(
        superuser(
            [statement, "SELECT action FROM tenancy.audit_log WHERE object_kind = 'api_key' AND occurred_at > now()"],
            [(action,)] if action else [],
        )
        for statement, action in (
            (
                "INSERT INTO public.api_keys (user_id, name, key_prefix, key_hash) VALUES ('{ann}', 'n', 'p', 'h')",
                "api_key.create",
            ),
            ("DELETE FROM public.api_keys WHERE id = '{k_acme}'", "api_key.delete"),
            ("UPDATE public.api_keys SET name = 'x' WHERE id = '{k_acme}'", "api_key.update"),
            ("UPDATE public.api_keys SET last_used_at = now()", None),
        )
    ),
]


def _nobody_waits_for_a_key(probed: Probed) -> None:
    """A transaction that entered with a key does not block entering with it, revoking it or changing others."""
    connection, other = probed.connections["app"], probed.connections["other"]
    try:
        connection.execute(USE_KEY)
        for steps, answer in (
            ([USE_KEY], "done"),
            ([USE_KEY, "SELECT count(*) FROM public.api_keys"], "done"),
            ([REVOKE_KEY], "done"),
            ([REVOKE_KEY, REVOKE_KEY, USE_KEY], "invalid_api_key"),
            ([REVOKE_KEY, "SELECT tenancy.create_api_key('x')"], "done"),
        ):
            other.execute(WAIT)
            if steps[0] == REVOKE_KEY:
                other.execute(ENTER, [probed.ids["ann"], probed.ids["acme"]])
            for step in steps:
                found = error_of(other, probed.filled(step))
            assert found == answer, (steps, found)
            # A key that was revoked while its row was locked stays revoked until the row has the
            # revocation.
            if steps[0] == REVOKE_KEY and answer == "done":
                other.commit()
                found = error_of(other, USE_KEY)
                assert found == "invalid_api_key", found
                probed.admin.execute(FORGOTTEN)
            other.rollback()
    finally:
        connection.rollback()
        other.rollback()
        probed.admin.execute(FORGOTTEN)
        probed.admin.execute("DELETE FROM public.api_keys WHERE name = 'x'")


_NOTED = "SELECT count(*) FROM tenancy.audit_log"


def _nobody_waits_for_who_revokes_a_key(probed: Probed) -> None:
    """An open transaction of a person keeps none of the person's keys alive."""
    connection, other = probed.connections["app"], probed.connections["other"]
    revoke = probed.filled("SELECT tenancy.revoke_api_key('{k_ann}')")
    try:
        for held in (
            "SELECT FROM public.api_keys WHERE id = '{k_ann}' FOR UPDATE",
            REVOKED.format("now()", "'{k_ann}'"),
        ):
            with probed.admin.transaction(force_rollback=True):
                probed.admin.execute(probed.filled(held).encode())
                noted = probed.admin.execute(_NOTED).fetchall()[0][0]
                for step in ("revoke", "again"):
                    other.execute(WAIT)
                    other.execute(ENTER, [probed.ids["ann"], None])
                    found = error_of(other, revoke)
                    assert found == "done", (held, step, found)
                    connection.execute(WAIT)
                    connection.execute(ENTER, [probed.ids["ann"], None])
                    found = error_of(connection, revoke)
                    assert found == "done", (held, step, found)
                    connection.rollback()
                if "UPDATE" in held:
                    # Two revocations are recorded once.
                    other.execute(ENTER, [probed.ids["ann"], None])
                    found = error_of(other, revoke)
                    other.commit()
                    assert probed.admin.execute(FORGOTTEN).rowcount == 1, found
                    assert probed.admin.execute(_NOTED).fetchall() == [(noted + 1,)]
                other.rollback()
        # Nor does the next change wait for one that is removing an applied revocation.
        probed.admin.execute(probed.filled(REVOKED.format("now()", "'{k_ann}'")).encode())
        probed.admin.execute(
            probed.filled("UPDATE public.api_keys SET revoked_at = now() WHERE id = '{k_ann}'").encode()
        )
        for one in (connection, other):
            one.execute(WAIT)
            one.execute(ENTER, [probed.ids["ann"], None])
            found = error_of(one, NEW_KEY.format("'x'"))
            assert found == "done", found
    finally:
        connection.rollback()
        other.rollback()
        probed.admin.execute(
            probed.filled("UPDATE public.api_keys SET revoked_at = NULL WHERE id = '{k_ann}'").encode()
        )
        probed.admin.execute(FORGOTTEN)


def _old_snapshots_of_keys(probed: Probed) -> None:
    """A transaction with an old snapshot cannot enter with a key that has ended since."""
    changes = (
        (
            "UPDATE public.api_keys SET revoked_at = now() WHERE id = '{k_acme}'",
            "UPDATE public.api_keys SET revoked_at = NULL WHERE id = '{k_acme}'",
        ),
        (
            "UPDATE tenancy.workspaces SET deleted_at = now() WHERE id = '{acme}'",
            "UPDATE tenancy.workspaces SET deleted_at = NULL WHERE id = '{acme}'",
        ),
        (
            REVOKED.format("now()", "'{k_acme}'"),
            FORGOTTEN,
        ),
    )
    other = probed.connections["other"]
    for change, back in changes:
        try:
            other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            other.execute("SELECT 1")
            probed.admin.execute(probed.filled(change).encode())
            found = error_of(other, USE_KEY)
            assert found == "40001", (change, found)
        finally:
            other.rollback()
            probed.admin.execute(probed.filled(back).encode())
    # An unchanged key is valid, and the check does not lock it.
    try:
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        probed.admin.execute("UPDATE public.api_keys SET last_used_at = now()")
        assert error_of(other, USE_KEY) == "done"
        probed.admin.execute("SET lock_timeout = '40ms'")
        probed.admin.execute("UPDATE public.api_keys SET last_used_at = NULL")
        assert probed.admin.execute("SELECT count(*) FROM tenancy_private.revocations").fetchone() == (1,)
    finally:
        probed.admin.execute("RESET lock_timeout")
        other.rollback()
        probed.admin.execute("UPDATE public.api_keys SET last_used_at = NULL")


OTHERS = {
    "revoke_api_key act_on_api_keys record_api_key_use": _nobody_waits_for_a_key,
    "revoke_api_key act_on_api_keys of a person": _nobody_waits_for_who_revokes_a_key,
    "check_fresh enter_with_api_key": _old_snapshots_of_keys,
}
