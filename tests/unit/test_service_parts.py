"""The parts of the service that need neither bus nor privilege."""

import asyncio
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from dbus_next.constants import MessageType
from dbus_next.message import Message

from yama_session.errors import AccountMissing
from yama_session.levels import Mode, View
from yama_session.native import OwnedFd
from yama_session.policy import PRESETS, Limits, Login, Policy, parse
from yama_session.service import accounts, leader, limits
from yama_session.service.accounts import Accounts
from yama_session.service.alive import hold
from yama_session.service.caller import Authorization
from yama_session.service.confinement import would
from yama_session.service.connection import Connection
from yama_session.service.manager import Manager
from yama_session.service.notify import Notifier, stored_fds
from yama_session.service.records import Records, Session, write_atomically
from yama_session.service.refusal import (
    ERRORS,
    AccessDenied,
    InvalidArgument,
    LimitExceeded,
    MachineFull,
    Refusal,
    TooManySessions,
)
from yama_session.service.state import PolicyState

pytestmark = pytest.mark.unit

SESSION = Session(
    id="ab12",
    uid=1000,
    user="alice",
    service="sshd",
    tty="pts/0",
    rhost="::1",
    pid=77,
    start=5,
    since=1.5,
    action="open",
    parent="",
    enforcer="yama",
    scope=1,
    view=View.USER,
    proc="private",
    group="user",
    domain=2**60 + 1,
    source="policy.toml:3",
)


def test_record_comes_back_as_it_was(tmp_path: Path) -> None:
    records = Records(tmp_path / "sessions", Session)
    records.write(SESSION)
    assert list(records.load()) == [SESSION]
    records.remove("ab12")
    records.remove("ab12")
    assert list(records.load()) == []


@pytest.mark.parametrize(
    ("number", "view"), [(0, View.ALL), (1, View.DOMAIN), (2, View.INFERIORS), (3, None)]
)
def test_record_of_the_first_version_means_what_it_meant(
    tmp_path: Path, number: int, view: View | None
) -> None:
    records = Records(tmp_path / "sessions", Session)
    file = tmp_path / "sessions" / "ab12.json"
    file.write_text(json.dumps({**vars(SESSION), "view": number}))
    found = list(records.load())
    assert found == ([] if view is None else [replace(SESSION, view=view)])
    assert file.exists() is (view is not None)
    if view is not None:
        records.write(found[0])
        assert list(records.load()) == found, "it is of this version now"


def test_record_of_the_second_version_was_not_only_logged(tmp_path: Path) -> None:
    records = Records(tmp_path / "sessions", Session)
    old = {key: value for key, value in vars(SESSION).items() if key != "would"}
    (tmp_path / "sessions/ab12.json").write_text(json.dumps({**old, "version": 2}))
    assert list(records.load()) == [SESSION]


def test_record_of_a_newer_version_is_left_alone_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records = Records(tmp_path / "sessions", Session)
    file = tmp_path / "sessions" / "ab12.json"
    text = json.dumps({**vars(SESSION), "version": 4, "view": "somebody's"})
    file.write_text(text)
    assert list(records.load()) == []
    assert file.read_text() == text
    assert "it has version 4, and 3 is the last one known here" in caplog.text


@pytest.mark.parametrize(
    "change", [{"version": 0}, {"version": "2"}, {"version": True}, {"view": 4}, {"view": -1}]
)
def test_record_with_a_wrong_number_is_dropped(tmp_path: Path, change: dict[str, object]) -> None:
    records = Records(tmp_path / "sessions", Session)
    file = tmp_path / "sessions" / "ab12.json"
    file.write_text(json.dumps({"version": 2, **vars(SESSION), **change}))
    assert list(records.load()) == []
    assert not file.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff", '{"id": "ab12"}', '{"id": 3}'], ids=repr)
