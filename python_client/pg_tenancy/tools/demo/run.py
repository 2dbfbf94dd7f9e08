"""The whole demonstration."""

from __future__ import annotations

import shlex
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from pg_tenancy.tools._terminal import Terminal
from pg_tenancy.tools.demo import migration
from pg_tenancy.tools.demo.attempts import Attempt
from pg_tenancy.tools.demo.check import check
from pg_tenancy.tools.demo.data import COLUMNS, Platform, generate
from pg_tenancy.tools.demo.isolation import View
from pg_tenancy.tools.demo.migration import PhaseReport
from pg_tenancy.tools.demo.place import Place
from pg_tenancy.tools.demo.platform import GROWN, OldApplication, Seen, Shape, create_tables, fill
from pg_tenancy.tools.demo.truth import Cast, Truth
from pg_tenancy.tools.demo.work import do_some_work
from pg_tenancy.tools.phases import Progress, read_phases

__all__ = ["Demonstration", "demonstrate"]

_SHORT: Final = {
    "organizations": "orgs",
    "memberships": "mships",
    "workspaces": "wspaces",
    "audit_log": "audit",
    "invitations": "invited",
}


@dataclass
class Demonstration:
    """The result of the demonstration.

    Attributes:
        truth: the expected rows at the end.
        cast: the people who are shown.
        failures: all failures, in words.

    """

    server: str = ""
    database: str = ""
    tables: dict[str, int] = field(default_factory=dict)
    phases: list[PhaseReport] = field(default_factory=list)
    verified: int = 0
    work: list[str] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    memberships_entered: int = 0
    personal_workspaces_entered: int = 0
    old_application: dict[str, int] = field(default_factory=dict)
    connections: dict[str, str] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)
    seconds: float = 0.0
    truth: Truth | None = None
    cast: Cast | None = None
    failures: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        phases = [
            {
                "tag": phase.tag,
                "title": phase.title,
                "changes": phase.changes,
                "warnings": phase.warnings,
                "seconds": round(phase.seconds, 3),
                "effects": [asdict(effect) for effect in phase.effects],
                "old_application_rows": phase.old_rows,
                "ok": not phase.failures,
            }
            for phase in self.phases
        ]
        views = [
            {
                "person": view.person,
                "workspace": view.workspace,
                "role": view.role,
                "permissions": view.permissions,
                "seen": view.seen,
                "ok": not view.failures,
            }
            for view in self.views
        ]
        attempts = [
            {
                "what": attempt.what,
                "sqlstate": attempt.got[0] if attempt.got else None,
                "name": (attempt.got[1] or None) if attempt.got else None,
                "message": attempt.message,
                "ok": not attempt.failures,
            }
            for attempt in self.attempts
        ]
        return {
            "ok": not self.failures,
            "failures": self.failures,
            "server": self.server,
            "database": self.database,
            "tables": self.tables,
            "phases": phases,
            "verified_changes": self.verified,
            "work": self.work,
            "views": views,
            "refusals": attempts,
            "memberships_entered": self.memberships_entered,
            "personal_workspaces_entered": self.personal_workspaces_entered,
            "old_application": self.old_application,
            "connections": self.connections,
            "statements": self.statements,
            "seconds": round(self.seconds, 3),
        }


def demonstrate(place: Place, terminal: Terminal, *, scale: float = 1.0, shape: Shape = GROWN) -> Demonstration:
    """Run the demonstration in an open place, and print its progress.

    Args:
        place: the place.
        terminal: the terminal to print to.
        scale: a factor for the number of rows; 1 gives about 55,000.
        shape: the variant of the tables.

    Raises:
        SqitchError: a deploy or the verification failed.

    """
    started = time.monotonic()
    result = Demonstration(place.version, place.database)
    platform = generate(scale)
    with place.connect(place.old, autocommit=False) as connection:
        create_tables(connection, shape)
        fill(connection, platform, shape)
    result.tables = {table: len(rows) for table, rows in platform.rows.items()}
    _tell_platform(terminal, result)

    with OldApplication(place.old.dsn, shape) as old:
        seen = old.look()
        for difference in migration.compare(Seen(rows=result.tables), Seen(rows=seen.rows, failures=seen.failures)):
            _fail(terminal, result, difference)
        _deploy(place, platform, old, seen, terminal, result)
        _verify(place, terminal, result)
        _mend(place, shape, terminal)
        place.admit_application()
        truth = _isolation(place, platform, terminal, result)
        _old_at_the_end(old, result, truth, terminal)

        _how_to_connect(place, Cast.of(platform), result)
    result.seconds = time.monotonic() - started
    return result


