"""The private server: it starts, it is private, and it is gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import psycopg
import pytest

from pg_tenancy.tools.embedded import EmbeddedServer, EmbeddedServerError, find_binaries
from support.command import environment, started


def test_a_server_answers_and_its_directory_is_gone_afterwards() -> None:
    with EmbeddedServer(durable=False) as server:
        directory = Path(server.host)
        with psycopg.connect(server.dsn()) as connection:
            assert connection.info.server_version // 10000 == server.version
    assert not directory.exists()


def test_nobody_else_can_reach_the_server() -> None:
    with EmbeddedServer(durable=False) as server:
        assert stat.S_IMODE(Path(server.host).stat().st_mode) == 0o700
        with psycopg.connect(server.dsn()) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_over_tcp_a_password_is_asked_for(unused_tcp_port: int) -> None:
    with EmbeddedServer(durable=False, port=unused_tcp_port) as server:
        address = f"host=127.0.0.1 port={unused_tcp_port} user={server.user} dbname=postgres"
        with psycopg.connect(address, password=server.password) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(address, password="guess")


def test_the_server_does_not_run_as_root() -> None:
    with EmbeddedServer(durable=False) as server:
        assert Path(server.host, "data").stat().st_uid != 0


def test_text_is_utf8_and_compared_by_code_point() -> None:
    with EmbeddedServer(durable=False) as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        assert connection.execute("SELECT 'Z' < 'a'").fetchone() == (True,)


def test_data_survives_a_crash_of_the_server() -> None:
    with EmbeddedServer() as server:
        with psycopg.connect(server.dsn()) as connection:
            connection.execute("CREATE TABLE kept (n int)")
        server.restart(crash=True)
        with psycopg.connect(server.dsn()) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


_CHILD = textwrap.dedent("""
    import os, signal, sys, time
    from pg_tenancy.tools.embedded import EmbeddedServer
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # below nohup it is ignored
    server = EmbeddedServer(durable=False).start()
    with open(os.path.join(server.host, "pid")) as file:
        print(server.host, file.read().strip(), flush=True)
    if sys.argv[1] == "exit":
        raise SystemExit
    if sys.argv[1] == "exception":
        raise RuntimeError
    time.sleep(60)
""")


@pytest.mark.parametrize("ending", ["exit", "exception", "SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_nothing_survives_the_process_however_it_ends(ending: str) -> None:
    with started([sys.executable, "-c", _CHILD, ending], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        directory, pid = child.stdout.readline().split()
        if ending.startswith("SIG"):
            child.send_signal(signal.Signals[ending])
    deadline = time.monotonic() + 20
    while Path(directory).exists() or _alive(int(pid)):
        assert time.monotonic() < deadline, "the server or its directory is still there"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_killed_while_its_server_starts_leaves_nothing() -> None:
    # Not tmp_path, which the server's user may not enter if we are root.
    with tempfile.TemporaryDirectory(prefix="pgt-test-", dir="/tmp") as name:
        temporary = Path(name)
        temporary.chmod(0o777)
        for delay in (0.0, 0.05, 0.1, 0.2, 0.3):
            sleeping = [sys.executable, "-c", _CHILD, "sleep"]
            with started(sleeping, stdout=subprocess.DEVNULL, env=environment(TMPDIR=name)) as child:
                while child.poll() is None and not any(temporary.glob("*/log")):
                    time.sleep(0.002)
                time.sleep(delay)
                child.kill()
        deadline = time.monotonic() + 20
        while any(temporary.iterdir()):
            assert time.monotonic() < deadline, "a server's directory is still there"
            time.sleep(0.05)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run the server as somebody else")
def test_programs_below_a_closed_directory_are_copied(tmp_path: Path) -> None:
    installed = find_binaries()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = closed / installed.parent.parent.name
    shutil.copytree(installed.parent, package / installed.parent.name, symlinks=True)
    libraries = installed.parent.parent.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, closed / libraries.name, symlinks=True)
    if not libraries.is_dir() and installed.is_relative_to("/usr/lib/postgresql"):
        pytest.skip("Debian's server finds its files by the path it was built for")
    with EmbeddedServer(durable=False, bin_dir=package / installed.parent.name / "bin") as server:
        assert server.bin_dir.is_relative_to(server.host)
        with psycopg.connect(server.dsn()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_second_stop_does_nothing() -> None:
    server = EmbeddedServer(durable=False).start()
    server.stop()
    server.stop()


def test_a_wrong_setting_is_reported_with_the_log() -> None:
    with pytest.raises(EmbeddedServerError, match="no_such_setting"):
        EmbeddedServer(settings={"no_such_setting": "1"}).start()


def test_the_named_directory_of_programs_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("initdb", "postgres"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PG_TENANCY_PG_BIN", str(tmp_path))
    assert find_binaries() == tmp_path


def test_a_named_directory_without_a_server_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PG_TENANCY_PG_BIN", str(tmp_path))
    with pytest.raises(EmbeddedServerError, match="PG_TENANCY_PG_BIN"):
        find_binaries()
