"""The list of all places of the kernel that take or tell the number of a process.

`numbers.toml` says of each which rows of the table of channels stand for it, or why
it needs none, or that it is open though no test can ask it, which is a row as well.
So no channel is forgotten, and a new kernel's are noticed.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernel_lab.channels import Channel
from kernel_lab.errors import LabError
from kernel_lab.paths import KERNEL_DIR, SERIES_DIR
from kernel_lab.places import Place

LISTED = KERNEL_DIR / "numbers.toml"
# Where the rows of the table of channels are defined
ROWS = "tools/testing/selftests/yama/channel*.c"
_ROW = re.compile(
    r'^\t(?:\{ \.name = |(?:CALL|NAME|OTHER)\w*\()\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', re.MULTILINE
)


@dataclass(frozen=True)
class Entry:
    """What the list says of some places: which rows stand for them, or why none does."""

    rows: tuple[str, ...]
    reason: str
    places: tuple[str, ...]  # of one kernel
    open: str = ""  # the channel that they are, if it is open and no test asks it


def listed(kernel: str, file: Path = LISTED) -> list[Entry]:
    """Return what the list says of one kernel.

    Args:
        kernel: "6.12" and the like.
        file: a TOML file of `[[entry]]` with either `rows` or `reason`, and
            `places`; with a reason there may be `open`. A place is
            "FILE:FUNCTION", and the kernels that have it follow unless all do.

    Raises:
        LabError: an entry is not of this form.
    """
    return [
        _entry(entry, kernel, file) for entry in tomllib.loads(file.read_text("utf-8"))["entry"]
    ]


def unasked(entries: Iterable[Entry]) -> list[Channel]:
    """Return the open channels that the list has and no test asks, one for each name."""
    reasons = {entry.open: entry.reason for entry in entries if entry.open and entry.places}
    return [
        Channel(name, "name", "open", "-", "-", "-", reason) for name, reason in reasons.items()
    ]


def rows(texts: Iterable[str]) -> set[str]:
    """Return the names of the channels that the test has, from the texts of its files."""
    return {
        "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', strings))
        for text in texts
        for strings in _ROW.findall(text)
    }


def compare(places: Iterable[Place], entries: Iterable[Entry], known: Collection[str]) -> list[str]:
    """Return what is wrong with the list for one kernel: a line for each complaint.

    Args:
        places: what the source has.
        entries: what the list has.
        known: the names of the rows of the table of channels.
    """
    found = {place.name: place for place in places}
    named = Counter(name for entry in entries for name in entry.places)
    return [
        *(
            f"{place.file}:{place.line}: {place.function}() has {place.word}: not listed"
            for name, place in found.items()
            if name not in named
        ),
        *(f"{name}: listed, but takes and tells nothing" for name in sorted(named - found.keys())),
        *(f"{name}: listed {times} times" for name, times in named.items() if times > 1),
        *(
            f"no channel has the name {row!r}"
            for row in sorted({row for entry in entries for row in entry.rows} - set(known))
        ),
    ]


def _entry(entry: Mapping[str, Any], kernel: str, file: Path) -> Entry:
    places = [place.split() for place in entry.get("places", ())]
    marks = {mark for _, *kernels in places for mark in kernels}
    unknown = (entry.keys() - {"rows", "reason", "places", "open"}) | (marks - _kernels())
    one = ("rows" in entry) != ("reason" in entry) and not {"rows", "open"} <= entry.keys()
    if unknown or not places or not one:
        raise LabError(
            f"{file}: an entry has either rows or a reason (maybe with a channel that is open)"
            f" and places, some of them with"
            f" kernels that there is a series for; this one does not: {dict(entry)}"
        )
    return Entry(
        rows=tuple(entry.get("rows", ())),
        reason=entry.get("reason", ""),
        open=entry.get("open", ""),
        places=tuple(name for name, *kernels in places if not kernels or kernel in kernels),
    )


def _kernels() -> set[str]:
    return {path.name for path in SERIES_DIR.iterdir() if path.is_dir()}
