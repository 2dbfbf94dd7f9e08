"""Sessions of people."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from support.probes.base import WAIT, Probed, Question, error_of, later, superuser, two_sessions

START = "SELECT tenancy.start_session('{{{}}}', {})"
USE = "SELECT tenancy.enter_with_session('{}')"
USE_IN = "SELECT tenancy.enter_with_session('{}', {})"
SWITCH = "SELECT tenancy.switch_session('{}', {})"
REVOKE = "SELECT tenancy.revoke_session('{{{}}}')"
LIST = "SELECT client FROM tenancy.sessions() ORDER BY client"
WHO = "SELECT tenancy.current_user_id()::text, tenancy.current_organization_id()::text"
PLACE = "SELECT organization_id::text FROM tenancy_private.session_uses WHERE session_id = '{s_ann}'"
SEEN = "SELECT last_seen_at = now() FROM tenancy_private.session_uses WHERE session_id = '{s_ann}'"
ALIVE = (
    "SELECT string_agg(s.client, ' ' ORDER BY s.client) FROM tenancy_private.user_sessions AS s"
    " WHERE NOT EXISTS (SELECT FROM tenancy_private.revocations AS r WHERE r.credential_id = s.id)"
)
KEY = (
    "INSERT INTO public.api_keys (user_id, name, key_prefix, key_hash)"
    " VALUES ('{ann}', 'k', 'pgt_00000002', encode(sha256('pgt_00000002_x'), 'hex'))"
)
USE_KEY = "SELECT tenancy.enter_with_api_key('pgt_00000002_x')"

QUESTIONS: list[Question] = [
    # starting
    *(
        superuser(
            [
                "as app",
                f"SELECT set_config('test.token', token, true) FROM tenancy.start_session({given})",
                "as None",
                "SELECT s.user_id::text, u.organization_id::text, s.client,"
                " s.expires_at BETWEEN now() + interval '30 days' AND now() + interval '31 days',"
                " s.token_hash = sha256(convert_to(current_setting('test.token'), 'UTF8')),"
                " length(current_setting('test.token'))"
                " FROM tenancy_private.user_sessions AS s JOIN tenancy_private.session_uses AS u ON u.session_id = s.id"
                " WHERE s.started_at >= now()",
            ],
            [(user, place, client, True, True, 68)],
        )
        for given, user, place, client in (
            ("'{uma}', '{acme}', E' a\\nb '", "{uma}", "{acme}", "a b"),
            ("'{uma}', NULL, ' '", "{uma}", None, None),
            ("'{uma}', NULL, repeat('x', 300)", "{uma}", None, "x" * 200),
        )
    ),
    later(
        [START.format("uma", "NULL"), START.format("uma", "NULL")],
        "SELECT count(*) FROM tenancy_private.user_sessions",
        [(7,)],
    ),
    ("app", None, None, START.format("uma", "'{bulk}'"), "not_a_member"),
    ("app", None, None, [START.format("uma", "'{acme}'"), WHO], [("{uma}", "{acme}")]),
    ("app", "ann", "acme", START.format("uma", "'{acme}'"), "context_already_set"),
    ("service", None, None, START.format("uma", "'{acme}'"), "login_sees_everything"),
    *(
        ("app", None, None, START.format("uma", f"NULL, NULL, {lasts}"), "session_length_invalid")
        for lasts in ("NULL", "'0'", "'-1 s'", "'367 days'", "'120000 months -3599634 days'")
    ),
    ("app", None, None, ["SELECT 1", "SELECT 1 FROM tenancy.start_session('{uma}', NULL, NULL, '366 days')"], [(1,)]),
    # what has ended goes with the next one of the same person
    later(
        [START.format("uma", "NULL")],
        "SELECT count(*) FROM tenancy_private.user_sessions",
        [(6,)],
    ),
    later([START.format("ann", "NULL")], "SELECT count(*) FROM tenancy_private.user_sessions", [(4,)]),
    later([START.format("ann", "NULL")], "SELECT count(*) FROM tenancy_private.session_uses", [(4,)]),
    # using
    ("credentialed", None, None, [USE.format("s_ann"), WHO], [("{ann}", "{acme}")]),
    ("credentialed", None, None, [USE.format("s_phone"), WHO], [("{ann}", None)]),
    ("credentialed", None, None, f"{USE.format('s_ann')}::text", [("{s_ann}",)]),
    *(("credentialed", None, None, USE.format(token), "invalid_session") for token in ("s_old", "s_off", "x", "")),
    ("credentialed", None, None, "SELECT tenancy.enter_with_session(NULL)", "invalid_session"),
    ("service", None, None, USE.format("s_ann"), "login_sees_everything"),
    ("credentialed", None, None, [USE_IN.format("s_ann", "NULL"), WHO], [("{ann}", None)]),
    ("credentialed", None, None, [USE_IN.format("s_phone", "'{acme}'"), WHO], [("{ann}", "{acme}")]),
    ("credentialed", None, None, USE_IN.format("s_uma", "'{bulk}'"), "not_a_member"),
    later([USE_IN.format("s_ann", "NULL")], PLACE, [("{acme}",)], "credentialed"),
    later([USE.format("s_ann")], SEEN, [(True,)], "credentialed"),
    ("credentialed", None, None, ["SET TRANSACTION READ ONLY", USE.format("s_ann"), WHO], [("{ann}", "{acme}")]),
    superuser(
        [
            "UPDATE tenancy_private.session_uses SET last_seen_at = now() - interval '50 s'",
            "as credentialed",
            USE.format("s_ann"),
            "as None",
            SEEN,
        ],
        [(False,)],
    ),
    superuser(
        [
            "as credentialed",
            USE.format("s_ann"),
            "as None",
            "SELECT count(*) FROM tenancy_private.session_uses WHERE last_seen_at = now()",
        ],
        [(1,)],
    ),
    # going elsewhere
    later([SWITCH.format("s_ann", "NULL")], PLACE, [(None,)], "credentialed"),
    later(
        [SWITCH.format("s_ann", "NULL")],
        "SELECT count(*) FROM tenancy_private.session_uses WHERE organization_id IS NULL",
        [(2,)],
        "credentialed",
    ),
    ("credentialed", None, None, [SWITCH.format("s_phone", "'{acme}'"), WHO], [("{ann}", "{acme}")]),
    ("credentialed", None, None, SWITCH.format("s_uma", "'{bulk}'"), "not_a_member"),
    # listing
    ("app", "ann", "acme", LIST, [("s_ann",), ("s_phone",)]),
    ("app", "uma", None, LIST, [("s_uma",)]),
    ("app", "ann", None, "SELECT client FROM tenancy.sessions('s_phone') WHERE is_current", [("s_phone",)]),
    ("app", "ann", None, "SELECT is_current FROM tenancy.sessions()", [(False,), (False,)]),
    ("app", None, None, LIST, "no_context"),
    superuser([KEY, "as app", USE_KEY, LIST], "person_required"),
    # ending
    later(["enter ann acme", REVOKE.format("s_ann")], ALIVE, [("s_old s_phone s_uma",)]),
    ("app", "ann", "acme", [REVOKE.format("s_ann"), LIST], [("s_phone",)]),
    ("app", "uma", "acme", REVOKE.format("s_ann"), "session_not_found"),
    ("app", "ann", "acme", REVOKE.format("nobody"), "session_not_found"),
    later(
        ["enter ann None", REVOKE.format("s_ann"), REVOKE.format("s_ann"), "SELECT tenancy.revoke_sessions()"],
        "SELECT count(*) FROM tenancy_private.revocations",
        [(3,)],
    ),
    superuser(
        [
            "INSERT INTO tenancy_private.revocations VALUES"
            " ('{s_uma}', now(), tenancy_private.revocation_place('{s_uma}'))",
            "as app",
            START.format("ann", "NULL"),
            "as None",
            "SELECT credential_id::text FROM tenancy_private.revocations",
        ],
        [("{s_uma}",)],
    ),
    superuser([KEY, "as app", USE_KEY, REVOKE.format("s_ann")], "person_required"),
    ("app", "ann", "acme", "SELECT tenancy.revoke_sessions()", [(2,)]),
    ("app", "ann", "acme", "SELECT tenancy.revoke_sessions('{s_phone}')", [(1,)]),
    later(["enter ann acme", "SELECT tenancy.revoke_sessions('{s_phone}')"], ALIVE, [("s_old s_phone s_uma",)]),
    superuser([KEY, "as app", USE_KEY, "SELECT tenancy.revoke_sessions()"], "person_required"),
    # whose sessions go with them
    superuser(
        ["DELETE FROM public.users WHERE id = '{uma}'", "SELECT count(*) FROM tenancy_private.user_sessions"], [(4,)]
    ),
    # a hash of nothing else, and a time in its order
    *(
        superuser(f"UPDATE tenancy_private.user_sessions SET {wrong}", name)
        for wrong, name in (
            ("token_hash = 'x'", "user_sessions_token_hash_check"),
            ("expires_at = started_at", "user_sessions_expires_at_check"),
            ("token_hash = sha256('x')", "user_sessions_token_hash_key"),
        )
    ),
]


def _revoking_waits_for_nobody_who_uses_it(probed: Probed) -> None:
    with two_sessions(probed) as (using, owner):
        using.execute(probed.filled(USE.format("s_ann")))
        owner.execute(WAIT)
        owner.execute("SELECT tenancy.enter(%s)", [probed.ids["ann"]])
        assert error_of(owner, probed.filled(REVOKE.format("s_ann"))) == "done"


def _revoking_waits_for_nobody_who_revokes(probed: Probed) -> None:
    revoked = probed.filled(REVOKE.format("s_ann"))
    for how in (revoked, "SELECT tenancy.revoke_sessions()"):
        with two_sessions(probed) as (thief, owner):
            for one in (thief, owner):
                one.execute(WAIT)
                one.execute("SELECT tenancy.enter(%s)", [probed.ids["ann"]])
                assert error_of(one, how) == "done"
                assert error_of(one, revoked) == "done"


def _using_waits_for_nobody_who_uses_it(probed: Probed) -> None:
    with two_sessions(probed) as (using, other):
        using.execute(probed.filled(USE.format("s_ann")))
        other.execute(WAIT)
        assert error_of(other, USE.format("s_ann")) == "done"


def _using_one_session_leaves_another_alone(probed: Probed) -> None:
    with two_sessions(probed) as (using, other):
        using.execute(probed.filled(USE.format("s_ann")))
        other.execute(USE.format("s_phone"))
        seen = other.execute("SELECT last_seen_at = now() FROM tenancy.sessions('s_phone') WHERE is_current").fetchall()
        assert seen == [(True,)], seen


def _starting_waits_for_nobody(probed: Probed) -> None:
    with two_sessions(probed, None) as (holder, other):
        holder.execute("SELECT FROM tenancy_private.user_sessions FOR UPDATE")
        other.execute(WAIT)
        assert error_of(other, probed.filled(START.format("ann", "NULL"))) == "done"


def _starting_waits_for_nobody_who_uses_what_has_ended(probed: Probed) -> None:
    with two_sessions(probed, None) as (holder, other):
        holder.execute("SELECT FROM tenancy_private.session_uses FOR UPDATE")
        other.execute(WAIT)
        assert error_of(other, probed.filled(START.format("ann", "NULL"))) == "done"


def _a_snapshot_from_before_a_revocation_is_not_believed(probed: Probed) -> None:
    with two_sessions(probed, "app", "credentialed") as (owner, late):
        owner.execute("SELECT tenancy.enter(%s)", [probed.ids["ann"]])
        owner.execute(probed.filled(REVOKE.format("s_ann")))
        late.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        late.execute("SET LOCAL statement_timeout = '2s'")
        assert error_of(late, USE.format("s_ann")) == "40001"
        late.rollback()
        # A snapshot from before it was committed is not believed either.
        late.rollback()
        late.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        late.execute("SELECT 1")
        owner.commit()
        assert error_of(late, USE.format("s_ann")) == "40001"
        late.rollback()
        # Nor one from before the revoked session was deleted.
        probed.admin.execute("DELETE FROM tenancy_private.revocations WHERE revoked_at > now() - interval '1 minute'")
        late.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        late.execute("SELECT 1")
        probed.admin.execute(
            probed.filled("UPDATE tenancy_private.user_sessions SET client = client WHERE id = '{s_ann}'")
        )
        assert error_of(late, USE.format("s_ann")) == "40001"
        late.rollback()
        # A current snapshot is believed, and locks nothing.
        late.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        late.execute(USE.format("s_ann"))
        owner.execute(WAIT)
        owner.execute("SELECT tenancy.enter(%s)", [probed.ids["ann"]])
        assert error_of(owner, probed.filled(REVOKE.format("s_ann"))) == "done"


def _a_ticket_starts_a_session(probed: Probed) -> None:
    asked = probed.ask(
        "credentialed",
        None,
        None,
        [
            f"SELECT tenancy.start_session_with_ticket('{probed.ticket(session=True)}', 'x')",
            "SELECT client, organization_id::text FROM tenancy.sessions() WHERE client = 'x'",
        ],
    )
    assert asked == [("x", probed.ids["acme"])], asked
    for ticket in ("x", probed.ticket(), probed.ticket(session="true")):
        asked = probed.ask("credentialed", None, None, f"SELECT tenancy.start_session_with_ticket('{ticket}')")
        assert asked == "invalid_ticket", asked


OTHERS = {
    "revoking a session waits for nobody who uses it": _revoking_waits_for_nobody_who_uses_it,
    "revoking a session waits for nobody who revokes it": _revoking_waits_for_nobody_who_revokes,
    "using a session waits for nobody who uses it": _using_waits_for_nobody_who_uses_it,
    "using one session leaves another alone": _using_one_session_leaves_another_alone,
    "starting a session waits for nobody": _starting_waits_for_nobody,
    "starting waits for nobody who uses what has ended": _starting_waits_for_nobody_who_uses_what_has_ended,
    "a snapshot from before a revocation is not believed": _a_snapshot_from_before_a_revocation_is_not_believed,
    "a ticket starts a session": _a_ticket_starts_a_session,
}
