"""The real service on a bus of its own, with the landlock enforcer of the running kernel."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import MessageType
from dbus_next.message import Message
from service_bench import LIMIT, POLICY, PYTHON, ROOT, ServiceBench, service_bench, wait_for

from yama_session.levels import View
from yama_session.native import OwnedFd
from yama_session.scope import supported
from yama_session.service import limits
from yama_session.service.bus import Reply, Service
from yama_session.service.caller import Caller
from yama_session.service.interface import BUS_NAME, INTERFACE, OBJECT_PATH
from yama_session.service.seat import seat

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("as_root")]

ERROR = "org.yama.Session1.Error."


@pytest.fixture
def bench() -> Iterator[ServiceBench]:
    with service_bench() as made:
        yield made


@pytest.fixture
def service(bench: ServiceBench) -> ServiceBench:
    bench.start()
    return bench


def test_login_gets_token_and_mount(service: ServiceBench) -> None:
    with service.login() as reply:
        assert reply["error"] is None
        _, action, enforcer, scope, view, proc, token, mount = reply["body"]
        assert (action, enforcer, scope, proc) == ("open", "landlock", 1, "private")
        assert view == View.DOMAIN
        assert (token, mount) == ([0], [1])
        assert reply["fds"][0] == "anon_inode:[landlock-ruleset]"
        assert reply["fds"][1] == "/"


def test_session_is_listed_and_recorded_for_root_only(service: ServiceBench) -> None:
    with service.login() as reply:
        (session,) = service.sessions()
        pid = reply["process"].pid
        assert (session["id"], session["uid"], session["pid"]) == (reply["body"][0], 1000, pid)
        assert session["source"] == f"{service.policy}/policy.toml:5"
        (file,) = (service.run / "sessions").iterdir()
        assert json.loads(file.read_text()) == {"version": 3, **session}
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_session_ends_with_its_leader(service: ServiceBench) -> None:
    with service.login() as reply:
        reply["process"].send_signal(signal.SIGKILL)
        wait_for(lambda: not service.sessions(), "the session outlived its leader")
    assert list((service.run / "sessions").iterdir()) == []


def test_exempt_user_gets_nothing_to_apply(service: ServiceBench) -> None:
    with service.login("bob", 1001) as reply:
        assert reply["error"] is None
        assert reply["body"][1:8] == ["open", "", 0, 0, "host", [], []]


def test_nested_login_of_the_same_user_or_root_stays(service: ServiceBench) -> None:
    with service.login() as outer:
        outer_id = outer["body"][0]
        for uid, user, action, parent in (
            (0, "root", "stay", outer_id),
            (1000, "alice", "stay", outer_id),
            (1002, "eve", "open", ""),
        ):
            reply, sessions = _login_below(service, outer["process"], uid, user)
            assert reply["body"][1] == action, (user, reply)
            (session,) = (s for s in sessions if s["id"] == reply["body"][0])
            assert (session["action"], session["parent"]) == (action, parent)


def _login_below(
    service: ServiceBench, leader: subprocess.Popen[bytes], uid: int, user: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Have a child of a session's leader open a session; the reply, and what is listed then."""
    assert leader.stdin is not None
    assert leader.stdout is not None
    leader.stdin.write(json.dumps({"args": [uid, user, "sudo", "", "", 0]}).encode() + b"\n")
    leader.stdin.flush()
    reply: dict[str, Any] = json.loads(leader.stdout.readline())
    sessions = service.sessions()
    leader.stdin.write(b"\n")
    leader.stdin.flush()
    return reply, sessions


def test_foreign_pidfd_is_denied(service: ServiceBench) -> None:
    with service.login(leader=os.getpid()) as reply:
        assert reply["error"] == ERROR + "AccessDenied"
        assert str(os.getpid()) in reply["body"][0]
    assert service.sessions() == []


