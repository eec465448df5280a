"""What the output of one test program says, and in what two runs of it differ."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Outcome = Literal["ok", "not ok", "skip"]
Verdict = Literal["pass", "fail", "skip", "timeout"]

_DIGITS = re.compile(r"\d+")
TAIL_LINES = 40
_SKIP_STATUS = 4  # of kselftest
_TIMEOUT_STATUSES = (124, 137)  # of timeout(1)
_LINE = re.compile(r"^(ok|not ok)\b\s*\d*\s*(?:-\s*)?(.*?)\s*(#.*)?$")


class Subtest(NamedTuple):
    """One line of a program's TAP."""

    name: str
    outcome: Outcome


@dataclass(frozen=True)
class Report:
    """What became of one program."""

    verdict: Verdict
    subtests: tuple[Subtest, ...] = ()
    output: str = field(default="", compare=False)

    @property
    def tail(self) -> str:
        """The end of the output, for a message."""
        return "\n".join(self.output.splitlines()[-TAIL_LINES:])

    def count(self, outcome: Outcome) -> int:
        """Return how many subtests ended so."""
        return sum(subtest.outcome == outcome for subtest in self.subtests)


def report(status: int, output: str) -> Report:
    """Judge a program by its exit status and its TAP, if it prints some."""
    return Report(_verdict(status), tuple(_subtests(output)), output)


def _verdict(status: int) -> Verdict:
    if status == _SKIP_STATUS:
        return "skip"
    if status in _TIMEOUT_STATUSES:
        return "timeout"
    return "fail" if status else "pass"


def _subtests(output: str) -> list[Subtest]:
    found = []
    for line in output.splitlines():
        if match := _LINE.match(line):
            word, name, directive = match.groups()
            skipped = "SKIP" in f"{name} {directive}"
            outcome: Outcome = "skip" if skipped else "ok" if word == "ok" else "not ok"
            found.append(Subtest(name, outcome))
    return found


def differences(stock: Sequence[Report], patched: Sequence[Report]) -> list[str]:
    """Return in what a program's runs on the patched kernel differ from those on stock.

    Some tests waver. A verdict, or a subtest's outcome, is different if no run on
    the one kernel had what a run on the other had. Subtests are matched by
    name, without its digits: those may be a pid. A run that was stopped at its time
    limit is compared as far as it has come.
    """
    found = _apart("", [run.verdict for run in stock], [run.verdict for run in patched])
    if all(run.verdict != "timeout" for run in (*stock, *patched)):
        counts = [[f"{len(run.subtests)} subtests" for run in runs] for runs in (stock, patched)]
        found += _apart("", *counts)
    theirs, ours = _outcomes(stock), _outcomes(patched)
    for key, outcomes in ours.items():
        found += _apart(f"{key[0]}: ", theirs.get(key, []), outcomes)
    return found


def _outcomes(runs: Sequence[Report]) -> dict[tuple[str, int], list[str]]:
    """Return the outcomes of each subtest: its name, and which one of that name it is."""
    found: dict[tuple[str, int], list[str]] = {}
    for run in runs:
        seen: Counter[str] = Counter()
        for name, outcome in run.subtests:
            plain = _DIGITS.sub("N", name)
            found.setdefault((plain, seen[plain]), []).append(outcome)
            seen[plain] += 1
    return found


def _apart(what: str, stock: Sequence[str], patched: Sequence[str]) -> list[str]:
    """Return a text if both sides have something to say and never say the same."""
    if not stock or not patched or set(stock) & set(patched):
        return []
    return [f"{what}{' or '.join(sorted(set(stock)))} on stock, {patched[-1]} here"]
