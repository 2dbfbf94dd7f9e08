"""The commands of ``pg-tenancy``: their arguments and help texts.

The module of a command is imported only when the command is called, so that ``--help``
and shell completion stay fast.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import BashComplete, CompletionItem, get_completion_class

from pg_tenancy.tools.commands._endings import OK, USAGE, ending, version

__all__ = ["run"]

_PROGRAM: Final = "pg-tenancy"
_COMPLETING: Final = "_PG_TENANCY_COMPLETE"

_ENDS: Final = "Exit status: 0 on success, 1 on failure, 2 for a usage error."

# \b keeps the line breaks of the paragraph after it.
_DSN: Final = """\b
A DSN is a URI (postgresql://user@host/database) or "host=... dbname=... user=...";
the default is the environment variable PG_TENANCY_DSN. Keep passwords out of it:
PGPASSWORD, PGPASSFILE and ~/.pgpass work as in psql."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit status.

    Args:
        arguments: without the program's name; default: the process's arguments.

    """
    try:
        status: int = _commands.main(
            None if arguments is None else list(arguments),
            prog_name=_PROGRAM,
            complete_var=_COMPLETING,
            standalone_mode=False,
        )
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx is not None else _PROGRAM
        print(f"pg-tenancy: {error.format_message()}\nSee {command} --help.", file=sys.stderr)
        return USAGE
    return status


# -- how they are called -----------------------------------------------------------


class _Command(click.Command):
    """A command, with an example below its options."""

    def __init__(self, *, example: str, ends: str = _ENDS, **settings: Any) -> None:
        super().__init__(**settings)
        lines = "\n".join(f"  {line}" for line in example.splitlines())
        about_dsn = f"\n\n{_DSN}" if any(isinstance(each, _DSNArgument) for each in self.params) else ""
        self.epilog = f"\b\nExample:\n{lines}{about_dsn}\n\n{ends}"

    def invoke(self, ctx: click.Context) -> int:
        return ending(lambda: super(_Command, self).invoke(ctx))


class _Commands(click.Group):
    """Commands in the order of their definition."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


class _DSNArgument(click.Argument):
    """An optional DSN, which may be omitted even before other arguments."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names, nargs=-1, metavar="[DSN]", callback=_only)


def _only(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> str | None:
    if len(values) > 1:
        ctx.fail(f"unexpected argument {values[1]}")
    return values[0] if values else None


_dsn = click.argument("dsn", cls=_DSNArgument)


class _Number(click.ParamType[float]):
    """A number between two others."""

    name = "number"

    def __init__(self, kind: type[int] | type[float], least: float, most: float, words: str) -> None:
        self._kind, self._least, self._most, self._words = kind, least, most, words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | float:
        try:
            number = self._kind(value)
        except ValueError:
            number = self._kind(-1)
        if not self._least <= number <= self._most:
            self.fail(self._words, param, ctx)
        return number


_PORT: Final = _Number(int, 1, 65535, "a port is a number from 1 to 65535")
_BATCH: Final = _Number(int, 1, 1_000_000, "a number from 1 to 1,000,000")
_SCALE: Final = _Number(float, 0.05, 100, "a number from 0.05 to 100")
_FILE: Final = click.Path(path_type=Path)


def _phases(ctx: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    from pg_tenancy.tools.phases import read_phases

    return [
        CompletionItem(phase.tag, help=phase.title)
        for phase in read_phases()
        if phase.tag.startswith(typed) and phase.tag
    ]


_batch = click.option(
    "--batch", "batch_size", type=_BATCH, default=5000, metavar="N", help="Rows per transaction; default: 5000."
)
_yes = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
_json = click.option("--json", "as_json", is_flag=True, help="Print only a JSON document.")


@click.group(
    _PROGRAM,
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"{_DSN}\n\n{_ENDS}\n\n`{_PROGRAM} COMMAND --help` explains a command and gives an example.",
)
@click.version_option(version(), prog_name=_PROGRAM, message="%(prog)s %(version)s")
def _commands() -> None:
    """Make a PostgreSQL application multi-tenant: deploy, check and try pg-tenancy."""


def _command(name: str, example: str, **settings: Any) -> Callable[[Callable[..., int]], click.Command]:
    return _commands.command(name, cls=_Command, example=example, **settings)


# -- the commands ------------------------------------------------------------------


@_command(
    "demo",
    "pg-tenancy demo --scale 0.2\npg-tenancy demo --keep                          # and try things in psql",
    short_help="Migrate a sample platform and show what each person then sees.",
)
@click.option(
    "--keep",
    is_flag=True,
    help="Keep the server running until Ctrl-C, so that you can try things. With PG_TENANCY_DSN set: "
    "keep the database.",
)
@_json
@click.option(
    "--scale", type=_SCALE, default=1.0, metavar="N", help="Factor for the number of rows; 1 gives about 55,000."
)
@click.option(
    "--platform",
    is_flag=True,
    help="Start from a realistic rental platform, with enums, triggers and naming rules of its own.",
)
@click.option(
    "--console",
    is_flag=True,
    help="Then serve the console on the data until Ctrl-C, with a login for each role.",
)
@click.option("--port", type=_PORT, default=8000, metavar="N", help="Port of --console; default: 8000.")
def _demo(**options: Any) -> int:
    """Migrate a sample platform and show what each person then sees.

    It starts its own PostgreSQL server, or uses the server in PG_TENANCY_DSN, and works in a new
    database that it drops at the end. Requires sqitch, psql and the extra "embedded".
    """
    from pg_tenancy.tools.commands.showing import demo

    return demo(**options)


@_command(
    "deploy",
    "pg-tenancy deploy --plan kernel postgresql://dba@host/application\n"
    "pg-tenancy deploy --to phase-1 postgresql://dba@host/application",
)
@_dsn
@click.option(
    "--to",
    metavar="TAG",
    shell_complete=_phases,
    help="The last phase or change to deploy, such as phase-1; default: all.",
)
@click.option(
    "--plan",
    type=click.Choice(["kernel", "platform"]),
    help="kernel for your own application; platform (the default) adds instances and models.",
)
def _deploy(**options: Any) -> int:
    """Deploy the phases to a database, and verify each change.

    Choose the plan with the first deploy; later calls find it in the database. The application
    keeps working meanwhile. Ctrl-C stops after the current change; the same command continues.
    """
    from pg_tenancy.tools.commands.deploying import deploy

    return deploy(**options)


@_command("status", "pg-tenancy status postgresql://dba@host/application")
@_dsn
@_json
def _status(**options: Any) -> int:
    """Show what is deployed and what is still open.

    Lists the phases with their changes, logins that see everything, tenants' tables that are
    not protected yet, and objects that still expose rows of protected tables.
    """
    from pg_tenancy.tools.commands.status import status

    return status(**options)


@_command("verify", "pg-tenancy verify postgresql://dba@host/application")
@_dsn
def _verify(**options: Any) -> int:
    """Check that a database is as the deployed changes left it.

    Compares the policies, grants, triggers and functions of every protected table, including
    the application's own tables. It changes nothing.
    """
    from pg_tenancy.tools.commands.deploying import verify

    return verify(**options)


@_command(
    "revert",
    "pg-tenancy revert --to phase-1 postgresql://dba@host/application\n"
    "pg-tenancy revert --all postgresql://dba@host/application",
    short_help="Revert changes, without losing data.",
)
@_dsn
@click.option("--to", metavar="TAG", shell_complete=_phases, help="The last phase or change to keep.")
@click.option("--all", "everything", is_flag=True, help="Revert everything.")
@_yes
@click.pass_context
def _revert(ctx: click.Context, /, **options: Any) -> int:
    """Revert changes, and keep what the older tables cannot hold in tenancy_archive.

    Give either --to or --all. It asks first, and changes nothing if the application still needs
    something that would be dropped. Archived data returns when the phase is deployed again.
    """
    if options["everything"] == (options["to"] is not None):
        ctx.fail("give either --to or --all")
    from pg_tenancy.tools.commands.deploying import revert

    return revert(**options)


@_command(
    "lint",
    "pg-tenancy lint postgresql://ann@host/application\n"
    "pg-tenancy lint --format github --baseline lint.toml     # in a build",
    short_help="Check any database for known leaks in row-level security.",
    ends="Exit status: 0 without a finding at or above --fail-on, 1 with one, 2 if it or a rule could not run.",
)
@_dsn
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "sarif", "github"]),
    default="table",
    help="Default: table.",
)
@click.option(
    "--baseline",
    "baseline_file",
    type=_FILE,
    metavar="FILE",
    help="Exemptions with reasons, in TOML, or in JSON if the name ends in .json.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "info"]),
    default="warning",
    help="The lowest severity that fails; default: warning.",
)
@click.option(
    "--tenant-column",
    "tenant_columns",
    multiple=True,
    metavar="NAME",
    help="A column that holds a row's tenant, instead of workspace_id, tenant_id, organization_id, org_id and "
    "account_id; repeatable.",
)
@click.option(
    "--trusted-role",
    "trusted_roles",
    multiple=True,
    metavar="NAME",
    help="A role that may see everything; repeatable.",
)
@click.option(
    "--against",
    metavar="BASE",
    help="Report only findings that this base lacks, and the effect of each difference: a DSN, or a file "
    "written with --format json.",
)
def _lint(**options: Any) -> int:
    """Check a database for known leaks in row-level security, with or without pg-tenancy in it.

    It reads only the catalog, in a read-only transaction, and needs no more than a login that
    can connect. docs/lint.md lists the rules and describes baseline files.
    """
    from pg_tenancy.tools.commands.linting import check

    return check(**options)


@_command(
    "matrix",
    "pg-tenancy matrix postgresql://dba@host/application\n"
    "pg-tenancy matrix --svg matrix.svg\n"
    "pg-tenancy matrix --tables --role app postgresql://postgres@localhost/application_test\n"
    "pg-tenancy matrix --doors --role app postgresql://postgres@localhost/application_test",
)
@_dsn
@click.option(
    "--svg", type=_FILE, metavar="FILE", help="Also write it as a picture; with --tables or --doors, of what was tried."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document instead of the table.")
@click.option(
    "--tables",
    "tried",
    flag_value="tables",
    help="Also test what each role reads and writes in the application's tables.",
)
@click.option(
    "--doors",
    "tried",
    flag_value="doors",
    help="Also test, as the application's role, what views, functions, triggers and foreign keys reach.",
)
@click.option(
    "--role", default="tenancy_app", metavar="NAME", help="With --tables or --doors: the role; default: tenancy_app."
)
@click.option(
    "--allow-database",
    "allowed",
    metavar="NAME",
    help="With --tables or --doors: test in this database even if it looks live.",
)
@click.pass_context
def _matrix(ctx: click.Context, /, **options: Any) -> int:
    """Print who may do what, in a database or by default.

    Without a DSN or PG_TENANCY_DSN it starts its own server and deploys there; this requires
    sqitch, psql and the extra "embedded".

    --tables and --doors require a superuser and a test database. They try each command on the
    application's tables, or each door to them, in a transaction that is rolled back. The last
    one given counts.
    """
    if options["tried"] and not (options["dsn"] or os.environ.get("PG_TENANCY_DSN")):
        ctx.fail(f"--{options['tried']} needs a database: give its DSN")
    from pg_tenancy.tools.commands.matrices import matrix

    return matrix(**options)


@_command(
    "protect",
    "pg-tenancy protect postgresql://dba@host/application public.projects\n"
    "pg-tenancy protect --parent project_id --contract tasks.sql public.tasks   # on PG_TENANCY_DSN",
    short_help="Protect a large table without blocking anybody.",
)
@_dsn
@click.argument("table_name", metavar="TABLE")
@click.option(
    "--parent", metavar="COLUMN", help="For a child of a protected table: the column that refers to the parent."
)
@click.option("--author", metavar="COLUMN", help="For rows that belong to people: the column that holds the author.")
@click.option("--shared", metavar="COLUMN", help="With --author: the boolean column that lets others read a row.")
@click.option("--catalogue", is_flag=True, help="Everybody may also read the platform's rows.")
@click.option(
    "--contract",
    "contract_file",
    type=_FILE,
    metavar="FILE",
    help="SQL to run in the transaction that closes the table, usually CALL tenancy.allow(...).",
)
@_batch
def _protect(**options: Any) -> int:
    """Protect a large table without blocking anybody.

    CALL tenancy.protect() works in one transaction. This does the same in short steps: it adds
    the column, builds indexes concurrently, moves children to their parents' workspaces in
    batches, validates keys and creates the policies last. Give TABLE with its schema. Ctrl-C
    keeps what is done, and the same command continues. docs/protect.md explains the options.
    """
    from pg_tenancy.tools.commands.protecting import protect

    return protect(**options)


@_command(
    "assign",
    "pg-tenancy assign postgresql://worker@host/application public.instances acme \\\n"
    "    --where \"ip_address << '10.1.0.0/16'\"",
    short_help="Assign rows from before the migration to an organization.",
)
@_dsn
@click.argument("table_name", metavar="TABLE")
@click.argument("organization", metavar="ORGANIZATION")
@click.option(
    "--where",
    "condition",
    metavar="SQL",
    default="true",
    help="A condition that selects some of these rows; it runs with all rights of the login.",
)
@_batch
@_yes
def _assign(**options: Any) -> int:
    """Assign rows from before the migration to an organization, in batches.

    Give TABLE with its schema, such as public.instances, and ORGANIZATION as an id or a slug. It
    counts the rows and asks. Ctrl-C keeps what is done, and the same command continues.
    """
    from pg_tenancy.tools.commands.assigning import assign

    return assign(**options)


@_command(
    "console",
    "pg-tenancy console --prepare postgresql://dba@host/application > console.env\n. ./console.env\npg-tenancy console",
)
@_dsn
@click.option(
    "--prepare",
    is_flag=True,
    help="As a superuser, create the console's two logins and its key, and print the environment to start it with.",
)
@click.option(
    "--login",
    default="console",
    metavar="NAME",
    help="With --prepare: the name of the first login; the second one's ends in _authenticator; default: console.",
)
@click.option("--host", default="127.0.0.1", help="The address to listen on; default: 127.0.0.1.")
@click.option("--port", type=_PORT, default=8000, metavar="N", help="The port to listen on; default: 8000.")
@click.option(
    "--address",
    metavar="URL",
    help="The public address behind an HTTPS proxy, such as https://console.example.com.",
)
def _console(**options: Any) -> int:
    """Serve the web console (docs/console.md).

    The DSN is for a login that is granted tenancy_credentialed. PG_TENANCY_AUTHENTICATOR_DSN is
    for the login that checks passwords, and PG_TENANCY_TICKET_KEY signs tickets. --prepare
    creates and prints all three. Without --address it serves this machine only, over HTTP.
    Requires the extra "console".
    """
    from pg_tenancy.tools.commands.serving import serve_console

    return serve_console(**options)


@_command(
    "completion",
    'eval "$(pg-tenancy completion bash)"       # in ~/.bashrc\n'
    'eval "$(pg-tenancy completion zsh)"        # in ~/.zshrc, after compinit\n'
    "pg-tenancy completion fish | source        # in ~/.config/fish/config.fish",
    short_help="Print a script for shell completion.",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def _completion(shell: str) -> int:
    """Print a script that completes commands, options, phases and formats in a shell.

    bash must be 4.4 or newer; the one in macOS is older.
    """
    click.echo(_script(shell))
    return OK


def _script(shell: str) -> str:
    made = get_completion_class(shell)
    assert made is not None  # noqa: S101
    script = made(_commands, {}, _PROGRAM, _COMPLETING)
    # click starts bash to find its version.
    return script.source_template % script.source_vars() if made is BashComplete else script.source()
