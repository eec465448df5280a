"""A session of the enforcer landlock on the running kernel: attacks first."""

import json
import os
import re
import subprocess

import pytest
from conftest import NOBODY, PYTHON, ROOT, Python

pytestmark = pytest.mark.host

# Opens a session as a login does, drops to the uid in argv[1], and runs argv[2].
SESSION = """
import os, sys
from yama_session import HidePid, Procfs
from yama_session.enforcers import by_name

uid = int(sys.argv[1])
landlock = by_name("landlock")
with landlock.token(None) as token, Procfs.new(HidePid.PTRACEABLE) as procfs:
    procfs.attach(strict=True)
    landlock.apply(token)
if uid:
    os.setgroups([]), os.setresgid(uid, uid, uid), os.setresuid(uid, uid, uid)
os.execv(sys.argv[2], sys.argv[2:])
"""

LISTING = """
daemon=$(setsid sleep 300 >/dev/null 2>&1 & echo $!)
echo $daemon
echo $$
echo /proc/[0-9]*
kill $daemon
"""

# What each call on the pid in argv[1] answers: an errno name or "ok".
ATTACK = """
import ctypes, errno, json, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
pid = int(sys.argv[1])

def call(*args):
    # An int would leave the upper half of its register to chance.
    if libc.syscall(*(ctypes.c_long(a) if isinstance(a, int) else a for a in args)) < 0:
        raise OSError(ctypes.get_errno(), "")

def read_memory():
    buffer = ctypes.create_string_buffer(8)
    iov = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
    remote = (ctypes.c_void_p * 2)(0x1000, 8)
    call(310, pid, iov, 1, remote, 1, 0)

def steal_descriptor():
    call(438, os.pidfd_open(pid), 0, 0)

attacks = {
    "stat": lambda: os.stat(f"/proc/{pid}"),
    "status": lambda: open(f"/proc/{pid}/status").close(),
    "cmdline": lambda: open(f"/proc/{pid}/cmdline").close(),
    "mem": lambda: open(f"/proc/{pid}/mem").close(),
    "task": lambda: os.stat(f"/proc/{pid}/task/{pid}"),
    "root": lambda: os.listdir(f"/proc/{pid}/root"),
    "cwd": lambda: os.stat(f"/proc/{pid}/cwd/."),
    "readlink": lambda: os.readlink(f"/proc/{pid}/exe"),
    "access": lambda: os.stat(f"/proc/{pid}/ns/pid"),
    "kill": lambda: os.kill(pid, 0),
    "seize": lambda: call(101, 0x4206, pid, 0, 0),
    "attach": lambda: call(101, 16, pid, 0, 0),
    "process_vm_readv": read_memory,
    "pidfd_getfd": steal_descriptor,
}
answers = {}
for name, attack in attacks.items():
    try:
        attack()
        answers[name] = "ok"
    except OSError as error:
        answers[name] = errno.errorcode[error.errno]
print(json.dumps(answers))
"""

FILES = ("stat", "status", "cmdline", "mem", "task", "root", "cwd", "readlink", "access")
CALLS = ("kill", "seize", "attach", "process_vm_readv", "pidfd_getfd")


@pytest.mark.parametrize("uid", [NOBODY, 0])
def test_nothing_reaches_a_process_outside(python: Python, stranger: int, uid: int) -> None:
    done = python(SESSION, uid, "/usr/bin/python3", "-c", ATTACK, stranger)
    expected = dict.fromkeys(FILES, "ENOENT") | dict.fromkeys(CALLS, "EPERM")
    assert json.loads(done.stdout) == expected


def test_the_attacks_succeed_without_a_session(python: Python, stranger: int) -> None:
    answers = json.loads(python(ATTACK, stranger).stdout)
    reached = {name for name, answer in answers.items() if answer == "ok"}
    assert {*FILES, "kill", "seize", "pidfd_getfd"} <= reached


@pytest.mark.parametrize(
    "escape",
    [
        "umount /proc",
        "umount -l /proc",
        "unshare -Urm umount /proc",
        "unshare -Urm umount -l /proc",
        "unshare -Urm mount -t proc proc /mnt",
        "unshare -Urm mount --move /proc /mnt",
        "unshare -Urm mount -o remount,hidepid=0 /proc",
        "nsenter -t {pid} -m true",
        "nsenter -t 1 -m true",
    ],
)
def test_the_host_proc_cannot_be_brought_back(python: Python, stranger: int, escape: str) -> None:
    command = escape.format(pid=stranger)
    look = f"{command} && echo escaped; test -e /proc/{stranger} && echo visible; :"
    assert python(SESSION, NOBODY, "/bin/sh", "-c", look).stdout == ""


@pytest.mark.parametrize("uid", [NOBODY, 0])
def test_a_session_lists_itself_and_its_daemons_only(
    python: Python, stranger: int, uid: int
) -> None:
    done = python(SESSION, uid, "/bin/sh", "-c", LISTING)
    daemon, shell, listing = done.stdout.splitlines()
    assert sorted(listing.split()) == sorted([f"/proc/{daemon}", f"/proc/{shell}"])


def test_rootless_containers_still_mount_their_proc(python: Python) -> None:
    shell = "unshare -Urpf --mount-proc sh -c 'echo /proc/[0-9]*'"
    assert python(SESSION, NOBODY, "/bin/sh", "-c", shell).stdout == "/proc/1\n"


def test_only_proc_left_its_peer_group(python: Python) -> None:
    text = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x20000) == 0  # CLONE_NEWNS: let the test share, not the machine
assert libc.mount(None, b"/", None, (1 << 20) | (1 << 14), None) == 0  # MS_SHARED | MS_REC
{SESSION}
"""
    found = python(text, 0, "/bin/cat", "/proc/self/mountinfo").stdout.splitlines()
    fields = [line.split(" - ")[0].split() for line in found]
    private = {field[4] for field in fields if not any(f.startswith("shared:") for f in field[6:])}
    assert private == {"/proc"}
    assert len([field for field in fields if field[4] == "/proc"]) == 2


def test_what_the_login_itself_does_not_find_is_not_logged(as_root: None) -> None:
    """ABI 7 logs what is refused to the program that has confined itself, unless told not to."""
    text = """
from yama_session.enforcers import by_name
from yama_session.native import lib
landlock = by_name("landlock")
print(lib.ys_landlock_abi() >= 7)
with landlock.token(None) as token:
    landlock.apply(token)
"""
    traced = "landlock_restrict_self"
    done = subprocess.run(
        ["strace", "-qq", f"-etrace={traced}", f"-eraw={traced}", PYTHON, "-c", text],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    flags = re.findall(r"landlock_restrict_self\(\w+, (\w+)\) += 0", done.stderr)
    assert flags == ["0x1" if done.stdout == "True\n" else "0"], done.stderr
