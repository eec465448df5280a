# guest: --debian --kernel 6.12 --alone
# guest: --debian --kernel 6.1 --kernel 7.3 --long
"""The sysctl that stops all programs: not a session's to write, and never unnoticed."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from bpf import error_of
from bpf_logins import holds, stranger
from logins import Login, sh, wait_for

from yama_session.enforcers.bpf.loader import Programs
from yama_session.enforcers.bpf.state import version_of
from yama_session.levels import View
from yama_session.native import OwnedFd

SWITCH = Path("/proc/sys/kernel/ftrace_enabled")

# A shell goes on to fork with nothing of the test in between; each child writes its number.
FORKS = """
import os, sys, time
while not os.path.exists("/tmp/forks-end"):
    for place in sys.argv[1:]:
        if os.path.exists(place) and not os.path.exists(place + ".pid"):
            pid = os.fork()
            if not pid:
                daemon = os.fork()
                if not daemon:
                    os.setsid()
                    if not os.fork():
                        open(place + ".daemon", "w").write(str(os.getpid()))
                        time.sleep(600)
                    os._exit(0)
                os.waitpid(daemon, 0)
                os.fork()
                time.sleep(600)
            open(place + ".pid", "w").write(str(pid))
    time.sleep(0.1)
"""


def said(word: str) -> bool:
    return word in sh("journalctl -b -q --no-pager -u yama-session -o cat").out


def are_members(*pids: int) -> list[bool]:
    """Tell which processes are in a domain, as the entries say that the programs keep."""
    found = Programs.running()
    assert found
    with found as programs, contextlib.ExitStack() as stack:
        pidfds = [stack.enter_context(OwnedFd(os.pidfd_open(pid))) for pid in pids]
        return [programs.describe(pidfd.fileno()) is not None for pidfd in pidfds]


def told(place: str) -> int:
    """The number that is written into a file."""
    file = Path(place)
    wait_for(lambda: file.exists() and file.read_text().isdecimal(), f"{place} is written")
    return int(file.read_text())


@contextlib.contextmanager
def stopped() -> Iterator[None]:
    SWITCH.write_text("0")
    try:
        yield
    finally:
        SWITCH.write_text("1")


@pytest.fixture(scope="module")
def alice() -> Iterator[Login]:
    with Login("alice") as login:
        yield login


def test_root_in_a_session_cannot_stop_them_without_the_capability(alice: Login) -> None:
    bare = "sudo -n setpriv --bounding-set -all --inh-caps -all sh -c"
    done = alice.run(f"{bare} 'cat {SWITCH}; echo 0 >{SWITCH}; cat {SWITCH}'")
    assert "Operation not permitted" in done.out
    assert SWITCH.read_text().strip() == "1"
    assert holds(alice, 1, View.USER)


def test_who_stops_them_is_found_out_and_what_was_forked_meanwhile_is_put_back(
    alice: Login,
) -> None:
    if version_of(os.uname().release) >= (7, 3):  # which stops them for nobody
        assert error_of(lambda: SWITCH.write_text("0")) == errno.EOPNOTSUPP
        assert holds(alice, 1, View.USER)
        return
    place = "/tmp/forks-while-stopped"
    alice.spawn(f"/usr/bin/python3 -c '{FORKS}' {place}")
    wait_for(lambda: sh("pgrep -U alice -f forks-end").status == 0, "it runs")
    with stopped():
        wait_for(lambda: said("NOBODY IS CONFINED by bpf any more"), "it is told", seconds=10)
        assert holds(alice, 1, View.USER) is False
        status = sh("yama-session status")
        assert status.status == 1
        assert "kernel.ftrace_enabled is 0" in status.out
        doctor = sh("yama-session doctor")
        assert doctor.status == 1
        assert "sysctl kernel.ftrace_enabled=1" in doctor.out
        Path(place).touch()
        child, daemon = told(place + ".pid"), told(place + ".daemon")
        wait_for(lambda: sh(f"pgrep -P {child}").status == 0, "and its child")
        grandchild = int(sh(f"pgrep -P {child}").out)
        # It has lost its parent.
        assert sh(f"ps -o ppid= {daemon}").out.strip() == "1"
        with stranger("alice") as unit:
            assert are_members(child, grandchild, daemon, unit) == [False] * 4
    with stranger("bob") as outside:
        wait_for(lambda: said("called again"), "it is told", seconds=10)
        assert are_members(child, grandchild, daemon, outside) == [True, True, True, False]
        assert not said("not for all")
    assert holds(alice, 1, View.USER)
    assert "kernel.ftrace_enabled" not in sh("yama-session status").out
    with Login("bob") as bob:
        assert holds(bob, 1, View.USER)
    Path("/tmp/forks-end").touch()
