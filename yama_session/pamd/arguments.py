"""The module's arguments, as the module itself reads them (``pam/args.c``)."""

from __future__ import annotations

from dataclasses import dataclass

#: What each may be.
FALLBACKS = ("strict", "deny", "skip")
ENFORCERS = ("yama", "bpf", "landlock")


@dataclass(frozen=True)
class Arguments:
    """What a line of the module says.

    Args:
        fallback: what happens to users while the service does not answer.
        enforcer: what confines then; ``None`` for domains of whatever kind there is.
        unknown: what means nothing: with one of these the module refuses users.
    """

    fallback: str = "strict"
    enforcer: str | None = None
    unknown: tuple[str, ...] = ()


def arguments(text: str) -> Arguments:
    """Return what the arguments of a line mean; the last of a kind counts."""
    fallback, enforcer, unknown = "strict", None, []
    for word in text.split():
        key, _, value = word.partition("=")
        if key == "fallback" and value in FALLBACKS:
            fallback = value
        elif key == "enforcer" and value in ENFORCERS:
            enforcer = value
        elif word != "debug":
            unknown.append(word)
    return Arguments(fallback, enforcer, tuple(unknown))
