"""What a channel is, and what an audit finds of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yama_session.audit.scene import Scene


class Verdict(Enum):
    """Whether a channel tells of a process outside; nothing is guessed."""

    CLOSED = "closed"
    OPEN = "open"
    UNKNOWN = "unknown"


class Family(Enum):
    """The kinds of channels: the words of ``--family``."""

    PROCFS = "procfs"
    CALLS = "calls"
    TRACES = "traces"
    COUNTS = "counts"
    EVENTS = "events"
    CGROUPS = "cgroups"
    BUS = "bus"
    RECORDS = "records"


@dataclass(frozen=True)
class Finding:
    """What was found of one channel.

    Args:
        verdict: open, closed or unknown.
        evidence: how it is known, for a person.
        answers: what was answered about ``target``, ``missing`` (a number that
            no process has) and ``own`` (a process that is seen), where the
            channel is a question about a number.
    """

    verdict: Verdict
    evidence: str
    answers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Channel:
    """One way to learn of a process.

    Args:
        id: stable, ``family.name``, with ``@PLACE`` behind it where there are several.
        family: its kind.
        name: what it is, for a person.
        probe: tries it.
        closed_by: what closes it; empty if nothing does.
        note: why nothing does, or what closing it costs.
    """

    id: str
    family: Family
    name: str
    probe: Callable[[Scene], Finding]
    closed_by: str = ""
    note: str = ""


#: What the view of a domain closes.
BY_VIEW = "the view of a scope domain (a kernel with the series)"


def is_open(evidence: str) -> Finding:
    """Return that a channel tells."""
    return Finding(Verdict.OPEN, evidence)


def is_closed(evidence: str) -> Finding:
    """Return that a channel was tried and tells nothing."""
    return Finding(Verdict.CLOSED, evidence)


def is_unknown(evidence: str) -> Finding:
    """Return that the probe could not tell."""
    return Finding(Verdict.UNKNOWN, evidence)
