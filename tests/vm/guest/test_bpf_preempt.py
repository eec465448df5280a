# guest: --debian --kernel 6.12 --kernel 7.3 --cmdline preempt=full --timeout 900
"""On a kernel that is preempted anywhere no program is left out but the one that is asked again."""

import contextlib
import os
import signal
from collections.abc import Iterator
from functools import partial

import bpf
import prctl
import pytest
from bpf import check, enter, join, waiting, within, working
from logins import sh

from yama_session.enforcers.bpf import state
from yama_session.enforcers.bpf.loader import Programs
from yama_session.levels import Scope, View
from yama_session.native import OwnedFd

FORKS = 4_000
CALLS = 20_000
DOMAINS = 500


@pytest.fixture(scope="module")
def programs() -> Iterator[Programs]:
    assert sh("systemctl stop yama-session").status == 0
    with Programs.load() as programs:
        yield programs


@pytest.fixture
def token(programs: Programs) -> Iterator[OwnedFd]:
    """Opens a domain in which others work all the time."""
    with (
        programs.domain(Scope.CLASSIC, View.DOMAIN) as token,
        waiting(bpf.become_nobody) as outside,
        working(token, outside, FORKS),
    ):
        yield token


def test_the_kernel_is_preempted_anywhere() -> None:
    assert state.preemption() == "full"
    assert state.loadable()


def test_nothing_is_lost_among_forks_and_calls(programs: Programs, token: OwnedFd) -> None:
    def failures() -> int:
        return sum(not check() for _ in range(CALLS))

    assert within(failures, partial(join, token), bpf.become_nobody) == 0
    misses = programs.recursion_misses()
    del misses["answer"]
    assert set(misses.values()) == {0}, misses


@contextlib.contextmanager
def asking(token: OwnedFd) -> Iterator[None]:
    """Others in the domain who name processes: one is always preempted in a look at an entry."""
    with contextlib.ExitStack() as running:

        def ask() -> None:
            parent = os.getpid()
            if os.fork():
                return
            prctl.set_pdeathsig(signal.SIGKILL)
            while True:
                os.kill(parent, 0)

        for _ in range(bpf.WORKERS):
            running.enter_context(waiting(partial(join, token), bpf.become_nobody, ask))
        yield


@pytest.mark.parametrize("how", ["join", "enter"])
def test_a_domain_is_got_whoever_was_preempted(programs: Programs, how: str) -> None:
    """A task that was preempted in the middle of it keeps others from memory for a domain."""
    with programs.domain(Scope.CLASSIC, View.DOMAIN) as token, asking(token):

        def get_one() -> bool:
            if how == "join":
                join(token)
            else:
                assert enter(Scope.CLASSIC, View.DOMAIN) >= 0
            return check()

        def has_one() -> bool:
            pid = os.fork()
            if not pid:
                with contextlib.suppress(BaseException):
                    os._exit(not get_one())
                os._exit(1)
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

        assert sum(not has_one() for _ in range(DOMAINS)) == 0