def _tell_platform(terminal: Terminal, result: Demonstration) -> None:
    terminal.heading(f"The platform before tenancy (PostgreSQL {result.server})")
    counts = [f"{count:,} {table.split('.')[1].replace('_', ' ')}" for table, count in result.tables.items()]
    for start in range(0, len(counts), 4):
        terminal.line("  " + ", ".join(counts[start : start + 4]))


def _deploy(
    place: Place, platform: Platform, old: OldApplication, before: Seen, terminal: Terminal, result: Demonstration
) -> None:
    for phase in read_phases():
        notes = {change.name: change.note for change in phase.changes}
        terminal.heading(f"{('@' + phase.tag) if phase.tag else 'After the last phase'}: {phase.title}")
        width = max(len(change.name) for change in phase.changes)

        def done(name: str, width: int = width, notes: dict[str, str] = notes) -> None:
            terminal.check(True, f"{name:<{width}}", notes.get(name, ""))

        report = migration.deploy_phase(place, phase, platform, old, before, done)
        result.phases.append(report)
        for warning in report.warnings:
            terminal.line(f"  ! {warning}", "yellow")
        effects = [
            f"{effect.after - effect.before:+,} {effect.what}" + (f" (now {effect.after:,})" if effect.before else "")
            for effect in report.effects
        ]
        for start in range(0, len(effects), 3):
            terminal.line("    " + ", ".join(effects[start : start + 3]))
        if not report.failures:
            terminal.line(
                f"    {report.seconds:.1f} s; the old application reads the same {report.old_rows:,} rows and writes"
                " as before"
            )
        for failure in report.failures:
            _fail(terminal, result, f"@{phase.tag}: {failure}")


def _verify(place: Place, terminal: Terminal, result: Demonstration) -> None:
    terminal.heading("sqitch verify")
    verified: list[str] = []
    sqitch = place.sqitch()
    sqitch.on_line = Progress(verified.append, lambda warning: None)
    sqitch.verify()
    result.verified = len(verified)
    terminal.check(True, f"{len(verified)} changes are in the database as they were deployed")


def _mend(place: Place, shape: Shape, terminal: Terminal) -> None:
    if not shape.mend:
        return
    terminal.heading("What the warnings ask the owner of the tables to run")
    with place.connect(place.old) as connection:
        for statement in shape.mend:
            connection.execute(statement)
            terminal.line(f"  {statement};")


def _isolation(place: Place, platform: Platform, terminal: Terminal, result: Demonstration) -> Truth:
    result.cast = cast = Cast.of(platform)
    with place.connect() as connection:
        matrix = connection.execute("SELECT permission, role FROM tenancy.role_permissions").fetchall()
    result.truth = truth = Truth.of(platform, [(permission, role) for permission, role in matrix])

    terminal.heading("Some work, as the new application")
    with place.connect(place.app) as application, place.connect(place.old) as service:
        result.work = do_some_work(application, service, truth, cast)
    for done in result.work:
        terminal.line(f"  {done}")

    terminal.heading("Who sees what, as the new application: rows of each table")
    checked = check(lambda: place.connect(place.app), place.connect, truth, cast)
    result.views, result.attempts = checked.views, checked.attempts
    result.memberships_entered, result.personal_workspaces_entered = checked.memberships, checked.personal
    _tell_views(terminal, result)
    if not checked.strange:
        terminal.check(
            True,
            f"all {checked.memberships:,} memberships and {checked.personal:,} personal workspaces were entered: "
            "each saw only its own rows",
        )
    for failure in checked.strange:
        _fail(terminal, result, failure)

    terminal.heading("What is refused")
    for attempt in checked.attempts:
        name = " ".join(attempt.got).strip() + ": " if attempt.got else ""
        terminal.check(not attempt.failures, attempt.what)
        terminal.line(f"      {name}{attempt.message}", "dim")
        for failure in attempt.failures:
            _fail(terminal, result, failure)
    if not checked.changed:
        terminal.check(True, "none of these attempts changed anything")
    for failure in checked.changed:
        _fail(terminal, result, failure)
    return truth


