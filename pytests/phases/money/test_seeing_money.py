"""Who may see and move which money, and how rewriting it is detected."""

# ruff: noqa: S608  (the statements name tables of the test's own list)

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import errors

from support.activation import activate
from support.people import Organization, People, User
from support.planner import pages_of

TABLES = (
    "wallets", "transfers", "ledger_entries", "wallet_holds", "credit_grants", "credit_grant_uses", "unpaid_amounts",
    "spending_limits", "ledger_checkpoints",
)  # fmt: skip
AsApp = Callable[..., AbstractContextManager[psycopg.Connection[Any]]]


@pytest.fixture
def busy(money: Any, acme: Organization, globex: Organization) -> UUID:
    """Fill every table, for both organizations, and return a movement from Acme to Globex."""
    with money.service() as service, money.inside() as inside:
        for workspace in (acme.id, globex.id):
            money.top_up(workspace, "10")
            service.execute("SELECT tenancy.grant_credit(%s, 1, 'gift')", [workspace])
            service.execute("SELECT tenancy.set_spending_limit(%s, 1000)", [workspace])
            money.one(inside, "SELECT tenancy_private.hold_money(%s, 1, '1 hour', 'open')", workspace)
        moved = money.move(inside, acme.id, globex.id, 2, "secret-reference")
        for payer, payee in ((acme.id, globex.id), (globex.id, acme.id)):
            hold = money.one(inside, "SELECT tenancy_private.hold_money(%s, 1, '1 hour', 'h')", payer)
            money.move(inside, payer, payee, 30, "more", hold=hold)
        service.execute("SELECT tenancy.take_checkpoint()")
    transfer: UUID = moved.transfer_id
    return transfer


def member(admin: psycopg.Connection[Any], role: str) -> UUID:
    row = admin.execute("SELECT id FROM public.users WHERE username = %s", [role]).fetchone()
    assert row is not None
    return UUID(str(row[0]))


def test_a_role_with_finops_view_sees_the_workspaces_money(
    busy: UUID, acme: Organization, admin: psycopg.Connection[Any], as_app: AsApp
) -> None:
    for role in ("owner", "admin", "manager"):
        with as_app(member(admin, role), acme.id) as connection:
            for table in TABLES:
                owners = connection.execute(f"SELECT DISTINCT workspace_id FROM tenancy.{table}".encode()).fetchall()
                assert owners == [(acme.id,)], (role, table)
            row = connection.execute("SELECT balance, unpaid, available FROM tenancy.wallet()").fetchone()
            assert row is not None
            assert row[2] == 0
            entries = connection.execute("SELECT version, amount, reference FROM tenancy.statement()").fetchall()
            assert [entry[0] for entry in entries] == list(range(1, len(entries) + 1))
            assert connection.execute("SELECT * FROM tenancy.verify_statement()").fetchall() == []


def test_the_payee_is_not_told_the_payers_reference(busy: UUID, globex: Organization, as_app: AsApp) -> None:
    with as_app(globex.owner, globex.id) as connection:
        told = connection.execute(
            "SELECT amount, reference FROM tenancy.statement() WHERE transfer_id = %s", [busy]
        ).fetchall()
        assert told == [(2, None)]
        assert connection.execute("SELECT count(*) FROM tenancy.transfers WHERE id = %s", [busy]).fetchone() == (0,)


def test_a_user_is_refused_and_sees_no_row(
    busy: UUID, acme: Organization, admin: psycopg.Connection[Any], as_app: AsApp
) -> None:
    with as_app(member(admin, "user"), acme.id) as connection:
        for table in TABLES:
            assert connection.execute(f"SELECT count(*) FROM tenancy.{table}".encode()).fetchone() == (0,), table
        for call in ("wallet()", "statement()", "verify_statement()"):
            with pytest.raises(errors.InsufficientPrivilege) as refused, connection.transaction():
                connection.execute(f"SELECT * FROM tenancy.{call}".encode())
            assert refused.value.diag.constraint_name == "permission_denied"


def test_a_person_has_a_wallet(money: Any, people: People, as_app: AsApp) -> None:
    ann = people.user("ann")
    with as_app(ann) as connection:
        empty = connection.execute("SELECT balance, currency, version, chain FROM tenancy.wallet()").fetchone()
        assert empty == (0, "EUR", 0, b"")
    money.top_up(ann.id, "3")
    with as_app(ann) as connection:
        assert connection.execute("SELECT balance, available FROM tenancy.wallet()").fetchone() == (3, 3)


def test_a_statement_ends_before_its_end(money: Any, acme: Organization, as_app: AsApp) -> None:
    for number in range(3):
        money.top_up(acme.id, "1", f"top-{number}")
    with as_app(acme.owner, acme.id) as connection:
        times = [row[0] for row in connection.execute("SELECT created_at FROM tenancy.statement()").fetchall()]
        middle = connection.execute("SELECT version FROM tenancy.statement(%s, %s)", times[1:]).fetchall()
    assert middle == [(2,)]


