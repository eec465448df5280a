"""`kernel/lab test`: the series' own tests, and the kernel's own against stock."""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

from kernel_lab import build, results, series
from kernel_lab.command import say
from kernel_lab.compare import Comparison, compare
from kernel_lab.errors import LabError
from kernel_lab.guest import to_stdout
from kernel_lab.selftests import Suite, run_suite, suite
from kernel_lab.source import fetch
from kernel_lab.tap import Report
from kernel_lab.variant import PLAIN, VARIANTS

OWN = ("yama", "proc")
UPSTREAM = (
    "proc",
    "ptrace",
    "landlock",
    "pidfd",
    "pid_namespace",
    "seccomp",
    "lsm",
    "sched",
    "timers",
    "connector",
    "cgroup",
)
# The others measure controllers that the series has nothing to do with.
CGROUP = ("test_core", "test_freezer", "test_kill", "test_pids")
# It sets what only a reboot undoes, so it is the last of its guest.
LOCK = "yama:sysctl_lock"
# What looks for mistakes for as long as it is let, and what needs failing allocations.
SEARCHES = {
    "debug": ("yama:fault_test", "yama:fuzz", "yama:stress"),
    "kcsan": ("yama:stress",),
}
ARGUMENTS = {"yama:fuzz": "--seconds 120", "yama:stress": "120"}
# Seconds, where the usual limit does not do.
LIMITS = {
    "yama:cost_test": 180,
    "landlock:fs_test": 180,
    "yama:fault_test": 180,
    "pidfd:pidfd_poll_test": 180,
    "pidfd:pidfd_test": 180,
    "seccomp:seccomp_bpf": 180,
    # These run for minutes or without end: only how they begin is compared.
    "connector:proc_filter": 10,
    "seccomp:seccomp_benchmark": 20,
    "timers:inconsistency-check": 30,
    "timers:nsleep-lat": 30,
    "timers:raw_skew": 20,
    "timers:set-timer-lat": 30,
}


def test_own(kernel: str) -> None:
    """Run the own tests on the patched kernel, and keep the result.

    Raises:
        LabError: one did not pass.
    """
    source, patches = fetch(kernel), series.required(kernel)
    build.build(kernel, stock=False)
    own = suite(kernel, OWN, stock=False).also([LOCK])
    ran = run_suite(kernel, own, limits=LIMITS, on_output=to_stdout)
    results.record_own(source, patches, PLAIN.name, ran)
    _require(failures(ran, ()))
    say(f"{kernel}: {len(ran)} own programs pass")


def test_plain(kernel: str) -> None:
    """Run the own tests, then the kernel's own on both kernels, and keep the results.

    Raises:
        LabError: an own test did not pass, or one of the kernel's own differs.
    """
    source, patches = fetch(kernel), series.required(kernel)
    build.build(kernel, stock=True)
    build.build(kernel, stock=False)
    own = suite(kernel, OWN, stock=False).also([LOCK])
    upstream = core(suite(kernel, UPSTREAM, stock=True))
    ran = run_suite(kernel, own, limits=LIMITS, on_output=to_stdout)
    results.record_own(source, patches, PLAIN.name, ran)
    compared = _compare(kernel, upstream)
    results.record_comparison(source, patches, compared)
    _require(failures(ran, upstream.programs) + departures(compared))
    say(f"{kernel}: {len(ran)} own programs pass, {len(compared)} answer as on stock")


def test_debug(kernel: str) -> None:
    """Run the own tests on the kernels that look for mistakes, and keep the results.

    Raises:
        LabError: one did not pass, or the kernel complained of something.
    """
    source, patches = fetch(kernel), series.required(kernel)
    own = suite(kernel, OWN, stock=False)
    upstream = suite(kernel, UPSTREAM, stock=True)
    for name, searches in SEARCHES.items():
        ran = run_suite(
            kernel,
            own.also([*searches, LOCK]),
            variant=VARIANTS[name],
            limits=LIMITS,
            arguments=ARGUMENTS,
            on_output=to_stdout,
        )
        results.record_own(source, patches, name, ran)
        _require(failures(ran, upstream.programs))
        say(f"{kernel} {name}: {len(ran)} own programs pass")


def core(whole: Suite) -> Suite:
    """Return the kernel's own tests without those that are none of our business."""
    return whole.only(
        name
        for name in whole.programs
        if not name.startswith("cgroup:") or name.removeprefix("cgroup:") in CGROUP
    )


def _compare(kernel: str, upstream: Suite) -> dict[str, Comparison]:
    def run(names: frozenset[str]) -> tuple[Mapping[str, Report], Mapping[str, Report]]:
        chosen = upstream.only(names)
        say(f"{len(names)} programs on the stock and on the patched kernel")
        # One guest keeps about one processor busy.
        with ThreadPoolExecutor() as guests:
            stock, patched = (
                guests.submit(run_suite, kernel, chosen, stock=stock, limits=LIMITS)
                for stock in (True, False)
            )
            return stock.result(), patched.result()

    return compare(run, upstream.programs)


def failures(ran: Mapping[str, Report], upstream: Collection[str]) -> list[str]:
    """Return what is wrong with the own tests.

    A skip has shown nothing; only programs that upstream has too may skip, as
    those are compared with stock.
    """
    wrong = []
    for name, report in ran.items():
        allowed = ("pass", "skip") if name in upstream else ("pass",)
        if report.verdict not in allowed:
            wrong.append(f"{name}: {report.verdict}\n{report.tail}".rstrip())
    return wrong if ran else ["no test has run"]


def departures(compared: Mapping[str, Comparison]) -> list[str]:
    """Return in what the patched kernel differs from stock."""
    return [
        f"{name}: {difference}"
        for name, one in sorted(compared.items())
        for difference in one.differences
    ]


def _require(wrong: list[str]) -> None:
    if wrong:
        raise LabError("tests failed:\n  " + "\n  ".join(wrong))
