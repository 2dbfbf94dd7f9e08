"""The command line for new users: help, usage errors, completion, and missing extras."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

import click
import pytest

from pg_tenancy.tools import cli
from pg_tenancy.tools.commands import _commands
from pg_tenancy.tools.phases import read_phases
from support.command import command, environment, run

COMMANDS = sorted(_commands.commands)


def _help(name: str) -> str:
    shown = _commands.commands[name]
    return shown.get_help(click.Context(shown, info_name=f"pg-tenancy {name}", terminal_width=120))


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_an_example_that_is_a_call_of_it(name: str) -> None:
    _, _, example = _help(name).partition("Example:\n")
    calls = re.findall(r"pg-tenancy ((?:[^\n#>)|\\]|\\\n)+)", example.split("\n\n")[0])
    assert calls
    for call in calls:
        called, *arguments = shlex.split(call.replace("\\\n", " "))
        assert called == name
        # It raises what is no call.
        _commands.commands[name].make_context(name, arguments)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_is_explained_in_a_sentence(name: str) -> None:
    for parameter in _commands.commands[name].params:
        if isinstance(parameter, click.Option):
            assert (parameter.help or "").endswith("."), parameter.name


def test_the_list_of_commands_is_not_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    listed = capsys.readouterr().out.partition("Commands:\n")[2].partition("\n\n")[0]
    assert all(name in listed for name in COMMANDS)
    assert "..." not in listed


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [
        (["statsu"], "Did you mean 'status'?"),
        (["status", "--jsn"], "Did you mean '--json'?"),
        (["lint", "--tenant-columns", "x"], "Did you mean '--tenant-column'?"),
        (["deploy", "--plan", "kernl"], "'kernel', 'platform'"),
        (["status", "dbname=a", "dbname=b"], "unexpected argument dbname=b"),
        (["assign", "public.notes"], "Missing argument"),
    ],
)
def test_a_mistake_is_told_with_what_may_be_meant(
    mistyped: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(mistyped) == 2
    said = capsys.readouterr()
    assert (said.out, meant in said.err) == ("", True)
    assert "See pg-tenancy" in said.err


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pg_tenancy.tools.cli.find_spec", lambda name: None)
    assert cli.main(["--help"]) == 1
    assert capsys.readouterr().err.endswith('pip install "pg-tenancy[cli]"\n')


def test_help_loads_nothing_that_it_does_not_need() -> None:
    look = (
        "import sys; from pg_tenancy.tools.cli import main; main(['--help']);"
        " known = ('pg_tenancy', 'psycopg', 'rich', 'uvicorn');"
        " print(sorted(name for name in sys.modules if name.startswith(known)), file=sys.stderr)"
    )
    loaded = eval(run([sys.executable, "-c", look], check=True).stderr)  # noqa: S307
    assert loaded == [
        "pg_tenancy",
        "pg_tenancy.tools",
        "pg_tenancy.tools.cli",
        "pg_tenancy.tools.commands",
        "pg_tenancy.tools.commands._endings",
    ]


def test_the_document_has_every_command_and_the_completions_of_the_help() -> None:
    document = (Path(__file__).resolve().parents[2] / "docs" / "commands.md").read_text()
    rows = "".join(re.findall(r"^\| (`.*?) \|", document.partition("\n## ")[0], re.M))
    assert sorted(re.findall(r"`(\w+)`", rows)) == COMMANDS
    shown = [line.partition("  #")[0].rstrip() for line in document.splitlines() if "# in ~/." in line]
    assert shown == re.findall(r"^ *(\S.*?) +#", _help("completion").partition("Example:")[2], re.M)


# -- completion --------------------------------------------------------------------


def _completed(shell: str, *typed: str) -> set[str]:
    """Return the completions for the last word."""
    words = ["pg-tenancy", *typed]
    asked = {"COMP_WORDS": shlex.join(words), "COMP_CWORD": typed[-1] if shell == "fish" else str(len(typed))}
    answer = run(command(), env=environment(_PG_TENANCY_COMPLETE=f"{shell}_complete", **asked), check=True).stdout
    if shell == "zsh":
        return set(answer.split("\n")[1::3])
    return {line.split(",", 1)[1].split("\t")[0] for line in answer.splitlines()}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_what_can_follow(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _completed(shell, "st") == {"status"}
    assert _completed(shell, "deploy", "--to", "phase-1") == {
        phase.tag for phase in read_phases() if phase.tag.startswith("phase-1")
    }
    assert cli.main(["completion", shell]) == 0
    assert f"_PG_TENANCY_COMPLETE={shell}_complete" in capsys.readouterr().out


# Asks each shell for its completions.
ASKING = {
    "bash": 'eval "$(pg-tenancy completion bash)"; COMP_WORDS=(pg-tenancy lint --format sa); COMP_CWORD=3;'
    ' _pg_tenancy_completion pg-tenancy; echo "${COMPREPLY[@]}"',
    "zsh": "autoload -U compinit && compinit -u -d $PWD/dump; compadd() { shift $(($# - 1)); print ${(P)1:-$1} };"
    ' _describe() { print ${(P)4} }; eval "$(pg-tenancy completion zsh)"; words=(pg-tenancy lint --format sa);'
    " CURRENT=4; _pg_tenancy_completion",
    "fish": "pg-tenancy completion fish | source; complete -C 'pg-tenancy lint --format sa'",
}


@pytest.mark.parametrize("shell", [shell for shell in ASKING if shutil.which(shell)])
def test_a_real_shell_completes(shell: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("shell")
    program = place / "pg-tenancy"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n')
    program.chmod(0o755)
    env = environment(HOME=str(place))
    env["PATH"] = f"{place}:{env['PATH']}"
    done = run([shell, "-c", ASKING[shell]], env=env, cwd=place)
    assert "sarif" in done.stdout.split(), done.stderr
