"""A server killed during payments loses and repeats none; ``./dev prove --payments`` runs longer."""

from __future__ import annotations

import random

from pg_tenancy.tools.embedded import EmbeddedServer
from support.paying import Paying
from support.server import Server


def test_what_was_answered_was_paid_once(own_server: EmbeddedServer) -> None:
    server = Server(own_server.dsn(), "own", "secret", str(own_server.bin_dir), own_server.version)
    paying = Paying(server, random.Random())
    paying.kill(3)
    assert paying.killed == 3
    assert {answer.kind for answer in paying.answers} == {"call", "order", "top-up"}
