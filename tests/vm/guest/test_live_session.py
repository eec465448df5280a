# guest: --long --timeout 1500
"""What a running session can be given, and what it is told: grants, signals, a new policy."""

import contextlib
import json
import os
import re
import shlex
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from logins import (
    POLICY,
    Done,
    Login,
    domain_of,
    end_logins,
    members,
    policy,
    sessions,
    set_sysctl,
    sh,
    wait_for,
)
from schema import section, violations

RELATIONAL, CAPABILITY = 1, 2
PAGE = Path(__file__).with_name("json.md").read_text(encoding="utf-8")
RULES = Path("/etc/polkit-1/rules.d/10-test.rules")

DESKTOP = """
[[rule]]
match = { user = "bob" }
preset = "open"
"""

BY_SESSION = """
[[rule]]
preset = "desktop"
group = "session"
"""

# Alice need not type her password for what is her own.
OWN = """
polkit.addRule(function(action, subject) {
    if (action.id == "org.yama.session1.allow-attach-own" && subject.user == "alice")
        return polkit.Result.YES;
});
"""

# Attaches when it is told to, again and again, and says whether it could.
TRACER = """
import ctypes, os, sys
SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
libc = ctypes.CDLL(None, use_errno=True)
orders, answers = sys.argv[1:]
while True:
    with open(orders) as order:
        word, pid = order.read().split()
    done = libc.ptrace(SEIZE, int(pid), None, None) == 0
    if done and word == "try":
        assert libc.ptrace(INTERRUPT, int(pid), None, None) == 0
        os.waitpid(int(pid), 0x40000000)
        assert libc.ptrace(DETACH, int(pid), None, None) == 0
    with open(answers, "w") as answer:
        answer.write(str(done))
"""

# Asks for a grant with any descriptors, and says what came of it.
ASK = """
import os, subprocess, sys, threading
from yama_session import ServiceError
from yama_session.service import client

def live(pid):
    return os.pidfd_open(pid)

def exited():
    process = subprocess.Popen(["true"])
    fd = os.pidfd_open(process.pid)
    process.wait()
    return fd

def thread():
    ids, go = [], threading.Event()
    threading.Thread(target=lambda: (ids.append(threading.get_native_id()), go.wait())).start()
    while not ids:
        pass
    return os.pidfd_open(ids[0], os.O_EXCL)

def passed():
    import socket
    peer = socket.socket(socket.AF_UNIX)
    peer.connect("/tmp/passed")
    return socket.recv_fds(peer, 1, 1)[1][0]

a, b, seconds = map(int, sys.argv[3:])
try:
    print("granted", client.allow_attach(eval(sys.argv[1]), eval(sys.argv[2]), seconds))
except ServiceError as error:
    print(type(error).__name__, error)
sys.stdout.flush()
os._exit(0)  # without waiting for the thread
"""

# Passes a pidfd of a process to whoever connects.
PASS = """
import array, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind("/tmp/passed")
os.chmod("/tmp/passed", 0o777)
server.listen()
while True:
    peer, _ = server.accept()
    socket.send_fds(peer, [b"x"], [os.pidfd_open(int(sys.argv[1]))])
    peer.close()
"""

# Subscribes, and writes down what it is told, as lines of a file.
LISTEN = """
import asyncio, sys
from dbus_next import BusType, Message, MessageType
from dbus_next.aio import MessageBus

async def main():
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    out = open(sys.argv[1], "w", buffering=1)

    def heard(message):
        if message.message_type is MessageType.SIGNAL and message.path == "/org/yama/Session1":
            print(message.member, message.body[0], file=out)

    bus.add_message_handler(heard)
    names = "org.yama.Session1", "/org/yama/Session1", "org.yama.Session1.Manager", "Subscribe"
    answer = await bus.call(Message(*names))
    print(answer.error_name or "subscribed", file=out)
    await bus.wait_for_disconnect()

asyncio.run(main())
"""


def orphan(login: Login, command: str) -> int:
    """Start a command of whose end the login's shell says nothing, and return its pid."""
    return int(login.check(f"({command} </dev/null >/dev/null 2>&1 & echo $!)"))


