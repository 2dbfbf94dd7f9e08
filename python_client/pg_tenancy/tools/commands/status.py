"""``pg-tenancy status``."""

from __future__ import annotations

import json
from dataclasses import asdict

from pg_tenancy.tools._terminal import Terminal
from pg_tenancy.tools.commands._database import chosen_dsn, connected, looking
from pg_tenancy.tools.commands._endings import FAILED, OK
from pg_tenancy.tools.phases import (
    Status,
    WayAround,
    plan_of,
    read_phases,
    read_status,
    read_unprotected_tables,
    read_unrestricted_logins,
    read_ways_around,
)

__all__ = ["phase_in_words", "status"]


def status(dsn: str | None, *, as_json: bool) -> int:
    """Show the status of a database."""
    with connected(chosen_dsn(dsn), looking) as connection:
        state = read_status(connection)
        plan = plan_of(connection)
        unrestricted = read_unrestricted_logins(connection)
        unprotected = read_unprotected_tables(connection)
        ways_around = read_ways_around(connection)
    if as_json:
        document = {
            "plan": plan,
            "phase": state.phase,
            "deployed": [
                {"name": change.name, "when": change.when.isoformat(), "by": change.by} for change in state.deployed
            ],
            "pending": [change.name for change in state.pending],
            "stopped": {each.change.name: each.command for each in state.stopped},
            "unknown": list(state.unknown),
            "unrestricted_logins": {login.name: login.reasons for login in unrestricted},
            "unprotected_tables": unprotected,
            "ways_around": None if ways_around is None else [asdict(way) for way in ways_around],
        }
        print(json.dumps(document, indent=2))
        return FAILED if state.unknown else OK
    terminal = Terminal.stdout()
    terminal.line(f"{phase_in_words(state)}.", "bold")
    if plan is not None:
        terminal.line(f"plan: {plan}")
    left = {change.name: change for change in state.deployed}
    stopped = {each.change: each.command for each in state.stopped}
    width = max(len(change.name) for change in state.plan)
    pending = set(state.pending)
    for phase in read_phases(state.plan):
        terminal.heading(f"{'@' + phase.tag if phase.tag else 'after the last phase'}: {phase.title}")
        for change in phase.changes:
            if change in stopped:
                terminal.check(False, f"{change.name:<{width}}", f"a {stopped[change]} was interrupted here")
            elif change in pending:
                terminal.line(f"  - {change.name:<{width}}  pending", "dim")
            else:
                there = left[change.name]
                terminal.check(True, f"{change.name:<{width}}", f"{there.when:%Y-%m-%d %H:%M} {there.by}")
    if state.stopped:
        terminal.line()
        terminal.check(
            False, "this phase is half done: continue it with pg-tenancy deploy, or undo it with pg-tenancy revert"
        )
    if state.deployed:
        terminal.heading("Logins that see everything, despite the policies")
        terminal.table(["login", "because of"], [[login.name, ", ".join(login.reasons)] for login in unrestricted])
        _tell_open(terminal, unprotected, ways_around)
    if state.unknown:
        terminal.line()
        terminal.check(
            False,
            f"this version does not know these changes of the database: {', '.join(state.unknown)}. Update pg-tenancy.",
        )
        return FAILED
    return OK


def _tell_open(terminal: Terminal, unprotected: dict[str, str] | None, ways_around: list[WayAround] | None) -> None:
    """Show which tenants' rows are exposed, and say so if the login cannot find out."""
    terminal.heading("Tenants' tables that are not protected yet")
    if unprotected:
        terminal.table(["table", "refers to"], [[name, referred] for name, referred in unprotected.items()])
    else:
        _tell_none(terminal, unprotected is not None)
    terminal.heading("Objects that expose rows of protected tables")
    if ways_around:
        terminal.table(
            ["table", "through", "open to", "to close it"],
            [[way.table, way.object, way.open_to, way.remedy] for way in ways_around],
        )
    else:
        _tell_none(terminal, ways_around is not None)


def _tell_none(terminal: Terminal, is_known: bool) -> None:
    if is_known:
        terminal.line("  none")
    else:
        terminal.check(False, "this login may not see that: connect as the login that deployed, or as a superuser")


def phase_in_words(state: Status) -> str:
    """Return the deployed phase in a few words."""
    if not state.deployed:
        return "nothing is deployed"
    phase = f"phase {state.phase.removeprefix('phase-')}" if state.phase else "before phase 0 is complete"
    if not state.pending:
        return f"{phase}, {len(state.deployed)} changes, up to date"
    return f"{phase}, {len(state.deployed)} changes deployed and {len(state.pending)} pending"
