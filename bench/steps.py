"""What is run in the guests.

The steps of one guest follow one another in one boot. No domain may exist
before the steps that say so, and that is before all others: what the first
domain switches on stays on.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

CROWD = 2000  # processes on a machine with many users
SESSION = 10  # processes that a session sees
SIZES = (1000, 10000)
SHARES = (1, 50, 100)  # per cent of the processes that are visible
DOMAINS = (1, 100, 10000)
DEPTHS = (1, 2, 4, 8, 16)
TASKS = (1000, 10000)
VIEWS = ("domain", "user")

# How many others guest/growth.c makes: the fewest, and with how many they are compared.
FEWEST = {"group": 100, "chain": 1000, "threads": 100}
MORE = (1000, 10000)

# Numbers have the same length, and their tree the same height, in each step.
LAST_PID = 20000


@dataclass(frozen=True)
class Step:
    """A command, and the name of its figures."""

    name: str
    command: str


def listing(view: str, size: int, share: int) -> Step:
    """List `size` processes of which `share` per cent are visible in `view`."""
    visible = size * share // 100
    return Step(
        f"list {size} {share}% {view}",
        f"crowd {view} {size} {visible} listing",
    )


NO_DOMAIN = [
    Step("calls", "calls"),
    Step("list none", f"crowd none {CROWD} {SESSION} listing"),
]

STOCK = [
    *NO_DOMAIN,
    Step("calls user", "crowd none 10 5 calls"),
    Step("access", "crowd ptraceable 10 5 access"),
    *(listing("ptraceable", size, share) for size in SIZES for share in SHARES),
    *(
        Step(f"ps {view}", f"crowd {view} {CROWD} {SESSION} psax")
        for view in ("none", "ptraceable", "pidns")
    ),
    *(Step(f"tasks {n} none", f"tasks {n} none") for n in TASKS),
]

PATCHED = [
    *NO_DOMAIN,
    *(Step(f"tasks {n} none", f"tasks {n} none") for n in TASKS),
    Step("exists calls", "domains 100 calls"),
    Step("exists list none", f"domains 100 crowd none {CROWD} {SESSION} listing"),
    Step("calls user", "crowd domain 10 5 calls"),
    Step("access", "crowd domain 10 5 access"),
    *(listing("domain", size, share) for size in SIZES for share in SHARES),
    *(
        Step(f"ps {view}", f"crowd {view} {CROWD} {SESSION} psax")
        for view in ("none", "domain", "pidns")
    ),
    *(Step(f"tasks {n} {how}", f"tasks {n} {how}") for n in TASKS for how in ("shared", "own")),
    *(Step(f"domains {n}", f"domains {n} crowd domain 1000 10 listing") for n in DOMAINS),
    *(Step(f"domains {n} calls", f"domains {n} crowd domain 10 5 calls") for n in DOMAINS),
    *(Step(f"depth {d}", f"depth {d}") for d in DEPTHS),
    *(Step(f"depth {d} list", f"crowd domain:{d} 1000 500 listing") for d in DEPTHS),
    *(Step(f"depth {d} access", f"crowd domain:{d} 10 5 access") for d in DEPTHS),
]

# procps itself, which wants a Debian root
PS_STOCK = [
    Step("procps none", f"crowd none {CROWD} {SESSION} timed ps ax"),
    Step("procps pidns", f"crowd pidns {CROWD} {SESSION} timed ps ax"),
]
PS_PATCHED = [
    *PS_STOCK,
    Step("procps domain", f"crowd domain {CROWD} {SESSION} timed ps ax"),
]


# A number that is hidden, and one that is free; how costs grow with the number of others
GROWTH_STOCK = [Step(shape, f"growth {shape} none") for shape in FEWEST]
GROWTH_PATCHED = [
    *(Step(f"lookup {view}", f"crowd {view} 10 5 lookup") for view in VIEWS),
    Step("group", f"growth group {' '.join(VIEWS)}"),
    Step("chain", "growth chain inferiors"),
    Step("threads", "growth threads domain"),
]


@dataclass(frozen=True)
class Guest:
    """One boot."""

    stock: bool
    root: Literal["debian", "busybox"]
    steps: Sequence[Step]


GUESTS = (
    Guest(True, "busybox", STOCK),
    Guest(False, "busybox", PATCHED),
    Guest(True, "busybox", GROWTH_STOCK),
    Guest(False, "busybox", GROWTH_PATCHED),
    Guest(True, "debian", PS_STOCK),
    Guest(False, "debian", PS_PATCHED),
)


def script(steps: Sequence[Step]) -> str:
    """Return a shell script that runs the steps; the first failure ends it."""
    lines = ["set -e", "mkdir -p /opt/bench", "cp /share/* /opt/bench", "PATH=/opt/bench:$PATH"]
    for step in steps:
        lines += [
            f"echo {shlex.quote('# ' + step.name)}",
            f"echo {LAST_PID} >/proc/sys/kernel/ns_last_pid",
            step.command,
        ]
    return "\n".join(lines)