class Tracer:
    """A process of a login that attaches to what it is told to."""

    def __init__(self, login: Login, *, inside: str = "") -> None:
        self._directory = Path(login.check("mktemp -d /tmp/tracer.XXXXXX"))
        self._orders, self._answers = self._directory / "orders", self._directory / "answers"
        login.check(f"mkfifo {self._orders} {self._answers}")
        code = shlex.quote(TRACER)
        self.pid = orphan(
            login, f"{inside} /usr/bin/python3 -c {code} {self._orders} {self._answers}"
        )

    def attaches(self, pid: int, *, stay: bool = False) -> bool:
        """Can it attach now?"""
        self._orders.write_text(f"{'stay' if stay else 'try'} {pid}")
        return self._answers.read_text() == "True"


def allow(login: Login, tracee: int, tracer: int | str, *, time: str = "10m") -> Done:
    return login.run(f"yama-session allow-attach {tracee} --tracer {tracer} --for {time} --json")


def allowed(login: Login, tracee: int, tracer: int | str, *, time: str = "10m") -> str:
    """Get a grant that must be given, and return its id."""
    done = allow(login, tracee, tracer, time=time)
    assert done.status == 0, done.out
    return str(json.loads(done.out)["id"])


def grants(login: Login) -> list[str]:
    return [
        each["id"] for each in json.loads(login.check("yama-session allow-attach --list --json"))
    ]


def journal(pattern: str) -> str:
    """What the service has said that fits."""
    sh("journalctl --sync")
    return sh(f"journalctl -b -q --no-pager -o cat -u yama-session -g {shlex.quote(pattern)}").out


def gdb(login: Login, pid: int, *, before: str = "") -> bool:
    done = login.run(f"{before} gdb -nx -batch -ex 'info inferiors' -p {pid}")
    return "ptrace: " not in done.out and f"process {pid}" in done.out


@contextlib.contextmanager
def rules(text: str) -> Iterator[None]:
    """Give polkit a rule, for a time, in the place of the one before."""
    before = RULES.read_text(encoding="ascii") if RULES.exists() else ""

    def put(rule: str) -> None:
        RULES.write_text(rule, encoding="ascii")
        assert sh("systemctl restart polkit").status == 0

    put(text)
    try:
        yield
    finally:
        put(before)


@pytest.fixture(autouse=True)
def _relational() -> None:
    set_sysctl(RELATIONAL)


@pytest.fixture(autouse=True)
def _own_grants() -> Iterator[None]:
    """Let no test find what another one has granted."""
    yield
    for grant in json.loads(sh("yama-session allow-attach --list --json").out):
        sh(f"yama-session allow-attach --revoke {grant['id']}")


@pytest.fixture(scope="module")
def alice() -> Iterator[Login]:
    with policy(DESKTOP), rules(OWN), Login("alice") as login:
        assert login.domain().startswith("scope=1 view=user")
        yield login
    end_logins("alice", "bob")


@pytest.fixture
def tracee(alice: Login) -> int:
    """A process of hers that no tracer of hers has started."""
    return orphan(alice, "sleep 600")


@pytest.fixture
def tracer(alice: Login) -> Tracer:
    return Tracer(alice)


def test_gdb_is_refused_and_debug_gets_it_in(alice: Login, tracee: int) -> None:
    assert not gdb(alice, tracee)
    assert gdb(alice, tracee, before="yama-session debug --")
    assert not gdb(alice, tracee)
    wait_for(lambda: grants(alice) == [], "the grant has ended with gdb")
    strace = alice.run(f"timeout 5 yama-session debug -- strace -qq -e trace=none -p {tracee}")
    assert (strace.status, strace.out.strip()) == (124, "")


def test_debug_says_what_is_missing(alice: Login, tracee: int) -> None:
    done = alice.run("yama-session debug -- gdb -nx -batch")
    assert (done.status, "is given no process" in done.out) == (2, True)
    done = alice.run(f"yama-session debug --pid {tracee} -- no-such-debugger")
    assert (done.status, "No such file" in done.out) == (127, True)
    done = alice.run("yama-session debug -- gdb -nx -batch -p 1")
    assert (done.status, "process 1: No such process" in done.out) == (125, True)