def test_descriptor_that_is_no_pidfd_is_named(service: ServiceBench) -> None:
    with service.login(fd="/dev/null") as reply:
        assert reply["error"] == ERROR + "InvalidArgument"
        assert "/dev/null" in reply["body"][0]


def test_leader_in_another_pid_namespace_is_foreign(service: ServiceBench) -> None:
    wish = {"args": [1000, "alice", "sshd", "", "", 0]}
    done = subprocess.run(
        [
            "unshare",
            "--user",
            "--map-root-user",
            PYTHON,
            str(ROOT / "tests/host/service_leader.py"),
            json.dumps(wish),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=service.environ,
        timeout=LIMIT,
    )
    assert json.loads(done.stdout)["error"] == ERROR + "ForeignNamespace"


@pytest.mark.parametrize(
    ("pair", "name", "words"),
    [
        ("of a process before", "AccessDenied", "lifetime was made by pid"),
        ("of a user", "AccessDenied", "uid 65534"),
        ("to a daemon", "InvalidArgument", "socketpair"),
        ("from a client", "InvalidArgument", "socketpair"),
        ("given up", "AccessDenied", "given up"),
        ("stream", "InvalidArgument", "socketpair"),
        ("inet", "InvalidArgument", "socketpair"),
        ("file", "InvalidArgument", "/dev/null"),
    ],
)
def test_leader_proves_itself_by_a_pair_of_its_own(
    service: ServiceBench, pair: str, name: str, words: str
) -> None:
    with service.login(pair=pair) as reply:
        assert reply["error"] == ERROR + name
        assert words in reply["body"][0]
    assert service.sessions() == []


def test_login_that_gave_up_and_became_the_user_is_told_so(service: ServiceBench) -> None:
    with service.login(pair="given up", euid=65534) as reply:
        assert reply["error"] == ERROR + "AccessDenied"
        assert "given up" in reply["body"][0]


def test_leader_is_still_root(service: ServiceBench) -> None:
    with service.login(euid=65534) as reply:
        assert reply["error"] == ERROR + "AccessDenied"
        assert "uid 65534" in reply["body"][0]


def test_descriptor_of_any_name_is_named(service: ServiceBench) -> None:
    file = service.directory / os.fsdecode(b"\xff")
    file.touch()
    with service.login(fd=str(file)) as reply:
        assert reply["error"] == ERROR + "InvalidArgument"
        assert f"{service.directory}/\N{REPLACEMENT CHARACTER}" in reply["body"][0]


@pytest.mark.parametrize("member", ["OpenSession", "CloseSession", "GetPolicy"])
def test_bus_denies_other_users_what_is_roots(service: ServiceBench, member: str) -> None:
    done = service.ask(member, uid=65534)
    assert done.returncode != 0
    assert "Access denied" in done.stderr or "rejected" in done.stderr


def test_other_users_see_their_own_sessions_only(service: ServiceBench) -> None:
    with service.login() as reply, service.login("nobody", 65534) as other:
        assert {reply["body"][0], other["body"][0]} == {s["id"] for s in service.sessions()}
        assert [other["body"][0]] == [s["id"] for s in service.sessions(uid=65534)]
        assert service.sessions(uid=1) == []


@pytest.mark.parametrize(
    ("args", "word"),
    [
        ([1000, "", "sshd", "", "", 0], "user"),
        ([0xFFFFFFFF, "alice", "sshd", "", "", 0], "4294967295"),
        ([1000, "alice", "sshd", "", "", 8], "0x8"),
        ([1000, "alice", "s" * 1025, "", "", 0], "service"),
    ],
)
def test_garbage_argument_is_named(service: ServiceBench, args: list[object], word: str) -> None:
    with service.login(args=args) as reply:
        assert reply["error"] == ERROR + "InvalidArgument"
        assert word in reply["body"][0]
    assert service.sessions() == []


def test_wrong_signature_is_refused(service: ServiceBench) -> None:
    with service.login(signature="") as reply:
        assert reply["error"] == ERROR + "InvalidArgument"
        assert "'hhussssu'" in reply["body"][0]


def test_unknown_session_cannot_be_closed(service: ServiceBench) -> None:
    done = service.ask("CloseSession", "s", "nonsense")
    assert "there is no session 'nonsense'" in done.stderr


def test_close_ends_the_session(service: ServiceBench) -> None:
    with service.login() as reply:
        assert service.ask("CloseSession", "s", reply["body"][0]).returncode == 0
        assert service.sessions() == []


def test_procfs_is_handed_out_within_a_limit(service: ServiceBench) -> None:
    for _ in range(limits.PROCFS_BURST):
        done = service.ask("GetDetachedProcfs", uid=65534)
        assert done.returncode == 0, done.stderr
    results = [service.ask("GetDetachedProcfs", uid=65534) for _ in range(40)]
    refused = [done for done in results if "uid 65534 had 64 procfs instances" in done.stderr]
    assert refused
    assert service.ask("GetDetachedProcfs", uid=1).returncode == 0


def test_journal_names_who_is_refused_and_bounds_what_a_user_writes(service: ServiceBench) -> None:
    properties, long = "org.freedesktop.DBus.Properties", "x" * 100_000
    for _ in range(limits.LINES_BURST + 10):
        done = service.ask("Get", "ss", INTERFACE, long, uid=65534, interface=properties)
        assert "there is no property 'xxx" in done.stderr
        assert len(done.stderr) < 3000
    service.ask("CloseSession", "s", "nonsense")
    with service.login("no-such-user", 7777):
        pass
    lines = [line for line in service.log.read_text().splitlines() if "refused " in line]
    assert max(map(len, lines)) < 3000
    mine = [line for line in lines if "refused Get of uid 65534 (pid " in line]
    assert limits.LINES_BURST <= len(mine) < limits.LINES_BURST + 10
    # What others are refused is not lost among these.
    assert any("refused CloseSession of uid 0 (pid " in line for line in lines)
    assert any("refused OpenSession for uid 7777 (:" in line for line in lines)


async def flood(address: str, connections: int, calls: int) -> list[MessageType]:
    """Call Status on each connection, all at once, and return the kinds of answers."""
    buses: list[Any] = [await MessageBus(address).connect() for _ in range(connections)]
    try:
        answers = await asyncio.gather(
            *(
                bus.call(Message(BUS_NAME, OBJECT_PATH, INTERFACE, "Status"))
                for bus in buses
                for _ in range(calls)
            )
        )
        return [answer.message_type for answer in answers]
    finally:
        for bus in buses:
            bus.disconnect()


def test_more_answers_than_the_socket_holds_are_all_written(service: ServiceBench) -> None:
    kinds = asyncio.run(flood(f"unix:path={service.directory}/bus", 12, 100))
    assert kinds == [MessageType.METHOD_RETURN] * 1200
    assert service.service is not None
    assert service.service.poll() is None


class Patient:
    """A handler whose answer to everybody's calls waits until it may go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.running = self.most = self.fds = 0

    async def call(
        self, method: str, caller: Caller, args: Sequence[Any], fds: Sequence[OwnedFd]
    ) -> Reply:
        if method == "CloseSession":
            return Reply()
        self.running += 1
        self.most = max(self.most, self.running)
        self.fds += len(fds)
        await self.go.wait()
        self.running -= 1
        return Reply([{}])

    async def login(self, args: Sequence[Any], fds: Sequence[OwnedFd]) -> Reply:
        return Reply()

    def properties(self, caller: Caller) -> dict[str, object]:
        return {}


async def overtake(address: str) -> Patient:
    """Let many calls of Status wait, and one of root's overtake them."""
    handler = Patient()
    await Service(handler).connect()
    bus: Any = await MessageBus(address, negotiate_unix_fd=True).connect()
    try:
        calls = [
            asyncio.ensure_future(
                bus.call(Message(BUS_NAME, OBJECT_PATH, INTERFACE, "Status", unix_fds=[0]))
            )
            for _ in range(20)
        ]
        closed = await bus.call(
            Message(BUS_NAME, OBJECT_PATH, INTERFACE, "CloseSession", signature="s", body=["x"])
        )
        assert closed.message_type is MessageType.METHOD_RETURN
        assert handler.running == 1
        assert not any(call.done() for call in calls)
        handler.go.set()
        answers = await asyncio.gather(*calls)
        assert {answer.message_type for answer in answers} == {MessageType.METHOD_RETURN}
        return handler
    finally:
        bus.disconnect()


def test_calls_of_everybody_wait_in_line_and_root_s_do_not(
    bench: ServiceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"unix:path={bench.directory}/bus"
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    handler = asyncio.run(overtake(address))
    assert (handler.most, handler.fds) == (1, 0)


def test_service_keeps_no_descriptor_of_an_ended_session(service: ServiceBench) -> None:
    assert service.service is not None
    fds = Path(f"/proc/{service.service.pid}/fd")

    def cycle() -> int:
        with service.login() as reply, service.login(fd="/dev/null"):
            assert reply["error"] is None
        service.ask("GetDetachedProcfs")
        wait_for(lambda: not service.sessions(), "a session is left")
        return len(list(fds.iterdir()))

    cycle()
    first = cycle()
    assert first == max(cycle() for _ in range(3))


@pytest.mark.parametrize("with_store", [True, False], ids=["fd store", "records alone"])
def test_restarted_service_knows_its_sessions(service: ServiceBench, with_store: bool) -> None:
    with service.login() as reply, service.login("nobody", 65534) as gone:
        before = service.sessions()
        service.kill()
        gone["process"].kill()
        gone["process"].wait(LIMIT)
        assert f"session-{reply['body'][0]}" in service.store
        if not with_store:
            for name in list(service.store):
                os.close(service.store.pop(name))
        service.start()
        assert service.sessions() == [s for s in before if s["id"] == reply["body"][0]]
        reply["process"].kill()
        wait_for(lambda: not service.sessions(), "the session outlived its leader")


def test_record_that_is_garbage_is_dropped(bench: ServiceBench) -> None:
    records = bench.run / "sessions"
    records.mkdir(parents=True)
    (records / "aa.json").write_text("{")
    (records / "bb.json").write_text('{"id": "bb", "pid": "1"}')
    bench.start()
    assert bench.sessions() == []
    assert list(records.iterdir()) == []


def test_broken_policy_on_reload_keeps_the_running_one(service: ServiceBench) -> None:
    service.set_policy("[[rule]]\npreset = 'destkop'\n")
    done = service.ask("Reload")
    assert f"{service.policy}/policy.toml:2: preset = 'destkop'" in done.stderr
    status = json.loads(service.ask("Status").stdout)["data"][0]
    assert status["policy"]["data"] == "last-good"
    assert ":2: preset = 'destkop'" in status["policy_errors"]["data"][0]
    with service.login() as reply:
        assert reply["body"][2] == "landlock"
    service.set_policy("[[rule]]\npreset = 'open'\n")
    assert service.ask("Reload").returncode == 0
    with service.login() as reply:
        assert reply["body"][2] == ""


def test_broken_policy_at_start_is_told_to_every_login(bench: ServiceBench) -> None:
    bench.set_policy("[[rule]]\nscope = 9\n")
    bench.start()
    with bench.login() as reply:
        assert reply["error"] == ERROR + "PolicyUnavailable"
        assert "policy.toml:2: scope = 9" in reply["body"][0]
    status = json.loads(bench.ask("Status", uid=65534).stdout)["data"][0]
    assert status["policy"]["data"] == "unavailable"


def status(bench: ServiceBench, uid: int = 0) -> dict[str, Any]:
    done = bench.ask("Status", uid=uid)
    assert done.returncode == 0, done.stderr
    return {key: value["data"] for key, value in json.loads(done.stdout)["data"][0].items()}


def floor_levels(bench: ServiceBench) -> list[int | str]:
    file = bench.run / "floor"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    head, scope, view, proc, end = file.read_text().splitlines()
    assert (head, proc, end) == ("yama-session floor 3", "proc private", "end")
    return [int(scope.removeprefix("scope ")), view.removeprefix("view ")]


YAMA = '[[rule]]\nmatch.user = "alice"\npreset = "desktop"\nenforcer = "yama"\n'


@pytest.fixture
def no_yama() -> None:
    assert not supported(), "a kernel with scope domains honours what these tests ask in vain"


@pytest.mark.usefixtures("no_yama")
def test_policy_that_the_kernel_cannot_honour_is_told_before_a_login(bench: ServiceBench) -> None:
    bench.set_policy("\n" + YAMA + POLICY)
    bench.start()
    (told,) = status(bench)["unsupported"]
    assert told.startswith(f"{bench.policy}/policy.toml:2: this kernel cannot do it: ")
    assert f"policy: {told}" in bench.log.read_text()
    with bench.login() as reply:
        assert reply["error"] == ERROR + "EnforcerUnavailable"
        assert "yama" in reply["body"][0]
    with bench.login("eve", 1002) as reply:
        assert reply["error"] is None
    # The one in force is no better: the new one takes its place, and that is told.
    bench.set_policy(YAMA + POLICY)
    done = bench.ask("Reload")
    assert "policy.toml:1: this kernel cannot do it" in done.stderr
    assert done.returncode == 1
    assert "policy.toml:1" in status(bench)["unsupported"][0]


@pytest.mark.usefixtures("no_yama")
def test_policy_that_the_kernel_cannot_honour_replaces_none_that_it_can(
    service: ServiceBench,
) -> None:
    service.set_policy(YAMA + POLICY)
    done = service.ask("Reload")
    assert done.returncode == 1
    assert "the last good policy stays in force" in done.stderr
    found = status(service)
    assert (found["policy"], found["unsupported"]) == ("last-good", [])
    assert "policy.toml:1: this kernel cannot do it" in found["policy_errors"][0]
    with service.login() as reply:
        assert reply["body"][2] == "landlock"


def test_policy_that_is_only_logged_confines_nobody_and_says_what_it_would(
    bench: ServiceBench,
) -> None:
    bench.set_policy('mode = "log"\n' + POLICY)
    bench.start()
    with bench.login() as reply, bench.login("bob", 1001):
        assert reply["body"][1:8] == ["open", "", 0, 0, "host", [], []]
        alice, bob = (next(s for s in bench.sessions() if s["user"] == n) for n in ("alice", "bob"))
        assert alice["would"].startswith("confined by landlock: scope=relational view=domain")
        assert bob["would"] == ""
        assert f"pilot: {alice['id']}: open user=alice" in bench.log.read_text()
        assert (bench.run / "exempt").read_text().splitlines()[-2:] == ["all", "end"]
        (found,) = json.loads(command(bench, "pilot", "--json").stdout)
        assert (found["user"], found["sessions"], found["would"]) == ("alice", 1, alice["would"])
        assert found["members"] >= 1
        assert "would not see" in command(bench, "pilot").stdout
        # It comes back from its record.
        bench.kill()
        bench.start()
        assert {s["would"] for s in bench.sessions()} == {alice["would"], ""}


def test_limits_of_the_policy_hold_and_are_told_before(bench: ServiceBench) -> None:
    bench.set_policy("[limits]\nsessions_per_user = 2\nsessions = 3\n" + POLICY)
    bench.start()
    with bench.login(), bench.login():
        assert status(bench)["nearly_full"] == ["uid 1000 has 2 of 2 sessions"]
        with bench.login() as refused:
            assert refused["error"] == ERROR + "TooManySessions"
            assert "sessions_per_user" in refused["body"][0]
        with bench.login("bob", 1001), bench.login("eve", 1002) as refused:
            assert refused["error"] == ERROR + "MachineFull"
        bench.set_policy("[limits]\nsessions_per_user = 3\n" + POLICY)
        assert bench.ask("Reload").returncode == 0
        with bench.login() as third:
            assert third["error"] is None


def test_every_mistake_is_in_the_journal_and_in_the_status(service: ServiceBench) -> None:
    service.set_policy("[[rule]]\nscope = 9\n[[rule]]\nview = 7\n")
    done = service.ask("Reload")
    assert done.returncode == 1
    assert "policy.toml:2: scope = 9" in done.stderr
    assert "(and 1 more: see 'yama-session policy check')" in done.stderr
    errors = status(service, uid=65534)["policy_errors"]
    assert [error.partition(" = ")[0].rpartition(":")[2] for error in errors] == [" scope", " view"]
    log = service.log.read_text()
    assert all(f"policy: {error}\n" in log for error in errors)


def test_last_good_policy_stays_over_a_restart(bench: ServiceBench) -> None:
    bench.set_policy("\n[[rule]]\npreset = 'open'\nmatch.user = 'eve'\n" + POLICY)
    bench.start()
    file = bench.run / "policy"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    bench.set_policy("[[rule]]\npreset = 'open'\nscope = 9\n")
    bench.kill()
    bench.start()
    found = status(bench)
    assert found["policy"] == "last-good"
    assert ":3: scope = 9" in found["policy_errors"][0]
    assert "the last good policy stays in force" in bench.log.read_text()
    with bench.login() as alice, bench.login("eve", 1002) as eve:
        assert (alice["body"][2], eve["body"][2]) == ("landlock", "")
        sources = {s["user"]: s["source"] for s in bench.sessions()}
    assert sources["eve"] == f"{bench.policy}/policy.toml:2"
    assert (bench.run / "exempt").exists()
    bench.set_policy(POLICY)
    assert bench.ask("Reload").returncode == 0
    assert status(bench)["policy"] == "loaded"
    with bench.login("eve", 1002) as eve:
        assert eve["body"][2] == "landlock"


def test_policy_in_force_and_fallback_outlive_a_boot(bench: ServiceBench) -> None:
    bench.set_policy("[[rule]]\npreset = 'open'\nmatch.user = 'eve'\n" + POLICY)
    bench.start()
    bench.kill()
    for directory in ("sessions", "grants"):  # which are on a file system in memory
        shutil.rmtree(bench.run / directory)
    bench.set_policy("[[rule]]\npreset = 'open'\nscope = 9\n")
    bench.store.clear()
    bench.start()
    assert status(bench)["policy"] == "last-good"
    assert floor_levels(bench) == [1, "domain"]
    assert "uid 1002" in (bench.run / "exempt").read_text()


def test_policy_that_cannot_be_kept_leaves_none_that_is_older(service: ServiceBench) -> None:
    (service.run / ".policy.new").mkdir()  # the file that is to be renamed
    assert (service.run / "policy").exists()
    service.set_policy("[[rule]]\nscope = 3\ngroup = 'session'\nenforcer = 'landlock'\n")
    assert service.ask("Reload").returncode == 0
    assert not (service.run / "policy").exists()
    service.set_policy("[[rule]]\nscope = 9\n")
    service.kill()
    service.start()
    assert status(service)["policy"] == "unavailable"
    with service.login() as reply:
        assert reply["error"] == ERROR + "PolicyUnavailable"
    assert floor_levels(service) == [3, "domain"]


def test_floor_is_left_for_the_fallback(service: ServiceBench) -> None:
    assert floor_levels(service) == [1, "domain"]
    service.set_policy(
        POLICY.replace(
            "[[rule]]",
            "[[rule]]\nmatch.user = 'eve'\nscope = 2\n"
            "group = 'session'\nenforcer = 'landlock'\n[[rule]]",
            1,
        )
    )
    assert service.ask("Reload").returncode == 0
    assert floor_levels(service) == [2, "domain"]
    assert status(service)["fallback"] == "at least scope=capability view=domain"
    # A broken file changes nothing of it.
    service.set_policy("[[rule]]\nscope = 9\n")
    assert service.ask("Reload").returncode == 1
    assert floor_levels(service) == [2, "domain"]


def test_policy_in_force_is_shown_to_root_only(service: ServiceBench) -> None:
    service.set_policy("# edited\n")
    done = service.ask("GetPolicy")
    assert json.loads(done.stdout)["data"] == [[[f"{service.policy}/policy.toml", POLICY]]]
    assert service.ask("GetPolicy", uid=65534).returncode != 0


def test_exempt_accounts_are_left_for_the_fallback(bench: ServiceBench) -> None:
    bench.set_policy(
        '[[rule]]\npreset = "open"\nmatch.user = ["nobody", "no-such-user"]\n'
        '[[rule]]\npreset = "open"\nmatch.group = "adm"\n' + POLICY
    )
    bench.start()
    file = bench.run / "exempt"
    expected = ["yama-session exempt 1", "uid 65534", "uid 1001", "gid 4", "uid 0", "end"]
    assert sorted(expected) == sorted(file.read_text().splitlines())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_group_rules_ask_the_name_service(bench: ServiceBench) -> None:
    bench.set_policy('[[rule]]\npreset = "open"\nmatch.group = "nogroup"\n' + POLICY)
    bench.start()
    with bench.login("nobody", 65534) as reply:
        assert reply["body"][2] == ""
    with bench.login("no-such-user", 7777) as reply:
        assert reply["error"] == ERROR + "NoSuchUser"


def command(bench: ServiceBench, *argv: str, uid: int = 0) -> subprocess.CompletedProcess[str]:
    """Run ``yama-session`` on the bench's bus."""
    code = "import sys; from yama_session.cli import main; sys.exit(main())"
    return subprocess.run(
        [PYTHON, "-c", code, *argv],
        env=bench.environ,
        capture_output=True,
        text=True,
        cwd="/",
        timeout=LIMIT,
        user=uid,
    )


def test_policy_in_force_is_root_s_to_see_and_a_user_is_told_so(service: ServiceBench) -> None:
    show = ["policy", "show", "--policy", str(service.policy)]
    assert command(service, *show).stdout.startswith("In force, as the files say:\n")
    said = command(service, *show, uid=65534).stdout
    assert "In force: not known: only root may ask the session service for GetPolicy\n" in said
    assert "org.freedesktop" not in said


def test_status_ends_with_1_while_the_files_are_refused(service: ServiceBench) -> None:
    assert command(service, "status").returncode == 0
    service.set_policy("[[rule]]\nscope = 9\n")
    assert service.ask("Reload").returncode == 1
    done = command(service, "status")
    assert done.returncode == 1
    assert "service policy: the last good one" in done.stdout
    assert f"service policy_errors: {service.policy}/policy.toml:2: scope = 9" in done.stdout
    told = json.loads(command(service, "status", "--json").stdout)["service"]
    assert (told["policy"], len(told["policy_errors"])) == ("last-good", 1)
    service.set_policy(POLICY)
    assert service.ask("Reload").returncode == 0
    assert command(service, "status").returncode == 0


def test_status_without_a_mounted_proc_says_the_rest(service: ServiceBench) -> None:
    code = "import sys; from yama_session.cli import main; sys.exit(main(['status']))"
    enter = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    done = subprocess.run(
        [*enter, PYTHON, "-c", code], env=service.environ, capture_output=True, text=True, cwd="/"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "own domain: none" in done.stdout


def test_status_of_a_service_that_hangs_or_has_gone_ends_with_1(service: ServiceBench) -> None:
    assert service.service is not None
    service.service.send_signal(signal.SIGSTOP)
    done = command(service, "status")
    service.service.send_signal(signal.SIGCONT)
    assert done.returncode == 1
    assert "did not answer within 5 s" in done.stdout
    service.kill()
    assert command(service, "status").returncode == 1


@pytest.mark.usefixtures("no_yama")
def test_status_ends_with_1_if_the_kernel_lacks_what_the_policy_says(bench: ServiceBench) -> None:
    bench.set_policy(YAMA + POLICY)
    bench.start()
    done = command(bench, "status")
    assert done.returncode == 1
    assert f"service unsupported: {bench.policy}/policy.toml:1: this kernel" in done.stdout


def test_policy_show_compares_the_files_with_what_is_in_force(service: ServiceBench) -> None:
    show = ["policy", "show", "--policy", str(service.policy)]
    done = command(service, *show)
    lines = done.stdout.splitlines()
    assert (done.returncode, lines[0]) == (0, "In force, as the files say:")
    assert f"{service.policy}/policy.toml:2: user bob or root" in lines
    service.set_policy('[[rule]]\npreset = "kiosk"\n' + POLICY)
    done = command(service, *show)
    assert done.returncode == 1
    force, files = done.stdout.split("\n\n")
    assert force.splitlines()[:2] == [
        "In force:",
        f"{service.policy}/policy.toml:2: user bob or root",
    ]
    assert files.startswith("The files (not loaded: systemctl reload yama-session):\n")
    assert "preset kiosk" in files
    assert "preset kiosk" not in force
    told = json.loads(command(service, *show, "--json").stdout)
    assert told["same"] is False
    assert [len(told[part]["rules"]) for part in ("in_force", "files")] == [2, 3]
    done = command(service, *show, uid=65534)
    assert "In force: not known: " in done.stdout


@pytest.mark.parametrize("tty", ["tty1", "pts/0"])
def test_rule_by_seat_knows_where_the_login_sits(bench: ServiceBench, tty: str) -> None:
    rule = "[[rule]]\nscope = 3\ngroup = 'session'\nmatch.seat = 'seat0'\n"
    bench.set_policy(rule + POLICY)
    bench.start()
    with bench.login(args=[1000, "alice", "login", tty, "", 0]) as reply:
        # Its leader is where this test is: in a session of logind, that one's seat counts.
        at_seat = seat(reply["process"].pid, tty) == "seat0"
        assert reply["body"][3] == (3 if at_seat else 1)


def test_client_and_list_show_the_sessions(service: ServiceBench) -> None:
    with service.login() as reply:
        done = command(service, "list")
        head, row = done.stdout.splitlines()
        assert head.split()[:3] == ["ID", "USER", "SERVICE"]
        assert row.split()[:4] == [reply["body"][0], "alice", "sshd", "pts/0"]


def test_xml_in_the_tree_is_what_is_served(service: ServiceBench) -> None:
    done = service.ask("Introspect", interface="org.freedesktop.DBus.Introspectable")
    served = json.loads(done.stdout)["data"][0]
    assert (ROOT / "data/org.yama.Session1.xml").read_text() == served


def test_failure_inside_is_told_without_details(service: ServiceBench) -> None:
    (service.run / "sessions").chmod(0o700)
    subprocess.run(["rm", "-r", service.run / "sessions"], check=True)
    with service.login() as reply:
        assert reply["error"] == "org.freedesktop.DBus.Error.Failed"
        assert reply["body"] == ["internal error: see the journal of the service"]
    assert "Traceback" in service.log.read_text()


def test_second_service_says_that_the_name_is_taken(service: ServiceBench) -> None:
    other = str(service.directory / "run2")
    done = subprocess.run(
        [
            PYTHON,
            "-m",
            "yama_session.service",
            "--policy",
            str(service.policy),
            "--run",
            other,
            "--state",
            other,
        ],
        env=service.environ,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        cwd="/",
    )
    assert done.returncode == 1
    assert "org.yama.Session1 is taken" in done.stderr


def test_sigterm_is_a_clean_stop(service: ServiceBench) -> None:
    assert service.service is not None
    service.service.terminate()
    assert service.service.wait(LIMIT) == 0
