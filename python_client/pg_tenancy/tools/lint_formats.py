"""The formats of a lint report: a table, JSON, SARIF and GitHub annotations."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from pg_tenancy.tools._terminal import Terminal, printable
from pg_tenancy.tools.lint import CHANGES, SEVERITIES, UNUSED, Finding, Report

__all__ = ["FORMATS", "as_github", "as_json", "as_sarif", "print_table"]

_STYLES: Final = {"error": "red", "warning": "yellow", "info": "blue"}
_LEVELS: Final = {"error": "error", "warning": "warning", "info": "note"}
_COMMANDS: Final = {"error": "error", "warning": "warning", "info": "notice"}


def print_table(report: Report, terminal: Terminal) -> None:
    """Print the findings for people, the most severe first, each with its problem and remedy."""
    for finding in report.findings:
        severity = terminal.style(f"{finding.severity:<7}", _STYLES[finding.severity], "bold")
        terminal.line(f"{severity}  {terminal.style(printable(finding.object), 'bold')}  {finding.rule}")
        terminal.line(f"         {printable(finding.problem)}")
        terminal.line(f"         {printable(finding.remedy)}", "dim")
    if report.findings:
        terminal.line()
    for rule, reason in report.failures.items():
        terminal.check(False, f"{rule} could not run", printable(reason))
    counts = Counter(finding.severity for finding in report.findings)
    found = (
        ", ".join(_counted(counts[severity], severity) for severity in SEVERITIES if counts[severity])
        or "nothing found"
    )
    exempted = f", {len(report.exempted)} exempted" if report.exempted else ""
    asked = len(report.rules) - len(report.failures)
    terminal.line(f"{printable(report.database)}: {found} found{exempted}, by {asked} of {len(report.rules)} rules")


def _counted(number: int, severity: str) -> str:
    return f"{number} {severity}{'s' if number > 1 and severity != 'info' else ''}"


def as_json(report: Report) -> str:
    """Return it as one JSON document."""
    return json.dumps(
        {
            "database": report.database,
            "findings": [asdict(finding) for finding in report.findings],
            "exempted": [asdict(finding) | {"reason": exemption.reason} for finding, exemption in report.exempted],
            "failures": report.failures,
            "rules": {rule.name: rule.description for rule in report.rules},
            "snapshot": dict(report.snapshot),
        },
        indent=2,
    )


def as_sarif(report: Report, version: str) -> str:
    """Return it as SARIF 2.1.0.

    Args:
        report: what was found.
        version: pg-tenancy's.

    """
    descriptions = {rule.name: rule.description for rule in report.rules}
    descriptions[UNUSED] = "An exemption that matches no finding."
    descriptions |= CHANGES
    indexes = {name: number for number, name in enumerate(descriptions)}

    def result(finding: Finding) -> dict[str, Any]:
        kind, _, name = finding.object.partition(" ")
        identity = hashlib.sha256(f"{finding.rule} {finding.object}".encode()).hexdigest()
        return {
            "ruleId": finding.rule,
            "ruleIndex": indexes[finding.rule],
            "level": _LEVELS[finding.severity],
            "message": {"text": f"{finding.object}: {finding.problem}. {finding.remedy}"},
            "locations": [
                {
                    # Viewers require a file; the catalog has none.
                    "physicalLocation": {"artifactLocation": {"uri": "database"}, "region": {"startLine": 1}},
                    "logicalLocations": [{"name": name or kind, "fullyQualifiedName": finding.object}],
                }
            ],
            "partialFingerprints": {"ruleAndObject/v1": identity},
        }

    results = [result(finding) for finding in report.findings]
    for finding, exemption in report.exempted:
        suppression = {"kind": "external", "status": "accepted", "justification": exemption.reason}
        results.append(result(finding) | {"suppressions": [suppression]})
    run = {
        "tool": {
            "driver": {
                "name": "pg-tenancy lint",
                "version": version,
                "rules": [
                    {"id": name, "shortDescription": {"text": description}}
                    for name, description in descriptions.items()
                ],
            }
        },
        "invocations": [
            {
                "executionSuccessful": not report.failures,
                "toolExecutionNotifications": [
                    {
                        "level": "error",
                        "message": {"text": f"{rule} could not run: {reason}"},
                        "associatedRule": {"id": rule, "index": indexes[rule]},
                    }
                    for rule, reason in report.failures.items()
                ],
            }
        ],
        "results": results,
    }
    document = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2)


def as_github(report: Report) -> str:
    """Return it as GitHub workflow commands, which annotate a run."""
    lines = [
        f"::{_COMMANDS[finding.severity]} title={_property(f'{finding.rule}: {finding.object}')}"
        f"::{_data(f'{finding.problem}. {finding.remedy}')}"
        for finding in report.findings
    ]
    lines += [
        f"::error title={_property(f'{rule} could not run')}::{_data(reason)}"
        for rule, reason in report.failures.items()
    ]
    return "\n".join(lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


FORMATS: Final[dict[str, Callable[[Report, str], str]]] = {
    "json": lambda report, _: as_json(report),
    "sarif": as_sarif,
    "github": lambda report, _: as_github(report),
}
