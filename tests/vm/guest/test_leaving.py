# guest: --alone
"""How a session may be left, and all the ways in which it may not (point 6)."""

import json
import os
import pty
import select
import shlex
import signal
import time
from collections.abc import Iterator

import pytest
from logins import Login, domain_of, end_logins, members, policy, sh, wait_for

# What both have in common: prctl with all its arguments.
PRELUDE = """
import ctypes, json, os, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
SCOPE, HAS, ENTER, CREATE, JOIN, LEAVE = 0x59616d73, 0, 1, 2, 3, 4
THREAD, TOPLEVEL, OVERRIDE = 1, 2, 4

def c(result):
    return result if result >= 0 else -ctypes.get_errno()

def scope(op, *args):
    args = [SCOPE, op, *args, 0, 0, 0][:5]
    return c(libc.prctl(*args))

def domain():
    return open("/proc/self/attr/yama/scope").read()

def sees_init():
    return os.path.exists("/proc/1")
"""

WIDENING = """
before = domain()
libc.prctl(38, 1, 0, 0, 0)  # no_new_privs: whatever is refused now, it is not for lack of that
tries = {
    "leave": lambda: scope(LEAVE, 0),
    "leave by a thread": lambda: scope(LEAVE, THREAD),
    "enter at top level": lambda: scope(ENTER, 0, 0, TOPLEVEL),
    "enter with override": lambda: scope(ENTER, 0, 0, OVERRIDE),
    "create at top level": lambda: scope(CREATE, 0, 0, TOPLEVEL),
    "create with override": lambda: scope(CREATE, 0, 0, OVERRIDE),
}
print(json.dumps({what: attempt() for what, attempt in tries.items()}))
assert domain() == before and not sees_init()
"""

SIDEWAYS = """
libc.prctl(38, 1, 0, 0, 0)
before = domain()
other = scope(CREATE, 0, 0, 0)
assert other >= 0
sibling = scope(CREATE, 0, 0, 0)
assert scope(JOIN, other, 0) == 0 and domain() != before
print(json.dumps(scope(JOIN, sibling, 0)))
"""

USERNS = """
CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x20000
assert c(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS)) == 0
answers = {
    "leave": scope(LEAVE, 0),
    "enter at top level": scope(ENTER, 0, 0, TOPLEVEL),
    "umount /proc": c(libc.umount2(b"/proc", 0)),
    "umount /proc lazily": c(libc.umount2(b"/proc", 2)),
    "move /proc away": c(libc.mount(b"/proc", b"/mnt", None, 8192, None)),
    "mount a new proc": c(libc.mount(b"proc", b"/mnt", b"proc", 0, None)),
    "clone /": c(libc.syscall(428, -100, b"/", 1)),
}
nested = scope(ENTER, 0, 0, 0)
answers["leave the own domain and the session's"] = scope(LEAVE, 0)
answers["own domain"] = nested
print(json.dumps(answers))
assert not sees_init()
"""

SETNS = """
pidfd = c(libc.syscall(434, int(sys.argv[1]), 0))
print(json.dumps(c(libc.setns(pidfd, 0x20000)) if pidfd >= 0 else pidfd))
"""

THREADS = """
stop = threading.Event()
thread = threading.Thread(target=stop.wait)
thread.start()
libc.prctl(38, 1, 0, 0, 0)
answers = [scope(ENTER, 0, 1, 0), scope(LEAVE, 0), scope(LEAVE, THREAD)]
stop.set()
thread.join()
print(json.dumps(answers))
"""

SESSION_TO_PARENT = """
KEYCTL_JOIN, KEYCTL_TO_PARENT = 1, 18
before = domain()
if (child := os.fork()) == 0:
    assert libc.syscall(250, KEYCTL_JOIN, None) >= 0
    os._exit(0 if libc.syscall(250, KEYCTL_TO_PARENT) == 0 else ctypes.get_errno())
assert os.waitpid(child, 0)[1] == 0
print(json.dumps([before, domain(), sees_init()]))
"""

CONNECTOR = """
import socket
try:
    socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 11)
    print(0)
except OSError as error:
    print(-error.errno)
"""

#: As root in a session: a login for another user by a program with a thread.
THREADED_LOGIN = """
pam = ctypes.CDLL("libpam.so.0")
stop = threading.Event()
thread = threading.Thread(target=stop.wait)
thread.start()
handle, conversation = ctypes.c_void_p(), (ctypes.c_void_p * 2)()
assert pam.pam_start(b"su", sys.argv[1].encode(), conversation, ctypes.byref(handle)) == 0
opened = pam.pam_open_session(handle, 0)
print(json.dumps([opened, domain(), sees_init()]))
stop.set()
thread.join()
pam.pam_close_session(handle, 0)
pam.pam_end(handle, 0)
"""

EPERM, ESRCH, EBUSY, EINVAL = -1, -3, -16, -22


@pytest.fixture(scope="module")
def alice() -> Iterator[Login]:
    with policy('[[rule]]\nmatch = { user = "bob" }\npreset = "open"\n'), Login("alice") as login:
        yield login


