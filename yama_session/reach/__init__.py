"""Who sees, reads and traces whom, and why: computed in the caller, never by the service.

:mod:`~yama_session.reach.rules` is the model of the kernel's rules,
:mod:`~yama_session.reach.look` reads what it needs, and where the caller asks
for itself :mod:`~yama_session.reach.kernel` has the last word.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from yama_session.errors import KernelUnsupported
from yama_session.levels import View
from yama_session.reach import kernel, look, rules, witness
from yama_session.reach.answer import Answer, Verdict, unknown
from yama_session.reach.facts import Ids, Machine, Task
from yama_session.reach.rules import Level, Pair
from yama_session.scope import by_programs

__all__ = [
    "Answer",
    "Ids",
    "Level",
    "Machine",
    "Pair",
    "Reach",
    "Task",
    "Verdict",
    "can_attach",
    "reach",
]


@dataclass(frozen=True)
class Reach:
    """What a viewer can do to a target.

    Attributes:
        pair: the two, as they were read.
        level: the level that binds the viewer as a tracer.
        visible: whether the target has a name in the viewer's /proc.
        readable: whether the viewer may look inside.
        attachable: whether the viewer may attach.
    """

    pair: Pair
    level: Level
    visible: Answer
    readable: Answer
    attachable: Answer


def reach(target: int, viewer: Task | int | None = None, member: int = 0) -> Reach:
    """Return what a process can do to another one.

    Args:
        target: the pid of who is looked at.
        viewer: who looks, by pid or as a description; default: the caller, for
            whom the kernel itself is asked.
        member: where the viewer is a description: a process of its domain.

    Raises:
        ProcessMissing: one of them does not exist, or is hidden from the caller.
    """
    own = viewer is None or viewer == os.getpid()
    if not isinstance(viewer, Task):
        viewer = look.task(os.getpid() if viewer is None else viewer)
    found = look.task(target)
    pair = Pair(viewer, found, look.machine(), None if own else _contained(viewer, found, member))
    answers = rules.visible(pair), rules.readable(pair), rules.attachable(pair)
    if own:
        answers = (
            # It has been read by its name just now.
            _settled(pair, answers[0], lambda: True),
            _settled(pair, answers[1], lambda: kernel.may_read(target)),
            _attachable_by_caller(pair, answers[2]),
        )
    elif found.pid != viewer.pid != 0 and by_programs():
        exempt = viewer.has_ptrace_capability and viewer.user_ns and viewer.user_ns.initial
        seen = answers[:2] if exempt else (_doubted(answers[0]), _doubted(answers[1]))
        answers = (*seen, _doubted(answers[2]))
    return Reach(pair, rules.level(viewer, pair.machine), *answers)


def can_attach(pid: int) -> Answer:
    """Return whether the caller may attach to a process as a debugger does, and why (not).

    What the sysctl ``kernel.yama.ptrace_scope`` says is one of several rules:
    ask this instead. Where the rules leave it open, as after
    ``PR_SET_PTRACER``, the kernel is asked; a refusal is then in its log.

    Args:
        pid: the process.

    Raises:
        ProcessMissing: there is none, or it is hidden from the caller.
    """
    pair = Pair(look.task(os.getpid()), look.task(pid), look.machine())
    return _attachable_by_caller(pair, rules.attachable(pair))


def _attachable_by_caller(pair: Pair, answer: Answer) -> Answer:
    # What is refused for certain is not tried, so that it is not in the log.
    if answer.verdict is Verdict.NO or pair.same_process:
        return answer
    try:
        return _settled(pair, answer, lambda: kernel.may_attach(pair.target.pid))
    except KernelUnsupported:
        return answer


def _settled(pair: Pair, answer: Answer, ask: Callable[[], bool]) -> Answer:
    """Return the kernel's answer, with the reason of the rules where they agree."""
    allowed = ask()
    if not allowed and pair.viewer.seccomp:
        reason = f"{answer.reason}; the caller's seccomp filter may have refused the question"
        return replace(answer, verdict=Verdict.UNKNOWN, reason=reason)
    verdict = Verdict.YES if allowed else Verdict.NO
    if answer.verdict is verdict:
        return replace(answer, asked="kernel")
    if allowed:
        reason = "the kernel allows it, by what no file tells: a relation or a capability"
        return Answer(verdict, "relation", reason, asked="kernel")
    if answer.verdict is Verdict.UNKNOWN:
        # A refusal is false, as every answer but a yes.
        reason = answer.reason if answer.refusal is None else answer.refusal.reason
        return Answer(verdict, answer.rule, reason, answer.change, "kernel")
    others = ", ".join(pair.machine.unjudged) or "another security module"
    reason = f"the rules known here allow it, but {others} may refuse, and the kernel does"
    return Answer(verdict, "other-module", reason, asked="kernel")


def _doubted(answer: Answer) -> Answer:
    """Return an answer for a viewer whose domain, if it is in one, only BPF programs know."""
    reason = "BPF programs may refuse it, and no file tells which domain the viewer is in"
    return unknown("bpf", reason) if answer else answer


def _contained(viewer: Task, target: Task, member: int) -> bool | None:
    """Ask from inside the viewer's domain, where ids and depths leave it open."""
    own, other = viewer.domain, target.domain
    if own is None or other is None or own.view is View.ALL or own.id == other.id:
        return None
    if own.depth == 1 and other.depth == 1:
        return None
    outer = witness.domain_of(viewer.pid or member)
    if outer is None:
        return None
    with outer:
        if own.view is not View.INFERIORS:
            return witness.sees(outer, target.pid, viewer.uid.real)
        inner = witness.domain_of(target.pid)
        if inner is None:
            return None
        with inner:
            # Outside the innermost domain it may still be inside those that hide.
            return witness.contains(outer, inner) or None
