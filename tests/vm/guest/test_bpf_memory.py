# guest: --debian --kernel 6.12 --alone --timeout 600
# guest: --debian --kernel 6.1 --kernel 7.3 --long --timeout 600
"""The memory that is counted for the programs is full: a fork fails, or the child is confined."""

import errno
import json
import os
import shlex
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from bpf import within
from bpf_logins import is_confined, stranger
from logins import Login, LoginRefused, end_logins, policy, sh, wait_for

from yama_session.enforcers.bpf.loader import Programs
from yama_session.enforcers.bpf.state import version_of
from yama_session.levels import View

CGROUP = Path("/sys/fs/cgroup/programs")
GO, SAID = Path("/tmp/go"), Path("/tmp/said")
FORKS = 500
LOGINS = 20

# Children that live at the same time, each of which needs an entry of its own.
FORK_ON = """
import ctypes, json, os, signal, sys, time
prctl = ctypes.CDLL(None, use_errno=True).prctl
prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
os.setpgid(0, 0)
while not os.path.exists(sys.argv[4]):
    time.sleep(0.05)
said = {"inside": 0, "outside": 0, "errors": []}
for _ in range(int(sys.argv[1])):
    try:
        pid = os.fork()
    except OSError as error:
        said["errors"].append(error.errno)
        continue
    if not pid:
        while (ret := prctl(0x59616d73, 5, 1, 2, 0)) < 0 and ctypes.get_errno() == 11:
            pass
        inside = ret >= 0 and not os.path.exists("/proc/" + sys.argv[2])
        os.kill(os.getpid(), signal.SIGSTOP) if inside else os._exit(1)
    _, status = os.waitpid(pid, os.WUNTRACED)
    said["inside" if os.WIFSTOPPED(status) else "outside"] += 1
with open(sys.argv[3] + ".new", "w") as file:
    json.dump(said, file)
os.rename(file.name, sys.argv[3])
signal.pause()
"""


def load_in_a_cgroup() -> None:
    (CGROUP / "cgroup.procs").write_text("0", encoding="ascii")
    Programs.load()


@pytest.fixture(scope="module", autouse=True)
def _programs_in_a_cgroup() -> None:
    """The kernel counts an entry for where its map was made, so that is not the service here."""
    assert sh("systemctl stop yama-session").status == 0
    within(lambda: Programs.load().unload())
    CGROUP.mkdir()
    within(load_in_a_cgroup)
    assert sh("systemctl start yama-session", timeout=120).status == 0


@contextmanager
def full_memory() -> Iterator[None]:
    (CGROUP / "memory.max").write_text("0", encoding="ascii")
    try:
        yield
    finally:
        (CGROUP / "memory.max").write_text("max", encoding="ascii")


@contextmanager
def crowd(login: Login, outside: int) -> Iterator[int]:
    """A process in a login that forks as often as it can as soon as it may; its group."""
    words = shlex.join(["python3", "-c", FORK_ON, str(FORKS), str(outside), str(SAID), str(GO)])
    group = login.spawn(words)
    try:
        yield group
    finally:
        os.killpg(group, signal.SIGKILL)


def forked() -> dict[str, object]:
    """Let it, and return what became of its children, which live on."""
    GO.touch()
    wait_for(SAID.exists, "all are there", seconds=120)
    said: dict[str, object] = json.loads(SAID.read_text(encoding="ascii"))
    SAID.unlink()
    GO.unlink()
    return said


def may_fail() -> bool:
    """Does this kernel keep to the limit where it cannot wait? Before 6.2 it goes beyond it."""
    return version_of(os.uname().release) >= (6, 2)


def logins_are_whole_until_one_is_refused(outside: int) -> bool:
    """Log in again and again, and tell if it came to a refusal.

    By our module that cannot confine, or by sshd that cannot fork in the session.
    """
    with ExitStack() as logins:
        for _ in range(LOGINS):
            try:
                login = logins.enter_context(Login("alice"))
            except LoginRefused:
                return True
            # The shell itself looks, since it may be unable to fork.
            assert login.run(f"[ ! -e /proc/1 ] && [ ! -e /proc/{outside} ]").status == 0
    return False


#: A user's own strangers are hidden, too.
APART = """
[[rule]]
match = { user = "root" }
preset = "open"

[[rule]]
view = "domain"
"""


def test_no_child_is_born_outside_and_no_login_is_half_way() -> None:
    with policy(APART), stranger("alice") as outside, Login("alice") as alice:
        with crowd(alice, outside), full_memory():
            said = forked()
            assert said["outside"] == 0
            assert isinstance(said["errors"], list)
            assert set(said["errors"]) == ({errno.ENOMEM} if may_fail() else set())
            assert logins_are_whole_until_one_is_refused(outside) == may_fail()
        with Login("alice") as again, crowd(again, outside):
            assert forked() == {"inside": FORKS, "outside": 0, "errors": []}
            assert is_confined(again, view=View.DOMAIN)
    end_logins("alice")


def test_a_limit_is_told_before_it_is_met() -> None:
    limit = "systemctl set-property --runtime yama-session MemoryMax="
    assert sh(f"{limit}600M").status == 0
    try:
        status = json.loads(sh("yama-session status --json").out)
        assert "in at most 600 MiB" in status["enforcers"]["bpf"]["reason"]
        assert "its memory is limited to 600 MiB" in sh("yama-session doctor").out
    finally:
        assert sh(f"{limit}infinity").status == 0
    assert "MiB" not in sh("yama-session status").out
    assert "its memory is limited" not in sh("yama-session doctor").out
