"""Check a database for known leaks and slow policies in row-level security.

It reads the rules of ``tenancy.lint()`` from the project's SQL and runs them as plain queries,
so it works without pg-tenancy in the database and creates nothing there.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from pg_tenancy.tools.sqitch import project_directory

if sys.version_info >= (3, 11):
    import tomllib

__all__ = [
    "CHANGES",
    "SEVERITIES",
    "Baseline",
    "BaselineError",
    "Exemption",
    "Finding",
    "Report",
    "Rule",
    "lint",
    "read_baseline",
    "read_rules",
    "reading",
]

SEVERITIES: Final = ("error", "warning", "info")

# The rule under which an exemption without a finding is reported.
UNUSED: Final = "exemption_unused"

# The rules under which differences to another database are reported.
CHANGES: Final = {
    "change_dangerous": "Somebody may see or write more than in the base.",
    "change_breaking": "What works with the base may find no rows or be refused.",
    "change_safe": "A difference to the base that does not change what anybody sees or writes.",
}


class BaselineError(ValueError):
    """The baseline file cannot be used; the message says why."""


@dataclass(frozen=True)
class Rule:
    """A rule.

    Attributes:
        name: of ``tenancy_private.lint_<name>()``.
        description: a sentence about what its findings have in common.
        query: returns severity, object, problem and remedy.
        facts: the WITH clause that the query needs, the same for all rules of a project.

    """

    name: str
    description: str
    query: str
    facts: str = ""


@dataclass(frozen=True)
class Finding:
    """A violation of a rule.

    Attributes:
        rule: the rule's name.
        severity: ``error``, ``warning`` or ``info``.
        object: kind and name, such as ``table public.tasks``.
        problem: what is wrong, and why it matters.
        remedy: a statement that fixes it, or the beginning of one.

    """

    rule: str
    severity: str
    object: str
    problem: str
    remedy: str

    @property
    def key(self) -> tuple[str, str]:
        """The rule and the object, without the database's name."""
        return self.rule, "database" if self.object.startswith("database ") else self.object


@dataclass(frozen=True)
class Exemption:
    """A finding that is intended."""

    rule: str
    object: str
    reason: str


@dataclass(frozen=True)
class Baseline:
    """A team's settings for its own database.

    Attributes:
        exemptions: findings that are intended.
        tenant_columns: names of columns that hold a row's tenant, in order of preference; default: the usual ones.
        trusted_roles: roles that may see everything.

    """

    exemptions: tuple[Exemption, ...] = ()
    tenant_columns: tuple[str, ...] = ()
    trusted_roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The result of the rules.

    Attributes:
        database: its name.
        rules: the rules that ran.
        findings: the findings, the most severe first.
        exempted: findings that the baseline exempts, with the exemption.
        failures: the errors of rules that could not run, by name. If there are any, the report is incomplete.
        snapshot: the parts of row-level security, to compare another database with.

    """

    database: str
    rules: tuple[Rule, ...]
    findings: tuple[Finding, ...]
    exempted: tuple[tuple[Finding, Exemption], ...] = ()
    failures: dict[str, str] = field(default_factory=dict)
    snapshot: Mapping[str, str] = field(default_factory=dict)

    @property
    def known(self) -> frozenset[tuple[str, str]]:
        """The keys of all findings, exempted or not, to compare with another database's report."""
        return frozenset(each.key for each in (*self.findings, *(each for each, _ in self.exempted)))

    def at_least(self, severity: str) -> list[Finding]:
        """Return the findings of this severity and above."""
        return [each for each in self.findings if SEVERITIES.index(each.severity) <= SEVERITIES.index(severity)]


# -- the rules -----------------------------------------------------------------

