"""Real logins in the guest, and what the tests do in them.

A `Login` is one ssh connection whose shell stays open: commands run in it one
after the other, and processes started in it live as long as it does.
"""

import contextlib
import json
import re
import shlex
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

POLICY = Path("/etc/yama-session/policy.toml")
# The default key exchange takes an emulated processor a second for each login.
SSH = ("ssh", "-o", "BatchMode=yes", "-o", "KexAlgorithms=curve25519-sha256")
SYSCTL = Path("/proc/sys/kernel/yama/ptrace_scope")


@dataclass(frozen=True)
class Done:
    """A command that has ended: standard output and error together, and its status."""

    out: str
    status: int

    @property
    def lines(self) -> list[str]:
        """The output's lines."""
        return self.out.splitlines()


class LoginRefused(Exception):
    """The login ended before it had a shell; holds what ssh said."""


class Login:
    """An ssh login of a user with a shell that waits for commands."""

    def __init__(self, user: str, *, timeout: float = 20.0) -> None:
        self.user = user
        self._shell = subprocess.Popen(
            [*SSH, f"{user}@localhost", "exec bash --norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._timeout = timeout
        try:
            self.run("true")
        except (BrokenPipeError, EOFError) as error:
            self.close()
            raise LoginRefused(f"{user}: ssh ended with {self._shell.returncode}") from error

    def run(self, command: str) -> Done:
        """Run a shell command in the login and wait for its end.

        Raises:
            EOFError: the login has ended.
        """
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        mark = uuid.uuid4().hex
        print(
            f"{{ {command}\n}} </dev/null 2>&1; status=$?; echo; echo {mark} $status",
            file=self._shell.stdin,
        )
        self._shell.stdin.flush()
        lines: list[str] = []
        for line in self._shell.stdout:
            if line.startswith(mark):
                return Done("".join(lines).removesuffix("\n"), int(line.split()[1]))
            lines.append(line)
        raise EOFError(f"the login of {self.user} ended in {command!r}: {''.join(lines)}")

    def check(self, command: str) -> str:
        """Run a command that must succeed, and return its output without the last newline."""
        done = self.run(command)
        assert done.status == 0, f"{self.user}: {command!r} ended with {done.status}: {done.out}"
        return done.out.rstrip("\n")

    def spawn(self, command: str) -> int:
        """Start a command in the background of the login and return its pid."""
        return int(self.check(f"{command} </dev/null >/dev/null 2>&1 & echo $!"))

    def python(self, code: str, *arguments: object) -> Done:
        """Run Python code in the login."""
        words = " ".join(shlex.quote(str(argument)) for argument in arguments)
        return self.run(f"/usr/bin/python3 -c {shlex.quote(code)} {words}")

    def json(self, code: str, *arguments: object) -> object:
        """Run Python code in the login that prints JSON, and return what it says."""
        done = self.python(code, *arguments)
        assert done.status == 0, done.out
        return json.loads(done.out)

    def pids(self) -> set[int]:
        """Return the processes that the login finds in /proc."""
        names = self.check("ls /proc").split()
        return {int(name) for name in names if name.isdecimal()}

    def sees(self, pid: int) -> bool:
        """Tell if /proc/PID exists for the login."""
        return self.run(f"stat /proc/{pid}").status == 0

    def domain(self) -> str:
        """Return the login's line of attr/yama/scope."""
        return self.check("cat /proc/self/attr/yama/scope")

    def domain_id(self) -> str:
        """Return the id of the login's domain, or "none"."""
        line = self.domain()
        return line if line == "none" else line.split("id=")[1].split()[0]

    def close(self) -> None:
        """End the login as a user does, and wait for the connection's end."""
        assert self._shell.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._shell.stdin.close()
        try:
            self._shell.wait(timeout=self._timeout)
        except subprocess.TimeoutExpired:
            self._shell.kill()
            self._shell.wait()
        assert self._shell.stdout is not None
        self._shell.stdout.close()

    def __enter__(self) -> "Login":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def sh(command: str, *, timeout: float = 60.0) -> Done:
    """Run a shell command as the guest's root, outside of every session."""
    done = subprocess.run(
        ["bash", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Done(done.stdout, done.returncode)


def wait_for(what: Callable[[], bool], why: str, *, seconds: float = 20.0) -> None:
    """Look again and again until something holds; fail with `why` if it does not."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"still not after {seconds} s: {why}"
        time.sleep(0.05)


def all_pids() -> set[int]:
    """Return all processes, as root outside of every session finds them."""
    return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()}


def domain_of(pid: int) -> str:
    """Return the line of a process's attr/yama/scope, as root reads it."""
    return Path(f"/proc/{pid}/attr/yama/scope").read_text(encoding="ascii").strip()


def members(domain_id: str) -> set[int]:
    """Return the processes of a domain, by its id, as root finds them."""
    found = set()
    for pid in all_pids():
        with contextlib.suppress(OSError):
            if re.search(rf"\bid={domain_id}\b", domain_of(pid)):
                found.add(pid)
    return found


def missing_pid() -> int:
    """Return a number that no process or thread has, and that none will get soon."""
    limit = int(Path("/proc/sys/kernel/pid_max").read_text(encoding="ascii"))
    return limit - 7


def set_sysctl(level: int) -> None:
    """Set kernel.yama.ptrace_scope."""
    SYSCTL.write_text(f"{level}\n", encoding="ascii")


def end_logins(*users: str) -> None:
    """End all that these users run, and wait until the service has dropped it."""
    for user in users:
        subprocess.run(["loginctl", "terminate-user", user], check=False, capture_output=True)
        # A session's processes outlive it, as Debian leaves KillUserProcesses= off.
        subprocess.run(["pkill", "-KILL", "-U", user], check=False)
        wait_for(
            lambda user=user: sh(f"pgrep -U {user}").status == 1,  # type: ignore[misc]
            f"{user} still runs something",
        )
    wait_for(
        lambda: not {s["user"] for s in sessions()} & set(users),
        f"the service still has sessions of {users}",
    )


def sessions() -> list[dict[str, object]]:
    """Return the sessions that the service has, as root is told."""
    done = sh("yama-session list --json")
    assert done.status == 0, done.out
    return list(json.loads(done.out))


@contextlib.contextmanager
def policy(text: str) -> Iterator[None]:
    """Put a policy in force, and afterwards the one that was there before.

    Logins are ended before and after: a domain that lives goes on as it is.
    """
    before = POLICY.read_text(encoding="utf-8")
    end_logins("alice", "bob", "carol")
    try:
        POLICY.write_text(text, encoding="utf-8")
        _do("systemctl reload yama-session")
        yield
    finally:
        end_logins("alice", "bob", "carol")
        POLICY.write_text(before, encoding="utf-8")
        # The stock kernel cannot honour the default, so that only a boot takes it.
        again = "systemctl stop yama-session && rm /var/lib/yama-session/policy"
        _do(f"systemctl reload yama-session || {{ {again} && systemctl start yama-session; }}")


def _do(command: str) -> None:
    done = sh(command)
    assert done.status == 0, done.out
