"""Wallets: the client's methods."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from support.clients import Client
from support.database import Database
from support.people import People
from support.server import Logins

pytestmark = pytest.mark.shared_database


async def test_a_wallet_and_its_statement(
    client: Client, conn: Any, database: Database, people: People, logins: Logins
) -> None:
    ann = people.user("rich")
    with database.connect(logins.service) as service:
        service.execute("SELECT tenancy.top_up(%s, 12.5, 'client')", [ann.id])
    async with client.workspace(conn, user_id=ann.id) as ws:
        wallet = await ws.wallet()
        assert (wallet.workspace_id, wallet.balance, wallet.available, wallet.version) == (ann.id, 12.5, 12.5, 1)
        (entry,) = await ws.statement(since=datetime(2020, 1, 1, tzinfo=timezone.utc))
        assert (entry.kind, entry.reference, entry.amount, entry.chain) == ("top_up", "client", 12.5, wallet.chain)
        assert await ws.statement(until=datetime(2020, 1, 1, tzinfo=timezone.utc)) == []
        assert await ws.verify_statement() == []
        assert await ws.verify_statement(known=wallet) == []
        (found,) = await ws.verify_statement(known=replace(wallet, chain=bytes(32)))
        assert (found.problem, found.found) == ("the ledger was written anew", wallet.chain.hex())