def test_grant_is_for_one_tracer_and_one_tracee(alice: Login, tracee: int, tracer: Tracer) -> None:
    other_tracee, other_tracer = orphan(alice, "sleep 600"), Tracer(alice)
    assert not tracer.attaches(tracee)
    grant = allowed(alice, tracee, tracer.pid)
    assert tracer.attaches(tracee)
    assert not tracer.attaches(other_tracee)
    assert not other_tracer.attaches(tracee)
    assert not gdb(alice, tracee)
    assert grants(alice) == [grant]
    # A second one takes the place of the first.
    second = allowed(alice, tracee, other_tracer.pid)
    assert journal(f"attach {grant}: ended: another one takes its place")
    assert not tracer.attaches(tracee)
    assert other_tracer.attaches(tracee)
    assert grants(alice) == [second]
    alice.check(f"yama-session allow-attach --revoke {second}")
    assert not other_tracer.attaches(tracee)
    assert grants(alice) == []
    assert journal(f"attach {second}: ended: uid 1000 has revoked it")


def test_no_new_attach_when_the_time_is_over(alice: Login, tracee: int, tracer: Tracer) -> None:
    stays = orphan(alice, "sleep 600")
    staying = allowed(alice, stays, tracer.pid, time="12s")
    grant = allowed(alice, tracee, tracer.pid, time="12s")
    assert tracer.attaches(stays, stay=True)
    assert tracer.attaches(tracee)
    wait_for(lambda: not {grant, staying} & {*grants(alice)}, "the time is over")
    assert not tracer.attaches(tracee)
    assert not tracer.attaches(tracee)
    # What was attached in time is so still.
    assert f"TracerPid:\t{tracer.pid}\n" in Path(f"/proc/{stays}/status").read_text()
    assert journal(f"attach {grant}: ended: its time is over")
    (line,) = journal(f"attach {grant}: uid").splitlines()
    assert f"({tracer.pid}) trace sleep ({tracee}) of uid 1000 for 12 s" in line
    assert "org.yama.session1.allow-attach-own" in line


def test_tracer_is_what_has_started_the_command(alice: Login, tracee: int) -> None:
    shell = int(alice.check("echo $$"))
    made = json.loads(alice.check(f"yama-session allow-attach {tracee} --json"))
    assert (made["tracer"], made["tracer_name"], made["tracee"]) == (shell, "bash", tracee)
    assert list(violations(section(PAGE, "allow-attach"), [made])) == []
    listed = json.loads(alice.check("yama-session allow-attach --list --json"))
    assert listed == [made]
    (line,) = alice.check("yama-session allow-attach --list").splitlines()[1:]
    assert line.split()[:3] == [made["id"], "bash", f"({shell})"]
    said = alice.check(f"yama-session allow-attach {tracee}")
    assert said.startswith(f"bash ({shell}), and nothing that it starts, may attach to sleep")
    # What it starts does not inherit it.
    assert not gdb(alice, tracee)
    (grant,) = grants(alice)
    alice.check(f"yama-session allow-attach --revoke {grant}")


def test_grant_ends_with_either_process(alice: Login, tracee: int, tracer: Tracer) -> None:
    allowed(alice, tracee, tracer.pid)
    alice.check(f"kill -9 {tracee}")
    wait_for(lambda: grants(alice) == [], "the tracee has exited")
    allowed(alice, orphan(alice, "sleep 600"), tracer.pid)
    alice.check(f"kill -9 {tracer.pid}")
    wait_for(lambda: grants(alice) == [], "the tracer has exited")


def asked(login: Login, tracee: str, tracer: str, a: int = 0, b: int = 0, seconds: int = 60) -> str:
    """Ask for a grant with descriptors that two expressions give, of the pids a and b."""
    done = login.python(ASK, tracee, tracer, a, b, seconds)
    assert done.status == 0, done.out
    return done.out


@pytest.mark.parametrize(
    ("what", "who", "seconds", "error"),
    [
        ("live(a)", "live(b)", 0, "InvalidArgument .*seconds = 0"),
        ("live(a)", "live(b)", 86401, "InvalidArgument .*seconds = 86401"),
        ("live(a)", "live(a)", 60, "InvalidArgument .*cannot trace itself"),
        ("os.open('/dev/null', 0)", "live(b)", 60, "InvalidArgument .*tracee is /dev/null"),
        ("live(a)", "os.open('/proc/self', 0)", 60, "InvalidArgument .*tracer is /proc"),
        ("exited()", "live(b)", 60, "InvalidArgument .*tracee has exited"),
        ("live(a)", "exited()", 60, "InvalidArgument .*tracer has exited"),
        ("thread()", "live(b)", 60, "NoSuchProcess .*is a thread"),
    ],
)
def test_argument_that_means_nothing_is_named(
    alice: Login, tracee: int, tracer: Tracer, what: str, who: str, seconds: int, error: str
) -> None:
    answer = asked(alice, what, who, tracee, tracer.pid, seconds)
    assert re.match(error, answer), answer


