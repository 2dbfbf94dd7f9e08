"""``pg-tenancy console``: prepares a database, and serves it."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql

from pg_tenancy.tools.cli import main
from support.command import command, environment, run, started, without_signals
from support.console import consoled, place_of
from support.database import Database
from support.server import Logins, Server


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
    return port


def _answers(address: str) -> httpx.Response:
    deadline = time.monotonic() + 30
    while True:
        try:
            return httpx.get(address, timeout=10)
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_the_example_of_the_documents(server: Server, database: Database) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "console.md").read_text()
    preparing, reading, serving = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1].splitlines()
    assert (preparing.split(" > ")[1], reading, serving) == ("console.env", ". ./console.env", "pg-tenancy console")
    program, *arguments, dsn = shlex.split(preparing.split(" > ")[0])
    assert (program, dsn) == ("pg-tenancy", "postgresql://dba@host/application")
    login = server.new_name("console")
    try:
        prepared = run(command(*arguments, "--login", login, database.dsn()))
        assert prepared.returncode == 0, prepared.stderr
        exported = dict(line.removeprefix("export ").split("=", 1) for line in prepared.stdout.splitlines())
        settings = {name: shlex.split(value)[0] for name, value in exported.items()}
        assert set(settings) == {"PG_TENANCY_DSN", "PG_TENANCY_AUTHENTICATOR_DSN", "PG_TENANCY_TICKET_KEY"}
        port = _free_port()
        serve = without_signals(command(*serving.split()[1:], "--port", str(port)))
        with started(serve, env=environment(**settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            page = _answers(f"http://127.0.0.1:{port}/login")
            assert page.status_code == 200
            assert "Log in" in page.text
            process.send_signal(signal.SIGINT)
            said, complaints = process.communicate(timeout=30)
        assert f"http://127.0.0.1:{port}/" in said
        assert (process.returncode, complaints) == (0, "")
        with psycopg.connect(settings["PG_TENANCY_AUTHENTICATOR_DSN"]) as connection:
            connection.execute("SELECT id, email, password_hash FROM public.users")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT first_name FROM public.users")
    finally:
        server.drop(database.name)
        for name in (login, f"{login}_authenticator"):
            server.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


@pytest.mark.parametrize("missing", ["PG_TENANCY_AUTHENTICATOR_DSN", "PG_TENANCY_TICKET_KEY"])
def test_without_its_secrets_it_says_how_they_are_made(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PG_TENANCY_AUTHENTICATOR_DSN", "dbname=x")
    monkeypatch.setenv("PG_TENANCY_TICKET_KEY", "id:secret")
    monkeypatch.delenv(missing)
    assert main(["console", "dbname=x"]) == 2
    assert f"set {missing}: pg-tenancy console --prepare" in capsys.readouterr().err


def test_a_malformed_key_is_not_repeated(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PG_TENANCY_AUTHENTICATOR_DSN", "dbname=x")
    monkeypatch.setenv("PG_TENANCY_TICKET_KEY", "verysecret")
    assert main(["console", "dbname=x"]) == 2
    assert "verysecret" not in capsys.readouterr().err


@pytest.mark.parametrize("words", [["console", "dbname=x"], ["demo", "--console"]])
def test_a_port_in_use_is_told_of_before_anything_begins(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PG_TENANCY_AUTHENTICATOR_DSN", "dbname=x")
    monkeypatch.setenv("PG_TENANCY_TICKET_KEY", f"id:{'0' * 64}")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main([*words, "--port", str(port)]) == 1
    said = capsys.readouterr()
    assert f"port {port}: " in said.err
    assert "Choose another one with --port" in said.err
    assert "until Ctrl-C" not in said.out


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pg_tenancy.tools.commands.serving.find_spec", lambda name: None)
    assert main(["console", "dbname=x"]) == 1
    assert 'pip install "pg-tenancy[console]"' in capsys.readouterr().err


def test_an_invitation_is_mailed_where_the_application_can(server: Server, template: str, logins: Logins) -> None:
    sent: list[tuple[str, str]] = []

    async def send(email: str, link: str) -> None:
        sent.append((email, link))

    with consoled(server, template, logins, send_invitation=send, address="https://console.example.com/") as console:
        owner, place = console.visitor(console.tenants.members["owner"]), place_of(console.tenants.acme)
        new = {"email": "mia@example.com", "role": "user"}
        answer = owner.post(f"{place}/invitations", f"{place}/invitations/invite", **new)
        ((email, link),) = sent
        assert email == "mia@example.com"
        assert link.startswith("https://console.example.com/join?token=")
        assert link.split("=")[1] not in owner.get(answer.headers["location"]).text
