"""The lines of a file below /etc/pam.d, as libpam reads them.

Source: pam.d(5) and pam.conf(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from yama_session.errors import YamaSessionError

_TYPES = ("auth", "account", "password", "session")
_WORDS = ("required", "requisite", "sufficient", "optional", "include", "substack")

_DIRECTIVE = re.compile(
    r"(?P<type>-?\w+)\s+(?P<control>\[[^\]]*\]|\w+)\s+(?P<module>\S+)(?:\s+(?P<arguments>.*))?"
)
_VALUE = re.compile(r"\w+=(?:ignore|bad|die|ok|done|reset|\d+)")


class PamError(YamaSessionError):
    """A file below /etc/pam.d is missing, or in a form that is not understood."""


@dataclass(frozen=True)
class Line:
    """One directive.

    Args:
        file: where it stands.
        first: the number of its first line, from 1.
        last: the number of its last one: a backslash at a line's end continues it.
        type: ``auth``, ``account``, ``password`` or ``session``, empty for all.
        control: the control word or the bracketed values; ``include`` for an
            ``@include``.
        module: the module's file, or the service that is included.
        arguments: the rest.
    """

    file: Path
    first: int
    last: int
    type: str
    control: str
    module: str
    arguments: str = ""

    @property
    def place(self) -> str:
        """``file:line``."""
        return f"{self.file}:{self.first}"

    @property
    def includes(self) -> bool:
        """Whether it stands for the lines of another file."""
        return self.control in ("include", "substack")

    @property
    def jump(self) -> int:
        """How many lines it may skip."""
        jumps = [int(number) for number in re.findall(r"=(\d+)", self._values)]
        return max(jumps, default=0)

    @property
    def ends_stack(self) -> bool:
        """Whether what follows may be left out because this one succeeded."""
        return self.control == "sufficient" or "=done" in self._values

    @property
    def refuses(self) -> bool:
        """Whether its failure makes the whole stack fail."""
        if self.control in ("required", "requisite"):
            return True
        return re.search(r"default=(bad|die)", self._values) is not None

    @property
    def _values(self) -> str:
        return self.control if self.control.startswith("[") else ""

    def loads(self, name: str) -> bool:
        """Whether it loads a module, by its file's name without ``.so``."""
        return not self.includes and Path(self.module).stem == name


def parse(file: Path, text: str) -> Iterator[Line]:
    """Yield the directives of a file.

    Raises:
        PamError: a line is none.
    """
    number, parts, first = 0, "", 1
    for number, raw in enumerate(text.splitlines(), 1):
        part = raw.split("#", 1)[0].rstrip()
        if not parts:
            first = number
        parts += part.removesuffix("\\") + " "
        if part.endswith("\\"):
            continue
        if parts.strip():
            yield _line(file, first, number, parts.strip())
        parts = ""
    if parts.strip():
        raise PamError(f"{file}:{number}: the last line is continued, but there is no next one")


def _line(file: Path, first: int, last: int, text: str) -> Line:
    if text.startswith("@include"):
        words = text.split()
        if len(words) != 2 or words[0] != "@include":
            raise PamError(f"{file}:{first}: {text!r} is not '@include FILE'")
        return Line(file, first, last, "", "include", words[1])
    found = _DIRECTIVE.fullmatch(text)
    if found is None:
        raise PamError(f"{file}:{first}: {text!r} is not 'type control module'")
    kind = found["type"].removeprefix("-").lower()
    control = found["control"].lower()
    values = control.strip("[]").split()
    known = all(map(_VALUE.fullmatch, values)) if control[0] == "[" else control in _WORDS
    if kind not in _TYPES or not known:
        wrong = kind if kind not in _TYPES else control
        raise PamError(f"{file}:{first}: {wrong!r} is not known to pam.d(5)")
    arguments = (found["arguments"] or "").strip()
    return Line(file, first, last, kind, control, found["module"], arguments)
