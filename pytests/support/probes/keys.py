"""The seal's keys, the tickets' keys and tickets."""

from __future__ import annotations

import time
from typing import Any

from support.probes.base import SEALED, Probed, Question, superuser

ENDED = (
    # An ended key, before a rotation deletes it.
    [
        "SELECT tenancy.rotate_seal_key()",
        "UPDATE tenancy_private.seal_keys SET valid_until = now() WHERE superseded_at IS NOT NULL",
    ],
    # The same keys in another file, as in a copy of the database.
    ["CLUSTER tenancy_private.seal_keys USING seal_keys_pkey"],
    # And the dumped columns of keys in the same file.
    [
        "CREATE TEMPORARY TABLE keys AS SELECT id, rotation, created_at FROM tenancy_private.seal_keys",
        "DELETE FROM tenancy_private.seal_keys",
        "INSERT INTO tenancy_private.seal_keys (id, rotation, created_at) SELECT * FROM keys",
    ],
)

QUESTIONS: list[Question] = [
    superuser(["SET LOCAL ROLE pg_read_all_data", "SELECT count(*) FROM tenancy_private.seal_keys"], [(0,)]),
    superuser(["SET LOCAL ROLE pg_read_all_data", "SELECT count(*) FROM tenancy_private.ticket_keys"], [(0,)]),
    superuser(
        ["SELECT tenancy.rotate_seal_key('0')", "SELECT count(*), count(superseded_at) FROM tenancy_private.seal_keys"],
        [(1, 0)],
    ),
    superuser(
        ["SELECT tenancy.rotate_seal_key()", "SELECT count(superseded_at) FROM tenancy_private.seal_keys"],
        [(1,)],
    ),
    superuser(
        [
            "as app",
            "enter ann acme",
            "as None",
            "SELECT tenancy.rotate_seal_key()",
            "as app",
            "SELECT tenancy.current_role()",
        ],
        [("owner",)],
    ),
    superuser(
        [
            "as app",
            "enter ann acme",
            "as None",
            "SELECT tenancy.rotate_seal_key('0')",
            "as app",
            "SELECT tenancy.current_role()",
        ],
        "invalid_context",
    ),
    *(
        superuser(
            [*first, "as app", "enter ann acme", "as None", *meanwhile, "as app", "SELECT tenancy.current_role()"],
            "invalid_context",
        )
        for first, meanwhile in (
            *(([SEALED], meanwhile) for meanwhile in ENDED),
            ([], ENDED[0]),
        )
    ),
    # All keys differ, and are a block long.
    superuser(
        [
            "SELECT tenancy.rotate_seal_key()",
            "SELECT count(*), count(DISTINCT left(b::text, 66)), count(DISTINCT right(b::text, 64)),"
            " min(length(b)), max(length(b)) FROM ("
            "SELECT k.inner_block FROM tenancy_private.seal_keys AS k"
            " UNION ALL SELECT k.outer_block FROM tenancy_private.seal_keys AS k"
            " UNION ALL SELECT k.block FROM tenancy_private.email_lock_keys AS k) AS t (b)",
        ],
        [(5, 5, 5, 64, 64)],
    ),
    # A transaction that entered under the old key keeps its identity, and cannot change it.
    *(
        superuser(
            [
                "as app",
                "enter ann acme",
                "as None",
                "SELECT tenancy.rotate_seal_key()",
                "as app",
                f"enter {who} acme",
                "SELECT 1",
            ],
            answer,
        )
        for who, answer in (("ann", [(1,)]), ("uma", "context_already_set"))
    ),
    *(superuser(f"SELECT tenancy.rotate_seal_key({keep})", "keep_invalid") for keep in ("NULL", "'-1 s'")),
    # Another rotation does not postpone a key's end.
    superuser(
        [
            "SELECT tenancy.rotate_seal_key('1 minute')",
            "UPDATE tenancy_private.seal_keys SET superseded_at = '2001-01-01' WHERE superseded_at IS NOT NULL",
            "SELECT tenancy.rotate_seal_key('1 day')",
            "SELECT min(superseded_at) = '2001-01-01', min(valid_until) < now() + interval '1 hour', count(*)"
            " FROM tenancy_private.seal_keys",
        ],
        [(True, True, 3)],
    ),
    superuser("SELECT tenancy.revoke_ticket_key('00000000')", "ticket_key_not_found"),
]


def _tickets(probed: Probed) -> None:
    now = int(time.time())
    answers = {
        "good": probed.enter_with(probed.ticket()),
        "without kid": probed.enter_with(probed.ticket(header={"kid": None})),
        "personal": probed.enter_with(probed.ticket(org=None)),
        "another secret": probed.enter_with(probed.ticket(secret="0" * 64)),
        "another kid": probed.enter_with(probed.ticket(header={"kid": "00000000"})),
        "another algorithm": probed.enter_with(probed.ticket(header={"alg": "none"})),
        "crit": probed.enter_with(probed.ticket(header={"crit": ["x"]})),
        "expired": probed.enter_with(probed.ticket(exp=now - 1)),
        "too long": probed.enter_with(probed.ticket(exp=now + 3700)),
        "not yet": probed.enter_with(probed.ticket(nbf=now + 100)),
        "expiry as text": probed.enter_with(probed.ticket(exp=str(now + 100))),
        "no user": probed.enter_with(probed.ticket(sub=None)),
        "user as number": probed.enter_with(probed.ticket(sub=1)),
        "organization as number": probed.enter_with(probed.ticket(org=1)),
        "no uuid": probed.enter_with(probed.ticket(sub="ann")),
        "no ticket": probed.enter_with("x"),
        "a stranger": probed.enter_with(probed.ticket(org=probed.ids["bulk"])),
    }
    ann = [(probed.ids["ann"],)]
    wanted: dict[str, Any] = dict.fromkeys(answers, "invalid_ticket")
    wanted |= {"good": ann, "without kid": ann, "personal": ann, "a stranger": "not_a_member"}
    assert answers == wanted, {name: answer for name, answer in answers.items() if answer != wanted[name]}


OTHERS = {
    "read_ticket enter_with_ticket decode_base64url": _tickets,
}