_INCLUDED: Final = re.compile(r"^\\ir \.\./\.\./(lint/\w+\.psql)$", re.MULTILINE)
_FUNCTION: Final = re.compile(
    r"^CREATE FUNCTION tenancy_private\.(?P<name>linte?d?_\w+)\(\)\nRETURNS TABLE \((?P<columns>.+?)\)\nLANGUAGE sql$"
    r".+?^AS \$\$\n(?P<query>.+?)\n\$\$;$",
    re.MULTILINE | re.DOTALL,
)
_COMMENT: Final = re.compile(r"^COMMENT ON FUNCTION tenancy_private\.lint_(\w+)\(\) IS\n'(.+)';$", re.MULTILINE)
_CALL: Final = re.compile(r"\btenancy_private\.(linted_\w+)\(\)")


def read_rules(project: Path | None = None) -> list[Rule]:
    """Return the rules, by name.

    Args:
        project: the directory of ``sqitch.plan``; default: the one that comes with this package.

    """
    sql = (project or project_directory()) / "sql"
    included = _INCLUDED.findall((sql / "deploy" / "kernel" / "lint.sql").read_text(encoding="utf-8"))
    text = "\n".join((sql / name).read_text(encoding="utf-8") for name in included)
    facts, rules = [], {}
    for function in _FUNCTION.finditer(text):
        # Each function of the facts becomes a part of the query; it may use those above it.
        query = _CALL.sub(r"\1", function["query"])
        if function["name"].startswith("linted_"):
            facts.append(f"{function['name']} AS MATERIALIZED (\n{query}\n)")
        else:
            rules[function["name"].removeprefix("lint_")] = query
    with_facts = "WITH " + ",\n\n".join(facts)
    descriptions = {name: comment.replace("''", "'") for name, comment in _COMMENT.findall(text)}
    return [Rule(name, descriptions[name], query, with_facts) for name, query in sorted(rules.items())]


def lint(
    connection: psycopg.Connection[Any],
    *,
    baseline: Baseline | None = None,
    rules: Sequence[Rule] | None = None,
    known: Container[tuple[str, str]] | None = None,
    changes: Sequence[Finding] = (),
) -> Report:
    """Run the rules on a database, in one read-only snapshot.

    A rule that cannot run is listed in ``failures``; the others run all the same.

    Args:
        connection: in autocommit; any login will do, because everybody may read the catalog.
        baseline: exemptions and settings.
        rules: the rules; default: all.
        known: keys of findings in the base, which are not reported again; None without a base.
        changes: differences to the base, which are reported too.

    """
    baseline = baseline or Baseline()
    asked = tuple(read_rules() if rules is None else rules)
    found: list[Finding] = []
    failures: dict[str, str] = {}
    with reading(connection):
        connection.execute(
            "SELECT set_config('search_path', 'pg_catalog, pg_temp', true), set_config('jit', 'off', true),"
            " set_config('tenancy_lint.tenant_columns', %s::text[]::text, true),"
            " set_config('tenancy_lint.trusted_roles', %s::text[]::text, true)",
            [list(baseline.tenant_columns) or None, list(baseline.trusted_roles)],
        )
        (database,) = connection.execute("SELECT current_database()").fetchall()[0]
        # As one query, which computes the facts once. If it fails, one by one, to find which rule fails.
        for rules_at_once in [asked], [(rule,) for rule in asked]:
            found, failures = [], {}
            for some in rules_at_once:
                try:
                    found += _ask(connection, some)
                except psycopg.Error as error:
                    if connection.broken:
                        raise
                    failures |= {rule.name: error.diag.message_primary or str(error).strip() for rule in some}
            if not failures:
                break
    findings, exempted = _exempt([*found, *changes], baseline, complete=not failures, compared=known is not None)
    findings = [each for each in findings if each.key not in (known or ())]
    return Report(database, asked, tuple(findings), tuple(exempted), failures)


