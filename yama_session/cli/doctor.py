"""Examine the machine for what keeps the policy from holding, and say what to do about it.

Looks at the kernel, the policy, the session service, every service of PAM, the
processes of users who should be confined, and the files that all of it needs.
Notes are for information; the exit status is 1 if there is a problem.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator

from yama_session.cli._exit import ExitCode
from yama_session.cli._root import require_root
from yama_session.cli._table import Colour, coloured, printable, wrapped
from yama_session.doctor import Finding, Severity, examine

#: Where a finding begins, behind the word for how bad it is.
_INDENT = 9

HELP = "find what keeps the policy from holding, and what to do"

_COLOURS = {
    Severity.OK: Colour.GOOD,
    Severity.NOTE: Colour.DOUBTFUL,
    Severity.PROBLEM: Colour.BAD,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``doctor``."""
    parser.add_argument("--all", action="store_true", help="also print what is in order")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the findings."""
    require_root("doctor looks at all processes and at root's files")
    findings = list(examine())
    if args.json:
        print(json.dumps(_plain(findings), indent=2))
    else:
        print("\n".join(_lines(findings, everything=args.all)))
    return ExitCode.PROBLEM if _problems(findings) else ExitCode.OK


def _problems(findings: Iterable[Finding]) -> int:
    return sum(finding.severity is Severity.PROBLEM for finding in findings)


def _plain(findings: Iterable[Finding]) -> dict[str, object]:
    return {
        "findings": [
            {
                "check": finding.check,
                "severity": finding.severity.value,
                "subject": finding.subject,
                "message": finding.message,
                "advice": finding.advice or None,
            }
            for finding in findings
        ]
    }


def _lines(findings: list[Finding], *, everything: bool) -> Iterator[str]:
    for finding in findings:
        if finding.severity is Severity.OK and not everything:
            continue
        word = coloured(f"{finding.severity.value:<7}", _COLOURS[finding.severity])
        what = printable(f"{finding.subject}: {finding.message}")
        yield from wrapped(f"{word}  {finding.check}: {what}", _INDENT)
        if finding.advice:
            yield from wrapped(" " * _INDENT + printable(finding.advice), _INDENT)
    problems = _problems(findings)
    fine = sum(finding.severity is Severity.OK for finding in findings)
    yield f"{problems or 'no'} problem{'s' * (problems != 1)}, {fine} checks in order"
