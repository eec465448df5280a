"""Findings that the administrator knows of and leaves as they are.

``/etc/yama-session/doctor.toml`` lists them, each as it is printed without its
message, with ``*`` for any text:

    known = ["pam: proftpd", "processes: alice: job-*.service"]
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from yama_session.doctor.finding import Finding, Severity, problem
from yama_session.policy import POLICY_DIR

FILE = POLICY_DIR / "doctor.toml"


def sorted_out(findings: Iterable[Finding], file: Path = FILE) -> Iterator[Finding]:
    """Yield the findings, problems that are known as notes; then what is wrong with the list."""
    try:
        patterns = _patterns(file)
    except (OSError, ValueError) as error:
        yield problem("policy", str(file), f"cannot be used: {error}", "correct or remove it")
        patterns = []
    used = set()
    for finding in findings:
        name = f"{finding.check}: {finding.subject}"
        fitting = [pattern for pattern in patterns if fnmatchcase(name, pattern)]
        used |= set(fitting)
        if fitting and finding.severity is Severity.PROBLEM:
            yield replace(finding, severity=Severity.NOTE, message=f"{finding.message} (known)")
        else:
            yield finding
    for pattern in patterns:
        if pattern not in used:
            message = f"nothing is found any more that {pattern!r} fits"
            yield Finding("policy", Severity.NOTE, str(file), message, "take it out")


def _patterns(file: Path) -> list[str]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    known = document.get("known", [])
    if set(document) - {"known"} or not isinstance(known, list):
        raise ValueError("it holds one list, known = [...]")
    if not all(isinstance(pattern, str) for pattern in known):
        raise ValueError("known is a list of texts")
    return known
