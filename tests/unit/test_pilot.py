"""What users would lose by a policy that is only logged, of processes that are made up."""

from dataclasses import replace

import pytest

from yama_session.cli import main
from yama_session.doctor.pilot import Task, by_user, losses, tasks
from yama_session.levels import Scope, View
from yama_session.policy import PRESETS, Settings

pytestmark = pytest.mark.unit

SLICE = "0::/user.slice/user-1000.slice/session-3.scope\n"
MACHINE = (
    Task(1, 0, 0, "systemd"),
    Task(2, 0, 0, "kthreadd"),
    Task(3, 2, 0, "kworker"),
    Task(10, 1, 0, "sshd", cgroup=SLICE),
    Task(11, 10, 1000, "bash", cgroup=SLICE),
    Task(12, 1, 1000, "daemon", cgroup=SLICE),
    Task(20, 1, 1000, "job", cgroup="0::/system.slice/job.service\n"),
    Task(30, 1, 0, "cron"),
    Task(31, 30, 1000, "backup"),
    Task(40, 1, 1001, "bash"),
    Task(50, 11, 1000, "gdb", cgroup=SLICE),
    Task(51, 50, 1000, "child", tracer=50, cgroup=SLICE),
    Task(52, 11, 1000, "sibling", tracer=50, cgroup=SLICE),
)
DOMAIN = Settings(Scope.RELATIONAL, View.DOMAIN)


def own(settings: Settings, leaders: tuple[int, ...] = ()) -> list[int]:
    return [task.pid for task in losses(MACHINE, 1000, leaders, settings).own]


def test_a_domain_hides_others_and_own_processes_outside() -> None:
    found = losses(MACHINE, 1000, (10,), DOMAIN)
    assert found.others == {0: 2, 1001: 1}
    assert found.members == 6
    assert [(task.pid, task.unit) for task in found.own] == [(20, "job.service"), (31, "")]


def test_what_descends_from_a_leader_is_in_the_session() -> None:
    assert own(DOMAIN, (10, 30)) == [20]


def test_the_view_decides_what_is_lost() -> None:
    assert own(replace(DOMAIN, view=View.USER)) == []
    assert losses(MACHINE, 1000, (), replace(DOMAIN, view=View.USER)).others == {0: 2, 1001: 1}
    everything = losses(MACHINE, 1000, (), PRESETS["open"])
    assert (everything.others, everything.own) == ({}, ())


@pytest.mark.parametrize(
    ("scope", "pids"),
    [(Scope.CLASSIC, []), (Scope.RELATIONAL, [52]), (Scope.NO_ATTACH, [51, 52])],
)
def test_the_scope_decides_what_could_not_be_traced(scope: Scope, pids: list[int]) -> None:
    found = losses(MACHINE, 1000, (10,), replace(DOMAIN, scope=scope))
    assert [tracee.pid for _, tracee in found.traced] == pids


def test_only_sessions_that_are_logged_count() -> None:
    sessions = [
        {"uid": 1000, "pid": 10, "would": "confined"},
        {"uid": 1000, "pid": 11, "would": "confined"},
        {"uid": 1001, "pid": 40, "would": ""},
    ]
    assert by_user(sessions) == {1000: [10, 11]}


def test_processes_of_this_machine_are_found() -> None:
    found = {task.pid: task for task in tasks()}
    assert found[1].parent == 0


def test_without_a_service_it_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/none")
    assert main(["pilot", "--json"]) == 125
    assert capsys.readouterr().err