def test_pending_and_expired_money_is_reported_and_not_changed(
    money: Any, acme: Organization, globex: Organization, as_app: AsApp
) -> None:
    money.top_up(acme.id, "10")
    money.top_up(globex.id, "1")
    with money.service() as service, money.inside() as inside:
        service.execute("SELECT tenancy.set_deferred_credit(%s, true)", [globex.id])
        money.move(inside, acme.id, globex.id, 2, "call")
        service.execute("SELECT tenancy.grant_credit(%s, 5, 'gift', now() + '20 ms')", [acme.id])
        money.one(inside, "SELECT tenancy_private.hold_money(%s, 8, '20 ms', 'hold')", acme.id)
        service.execute("SELECT pg_sleep(0.03)")
    for organization, wanted in ((acme, (8, 0, 0, 8)), (globex, (3, 0, 0, 3))):
        with as_app(organization.owner, organization.id) as connection:
            told = connection.execute("SELECT balance, held, granted, available FROM tenancy.wallet()").fetchone()
        assert told == wanted
    with money.inside() as inside:
        assert money.move(inside, acme.id, globex.id, 8, "all").charged == 8
    assert money.problems() == []


def test_nobody_writes_the_tables(busy: UUID, logins: Any, money: Any) -> None:
    for login in (logins.app, logins.credentialed, logins.auditor, logins.old, logins.service):
        with money.database.connect(login) as connection:
            for table in TABLES:
                for write in (
                    f"INSERT INTO tenancy.{table} DEFAULT VALUES",
                    f"UPDATE tenancy.{table} SET workspace_id = workspace_id",
                    f"DELETE FROM tenancy.{table}",
                    f"TRUNCATE tenancy.{table}",
                ):
                    with pytest.raises(errors.InsufficientPrivilege), connection.transaction():
                        connection.execute(write.encode())


def test_tenants_move_no_money(
    busy: UUID, acme: Organization, globex: Organization, as_app: AsApp, admin: psycopg.Connection[Any]
) -> None:
    with as_app(acme.owner, acme.id) as connection:
        for call in (
            "tenancy.top_up(%(own)s, 100, 'x')", "tenancy.pay_out(%(own)s, 1, 'x')",
            "tenancy.grant_credit(%(own)s, 100, 'x')", "tenancy.charge(%(other)s, %(own)s, 1, 'theft', 'x')",
            "tenancy.refund(%(transfer)s, 'x')", "tenancy.hold_amount(%(other)s, 1, '1 minute', 'x')",
            "tenancy.release_amount(%(own)s)", "tenancy.settle(%(own)s)", "tenancy.fold_credits()",
            "tenancy.set_overdraft(%(own)s, 100)", "tenancy.set_currency(%(own)s, 'USD')",
            "tenancy.set_deferred_credit(%(own)s, true)", "tenancy.set_spending_limit(%(own)s, NULL)",
            "tenancy.set_plan(%(own)s, 'subscriber')", "tenancy.reconcile()", "tenancy.take_checkpoint()",
            "tenancy_private.move_money(%(other)s, %(own)s, 1, 'usage', 'x', NULL, now())",
            "tenancy_private.hold_money(%(own)s, 1, '1 minute', 'x')",
        ):  # fmt: skip
            with pytest.raises(errors.InsufficientPrivilege), connection.transaction():
                connection.execute(f"SELECT {call}".encode(), {"own": acme.id, "other": globex.id, "transfer": busy})


def test_an_api_key_of_an_organization_sees_no_money(
    busy: UUID, acme: Organization, as_app: AsApp, logins: Any, money: Any
) -> None:
    with as_app(acme.owner, acme.id) as connection:
        row = connection.execute("SELECT key, id FROM tenancy.create_api_key('program')").fetchone()
        assert row is not None
    activate(as_app, acme, "api_key", row[1])
    with money.database.connect(logins.credentialed) as connection:
        connection.execute("SELECT tenancy.enter_with_api_key(%s)", [row[0]])
        assert connection.execute("SELECT count(*) FROM tenancy.ledger_entries").fetchone() == (0,)
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM tenancy.wallet()")


