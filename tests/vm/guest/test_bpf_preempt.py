# guest: --debian --kernel 6.12 --kernel 7.3 --cmdline preempt=full --timeout 900
"""On a kernel that is preempted anywhere no program is left out but the one that is asked again."""

from functools import partial

import bpf
from bpf import check, join, waiting, within, working
from logins import sh

from yama_session.enforcers.bpf import state
from yama_session.enforcers.bpf.loader import Programs
from yama_session.levels import Scope, View

FORKS = 4_000
CALLS = 20_000


def test_the_kernel_is_preempted_anywhere() -> None:
    assert state.preemption() == "full"
    assert state.loadable()


def test_nothing_is_lost_among_forks_and_calls() -> None:
    assert sh("systemctl stop yama-session").status == 0

    def failures() -> int:
        return sum(not check() for _ in range(CALLS))

    with (
        Programs.load() as programs,
        programs.domain(Scope.CLASSIC, View.DOMAIN) as token,
        waiting(bpf.become_nobody) as outside,
        working(token, outside, FORKS),
    ):
        assert within(failures, partial(join, token), bpf.become_nobody) == 0
        misses = programs.recursion_misses()
        del misses["answer"]
        assert set(misses.values()) == {0}, misses
