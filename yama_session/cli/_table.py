"""How verbs print for people: as wide as the terminal, cut nowhere, and in colour if welcome."""

from __future__ import annotations

import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from enum import Enum
from itertools import zip_longest

#: Words up to this width, as ids are, stay on one line of a column.
_WHOLE = 16

#: Nothing is made narrower than this.
_NARROWEST = 40

_SGR = re.compile(r"\x1b\[\d*m")


class Colour(Enum):
    """What a colour says: the parameters of the terminal's SGR sequence."""

    GOOD = "32"
    BAD = "31"
    DOUBTFUL = "33"
    HEAD = "1"
    FAINT = "2"


def colours() -> bool:
    """Return whether to colour: a terminal that can, and NO_COLOR not set (no-color.org)."""
    return (
        sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "dumb") != "dumb"
    )


def coloured(text: str, colour: Colour) -> str:
    """Return a text in a colour, or as it is where none is wanted."""
    return f"\x1b[{colour.value}m{text}\x1b[0m" if text and colours() else text


def printable(value: object) -> str:
    """Return a value on one line in which nothing can move the terminal's cursor."""
    return "".join(c if c.isprintable() else "?" for c in str(value))


def width(text: str) -> int:
    """Return how many columns of a terminal a printable text takes."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) != 0 for c in text)


def wrapped(text: str, indent: int = 0) -> list[str]:
    """Return the lines of a printable text, as wide as the terminal if it is one.

    Args:
        text: the text.
        indent: how far the second line and those after it stand in.
    """
    if not sys.stdout.isatty():
        return [text]
    lines = _words(text, _columns() - indent, _columns())
    return [lines[0], *(" " * indent + line for line in lines[1:])]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows below a head, as wide as the terminal if it is one.

    Args:
        head: the columns' names.
        rows: their cells; an empty one is shown as ``-``.
    """
    return "\n".join(line for block in table_blocks(head, rows) for line in block)


def table_blocks(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[list[str]]:
    """Return the lines of the head, and then those of each row.

    What does not fit goes on in the next line. Where not even the columns' shortest
    forms fit, each row has a line for each cell, and there is no head.
    """
    cells = [[printable(cell) or "-" for cell in row] for row in rows]
    columns = list(zip(head, *cells, strict=True))
    widths = [max(map(width, column)) for column in columns]
    if sys.stdout.isatty() and _total(widths) > _columns():
        least = [min(max(map(_longest, column)), _WHOLE) for column in columns]
        if _total(least) > _columns():
            return [[], *(_record(head, row) for row in cells)]
        widths = _shrunk(widths, least, _columns())
    first = [coloured(line, Colour.HEAD) for line in _row(head, widths)]
    return [first, *(_row(row, widths) for row in cells)]


def _columns() -> int:
    return max(shutil.get_terminal_size().columns, _NARROWEST)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def _longest(text: str) -> int:
    return max(map(width, text.split()), default=0)


def _record(head: Sequence[str], row: Sequence[str]) -> list[str]:
    room = max(map(width, head)) + 2
    lines = []
    for name, cell in zip(head, row, strict=True):
        lines += wrapped(coloured(name, Colour.HEAD) + " " * (room - width(name)) + cell, room)
    return [*lines, ""]


def _row(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    parts = [_words(cell, size, size) for cell, size in zip(cells, widths, strict=True)]
    return [
        "  ".join(
            part + " " * (size - width(part)) for part, size in zip(line, widths, strict=True)
        ).rstrip()
        for line in zip_longest(*parts, fillvalue="")
    ]


def _words(text: str, size: int, first: int) -> list[str]:
    """Break a text between words, and within those that are longer than a line.

    Args:
        text: the text.
        size: the width of a line.
        first: that of the first one.
    """
    lines, room = [""], first
    for word in re.findall(r"\s*\S+", text):
        if lines[-1] and _shown(lines[-1] + word) > room:
            lines.append("")
            room, word = size, word.lstrip()
        while _shown(lines[-1] + word) > room:
            part = _head(word, room)
            lines, word, room = [*lines[:-1], part, ""], word[len(part) :], size
        lines[-1] += word
    return lines


def _head(word: str, room: int) -> str:
    """Return as much of a word as fits, one character at least."""
    end = 1
    while end < len(word) and _shown(word[: end + 1]) <= room:
        end += 1
    return word[:end]


def _shown(text: str) -> int:
    """Return how many columns a text takes that may have colours in it."""
    return width(_SGR.sub("", text))


def _shrunk(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Take from the widest column that can give, again and again until all fit."""
    widths = list(widths)
    while _total(widths) > room:
        spare = [(size - floor > 0, size) for size, floor in zip(widths, least, strict=True)]
        widths[spare.index(max(spare))] -= 1
    return widths
