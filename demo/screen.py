"""The terminal: steps with their times, and the table of who sees whom."""

import os
import sys
import time
from collections.abc import Sequence

from demo.watch import Sights

BOLD, DIM, GREEN, YELLOW = "1", "2", "32", "33"
CELLS = {
    (True, True): "see + trace",
    (True, False): "see",
    (False, True): "trace",
    (False, False): "-",
}
WIDTH = 13
_start = time.monotonic()


def _coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def paint(text: str, *styles: str) -> str:
    """Return the text in a style, if somebody looks who wants it."""
    return f"\033[{';'.join(styles)}m{text}\033[0m" if styles and _coloured() else text


def elapsed() -> float:
    """Return the seconds since the demonstration began."""
    return time.monotonic() - _start


def step(text: str) -> None:
    """Say what is done next, with the time that it begins."""
    seconds = int(elapsed())
    clock = f"{seconds // 60:2}:{seconds % 60:02}"
    print(f"{paint(clock, DIM)}  {text}", flush=True)


def heading(text: str) -> None:
    """Begin a part."""
    print(f"\n{paint(text, BOLD)}\n", flush=True)


def note(text: str) -> None:
    """Say something about what is seen above or below."""
    print(paint(text, DIM), flush=True)


def table(scenes: Sequence[tuple[str, Sights]]) -> None:
    """Print for each scene a line per session: what it found of each."""
    for title, sights in scenes:
        print(f"\n  {paint(title, BOLD)}")
        head = "".join(f"{name:<{WIDTH}}" for name in sights)
        print(paint(f"    {'':<{WIDTH}}{head}{'in its /proc'}", DIM))
        for name, sight in sights.items():
            row = "".join(_cell(name, other, sight.found[other]) for other in sights)
            print(f"    {name:<{WIDTH}}{row}{sight.listed:>4} processes")
    print(flush=True)


def _cell(name: str, other: str, found: tuple[bool, bool]) -> str:
    """Green is what a session has of itself, yellow of another, nothing is dim."""
    text = f"{CELLS[found]:<{WIDTH}}"
    if not any(found):
        return paint(text, DIM)
    return paint(text, GREEN if name == other else YELLOW)
