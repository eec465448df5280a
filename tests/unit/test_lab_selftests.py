"""What test programs say, and when two kernels are alike."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from kernel_lab.compare import Comparison, Run, compare
from kernel_lab.errors import LabError
from kernel_lab.selftests import Suite
from kernel_lab.tap import Report, Subtest, differences, report
from kernel_lab.trial import CGROUP, core, departures, failures

TAP = """\
TAP version 13
1..4
# Starting 4 tests from 1 test cases.
#  RUN           global.first ...
#            OK  global.first
ok 1 global.first
not ok 2 - signal to pid 4711
ok 3 global.third # SKIP no such option
ok 4 # SKIP not here either
"""

OK = Report("pass", (Subtest("a", "ok"), Subtest("b", "ok")))
BROKEN = Report("fail", (Subtest("a", "ok"), Subtest("b", "not ok")))


def test_a_report_has_the_program_s_verdict_and_each_subtest() -> None:
    expected = (
        Subtest("global.first", "ok"),
        Subtest("signal to pid 4711", "not ok"),
        Subtest("global.third", "skip"),
        Subtest("", "skip"),
    )
    assert report(1, TAP) == Report("fail", expected)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(0, "pass"), (1, "fail"), (4, "skip"), (124, "timeout"), (137, "timeout"), (139, "fail")],
)
def test_the_exit_status_is_the_verdict(status: int, verdict: str) -> None:
    assert report(status, "").verdict == verdict


def test_numbers_in_names_are_no_difference() -> None:
    other = Report("pass", (Subtest("pid 2", "ok"),))
    assert not differences([Report("pass", (Subtest("pid 1", "ok"),))], [other])


@pytest.mark.parametrize(
    ("patched", "expected"),
    [
        (BROKEN, ["pass on stock, fail here", "b: ok on stock, not ok here"]),
        (Report("pass", OK.subtests[:1]), ["2 subtests on stock, 1 subtests here"]),
        (Report("skip"), ["pass on stock, skip here", "2 subtests on stock, 0 subtests here"]),
        (
            Report("pass", (Subtest("a", "ok"), Subtest("b", "skip"))),
            ["b: ok on stock, skip here"],
        ),
    ],
)
def test_every_change_is_a_difference(patched: Report, expected: list[str]) -> None:
    assert differences([OK], [patched]) == expected


def test_a_fix_is_a_difference_too() -> None:
    assert differences([BROKEN], [OK])


def test_what_wavers_on_both_is_no_difference() -> None:
    swapped = Report("fail", (Subtest("a", "not ok"), Subtest("b", "ok")))
    assert not differences([BROKEN, swapped], [OK, swapped, BROKEN])
    assert differences([OK, OK], [BROKEN, swapped]) == ["pass on stock, fail here"]


def test_what_both_had_no_time_for_is_not_compared() -> None:
    short = Report("timeout", OK.subtests[:1])
    assert not differences([Report("timeout", OK.subtests)], [short])
    assert differences([OK], [short]) == ["pass on stock, timeout here"]


def runs(*rounds: tuple[Report, Report]) -> tuple[list[frozenset[str]], Run]:
    """Return the list of what was asked for, and a runner that answers so round by round."""
    asked: list[frozenset[str]] = []

    def run(names: frozenset[str]) -> tuple[Mapping[str, Report], Mapping[str, Report]]:
        stock, patched = rounds[len(asked)]
        asked.append(names)
        return (
            dict.fromkeys(names, OK) | {"wavers": stock},
            dict.fromkeys(names, OK) | {"wavers": patched},
        )

    return asked, run


def test_what_agrees_at_once_runs_once() -> None:
    asked, run = runs((OK, OK))
    compared = compare(run, ["steady", "wavers"])
    assert asked == [{"steady", "wavers"}]
    assert compared["wavers"] == Comparison((OK,), (OK,))


def test_what_differs_runs_again_alone_until_it_agrees() -> None:
    asked, run = runs((BROKEN, OK), (BROKEN, BROKEN))
    compared = compare(run, ["steady", "wavers"])
    assert asked == [{"steady", "wavers"}, {"wavers"}]
    assert not departures(compared)
    assert compared["wavers"].rounds == 2


def test_what_never_agrees_is_a_departure_from_stock() -> None:
    asked, run = runs(*[(OK, BROKEN)] * 3)
    compared = compare(run, ["steady", "wavers"])
    assert len(asked) == 3
    assert departures(compared) == [
        "wavers: pass on stock, fail here",
        "wavers: b: ok on stock, not ok here",
    ]


def test_own_tests_must_pass_and_only_upstream_s_may_skip() -> None:
    ran = {"yama:a": OK, "yama:b": Report("skip"), "proc:c": Report("skip"), "proc:d": BROKEN}
    assert failures(ran, {"proc:c", "proc:d"}) == ["yama:b: skip", "proc:d: fail"]


def test_no_result_is_a_failure() -> None:
    assert failures({}, set()) == ["no test has run"]


def test_of_cgroup_only_the_core_is_run(tmp_path: Path) -> None:
    whole = Suite(tmp_path, ("proc:read", "cgroup:test_core", "cgroup:test_zswap"))
    assert core(whole).programs == ("proc:read", f"cgroup:{CGROUP[0]}")


def test_a_program_beside_the_list_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "yama").mkdir()
    (tmp_path / "yama/fuzz").touch()
    whole = Suite(tmp_path, ("proc:read",))
    assert whole.also(["yama:fuzz"]).programs == ("proc:read", "yama:fuzz")
    with pytest.raises(LabError, match="yama:stress"):
        whole.also(["yama:stress"])


def test_a_subtest_that_is_left_out_does_not_shift_the_others() -> None:
    short = Report("pass", (Subtest("b", "ok"),))
    assert differences([OK], [short]) == ["2 subtests on stock, 1 subtests here"]
    mixed = Report("fail", (Subtest("a", "not ok"), Subtest("b", "ok")))
    assert "a: " not in str(differences([mixed], [short]))
