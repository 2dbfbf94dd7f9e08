"""Money: visibility, movements, refusals, and the proofs of the ledger."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from support.probes.base import Question, superuser

# The beginning is _money() in base.py. Both have 1010, of which 3 are held.
_BALANCES = "SELECT balance::text, held::text, unpaid::text FROM tenancy.wallets WHERE workspace_id = '{acme}'"
_CHARGE = "SELECT round(charged, 6)::text, round(unpaid, 6)::text, replayed FROM tenancy.charge('{acme}', '{bulk}', "
_NONE_HELD = "UPDATE tenancy.wallet_holds SET expires_at = '2001-01-01'"
_DUE = "UPDATE tenancy.wallets SET next_expiry = '-infinity'"
_OWES = "UPDATE tenancy.wallets SET unpaid = 1 WHERE workspace_id = '{acme}'"
_GRANTED = (
    "SELECT tenancy.grant_credit('{acme}', 4, 'late', '2100-01-01')",
    "SELECT tenancy.grant_credit('{acme}', 4, 'early', '2099-01-01')",
    "SELECT tenancy.grant_credit('{acme}', 4, 'first', priority => 1)",
)
_LEFT = "SELECT sum(remaining)::text, min(expires_at)::date::text FROM tenancy.credit_grants WHERE remaining > 0"
_SPENT = "SELECT spent::text FROM tenancy.spending_limits WHERE workspace_id = '{acme}' AND amount = 500"
_SILENT = "ALTER TABLE {} DISABLE TRIGGER USER"

_ENTRY = "workspace_id = '{acme}' AND version = 3"
_FALSE_KIND = f"UPDATE tenancy.ledger_entries SET kind = 'other' WHERE {_ENTRY}"
_PENDING = (
    "INSERT INTO tenancy_private.pending_credits"
    " VALUES ('{bulk}', gen_random_uuid(), 'order', 7, now(), now(), sha256(''))"
)
# Manipulations of the ledger, and the findings.
_BROKEN = (
    (
        f"DELETE FROM tenancy.ledger_entries WHERE {_ENTRY}",
        "an entry was changed",
        "entries are missing from the chain",
        "the halves of a movement do not add up to nothing",
    ),
    (
        f"UPDATE tenancy.ledger_entries SET amount = -6 WHERE {_ENTRY}",
        "a balance does not follow from the one before",
        "a movement was not booked, or not whole",
        "an entry was changed",
        "the halves of a movement do not add up to nothing",
    ),
    (
        f"UPDATE tenancy.ledger_entries SET balance_after = 100 WHERE {_ENTRY}",
        "a balance does not follow from the one before",
        "an entry was changed",
    ),
    (
        f"UPDATE tenancy.ledger_entries SET created_at = created_at - interval '1 s' WHERE {_ENTRY}",
        "an entry was changed",
    ),
    (_FALSE_KIND, "a movement was changed"),
    (
        f"UPDATE tenancy.ledger_entries SET digest = sha256('') WHERE {_ENTRY}",
        "a movement was changed",
        "an entry was changed",
    ),
    (
        "UPDATE tenancy.transfers SET amount = 51 WHERE id = '{t_acme_more}'",
        "a movement was changed",
        "a movement was not booked, or not whole",
    ),
    ("UPDATE tenancy.transfers SET payee_id = '{ann}' WHERE id = '{t_acme_more}'", "a movement was changed"),
    ("DELETE FROM tenancy.transfers WHERE id = '{t_acme_more}'", "a movement was changed"),
    (
        "DELETE FROM tenancy.ledger_entries WHERE transfer_id = '{t_acme_more}'",
        "a balance does not follow from the one before",
        "a movement was not booked, or not whole",
        "an entry was changed",
        "entries are missing from the chain",
    ),
    ("UPDATE tenancy.wallets SET version = version + 1", "a wallet is not where its entries are"),
    ("UPDATE tenancy.wallets SET balance = balance + 1", "a wallet is not where its entries are"),
    ("UPDATE tenancy.wallets SET chain = ''", "a wallet is not where its entries are"),
    ("UPDATE tenancy.wallets SET held = held + 1", "a wallet holds something else than its holds"),
    ("UPDATE tenancy.wallets SET granted = granted + 1", "a wallet was granted something else than its grants"),
    ("UPDATE tenancy.wallets SET unpaid = unpaid + 1", "a wallet owes something else than what is unpaid"),
    ("UPDATE tenancy.wallet_holds SET is_freed = true", "a wallet holds something else than its holds"),
    ("DELETE FROM tenancy.wallets", "entries without a wallet"),
    ("UPDATE tenancy.ledger_checkpoints SET chain = ''", "the ledger was written anew"),
    ("UPDATE tenancy.ledger_checkpoints SET balance = 1", "the ledger was written anew"),
)

QUESTIONS: list[Question] = [
    # who sees what
    *(
        ("app", "uma", "acme", query, "permission_denied")
        for query in (
            "SELECT * FROM tenancy.wallet()",
            "SELECT * FROM tenancy.statement()",
            "SELECT * FROM tenancy.verify_statement()",
        )
    ),
    *(
        ("app", None, None, query, "no_context")
        for query in ("SELECT * FROM tenancy.wallet()", "SELECT * FROM tenancy.statement()")
    ),
    (
        "app",
        "ann",
        "acme",
        "SELECT workspace_id::text, balance::text, held::text, unpaid::text, available::text FROM tenancy.wallet()",
        [("{acme}", "1010.000000", "3.000000", "0.000000", "1007.000000")],
    ),
    ("app", "ann", None, "SELECT balance::text, version, chain FROM tenancy.wallet()", [("0", 0, b"")]),
    *(
        superuser(
            [
                *before,
                "as app",
                "enter ann acme",
                "SELECT balance::integer, held::integer, available::integer FROM tenancy.wallet()",
            ],
            [answer],
        )
        for before, answer in (
            ([_NONE_HELD], (1010, 0, 1010)),
            (["UPDATE tenancy.wallet_holds SET is_freed = true"], (1010, 0, 1010)),
            ([_OWES], (1010, 3, 0)),
            (["UPDATE tenancy.wallets SET overdraft = 5"], (1010, 3, 1012)),
            (
                [
                    "UPDATE tenancy.credit_grants SET remaining = 4, expires_at = '2001-01-01'"
                    " WHERE workspace_id = '{acme}'"
                ],
                (1006, 3, 1003),
            ),
            (
                [
                    "UPDATE tenancy.credit_grants SET remaining = 4, expires_at = '2001-01-01'"
                    " WHERE workspace_id = '{bulk}'"
                ],
                (1010, 3, 1007),
            ),
            (
                [
                    "INSERT INTO tenancy_private.pending_credits SELECT w.workspace_id, w.workspace_id, 'order',"
                    " CASE w.workspace_id WHEN '{acme}' THEN 7 ELSE 20 END, now(), now(), '' FROM tenancy.wallets AS w"
                ],
                (1017, 3, 1014),
            ),
        )
    ),
    (
        "app",
        "ann",
        "acme",
        "SELECT kind, reference, amount::integer, balance_after::integer FROM tenancy.statement() ORDER BY version",
        [
            ("grant", "grant", 10, 10),
            ("order", "order", -5, 5),
            ("order", "more", -5, 0),
            # References of different payers are independent.
            ("order", None, 5, 5),
            ("order", None, 15, 20),
            ("top_up", "top-up", 1000, 1020),
            ("settlement", "{t_acme_more}/0", -45, 975),
            ("usage", "request", -2, 973),
            ("settlement", None, 35, 1008),
            ("usage", None, 2, 1010),
        ],
    ),
    *(
        ("app", "ann", "acme", f"SELECT count(*) FROM tenancy.statement({period})", [(count,)])
        for period, count in (("since => now()", 0), ("until => '2001-01-01'", 0), ("until => now()", 10))
    ),
    ("app", "ann", "acme", "SELECT * FROM tenancy.verify_statement()", []),
    *(
        (
            "app",
            "ann",
            "acme",
            f"SELECT problem FROM tenancy.verify_statement((SELECT version FROM tenancy.wallet()), {chain})",
            answer,
        )
        for chain, answer in (
            ("(SELECT chain FROM tenancy.wallet())", []),
            ("'x'", [("the ledger was written anew",)]),
        )
    ),
    superuser(
        [
            "SELECT set_config('probe.chain', encode(chain, 'hex'), true) FROM tenancy.wallets"
            " WHERE workspace_id = '{bulk}'",
            "as app",
            "enter ann acme",
            "SELECT problem FROM tenancy.verify_statement(10, decode(current_setting('probe.chain'), 'hex'))",
        ],
        [("the ledger was written anew",)],
    ),
    superuser(
        [
            "UPDATE tenancy.wallets SET held = 1 WHERE workspace_id = '{bulk}'",
            "as app",
            "enter ann acme",
            "SELECT problem FROM tenancy.verify_statement()",
        ],
        [],
    ),
    # what moves
    *(
        ("service", None, None, f"SELECT tenancy.{function}('{{acme}}', {amount}, 'x')", "amount_invalid")
        for function in ("top_up", "pay_out", "grant_credit")
        for amount in ("0.000000", "-1", "'NaN'", "'Infinity'", "100000000000000", "0.0000001", "NULL")
    ),
    *(
        ("service", None, None, f"SELECT tenancy.{call}", answer)
        for call, answer in (
            ("top_up('{nobody}', 1, 'x')", "workspace_not_found"),
            ("top_up('{gone}', 1, 'x')", "workspace_not_found"),
            ("top_up('{acme}', 1, 'top-up')", "reference_reused"),
            ("pay_out('{acme}', 1008, 'x')", "insufficient_funds"),
            ("grant_credit('{acme}', 1, 'x', '2001-01-01')", "grant_expiry_invalid"),
            ("grant_credit('{acme}', 11, 'grant')", "reference_reused"),
            ("grant_credit('{acme}', 10, 'grant', priority => 1)", "reference_reused"),
            ("hold_amount('{acme}', 1008, '1 hour', 'x')", "insufficient_funds"),
            ("hold_amount('{acme}', 2, '1 day', 'hold')", "reference_reused"),
            ("hold_amount('{acme}', 1, '1 day', 'hold')::text", [("{h_acme}",)]),
            ("hold_amount('{acme}', 1, '25 hours', 'x')", "hold_expiry_invalid"),
            ("hold_amount('{acme}', 1, '0', 'x')", "hold_expiry_invalid"),
            ("hold_amount('{acme}', 1, NULL, 'x')", "hold_expiry_invalid"),
            ("hold_amount('{acme}', 500, '1 hour', 'x')", "spending_limit_reached"),
            ("set_overdraft('{acme}', -1)", "amount_invalid"),
            ("set_currency('{acme}', 'USD')", "wallet_in_use"),
            ("set_currency('{duo}', 'usd')", "currency_invalid"),
            ("set_currency('{duo}', NULL)", "currency_invalid"),
            ("set_spending_limit('{acme}', -1)", "amount_invalid"),
            ("set_spending_limit('{acme}', 1, '{k_acme}', '{ann}')", "limit_invalid"),
            ("set_plan('{acme}', 'x')", "plan_invalid"),
            ("set_plan('{acme}', NULL)", "plan_invalid"),
            ("set_plan('{gone}', 'free')", "workspace_not_found"),
            ("set_plan('{nobody}', 'free')", "workspace_not_found"),
            ("refund('{nobody}', 'x')", "transfer_not_found"),
        )
    ),
    *(
        ("service", None, None, _CHARGE + rest, answer)
        for rest, answer in (
            ("1, 'order', 'x')", [("1.000000", "0.000000", False)]),
            ("5, 'order', 'order')", [("5.000000", "0.000000", True)]),
            ("6, 'order', 'order')", "reference_reused"),
            ("1.0000004, 'order', 'x')", [("1.000000", "0.000000", False)]),
            ("-1, 'order', 'x')", "amount_invalid"),
            ("1008, 'order', 'x')", "insufficient_funds"),
            ("500, 'order', 'x')", "spending_limit_reached"),
            ("1, 'order', 'x', hold => '{h_bulk}')", "hold_not_found"),
            ("1, 'order', 'x', hold => '{nobody}')", "hold_not_found"),
            ("2000, 'order', 'x', hold => '{h_acme}')", [("1008.000000", "992.000000", False)]),
            *(
                (f"1, '{kind}', 'x')", "kind_reserved")
                for kind in (
                    "top_up",
                    "pay_out",
                    "grant",
                    "grant_expiry",
                    "opening",
                    "adopted",
                    "settlement",
                    "reversal",
                )
            ),
        )
    ),
    superuser(
        ["UPDATE tenancy.wallets SET currency = 'USD' WHERE workspace_id = '{bulk}'", _CHARGE + "1, 'order', 'x')"],
        "currency_mismatch",
    ),
    superuser([_OWES, _CHARGE + "1, 'order', 'x')"], "insufficient_funds"),
    superuser([_OWES, "SELECT tenancy.pay_out('{acme}', 1, 'x')"], "insufficient_funds"),
    superuser([_OWES, "SELECT tenancy.hold_amount('{acme}', 1, '1 hour', 'x')"], "insufficient_funds"),
    superuser([*_GRANTED, "SELECT tenancy.pay_out('{acme}', 1008, 'x')"], "insufficient_funds"),
    superuser(
        [
            "SELECT tenancy.pay_out('{acme}', 1007, 'x')",
            "SELECT tenancy.pay_out('{acme}', 1007, 'x') = (SELECT id FROM tenancy.transfers WHERE kind = 'pay_out')",
        ],
        [(True,)],
    ),
    superuser(["SELECT tenancy.pay_out('{acme}', 1007, 'x')", _CHARGE + "1, 'order', 'x')"], "insufficient_funds"),
    superuser(
        [
            "SELECT tenancy.set_overdraft('{acme}', 5)",
            "SELECT tenancy.pay_out('{acme}', 1007, 'x')",
            _CHARGE + "5, 'order', 'x')",
        ],
        [("5.000000", "0.000000", False)],
    ),
    superuser(
        [
            "SELECT tenancy.set_overdraft('{acme}', 5)",
            "SELECT tenancy.pay_out('{acme}', 1007, 'x')",
            _CHARGE + "5, 'order', 'x')",
            "SELECT tenancy.set_overdraft('{acme}', 1)",
        ],
        "overdraft_in_use",
    ),
    superuser(
        [
            "SELECT tenancy.set_currency('{duo}', 'USD')",
            "SELECT currency FROM tenancy.wallets WHERE workspace_id = '{duo}'",
        ],
        [("USD",)],
    ),
    # A repeated grant gives nothing again.
    superuser(
        ["SELECT tenancy.grant_credit('{acme}', 10, 'grant')", _BALANCES], [("1010.000000", "3.000000", "0.000000")]
    ),
    # Top-ups settle unpaid amounts, and until then nothing more can be bought.
    superuser(
        [_CHARGE + "1100, 'order', 'x', hold => '{h_acme}')", "SELECT tenancy.top_up('{acme}', 92, 'x')", _BALANCES],
        [("2.000000", "2.000000", "0.000000")],
    ),
    superuser(
        [_CHARGE + "1100, 'order', 'x', hold => '{h_acme}')", "SELECT tenancy.top_up('{acme}', 50, 'x')", _BALANCES],
        [("2.000000", "2.000000", "42.000000")],
    ),
    superuser(
        [
            _CHARGE + "1100, 'order', 'x', hold => '{h_acme}')",
            "SELECT tenancy.set_overdraft('{acme}', 50)",
            "SELECT tenancy.settle('{acme}')::integer",
        ],
        [(50,)],
    ),
    # Grants are spent in their order, and restored by refunds.
    superuser(
        [
            *_GRANTED,
            _CHARGE + "3, 'order', 'x')",
            "SELECT priority, remaining::integer FROM tenancy.credit_grants"
            " WHERE workspace_id = '{acme}' AND remaining > 0 ORDER BY 1, 2",
        ],
        [(1, 1), (100, 4), (100, 4)],
    ),
    superuser([*_GRANTED, _CHARGE + "8, 'order', 'x')", _LEFT], [("4.000000", "2100-01-01")]),
    superuser(
        [
            *_GRANTED,
            _CHARGE + "8, 'order', 'x')",
            "SELECT tenancy.refund(id, 'back') FROM tenancy.transfers WHERE reference = 'x'",
            _LEFT,
        ],
        [("12.000000", "2099-01-01")],
    ),
    superuser(
        [
            *_GRANTED,
            _CHARGE + "3, 'order', 'x')",
            "SELECT granted::integer FROM tenancy.wallets WHERE workspace_id = '{acme}'",
        ],
        [(9,)],
    ),
    # Expired holds and grants are processed first.
    superuser([_NONE_HELD, _DUE, _CHARGE + "1, 'order', 'x')", _BALANCES], [("1009.000000", "0.000000", "0.000000")]),
    superuser([_NONE_HELD, _DUE, _CHARGE + "1, 'order', 'x')", _SPENT], [("58.000000",)]),
    superuser(
        [
            *_GRANTED,
            "UPDATE tenancy.credit_grants SET expires_at = '2001-01-01' WHERE workspace_id = '{acme}'",
            _DUE,
            _CHARGE + "1, 'order', 'x')",
            "SELECT balance::integer, granted::integer FROM tenancy.wallets WHERE workspace_id = '{acme}'",
        ],
        [(1009, 0)],
    ),
    # Holds
    superuser(["SELECT tenancy.release_amount('{h_acme}')", _BALANCES], [("1010.000000", "2.000000", "0.000000")]),
    superuser(["SELECT tenancy.release_amount('{h_acme}')", _SPENT], [("59.000000",)]),
    superuser(
        [
            _NONE_HELD,
            _DUE,
            "SELECT tenancy.release_amount('{h_acme}')",
            _BALANCES,
        ],
        [("1010.000000", "0.000000", "0.000000")],
    ),
    superuser([_CHARGE + "1, 'order', 'x', hold => '{h_acme}')", _BALANCES], [("1009.000000", "2.000000", "0.000000")]),
    superuser([_CHARGE + "1, 'order', 'x', hold => '{h_acme}')", _SPENT], [("60.000000",)]),
    superuser(
        [_CHARGE + "1, 'order', 'x', hold => '{h_acme}')", _CHARGE + "1, 'order', 'y', hold => '{h_acme}')"],
        "hold_not_found",
    ),
    # Limits
    ("service", None, None, [_SPENT], [("60.000000",)]),
    ("service", None, None, [_CHARGE + "1, 'order', 'x')", _SPENT], [("61.000000",)]),
    ("service", None, None, ["SELECT tenancy.hold_amount('{acme}', 1, '1 hour', 'x')", _SPENT], [("61.000000",)]),
    superuser(["SELECT tenancy.refund('{t_acme}', 'back')", _SPENT], [("55.000000",)]),
    # A day, in which years and days are not compared as months of 30 days.
    (
        "service",
        None,
        None,
        [
            "SELECT tenancy.hold_amount('{acme}', 1, '1 year -364 days -6 hours', 'x')",
            "SELECT (expires_at - created_at)::text FROM tenancy.wallet_holds WHERE reference = 'x'",
        ],
        [("1 day",)],
    ),
    *(
        superuser(
            [f"SELECT tenancy.set_spending_limit('{{acme}}', 1, {of})", _CHARGE + f"2, 'order', 'x'{by})"], answer
        )
        for of, by, answer in (
            ("'{k_acme}'", ", api_key_id => '{k_acme}'", "spending_limit_reached"),
            ("'{k_acme}'", ", api_key_id => '{k_uma}'", [("2.000000", "0.000000", False)]),
            ("'{k_acme}'", "", [("2.000000", "0.000000", False)]),
            ("NULL, '{ann}'", ", user_id => '{ann}'", "spending_limit_reached"),
            ("NULL, '{ann}'", ", user_id => '{uma}'", [("2.000000", "0.000000", False)]),
        )
    ),
    superuser(
        ["SELECT tenancy.set_spending_limit('{bulk}', 61)", _CHARGE + "2, 'order', 'x')"],
        [("2.000000", "0.000000", False)],
    ),
    superuser(
        [
            "UPDATE tenancy.spending_limits SET spent = 500, spent_in = '2001-01-01'",
            _CHARGE + "2, 'order', 'x')",
            _SPENT,
        ],
        [("2.000000",)],
    ),
    # The month has ended while this one waited.
    superuser(
        [
            "UPDATE tenancy.spending_limits SET spent = 3, spent_in = '2100-01-01'",
            _CHARGE + "2, 'order', 'x')",
            _SPENT.replace("spent::text", "spent::text, spent_in::text"),
        ],
        [("5.000000", "2100-01-01")],
    ),
    superuser(
        [
            "UPDATE tenancy.spending_limits SET spent = 60, spent_in = '2100-01-01'",
            "SELECT tenancy.refund('{t_acme}', 'back')",
            _SPENT,
        ],
        [("60.000000",)],
    ),
    # A hold's key and person are those of the movement.
    superuser(
        [
            "SELECT tenancy.hold_amount('{acme}', 4, '1 hour', 'x', '{k_acme}', '{ann}')",
            "SELECT tenancy.charge('{acme}', '{bulk}', 2, 'order', 'x', hold => h.id) FROM tenancy.wallet_holds AS h"
            " WHERE h.reference = 'x'",
            "SELECT api_key_id::text, user_id::text FROM tenancy.transfers WHERE kind = 'order' AND reference = 'x'",
        ],
        [("{k_acme}", "{ann}")],
    ),
    superuser(
        [
            "SELECT tenancy.set_spending_limit('{acme}', NULL)",
            "SELECT count(*), bool_or(w.is_limited)"
            " FROM tenancy.spending_limits AS l, tenancy.wallets AS w"
            " WHERE l.workspace_id = '{acme}' AND w.workspace_id = '{acme}'",
        ],
        [(0, None)],
    ),
    superuser(
        ["SELECT tenancy.set_spending_limit('{acme}', NULL)", _CHARGE + "900, 'order', 'x')"],
        [("900.000000", "0.000000", False)],
    ),
    # Amounts spent before a limit was set count, but not refunded ones.
    *(
        superuser(
            [
                _CHARGE + "3, 'order', 'x', api_key_id => '{k_acme}')",
                "SELECT tenancy.hold_amount('{acme}', 4, '1 hour', 'x', '{k_acme}')",
                *then,
                "SELECT tenancy.set_spending_limit('{acme}', 100, '{k_acme}')",
                "SELECT spent::integer FROM tenancy.spending_limits WHERE api_key_id = '{k_acme}'",
            ],
            [(spent,)],
        )
        for then, spent in (
            ([], 7),
            (["SELECT tenancy.refund(id, 'back') FROM tenancy.transfers WHERE reference = 'x'"], 4),
            (["UPDATE tenancy.wallet_holds SET is_freed = true"], 3),
        )
    ),
    # Refunds
    *(
        superuser([*before, f"SELECT tenancy.refund({what}, 'x')"], answer)
        for before, what, answer in (
            (["SELECT tenancy.refund('{t_acme}', 'back')"], "'{t_acme}'", "already_reversed"),
            (
                ["SELECT tenancy.refund('{t_acme}', 'back')"],
                "(SELECT id FROM tenancy.transfers WHERE kind = 'reversal')",
                "transfer_not_found",
            ),
            (
                [],
                "(SELECT id FROM tenancy.transfers WHERE kind = 'settlement' AND workspace_id = '{acme}')",
                "transfer_not_found",
            ),
            (
                [],
                "(SELECT id FROM tenancy.transfers WHERE kind = 'top_up' AND workspace_id = '{acme}')",
                "transfer_not_found",
            ),
        )
    ),
    superuser(
        [
            _CHARGE + "1100, 'order', 'x', hold => '{h_acme}')",
            "SELECT tenancy.refund(id, 'back') FROM tenancy.transfers WHERE reference = 'x'",
            _BALANCES,
        ],
        [("1010.000000", "2.000000", "0.000000")],
    ),
    superuser(
        [
            "SELECT tenancy.refund('{t_acme}', 'back')",
            "SELECT replayed, charged::integer FROM tenancy.refund('{t_acme}', 'back')",
        ],
        [(True, 5)],
    ),
    # Payments that wait
    superuser(
        [
            "SELECT tenancy.set_deferred_credit('{bulk}', true)",
            "SELECT tenancy.set_deferred_credit('{acme}', true)",
            _CHARGE + "1, 'order', 'x')",
            "SELECT tenancy.fold_credits('{acme}'), tenancy.fold_credits('{bulk}')",
        ],
        [(0, 1)],
    ),
    superuser(
        [
            "SELECT tenancy.set_deferred_credit('{bulk}', true)",
            _CHARGE + "1, 'order', 'x')",
            "SELECT count(*) FROM tenancy.reconcile()",
        ],
        [(0,)],
    ),
    # An entry in the wallet of an uninvolved workspace.
    superuser(
        [
            "SELECT tenancy_private.make_wallet('{duo}')",
            "SELECT tenancy_private.add_entry('{duo}', 5, t.id, t.kind, t.occurred_at, t.created_at, e.digest)"
            " FROM tenancy.transfers AS t JOIN tenancy.ledger_entries AS e ON e.transfer_id = t.id"
            " WHERE t.id = '{t_acme}' AND e.workspace_id = '{acme}'",
            "SELECT DISTINCT problem FROM tenancy.reconcile() ORDER BY 1",
        ],
        [("a movement was changed",), ("the halves of a movement do not add up to nothing",)],
    ),
    # Plans
    superuser(
        ["SELECT tenancy.set_plan('{acme}', 'subscriber')", "SELECT plan FROM tenancy.workspaces WHERE id = '{acme}'"],
        [("subscriber",)],
    ),
    (
        "service",
        None,
        None,
        ["SELECT tenancy.hold_amount('{acme}', 1, '1 hour', 'x')", _BALANCES],
        [("1010.000000", "4.000000", "0.000000")],
    ),
    # What the ledger finds
    *(
        superuser(
            [
                *(
                    _SILENT.format(f"tenancy.{table}")
                    for table in ("ledger_entries", "transfers", "ledger_checkpoints")
                ),
                statement,
                "SELECT DISTINCT problem FROM tenancy.reconcile() ORDER BY 1",
            ],
            [(problem,) for problem in problems],
        )
        for statement, *problems in _BROKEN
    ),
    # For one wallet, and for entries after a checkpoint.
    *(
        superuser(
            [
                _SILENT.format("tenancy.ledger_entries"),
                _SILENT.format("tenancy.ledger_checkpoints"),
                *before,
                f"SELECT DISTINCT problem FROM tenancy.reconcile({which}) ORDER BY 1",
            ],
            [(problem,) for problem in problems],
        )
        for before, which, problems in (
            ([_FALSE_KIND], "'{acme}'", ["a movement was changed"]),
            ([_FALSE_KIND], "'{bulk}'", []),
            ([_FALSE_KIND], "since => 'infinity'", []),
            ([_FALSE_KIND], "since => '-infinity'", ["a movement was changed"]),
            (
                ["SELECT tenancy.top_up('{acme}', 1, 'later')", _FALSE_KIND.replace("= 3", "= 11")],
                "since => 'infinity'",
                ["a movement was changed"],
            ),
            (
                [
                    "SELECT tenancy.top_up('{acme}', 1, 'later')",
                    "SELECT tenancy.take_checkpoint()",
                    "UPDATE tenancy.ledger_checkpoints SET chain = '' WHERE workspace_id = '{acme}' AND version = 10",
                ],
                "since => (SELECT min(c.created_at) FROM tenancy.ledger_checkpoints AS c)",
                ["the ledger was written anew"],
            ),
            ([_PENDING], "'{bulk}'", ["the halves of a movement do not add up to nothing"]),
            ([_PENDING], "'{acme}'", []),
            ([_PENDING], "since => 'infinity'", ["the halves of a movement do not add up to nothing"]),
        )
    ),
    ("service", None, None, "SELECT * FROM tenancy.reconcile()", []),
    ("auditor", None, None, "SELECT * FROM tenancy.reconcile()", []),
    ("service", None, None, "SELECT tenancy.take_checkpoint()", [(0,)]),
    superuser(["UPDATE tenancy.wallets SET held = held + 1", "SELECT tenancy.take_checkpoint()"], "ledger_broken"),
]
