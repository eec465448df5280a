# guest: --long --stock --timeout 1200
"""On the distribution's kernel the audit finds what is open, and is right about each channel.

In a login that nothing confines, where almost all is; and in one of Landlock,
which hides names and contents, and leaves calls that tell.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from logins import Login, policy
from test_audit import (
    BY_HAND,
    CLOSED,
    FREE,
    OPEN,
    OTHERS,
    UNITS,
    UNKNOWN,
    audited,
    by_name,
    fragment,
    verdicts,
)
from test_stock import LANDLOCK, module_last

OPEN_FOR_ALL = '[[rule]]\npreset = "open"\n'
#: What stands in the way of a call for everybody: hyperthreads, a sysctl.
MAY_BE_UNKNOWN = {
    "prctl(PR_SCHED_CORE, GET)",
    "prctl(PR_SCHED_CORE, SHARE_FROM)",
    "perf_event_open(pid)",
}


@pytest.fixture(scope="class")
def free() -> Iterator[Login]:
    """A login that nothing confines."""
    with policy(OPEN_FOR_ALL), Login("alice") as login:
        yield login


@pytest.fixture(scope="class")
def landlocked() -> Iterator[Login]:
    with (
        policy(LANDLOCK),
        module_last("fallback=strict enforcer=landlock"),
        Login("alice") as login,
    ):
        yield login


class TestNothingConfines:
    @pytest.fixture(scope="class")
    def said(self, free: Login) -> dict[str, Any]:
        return audited(free)

    def test_looks_for_any_other_process(self, free: Login, said: dict[str, Any]) -> None:
        assert said["confined_by"] == []
        assert said["target"]["kind"] == "second-process"
        assert free.sees(1)

    def test_every_call_is_open(self, said: dict[str, Any]) -> None:
        found = by_name(said)
        assert {name for name, verdict in found.items() if verdict != OPEN} <= MAY_BE_UNKNOWN
        assert CLOSED not in found.values()

    def test_calls_by_hand_agree(self, free: Login, said: dict[str, Any]) -> None:
        found = by_name(said)
        outside, missing = (free.json(BY_HAND, pid) for pid in (1, FREE))
        assert isinstance(outside, dict)
        assert isinstance(missing, dict)
        assert {call for call in outside if outside[call] != missing[call]} == outside.keys()
        assert {found[call] for call in outside} == {OPEN}

    def test_files_of_procfs_are_open(self, free: Login, said: dict[str, Any]) -> None:
        found = verdicts(said, "procfs")
        here = {name: verdict for name, verdict in found.items() if name.endswith("@/proc")}
        assert len(here) == 5
        assert set(here.values()) == {OPEN}
        assert free.check("cat /proc/1/comm") == "systemd"

    def test_traces_and_counts_are_open(self, free: Login, said: dict[str, Any]) -> None:
        assert set(verdicts(said, "traces").values()) == {OPEN}
        assert set(verdicts(said, "counts").values()) == {OPEN}
        assert "1" in free.check("awk '{print $3}' /proc/net/netlink").split()

    def test_process_connector_is_open_to_an_ordinary_user(
        self, free: Login, said: dict[str, Any]
    ) -> None:
        assert verdicts(said, "events")["connector"] == OPEN
        code = (
            "import socket; s = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 11);"
            "s.bind((0, 1)); print('bound')"
        )
        assert free.python(code).out.strip() == "bound"

    def test_control_groups_are_open(self, free: Login, said: dict[str, Any]) -> None:
        found = verdicts(said, "cgroups")
        assert found["read-cgroup-procs"] == OPEN
        assert "1" in free.check("cat /sys/fs/cgroup/init.scope/cgroup.procs").split()
        assert found["names"] == OPEN

    def test_bus_and_records_are_open(self, free: Login, said: dict[str, Any]) -> None:
        found = verdicts(said, "bus")
        assert {name for name, verdict in found.items() if verdict != OPEN} == {"inhibitors"}
        for command in (*UNITS.values(), *OTHERS.values()):
            assert free.run(command).status == 0, command
        found = verdicts(said, "records")
        assert (found["logind"], found["pid-files"]) == (OPEN, OPEN)
        assert found["journal"] == CLOSED
        assert free.run("journalctl -q _PID=1 -n 1").out == ""

    def test_fragment_closes_the_unit_calls_here_too(self, free: Login) -> None:
        with fragment("alice"):
            found = verdicts(audited(free, "--family bus"), "bus")
            assert {found[name] for name in UNITS} == {CLOSED}
            assert all("denied" in free.run(command).out for command in UNITS.values())

    def test_against_pid_1(self, free: Login) -> None:
        document = audited(free, "--against 1 --family procfs --family calls")
        found = verdicts(document)
        assert CLOSED not in {
            verdict for name, verdict in found.items() if not name.endswith("@new")
        }
        assert found["procfs.lookup@/proc"] == OPEN
        assert found["calls.kill-pid"] == OPEN
        # What would set something is not asked of it.
        assert found["calls.setpriority-prio-process"] == UNKNOWN


class TestLandlock:
    @pytest.fixture(scope="class")
    def said(self, landlocked: Login) -> dict[str, Any]:
        return audited(landlocked)

    def test_finds_out_that_it_is_confined(self, said: dict[str, Any]) -> None:
        assert said["confined_by"] == ["landlock"]
        assert said["target"]["kind"] == "second-process"

    def test_names_and_contents_are_closed_and_the_rest_of_procfs_is_not(
        self, landlocked: Login, said: dict[str, Any]
    ) -> None:
        found = verdicts(said, "procfs")
        assert {name: found[f"{name}@/proc"] for name in ("names", "inside", "children")} == {
            "names": CLOSED,
            "inside": CLOSED,
            "children": CLOSED,
        }
        assert landlocked.run("ls /proc/1").status != 0
        # The table of what each enforcer honours says both.
        assert (found["lookup@/proc"], found["links@/proc"]) == (OPEN, OPEN)
        listed = len(landlocked.pids())
        assert int(landlocked.check("stat -c %h /proc")) > listed + 20

    def test_calls_tell_and_change_what_is_outside(
        self, landlocked: Login, said: dict[str, Any]
    ) -> None:
        found = by_name(said)
        assert CLOSED not in found.values()
        for name in ("setpriority(PRIO_PROCESS)", "sched_setaffinity", "getpgid", "pidfd_open"):
            assert found[name] == OPEN
        outside, missing = (landlocked.json(BY_HAND, pid) for pid in (1, FREE))
        assert isinstance(outside, dict)
        assert isinstance(missing, dict)
        assert all(outside[call] != missing[call] for call in outside)
        # The twin of one's own user can be changed: the answer is a success.
        (answers,) = (
            channel["answers"]
            for channel in said["channels"]
            if channel["name"] == "setpriority(PRIO_PROCESS)"
        )
        assert answers == {"target": "0", "missing": "ESRCH", "own": "0"}

    def test_a_second_process_of_another_login_is_told_alike(self, landlocked: Login) -> None:
        with Login("alice") as other:
            pid = other.spawn("sleep 600")
            document = audited(landlocked, f"--against {pid} --family procfs --family calls")
            found = verdicts(document)
            assert found["procfs.names@/proc"] == CLOSED
            assert not landlocked.sees(pid)
            assert found["calls.kill-pid"] == OPEN
            assert "not permitted" in landlocked.run(f"kill -0 {pid}").out
            assert "No such process" in landlocked.run(f"kill -0 {FREE}").out


def test_inside_of_run_with_a_proc_from_the_service() -> None:
    with policy(LANDLOCK), Login("bob") as bob:
        done = bob.run("yama-session run --quiet -- yama-session audit --json --family procfs")
        document = json.loads(done.out)
        assert document["confined_by"] == ["landlock"]
        found = verdicts(document, "procfs")
        assert found["names@/proc"] == CLOSED
        assert found["inside@/proc"] == CLOSED
        assert Path("/proc/1").exists()