def test_the_audit_log_has_what_somebody_decided_and_no_purchase(
    money: Any, acme: Organization, globex: Organization, admin: psycopg.Connection[Any]
) -> None:
    with money.service() as service, money.inside() as inside:
        money.top_up(acme.id, "10")
        service.execute("SELECT tenancy.pay_out(%s, 1, 'out')", [acme.id])
        service.execute("SELECT tenancy.grant_credit(%s, 1, 'gift')", [acme.id])
        moved = money.move(inside, acme.id, globex.id, 1, "call")
        service.execute("SELECT tenancy.refund(%s, 'sorry')", [moved.transfer_id])
        service.execute("SELECT tenancy.set_overdraft(%s, 7)", [acme.id])
        service.execute("SELECT tenancy.set_spending_limit(%s, 9)", [acme.id])
        service.execute("SELECT tenancy.set_plan(%s, 'subscriber')", [acme.id])
        money.move(inside, acme.id, globex.id, 1, "call-2")
    entries = admin.execute(
        "SELECT action, coalesce(new_values ->> 'kind', new_values ->> 'overdraft', new_values ->> 'plan')"
        " FROM tenancy.audit_log WHERE object_kind IN ('transfer', 'wallet', 'spending_limit', 'workspace')"
        " AND workspace_id IN (%s, %s) ORDER BY occurred_at, id",
        [acme.id, globex.id],
    ).fetchall()
    assert [(action, value and str(value)) for action, value in entries] == [
        ("transfer.create", "top_up"),
        ("transfer.create", "pay_out"),
        ("transfer.create", "grant"),
        ("transfer.create", "reversal"),
        ("wallet.update", "7.000000"),
        ("spending_limit.create", None),
        ("workspace.update", "subscriber"),
    ]


FORGERIES = {
    "an entry is changed": "UPDATE tenancy.ledger_entries SET amount = amount - 1 WHERE {acme} AND version = 3",
    "an entry is changed by the least there is": "UPDATE tenancy.ledger_entries SET amount = amount + 0.000001"
    " WHERE {acme} AND version = 3",
    "both halves are changed": "UPDATE tenancy.ledger_entries SET amount = amount * 2 WHERE transfer_id = '{transfer}'",
    "an entry is dated back": "UPDATE tenancy.ledger_entries SET created_at = created_at - interval '1 day'"
    " WHERE {acme} AND version = 3",
    "an entry is removed": "DELETE FROM tenancy.ledger_entries WHERE {acme} AND version = 3",
    "the newest entries are removed": "DELETE FROM tenancy.ledger_entries WHERE {acme} AND version > 3",
    "a movement is removed whole": "DELETE FROM tenancy.ledger_entries WHERE transfer_id = '{transfer}';"
    " DELETE FROM tenancy.transfers WHERE id = '{transfer}'",
    "a movement has another reference": "UPDATE tenancy.transfers SET reference = 'mine' WHERE id = '{transfer}'",
    "a movement has another price": "UPDATE tenancy.transfers SET amount = 1 WHERE id = '{transfer}'",
    "a movement has another payee": "UPDATE tenancy.transfers SET payee_id = workspace_id WHERE id = '{transfer}'",
    "a balance is changed": "UPDATE tenancy.wallets SET balance = balance + 0.000001 WHERE {acme}",
    "a number is changed": "UPDATE tenancy.wallets SET version = version + 1 WHERE {acme}",
    "a wallet is removed": "DELETE FROM tenancy.wallets WHERE {acme}",
    "a hold is removed": "DELETE FROM tenancy.wallet_holds WHERE {acme}",
    "a grant is raised": "UPDATE tenancy.credit_grants SET remaining = amount WHERE {acme}",
    "a debt is forgiven": "UPDATE tenancy.unpaid_amounts SET remaining = 0 WHERE {acme}",
    "a debt is forgotten": "DELETE FROM tenancy.unpaid_amounts WHERE {acme}",
    "a movement is made without entries": "INSERT INTO tenancy.transfers (workspace_id, kind, reference, payee_id,"
    " amount, fingerprint, occurred_at, created_at)"
    " SELECT workspace_id, kind, 'another', payee_id, amount, fingerprint, occurred_at, created_at"
    " FROM tenancy.transfers WHERE id = '{transfer}'",
}


def test_a_dropped_trigger_is_noticed(
    busy: UUID, money: Any, acme: Organization, admin: psycopg.Connection[Any]
) -> None:
    find = "SELECT problem FROM tenancy.reconcile(%s)"
    assert money.problems() == []
    for what, template in FORGERIES.items():
        forgery = template.format(acme=f"workspace_id = '{acme.id}'", transfer=busy)
        tables = [table for table in ("ledger_entries", "transfers") if f" tenancy.{table} " in forgery]
        if tables and "INSERT" not in forgery:
            with pytest.raises(errors.InsufficientPrivilege) as refused, admin.transaction():
                admin.execute(f"SET LOCAL session_replication_role = replica; {forgery}".encode())
            assert refused.value.diag.constraint_name == "ledger_is_append_only"
        with admin.transaction(force_rollback=True):
            for table in tables:
                admin.execute(f"ALTER TABLE tenancy.{table} DISABLE TRIGGER USER".encode())
            admin.execute(forgery.encode())
            assert admin.execute(find, [None]).fetchall() != [], what
            assert admin.execute(find, [acme.id]).fetchall() != [], what
    assert money.problems() == []


