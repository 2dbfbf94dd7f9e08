"""After a kill at any moment the next command completes the work; ``./dev prove --kills`` runs longer."""

from __future__ import annotations

import random

from pg_tenancy.tools.embedded import EmbeddedServer
from support.killing import Killing
from support.server import Server


def test_an_interrupted_deploy_is_completed(own_server: EmbeddedServer) -> None:
    server = Server(own_server.dsn(), "own", "secret", str(own_server.bin_dir), own_server.version)
    killing = Killing(server, random.Random(), (None, "@phase-1", "@phase-4"))
    for _ in range(3):
        killing.round()
