"""The proof: it accepts what holds, and names what does not."""

import errno
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import NOBODY, Python
from service_bench import PYTHON, ROOT, wait_for

pytestmark = pytest.mark.host

TEXT = """
import os, sys
from yama_session import Group, HidePid, Proc, Procfs, Scope, VerifyError, View
from yama_session.enforcers import by_name

class Settings:
    scope, view, group, proc, override = (
        Scope.CLASSIC, View.DOMAIN, Group.SESSION, Proc.PRIVATE, False)

landlock, what, outside = by_name("landlock"), sys.argv[1], int(sys.argv[2])
with landlock.token(Settings) as token, Procfs.new(HidePid.PTRACEABLE) as procfs:
    if "p" in what:
        procfs.attach()
    if "l" in what:
        landlock.apply(token)
try:
    landlock.verify(Settings, outside=outside or os.getpid())
    print("holds")
except VerifyError as error:
    print(error.advice)
"""

VISIBLE = "a process outside the session is still visible in /proc\n"


@pytest.mark.parametrize(
    ("done", "expected"), [("pl", "holds\n"), ("p", VISIBLE), ("l", VISIBLE), ("", VISIBLE)]
)
def test_a_half_made_session_is_found_out(
    python: Python, stranger: int, done: str, expected: str
) -> None:
    assert python(TEXT, done, stranger).stdout == expected


def test_a_process_of_the_session_is_not_outside(python: Python) -> None:
    assert python(TEXT, "pl", 0).stdout == VISIBLE


# Prints the pid of a bystander, and lives until it is killed.
STANDS_BY = """
import os, sys, time
from yama_session.native import checked, ffi, lib
real = int(sys.argv[1])
os.setresgid(real, 0, 0)
os.setresuid(real, 0, 0)
pid = ffi.new("pid_t *")
checked("ys_bystander", lib.ys_bystander(pid))
print(pid[0], flush=True)
time.sleep(600)
"""


@contextmanager
def bystander(real: int = 0) -> Iterator[int]:
    """Give the pid of the bystander of a login with a real id, which ends by a kill."""
    command = [PYTHON, "-c", STANDS_BY, str(real)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as login:
        assert login.stdout is not None
        try:
            yield (pid := int(login.stdout.readline()))
        finally:
            login.kill()
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the bystander outlived the login")


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("real", [0, NOBODY])
@pytest.mark.parametrize(
    ("who", "does", "may"),
    [
        (f"--reuid={NOBODY} --clear-groups", "cat /proc/{}/environ", False),
        (f"--reuid={NOBODY} --clear-groups", "kill -0 {}", False),
        ("--bounding-set=-all --inh-caps=-all", "cat /proc/{}/environ", True),
    ],
)
def test_bystander_hides_from_users_and_not_from_its_like(
    real: int, who: str, does: str, may: bool
) -> None:
    """It is a copy of a login's memory, so it must not become the user's process."""
    with bystander(real) as pid:
        words = ["setpriv", *who.split(), "sh", "-c", does.format(pid)]
        done = subprocess.run(words, capture_output=True)
        assert (done.returncode == 0) == may, done.stderr


@pytest.mark.usefixtures("as_root")
def test_no_key_of_a_terminal_reaches_the_bystander() -> None:
    with bystander() as pid:
        for key in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
            os.kill(pid, key)
        # One that nobody blocks: those before it were dealt with when it is.
        os.kill(pid, signal.SIGSTOP)
        status = Path(f"/proc/{pid}/status")
        wait_for(lambda: "State:\tT (stopped)" in status.read_text(), "it is there, and stops")
        os.kill(pid, signal.SIGCONT)


FILTERED = """
import ctypes, os, struct, sys
from yama_session.native import lib

CLONE3, ALLOW, REFUSE = 435, 0x7FFF0000, 0x00050000 | int(sys.argv[1])
code = [(0x20, 0, 0, 0), (0x15, 0, 1, CLONE3), (0x06, 0, 0, REFUSE), (0x06, 0, 0, ALLOW)]
text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code), ctypes.addressof(text)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, program) == 0, ctypes.get_errno()  # PR_SET_SECCOMP, a filter
pid = lib.ys_child()
if pid == 0:
    os._exit(7)
print(pid > 0 and lib.ys_child_status(pid))
"""


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_child_is_started_where_a_filter_refuses_clone3(python: Python, number: int) -> None:
    # As systemd does for RestrictNamespaces=.
    assert python(FILTERED, number).stdout == "-7\n"
