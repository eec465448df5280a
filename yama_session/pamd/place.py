"""Whether the module stands where it does its work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from yama_session.pamd.lines import Line
from yama_session.pamd.stack import MODULE


@dataclass(frozen=True)
class Misplaced:
    """One thing that is wrong with the module's place.

    Args:
        place: ``file:line`` of what is wrong.
        reason: what, for a person.
        advice: what to do.
    """

    place: str
    reason: str
    advice: str


def misplaced(stack: Sequence[Line], *, after_limits: bool) -> Iterator[Misplaced]:
    """Yield what is wrong with the module's place in a stack that has it.

    Args:
        stack: the session modules of a service, in order.
        after_limits: whether the enforcer needs it after ``pam_limits``.
    """
    places = [index for index, line in enumerate(stack) if line.loads(MODULE)]
    here = places[0]
    line = stack[here]
    if not line.refuses:
        yield Misplaced(
            line.place,
            f"{line.control}: a login that cannot be confined is let in",
            "make it 'required'",
        )
    for other in places[1:]:
        yield Misplaced(stack[other].place, "the module stands here a second time", "remove it")
    for index, before in enumerate(stack[:here]):
        if before.ends_stack:
            yield Misplaced(
                before.place,
                f"if {before.module} succeeds the module is not reached",
                "move the module before it, or make that line 'optional'",
            )
        if index + before.jump >= here > index and before.jump:
            yield Misplaced(
                before.place,
                f"its jump may skip the module at {line.place}",
                "lower the jump, or move the module behind the lines that it is for",
            )
    limits = [index for index, other in enumerate(stack) if other.loads("pam_limits")]
    if after_limits and limits and limits[-1] > here:
        yield Misplaced(
            line.place,
            "it stands before pam_limits, which under landlock can no longer read "
            "the limits of pid 1",
            "'yama-session setup --landlock' puts it where it must be",
        )
