"""The command line: ``pg-tenancy``.

Ends with 0 when all went well, 1 when something failed, 2 when it was called wrongly.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pg_tenancy.errors import TenancyError
from pg_tenancy.tools._terminal import Terminal, progress_bar
from pg_tenancy.tools.assign import Assignment
from pg_tenancy.tools.demo import GROWN, RENTAL, Demonstration, demonstrate
from pg_tenancy.tools.demo.place import Place
from pg_tenancy.tools.demo.truth import Cast
from pg_tenancy.tools.embedded import EmbeddedServer, EmbeddedServerError
from pg_tenancy.tools.lint import SEVERITIES, Baseline, BaselineError, lint, read_baseline
from pg_tenancy.tools.lint_changes import read_base, read_changes, read_snapshot
from pg_tenancy.tools.lint_formats import FORMATS, print_table
from pg_tenancy.tools.matrix import Matrix, read_matrix
from pg_tenancy.tools.phases import (
    Progress,
    Status,
    plan_of,
    read_needing,
    read_phases,
    read_status,
    read_unprotected_tables,
    read_unrestricted_logins,
    read_ways_around,
)
from pg_tenancy.tools.sqitch import (
    PLANS,
    Change,
    Sqitch,
    SqitchError,
    SqitchNotFoundError,
    SqitchStoppedError,
    libpq_environment,
    read_plan,
)

__all__ = ["main"]

OK, FAILED, USAGE = 0, 1, 2

_EPILOG = """\
A DSN is a URI (postgresql://user@host/database) or "host=... dbname=... user=...";
without one the environment variable PG_TENANCY_DSN is used. Keep passwords out of it:
PGPASSWORD, PGPASSFILE and ~/.pgpass work as in psql.

It ends with 0 when all went well, 1 when something failed, 2 when it was called wrongly.
"""

_LINT_EPILOG = """\
It reads the catalog, in a transaction that can write nothing, as any login that can connect.
docs/lint.md has the rules, and what a baseline file looks like. A DSN is as in the other commands.

It ends with 0 when no finding counts, 1 when one does, 2 when it could not run, or a rule could not.
"""


_CONSOLE_EPILOG = """\
The DSN is that of a login of tenancy_credentialed. PG_TENANCY_AUTHENTICATOR_DSN names the login that checks
passwords, PG_TENANCY_TICKET_KEY is the key that signs tickets; --prepare makes and prints all three.
Without --address it listens for browsers on this machine, over HTTP.

It ends with 0 when all went well, 1 when something failed, 2 when it was called wrongly.
"""


class _UsageError(Exception):
    """It was called wrongly; the message says how."""


class _FailedError(Exception):
    """It did not work; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: without the program's name; default: those of the process.

    Returns:
        the exit status: 0, 1 or 2.

    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        with _interruptible():
            status: int = options.run(options)
        return status
    except _UsageError as error:
        print(f"pg-tenancy: {error}", file=sys.stderr)
        return USAGE
    except (_FailedError, SqitchError, EmbeddedServerError) as error:
        _complain(error)
        return FAILED
    except (TenancyError, psycopg.Error) as error:
        _complain(_reason(error))
        return FAILED
    except KeyboardInterrupt:
        print("pg-tenancy: interrupted", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        # Whoever reads has had enough; nothing more can be written, at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _version() -> str:
    try:
        return metadata.version("pg-tenancy")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pg-tenancy",
        description="Give an ordinary PostgreSQL application tenants: deploy, look after and try pg-tenancy.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pg-tenancy {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, text: str, *, dsn: bool = True, epilog: str = _EPILOG) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if dsn:
            added.add_argument("dsn", metavar="DSN", nargs="?", help="the database; default: PG_TENANCY_DSN")
        return added

    demo = command("demo", "migrate an invented platform and show who sees what then", dsn=False)
    demo.add_argument(
        "--keep",
        action="store_true",
        help="keep the server running until Ctrl-C, to try things; on a server that PG_TENANCY_DSN names: "
        "leave the database there",
    )
    demo.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")
    demo.add_argument("--scale", type=_scale, default=1.0, metavar="N", help="how many rows; 1 is about 55,000")
    demo.add_argument(
        "--platform",
        action="store_true",
        help="begin with the database of a rental platform as it is: enums, triggers, its own names and rules",
    )
    demo.add_argument(
        "--console",
        action="store_true",
        help="then serve the console on the data, until Ctrl-C, with somebody of each role to log in as",
    )
    demo.add_argument("--port", type=_port, default=8000, metavar="N", help="where --console listens; default: 8000")
    demo.set_defaults(run=_demo)

    deploy = command("deploy", "deploy the phases to a database, and verify each change")
    deploy.add_argument("--to", metavar="TAG", help="the last phase or change to deploy, phase-1 for instance")
    deploy.add_argument(
        "--plan",
        choices=sorted(PLANS),
        help="kernel for an application of your own; platform, with instances and models, is the default",
    )
    deploy.set_defaults(run=_deploy)

    status = command(
        "status", "say what is deployed to a database, which logins see everything, and through what rows stay visible"
    )
    status.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")
    status.set_defaults(run=_status)

    verify = command("verify", "check that a database is as the deployed changes left it")
    verify.set_defaults(run=_verify)

    revert = command("revert", "revert changes; what the older tables cannot hold is kept in tenancy_archive")
    target = revert.add_mutually_exclusive_group(required=True)
    target.add_argument("--to", metavar="TAG", help="the phase or change that stays deployed")
    target.add_argument("--all", action="store_true", help="revert everything")
    revert.add_argument("--yes", "-y", action="store_true", help="do not ask")
    revert.set_defaults(run=_revert)

    linting = command(
        "lint",
        "check a database, with pg-tenancy in it or without, for the known ways in which row-level security leaks",
        epilog=_LINT_EPILOG,
    )
    linting.add_argument("--format", choices=["table", *FORMATS], default="table", help="default: table")
    linting.add_argument(
        "--baseline", type=Path, metavar="FILE", help="exemptions, with reasons; TOML, or JSON in a file named .json"
    )
    linting.add_argument(
        "--fail-on", choices=SEVERITIES, default="warning", help="the least finding that counts; default: warning"
    )
    linting.add_argument(
        "--tenant-column",
        action="append",
        metavar="NAME",
        help="a column that says whose a row is, in place of workspace_id, tenant_id, organization_id, org_id and "
        "account_id; can be repeated",
    )
    linting.add_argument(
        "--trusted-role", action="append", metavar="NAME", help="a role that may see everything; can be repeated"
    )
    linting.add_argument(
        "--against",
        metavar="BASE",
        help="report only what is new beside this base, and what the difference does: a DSN, or a file that "
        "--format json wrote",
    )
    linting.set_defaults(run=_lint)

    matrix = command("matrix", "print who may do what, of a database or as it is deployed")
    matrix.add_argument("--svg", type=Path, metavar="FILE", help="write it as a picture, too")
    matrix.add_argument("--json", action="store_true", help="print one JSON document instead of the table")
    matrix.set_defaults(run=_matrix)

    console = command("console", "serve the console for people's browsers (docs/console.md)", epilog=_CONSOLE_EPILOG)
    console.add_argument(
        "--prepare",
        action="store_true",
        help="as a superuser, make the console's two logins and its key, and print how it is started with them",
    )
    console.add_argument(
        "--login",
        default="console",
        metavar="NAME",
        help="with --prepare: the name of the first login, to which _authenticator is added for the other; "
        "default: console",
    )
    console.add_argument("--host", default="127.0.0.1", help="the address to listen on; default: 127.0.0.1")
    console.add_argument("--port", type=_port, default=8000, metavar="N", help="the port to listen on; default: 8000")
    console.add_argument(
        "--address",
        metavar="URL",
        help="where browsers reach it, https://console.example.com for instance, behind a proxy that speaks HTTPS",
    )
    console.set_defaults(run=_console)

    assign = command("assign", "give rows from before the migration to an organization, in batches")
    assign.add_argument("table", metavar="TABLE", help="the table, public.instances for instance")
    assign.add_argument("organization", metavar="ORGANIZATION", help="the organization's id or slug")
    assign.add_argument(
        "--where",
        metavar="SQL",
        default="true",
        help="which of these rows, as a condition on the table's columns; it runs with all that the login may do",
    )
    assign.add_argument(
        "--batch", type=_batch, default=5000, metavar="N", help="how many rows a transaction takes; default: 5000"
    )
    assign.add_argument("--yes", "-y", action="store_true", help="do not ask")
    assign.set_defaults(run=_assign)
    return parser


# -- commands ------------------------------------------------------------------


def _demo(options: argparse.Namespace) -> int:
    terminal = Terminal(None) if options.json else Terminal.stdout()
    dsn = _dsn(None) if os.environ.get("PG_TENANCY_DSN") else None
    if options.console:
        # Before the migration, which takes minutes.
        _require_console()
        _require_port("127.0.0.1", options.port)
    try:
        with Place(dsn) as place:
            result = demonstrate(place, terminal, scale=options.scale, shape=RENTAL if options.platform else GROWN)
            if not options.keep:
                # There will be nothing to connect to.
                result.connections, result.statements = {}, []
            if options.console and result.cast is not None:
                _show_console(terminal, place, result.cast, options.port)
            if options.json:
                print(json.dumps(result.document(), indent=2), flush=True)
            else:
                _tell_end(terminal, place, result, kept=options.keep)
            if options.keep and place.server is not None:
                _wait(terminal)
            elif options.keep:
                place.keep()
    except SqitchStoppedError:
        # Its database goes with it: the same command would begin anew.
        raise KeyboardInterrupt from None
    except (SqitchError, EmbeddedServerError, psycopg.Error) as error:
        if options.json:
            message = _in_words(error) if isinstance(error, psycopg.Error) else error
            print(json.dumps({"ok": False, "failures": [str(message)]}, indent=2))
        raise
    return FAILED if result.failures else OK


def _show_console(terminal: Terminal, place: Place, cast: Cast, port: int) -> None:
    from pg_tenancy.tools.console import serve
    from pg_tenancy.tools.demo.console import console_of

    with console_of(place, cast) as shown:
        terminal.heading("The console")
        terminal.line(f"  http://127.0.0.1:{port}/  until Ctrl-C, with the password {shown.password}")
        terminal.table(["log in as", "who is", "in"], [[email, what, where] for what, email, where in shown.people])
        serve(shown.app, "127.0.0.1", port)


def _console(options: argparse.Namespace) -> int:
    _require_console()
    from pg_tenancy.tools.console import app_of, prepare_in_words, serve

    dsn = _dsn(options.dsn)
    if options.prepare:
        print(prepare_in_words(dsn, options.login))
        return OK
    try:
        app = app_of(dsn, secure=options.address is not None, address=options.address)
    except ValueError as error:
        raise _UsageError(str(error)) from None
    _require_port(options.host, options.port)
    print(f"{options.address or f'http://{options.host}:{options.port}'}/  until Ctrl-C", flush=True)
    serve(app, options.host, options.port)
    return OK


def _require_console() -> None:
    if find_spec("uvicorn") is None or find_spec("jinja2") is None:
        raise _FailedError('the console needs more: pip install "pg-tenancy[console]"')


def _require_port(host: str, port: int) -> None:
    from pg_tenancy.tools.console import why_not_free

    if why := why_not_free(host, port):
        raise _FailedError(f"{why}\n--port chooses another.")


def _tell_end(terminal: Terminal, place: Place, result: Demonstration, *, kept: bool) -> None:
    if kept:
        terminal.heading("Try it")
        for who, shown in result.connections.items():
            terminal.line(f"  {who + ':':<17}{shown}")
        terminal.line()
        for statement in result.statements:
            terminal.line(f"  {statement}")
    terminal.line()
    if result.failures:
        terminal.check(False, f"{len(result.failures)} things are not as they must be:")
        for failure in result.failures:
            terminal.line(f"    {failure}")
    else:
        terminal.check(True, f"everything is as it must be, in {result.seconds:.1f} s")
    if kept and place.server is None:
        terminal.line("  To remove it all:")
        for command in place.how_to_remove:
            terminal.line(f"  {command}")
    elif not kept:
        terminal.line("  Nothing is left of it; pg-tenancy demo --keep leaves it there, to be tried.")


def _wait(terminal: Terminal) -> None:
    try:
        terminal.line("  The server runs until Ctrl-C.")
        while True:
            signal.pause()
    except KeyboardInterrupt:
        print(file=sys.stderr)


def _deploy(options: argparse.Namespace) -> int:
    terminal = Terminal.stdout()
    sqitch = _sqitch(options)
    _target(options.to, read_plan(plan=options.plan or "platform"))
    with _connect(sqitch.dsn) as connection:
        deployed = plan_of(connection)
        sqitch.plan = options.plan or deployed or "platform"
        if deployed not in (None, sqitch.plan):
            raise _UsageError(f"this database was deployed with the plan {deployed}, not with {sqitch.plan}")
        target = _target(options.to, read_plan(plan=sqitch.plan))
        before = read_status(connection, read_plan(plan=sqitch.plan))
    undone = [stopped.change for stopped in before.stopped if stopped.command == "revert"]
    pending = [change.name for change in (*undone, *before.pending)]
    if not pending or (target and target not in _names((*undone, *before.pending))):
        terminal.line(f"Nothing to deploy: {_phase_in_words(before)}.")
        return OK
    _settle(sqitch, before, "revert")
    notes = {change.name: change.note for change in before.plan}
    width = max(map(len, pending))
    sqitch.on_line = Progress(
        lambda name: terminal.check(True, f"{name:<{width}}", notes.get(name, "")),
        lambda warning: terminal.line(f"  ! {warning}", "yellow"),
    )
    sqitch.on_stop = _tell_stopping
    sqitch.deploy(target)
    with _connect(sqitch.dsn) as connection:
        terminal.line(f"Deployed: {_phase_in_words(read_status(connection))}.")
    return OK


def _status(options: argparse.Namespace) -> int:
    with _connect(_dsn(options.dsn)) as connection:
        status = read_status(connection)
        plan = plan_of(connection)
        unrestricted = read_unrestricted_logins(connection)
        unprotected = read_unprotected_tables(connection)
        ways_around = read_ways_around(connection)
    if options.json:
        document = {
            "plan": plan,
            "phase": status.phase,
            "deployed": [
                {"name": change.name, "when": change.when.isoformat(), "by": change.by} for change in status.deployed
            ],
            "pending": [change.name for change in status.pending],
            "stopped": {each.change.name: each.command for each in status.stopped},
            "unknown": list(status.unknown),
            "unrestricted_logins": {login.name: login.reasons for login in unrestricted},
            "unprotected_tables": unprotected,
            "ways_around": [asdict(way) for way in ways_around],
        }
        print(json.dumps(document, indent=2))
        return FAILED if status.unknown else OK
    terminal = Terminal.stdout()
    terminal.line(f"{_phase_in_words(status)}.", "bold")
    if plan is not None:
        terminal.line(f"plan: {plan}")
    left = {change.name: change for change in status.deployed}
    stopped = {each.change: each.command for each in status.stopped}
    width = max(len(change.name) for change in status.plan)
    pending = set(status.pending)
    for phase in read_phases(status.plan):
        terminal.heading(f"{'@' + phase.tag if phase.tag else 'after the last phase'}: {phase.title}")
        for change in phase.changes:
            if change in stopped:
                terminal.check(False, f"{change.name:<{width}}", f"a {stopped[change]} was stopped here")
            elif change in pending:
                terminal.line(f"  - {change.name:<{width}}  pending", "dim")
            else:
                there = left[change.name]
                terminal.check(True, f"{change.name:<{width}}", f"{there.when:%Y-%m-%d %H:%M} {there.by}")
    if status.stopped:
        terminal.line()
        terminal.check(
            False, "this phase is half done: pg-tenancy deploy goes on from there, and pg-tenancy revert takes it back"
        )
    if status.deployed:
        terminal.heading("Logins that see everything, whatever the policies say")
        terminal.table(["login", "because of"], [[login.name, ", ".join(login.reasons)] for login in unrestricted])
    if unprotected:
        terminal.heading("Tables with rows of tenants that are not protected yet")
        terminal.table(["table", "refers to"], [[name, referred] for name, referred in unprotected.items()])
    if ways_around:
        terminal.heading("Through what rows of protected tables stay visible")
        terminal.table(
            ["table", "through", "open to", "to close it"],
            [[way.table, way.object, way.open_to, way.remedy] for way in ways_around],
        )
    if status.unknown:
        terminal.line()
        terminal.check(
            False,
            f"the database has changes that this version does not know: {', '.join(status.unknown)}. "
            "Update pg-tenancy.",
        )
        return FAILED
    return OK


def _verify(options: argparse.Namespace) -> int:
    terminal = Terminal.stdout()
    sqitch = _sqitch(options)
    with _connect(sqitch.dsn) as connection:
        status = read_status(connection)
        sqitch.plan = plan_of(connection) or sqitch.plan
    if not status.deployed:
        raise _FailedError("nothing is deployed to this database, so there is nothing to verify")
    verified: list[str] = []
    sqitch.on_line = Progress(verified.append, lambda warning: terminal.line(f"  ! {warning}", "yellow"))
    sqitch.verify()
    terminal.check(True, f"{len(verified)} changes are in the database as they were deployed")
    return OK


def _revert(options: argparse.Namespace) -> int:
    terminal = Terminal.stdout()
    sqitch = _sqitch(options)
    with _connect(sqitch.dsn) as connection:
        status = read_status(connection)
        sqitch.plan = plan_of(connection) or sqitch.plan
    target = None if options.all else _target(options.to, status.plan)
    names = [
        *(change.name for change in status.deployed),
        # sqitch does not know of it yet.
        *(stopped.change.name for stopped in status.stopped if stopped.command == "deploy"),
    ]
    if target is None:
        going = names
    else:
        last = _change_of(target, status.plan)
        if last not in names:
            raise _UsageError(f"{options.to} is not deployed to this database: {_phase_in_words(status)}")
        going = names[len(names) - names[::-1].index(last) :]
    if not going:
        terminal.line(f"Nothing to revert: {_phase_in_words(status)}.")
        return OK
    _refuse_what_is_needed(sqitch.dsn, status.plan[len(names) - len(going) : len(names)])
    if not options.yes:
        _confirm(
            f"This reverts {', '.join(reversed(going))}.",
            unasked=f"this reverts {len(going)} changes",
            refused="nothing was reverted",
        )
    _settle(sqitch, status, "deploy")
    sqitch.on_line = Progress(
        lambda name: terminal.check(True, name), lambda warning: terminal.line(f"  ! {warning}", "yellow")
    )
    sqitch.on_stop = _tell_stopping
    sqitch.revert(target)
    with _connect(sqitch.dsn) as connection:
        terminal.line(f"Reverted: {_phase_in_words(read_status(connection))}.")
    return OK


def _refuse_what_is_needed(dsn: str, changes: Sequence[Change]) -> None:
    """Refuse a revert that would end in the middle: sqitch is asked phase by phase, and this knows how far it goes."""
    with _connect(dsn) as connection:
        needing = read_needing(connection, changes)
    if needing:
        raise _FailedError(
            "nothing was reverted, because the application needs what would go:\n"
            + "\n".join(f"    {what}: {remedy}" for what, remedy in needing)
            + "\nFree these objects with these statements, or others, and revert again. CASCADE would drop what is"
            " the application's."
        )


def _tell_stopping() -> None:
    print("\npg-tenancy: stopping after this change; once more breaks it off", file=sys.stderr, flush=True)


def _settle(sqitch: Sqitch, status: Status, stopped: str) -> None:
    """Have sqitch note what the other command did before it was stopped, so that this one finds work to do.

    Args:
        sqitch: on the database.
        status: what it has.
        stopped: the command that was stopped, ``deploy`` or ``revert``.

    """
    noted = {"deploy": status.pending[:1], "revert": status.plan[: len(status.deployed)][-1:]}[stopped]
    if not noted or noted[0] not in [each.change for each in status.stopped]:
        return
    if stopped == "deploy":
        sqitch.run("deploy", "--log-only", "--no-verify", "--to-change", _as_of_its_phase(noted[0], status.plan))
    else:
        sqitch.run("revert", "-y", "--log-only", *(["--to-change", "@HEAD^"] if len(status.deployed) > 1 else []))


def _confirm(what: str, *, unasked: str, refused: str) -> None:
    """Ask whether to go on.

    Args:
        what: what is going to happen.
        unasked: the same in few words, for where nobody can be asked.
        refused: what to say after a no.

    """
    if not sys.stdin.isatty():
        raise _UsageError(f"{unasked}, and nobody can be asked: say --yes")
    print(what)
    try:
        answer = input("Go on? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise _FailedError(refused)


def _lint(options: argparse.Namespace) -> int:
    try:
        given = read_baseline(options.baseline) if options.baseline else Baseline()
        baseline = Baseline(
            given.exemptions,
            tuple(options.tenant_column or given.tenant_columns),
            (*given.trusted_roles, *(options.trusted_role or ())),
        )
        known, before = read_base(options.against, baseline) if options.against else (None, {})
        with _connect(_dsn(options.dsn)) as connection:
            snapshot = read_snapshot(connection)
            changes = read_changes(before, snapshot) if options.against else []
            report = lint(connection, baseline=baseline, known=known, changes=changes)
        report = replace(report, snapshot=snapshot)
    except BaselineError as error:
        raise _UsageError(str(error)) from None
    except psycopg.Error as error:
        _complain(_in_words(error))
        return USAGE
    if options.format == "table":
        print_table(report, Terminal.stdout())
    else:
        print(FORMATS[options.format](report, _version()))
    if report.failures:
        _complain(f"{len(report.failures)} of {len(report.rules)} rules could not run: {', '.join(report.failures)}")
        return USAGE
    return FAILED if report.at_least(options.fail_on) else OK


def _matrix(options: argparse.Namespace) -> int:
    if options.dsn or os.environ.get("PG_TENANCY_DSN"):
        matrix = _matrix_of(_dsn(options.dsn))
    else:
        with EmbeddedServer(durable=False) as server:
            programs = server.bin_dir if (server.bin_dir / "psql").exists() else None
            Sqitch(server.dsn(), isolated=True, program_directory=programs).deploy()
            matrix = _matrix_of(server.dsn())
    if options.svg:
        try:
            options.svg.write_text(matrix.svg(), encoding="utf-8")
        except OSError as error:
            raise _FailedError(f"{options.svg} cannot be written: {error.strerror}") from None
    print(json.dumps(matrix.document(), indent=2) if options.json else matrix.text())
    return OK


def _matrix_of(dsn: str) -> Matrix:
    with _connect(dsn) as connection:
        if not connection.execute("SELECT to_regclass('tenancy.role_permissions') IS NOT NULL").fetchall()[0][0]:
            raise _FailedError("this database has no permission matrix yet: deploy phase-1")
        matrix = read_matrix(connection)
    if not matrix.holders:
        raise _FailedError("no permission is visible to this login: connect as a member of tenancy_service")
    return matrix


def _assign(options: argparse.Namespace) -> int:
    terminal = Terminal.stdout()
    with _connect(_dsn(options.dsn)) as connection:
        assignment = Assignment(
            connection, options.table, options.organization, condition=options.where, batch_size=options.batch
        )
        table, total = assignment.table, assignment.total
        # It is whatever a customer chose, and this is a DBA's terminal.
        name = "".join(letter if letter.isprintable() else "?" for letter in assignment.organization_name)
        if not total:
            terminal.line(f"Nothing to assign: {table} has no such legacy rows.")
            return OK
        rows = f"{total:,} {'row' if total == 1 else 'rows'} of {table}"
        if not options.yes:
            _confirm(
                f"This gives {rows} to {name} ({assignment.organization_id}). No command takes them back.",
                unasked=f"this gives {rows} to {name}",
                refused="nothing was assigned",
            )
        given = 0
        with progress_bar(terminal, table) as show:

            def on_batch(done: int, of: int) -> None:
                nonlocal given
                given = done
                show(done, of)

            try:
                assignment.run(on_batch)
            except (KeyboardInterrupt, TenancyError, psycopg.Error) as error:
                why = "interrupted" if isinstance(error, KeyboardInterrupt) else _reason(error)
                raise _FailedError(
                    f"{why}\n{given:,} of {total:,} rows are assigned and stay so; the same command goes on from there"
                ) from error
    terminal.check(True, f"{given:,} {'row' if given == 1 else 'rows'} of {table} are {name}'s now")
    return OK


# -- what the commands share ---------------------------------------------------


def _dsn(given: str | None) -> str:
    """Return the DSN to use, after a look that never shows it: it may hold a password."""
    dsn = given or os.environ.get("PG_TENANCY_DSN")
    whence = "the DSN" if given else "PG_TENANCY_DSN"
    if not dsn:
        raise _UsageError("which database? Give a DSN, postgresql://user@host/database, or set PG_TENANCY_DSN")
    try:
        parts = conninfo_to_dict(dsn)
        libpq_environment(dsn)
    except psycopg.Error:
        raise _UsageError(
            f'{whence} is neither a URI (postgresql://user@host/database) nor "keyword=value ..."'
            " with keywords that libpq knows"
        ) from None
    except ValueError as error:
        raise _UsageError(f"{whence}: {error}") from None
    # An @ in a password ends it too early, and the rest would be shown as the host.
    if "@" in str(parts.get("host") or "") or not str(parts.get("port") or "0").replace(",", "").isdigit():
        raise _UsageError(f"{whence} has no valid host and port: write an @ in the password as %40, a / as %2F")
    return dsn


def _sqitch(options: argparse.Namespace) -> Sqitch:
    return Sqitch(_dsn(options.dsn))


def _connect(dsn: str) -> closing[psycopg.Connection[tuple[object, ...]]]:
    connection = psycopg.connect(dsn, autocommit=True, fallback_application_name="pg-tenancy")
    return closing(connection)


def _target(given: str | None, plan: Sequence[Change]) -> str | None:
    """Return a tag with its @, a change with its folder."""
    if given is None:
        return None
    # In the plan's order, which is not that of their numbers.
    tags = [tag for change in plan for tag in change.tags]
    name = given.removeprefix("@")
    if name in tags:
        return f"@{name}"
    if f"phase-{name}" in tags:
        return f"@phase-{name}"
    for change in plan:
        if given in (change.name, change.name.partition("/")[2]):
            return change.name
    raise _UsageError(f"there is no phase or change {given}; the phases are {', '.join(tags)}")


def _as_of_its_phase(change: Change, plan: Sequence[Change]) -> str:
    """Return how sqitch is told which change is meant, also where the plan has it again."""
    tag = next((each.tags[0] for each in plan[list(plan).index(change) :] if each.tags), None)
    return f"{change.name}@{tag}" if tag else change.name


def _change_of(target: str, plan: Sequence[Change]) -> str:
    """Return the name of the change that a target ends with."""
    return next(change.name for change in plan if change.name == target or target.removeprefix("@") in change.tags)


def _names(changes: Iterable[Change]) -> list[str]:
    """Return all names by which changes can be asked for."""
    return [name for change in changes for name in (change.name, *(f"@{tag}" for tag in change.tags))]


def _phase_in_words(status: Status) -> str:
    if not status.deployed:
        return "nothing is deployed"
    phase = f"phase {status.phase.removeprefix('phase-')}" if status.phase else "before phase 0 is complete"
    if not status.pending:
        return f"{phase}, {len(status.deployed)} changes, up to date"
    return f"{phase}, {len(status.deployed)} changes deployed and {len(status.pending)} pending"


def _reason(error: Exception) -> str:
    if isinstance(error, psycopg.Error):
        return _in_words(error)
    return f"{error.message}\n{error.hint}" if isinstance(error, TenancyError) and error.hint else str(error)


def _in_words(error: psycopg.Error) -> str:
    text = error.diag.message_primary or str(error).strip()
    if isinstance(error, psycopg.errors.InsufficientPrivilege) and text.endswith("for schema sqitch"):
        # The first table that deploy, status, verify and revert read.
        return f"{text}\nConnect as the login that deployed, or as a superuser."
    return f"{text}\n{error.diag.message_hint}" if error.diag.message_hint else text


def _complain(message: object) -> None:
    text = f"pg-tenancy: {message}"
    if "DBD::Pg" in text and not isinstance(message, SqitchNotFoundError):
        text += "\nDebian and Ubuntu: apt-get install libdbd-pg-perl"
    print(text, file=sys.stderr)


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0.05 <= scale <= 100:
        raise argparse.ArgumentTypeError("a number from 0.05 to 100")
    return scale


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)


def _batch(text: str) -> int:
    try:
        batch = int(text)
    except ValueError:
        batch = 0
    if not 1 <= batch <= 1_000_000:
        raise argparse.ArgumentTypeError("a number from 1 to 1,000,000")
    return batch


@contextmanager
def _interruptible() -> Iterator[None]:
    """Have SIGINT and SIGTERM end the block politely: what was started is stopped, what was made is removed.

    Both, whatever they did before: a script's background jobs are born deaf to SIGINT,
    and Python leaves it at that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only there can it be asked for
        return
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
