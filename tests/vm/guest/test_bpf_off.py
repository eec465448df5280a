# guest: --debian --kernel 6.12 --cmdline lsm=landlock,yama,apparmor --timeout 300
# guest: --debian --kernel 6.1 --kernel 7.3 --long --cmdline lsm=landlock,yama,apparmor
"""A kernel that is booted without bpf among its security modules takes programs and runs none."""

import pytest
from logins import sh

from yama_session.enforcers import Availability, State
from yama_session.enforcers.bpf import loader, state
from yama_session.enforcers.bpf.loader import Programs
from yama_session.errors import BpfError
from yama_session.native import lib

pytestmark = pytest.mark.usefixtures("_no_service")


@pytest.fixture(scope="module")
def _no_service() -> None:
    assert sh("systemctl stop yama-session").status == 0


def test_nothing_is_loaded_and_the_reason_is_told() -> None:
    assert state.loadable().state is State.DISABLED
    assert "lsm=" in state.available().reason
    with pytest.raises(BpfError, match="bpf is not among the security modules"):
        Programs.load()
    assert not loader.PINS.exists()


def test_programs_that_never_run_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    could = Availability(State.AVAILABLE, "a list that could not be read")
    monkeypatch.setattr(loader, "loadable", lambda: could)
    with pytest.raises(BpfError, match="do not enforce"):
        Programs.load()
    assert not list(loader.PINS.iterdir())
    assert lib.ys_has(1) < 0


def test_programs_that_never_run_do_not_say_that_they_do() -> None:
    with loader._Object(loader.OBJECT.read_bytes()) as image:
        links = image.attach({})
        assert lib.ys_has(1) == -95
        assert state.available().reason == "BPF programs are loaded, but the kernel runs none"
        for link in links.values():
            link.close()
