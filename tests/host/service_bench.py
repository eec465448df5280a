"""The real service on a real bus of its own, with a manager that keeps its descriptors."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "/usr/bin/python3"
LEADER = str(ROOT / "tests/host/service_leader.py")
LIMIT = 30.0

POLICY = """
[[rule]]
match = { user = ["bob", "root"] }
preset = "open"
[[rule]]
preset = "desktop"
group = "session"
enforcer = "landlock"
"""

#: The accounts of the logins, which the service sees in place of the machine's.
PASSWD = """root:x:0:0::/root:/bin/sh
alice:x:1000:1000::/:/bin/sh
bob:x:1001:1001::/:/bin/sh
eve:x:1002:1002::/:/bin/sh
nobody:x:65534:65534::/:/bin/sh
"""

GROUP = """root:x:0:
adm:x:4:
sudo:x:27:
nogroup:x:65534:
"""

_BUS = """
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={directory}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <policy user="root">
    <allow own="org.freedesktop.PolicyKit1"/>
    <allow send_destination="org.freedesktop.PolicyKit1"/>
  </policy>
  <include>{policy}</include>
</busconfig>
"""


def wait_for(what: Callable[[], object], why: str) -> None:
    """Poll until ``what`` is true; fail with ``why`` after LIMIT seconds."""
    deadline = time.monotonic() + LIMIT
    while not what():
        assert time.monotonic() < deadline, why
        select.select([], [], [], 0.01)


class ServiceBench:
    """A bus, a notify socket, and the service between them.

    Args:
        directory: for all of its files; other uids must be able to reach it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.policy = directory / "etc"
        self.run = directory / "run"
        self.store: dict[str, int] = {}
        self.log = directory / "log"
        #: What stands in /etc in place of the machine's, and how names are looked up.
        self.files: tuple[str, ...] = ("passwd", "group")
        self.names: dict[str, str] = {}
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(directory / "notify"))
        self._notify.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._bus: subprocess.Popen[bytes] | None = None
        self.service: subprocess.Popen[bytes] | None = None
        self.policy.mkdir()
        (directory / "passwd").write_text(PASSWD)
        (directory / "group").write_text(GROUP)
        self.set_policy(POLICY)

    @property
    def environ(self) -> dict[str, str]:
        address = f"unix:path={self.directory}/bus"
        return {**os.environ, "PYTHONPATH": str(ROOT), "DBUS_SYSTEM_BUS_ADDRESS": address}

    def set_policy(self, text: str) -> None:
        (self.policy / "policy.toml").write_text(text)

    def start_bus(self) -> None:
        config = self.directory / "bus.conf"
        config.write_text(
            _BUS.format(directory=self.directory, policy=ROOT / "data/org.yama.Session1.conf")
        )
        self._bus = subprocess.Popen(
            ["dbus-daemon", "--nofork", "--print-address", f"--config-file={config}"],
            stdout=subprocess.PIPE,
        )
        assert self._bus.stdout is not None
        assert self._bus.stdout.readline()

    def start(self, *options: str, ready: bool = True) -> None:
        """Start the service, with what an earlier one stored, and wait until it is ready."""
        fds = list(self.store.values())
        environ = {
            **self.environ,
            **self.names,
            "NOTIFY_SOCKET": str(self.directory / "notify"),
            "LISTEN_FDS": str(len(fds)),
            "LISTEN_FDNAMES": ":".join(self.store),
        }
        # A shell sets the pid, as the service's manager does between fork and exec.
        # Copies from 500 on, so that filling 3, 4, ... in turn overwrites none of them.
        copies = [fcntl.fcntl(fd, fcntl.F_DUPFD, 500) for fd in fds]
        moves = " ".join(f"{3 + index}<&{fd} {fd}<&-" for index, fd in enumerate(copies))
        mounts = "".join(f"mount --bind {self.directory}/{n} /etc/{n}; " for n in self.files)
        command = (
            f"{mounts} exec {moves}; export LISTEN_PID=$$; "
            f"exec {PYTHON} -m yama_session.service --policy {self.policy} --run {self.run} "
            f"--state {self.run} " + shlex.join(options)
        )
        with self.log.open("ab") as log:
            self.service = subprocess.Popen(
                ["unshare", "-m", "bash", "-c", command],
                env=environ,
                stderr=log,
                close_fds=False,
                cwd="/",
            )
        for fd in copies:
            os.close(fd)
        if ready:
            self.wait_notify("READY=1")

    def wait_notify(self, wanted: str) -> None:
        """Take notifications until ``wanted`` comes, keeping and dropping descriptors."""
        assert self.service is not None
        deadline = time.monotonic() + LIMIT
        while True:
            assert time.monotonic() < deadline, f"no {wanted} came: {self.log.read_text()}"
            if not select.select([self._notify], [], [], 0.1)[0]:
                assert self.service.poll() is None, self.log.read_text()
                continue
            data, fds, _, _ = socket.recv_fds(self._notify, 4096, 16)
            lines = data.decode().splitlines()
            name = next((line[7:] for line in lines if line.startswith("FDNAME=")), "")
            if "FDSTORE=1" in lines:
                self._drop(name)
                (self.store[name],) = fds
            if "FDSTOREREMOVE=1" in lines:
                self._drop(name)
            if wanted in lines:
                return

    def drain(self) -> None:
        """Take the notifications that have come."""
        while select.select([self._notify], [], [], 0)[0]:
            data, fds, _, _ = socket.recv_fds(self._notify, 4096, 16)
            name = data.decode().rpartition("FDNAME=")[2].strip()
            self._drop(name)
            if fds:
                self.store[name] = fds[0]

    def _drop(self, name: str) -> None:
        if name in self.store:
            os.close(self.store.pop(name))

    def kill(self) -> None:
        """Kill the service as a crash would, and take what it had sent."""
        assert self.service is not None
        self.service.send_signal(signal.SIGKILL)
        self.service.wait(LIMIT)
        self.drain()

    def close(self) -> None:
        for process in (self.service, self._bus):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait(LIMIT)
            if process is not None and process.stdout is not None:
                process.stdout.close()
        for name in list(self.store):
            self._drop(name)
        self._notify.close()

    def ask(
        self,
        member: str,
        *args: str,
        uid: int = 0,
        interface: str = "org.yama.Session1.Manager",
    ) -> subprocess.CompletedProcess[str]:
        """Call a method of the service with ``busctl``, as another user if wanted."""
        command = ["busctl", "--json=short", f"--address=unix:path={self.directory}/bus", "call"]
        names = ["org.yama.Session1", "/org/yama/Session1", interface, member]
        return subprocess.run(
            [*command, *names, *args], capture_output=True, text=True, timeout=LIMIT, user=uid
        )

    def sessions(self, uid: int = 0) -> list[dict[str, Any]]:
        """The sessions that a user is told of."""
        done = self.ask("ListSessions", uid=uid)
        assert done.returncode == 0, done.stderr
        return [
            {key: value["data"] for key, value in session.items()}
            for session in json.loads(done.stdout)["data"][0]
        ]

    @contextmanager
    def login(self, user: str = "alice", uid: int = 1000, **wish: Any) -> Iterator[dict[str, Any]]:
        """Have a process open a session; gives the reply and, as ``process``, that process."""
        wish.setdefault("args", [uid, user, "sshd", "pts/0", "::1", 0])
        drop = {"user": wish.pop("as_uid")} if "as_uid" in wish else {}
        with ExitStack() as stack:
            process = stack.enter_context(
                subprocess.Popen(
                    [PYTHON, LEADER, json.dumps(wish)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=self.environ,
                    cwd="/",
                    **drop,
                )
            )
            assert process.stdout is not None
            yield {**json.loads(process.stdout.readline()), "process": process}


@contextmanager
def service_bench() -> Iterator[ServiceBench]:
    """Give a bench with a running bus, the service not started yet."""
    with tempfile.TemporaryDirectory(prefix="yama-service-") as name:
        Path(name).chmod(0o755)  # other uids call, too
        bench = ServiceBench(Path(name))
        try:
            bench.start_bus()
            yield bench
        finally:
            bench.close()
