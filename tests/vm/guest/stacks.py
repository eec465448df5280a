"""The ways to log in to a Debian machine, and what each leaves to look at.

Each stack brings a program of alice to life and keeps it there until it is let go.
"""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from logins import SSH, domain_of, sh, wait_for

USER = "alice"
PLACE = Path("/var/tmp/stacks")
PROBE = PLACE / "probe"
# Says what it is and sees, then waits to be let go.
_SCRIPT = f"""\
#!/bin/sh
{{
	echo $$
	cat /proc/self/attr/yama/scope
	[ -e /proc/1 ] && echo sees pid 1 || echo does not see pid 1
}} >{PLACE}/said.new
mv {PLACE}/said.new {PLACE}/said
read line <{PLACE}/go
"""
_SAID, _GO = PLACE / "said", PLACE / "go"
_MUX = "/run/stacks-mux"
_CRONTAB = Path("/etc/cron.d/stacks")
_KEY = " ".join(SSH)
_PASSWORD = (
    f"sshpass -p pw{USER} ssh -o PubkeyAuthentication=no -o PreferredAuthentications=password"
    " -o KexAlgorithms=curve25519-sha256"
)
# Seconds for a login: logind lets it wait for the end of the user manager before it.
_PATIENCE = 120
_UNIT = Path(f"/home/{USER}/.config/systemd/user/stacks.service")
_GREETD = Path("/etc/greetd/config.toml")
# What is logged in at start, and the greeter that would come after it.
_AUTOLOGIN = f"""\
[terminal]
vt = 7
[initial_session]
user = "{USER}"
command = "env WLR_BACKENDS=headless WLR_RENDERER=pixman cage -- {PROBE}"
[default_session]
user = "_greetd"
command = "sleep infinity"
"""


@dataclass(frozen=True)
class Seen:
    """What a stack's program is in, and sees."""

    pid: int
    domain: str  # the line of its attr/yama/scope
    init: bool  # whether it sees pid 1


@dataclass(frozen=True)
class Stack:
    """One way to log in: its name, its PAM service, and how it is done.

    The service is empty where the session modules are not asked.
    """

    name: str
    service: str
    live: Callable[[], contextlib.AbstractContextManager[Seen]]


def prepare() -> None:
    """Put the program in place."""
    PLACE.mkdir(mode=0o1777)
    PLACE.chmod(0o1777)
    PROBE.write_text(_SCRIPT, encoding="ascii")
    PROBE.chmod(0o755)


def _expect() -> None:
    """Be ready for the program: it says its word once, and waits once."""
    for path in (_SAID, _GO):
        path.unlink(missing_ok=True)
    subprocess.run(["mkfifo", "-m", "666", _GO], check=True)


def _said() -> Seen:
    wait_for(_SAID.exists, "the program has said what it sees", seconds=_PATIENCE)
    pid, domain, init = _SAID.read_text(encoding="ascii").splitlines()
    return Seen(int(pid), domain, init == "sees pid 1")


def _let_go() -> None:
    # Where it has died nobody reads, and the pipe cannot be opened.
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(["sh", "-c", f"echo >{_GO}"], timeout=5, check=False)


@contextlib.contextmanager
def _until_let_go() -> Iterator[Seen]:
    """Wait for the program's word, and let it go after the block."""
    try:
        yield _said()
    finally:
        _let_go()


@contextlib.contextmanager
def _running(words: list[str], say: str = "") -> Iterator[subprocess.Popen[str]]:
    """Run a command while the block lasts, and expect it to end by itself afterwards."""
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        stdin = process.stdin
        assert stdin is not None
        stdin.write(say)
        stdin.flush()
        try:
            yield process
        except AssertionError:
            process.kill()
            # What it started may have the pipe open still.
            with contextlib.suppress(subprocess.TimeoutExpired):
                print(process.communicate(timeout=5)[0])
            raise
        finally:
            with contextlib.suppress(BrokenPipeError):
                stdin.close()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def _command(words: str) -> Callable[[], contextlib.AbstractContextManager[Seen]]:
    """Return a stack that runs the program as a shell command of root."""

    @contextlib.contextmanager
    def live() -> Iterator[Seen]:
        _expect()
        with _running(["sh", "-c", f"exec {words}"]), _until_let_go() as seen:
            yield seen

    return live


def _typed(words: str) -> Callable[[], contextlib.AbstractContextManager[Seen]]:
    """Return a stack that logs in on a terminal, where the program is typed at the prompt."""
    script = f"spawn {words}; expect {{$ }}; send exec\\ {PROBE}\\r; expect eof"
    return _command(f"expect -c 'set timeout {_PATIENCE}; {script}'")


def _process(pattern: str) -> int:
    """Wait for a process of the user by its command line, and return its pid."""
    find = f"pgrep -o -u {USER} -f {pattern!r}"
    wait_for(lambda: sh(find).status == 0, f"{USER} runs {pattern}")
    return int(sh(find).out)


@contextlib.contextmanager
def _sftp() -> Iterator[Seen]:
    with _running(["sftp", *SSH[1:], "-b", "-", f"{USER}@localhost"], "pwd\n"):
        pid = _process("sftp-server")
        yield Seen(pid, domain_of(pid), False)


