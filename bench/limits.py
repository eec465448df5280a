"""What the series may cost."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.figures import Figures, Key
from bench.steps import CROWD, SHARES, SIZES

FREE = 1.002  # while there is no domain on the machine
CHEAP = 1.01  # while there are some, for a task in none
CONFINED = 1.1  # for a task in a domain, against `hidepid=ptraceable`
CALLS = ("fork+exit", "stat", "open+close", "kill")


@dataclass(frozen=True)
class Limit:
    """One comparison: a figure of the patched kernel with one of the stock kernel."""

    group: str
    title: str
    patched: Key
    stock: Key
    factor: float


@dataclass(frozen=True)
class Verdict:
    """What a comparison gave."""

    limit: Limit
    stock: float  # instructions
    patched: float
    spread: float  # the larger of the two

    @property
    def ratio(self) -> float:
        """Patched over stock."""
        return self.patched / self.stock

    @property
    def kept(self) -> bool:
        """True if the limit holds."""
        return self.ratio <= self.limit.factor


def _limits() -> Iterator[Limit]:
    states = (
        ("No domain on the machine", "", FREE),
        ("Domains exist, this task is in none", "exists ", CHEAP),
    )
    for group, state, factor in states:
        for call in CALLS:
            yield Limit(group, call, Key(f"{state}calls", call), Key("calls", call), factor)
        yield Limit(
            group,
            f"readdir(/proc) of {CROWD:,}",
            Key(f"{state}list none", "readdir"),
            Key("list none", "readdir"),
            factor,
        )
    group = "In a domain, against hidepid=ptraceable"
    for title, what in (
        ("ptrace_may_access(), visible", "access-visible"),
        ("ptrace_may_access(), hidden", "access-hidden"),
        ("stat, visible", "stat-visible"),
        ("stat, hidden", "stat-hidden"),
    ):
        yield Limit(group, title, Key("access", what), Key("access", what), CONFINED)
    for size in SIZES:
        for share in SHARES:
            yield Limit(
                group,
                f"readdir(/proc) of {size:,}, {share} % visible",
                Key(f"list {size} {share}% domain", "readdir"),
                Key(f"list {size} {share}% ptraceable", "readdir"),
                CONFINED,
            )
    group = "`ps ax` in a domain, against an unconfined user's"
    yield Limit(group, "stand-in", Key("ps domain", "ps"), Key("ps none", "ps"), 1.0)
    yield Limit(group, "procps", Key("procps domain", "run"), Key("procps none", "run"), 1.0)


LIMITS = tuple(_limits())


def judge(stock: Figures, patched: Figures) -> list[Verdict]:
    """Apply every limit.

    Args:
        stock: figures of the stock kernel.
        patched: figures of the kernel with the series.

    Raises:
        KeyError: a figure is missing.
        ValueError: the two kernels did not show the same processes.
    """
    for limit in LIMITS:
        if limit.factor == CONFINED and limit.patched.what == "readdir":
            _same_processes(stock, patched, limit)
    return verdicts(LIMITS, stock, patched)


def verdicts(limits: Iterable[Limit], stock: Figures, patched: Figures) -> list[Verdict]:
    """Compare the figures that limits name.

    Args:
        limits: what may cost how much.
        stock: what sets each limit.
        patched: what is held to it.

    Raises:
        KeyError: a figure is missing.
    """
    return [
        Verdict(
            limit,
            stock[limit.stock].median,
            patched[limit.patched].median,
            max(stock[limit.stock].spread, patched[limit.patched].spread),
        )
        for limit in limits
    ]


def _same_processes(stock: Figures, patched: Figures, limit: Limit) -> None:
    before = stock[limit.stock._replace(what="processes")].median
    after = patched[limit.patched._replace(what="processes")].median
    if before != after:
        raise ValueError(f"{limit.title}: stock shows {before:.0f} processes, patched {after:.0f}")
