"""Grants against a kernel that can be made to wait; the real one is asked in the guests."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import pytest

from yama_session.errors import DomainError
from yama_session.native import OwnedFd
from yama_session.service import grants, leader
from yama_session.service.grants import Grants
from yama_session.service.records import Grant, Records
from yama_session.service.refusal import LimitExceeded, NoSuchGrant, NoSuchProcess, ProcessBusy

pytestmark = pytest.mark.unit

LIMIT = 20.0


class Kernel:
    """Keeps one tracer for each tracee, as Yama does, and answers when it is let."""

    def __init__(self) -> None:
        self.granted: dict[int, int] = {}
        self.answers = threading.Event()
        self.answers.set()
        self.error = 0

    def allow(self, tracee: int, tracer: int | None) -> None:
        assert self.answers.wait(LIMIT)
        if self.error:
            raise DomainError("grant", self.error)
        if tracer is None:
            self.granted.pop(leader.pid_of(tracee), None)
        else:
            self.granted[leader.pid_of(tracee)] = leader.pid_of(tracer)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(grants, "allow", made.allow)
    monkeypatch.setattr(grants, "LIMIT", 0.1)
    return made


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "infinity"]) as made:
        yield made
        made.kill()


def grant(tracee: int, name: str = "ab", by: int = 1000, seconds: float = 600.0) -> Grant:
    now = time.time()
    return Grant(
        id=name,
        by=by,
        owner=1000,
        tracee=tracee,
        tracee_start=leader.start_time(tracee),
        tracee_name="sleep",
        tracer=os.getpid(),
        tracer_start=leader.start_time(os.getpid()),
        tracer_name="gdb",
        domain=0,
        since=now,
        until=now + seconds,
    )


def recorded(directory: Path) -> list[str]:
    return sorted(file.stem for file in directory.iterdir())


def made(directory: Path) -> Grants:
    return Grants(Records(directory, Grant))


async def add(found: Grants, wanted: Grant) -> None:
    with OwnedFd(os.pidfd_open(wanted.tracee)) as tracee, OwnedFd(os.pidfd_open(os.getpid())) as me:
        await found.add(wanted, tracee, me)


async def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not what():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def run(steps: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(steps, LIMIT))


def test_grant_is_on_record_and_withdrawn_in_time(
    kernel: Kernel, process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    async def steps() -> None:
        found = made(tmp_path)
        await add(found, grant(process.pid, seconds=0.2))
        assert kernel.granted == {process.pid: os.getpid()}
        assert recorded(tmp_path) == [each.id for each in found] == ["ab"]
        await until(lambda: not recorded(tmp_path))
        assert kernel.granted == {}
        assert list(found) == []

    run(steps())


def test_grant_that_comes_late_is_withdrawn(
    kernel: Kernel, process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    async def steps() -> None:
        found = made(tmp_path)
        kernel.answers.clear()
        with pytest.raises(ProcessBusy, match="try again"):
            await add(found, grant(process.pid))
        with pytest.raises(ProcessBusy, match="comes or goes"):
            await add(found, grant(process.pid, "cd"))
        assert list(found) == []
        assert recorded(tmp_path) == ["ab"]
        kernel.answers.set()
        await until(lambda: not recorded(tmp_path))
        assert kernel.granted == {}

    run(steps())


def test_old_grant_s_time_ends_no_new_one(
    kernel: Kernel, process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    async def steps() -> None:
        found = made(tmp_path)
        await add(found, grant(process.pid, seconds=0.3))
        await add(found, grant(process.pid, "cd"))
        await add(found, grant(os.getpid(), "later", seconds=0.3))
        await until(lambda: os.getpid() not in kernel.granted)
        assert kernel.granted == {process.pid: os.getpid()}
        assert [each.id for each in found] == ["cd"]

    run(steps())


def test_stop_while_the_kernel_waits_leaves_it_on_record(
    kernel: Kernel, process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    async def steps() -> None:
        found = made(tmp_path)
        kernel.answers.clear()
        with pytest.raises(ProcessBusy):
            await add(found, grant(process.pid))
        # What the next service finds it withdraws, as soon as the kernel lets it.
        following = made(tmp_path)
        following.recover()
        assert list(following) == []
        kernel.answers.set()
        await until(lambda: not recorded(tmp_path))
        assert kernel.granted == {}

    run(steps())


def test_next_service_goes_on_with_what_holds_for_the_time_that_is_left(
    kernel: Kernel, process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    async def steps() -> None:
        await add(made(tmp_path), grant(process.pid, seconds=0.5))
        following = made(tmp_path)
        following.recover()
        assert [each.id for each in following] == recorded(tmp_path) == ["ab"]
        assert kernel.granted == {process.pid: os.getpid()}
        await until(lambda: not recorded(tmp_path))
        assert kernel.granted == {}

    run(steps())


@pytest.mark.parametrize("change", [{"until": 1.0}, {"tracer_start": 1}])
def test_next_service_withdraws_what_is_over(
    kernel: Kernel, process: subprocess.Popen[bytes], tmp_path: Path, change: dict[str, object]
) -> None:
    async def steps() -> None:
        kernel.granted[process.pid] = os.getpid()
        Records(tmp_path, Grant).write(Grant(**{**vars(grant(process.pid)), **change}))
        following = made(tmp_path)
        following.recover()
        assert list(following) == []
        await until(lambda: not recorded(tmp_path))
        assert kernel.granted == {}

    run(steps())


def test_revoked_while_the_kernel_waits_does_not_hold_for_the_next_service(
    kernel: Kernel, process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    async def steps() -> None:
        found = made(tmp_path)
        await add(found, grant(process.pid))
        kernel.answers.clear()
        with pytest.raises(ProcessBusy, match="will be withdrawn"):
            await found.revoke("ab", "")
        following = made(tmp_path)
        following.recover()
        assert list(following) == []
        kernel.answers.set()
        await until(lambda: not recorded(tmp_path))

    run(steps())


def test_withdrawal_that_the_kernel_refuses_is_tried_again(
    kernel: Kernel,
    process: subprocess.Popen[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grants, "RETRY", 0.05)

    async def steps() -> None:
        found = made(tmp_path)
        await add(found, grant(process.pid, seconds=0.3))
        await add(found, grant(other.pid, "cd"))
        kernel.error = errno.EPERM
        with pytest.raises(ProcessBusy, match="will be withdrawn"):
            await found.revoke("cd", "")
        await asyncio.sleep(0.4)  # the time of the first is over
        for _ in range(20):  # whether the kernel is being asked again or not
            assert sorted(each.id for each in found) == recorded(tmp_path) == ["ab", "cd"]
            await asyncio.sleep(0.01)
        kernel.error = 0
        await until(lambda: not recorded(tmp_path))
        assert kernel.granted == {}
        assert list(found) == []

    with subprocess.Popen(["sleep", "infinity"]) as other:
        try:
            run(steps())
        finally:
            other.kill()


def test_what_a_service_that_is_gone_has_granted_is_withdrawn(
    kernel: Kernel, process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    async def steps() -> None:
        await add(made(tmp_path), grant(process.pid))
        await made(tmp_path).withdraw()
        assert kernel.granted == {}
        assert recorded(tmp_path) == []

    run(steps())


def test_record_of_a_process_that_has_gone_is_dropped(
    kernel: Kernel, process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    async def steps() -> None:
        kept = Records(tmp_path, Grant)
        kept.write(Grant(**{**vars(grant(process.pid)), "tracee_start": 1}))
        kernel.granted[process.pid] = 1  # another process's by now: it stays
        made(tmp_path).recover()
        assert recorded(tmp_path) == []
        assert kernel.granted == {process.pid: 1}

    run(steps())


def test_grant_ends_with_its_tracee(
    kernel: Kernel, process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    async def steps() -> None:
        found = made(tmp_path)
        await add(found, grant(process.pid))
        process.kill()
        await until(lambda: list(found) == [])
        assert recorded(tmp_path) == []
        with pytest.raises(NoSuchGrant, match="'ab'"):
            await found.revoke("ab", "")

    run(steps())


def test_what_the_kernel_refuses_leaves_nothing(
    kernel: Kernel, process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    async def steps() -> None:
        kernel.error = 3  # ESRCH
        found = made(tmp_path)
        with pytest.raises(NoSuchProcess):
            await add(found, grant(process.pid))
        assert list(found) == []
        assert recorded(tmp_path) == []

    run(steps())


def test_waiting_grants_count(
    kernel: Kernel,
    process: subprocess.Popen[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grants, "PER_USER", 1)

    async def steps() -> None:
        found = made(tmp_path)
        kernel.answers.clear()
        with pytest.raises(ProcessBusy):
            await add(found, grant(process.pid))
        with pytest.raises(LimitExceeded, match="uid 1000 has 1 grants"):
            await add(found, grant(os.getpid(), "cd"))
        kernel.answers.set()
        await until(lambda: not recorded(tmp_path))

    run(steps())
