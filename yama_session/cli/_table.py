"""How verbs print for people: tables that fit the terminal, and colour where it is welcome."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from enum import Enum

#: No column gets narrower than this when a table must shrink.
_NARROWEST = 6


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


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows below a head, cut to the width of the terminal if it is one.

    Args:
        head: the columns' names.
        rows: their cells; an empty one is shown as ``-``.
    """
    cells = [[printable(cell) or "-" for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(head, *cells, strict=True)]
    if sys.stdout.isatty():
        widths = _shrunk(widths, shutil.get_terminal_size().columns)
    lines = [coloured(_line(head, widths), Colour.HEAD)]
    return "\n".join([*lines, *(_line(row, widths) for row in cells)])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(_fitted(cell, size) for cell, size in zip(cells, widths, strict=True)).rstrip()


def _fitted(text: str, size: int) -> str:
    while width(text) > size:
        text = text[:-2] + "…"
    return text + " " * (size - width(text))


def _shrunk(widths: Sequence[int], room: int) -> list[int]:
    """Take from the widest column again and again until all fit, or none can give more."""
    widths = list(widths)
    while sum(widths) + 2 * (len(widths) - 1) > room and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths
