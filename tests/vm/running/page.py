"""The page of results: what the guests have shown, and how long they took."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

PAGE = Path(__file__).parents[2] / "RESULTS.md"
Row = tuple[str, ...]

_HEAD = """\
# What the guests of the session tests have shown

Written by `make test-sessions`: each file of `tests/vm` in a machine with
systemd and real logins, on Debian 12 (bookworm) or 13 (trixie); files that
want the same machine share it. A row is of the last run of its file; `make
test-sessions` runs all of them.

| file | Debian | kernel | result |
| --- | --- | --- | --- |
"""
_SECONDS = re.compile(r" in ([0-9.]+)s\b")


def write(page: Path, rows: Sequence[Row], files: Collection[str]) -> None:
    """Put rows on a page beside those that are there, of files that there are still."""
    # The result is the last cell: what stands before names the guest.
    known = {row[:-1]: row for row in [*_rows(page), *rows] if row[0] in files}
    lines = [f"| {' | '.join(row)} |\n" for row in sorted(known.values())]
    page.write_text(_HEAD + "".join(lines), encoding="utf-8")


def seconds(page: Path = PAGE) -> dict[Row, float]:
    """Return how long the tests of each guest on a page took, by what names it there."""
    return dict(_seconds(_rows(page)))


def _seconds(rows: Iterable[Row]) -> Iterator[tuple[Row, float]]:
    for row in rows:
        if found := _SECONDS.search(row[-1]):
            yield row[:-1], float(found[1])


def _rows(page: Path) -> Iterator[Row]:
    """Yield the rows of a page, if there is one."""
    if not page.exists():
        return
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("| test_"):
            yield tuple(line.strip("| ").split(" | "))