def test_others_processes_are_no_user_s_to_grant(alice: Login, tracee: int, tracer: Tracer) -> None:
    """Set-uid programs, the root part of her own login, and another user's process."""
    root = int(
        alice.check("sudo -n sleep 600 </dev/null >/dev/null 2>&1 & sleep 1; pgrep -n -x sleep")
    )
    monitor = int(sh("pgrep -o -f '^sshd: alice .priv'").out)
    for process in (root, monitor):
        assert Path(f"/proc/{process}").stat().st_uid == 0
        for pair in ((process, tracer.pid), (tracee, process)):
            answer = asked(alice, "live(a)", "live(b)", *pair)
            assert answer.startswith("AuthenticationRequired"), answer
            assert "org.yama.session1.allow-attach:" in answer
    with Login("bob") as bob:
        assert bob.domain() == "none"
        mine = Tracer(bob)
        assert bob.sees(tracee)
        for pair in (
            (tracee, mine.pid),
            (tracee, tracer.pid),
            (orphan(bob, "sleep 600"), tracer.pid),
        ):
            answer = asked(bob, "live(a)", "live(b)", *pair)
            assert answer.startswith("AuthenticationRequired"), answer
            assert "org.yama.session1.allow-attach:" in answer
        assert not mine.attaches(tracee)
    assert grants(alice) == []
    assert sh("yama-session allow-attach --list --json").out.strip() == "[]"


def test_root_grants_without_polkit(alice: Login, tracee: int, tracer: Tracer) -> None:
    assert sh("systemctl stop polkit").status == 0
    alice.check(f"sudo -n yama-session allow-attach {tracee} --tracer {tracer.pid}")
    assert tracer.attaches(tracee)
    (grant,) = grants(alice)
    with Login("bob") as bob:
        assert grants(bob) == []
        done = bob.run(f"yama-session allow-attach --revoke {grant}")
        assert (done.status, f"there is no grant '{grant}'" in done.out) == (125, True)
    alice.check(f"yama-session allow-attach --revoke {grant}")
    assert not tracer.attaches(tracee)


def test_sandbox_s_process_is_granted_from_outside_only(alice: Login, tracee: int) -> None:
    inside = alice.spawn("yama-session run --quiet -- sleep 600")
    wait_for(lambda: "depth=2" in domain_of(inside), "it is in its own domain")
    outside = Tracer(alice)
    assert not outside.attaches(inside)
    allowed(alice, inside, outside.pid)
    assert outside.attaches(inside)
    # The other way round it would let a sandbox out.
    confined = Tracer(alice, inside="yama-session run --quiet --")
    wait_for(lambda: "depth=2" in domain_of(confined.pid), "it is in its own domain")
    answer = asked(alice, "live(a)", "live(b)", tracee, confined.pid)
    assert "org.yama.session1.allow-attach:" in answer
    assert not confined.attaches(tracee)


def test_scope_2_needs_an_administrator_and_scope_3_yields_to_nobody(
    alice: Login, tracee: int, tracer: Tracer
) -> None:
    set_sysctl(CAPABILITY)
    done = allow(alice, tracee, tracer.pid)
    assert (done.status, "org.yama.session1.allow-attach:" in done.out) == (125, True)
    assert not tracer.attaches(tracee)
    with rules(OWN.replace("-own", "")):
        allowed(alice, tracee, tracer.pid)
        assert tracer.attaches(tracee)
    set_sysctl(RELATIONAL)
    inside = Tracer(alice, inside="yama-session run --quiet --scope 3 --")
    wait_for(lambda: "scope=3" in domain_of(inside.pid), "it is in its own domain")
    done = sh(f"yama-session allow-attach {tracee} --tracer {inside.pid}")
    assert (done.status, "at scope 3 (no-attach), which no grant lifts" in done.out) == (125, True)


