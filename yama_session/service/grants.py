"""One-off permissions to trace a process: given to the kernel, and withdrawn in time.

A grant is written down before the kernel has it, and forgotten after it is
withdrawn. It has time left on record only while it holds: the next service
goes on with that, and withdraws the rest. If none comes, a timer of systemd
has :meth:`Grants.withdraw` called.

The kernel's call waits while the tracee starts a program, which a user can make
last for ever (by a file system of their own). So each call has a thread, which
nobody waits for longer than :data:`LIMIT`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from yama_session.errors import KernelUnsupported, SystemCallError
from yama_session.native import OwnedFd
from yama_session.scope import allow
from yama_session.service import leader
from yama_session.service.limits import check_count
from yama_session.service.records import Grant, Records
from yama_session.service.refusal import (
    AccessDenied,
    EnforcerUnavailable,
    NoSuchGrant,
    NoSuchProcess,
    ProcessBusy,
)

_log = logging.getLogger(__name__)

#: Seconds to wait for the kernel's answer.
LIMIT = 1.0

#: Seconds between attempts to withdraw what the kernel does not take back.
RETRY = 5.0

#: How many grants one user may have asked for, and all together.
PER_USER = 16
IN_ALL = 256


@dataclass
class _Held:
    """A grant and the descriptors of its processes.

    Args:
        grant: what it says.
        tracee: pidfd of who may be traced.
        tracer: pidfd of who may trace; ``None`` if that has exited meanwhile.
        granted: the kernel has it, and keeps it for now.
        refused: it should have ended, and the kernel has not taken it back.
        busy: the kernel is being asked to give or to withdraw it.
        timer: withdraws it.
    """

    grant: Grant
    tracee: OwnedFd
    tracer: OwnedFd | None
    granted: bool = False
    refused: bool = False
    busy: asyncio.Future[None] | None = None
    timer: asyncio.TimerHandle | None = None


class Grants:
    """All grants of the machine.

    Args:
        records: where they are written down.
    """

    def __init__(self, records: Records[Grant]) -> None:
        self._records = records
        self._held: dict[str, _Held] = {}

    def __iter__(self) -> Iterator[Grant]:
        """Yield those that hold, or that the kernel has not taken back."""
        return (held.grant for held in list(self._held.values()) if held.granted or held.refused)

    def recover(self) -> None:
        """Go on with what an earlier service has granted; withdraw what holds no more."""
        for grant in list(self._records.load()):
            held = self._reopen(grant)
            if held is None:
                continue
            left = min(grant.until - time.time(), grant.until - grant.since)
            if held.tracer is None or left <= 0:
                self._withdraw(held, "it was over when the service came back")
                continue
            held.granted = True
            self._watch(held, left)

    def _reopen(self, grant: Grant) -> _Held | None:
        tracee = leader.reopen(grant.tracee, grant.tracee_start)
        if tracee is None:  # the kernel has forgotten it
            self._records.remove(grant.id)
            return None
        tracer = leader.reopen(grant.tracer, grant.tracer_start)
        held = self._held[grant.id] = _Held(grant, tracee, tracer)
        return held

    async def withdraw(self) -> None:
        """Withdraw what is on record, as far as the kernel answers in time."""
        for grant in list(self._records.load()):
            if grant.id not in self._held:
                self._reopen(grant)
        for held in list(self._held.values()):
            self._withdraw(held, "the service stays away")
        asked = {held.busy for held in self._held.values() if held.busy is not None}
        if asked:
            await asyncio.wait(asked, timeout=LIMIT)
            await asyncio.sleep(0)  # what waited for the same goes on first

    async def add(self, grant: Grant, tracee: OwnedFd, tracer: OwnedFd) -> None:
        """Grant a process to a tracer.

        Args:
            grant: what is granted; it takes the place of another one of the tracee.
            tracee: its pidfd; taken over.
            tracer: the other pidfd; taken over.

        Raises:
            LimitExceeded: there are as many as there may be.
            ProcessBusy: the kernel did not answer in time.
            NoSuchProcess: one of the processes has exited.
            EnforcerUnavailable: the kernel does not do it.
            OSError: it cannot be written down.
        """
        if grant.by:
            by = (held.grant.by for held in self._held.values())
            check_count(by, grant.by, "grants", PER_USER, IN_ALL)
        same = [held for held in self._held.values() if _same_tracee(held.grant, grant)]
        if not all(held.granted for held in same):
            raise ProcessBusy(f"tracee {grant.tracee}: another grant comes or goes")
        self._records.write(_over(grant))
        held = _Held(grant, OwnedFd(tracee.detach()), OwnedFd(tracer.detach()))
        self._held[grant.id] = held
        try:
            # The kernel keeps one for each tracee: the old one must not be withdrawn later.
            for other in same:
                await self.revoke(other.grant.id, "another one takes its place")
            held.busy = _ask_kernel(held.tracee, held.tracer)
        except (ProcessBusy, OSError, RuntimeError):  # no descriptor or no thread is left
            self._forget(held)
            raise
        await self._given(held, held.busy)
        try:
            self._records.write(grant)
        except OSError:
            self._withdraw(held, "it cannot be written down")
            raise
        self._watch(held, grant.until - grant.since)

    async def revoke(self, grant_id: str, why: str) -> None:
        """Withdraw a grant: an attach already made stays.

        Raises:
            NoSuchGrant: there is none with this id.
            ProcessBusy: the kernel has not answered yet, or has refused; it will
                be withdrawn.
        """
        held = self._held.get(grant_id)
        if held is None or not (held.granted or held.refused):
            raise NoSuchGrant(f"there is no grant {grant_id!r}")
        self._withdraw(held, why)
        done, _ = await asyncio.wait({held.busy}, timeout=LIMIT) if held.busy else (set(), ())
        await asyncio.sleep(0)  # what waits for the same goes on first
        if not done or grant_id in self._held:
            raise ProcessBusy(f"tracee {held.grant.tracee}: it will be withdrawn")

    def _watch(self, held: _Held, seconds: float) -> None:
        """End it when its time is over, or one of the two has exited."""
        loop = asyncio.get_running_loop()
        held.timer = loop.call_later(seconds, self._withdraw, held, "its time is over")
        for fd, who in ((held.tracee, "tracee"), (held.tracer, "tracer")):
            assert fd is not None
            loop.add_reader(fd.fileno(), self._forget, held, f"the {who} has exited")

    async def _given(self, held: _Held, asked: asyncio.Future[None]) -> None:
        """Wait until the kernel has given it, or raise."""
        done, _ = await asyncio.wait({asked}, timeout=LIMIT)
        if not done:
            asked.add_done_callback(lambda _: self._given_late(held, asked))
            raise ProcessBusy(f"tracee {held.grant.tracee}: is it starting a program? try again")
        held.busy = None
        error = asked.exception()
        if error is not None:
            self._forget(held)
            raise _refusal(error)
        held.granted = True

    def _given_late(self, held: _Held, asked: asyncio.Future[None]) -> None:
        held.busy = None
        if asked.exception() is not None:
            self._forget(held)
        else:
            self._withdraw(held, "it came too late")

    def _withdraw(self, held: _Held, why: str) -> bool:
        """Have the kernel withdraw it, unless it is being asked something already."""
        if held.busy is not None:
            return False
        self._unwatch(held)
        if held.granted:
            held.granted = False
            try:
                self._records.write(_over(held.grant))
            except OSError as error:  # then a service that dies now leaves it its time
                _log.error("attach %s: its end is not on record: %s", held.grant.id, error)
        try:
            held.busy = _ask_kernel(held.tracee, None)
        except (OSError, RuntimeError) as error:  # no descriptor or no thread is left
            _log.error("attach %s: not withdrawn yet: %s", held.grant.id, error)
            held.timer = asyncio.get_running_loop().call_later(LIMIT, self._withdraw, held, why)
            return False
        held.busy.add_done_callback(lambda asked: self._withdrawn(held, why, asked))
        return True

    def _withdrawn(self, held: _Held, why: str, asked: asyncio.Future[None]) -> None:
        error = asked.exception()
        if error is None or getattr(error, "errno", 0) == errno.ESRCH:
            self._forget(held, why)
        else:  # it is in force, whatever its time: it is listed until the kernel takes it back
            _log.error("attach %s: cannot be withdrawn: %s: trying again", held.grant.id, error)
            held.busy, held.refused = None, True
            held.timer = asyncio.get_running_loop().call_later(RETRY, self._withdraw, held, why)

    def _forget(self, held: _Held, why: str = "") -> None:
        if why:
            _log.info("attach %s: ended: %s", held.grant.id, why)
        self._close(held)
        self._records.remove(held.grant.id)

    def _close(self, held: _Held) -> None:
        self._unwatch(held)
        del self._held[held.grant.id]
        for fd in (held.tracee, held.tracer):
            if fd is not None:
                fd.close()

    def _unwatch(self, held: _Held) -> None:
        loop = asyncio.get_running_loop()
        for fd in (held.tracee, held.tracer):
            if fd is not None:
                loop.remove_reader(fd.fileno())
        if held.timer is not None:
            held.timer.cancel()
            held.timer = None


def _ask_kernel(tracee: OwnedFd, tracer: OwnedFd | None) -> asyncio.Future[None]:
    """Give a grant or, without a tracer, withdraw it, in a thread with descriptors of its own."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[None] = loop.create_future()
    fds = [OwnedFd(os.dup(fd.fileno())) for fd in (tracee, tracer) if fd is not None]

    def settle(error: Exception | None) -> None:
        if error is None:
            answer.set_result(None)
        else:
            answer.set_exception(error)

    def ask() -> None:
        error = None
        try:
            allow(fds[0].fileno(), fds[1].fileno() if tracer is not None else None)
        except Exception as failed:
            error = failed
        for fd in fds:
            fd.close()
        with contextlib.suppress(RuntimeError):  # the loop is closed: the service ends
            loop.call_soon_threadsafe(settle, error)

    # A daemon: one that waits for ever must not keep the service from ending.
    threading.Thread(target=ask, name="grant", daemon=True).start()
    return answer


def _over(grant: Grant) -> Grant:
    """Return what is on record of a grant that does not hold."""
    return replace(grant, until=grant.since)


def _same_tracee(one: Grant, other: Grant) -> bool:
    return (one.tracee, one.tracee_start) == (other.tracee, other.tracee_start)


def _refusal(error: BaseException) -> BaseException:
    match error:
        case KernelUnsupported():
            return EnforcerUnavailable(str(error))
        case SystemCallError(errno=errno.ESRCH):
            return NoSuchProcess(str(error))
        case SystemCallError(errno=errno.EPERM):
            return AccessDenied(str(error))
        case _:
            return error