def _tell_views(terminal: Terminal, result: Demonstration) -> None:
    kinds = [kind for kind in result.views[0].seen if kind != "my_organizations()"]
    terminal.table(
        ["", "person", "workspace", "role", "perms", *(_SHORT.get(kind, kind) for kind in kinds)],
        [
            [
                terminal.style(terminal.cross, "red") if view.failures else terminal.style(terminal.tick, "green"),
                view.person,
                view.workspace,
                view.role or "-",
                str(view.permissions),
                *("-" if view.seen.get(kind) is None else str(view.seen[kind]) for kind in kinds),
            ]
            for view in result.views
        ],
        right=range(4, 5 + len(kinds)),
    )
    for view in result.views:
        for failure in view.failures:
            _fail(terminal, result, failure)


def _old_at_the_end(old: OldApplication, result: Demonstration, truth: Truth, terminal: Terminal) -> None:
    terminal.heading("The old application, now")
    seen = old.look()
    result.old_application = seen.rows
    wanted = result.tables | {
        "public.users": len(truth.people),
        "public.organizations": len(truth.organizations),
        "public.organization_memberships": len(truth.memberships),
        "public.api_keys": len(truth.api_keys),
        "public.instances": len(truth.instances),
        "public.models": len(truth.models),
    }
    failures = [
        f"the old application sees {seen.rows.get(table)} rows of {table} instead of {wanted[table]}"
        for table in COLUMNS
        if seen.rows.get(table) != wanted[table]
    ] + seen.failures
    if not failures:
        terminal.check(
            True,
            f"sees everything: {seen.rows['public.organizations']:,} organizations,"
            f" {seen.rows['public.users']:,} users, {seen.rows['public.instances']:,} instances,"
            f" {sum(seen.rows.values()):,} rows in all",
        )
    for failure in failures:
        _fail(terminal, result, failure)


def _how_to_connect(place: Place, cast: Cast, result: Demonstration) -> None:
    result.connections = {
        "new application": place.app.shown,
        "old application": place.old.shown,
        "deployer": place.deployer.shown,
    }
    enter = f"SELECT tenancy.enter('{cast.owner.id}', '{cast.first.id}')"
    forge = f"SET LOCAL tenancy.current_organization_id = '{cast.first.id}'"
    result.statements = [
        _psql(
            place.app.shown,
            "BEGIN",
            enter,
            "SELECT * FROM tenancy.current_workspace()",
            "SELECT role, count(*) FROM tenancy.members() GROUP BY role",
            "SELECT status, count(*) FROM public.instances GROUP BY status",
            "COMMIT",
        ),
        _psql(place.app.shown, "BEGIN", forge, "SELECT name FROM public.organizations"),
        _psql(place.old.shown, "SELECT count(*) FROM public.organizations"),
    ]


def _psql(uri: str, *statements: str) -> str:
    # The statements contain no characters that are special inside double quotes.
    text = "; ".join(statements)
    return f'psql {shlex.quote(uri)} -c "{text}"'


def _fail(terminal: Terminal, result: Demonstration, failure: str) -> None:
    result.failures.append(failure)
    terminal.check(False, failure)