def test_grant_holds_over_a_restart_for_its_time(alice: Login, tracee: int, tracer: Tracer) -> None:
    grant = allowed(alice, tracee, tracer.pid, time="90s")
    before = sh("systemctl show -P MainPID yama-session").out
    os.kill(int(before), signal.SIGKILL)
    known = "yama-session allow-attach --list --json"
    wait_for(lambda: grant in sh(known).out, "the next one knows it")
    assert sh("systemctl show -P MainPID yama-session").out != before
    assert grants(alice) == [grant]
    assert tracer.attaches(tracee)
    assert sh("systemctl restart yama-session").status == 0
    assert grants(alice) == [grant]
    assert tracer.attaches(tracee)
    wait_for(lambda: grants(alice) == [], "the time is over", seconds=120.0)
    assert not tracer.attaches(tracee)
    assert journal(f"attach {grant}: ended: its time is over")
    assert list(Path("/run/yama-session/grants").iterdir()) == []


def test_grant_does_not_outlive_a_service_that_stays_away(
    alice: Login, tracee: int, tracer: Tracer
) -> None:
    allowed(alice, tracee, tracer.pid)
    try:
        assert sh("systemctl stop yama-session").status == 0
        wait_for(lambda: not tracer.attaches(tracee), "it is withdrawn", seconds=40.0)
        assert list(Path("/run/yama-session/grants").iterdir()) == []
    finally:
        assert sh("systemctl start yama-session").status == 0
    assert not tracer.attaches(tracee)


def test_process_that_hangs_in_exec_holds_up_nobody(alice: Login, tracer: Tracer) -> None:
    """The kernel cannot give a grant then, and what it gives later is not wanted any more."""
    alice.check("mkdir -p /tmp/slow /tmp/fast && cp /bin/dash /tmp/fast")
    alice.check("printf '#!/tmp/slow/dash\\nsleep 600\\n:\\n' > /tmp/hang && chmod +x /tmp/hang")
    sh("chmod 666 /dev/fuse")  # what udev does
    alice.check("bindfs --no-allow-other /tmp/fast /tmp/slow && mkfifo ~/go")
    server = int(sh("pgrep -x bindfs").out)
    hangs = orphan(alice, "bash -c 'read go < ~/go; exec /tmp/hang'")
    try:
        os.kill(server, signal.SIGSTOP)
        Path("/home/alice/go").write_text("go\n")

        def busy() -> bool:
            done = allow(alice, hangs, tracer.pid)
            if done.status == 0:  # it has not come that far
                grant = json.loads(done.out)["id"]
                alice.run(f"yama-session allow-attach --revoke {grant}")
            return "is it starting a program? try again" in done.out

        wait_for(busy, "the kernel waits for the tracee")
        start = time.monotonic()
        with Login("bob") as bob:
            assert bob.domain() == "none"
            assert "bob" in {s["user"] for s in sessions()}  # by the service, not the fallback
        assert time.monotonic() - start < 15
        assert "another grant comes or goes" in allow(alice, hangs, tracer.pid).out
    finally:
        os.kill(server, signal.SIGCONT)
    wait_for(lambda: journal("it came too late") != "", "the late one is withdrawn")
    wait_for(lambda: Path(f"/proc/{hangs}/comm").read_text() == "hang\n", "it has started")
    assert not tracer.attaches(hangs)
    alice.check(f"kill {hangs}; fusermount3 -uz /tmp/slow; rm ~/go")


def test_grants_are_limited(alice: Login, tracer: Tracer) -> None:
    code = """
import os, subprocess, sys
from yama_session import ServiceError
from yama_session.service import client
tracer = os.pidfd_open(int(sys.argv[1]))
made = 0
try:
    while made < 40:
        process = subprocess.Popen(["sleep", "600"])
        client.allow_attach(os.pidfd_open(process.pid), tracer, 600)
        made += 1
except ServiceError as error:
    print(made, type(error).__name__)
"""
    before = len(grants(alice))
    done = alice.python(code, tracer.pid)
    assert done.out.split() == [str(16 - before), "LimitExceeded"]
    alice.check(f"kill -9 {tracer.pid}")
    wait_for(lambda: grants(alice) == [], "all have ended with their tracer")


