"""Tests for kernel/kernel_lab/channels.py."""

import re
from pathlib import Path

import pytest
from kernel_lab.channels import Channel, parse, table
from kernel_lab.errors import LabError

KERNEL = Path(__file__).parents[2] / "kernel"
OUTPUT = """\
TAP version 13
# selftests: yama: channels_test
# # channel: kill(pid) | call | closed | 0 -> ESRCH | EPERM -> ESRCH | ESRCH | signal: hide
# # channel: futex | call | open | ETIMEDOUT | ETIMEDOUT | ESRCH | breaks mutexes
# # channel: /proc/<pid>_x | name | closed | told -> not told | not told | not told | proc: hide
# #            OK  channels.domain.table
ok 1 selftests: yama: channels_test
# channel: prctl(X) | call | closed | not here | not here | not here | sched: hide
# channel: /sys/kfd | name | open | - | - | - | needs a GPU
# channel: sysinfo | name | open | told | - | - | a count
# channel: wait4 | call | no oracle | ECHILD | ECHILD | ECHILD | only children
"""


def test_lines_of_a_program_and_of_a_runner_are_found() -> None:
    channels = parse(OUTPUT)
    assert [channel.name for channel in channels] == [
        "kill(pid)",
        "futex",
        "/proc/<pid>_x",
        "prctl(X)",
        "/sys/kfd",
        "sysinfo",
        "wait4",
    ]
    assert channels[1] == Channel(
        "futex", "call", "open", "ETIMEDOUT", "ETIMEDOUT", "ESRCH", "breaks mutexes"
    )
    assert [channel.probed for channel in channels] == [True] * 4 + [False, True, True]
    assert [channel.here for channel in channels] == [True] * 3 + [False] + [True] * 3


def test_table_is_sorted_by_state_and_keeps_the_order_within() -> None:
    page = table(OUTPUT, "6.12.117")
    rows = [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| ")]
    head = ["| call or file", "| ---"]
    assert rows == [
        *head,
        "| kill(pid)",
        r"| /proc/\<pid\>_x",
        "| prctl(X)",
        *head,
        "| futex",
        "| /sys/kfd",
        "| sysinfo",
        *head,
        "| wait4",
    ]
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## Closed",
        "## Open",
        "## No oracle",
    ]


def test_table_says_what_was_answered() -> None:
    page = table(OUTPUT, "6.12.117")
    assert page.count("| closed by |") == 1
    assert page.count("| why |") == 2
    assert "Kernel 6.12.117: 7 channels, 5 of them asked in the test." in page
    assert "| kill(pid) | 0 → ESRCH | EPERM → ESRCH | ESRCH | signal: hide |" in page
    assert "| prctl(X) | not in this kernel | — | — | sched: hide |" in page
    assert "| /sys/kfd | not asked | — | — | needs a GPU |" in page
    assert "| sysinfo | told | — | — | a count |" in page


def test_every_row_has_the_columns_of_its_head() -> None:
    rows = [line for line in table(OUTPUT, "6.12").splitlines() if line.startswith("|")]
    assert {row.count("|") - row.count("\\|") for row in rows} == {6}


@pytest.mark.parametrize(
    ("output", "error"),
    [
        ("ok 1 channels.domain.table\n", "has no channel"),
        ("# channel: kill | call | closed | 0 | 0 | 0\n", "no channel: 'kill"),
        ("# channel: kill | call | ajar | 0 | 0 | 0 | why\n", "no channel: 'kill"),
        ("# channel: kill | call | closed | 0 | | 0 | why\n", "no channel: 'kill"),
        (OUTPUT + OUTPUT, "listed twice: /proc/<pid>_x, /sys/kfd, futex"),
    ],
)
def test_what_is_no_table_is_refused(output: str, error: str) -> None:
    with pytest.raises(LabError, match=error):
        table(output, "6.12")


def test_the_page_names_patches_of_the_series() -> None:
    page = (KERNEL / "CHANNELS.md").read_text(encoding="utf-8")
    closed = page.replace("\\", "").split("## Closed")[1].split("\n## ")[0]
    patches = {row.split(" | ")[-1].removesuffix(" |") for row in closed.splitlines()[6:] if row}
    subjects = {
        re.sub(r"\n ", " ", match)
        for path in (KERNEL / "series" / "6.12").glob("*.patch")
        for match in re.findall(
            r"^Subject: \[PATCH[^]]*\] (.*(?:\n .*)*)", path.read_text(encoding="utf-8"), re.M
        )
    }
    assert patches
    assert patches <= subjects
