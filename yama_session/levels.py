"""The words of the design as enums: pure Python, no kernel needed.

The numbers are those of the kernel's interface (``native/yama_abi.h``); a
test compares the two.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Self


class _Word(IntEnum):
    """A level that a person writes as its name, or as its number where that is a known one."""

    @property
    def word(self) -> str:
        """The name as policy files, options and the kernel spell it."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def numbered(cls) -> bool:
        """Return whether people may write the numbers."""
        return True

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the level called ``text``, a number or a word.

        Raises:
            ValueError: there is none; the message lists what there is.
        """
        for level in cls:
            if text == level.word or (cls.numbered() and text == str(level.value)):
                return level
        known = ", ".join(
            f"{level.value} ({level.word})" if cls.numbered() else level.word for level in cls
        )
        raise ValueError(f"{text!r} is not a {cls.__name__.lower()}: choose from {known}")


class Scope(_Word):
    """Which processes a task may attach to: the levels of ``kernel.yama.ptrace_scope``.

    Source: ``Documentation/admin-guide/LSM/Yama.rst`` in the kernel.
    """

    CLASSIC = 0
    RELATIONAL = 1
    CAPABILITY = 2
    NO_ATTACH = 3


class View(_Word):
    """Which processes exist for a task; a higher number never shows more.

    All; those of its domain and those of its real uid wherever they are; those
    of its domain; or of these its descendants. The numbers are the kernel's alone:
    before ``USER`` came there were others.
    """

    ALL = 0
    USER = 1
    DOMAIN = 2
    INFERIORS = 3

    @classmethod
    def numbered(cls) -> bool:
        """Return ``False``: only the names mean the same in every version."""
        return False


class Group(Enum):
    """What shares a domain: every login alone, or all logins of one user together."""

    SESSION = "session"
    USER = "user"


class Proc(Enum):
    """What stands on ``/proc`` in a session.

    ``PRIVATE`` is an instance of its own, with the options that suit the
    enforcer; ``PTRACEABLE`` one with ``hidepid=ptraceable`` on any enforcer;
    ``HOST`` leaves the host's in place.
    """

    PRIVATE = "private"
    PTRACEABLE = "ptraceable"
    HOST = "host"


class Mode(Enum):
    """Whether a session gets what the policy says, or only the journal does (a pilot)."""

    ENFORCE = "enforce"
    LOG = "log"