def test_record_of_another_form_is_dropped(tmp_path: Path, text: str) -> None:
    records = Records(tmp_path / "sessions", Session)
    file = tmp_path / "sessions" / "ab12.json"
    file.write_text(text, encoding="latin-1")
    assert list(records.load()) == []
    assert not file.exists()


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "exempt"
    write_atomically(file, "old")
    (tmp_path / ".exempt.new").unlink(missing_ok=True)
    (tmp_path / ".exempt.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match="symbolic links"):
        write_atomically(file, "new")
    assert file.read_text() == "old"


@pytest.mark.parametrize(
    ("uids", "refusal", "limit"),
    [
        ([1000] * 4096, TooManySessions, "uid 1000 has 4096"),
        (range(8192), MachineFull, "there are 8192"),
    ],
)
def test_one_session_too_many_is_refused(
    uids: Sequence[int], refusal: type[Refusal], limit: str
) -> None:
    with pytest.raises(refusal, match=limit):
        limits.check_sessions(uids, 1000, Limits())
    limits.check_sessions(uids[1:], 1000, Limits())
    with pytest.raises(refusal):
        limits.check_sessions(uids[:2], 1000, Limits(2, 2))


def test_what_would_be_applied_is_said_of_what_is_only_logged() -> None:
    kiosk = PRESETS["kiosk"]
    assert would(kiosk) == ""
    assert would(replace(PRESETS["open"], mode=Mode.LOG)) == ""
    said = would(replace(kiosk, mode=Mode.LOG))
    assert said.startswith(("confined by ", "left to the fallback: "))


def test_limits_that_are_nearly_reached_are_told() -> None:
    uids = [1000] * 8 + [1001] * 7
    assert limits.nearly_full(uids, Limits(19, 11)) == []
    assert limits.nearly_full(uids, Limits(18, 10)) == [
        "15 of 18 sessions are open",
        "uid 1000 has 8 of 10 sessions",
    ]


def test_bucket_is_per_uid_and_fills_again() -> None:
    bucket = limits.Bucket(burst=2, per_second=50.0)
    bucket.take(1)
    bucket.take(1)
    with pytest.raises(TooManySessions, match="uid 1 had 2"):
        bucket.take(1)
    bucket.take(2)
    deadline = time.monotonic() + 5
    while True:
        try:
            bucket.take(1)
            break
        except TooManySessions:
            assert time.monotonic() < deadline


def test_lines_of_a_uid_are_few_and_tell_what_is_left_out() -> None:
    lines = limits.Lines(burst=2, per_second=50.0)
    assert [lines.bounded(1, "no") for _ in range(4)] == ["no", "no", None, None]
    assert lines.bounded(2, "no") == "no"
    assert [lines.bounded(0, "no") for _ in range(9)] == ["no"] * 9
    deadline = time.monotonic() + 5
    while (said := lines.bounded(1, "no")) is None:
        assert time.monotonic() < deadline
    assert re.fullmatch(r"no \(\d+ more of uid 1 are left out\)", said)


class Bus:
    """A bus to which questions go and from which nothing comes by itself."""

    def __init__(self) -> None:
        self.asked: list[Message] = []

    def next_serial(self) -> int:
        return len(self.asked) + 1

    async def send(self, message: Message) -> None:
        self.asked.append(message)


def reply(serial: int, sender: str, signature: str, body: list[object]) -> Message:
    return Message(
        message_type=MessageType.METHOD_RETURN,
        reply_serial=serial,
        sender=sender,
        signature=signature,
        body=body,
    )


@pytest.mark.parametrize("owner", [":1.7", ":1.9"])
def test_answers_count_only_from_whom_they_were_asked(owner: str) -> None:
    async def ask() -> tuple[object, object]:
        connection, bus = Connection(lambda _, __: None), Bus()
        connection._bus = cast(Any, bus)

        async def answer(doing: Any, *replies: Message) -> object:
            task = asyncio.create_task(doing)
            for each in replies:
                while len(bus.asked) < each.reply_serial:
                    await asyncio.sleep(0)
                connection._on_message(each)
            return await task

        there = await answer(
            connection.connected(":1.5"),
            reply(1, ":1.9", "b", [True]),
            reply(1, "org.freedesktop.DBus", "b", [False]),
        )
        granted = await answer(
            connection.authorized(":1.5", "act", {}, interactive=False),
            reply(2, ":1.7", "(bba{ss})", [[True, False, {}]]),
            reply(3, ":1.9", "s", [":1.7"]),
            reply(3, "org.freedesktop.DBus", "s", [owner]),
        )
        return there, granted

    there, granted = asyncio.run(asyncio.wait_for(ask(), 5))
    assert there is False
    assert isinstance(granted, Authorization)
    assert granted.granted is (owner == ":1.7")


def test_pid_behind_a_pidfd() -> None:
    pidfd = os.pidfd_open(os.getpid())
    assert os.getpid() == leader.pid_of(pidfd)
    assert leader.alive(pidfd)
    os.close(pidfd)


def test_exited_leader_is_no_leader() -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    pidfd = os.pidfd_open(pid)
    os.waitpid(pid, 0)
    assert not leader.alive(pidfd)
    with pytest.raises(InvalidArgument, match="has exited"):
        leader.pid_of(pidfd)
    os.close(pidfd)


def test_lineage_starts_with_oneself_and_ends_before_init() -> None:
    chain = list(leader.lineage(os.getpid()))
    assert [os.getpid(), os.getppid()] == chain[:2]
    assert 1 not in chain


def test_descriptor_goes_to_the_manager_under_its_name(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        notifier = Notifier(str(tmp_path / "notify"))
        with (tmp_path / "file").open("w") as file:
            notifier.store("session-ab12", file.fileno())
        text, (fd,), _, _ = socket.recv_fds(manager, 100, 2)
        assert text == b"FDSTORE=1\nFDNAME=session-ab12"
        assert os.readlink(f"/proc/self/fd/{fd}") == str(tmp_path / "file")  # noqa: PTH115
        os.close(fd)
        notifier.drop("session-ab12")
        assert manager.recv(100) == b"FDSTOREREMOVE=1\nFDNAME=session-ab12"


def test_descriptors_for_another_process_are_not_taken() -> None:
    assert stored_fds({"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x"}) == {}


GROUPED = Policy(parse('[[rule]]\npreset = "open"\nmatch.group = "root"\n', Path("policy.toml")))


def test_missing_account_is_an_error() -> None:
    with pytest.raises(AccountMissing, match=r"'no-such-user': there is no such account"):
        accounts.account_named("no-such-user")
    with pytest.raises(AccountMissing, match=r"uid 4000000: there is no such account"):
        asyncio.run(Accounts().identify(GROUPED, Login("root", 4000000)))


def test_the_uid_names_the_account_and_its_groups() -> None:
    async def twice() -> tuple[Login, Login]:
        known = Accounts()
        typed = Login("as it was typed", 0, service="su")
        first = await known.identify(GROUPED, typed)
        known.ask = None  # type: ignore[method-assign,assignment] # it is remembered
        return first, await known.identify(GROUPED, typed)

    first, second = asyncio.run(twice())
    assert (first.user, first.groups, first.service) == ("root", ["root"], "su")
    assert second == first


def test_host_s_name_is_resolved_where_a_rule_names_networks() -> None:
    rules = Policy(
        parse(
            '[[rule]]\nscope = 3\ngroup = "session"\nmatch.rhost = "127.0.0.0/8"\n',
            Path("policy.toml"),
        )
    )

    def identify(rhost: str) -> Login:
        return asyncio.run(Accounts().identify(rules, Login("", 0, rhost=rhost)))

    assert "127.0.0.1" in (identify("localhost").addresses or ())
    assert identify("no-such-host.invalid").addresses is None
    assert identify("x" * 300).addresses is None
    assert identify("127.0.0.1").addresses == ()


def test_name_service_that_hangs_is_an_error_and_keeps_nothing_from_ending() -> None:
    code = """
import asyncio, time
from yama_session.errors import AccountError
from yama_session.service import accounts
accounts.LIMIT, accounts.MAX_AT_ONCE = 0.05, 3

async def main():
    asked = accounts.Accounts()
    for _ in range(4):
        try:
            await asked.ask("who", lambda: time.sleep(1000))
        except AccountError as error:
            print(error)

asyncio.run(main())
"""
    done = subprocess.run(
        ["/usr/bin/python3", "-c", code], capture_output=True, text=True, timeout=10, check=True,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert done.stdout.splitlines() == 4 * ["who: no answer within 0.05 s"]


def test_more_look_ups_than_threads_wait_for_one_another() -> None:
    def slowly(number: int) -> int:
        time.sleep(0.001)
        return number

    async def many() -> list[int]:
        asked = Accounts()
        return list(
            await asyncio.gather(*(asked.ask("who", partial(slowly, n)) for n in range(99)))
        )

    assert asyncio.run(many()) == list(range(99))


def test_names_of_errors_stay() -> None:
    names = (
        "AccessDenied",
        "AuthenticationRequired",
        "EnforcerUnavailable",
        "ForeignNamespace",
        "InvalidArgument",
        "LimitExceeded",
        "MachineFull",
        "ManagerOutside",
        "NoSuchGrant",
        "NoSuchProcess",
        "NoSuchSession",
        "NoSuchUser",
        "PolicyUnavailable",
        "ProcessBusy",
        "TooManySessions",
    )
    assert sorted(ERRORS) == [f"org.yama.Session1.Error.{name}" for name in names]
    assert all(kind("x").bus_name == name for name, kind in ERRORS.items())


def test_slots_are_per_uid_and_in_all_and_root_has_any_number() -> None:
    slots = limits.Slots("things", per_user=2, in_all=3)
    with slots.take(1), slots.take(1):
        with pytest.raises(LimitExceeded, match="uid 1 has 2 things"), slots.take(1):
            pass
        with slots.take(2):
            with pytest.raises(LimitExceeded, match="there are 3 things"), slots.take(2):
                pass
            with slots.take(0), slots.take(0), slots.take(0):
                pass
        with slots.take(2):
            pass
    with slots.take(1), slots.take(1):
        pass


def test_one_service_is_alive_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "run" / "alive"
    again = (
        "from pathlib import Path; from yama_session.service.alive import hold; "
        f"hold(Path({str(file)!r}))"
    )
    with hold(file):
        second = subprocess.run(["/usr/bin/python3", "-c", again], capture_output=True, text=True)
        assert f"another service holds the lock: {str(file)!r}" in second.stderr
    subprocess.run(["/usr/bin/python3", "-c", again], check=True)
    assert file.stat().st_mode & 0o777 == 0o600


class SlowAccounts(Accounts):
    """Takes so long over its answer that the login gives up."""

    def __init__(self, login: socket.socket) -> None:
        super().__init__()
        self._login = login

    async def identify(self, policy: Policy, login: Login) -> Login:
        self._login.close()
        return login


async def open_slowly(directory: Path) -> Manager:
    """Open a session for a login that gives up meanwhile."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    policy = directory / "policy.d"
    policy.mkdir()
    (policy / "policy.toml").write_text(
        '[[rule]]\nmatch = { group = "root" }\npreset = "open"\n[[rule]]\npreset = "open"\n'
    )
    state = PolicyState(policy, directory, SlowAccounts(theirs))
    await state.start()
    manager = Manager(state, Records(directory / "sessions", Session), Notifier(""))
    with OwnedFd(os.pidfd_open(os.getpid())) as pidfd, OwnedFd(ours.detach()) as lifetime:
        login = Login("alice", 1000, (), "sshd", "", "")
        with pytest.raises(AccessDenied, match="given up"):
            await manager.open(login, os.getpid(), pidfd, lifetime)
    return manager


def test_login_that_gives_up_while_it_waits_gets_no_session(tmp_path: Path) -> None:
    assert asyncio.run(open_slowly(tmp_path)).sessions == ()
    assert list((tmp_path / "sessions").iterdir()) == []
