"""What a user tries on the service and on the module, and does not get (points 4 and 6)."""

import os
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from logins import Login, policy, sessions, sh

POLICY = """
[[rule]]
match = { user = "alice" }
scope = 1
view = "domain"
group = "session"
"""

# A process connects to the bus and starts the one that asks; the bus knows the
# first, which ("gone") has exited by then or ("there") has not. Prints the answer.
ASK = r"""
import os, socket, sys
from dbus_next import Message
answer, mine = os.pipe()
if os.fork() == 0:
    os.close(answer)
    bus = socket.socket(socket.AF_UNIX)
    bus.settimeout(20)
    bus.connect("/run/dbus/system_bus_socket")
    bus.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
    assert bus.recv(4096).startswith(b"OK")
    bus.sendall(b"BEGIN\r\n")
    said = b""
    def call(serial, *names):
        words = dict(zip(("destination", "path", "interface", "member"), names))
        bus.sendall(bytes(Message(serial=serial, **words)._marshall()))
    call(1, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")
    while b"NameAcquired" not in said:
        said += bus.recv(65536)
    connected, (waits, goes) = os.getpid(), os.pipe()
    if child := os.fork():
        os.close(goes)
        if sys.argv[1] == "there":
            os.waitpid(child, 0)
        os._exit(0)
    os.close(waits)
    while sys.argv[1] == "gone" and os.path.exists(f"/proc/{connected}"):
        pass
    call(2, "org.yama.Session1", "/org/yama/Session1", "org.yama.Session1.Manager", "ListSessions")
    said = b""
    while b"aa{sv}" not in said:
        said += bus.recv(65536)
    os.write(mine, said)
    os._exit(0)
os.close(mine)
os.wait()
text = b""
while part := os.read(answer, 65536):
    text += part
print(text.decode("ascii", "replace").replace("\0", ""))
"""

LOOSENED = Path("/etc/dbus-1/system.d/loosened.conf")
LOOSE_POLICY = """
<busconfig>
  <policy user="nobody"><allow send_destination="org.yama.Session1"/></policy>
</busconfig>
"""

# A user asks for bob's session: for the process of a number, with a pair of its own
# or connected to a socket that this process listens on. Prints the error's name.
OPEN = r"""
import asyncio, os, socket, sys
from dbus_next import BusType, Message
from dbus_next.aio import MessageBus
SEQPACKET = socket.AF_UNIX, socket.SOCK_SEQPACKET
async def main():
    if sys.argv[2:]:
        end = socket.socket(*SEQPACKET)
        end.connect(sys.argv[2])
    else:
        end, other = socket.socketpair(*SEQPACKET)
    bus = await MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
    answer = await bus.call(Message(
        "org.yama.Session1", "/org/yama/Session1", "org.yama.Session1.Manager", "OpenSession",
        signature="hhussssu", body=[0, 1, 1001, "bob", "login", "", "", 0],
        unix_fds=[os.pidfd_open(int(sys.argv[1]) or os.getpid()), end.fileno()],
    ))
    print(answer.error_name)
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def alice() -> Iterator[Login]:
    with policy(POLICY), Login("alice") as login:
        yield login


def test_connection_of_a_process_that_has_gone_tells_of_no_session(alice: Login) -> None:
    with Login("alice") as other:
        ids = {str(s["domain"]): str(s["id"]) for s in sessions()}
        own, hidden = ids[alice.domain_id()], ids[other.domain_id()]
        while_there = alice.python(ASK, "there")
        assert while_there.status == 0, while_there.out
        assert own in while_there.out
        assert hidden not in while_there.out
        afterwards = alice.python(ASK, "gone")
        assert afterwards.status == 0, afterwards.out
        assert "aa{sv}" in afterwards.out
        assert own not in afterwards.out
        assert hidden not in afterwards.out


def test_su_without_descriptors_confines_or_refuses(alice: Login) -> None:
    """The user who calls `su` sets its limits; no step of the login may fail open."""
    seen = {}
    for limit in (4, 5, 6, 7, 8, 9, 10, 12, 64):
        done = alice.run(
            f"(ulimit -n {limit}; echo pwcarol |"
            " su carol -c 'cat /proc/self/attr/yama/scope; exec ls -d /proc/1')"
        )
        seen[limit] = done.out
        assert "none" not in done.out.split(), (limit, done.out)
        assert "/proc/1" not in done.out.split(), (limit, done.out)
    assert "scope=" not in seen[4]
    assert "scope=1 view=user" in seen[64]


def test_environment_names_no_other_bus(alice: Login) -> None:
    elsewhere = "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/tmp/nowhere"
    before = len(sh("journalctl -b -q --no-pager -t su -g 'service unavailable'").out.splitlines())
    text = alice.check(
        f"sudo -n env {elsewhere} su carol -c 'cat /proc/self/attr/yama/scope' 2>/dev/null"
    )
    assert text.startswith("scope=1 view=user depth=1")
    after = len(sh("journalctl -b -q --no-pager -t su -g 'service unavailable'").out.splitlines())
    assert after == before


def open_as_nobody(*args: object) -> str:
    words = shlex.join(["-c", OPEN, *map(str, args)])
    done = sh(f"setpriv --reuid=nobody --clear-groups /usr/bin/python3 {words}")
    assert done.status == 0, done.out
    return done.out.strip()


@pytest.mark.usefixtures("alice")
def test_bus_policy_that_lets_users_call_opens_no_session_for_them() -> None:
    assert open_as_nobody(0) == "org.freedesktop.DBus.Error.AccessDenied"
    LOOSENED.write_text(LOOSE_POLICY)
    try:
        assert sh("systemctl reload dbus").status == 0
        assert open_as_nobody(0) == "org.yama.Session1.Error.AccessDenied"
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as daemon:
            daemon.bind("/tmp/daemon")
            Path("/tmp/daemon").chmod(0o666)
            daemon.listen()
            for leader in (0, os.getpid()):
                error = open_as_nobody(leader, "/tmp/daemon")
                assert error == "org.yama.Session1.Error.InvalidArgument"
            # Only the pair proves anything: the same process, and it is root's.
            assert open_as_nobody(os.getpid()) == "org.yama.Session1.Error.AccessDenied"
    finally:
        Path("/tmp/daemon").unlink(missing_ok=True)
        LOOSENED.unlink()
        assert sh("systemctl reload dbus").status == 0
    assert open_as_nobody(0) == "org.freedesktop.DBus.Error.AccessDenied"