def test_a_ledger_that_was_written_anew_does_not_have_what_the_tenant_kept(
    busy: UUID, money: Any, acme: Organization, as_app: AsApp, admin: psycopg.Connection[Any]
) -> None:
    with as_app(acme.owner, acme.id) as connection:
        kept = connection.execute("SELECT version, chain FROM tenancy.wallet()").fetchone()
        assert kept is not None
        assert connection.execute("SELECT * FROM tenancy.verify_statement(%s, %s)", kept).fetchall() == []
    admin.execute("ALTER TABLE tenancy.ledger_entries DISABLE TRIGGER USER")
    # A superuser dates an entry back by a day, and recomputes every hash.
    admin.execute(
        """
        DO $$
        DECLARE
            e record;
            last bytea := '';
        BEGIN
            FOR e IN SELECT * FROM tenancy.ledger_entries WHERE account = 'wallet' AND workspace_id = '{acme}'
                ORDER BY version
            LOOP
                last := tenancy.entry_hash(last, e.workspace_id, e.version, e.transfer_id, e.amount, e.balance_after,
                    e.created_at - interval '1 day', e.digest);
                UPDATE tenancy.ledger_entries SET created_at = created_at - interval '1 day', chain = last
                WHERE workspace_id = e.workspace_id AND version = e.version AND account = 'wallet';
            END LOOP;
            UPDATE tenancy.wallets SET chain = last WHERE workspace_id = '{acme}';
        END $$
        """.replace("{acme}", str(acme.id)).encode()
    )
    with as_app(acme.owner, acme.id) as connection:
        found = connection.execute("SELECT problem FROM tenancy.verify_statement(%s, %s)", kept).fetchall()
    assert ("the ledger was written anew",) in found
    # Checkpoints reveal it, unless they were rewritten too.
    assert "the ledger was written anew" in money.problems()


def test_entries_before_a_checkpoint_are_not_verified_again(
    busy: UUID, money: Any, acme: Organization, globex: Organization, admin: psycopg.Connection[Any]
) -> None:
    since = "SELECT problem FROM tenancy.reconcile(%s, clock_timestamp())"
    with money.service() as service, money.inside() as inside:
        money.top_up(acme.id, "100", "after")
        money.move(inside, acme.id, globex.id, 1, "after")
        assert service.execute(since, [None]).fetchall() == []
        assert service.execute(since, [acme.id]).fetchall() == []
        assert money.one(service, "SELECT tenancy.take_checkpoint()") == 2
        money.move(inside, acme.id, globex.id, 1, "later")
        admin.execute("ALTER TABLE tenancy.ledger_entries DISABLE TRIGGER USER")
        admin.execute(
            "UPDATE tenancy.ledger_entries SET amount = amount * 2 WHERE transfer_id ="
            " (SELECT id FROM tenancy.transfers WHERE reference = 'later')"
        )
        assert service.execute(since, [None]).fetchall() != []
        assert service.execute(since, [globex.id]).fetchall() != []
        with pytest.raises(psycopg.Error) as refused:
            service.execute("SELECT tenancy.take_checkpoint()")
        assert refused.value.diag.constraint_name == "ledger_broken"


def test_proving_one_wallet_reads_no_other(
    busy: UUID, money: Any, people: People, acme: Organization, admin: psycopg.Connection[Any], as_app: AsApp
) -> None:
    others = [people.user(name).id for name in ("ann", "bea")]
    for other in others:
        money.top_up(other, "100")
    admin.execute(
        "SELECT tenancy_private.move_money_batch(%s, %s, 'usage', array_agg(n::text),"
        " array_agg(sha256(convert_to(n::text, 'UTF8'))), array_agg(0.001::numeric), array_agg(now()))"
        " FROM generate_series(1, 5000) AS n",
        others,
    )
    admin.execute("ANALYZE")
    with money.service() as service:
        for function in ("reconcile", "reconcile_usage"):
            proof = f"SELECT * FROM tenancy.{function}('{acme.id}')"
            service.execute(proof.encode())
            assert pages_of(service, proof) < 250, function
        assert pages_of(service, "SELECT * FROM tenancy.reconcile()") > 500
    with as_app(acme.owner, acme.id) as connection:
        proof = "SELECT * FROM tenancy.verify_statement()"
        assert connection.execute(proof.encode()).fetchall() == []
        assert pages_of(connection, proof) < 250


def test_money_outlives_the_account(money: Any, people: People, acme: Organization, admin: Any) -> None:
    ann: User = people.user("ann")
    money.top_up(ann.id, "3")
    admin.execute("DELETE FROM public.users WHERE id = %s", [ann.id])
    assert money.balance(ann.id) == Decimal(3)
    assert money.problems() == []
