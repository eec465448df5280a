"""Read what the measuring programs print."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Key(NamedTuple):
    """Names a figure: the step that it is from, and what was measured."""

    step: str
    what: str


@dataclass(frozen=True)
class Figure:
    """The median of some samples, and how far they lie apart."""

    median: float
    spread: float  # between the quartiles, as a part of the median
    samples: int


Figures = Mapping[Key, Figure]


def figure(samples: Sequence[float]) -> Figure:
    """Return the figure of at least one sample."""
    median = statistics.median(samples)
    if len(samples) < 2 or not median:
        return Figure(median, 0.0, len(samples))
    first, _, third = statistics.quantiles(samples, n=4)
    return Figure(median, (third - first) / median, len(samples))


def parse(output: str) -> dict[Key, Figure]:
    """Return the figures in a guest's output.

    A line `# STEP` names the step whose lines follow; each of those is a name
    and its samples.

    Raises:
        ValueError: a line is neither, or a step says the same thing twice.
    """
    figures: dict[Key, Figure] = {}
    step = ""
    for line in output.splitlines():
        if line.startswith("# "):
            step = line.removeprefix("# ")
            continue
        what, *numbers = line.split()
        key = Key(step, what)
        if not step or not numbers or key in figures:
            raise ValueError(f"not expected in the output of a guest: {line}")
        figures[key] = figure([float(number) for number in numbers])
    return figures