def _ask(connection: psycopg.Connection[Any], rules: Sequence[Rule]) -> list[Finding]:
    answers = "\nUNION ALL\n".join(
        f"SELECT {number} AS rule, f.*\nFROM (\n{rule.query}\n) AS f (severity, object, problem, remedy)"
        for number, rule in enumerate(rules)
    )
    with connection.transaction():
        rows = connection.execute(f"{rules[0].facts}\n{answers}\nORDER BY rule, object, problem".encode()).fetchall()
    return [Finding(rules[number].name, *rest) for number, *rest in rows]


@contextmanager
def reading(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Use a read-only snapshot, or the caller's transaction if there is one."""
    if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        yield  # it sees the caller's changes
        return
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _exempt(
    found: Sequence[Finding], baseline: Baseline, *, complete: bool, compared: bool
) -> tuple[list[Finding], list[tuple[Finding, Exemption]]]:
    exemptions = {(each.rule, each.object): each for each in baseline.exemptions}
    exempted = [(each, exemptions[each.rule, each.object]) for each in found if (each.rule, each.object) in exemptions]
    used = {exemption for _, exemption in exempted}
    left = [each for each in found if (each.rule, each.object) not in exemptions]
    if complete:
        left += [
            Finding(
                UNUSED,
                "warning",
                f"{each.rule}: {each.object}",
                f'nothing matches this exemption, so it may hide a later finding (its reason was "{each.reason}")',
                "remove it from the baseline file",
            )
            for each in baseline.exemptions
            # Changes exist only with a base.
            if each not in used and (compared or each.rule not in CHANGES)
        ]
    return sorted(left, key=lambda each: (SEVERITIES.index(each.severity), each.rule, each.object)), exempted


# -- the baseline --------------------------------------------------------------


def read_baseline(path: Path) -> Baseline:
    """Read a baseline file, in TOML, or in JSON if its name ends in ``.json``.

    Raises:
        BaselineError: it cannot be read, has an unknown key or rule, or an exemption without a reason.

    """
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if path.suffix == ".json" else _toml(text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BaselineError(f"{path}: {reason}") from None
    if not isinstance(document, dict):
        raise BaselineError(f"{path}: not a table of exempt, tenant_columns and trusted_roles")
    _known(path, document, ("exempt", "tenant_columns", "trusted_roles"))
    rules = {rule.name for rule in read_rules()} | CHANGES.keys()
    exemptions: list[Exemption] = []
    entries = document.get("exempt", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BaselineError(f"{path}: exempt is not a list of tables")
    for number, entry in enumerate(entries, start=1):
        where = f"{path}: exemption {number}"
        _known(where, entry, ("rule", "object", "reason"))
        for key in ("rule", "object", "reason"):
            if not isinstance(entry.get(key), str) or not entry[key].strip():
                raise BaselineError(f"{where} has no {key}")
        if entry["rule"] not in rules:
            raise BaselineError(f"{where}: there is no rule {entry['rule']}")
        exemption = Exemption(entry["rule"], entry["object"], entry["reason"])
        if (exemption.rule, exemption.object) in {(each.rule, each.object) for each in exemptions}:
            raise BaselineError(f"{where} is a duplicate")
        exemptions.append(exemption)
    return Baseline(
        tuple(exemptions), _names(path, document, "tenant_columns"), _names(path, document, "trusted_roles")
    )


if sys.version_info >= (3, 11):

    def _toml(text: str) -> Any:
        return tomllib.loads(text)

else:

    def _toml(text: str) -> Any:
        raise ValueError("TOML requires Python 3.11; use JSON, in a file whose name ends in .json")


def _known(where: object, table: dict[str, Any], keys: Sequence[str]) -> None:
    unknown = [key for key in table if key not in keys]
    if unknown:
        raise BaselineError(f"{where}: unknown key {unknown[0]}; the keys are {', '.join(keys)}")


def _names(path: Path, document: dict[str, Any], key: str) -> tuple[str, ...]:
    names = document.get(key, [])
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise BaselineError(f"{path}: {key} is not a list of names")
    return tuple(names)