@contextlib.contextmanager
def _forwarding() -> Iterator[Seen]:
    words = [*SSH, "-N", "-L", "2222:127.0.0.1:22", f"{USER}@localhost"]
    with subprocess.Popen(words) as process:
        try:
            banner = "exec 3<>/dev/tcp/127.0.0.1/2222 && head -c 4 <&3"
            wait_for(lambda: sh(banner).out.endswith("SSH-"), "the port is forwarded")
            pid = _process("^sshd.*: alice")
            yield Seen(pid, domain_of(pid), False)
        finally:
            process.terminate()


@contextlib.contextmanager
def _multiplexed() -> Iterator[Seen]:
    mux = " ".join([*SSH, "-S", _MUX])
    assert sh(f"{mux} -MNf {USER}@localhost </dev/null >/dev/null 2>&1").status == 0
    try:
        with _command(f"{mux} {USER}@localhost {PROBE}")() as seen:
            yield seen
    finally:
        sh(f"{mux} -O exit {USER}@localhost")


@contextlib.contextmanager
def _cron() -> Iterator[Seen]:
    _expect()
    _CRONTAB.write_text(f"* * * * * {USER} {PROBE}\n", encoding="ascii")
    try:
        with _until_let_go() as seen:
            _CRONTAB.unlink()
            yield seen
    finally:
        _CRONTAB.unlink(missing_ok=True)


@contextlib.contextmanager
def _at() -> Iterator[Seen]:
    _expect()
    done = sh(f"{_KEY} {USER}@localhost 'echo {PROBE} | at now 2>&1'")
    assert done.status == 0, done.out
    with _until_let_go() as seen:
        yield seen


@contextlib.contextmanager
def _user_manager() -> Iterator[Seen]:
    manager = f"user@{sh(f'id -u {USER}').out.strip()}"
    # logind forgets a user with neither a login nor this: it answers pam_systemd
    # in the manager no more then, which waits for that until its time is over.
    assert sh(f"loginctl enable-linger {USER}").status == 0
    link = _UNIT.parent / "default.target.wants" / _UNIT.name
    try:
        wait_for(lambda: sh(f"systemctl is-active {manager}").status == 0, "it has a manager")
        link.parent.mkdir(parents=True, exist_ok=True)
        _UNIT.write_text(f"[Service]\nExecStart={PROBE}\n", encoding="ascii")
        link.symlink_to(_UNIT)
        _expect()
        # One that runs has read its units.
        assert sh(f"systemctl restart {manager}").status == 0
        with _until_let_go() as seen:
            yield seen
    finally:
        sh(f"loginctl disable-linger {USER}")
        link.unlink(missing_ok=True)
        _UNIT.unlink(missing_ok=True)


@contextlib.contextmanager
def _display_manager() -> Iterator[Seen]:
    """A Wayland session: a compositor with one client, which is the program."""
    before = _GREETD.read_text(encoding="utf-8")
    _GREETD.write_text(_AUTOLOGIN, encoding="ascii")
    _expect()
    try:
        # It logs in by itself once after each boot.
        assert sh("rm -f /run/greetd.run; systemctl start greetd").status == 0
        with _until_let_go() as seen:
            client = Path(f"/proc/{seen.pid}/environ").read_bytes().split(b"\0")
            assert any(variable.startswith(b"WAYLAND_DISPLAY=") for variable in client)
            yield seen
    finally:
        _GREETD.write_text(before, encoding="utf-8")
        sh("systemctl stop greetd")


STACKS = (
    Stack("ssh, key", "sshd", _command(f"{_KEY} {USER}@localhost {PROBE}")),
    Stack("ssh, password", "sshd", _command(f"{_PASSWORD} {USER}@localhost {PROBE}")),
    Stack("ssh, terminal", "sshd", _command(f"{_KEY} -tt {USER}@localhost {PROBE}")),
    Stack("ssh, multiplexed", "sshd", _multiplexed),
    Stack("ssh, sftp", "sshd", _sftp),
    Stack("ssh, port forwarding", "sshd", _forwarding),
    Stack("login", "login", _typed(f"login -f {USER}")),
    Stack("agetty", "login", _typed(f"agetty --autologin {USER} --noclear - linux")),
    Stack("greetd, Wayland", "greetd", _display_manager),
    Stack("su", "su", _command(f"su {USER} -c {PROBE}")),
    Stack("su -l", "su-l", _command(f"su -l {USER} -c {PROBE}")),
    Stack("sudo", "sudo", _command(f"sudo -u {USER} {PROBE}")),
    Stack("sudo -i", "sudo-i", _command(f"sudo -i -u {USER} {PROBE}")),
    Stack("pkexec", "polkit-1", _command(f"pkexec --user {USER} {PROBE}")),
    Stack("cron", "cron", _cron),
    Stack("at", "atd", _at),
    Stack(
        "systemd-run -p PAMName=",
        "login",
        _command(f"systemd-run -q --wait --pipe -p User={USER} -p PAMName=login {PROBE}"),
    ),
    # It wants a terminal.
    Stack(
        "machinectl shell",
        "login",
        _command(f"script -qec 'machinectl -q shell {USER}@ {PROBE}' /dev/null"),
    ),
    Stack("user@.service", "systemd-user", _user_manager),
    Stack("runuser", "", _command(f"runuser -u {USER} {PROBE}")),
    Stack("runuser -l", "", _command(f"runuser -l {USER} -c {PROBE}")),
)
