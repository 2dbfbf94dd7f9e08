"""The commands of ``pg-tenancy``: their arguments, and the words that explain them.

What each does is in a module of its own, which is imported when it is called, so that
``--help`` and the completions of a shell answer at once.
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

_ENDS: Final = "It ends with 0 when all went well, 1 when something failed, 2 when it was called wrongly."

# A paragraph after \b is shown as it is written.
_DSN: Final = """\b
A DSN is a URI (postgresql://user@host/database) or "host=... dbname=... user=...";
without one the environment variable PG_TENANCY_DSN is used. Keep passwords out of it:
PGPASSWORD, PGPASSFILE and ~/.pgpass work as in psql."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit status.

    Args:
        arguments: without the program's name; default: those of the process.

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
        print(f"pg-tenancy: {error.format_message()}\n{command} --help explains it.", file=sys.stderr)
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
    """The database, which may be left out before other arguments, too."""

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


_yes = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else.")


@click.group(
    _PROGRAM,
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"{_DSN}\n\n{_ENDS}\n\n`{_PROGRAM} COMMAND --help` explains a command, with an example.",
)
@click.version_option(version(), prog_name=_PROGRAM, message="%(prog)s %(version)s")
def _commands() -> None:
    """Give an ordinary PostgreSQL application tenants: deploy, look after and try pg-tenancy."""


def _command(name: str, example: str, **settings: Any) -> Callable[[Callable[..., int]], click.Command]:
    return _commands.command(name, cls=_Command, example=example, **settings)


# -- the commands ------------------------------------------------------------------


@_command(
    "demo",
    "pg-tenancy demo --scale 0.2\npg-tenancy demo --keep                          # and try things in psql",
    short_help="Migrate an invented platform and show who sees what then.",
)
@click.option(
    "--keep",
    is_flag=True,
    help="Keep the server running until Ctrl-C, to try things; on a server that PG_TENANCY_DSN names: "
    "leave the database there.",
)
@_json
@click.option("--scale", type=_SCALE, default=1.0, metavar="N", help="How many rows; 1 is about 55,000.")
@click.option(
    "--platform",
    is_flag=True,
    help="Begin with the database of a rental platform as it is: enums, triggers, its own names and rules.",
)
@click.option(
    "--console",
    is_flag=True,
    help="Then serve the console on the data, until Ctrl-C, with somebody of each role to log in as.",
)
@click.option("--port", type=_PORT, default=8000, metavar="N", help="Where --console listens; default: 8000.")
def _demo(**options: Any) -> int:
    """Migrate an invented platform and show who sees what then.

    It starts a PostgreSQL server of its own, or uses the one that PG_TENANCY_DSN names, in a
    database of its own that it drops. Needs sqitch, psql and the extra "embedded".
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
    help="The last phase or change to deploy, phase-1 for instance; default: all.",
)
@click.option(
    "--plan",
    type=click.Choice(["kernel", "platform"]),
    help="kernel for an application of your own; platform, with instances and models, is the default.",
)
def _deploy(**options: Any) -> int:
    """Deploy the phases to a database, and verify each change.

    The first time the plan is chosen; later calls find it. The application keeps working
    meanwhile. Ctrl-C stops after the current change, and the same command goes on from there.
    """
    from pg_tenancy.tools.commands.deploying import deploy

    return deploy(**options)


@_command("status", "pg-tenancy status postgresql://dba@host/application")
@_dsn
@_json
def _status(**options: Any) -> int:
    """Say what is deployed, and what is still open to whom.

    The phases with their changes; the logins that see everything; the tables of tenants
    that are not protected yet; and through what rows of protected tables stay visible.
    """
    from pg_tenancy.tools.commands.status import status

    return status(**options)


@_command("verify", "pg-tenancy verify postgresql://dba@host/application")
@_dsn
def _verify(**options: Any) -> int:
    """Check that a database is as the deployed changes left it.

    Policies, grants, triggers and functions of every protected table, the application's own
    included. It changes nothing.
    """
    from pg_tenancy.tools.commands.deploying import verify

    return verify(**options)


@_command(
    "revert",
    "pg-tenancy revert --to phase-1 postgresql://dba@host/application\n"
    "pg-tenancy revert --all postgresql://dba@host/application",
    short_help="Revert changes; what older tables cannot hold is kept.",
)
@_dsn
@click.option("--to", metavar="TAG", shell_complete=_phases, help="The phase or change that stays deployed.")
@click.option("--all", "everything", is_flag=True, help="Revert everything.")
@_yes
@click.pass_context
def _revert(ctx: click.Context, /, **options: Any) -> int:
    """Revert changes; what the older tables cannot hold is kept in tenancy_archive.

    Either --to or --all says how far. It asks first, and refuses before the first change what
    the application still needs. What is kept returns when the phase is deployed again.
    """
    if options["everything"] == (options["to"] is not None):
        ctx.fail("one of --to and --all says what is reverted")
    from pg_tenancy.tools.commands.deploying import revert

    return revert(**options)


@_command(
    "lint",
    "pg-tenancy lint postgresql://ann@host/application\n"
    "pg-tenancy lint --format github --baseline lint.toml     # in a build",
    short_help="Check any database for the known ways in which row-level security leaks.",
    ends="It ends with 0 when no finding counts, 1 when one does, 2 when it could not run, or a rule could not.",
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
    help="Exemptions, with reasons; TOML, or JSON in a file named .json.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "info"]),
    default="warning",
    help="The least finding that counts; default: warning.",
)
@click.option(
    "--tenant-column",
    "tenant_columns",
    multiple=True,
    metavar="NAME",
    help="A column that says whose a row is, in place of workspace_id, tenant_id, organization_id, org_id and "
    "account_id; can be repeated.",
)
@click.option(
    "--trusted-role",
    "trusted_roles",
    multiple=True,
    metavar="NAME",
    help="A role that may see everything; can be repeated.",
)
@click.option(
    "--against",
    metavar="BASE",
    help="Report only what is new beside this base, and what the difference does: a DSN, or a file that "
    "--format json wrote.",
)
def _lint(**options: Any) -> int:
    """Check a database, with pg-tenancy in it or without, for the known ways in which row-level security leaks.

    It reads the catalog, in a transaction that can write nothing, as any login that can
    connect. docs/lint.md has the rules, and what a baseline file looks like.
    """
    from pg_tenancy.tools.commands.linting import check

    return check(**options)


@_command(
    "matrix",
    "pg-tenancy matrix postgresql://dba@host/application\n"
    "pg-tenancy matrix --svg matrix.svg\n"
    "pg-tenancy matrix --doors --role app postgresql://postgres@localhost/application_test",
)
@_dsn
@click.option("--svg", type=_FILE, metavar="FILE", help="Write it as a picture, too; with --doors the doors.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of the table.")
@click.option(
    "--doors",
    "with_doors",
    is_flag=True,
    help="Also try, as the application's role, what views, functions, triggers and foreign keys reach.",
)
@click.option("--role", default="tenancy_app", metavar="NAME", help="With --doors: the role; default: tenancy_app.")
@click.option(
    "--allow-database",
    "allowed",
    metavar="NAME",
    help="With --doors: try in this database although it looks live.",
)
@click.pass_context
def _matrix(ctx: click.Context, /, **options: Any) -> int:
    """Print who may do what, of a database or as it is deployed.

    Without a database, and without PG_TENANCY_DSN, it starts a server of its own and
    deploys to that; this needs sqitch, psql and the extra "embedded".

    --doors connects as a superuser to a database for tests, and tries each door to the
    application's tables in a transaction that is rolled back.
    """
    if options["with_doors"] and not (options["dsn"] or os.environ.get("PG_TENANCY_DSN")):
        ctx.fail("--doors are of a database: give its DSN")
    from pg_tenancy.tools.commands.matrices import matrix

    return matrix(**options)


@_command(
    "protect",
    "pg-tenancy protect postgresql://dba@host/application public.projects\n"
    "pg-tenancy protect --parent project_id --contract tasks.sql public.tasks   # on PG_TENANCY_DSN",
    short_help="Protect a large table of yours while everybody works.",
)
@_dsn
@click.argument("table_name", metavar="TABLE")
@click.option(
    "--parent", metavar="COLUMN", help="The column that refers to the parent, in a child of a protected table."
)
@click.option("--author", metavar="COLUMN", help="The column with the author, for rows that belong to people.")
@click.option("--shared", metavar="COLUMN", help="With --author: the column that says whether others may read a row.")
@click.option("--catalogue", is_flag=True, help="Everybody reads the platform's rows, too.")
@click.option(
    "--contract",
    "contract_file",
    type=_FILE,
    metavar="FILE",
    help="SQL to run in the transaction that closes the table: CALL tenancy.allow(...), mostly.",
)
@click.option(
    "--batch",
    "batch_size",
    type=_BATCH,
    default=5000,
    metavar="N",
    help="How many rows a transaction looks at; default: 5000.",
)
def _protect(**options: Any) -> int:
    """Protect a large table of yours while everybody works.

    It does what CALL tenancy.protect() does in one transaction, in steps that block nobody: the
    column, indexes built concurrently, children moved to their parents in batches, keys
    validated, and the policies at the end. TABLE is named with its schema. Ctrl-C keeps what is
    done, and the same command goes on. docs/protect.md explains the shapes of tables.
    """
    from pg_tenancy.tools.commands.protecting import protect

    return protect(**options)


@_command(
    "assign",
    "pg-tenancy assign postgresql://worker@host/application public.instances acme \\\n"
    "    --where \"ip_address << '10.1.0.0/16'\"",
    short_help="Give rows from before the migration to an organization.",
)
@_dsn
@click.argument("table_name", metavar="TABLE")
@click.argument("organization", metavar="ORGANIZATION")
@click.option(
    "--where",
    "condition",
    metavar="SQL",
    default="true",
    help="Which of these rows, as a condition on the table's columns; it runs with all that the login may do.",
)
@click.option(
    "--batch",
    "batch_size",
    type=_BATCH,
    default=5000,
    metavar="N",
    help="How many rows a transaction takes; default: 5000.",
)
@_yes
def _assign(**options: Any) -> int:
    """Give rows from before the migration to an organization, in batches.

    TABLE is named with its schema, public.instances for instance; ORGANIZATION is an id or a
    slug. It counts the rows and asks. Ctrl-C keeps what is done, and the same command goes on.
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
    help="As a superuser, make the console's two logins and its key, and print how it is started with them.",
)
@click.option(
    "--login",
    default="console",
    metavar="NAME",
    help="With --prepare: the name of the first login, to which _authenticator is added for the other; "
    "default: console.",
)
@click.option("--host", default="127.0.0.1", help="The address to listen on; default: 127.0.0.1.")
@click.option("--port", type=_PORT, default=8000, metavar="N", help="The port to listen on; default: 8000.")
@click.option(
    "--address",
    metavar="URL",
    help="Where browsers reach it, https://console.example.com for instance, behind a proxy that speaks HTTPS.",
)
def _console(**options: Any) -> int:
    """Serve the console for people's browsers (docs/console.md).

    The DSN is that of a login of tenancy_credentialed. PG_TENANCY_AUTHENTICATOR_DSN names the
    login that checks passwords, PG_TENANCY_TICKET_KEY is the key that signs tickets; --prepare
    makes and prints all three. Without --address it listens for browsers on this machine,
    over HTTP. Needs the extra "console".
    """
    from pg_tenancy.tools.commands.serving import serve_console

    return serve_console(**options)


@_command(
    "completion",
    'eval "$(pg-tenancy completion bash)"       # in ~/.bashrc\n'
    'eval "$(pg-tenancy completion zsh)"        # in ~/.zshrc, after compinit\n'
    "pg-tenancy completion fish | source        # in ~/.config/fish/config.fish",
    short_help="Print what makes a shell complete commands and options.",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def _completion(shell: str) -> int:
    """Print the lines that make a shell complete commands, options, phases and formats.

    bash has to be 4.4 or newer, which that of macOS is not.
    """
    click.echo(_script(shell))
    return OK


def _script(shell: str) -> str:
    made = get_completion_class(shell)
    assert made is not None  # noqa: S101
    script = made(_commands, {}, _PROGRAM, _COMPLETING)
    # source() of bash's starts bash, to look at its version.
    return script.source_template % script.source_vars() if made is BashComplete else script.source()
