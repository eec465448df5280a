"""What the BPF programs cost on Debian's own kernel: what is measured, its limits, the page."""

from collections.abc import Iterator, Sequence

from bench.figures import Figures, Key
from bench.limits import CALLS, Limit, Verdict, verdicts
from bench.report import comparisons, count, table
from bench.steps import Step

LISTED = (300, 3000)  # processes, of which half are shown
FREE = 1.02  # calls that no program is asked for, and fork
NEAR = 1.25  # what a program is asked for, by a task in no domain
CONFINED = 1.6  # the same, in a domain

# The service would load them by itself, and at a moment of its own.
_LOADER = "yama_session.enforcers.bpf.loader"
_UNLOAD = f"from {_LOADER} import Programs; Programs.load().unload()"
_LOAD = f"from {_LOADER} import Programs; Programs.load().close()"


def _steps(state: str, view: str) -> Iterator[Step]:
    yield Step(f"{state} calls", f"crowd {view} 10 5 calls")
    yield Step(f"{state} access", f"crowd {view} 10 5 access")
    for number in LISTED:
        yield Step(f"{state} list {number}", f"crowd {view} {number} {number // 2} listing")


STEPS = [
    Step("prepare", f"systemctl stop yama-session; python3 -c '{_UNLOAD}'; sleep 2"),
    *_steps("off", "ptraceable"),
    Step("load", f"python3 -c '{_LOAD}'"),
    *_steps("none", "ptraceable"),
    *_steps("domain", "programs"),
]


def _limits() -> Iterator[Limit]:
    calls = dict.fromkeys(CALLS, FREE) | {"kill": NEAR}
    for group, state, factor in (
        ("The programs run, this task is in no domain", "none", NEAR),
        ("In a domain", "domain", CONFINED),
    ):
        for call, free in calls.items():
            yield Limit(
                group,
                call,
                Key(f"{state} calls", call),
                Key("off calls", call),
                free if state == "none" else factor,
            )
        for title, step, what in (
            ("ptrace_may_access(), visible", "access", "access-visible"),
            ("stat in a ptraceable procfs, visible", "access", "stat-visible"),
            *(
                (f"readdir of {number:,}, half of them shown", f"list {number}", "readdir")
                for number in LISTED
            ),
        ):
            yield Limit(
                group, title, Key(f"{state} {step}", what), Key(f"off {step}", what), factor
            )


LIMITS = tuple(_limits())


def judge_programs(figures: Figures) -> list[Verdict]:
    """Apply every limit.

    Raises:
        KeyError: a figure is missing.
        ValueError: the listings did not show the same processes.
    """
    for number in LISTED:
        shown = {
            figures[Key(f"{state} list {number}", "processes")].median
            for state in ("off", "domain")
        }
        if len(shown) != 1:
            raise ValueError(f"the listings of {number} showed different numbers: {sorted(shown)}")
    return verdicts(LIMITS, figures, figures)


def page(title: str, figures: Figures, judged: Sequence[Verdict]) -> str:
    """Return the whole page.

    Args:
        title: which kernel this is.
        figures: those of the steps.
        judged: the comparisons, grouped.
    """
    rows = []
    for what in ("access-hidden", "number-hidden", "stat-hidden"):
        off, domain = (figures[Key(f"{state} access", what)] for state in ("off", "domain"))
        rows.append([what, count(off.median), count(domain.median)])
    lines = [
        f"# What the BPF programs cost: {title}",
        "",
        "Written by `make bench`; what the words mean stands in [README.md](README.md).",
        "All figures are numbers of instructions, user space's and the kernel's together, in",
        "one boot of Debian's own kernel: first without programs, then with them. /proc is a",
        "ptraceable instance throughout, since the programs need one.",
        "",
        *comparisons(judged, ("no programs", "programs")),
        "## What is hidden",
        "",
        "Without programs it is another user's; in a domain it is the same user's, outside.",
        "",
        *table(("", "another user's", "outside the domain"), rows),
    ]
    return "\n".join(lines).rstrip() + "\n"
