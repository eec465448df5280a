"""The PAM module against a scripted service on a bus of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dbus_next.message import Message
from pam_bench import (
    BUILD,
    LIMIT_MS,
    NO_SESSION,
    PAM_PERM_DENIED,
    PAM_SUCCESS,
    ROOT,
    USER,
    USER_UID,
    Bench,
    Login,
    Reply,
    Script,
    bench,
    confined,
)

from yama_session.levels import View
from yama_session.native import lib
from yama_session.service.alive import hold

pytestmark = pytest.mark.host

CONFINES = "fallback=strict enforcer=landlock"


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    subprocess.run(["make", "-s", "-C", str(ROOT / "pam"), "tests"], check=True)


@pytest.fixture
def where(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(tmp_path_factory.mktemp("pam")) as made:
        yield made


@pytest.fixture
def confining() -> Iterator[Reply]:
    with confined() as reply:
        yield reply


def give(reply: Reply) -> Script:
    return Script(reply.message)


def log_in(where: Bench, script: Script, args: str = "fallback=deny", **how: Any) -> Login:
    async def both() -> Login:
        try:
            await script.serve(where)
            return await where.login(args, **how)
        finally:
            script.close()

    return asyncio.run(both())


def test_c_programs_pass() -> None:
    subprocess.run(["make", "-s", "-C", str(ROOT / "pam"), "test"], check=True)


def test_good_reply_confines(where: Bench, confining: Reply) -> None:
    login = log_in(where, give(confining))
    assert (login.open, login.words, login.close) == (PAM_SUCCESS, "hidden", PAM_SUCCESS)


def test_session_sees_itself_and_nothing_else(where: Bench, confining: Reply) -> None:
    command = (
        "sh",
        "-c",
        "sleep 60 & ls -d /proc/[0-9]* | wc -l; test -e /proc/$! && echo own; kill $!",
    )
    login = log_in(where, give(confining), command=command)
    count, own = login.words.split()
    assert own == "own"
    assert int(count) <= 4  # sh, sleep, ls, wc; pamsession is root's and not dumpable to us


def test_open_preset_leaves_everything_visible(where: Bench) -> None:
    login = log_in(where, give(Reply()))
    assert (login.open, login.words, login.close) == (PAM_SUCCESS, "seen", PAM_SUCCESS)


def test_stay_changes_nothing(where: Bench) -> None:
    login = log_in(where, give(Reply(action="stay")))
    assert (login.open, login.words) == (PAM_SUCCESS, "seen")


def test_call_carries_the_login(where: Bench) -> None:
    script = give(Reply())
    log_in(where, script)
    (call,) = script.calls
    assert (call.path, call.interface) == ("/org/yama/Session1", "org.yama.Session1.Manager")
    assert call.signature == "hhussssu"
    assert call.body[2:] == [USER_UID, USER, "case", "", "", 0]
    assert script.auto_start_refused
    assert len(call.unix_fds) == 2


def test_call_carries_the_account_s_own_name(where: Bench, tmp_path: Path) -> None:
    passwd = tmp_path / "passwd"
    alias = f"nemo:x:{USER_UID}:{USER_UID}::/:/bin/sh\n"
    passwd.write_text(Path("/etc/passwd").read_text() + alias)
    enter = ["nsenter", f"--target={where.holder.pid}", "--mount"]
    subprocess.run([*enter, "mount", "--bind", passwd, "/etc/passwd"], check=True)
    script = give(Reply())
    log_in(where, script, user="nemo")
    (call,) = script.calls
    assert call.body[2:4] == [USER_UID, USER]


def test_leader_is_the_process_that_logs_in(where: Bench) -> None:
    leaders: list[str] = []

    def answer(call: Message) -> Message:
        fdinfo = Path(f"/proc/self/fdinfo/{call.unix_fds[0]}").read_text()
        pid = int(fdinfo.split("Pid:")[1].split()[0])
        leaders.append(Path(f"/proc/{pid}/comm").read_text().strip())
        return Reply().message(call)

    log_in(where, Script(answer))
    assert leaders == ["pamsession"]


def test_logout_closes_the_lifetime(where: Bench) -> None:
    script = give(Reply())
    log_in(where, script)
    (call,) = script.calls
    with socket.socket(fileno=call.unix_fds[1]) as theirs:
        theirs.settimeout(5)
        assert theirs.recv(1) == b""


def test_command_inherits_no_descriptor_of_ours(where: Bench, confining: Reply) -> None:
    login = log_in(where, give(confining), command=("sh", "-c", "ls /proc/$$/fd"))
    assert login.words.split() == ["0", "1", "2"]


def devnull() -> int:
    return os.open("/dev/null", os.O_RDONLY)


def proc_self() -> int:
    return os.open("/proc/self", os.O_RDONLY)


BAD: dict[str, Callable[[Reply], Reply]] = {
    "empty id": lambda r: replace(r, id=""),
    "id with a newline": lambda r: replace(r, id="s1\nopened"),
    "long id": lambda r: replace(r, id="s" * 65),
    "unknown action": lambda r: replace(r, action="close"),
    "unknown enforcer": lambda r: replace(r, enforcer="smack"),
    "enforcer of another token": lambda r: replace(r, enforcer="yama"),
    "bpf with another token": lambda r: replace(r, enforcer="bpf"),
    "levels without enforcer": lambda r: replace(r, enforcer="", token=[]),
    "scope out of range": lambda r: replace(r, scope=4),
    "view out of range": lambda r: replace(r, view=View.INFERIORS + 1),
    "view user by landlock": lambda r: replace(r, view=View.USER),
    "view inferiors by landlock": lambda r: replace(r, view=View.INFERIORS),
    "view all with a mount": lambda r: replace(r, view=View.ALL),
    "unknown proc": lambda r: replace(r, proc="none"),
    "host proc with a mount": lambda r: replace(r, proc="host"),
    "no token": lambda r: replace(r, token=[]),
    "two tokens": lambda r: replace(r, token=[r.token[0], r.token[0]]),
    "token of another kind": lambda r: replace(r, token=[devnull()]),
    "no mount": lambda r: replace(r, mount=[]),
    "mount of another kind": lambda r: replace(r, mount=[devnull()]),
    "mount below its root": lambda r: replace(r, mount=[proc_self()]),
    "stay with a token": lambda r: replace(r, action="stay"),
}


@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD.keys())
def test_bad_reply_counts_as_none(
    where: Bench, confining: Reply, spoil: Callable[[Reply], Reply]
) -> None:
    script = give(spoil(confining))
    login = log_in(where, script)
    assert len(script.calls) == 1
    assert (login.open, login.status) == (PAM_PERM_DENIED, NO_SESSION)


def empty(call: Message) -> Message:
    return Message.new_method_return(call)


def refusal(call: Message) -> Message:
    return Message.new_error(call, "org.yama.Session1.Error.PolicyUnavailable", "broken")


def machine_full(call: Message) -> Message:
    return Message.new_error(call, "org.yama.Session1.Error.MachineFull", "enough for all")


def enough(call: Message) -> Message:
    return Message.new_error(call, "org.yama.Session1.Error.TooManySessions", "enough")


def manager_outside(call: Message) -> Message:
    return Message.new_error(call, "org.yama.Session1.Error.ManagerOutside", "restart it")


def wrong_types(call: Message) -> Message:
    return Message.new_method_return(call, "sssuusasas", ["s1", "open", "", 0, 0, "host", [], []])


@pytest.mark.parametrize("answer", [empty, refusal, machine_full, wrong_types])
@pytest.mark.parametrize(
    ("args", "user", "code", "words"),
    [
        ("fallback=deny", USER, PAM_PERM_DENIED, ""),
        (CONFINES, USER, PAM_SUCCESS, "hidden"),
        ("fallback=skip", USER, PAM_SUCCESS, "seen"),
        ("fallback=deny", "root", PAM_SUCCESS, "seen"),
        (CONFINES, "root", PAM_SUCCESS, "seen"),
    ],
)
def test_no_use_of_the_reply_is_the_fallback(
    where: Bench,
    answer: Callable[[Message], Message],
    args: str,
    user: str,
    code: int,
    words: str,
) -> None:
    login = log_in(where, Script(answer), args, user=user)
    assert (login.open, login.words) == (code, words)


@pytest.mark.parametrize("answer", [enough, manager_outside])
@pytest.mark.parametrize("args", ["fallback=deny", CONFINES, "fallback=skip"])
@pytest.mark.parametrize(
    ("user", "code", "words"), [(USER, PAM_PERM_DENIED, ""), ("root", PAM_SUCCESS, "seen")]
)
def test_refusal_of_a_user_is_no_way_into_the_fallback(
    where: Bench,
    answer: Callable[[Message], Message],
    args: str,
    user: str,
    code: int,
    words: str,
) -> None:
    login = log_in(where, Script(answer), args, user=user)
    assert (login.open, login.words) == (code, words)


def test_service_absent(where: Bench) -> None:
    login = asyncio.run(where.login(CONFINES))
    assert (login.open, login.words) == (PAM_SUCCESS, "hidden")
    assert login.milliseconds < LIMIT_MS


@pytest.mark.parametrize("running", [True, False])
def test_bus_is_asked_only_while_the_service_lives(where: Bench, running: bool) -> None:
    file = where.path("/run/yama-session/alive")
    with hold(file) as lock:
        if not running:
            lock.close()
        script = give(Reply())
        login = log_in(where, script, CONFINES)
    assert login.open == PAM_SUCCESS
    assert (login.words, len(script.calls)) == (("seen", 1) if running else ("hidden", 0))


def test_service_silent(where: Bench) -> None:
    login = log_in(where, Script(lambda _: None), CONFINES)
    assert (login.open, login.words) == (PAM_SUCCESS, "hidden")
    assert login.milliseconds < LIMIT_MS


def test_service_dies_in_the_call(where: Bench) -> None:
    script = Script(lambda _: script.close())
    login = log_in(where, script, CONFINES)
    assert len(script.calls) == 1
    assert (login.open, login.words) == (PAM_SUCCESS, "hidden")
    assert login.milliseconds < LIMIT_MS


def test_bus_gone(where: Bench) -> None:
    where.end_bus()
    login = asyncio.run(where.login(CONFINES))
    assert (login.open, login.words) == (PAM_SUCCESS, "hidden")
    assert login.milliseconds < LIMIT_MS


def test_bus_dies_in_the_call(where: Bench) -> None:
    script = Script(lambda _: where.end_bus())
    login = log_in(where, script, CONFINES)
    assert len(script.calls) == 1
    assert (login.open, login.words) == (PAM_SUCCESS, "hidden")
    assert login.milliseconds < LIMIT_MS


def test_bus_stopped(where: Bench) -> None:
    where.stop_bus()
    login = asyncio.run(where.login(CONFINES))
    assert (login.open, login.words) == (PAM_SUCCESS, "hidden")
    assert login.milliseconds < LIMIT_MS


def test_bus_stops_in_the_call(where: Bench) -> None:
    script = Script(lambda _: where.stop_bus())
    login = log_in(where, script, CONFINES)
    assert len(script.calls) == 1
    assert (login.open, login.words) == (PAM_SUCCESS, "hidden")
    assert login.milliseconds < LIMIT_MS


def test_bus_accepts_nobody(where: Bench) -> None:
    where.end_bus()
    path = where.path("/run/dbus/system_bus_socket")
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as waiting:
        listener.bind(str(path))
        listener.listen(0)
        waiting.connect(str(path))
        login = asyncio.run(where.login(CONFINES))
    assert (login.open, login.words) == (PAM_SUCCESS, "hidden")
    assert login.milliseconds < LIMIT_MS


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (f"yama-session exempt 1\nuid {USER_UID}\nend\n", 0o600, "seen"),
        (f"yama-session exempt 1\nuid {USER_UID}\nend\n", 0o644, "hidden"),
        (f"yama-session exempt 1\nuid {USER_UID}\n", 0o600, "hidden"),
        ("yama-session exempt 1\nuid 1\nend\n", 0o600, "hidden"),
    ],
)
def test_exempt_list(where: Bench, text: str, mode: int, words: str) -> None:
    directory = where.path("/run/yama-session")
    directory.mkdir(0o700)
    (directory / "exempt").write_text(text)
    (directory / "exempt").chmod(mode)
    assert asyncio.run(where.login(CONFINES)).words == words


def test_exempt_list_behind_a_link_is_none(where: Bench) -> None:
    directory = where.path("/run/yama-session")
    directory.mkdir(0o700)
    (directory / "list").write_text(f"yama-session exempt 1\nuid {USER_UID}\nend\n")
    (directory / "list").chmod(0o600)
    (directory / "exempt").symlink_to("list")
    assert asyncio.run(where.login(CONFINES)).words == "hidden"


@pytest.mark.parametrize(
    ("user", "code", "words"), [(USER, PAM_PERM_DENIED, ""), ("root", PAM_SUCCESS, "seen")]
)
def test_stdin_on_the_host_proc(
    where: Bench, confining: Reply, user: str, code: int, words: str
) -> None:
    """Landlock cannot take back what a descriptor shows; root is known to fail before."""
    with Path("/proc/version").open() as stdin:
        login = log_in(where, give(confining), user=user, stdin=stdin)
    assert (login.open, login.words) == (code, words)


def test_root_is_confined_if_the_policy_says_so(where: Bench, confining: Reply) -> None:
    login = log_in(where, give(confining), user="root")
    assert (login.open, login.words) == (PAM_SUCCESS, "hidden")


def test_weaker_procfs_is_found_out(where: Bench) -> None:
    """A mount that hides nothing: the module sees pid 1 afterwards, and refuses."""
    with confined(lib.YS_HIDEPID_OFF) as reply:
        login = log_in(where, give(reply))
    assert (login.open, login.status) == (PAM_PERM_DENIED, NO_SESSION)


def test_cwd_on_the_host_proc_moves(where: Bench, confining: Reply) -> None:
    login = log_in(where, give(confining), cwd="/proc/1", command=("sh", "-c", "ls; pwd"))
    assert "status" not in login.words.split()


def test_session_inside_a_session_stays(where: Bench, confining: Reply) -> None:
    """With the service down root's shell stays in the session it was called from."""
    inner = f"{BUILD}/pamsession {where.directory} case root readlink /proc/self/ns/mnt"
    outer = ("sh", "-c", f"readlink /proc/self/ns/mnt; {inner}")
    script = Script(lambda call: confining.message(call) if len(script.calls) == 1 else None)
    login = log_in(where, script, CONFINES, user="root", command=outer)
    first, opened, second, _closed = login.words.splitlines()
    assert len(script.calls) == 2
    assert opened.startswith(f"open {PAM_SUCCESS} ")
    assert first == second
