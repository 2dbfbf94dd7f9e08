"""``pg-tenancy deploy``, ``verify`` and ``revert``: sqitch with readable progress."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from pg_tenancy.tools._terminal import Terminal
from pg_tenancy.tools.commands._database import chosen_dsn, confirm, connected, deploying, require_rights
from pg_tenancy.tools.commands._endings import OK, FailedError, MistakeError
from pg_tenancy.tools.commands.status import phase_in_words
from pg_tenancy.tools.phases import Progress, Status, plan_of, read_needing, read_status
from pg_tenancy.tools.sqitch import Change, Sqitch, read_plan

__all__ = ["deploy", "revert", "verify"]


def deploy(dsn: str | None, to: str | None, plan: str | None) -> int:
    """Deploy the phases, and verify each change."""
    terminal = Terminal.stdout()
    sqitch = Sqitch(chosen_dsn(dsn))
    _target(to, read_plan(plan=plan or "platform"))
    with connected(sqitch.dsn, deploying) as connection:
        deployed = plan_of(connection)
        require_rights(connection, write=True)
        sqitch.plan = plan or deployed or "platform"
        if deployed not in (None, sqitch.plan):
            raise MistakeError(f"this database was deployed with the plan {deployed}, not with {sqitch.plan}")
        target = _target(to, read_plan(plan=sqitch.plan))
        before = read_status(connection, read_plan(plan=sqitch.plan))
    undone = [stopped.change for stopped in before.stopped if stopped.command == "revert"]
    pending = [change.name for change in (*undone, *before.pending)]
    if not pending or (target and target not in _names((*undone, *before.pending))):
        terminal.line(f"Nothing to deploy: {phase_in_words(before)}.")
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
    with connected(sqitch.dsn, deploying) as connection:
        terminal.line(f"Deployed: {phase_in_words(read_status(connection))}.")
    return OK


def verify(dsn: str | None) -> int:
    """Check that a database is as the deployed changes left it."""
    terminal = Terminal.stdout()
    sqitch = Sqitch(chosen_dsn(dsn))
    with connected(sqitch.dsn, deploying) as connection:
        status = read_status(connection)
        sqitch.plan = plan_of(connection) or sqitch.plan
        require_rights(connection, write=False)
    if not status.deployed:
        raise FailedError("nothing is deployed to this database, so there is nothing to verify")
    verified: list[str] = []
    sqitch.on_line = Progress(verified.append, lambda warning: terminal.line(f"  ! {warning}", "yellow"))
    sqitch.verify()
    terminal.check(True, f"{len(verified)} changes are in the database as they were deployed")
    return OK


def revert(dsn: str | None, to: str | None, *, everything: bool, yes: bool) -> int:
    """Revert changes, after a confirmation."""
    terminal = Terminal.stdout()
    sqitch = Sqitch(chosen_dsn(dsn))
    with connected(sqitch.dsn, deploying) as connection:
        status = read_status(connection)
        sqitch.plan = plan_of(connection) or sqitch.plan
        if status.deployed:
            require_rights(connection, write=True)
    target = None if everything else _target(to, status.plan)
    names = [
        *(change.name for change in status.deployed),
        # sqitch has not recorded it yet.
        *(stopped.change.name for stopped in status.stopped if stopped.command == "deploy"),
    ]
    if target is None:
        going = names
    else:
        last = _change_of(target, status.plan)
        if last not in names:
            raise MistakeError(f"{to} is not deployed to this database: {phase_in_words(status)}")
        going = names[len(names) - names[::-1].index(last) :]
    if not going:
        terminal.line(f"Nothing to revert: {phase_in_words(status)}.")
        return OK
    _refuse_what_is_needed(sqitch.dsn, status.plan[len(names) - len(going) : len(names)])
    if not yes:
        confirm(
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
    with connected(sqitch.dsn, deploying) as connection:
        terminal.line(f"Reverted: {phase_in_words(read_status(connection))}.")
    return OK


def _refuse_what_is_needed(dsn: str, changes: Sequence[Change]) -> None:
    """Refuse a revert that would fail halfway. sqitch reverts phase by phase; only this knows the whole range."""
    with connected(dsn, deploying) as connection:
        needing = read_needing(connection, changes)
    if needing:
        raise FailedError(
            "nothing was reverted, because the application still needs some of it:\n"
            + "\n".join(f"    {what}: {remedy}" for what, remedy in needing)
            + "\nRemove these dependencies, with these statements or others, and revert again. CASCADE would drop the"
            " application's objects."
        )


def _tell_stopping() -> None:
    print("\npg-tenancy: stopping after this change; press again to stop at once", file=sys.stderr, flush=True)


def _settle(sqitch: Sqitch, status: Status, stopped: str) -> None:
    """Have sqitch record what an interrupted command did, so that the next one starts from there.

    Args:
        sqitch: sqitch for the database.
        status: the status of the database.
        stopped: the interrupted command, ``deploy`` or ``revert``.

    """
    noted = {"deploy": status.pending[:1], "revert": status.plan[: len(status.deployed)][-1:]}[stopped]
    if not noted or noted[0] not in [each.change for each in status.stopped]:
        return
    if stopped == "deploy":
        sqitch.run("deploy", "--log-only", "--no-verify", "--to-change", _as_of_its_phase(noted[0], status.plan))
    else:
        sqitch.run("revert", "-y", "--log-only", *(["--to-change", "@HEAD^"] if len(status.deployed) > 1 else []))


def _target(given: str | None, plan: Sequence[Change]) -> str | None:
    """Return a tag with its @ or a change with its folder."""
    if given is None:
        return None
    # In the order of the plan, which differs from the order of the numbers.
    tags = [tag for change in plan for tag in change.tags]
    name = given.removeprefix("@")
    if name in tags:
        return f"@{name}"
    if f"phase-{name}" in tags:
        return f"@phase-{name}"
    for change in plan:
        if given in (change.name, change.name.partition("/")[2]):
            return change.name
    raise MistakeError(f"there is no phase or change {given}; the phases are {', '.join(tags)}")


def _as_of_its_phase(change: Change, plan: Sequence[Change]) -> str:
    """Return sqitch's name of a change, which is unambiguous for reworked changes too."""
    tag = next((each.tags[0] for each in plan[list(plan).index(change) :] if each.tags), None)
    return f"{change.name}@{tag}" if tag else change.name


def _change_of(target: str, plan: Sequence[Change]) -> str:
    """Return the name of the change that a target ends with."""
    return next(change.name for change in plan if change.name == target or target.removeprefix("@") in change.tags)


def _names(changes: Iterable[Change]) -> list[str]:
    """Return all names that select a change."""
    return [name for change in changes for name in (change.name, *(f"@{tag}" for tag in change.tags))]
