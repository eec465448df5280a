# guest: --debian --kernel 6.1 --cmdline preempt=full --timeout 300
"""Before 6.2 a preempted reader hides a task's domain from others: nothing is loaded then."""

import pytest

from yama_session.enforcers import State
from yama_session.enforcers.bpf import state
from yama_session.enforcers.bpf.loader import Programs
from yama_session.errors import BpfError
from yama_session.native import lib


def test_full_preemption_is_refused_with_the_cure() -> None:
    assert state.preemption() == "full"
    could = state.loadable()
    assert could.state is State.DISABLED
    assert "preempt=" in could.reason
    with pytest.raises(BpfError, match="the preemption of this kernel is full"):
        Programs.load()


def test_the_service_has_loaded_nothing_either() -> None:
    assert lib.ys_has(1) < 0
    assert not state.available()
