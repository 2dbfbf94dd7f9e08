"""A proxy between a client and the server that counts, delays and cuts."""

from __future__ import annotations

import selectors
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

__all__ = ["Proxy"]

_SOCKET = ".s.PGSQL.5432"


class Proxy:
    """Forwards connections to a server and sees the traffic.

    A round trip is everything that the client sends, in one piece or several, and everything that
    the server answers before the client sends again.

    ``with Proxy(database.dsn(logins.app)) as proxy: psycopg.connect(proxy.dsn)``

    Args:
        dsn: the URI or connection string of the database behind it.

    """

    def __init__(self, dsn: str) -> None:
        self._parameters = {key: str(value) for key, value in conninfo_to_dict(dsn).items() if value is not None}
        self.round_trips = 0
        self.delay = 0.0
        """How many seconds every answer is kept back."""
        self.on_sent: Callable[[bytes], None] | None = None
        """Called with what the client sends, before it goes on to the server."""
        self._answers_until_cut: int | None = None
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []

    @property
    def dsn(self) -> str:
        """Return the URI of the database through the proxy, for psycopg and asyncpg alike."""
        parameters = self._parameters | {"host": self._directory.name, "port": "5432"}
        account = quote(parameters.pop("user", ""), safe="")
        if password := parameters.pop("password", ""):
            account += f":{quote(password, safe='')}"
        dbname = quote(parameters.pop("dbname", ""), safe="")
        return f"postgresql://{account}@/{dbname}?{urlencode(parameters)}"

    def __enter__(self) -> Proxy:
        self._directory = tempfile.TemporaryDirectory(prefix="pgproxy")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(Path(self._directory.name) / _SOCKET))
        self._listener.listen()
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        # A blocked accept() notices shutdown, not close.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()
        self._directory.cleanup()

    @contextmanager
    def counting(self) -> Iterator[Callable[[], int]]:
        """Yield a function that returns the number of round trips since then."""
        before = self.round_trips
        yield lambda: self.round_trips - before

    def cut(self) -> None:
        """Cut every connection, now."""
        with self._lock:
            for pair in self._pairs:
                for end in pair:
                    with suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)

    def cut_instead_of_answer(self, number: int = 1) -> None:
        """Cut the connection when the server sends its answer of this number, counted from now."""
        self._answers_until_cut = number

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = self._connect()
            with self._lock:
                self._pairs.append((client, server))
            thread = threading.Thread(target=self._forward, args=(client, server))
            self._threads.append(thread)
            thread.start()

    def _connect(self) -> socket.socket:
        host, port = self._parameters.get("host", "localhost"), self._parameters.get("port", "5432")
        if not host.startswith("/"):
            return socket.create_connection((host, int(port)))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        client_spoke_last = False
        with client, server, selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ)
            selector.register(server, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                # The client's data was sent before the server's answer to it.
                source, target = (client, server) if client in ready else (server, client)
                try:
                    data = source.recv(65536)
                    if not data:
                        break
                    if source is client:
                        client_spoke_last = True
                        if self.on_sent is not None:
                            self.on_sent(data)
                    elif client_spoke_last:
                        client_spoke_last = False
                        if self._is_cut_now():
                            break
                        self.round_trips += 1
                        if self.delay:
                            time.sleep(self.delay)
                    target.sendall(data)
                except OSError:
                    break
            with self._lock:
                self._pairs.remove((client, server))

    def _is_cut_now(self) -> bool:
        if self._answers_until_cut is None:
            return False
        self._answers_until_cut -= 1
        if self._answers_until_cut:
            return False
        self._answers_until_cut = None
        return True