def test_password_is_asked_on_the_terminal(alice: Login) -> None:
    """The real agent and the real question, with the right answer and a wrong one."""
    with rules("polkit.addRule(function(action, subject) { });\n"):
        for password, granted in (("pwalice", True), ("wrong", False)):
            target = orphan(alice, "sleep 600")
            command = Path("/tmp/debugs")
            command.write_text(
                f"exec yama-session debug -- gdb -nx -batch -ex 'info inferiors' -p {target}\n"
            )
            script = f"""
                set timeout 60
                spawn ssh -tt -o BatchMode=yes alice@localhost sh {command}
                expect "let yama-session (" {{}} timeout {{exit 7}}
                expect "trace sleep ({target}) for 600 seconds"
                expect "Password:"
                send "{password}\\r"
                expect eof
                exit [lindex [wait] 3]
            """
            done = sh(f"expect -c {shlex.quote(script)}", timeout=120)
            assert (f"process {target}" in done.out) == granted, done.out
            assert (done.status == 0) == granted, done.out


class Listener:
    """A process of a login that has subscribed, and what it was told."""

    def __init__(self, login: Login) -> None:
        self._file = Path(login.check("mktemp /tmp/heard.XXXXXX"))
        login.spawn(f"/usr/bin/python3 -c {shlex.quote(LISTEN)} {self._file}")
        wait_for(lambda: self.heard != [], "it has subscribed")
        assert self.heard == ["subscribed"]

    @property
    def heard(self) -> list[str]:
        """What it was told, whole lines only."""
        return self._file.read_text(encoding="utf-8").split("\n")[:-1]


def opened_by(login: Login) -> str:
    """The id of the newest session of a login's user."""
    own = [s for s in sessions() if s["user"] == login.user and s["service"] == "sshd"]
    return str(max(own, key=lambda s: float(str(s["since"])))["id"])


def test_subscriber_is_told_of_the_sessions_that_it_may_see(alice: Login) -> None:
    listener = Listener(alice)
    with Login("bob") as bob:
        foreign = opened_by(bob)
    with Login("alice") as other:
        own = opened_by(other)
        wait_for(lambda: f"SessionNew {own}" in listener.heard, "it is told of her own")
    wait_for(lambda: f"SessionRemoved {own}" in listener.heard, "it is told of the end")
    assert foreign not in " ".join(listener.heard)


def test_busctl_is_enough(alice: Login) -> None:
    names = "org.yama.Session1 /org/yama/Session1"
    manager = f"{names} org.yama.Session1.Manager"
    shown = alice.check(f"busctl --no-pager introspect {names}")
    for word in (".AllowAttach", ".SessionNew", ".PolicyState", ".PropertiesChanged"):
        assert f"\n{word} " in shown
    assert alice.check(f"busctl get-property {manager} Enforcer") == 's "yama"'
    assert alice.check(f"busctl get-property {manager} KernelInterface") == "u 2"
    assert alice.check(f"busctl call {manager} ListGrants").startswith("aa{sv} ")
    refused = alice.run(f"busctl --allow-interactive-authorization=no call {manager} Reload")
    assert (refused.status, "org.yama.session1.reload" in refused.out) == (1, True)
    actions = alice.check("pkaction --verbose --action-id org.yama.session1.allow-attach-own")
    assert re.search(r"implicit any: +auth_self\n", actions)
    # Signals are for one at a time, but root may watch the bus.
    watch = "timeout 60 busctl monitor --match type=signal,sender=org.yama.Session1"
    sh(f"{watch} > /tmp/monitored 2>&1 &")
    monitored = Path("/tmp/monitored")
    wait_for(lambda: "Monitoring" in monitored.read_text(), "it watches")
    listener = Listener(alice)
    with Login("alice"):
        wait_for(lambda: len(listener.heard) > 1, "it is told")
    wait_for(lambda: "Member=SessionNew" in monitored.read_text(), "busctl has seen it")


