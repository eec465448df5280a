"""What an examination finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How bad it is: only a problem makes the examination fail."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: what was examined: ``kernel``, ``policy``, ``service``, ``pam``,
            ``logins``, ``units``, ``processes`` or ``files``.
        severity: how it is.
        subject: what the finding is about: a file and line, a unit, a pid.
        message: what is so, for a person.
        advice: what to do; empty if nothing is to be done.
    """

    check: str
    severity: Severity
    subject: str
    message: str
    advice: str = ""


def ok(check: str, subject: str, message: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(check, Severity.OK, subject, message)


def note(check: str, subject: str, message: str, advice: str = "") -> Finding:
    """Return a finding that somebody may want to know."""
    return Finding(check, Severity.NOTE, subject, message, advice)


def problem(check: str, subject: str, message: str, advice: str) -> Finding:
    """Return a finding that somebody must do something about."""
    return Finding(check, Severity.PROBLEM, subject, message, advice)
