"""What the series may cost."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.figures import Figures, Key
from bench.steps import CROWD, FEWEST, MORE, SHARES, SIZES, VIEWS

FREE = 1.002  # while there is no domain on the machine
CHEAP = 1.01  # while there are some, for a task in none
CONFINED = 1.1  # for a task in a domain, against `hidepid=ptraceable`
ALIKE = (0.95, 1.05)  # a look-up of a hidden number, against one of a free number
GROWN = 1.1  # how costs grow with the number of others, against stock's growth
CALLS = ("fork+exit", "stat", "open+close", "kill")

# What guest/lookup.c measures, of a number `n`.
LOOKUPS = {
    "kill": "kill(n, 0)",
    "kill-group": "kill(-n, 0)",
    "tgkill": "tgkill(n, n, 0)",
    "getpgid": "getpgid(n)",
    "getsid": "getsid(n)",
    "setpgid": "setpgid(n, 0)",
    "prlimit": "prlimit(n)",
    "sched_getscheduler": "sched_getscheduler(n)",
    "getpriority": "getpriority(PRIO_PROCESS, n)",
    "getpriority-group": "getpriority(PRIO_PGRP, n)",
    "ioprio_get": "ioprio_get(n)",
    "capget": "capget(n)",
    "get_robust_list": "get_robust_list(n)",
    "process_vm_readv": "process_vm_readv(n)",
    "pidfd_open": "pidfd_open(n)",
    "F_SETOWN": "fcntl(F_SETOWN, n)",
    "futex": "futex(FUTEX_TRYLOCK_PI), word n",
    "ptracer": "prctl(PR_SET_PTRACER, n)",
    "stat": "stat(/proc/n)",
    "open": "open(/proc/n, O_PATH)",
}
NAMED = ("stat", "open")  # of those, the ones with a name, which another viewer may have cached

# What guest/growth.c measures.
OF_GROUPS = {
    "setpgid": "setpgid(0, group)",
    "kill-group": "kill(-group, 0)",
    "signal-group": "kill(-group, SIGURG)",
    "priority-group": "getpriority(PRIO_PGRP, group)",
    "signal-all": "kill(-1, SIGURG)",
    "locks": "read /proc/locks",
}
OF_CHAINS = {
    "kill": "kill(last, 0)",
    "stat": "stat(/proc/last)",
    "readdir": "readdir(/proc)",
}


@dataclass(frozen=True)
class Limit:
    """One comparison: a figure of the patched kernel with one of the stock kernel.

    With `fewest`, the growth of one figure with the growth of the other.
    """

    group: str
    title: str
    patched: Key
    stock: Key
    factor: float
    least: float = 0.0  # less breaks the limit, too
    fewest: tuple[Key, Key] | None = None  # from where they grow: patched, stock


@dataclass(frozen=True)
class Verdict:
    """What a comparison gave."""

    limit: Limit
    stock: float  # instructions, or how many times as many as with the fewest
    patched: float
    spread: float  # the larger of the two

    @property
    def ratio(self) -> float:
        """Patched over stock."""
        return self.patched / self.stock

    @property
    def kept(self) -> bool:
        """True if the limit holds."""
        return self.limit.least <= self.ratio <= self.limit.factor


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


def _lookups() -> Iterator[Limit]:
    least, most = ALIKE
    for view in VIEWS:
        group = f"A hidden number against a free one, view {view}"
        step = f"lookup {view}"
        for call, title in LOOKUPS.items():
            hidden, free = Key(step, f"{call}-hidden"), Key(step, f"{call}-free")
            yield Limit(group, title, hidden, free, most, least)
            if call in NAMED:
                cached = Key(step, f"{call}-known")
                yield Limit(group, f"{title}, cached", cached, free, most, least)


def _growth() -> Iterator[Limit]:
    for view in VIEWS:
        group = f"Growth with a hidden process group, view {view}"
        yield from _grown(group, "group", OF_GROUPS, view, "none")
    group = "Growth with a chain of processes, view inferiors"
    yield from _grown(f"{group}: beside it", "chain", {**OF_GROUPS, **OF_CHAINS}, "beside")
    yield from _grown(f"{group}: above it", "chain", OF_CHAINS, "above")
    group = "Growth with the threads of one process"
    yield from _grown(group, "threads", {"threads": "stat of each"}, "domain", "none")


def _grown(
    group: str, step: str, titles: dict[str, str], patched: str, stock: str | None = None
) -> Iterator[Limit]:
    """Compare what two viewers have seen grow; the stock kernel's has the same name or another."""

    def keys(what: str, number: int) -> tuple[Key, Key]:
        return (
            Key(step, f"{patched}-{what}-{number}"),
            Key(step, f"{stock or patched}-{what}-{number}"),
        )

    for what, title in titles.items():
        for number in MORE:
            if number > FEWEST[step]:
                most = keys(what, number)
                yield Limit(
                    group,
                    f"{title}, {number:,}",
                    *most,
                    GROWN,
                    fewest=keys(what, FEWEST[step]),
                )


COSTS = tuple(_limits())
ALIKES = tuple(_lookups())
GROWTHS = tuple(_growth())
LIMITS = (*COSTS, *ALIKES, *GROWTHS)


def judge(stock: Figures, patched: Figures) -> list[Verdict]:
    """Apply every limit.

    What tells a hidden number from a free one is a question to one kernel: there
    the free number stands for stock.

    Args:
        stock: figures of the stock kernel.
        patched: figures of the kernel with the series.

    Raises:
        KeyError: a figure is missing.
        ValueError: the two kernels did not show the same processes.
    """
    for limit in COSTS:
        if limit.factor == CONFINED and limit.patched.what == "readdir":
            _same_processes(stock, patched, limit)
    return [
        *verdicts(COSTS, stock, patched),
        *verdicts(ALIKES, patched, patched),
        *verdicts(GROWTHS, stock, patched),
    ]


def verdicts(limits: Iterable[Limit], stock: Figures, patched: Figures) -> list[Verdict]:
    """Compare the figures that limits name.

    Args:
        limits: what may cost how much.
        stock: what sets each limit.
        patched: what is held to it.

    Raises:
        KeyError: a figure is missing.
    """
    return [_verdict(limit, stock, patched) for limit in limits]


def _verdict(limit: Limit, stock: Figures, patched: Figures) -> Verdict:
    of_stock, of_patched = stock[limit.stock], patched[limit.patched]
    from_stock = from_patched = 1.0
    if limit.fewest:
        from_patched = patched[limit.fewest[0]].median
        from_stock = stock[limit.fewest[1]].median
    return Verdict(
        limit,
        of_stock.median / from_stock,
        of_patched.median / from_patched,
        max(of_stock.spread, of_patched.spread),
    )


def _same_processes(stock: Figures, patched: Figures, limit: Limit) -> None:
    before = stock[limit.stock._replace(what="processes")].median
    after = patched[limit.patched._replace(what="processes")].median
    if before != after:
        raise ValueError(f"{limit.title}: stock shows {before:.0f} processes, patched {after:.0f}")