def test_session_of_the_same_user_is_out_of_reach() -> None:
    """A descriptor that another session has passed opens no way into it."""
    with policy(BY_SESSION), rules(OWN), Login("alice") as one, Login("alice") as other:
        assert one.domain_id() != other.domain_id()
        hidden = other.spawn("sleep 600")
        mine = Tracer(one)
        done = allow(one, hidden, mine.pid)
        assert (done.status, f"process {hidden}: No such process" in done.out) == (125, True)
        sh("rm -f /tmp/passed")
        other.spawn(f"/usr/bin/python3 -c {shlex.quote(PASS)} {hidden}")
        wait_for(lambda: Path("/tmp/passed").exists(), "it listens")
        refused = "AuthenticationRequired .*org.yama.session1.allow-attach:"
        assert re.match(refused, asked(one, "passed()", "live(b)", b=mine.pid))
        assert not mine.attaches(hidden)
        # Nor does one let another session's tracer in.
        assert re.match(refused, asked(one, "live(a)", "passed()", a=one.spawn("sleep 600")))
        # Nor is one told of another session: only of what is no session's, afterwards.
        listener = Listener(one)
        with Login("alice"):
            POLICY.write_text("[[rule]]\nscope = 9\n", encoding="utf-8")
            assert sh("systemctl reload yama-session").status != 0
        wait_for(lambda: len(listener.heard) > 1, "it is told of the policy")
        assert listener.heard[1:] == ["PropertiesChanged org.yama.Session1.Manager"]
        # What one session has granted, the other does not learn.
        allowed(one, one.spawn("sleep 600"), mine.pid)
        assert len(grants(one)) == 1
        assert grants(other) == []


def reload(text: str) -> None:
    POLICY.write_text(text, encoding="utf-8")
    done = sh("systemctl reload yama-session")
    assert done.status == 0, done.out


def rule(scope: int) -> str:
    return f'[[rule]]\nmatch = {{ user = "alice" }}\nscope = {scope}\nview = "domain"\n'


def pending() -> bool:
    told = json.loads(sh("yama-session status --json").out)["service"]["pending"]
    return any("uid 1000" in line for line in told)


def test_stricter_policy_holds_for_what_starts_next() -> None:
    with policy(rule(0)), Login("alice") as first:
        before = first.domain()
        assert before.startswith("scope=0 ")
        old = first.spawn("sleep 600")
        reload(rule(2))
        assert first.domain() == before
        with Login("alice") as second, Login("alice") as third:
            assert second.domain().startswith("scope=2 view=domain depth=2")
            assert third.domain() == second.domain()
            new = second.spawn("sleep 600")
            assert first.sees(new)
            assert not second.sees(old)
            assert not pending()
            # What is looser waits.
            reload(rule(1))
            with Login("alice") as fourth:
                assert fourth.domain() == second.domain()
            assert pending()
            # A restart of the service makes no third domain.
            assert sh("systemctl restart yama-session").status == 0
            with Login("alice") as fifth:
                assert fifth.domain() == second.domain()
            assert pending()
        assert first.domain() == before
    # policy() ends her logins; the user manager keeps the domain as long as it runs.
    with policy(rule(1)), Login("alice") as alice:
        assert alice.domain().startswith("scope=1 view=domain depth=1")
        assert not pending()


def test_override_that_is_taken_back_is_shown_as_pending() -> None:
    """With the sysctl at 0 it makes no difference yet, and none when that rises."""
    text = rule(0)
    set_sysctl(0)
    with policy(f"{text}override = true\n"), Login("alice") as first:
        assert "override" in first.domain()
        assert not pending()
        reload(text)
        with Login("alice") as second:
            assert second.domain() == first.domain()
            assert pending()
    with policy(text), Login("alice") as alice:
        assert "override" not in alice.domain()
        assert not pending()


def test_stricter_view_is_nested_and_root_s_look_is_whole() -> None:
    text = '[[rule]]\nmatch = {{ user = "alice" }}\npreset = "{}"\n'
    with policy(text.format("developer")), Login("alice") as first:
        assert "override" in first.domain()
        reload(text.format("desktop"))
        with Login("alice") as second:
            # It inherits the override, so what the sysctl says now is counted in.
            assert second.domain().startswith("scope=1 view=user depth=2")
            assert members(second.domain_id()) < {*map(int, sh("ps -eo pid=").out.split())}
        reload(text.format("open"))
        with Login("alice") as third:
            assert third.domain().startswith("scope=1 view=user depth=2")
            assert pending()


def test_off_withdraws_what_was_granted() -> None:
    with policy(DESKTOP), rules(OWN), Login("alice") as alice:
        tracee, tracer = orphan(alice, "sleep 600"), Tracer(alice)
        allowed(alice, tracee, tracer.pid)
        assert tracer.attaches(tracee)
        try:
            off = sh("yama-session off")
            assert off.status == 0, off.out
            assert not tracer.attaches(tracee)
        finally:
            on = sh("pam-auth-update --enable yama-session; systemctl enable --now yama-session")
            assert on.status == 0, on.out
