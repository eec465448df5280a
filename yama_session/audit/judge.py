"""From what was answered to a verdict."""

from __future__ import annotations

from collections.abc import Iterable

from yama_session.audit.channel import Finding, Verdict, is_closed, is_open, is_unknown
from yama_session.audit.scene import Scene

#: The answer of a call that succeeds.
SUCCESS = "0"


def compared(target: str, missing: str, own: str, *, sure: bool = True, why: str = "") -> Finding:
    """Judge a question about a number by three answers.

    Closed is only what answers for the target as for a number that no process
    has, and was seen to answer otherwise for a process that is there, or to
    succeed for every number.

    Args:
        target: the answer about the process outside.
        missing: the answer about a number that no process has.
        own: the answer about a process that is seen.
        sure: whether the target is of the kind that the question is about.
        why: if not, what is not known of it.
    """
    answers = {"target": target, "missing": missing, "own": own}
    if target != missing:
        return Finding(
            Verdict.OPEN, f"the target answers {target}, a free number {missing}", answers
        )
    if not sure:
        return Finding(Verdict.UNKNOWN, f"{target} for the target, but {why}", answers)
    if own != missing:
        evidence = f"{target} for the target as for a free number; {own} for an own process"
        return Finding(Verdict.CLOSED, evidence, answers)
    if missing == SUCCESS:
        return Finding(Verdict.CLOSED, "succeeds for every number, a free one too", answers)
    return Finding(Verdict.UNKNOWN, f"{missing} for every number, an own process too", answers)


def told(scene: Scene, numbers: Iterable[int], *, left: bool = False) -> Finding:
    """Judge numbers that were told: the target's may be among them.

    Args:
        scene: who looks at whom.
        numbers: the processes that the channel names.
        left: whether only a process that has left something is named: one that
            the audit has started has.
    """
    found = set(numbers)
    if scene.target in found:
        return is_open(f"names the target, {scene.target}")
    if left and scene.twin is None:
        return is_unknown("whether the target has anything that would be named is not known")
    if scene.own.pid in found:
        return is_closed("names an own process, and not the target")
    return is_unknown("names neither the target nor an own process")


def told_outside(scene: Scene, numbers: Iterable[int], what: str) -> Finding:
    """Judge numbers that were told: one of a process outside may be among them.

    Args:
        scene: who looks.
        numbers: the processes that the channel names.
        what: what names them, for the evidence.
    """
    outside = sorted(number for number in set(numbers) if scene.outside(number))
    if outside:
        return is_open(f"{what} names {outside[0]}" + _more(len(outside) - 1))
    return is_unknown(f"{what} names no process outside at present")


def _more(count: int) -> str:
    return f" and {count} more" if count else ""
