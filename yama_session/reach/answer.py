"""A three-valued answer with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What can be said: nothing is guessed."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Answer:
    """Whether one process can do something to another one, and why. True if it can.

    Attributes:
        verdict: the answer.
        rule: the rule of the kernel that decides, a word of ``docs/json.md``.
        reason: why, for a person.
        change: what would make it a yes; empty if nothing would, or if it is one.
        asked: ``rules`` if it follows from what /proc tells, ``kernel`` if the
            kernel itself was asked.
        refusal: of an unknown: the refusal that it is, unless a relation that
            nobody tells lifts it.
    """

    verdict: Verdict
    rule: str
    reason: str
    change: str = ""
    asked: str = "rules"
    refusal: Answer | None = None

    def __bool__(self) -> bool:
        return self.verdict is Verdict.YES


def yes(rule: str, reason: str) -> Answer:
    """Return an answer for what is allowed."""
    return Answer(Verdict.YES, rule, reason)


def no(rule: str, reason: str, change: str = "") -> Answer:
    """Return an answer for what is refused."""
    return Answer(Verdict.NO, rule, reason, change)


def unknown(rule: str, reason: str, change: str = "") -> Answer:
    """Return an answer for what cannot be known from outside the kernel."""
    return Answer(Verdict.UNKNOWN, rule, reason, change)


def unless(refusal: Answer, what: str, change: str) -> Answer:
    """Return an answer that is a refusal unless something holds that cannot be known.

    Args:
        refusal: the refusal.
        what: what would lift it.
        change: what would make it a yes, besides what the refusal names.
    """
    return Answer(
        Verdict.UNKNOWN,
        refusal.rule,
        f"no, unless {what}: {refusal.reason}",
        f"{refusal.change}; or {change}",
        refusal=refusal,
    )


def all_of(*answers: Answer) -> Answer:
    """Return the answer to several tests that must all be passed.

    One refusal is enough, whatever else is unknown; a yes is told by its last
    test.
    """
    for verdict in (Verdict.NO, Verdict.UNKNOWN):
        for answer in answers:
            if answer.verdict is verdict:
                return answer
    return answers[-1]