def test_widening_without_privilege_is_refused(alice: Login) -> None:
    answers = alice.json(PRELUDE + WIDENING)
    assert isinstance(answers, dict)
    assert set(answers.values()) == {EPERM}


def test_domain_beside_the_own_one_cannot_be_joined(alice: Login) -> None:
    assert alice.json(PRELUDE + SIDEWAYS) == EPERM


def test_user_namespace_does_not_lead_out(alice: Login) -> None:
    answers = alice.json(PRELUDE + USERNS)
    assert isinstance(answers, dict)
    assert answers.pop("own domain") == 0
    assert all(answer in (EPERM, EINVAL) for answer in answers.values()), answers


def test_namespace_of_a_process_outside_cannot_be_entered(alice: Login) -> None:
    assert alice.json(PRELUDE + SETNS, 1) == ESRCH


def test_second_thread_neither_enters_nor_leaves(alice: Login) -> None:
    assert alice.json(PRELUDE + THREADS) == [EBUSY, EBUSY, EPERM]


def test_keyring_of_a_child_does_not_replace_the_domain(alice: Login) -> None:
    answer = alice.json(PRELUDE + SESSION_TO_PARENT)
    before = alice.domain() + "\n"
    assert answer == [before, before, False]


def test_process_connector_is_refused(alice: Login) -> None:
    assert alice.json(CONNECTOR) == EPERM
    with Login("bob") as bob:
        assert bob.json(CONNECTOR) == 0


def test_su_opens_the_other_user_s_own_session(alice: Login) -> None:
    with Login("carol") as carol:
        inside = alice.check(
            "sudo -n su carol -c 'cat /proc/self/attr/yama/scope; ls -d /proc/1'"
            " 2>/dev/null || true"
        ).splitlines()
        assert inside == [carol.domain()]
        assert carol.domain() != alice.domain()


def test_threaded_program_s_login_for_another_user_is_in_that_one_s_session(alice: Login) -> None:
    own = alice.domain_id()
    with Login("carol") as carol:
        code = shlex.quote(PRELUDE + THREADED_LOGIN)
        done = carol.run(f"sudo -n /usr/bin/python3 -c {code} alice")
        opened, line, _ = json.loads(done.out)  # root, as it still is, sees pid 1
        assert opened == 0
        assert f"id={own}" in line, line
        assert carol.domain_id() not in line


def test_su_to_an_exempt_user_sees_all(alice: Login) -> None:
    assert alice.check("sudo -n su bob -c 'cat /proc/self/attr/yama/scope /proc/1/comm'") == (
        "none\nsystemd"
    )


def test_su_from_scope_3_stays_nested() -> None:
    text = '[[rule]]\nmatch = { user = "alice" }\npreset = "kiosk"\n'
    text += '[[rule]]\nmatch = { user = "bob" }\npreset = "open"\n'
    with policy(text), Login("alice") as alice:
        outer = alice.domain_id()
        nested = alice.spawn("sudo -n su carol -c 'exec sleep 606'")
        wait_for(lambda: alice.run("pgrep -f '^sleep 606'").status == 0, "su has logged carol in")
        inner = domain_of(int(alice.check("pgrep -f '^sleep 606'")))
        assert "scope=3 " in inner
        assert "depth=2 " in inner
        assert outer not in inner
        assert nested in members(outer)
        # Who is exempt elsewhere is not let out of here either.
        assert "scope=3 " in alice.check("sudo -n su bob -c 'cat /proc/self/attr/yama/scope'")
        assert "nested in the present domain" in sh("journalctl -b --no-pager -t su").out


def read_until(terminal: int, text: bytes) -> bytes:
    """Read from a terminal until it has said something; fail if it goes on without."""
    seen = b""
    end = time.monotonic() + 30
    while text not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
        assert ready, f"no {text!r} in {seen!r}"
        seen += os.read(terminal, 4096)
    return seen


def test_job_control_over_su_works() -> None:
    """A shell stops, continues and ends the job that has left its domain."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("ssh", ["ssh", "-tt", "alice@localhost", "exec bash --norc -i"])
    try:
        os.write(terminal, b"PS1=; stty -echo; echo re''ady\n")
        read_until(terminal, b"ready")
        os.write(terminal, b"sudo -n su carol --session-command='echo start''ed; sleep 607'\n")
        read_until(terminal, b"started")
        assert domain_of(int(sh("pgrep -f '^sleep 607'").out)) != "none"
        os.write(terminal, b"\x1a")
        read_until(terminal, b"Stopped")
        os.write(terminal, b"bg; jobs\n")
        read_until(terminal, b"Running")
        os.write(terminal, b"kill %1; wait; echo all''gone\n")
        read_until(terminal, b"allgone")
        wait_for(lambda: sh("pgrep -f '^sleep 607'").status == 1, "the job has been killed")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.close(terminal)
        os.waitpid(pid, 0)
        end_logins("alice", "carol")
