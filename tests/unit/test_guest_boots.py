"""Which test files share a guest, and how what they said there is judged."""

from collections import Counter
from pathlib import Path

import page
import pytest
from boots import ROOM, boots, problem, said
from crew import FOLDERS
from kernel_lab import GuestResult
from wanted import Wanted, guests

EVERY = [
    wanted
    for folder in FOLDERS
    for module in sorted(folder.glob("test_*.py"))
    for wanted in guests(module)
]


def file(name: str, **changes: object) -> Wanted:
    values: dict[str, object] = {
        "module": Path(f"{name}.py"),
        "suite": "bookworm",
        "kernel": "6.12",
        "image": "series",
        "cmdline": "",
        "timeout": 600.0,
        "long": False,
        **changes,
    }
    return Wanted(**values)  # type: ignore[arg-type]


def names(*files: Wanted, seconds: float = 10.0) -> list[list[str]]:
    return [[one.module.stem for one in boot.files] for boot in boots(files, lambda _: seconds)]


def test_every_file_runs_once_on_the_machine_that_it_wants() -> None:
    plan = boots(EVERY, lambda file: file.timeout / 10)
    assert Counter(file for boot in plan for file in boot.files) == Counter(EVERY)
    assert len(plan) < len(EVERY)
    for boot in plan:
        machines = {(f.suite, f.kernel, f.image, f.cmdline) for f in boot.files}
        assert len(machines) == 1
        assert len(boot.files) == 1 or not any(file.alone or file.long for file in boot.files)


def test_files_of_one_machine_share_it_as_long_as_there_is_room() -> None:
    assert names(file("b"), file("a")) == [["a", "b"]]
    assert names(file("a"), file("b"), seconds=ROOM / 2 + 1) == [["a"], ["b"]]


@pytest.mark.parametrize(
    "other",
    [
        {"suite": "trixie"},
        {"kernel": "6.1"},
        {"image": "stock"},
        {"cmdline": "lsm=yama"},
        {"alone": True},
        {"long": True},
    ],
)
def test_file_that_wants_another_machine_has_another(other: dict[str, object]) -> None:
    assert names(file("a"), file("b", **other)) == [["a"], ["b"]]


def test_longest_guest_is_the_first() -> None:
    took = {"a": 10.0, "b": 300.0, "c": 200.0}
    plan = boots(
        [file("a"), file("b", kernel="6.1"), file("c")], lambda file: took[file.module.stem]
    )
    assert [[f.module.stem for f in boot.files] for boot in plan] == [["b"], ["a", "c"]]
    assert plan[1].timeout == 1200.0


def test_alone_and_long_are_what_a_file_says(tmp_path: Path) -> None:
    module = tmp_path / "test_it.py"
    module.write_text("# guest: --alone --stock\n# guest: --kernel 6.1 --kernel 7.3 --long\n")
    assert [(one.kernel, one.alone, one.long) for one in guests(module)] == [
        ("6.12", True, False),
        ("6.1", False, True),
        ("7.3", False, True),
    ]


OUTPUT = """\
guest: begin a.py
== 3 passed in 1.00s ==

guest: end a.py 0
guest: begin b.py
FAILED b.py::test_it
== 1 failed, 2 passed in 2.00s ==
Nov 30 18:53:01 guest sshd[88]: service unavailable

guest: end b.py 1
guest: begin c.py
c.py::test_long
"""


def result(output: str = OUTPUT, console: str = "", status: int | None = 0) -> GuestResult:
    return GuestResult(status=status, output=output, console=console, seconds=9.0)


def test_each_file_has_what_it_said_and_its_own_status() -> None:
    found = said(OUTPUT)
    assert list(found) == ["a.py", "b.py", "c.py"]
    assert (found["a.py"].last, found["a.py"].status) == ("3 passed in 1.00s", 0)
    assert (found["b.py"].last, found["b.py"].status) == ("1 failed, 2 passed in 2.00s", 1)
    assert "FAILED" in found["b.py"].output
    assert (found["c.py"].last, found["c.py"].status) == ("c.py::test_long", None)


def test_file_whose_tests_did_not_end_has_shown_nothing() -> None:
    for name in ("c", "d"):
        assert problem(file(name), result()) == "the guest ended before these tests did"
    assert problem(file("a"), result()) is None


@pytest.mark.parametrize("status", [124, 137])
def test_file_that_was_stopped_at_its_limit_is_told(status: int) -> None:
    stopped = OUTPUT.replace("end a.py 0", f"end a.py {status}")
    assert problem(file("a"), result(stopped)) == "the tests were still running after 600 s"


def test_kernel_that_complains_fails_every_file_and_names_the_last() -> None:
    broken = result(console="[ 4.2] kernel BUG at mm/slub.c:553!\n", status=None)
    for name in "abcd":
        found = problem(file(name), broken)
        assert found == "the kernel complained: [ 4.2] kernel BUG at mm/slub.c:553! (in c.py)"


def test_page_keeps_the_rows_of_files_that_there_are_still(tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    machine = ("bookworm", "6.12, stock")
    old = [("test_a", *machine, "1 passed in 5.00s"), ("test_b", *machine, "1 passed in 6.50s")]
    page.write(results, old, {"test_a", "test_b"})
    page.write(results, [("test_a", *machine, "2 passed in 99.13s (0:01:39)")], {"test_a"})
    assert results.read_text(encoding="utf-8").count("| test_") == 1
    assert page.seconds(results) == {("test_a", *machine): 99.13}
