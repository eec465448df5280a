"""A bus of its own for the PAM module, a scripted service on it, and logins in small.

The module knows one address, ``/run/dbus/system_bus_socket``. So each bench is a
mount namespace with an empty ``/run``, and the bus daemon and the logins run in it.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import MessageFlag, MessageType
from dbus_next.message import Message

from yama_session.native import OwnedFd, checked, lib

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "pam" / "build"
USER, USER_UID = "nobody", 65534
PAM_SUCCESS, PAM_PERM_DENIED = 0, 6
NO_SESSION = 100  # pamsession's status
LIMIT_MS = 1000
DEADLINE = 30.0
SIGNATURE = "sssuusahah"
SEES_PID1 = ("sh", "-c", "test -e /proc/1 && echo seen || echo hidden")

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="false"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""


@dataclass(frozen=True)
class Login:
    """What one login gave: the code of each call, the time of open, the command's words."""

    open: int
    milliseconds: float
    close: int | None
    words: str
    status: int


@dataclass
class Reply:
    """The body of an answer to OpenSession; fds belong to it until it is sent."""

    id: str = "s1"
    action: str = "open"
    enforcer: str = ""
    scope: int = 0
    view: int = 0
    proc: str = "host"
    token: list[int] = field(default_factory=list)
    mount: list[int] = field(default_factory=list)

    def message(self, call: Message) -> Message:
        """Return the method return that carries it."""
        fds = [*self.token, *self.mount]
        places = iter(range(len(fds)))
        arrays = [[next(places) for _ in part] for part in (self.token, self.mount)]
        words = [self.id, self.action, self.enforcer, self.scope, self.view, self.proc]
        return Message.new_method_return(call, SIGNATURE, [*words, *arrays], fds)


@contextmanager
def confined(hidepid: int = lib.YS_HIDEPID_PTRACEABLE) -> Iterator[Reply]:
    """Answer a login that Landlock confines."""
    with (
        OwnedFd(checked("ys_landlock_create", lib.ys_landlock_create())) as token,
        OwnedFd(checked("ys_procfs_new", lib.ys_procfs_new(hidepid))) as mount,
    ):
        yield Reply(
            enforcer="landlock",
            view=lib.PR_PTRACE_VIEW_DOMAIN,
            proc="ptraceable",
            token=[token.fileno()],
            mount=[mount.fileno()],
        )


@dataclass
class Bench:
    """A mount namespace with an own bus."""

    holder: subprocess.Popen[str]
    daemon: subprocess.Popen[str]
    directory: Path

    @property
    def address(self) -> str:
        """The bus as the namespace outside reaches it."""
        return f"unix:path=/proc/{self.holder.pid}/root/run/dbus/system_bus_socket"

    def path(self, path: str) -> Path:
        """Return a path of the namespace as seen from outside."""
        return Path(f"/proc/{self.holder.pid}/root") / path.lstrip("/")

    def stop_bus(self) -> None:
        """Stop the daemon; its socket goes on accepting."""
        os.kill(self.daemon.pid, signal.SIGSTOP)

    def end_bus(self) -> None:
        """End the daemon; the name of its socket stays behind."""
        self.daemon.kill()
        self.daemon.wait()

    async def login(
        self,
        args: str = "fallback=deny",
        *,
        user: str = USER,
        command: tuple[str, ...] = SEES_PID1,
        stdin: IO[Any] | int = subprocess.DEVNULL,
        cwd: str | None = None,
    ) -> Login:
        """Log in by a service file of one line, run the command, log out."""
        module = BUILD / "pam_yama_session.so"
        (self.directory / "case").write_text(f"session required {module} {args}\n")
        words = ["nsenter", f"--target={self.holder.pid}", "--mount"]
        words += [f"--wd={cwd}"] if cwd else []
        words += [str(BUILD / "pamsession"), str(self.directory), "case", user, *command]
        process = await asyncio.create_subprocess_exec(
            *words, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        out, _ = await asyncio.wait_for(process.communicate(), DEADLINE)
        assert process.returncode is not None
        return parse_login(out.decode(), process.returncode)


def parse_login(text: str, status: int) -> Login:
    """Read what pamsession printed."""
    opened = re.match(r"open (\d+) ([\d.]+)\n", text)
    assert opened, text
    closed = re.search(r"^close (\d+)\n\Z", text, re.MULTILINE)
    end = closed.start() if closed else len(text)
    return Login(
        open=int(opened[1]),
        milliseconds=float(opened[2]),
        close=int(closed[1]) if closed else None,
        words=text[opened.end() : end].strip(),
        status=status,
    )


@contextmanager
def bench(directory: Path) -> Iterator[Bench]:
    """Make a namespace with an own bus, and end both."""
    directory.chmod(0o755)
    config = directory / "bus.conf"
    config.write_text(BUS_CONFIG)
    setup = "mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/dbus && echo ready && exec cat"
    with subprocess.Popen(
        ["unshare", "--mount", "--propagation=private", "sh", "-c", setup],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdin
        assert holder.stdout
        assert holder.stdout.readline() == "ready\n"
        inside = ["nsenter", f"--target={holder.pid}", "--mount"]
        with subprocess.Popen(
            [*inside, "dbus-daemon", "--nofork", "--print-address", f"--config-file={config}"],
            stdout=subprocess.PIPE,
            text=True,
        ) as daemon:
            try:
                assert daemon.stdout
                assert daemon.stdout.readline()
                yield Bench(holder, daemon, directory)
            finally:
                daemon.kill()
                holder.stdin.close()


class Script:
    """A session service that does as it is told, and remembers what it was asked.

    The answer is a Reply or a Message maker; None means silence.
    """

    def __init__(self, answer: Callable[[Message], Message | None]) -> None:
        self._answer = answer
        self.calls: list[Message] = []
        self.auto_start_refused = False
        self.bus: MessageBus | None = None

    async def serve(self, where: Bench) -> None:
        """Take the name on the bench's bus."""
        self.bus = await MessageBus(where.address, negotiate_unix_fd=True).connect()
        self.bus.add_message_handler(self._handle)
        await self.bus.request_name("org.yama.Session1")

    def close(self) -> None:
        """Leave the bus; the library shuts its socket down and leaves it to the collector."""
        if self.bus:
            self.bus.disconnect()  # type: ignore[no-untyped-call]  # the library's
            self.bus._sock.close()

    def _handle(self, message: Message) -> Message | bool | None:
        if message.message_type is not MessageType.METHOD_CALL or message.member != "OpenSession":
            return None
        self.calls.append(message)
        self.auto_start_refused = bool(message.flags & MessageFlag.NO_AUTOSTART)
        return self._answer(message) or True
