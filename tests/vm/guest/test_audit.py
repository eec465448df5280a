# guest: --alone --timeout 1500
"""In real logins on the series' kernel the audit is right about each channel.

What it says of its own process outside is compared with what the same login
meets when it is tried by hand on processes that are outside: pid 1, and one of
another session.
"""

import contextlib
import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from logins import Login, all_pids, end_logins, members, policy, sh, wait_for
from schema import section, violations

from yama_session.audit import Verdict, channels
from yama_session.audit.calls import STAYS_OPEN

PAGE = Path(__file__).with_name("json.md").read_text(encoding="utf-8")
LOOKING = Path(__file__).with_name("looking.md").read_text(encoding="utf-8")
FRAGMENT = Path("/usr/share/doc/yama-session/examples/yama-session-hide-units.conf")
CLOSED, OPEN, UNKNOWN = (verdict.value for verdict in Verdict)


def audited(login: Login, arguments: str = "", *, sudo: str = "") -> dict[str, Any]:
    """What the audit says in a login, found to be as the page says."""
    done = login.run(f"{sudo} yama-session audit --json {arguments}")
    document: dict[str, Any] = json.loads(done.out)
    assert list(violations(section(PAGE, "audit"), document)) == []
    assert done.status == bool(document["counts"]["open"])
    return document


def verdicts(document: dict[str, Any], family: str = "") -> dict[str, str]:
    """The verdicts by the id of the channel, without its family if that is given."""
    return {
        channel["id"].removeprefix(f"{family}."): channel["verdict"]
        for channel in document["channels"]
        if channel["family"] == family or not family
    }


def by_name(document: dict[str, Any]) -> dict[str, str]:
    """The verdicts of the calls by their names."""
    return {
        channel["name"]: channel["verdict"]
        for channel in document["channels"]
        if channel["family"] == "calls"
    }


#: Calls whose probe needs a user other than root and the caller who runs something.
BY_USER = {"getpriority(PRIO_USER)", "ioprio_get(IOPRIO_WHO_USER)"}


@pytest.fixture(scope="module")
def alice() -> Iterator[Login]:
    with Login("alice") as login:
        yield login
    end_logins("alice")


@pytest.fixture(scope="module")
def bob() -> Iterator[Login]:
    with Login("bob") as login:
        yield login
    end_logins("bob")


@pytest.fixture(scope="module")
def said(alice: Login) -> dict[str, Any]:
    return audited(alice)


def test_looks_for_a_process_of_its_own_that_is_outside(alice: Login, said: dict[str, Any]) -> None:
    assert said["target"]["kind"] == "second-process"
    assert said["confined_by"] == ["yama"]
    (note,) = said["notes"]
    assert note.startswith("the view is user: what is of the same user is no secret")
    # It is gone, as everything that it left.
    assert not Path(f"/proc/{said['target']['pid']}").exists()
    assert alice.run("pgrep -f 'yama_session|yama-session audit'").status == 1
    assert sh("ipcs -a | grep -c alice").out.strip() == "0"


def test_calls_that_name_a_process_are_closed_but_for_the_documented_ones(
    said: dict[str, Any],
) -> None:
    found = by_name(said)
    assert {name for name, verdict in found.items() if verdict == OPEN} == STAYS_OPEN.keys()
    assert {name for name, verdict in found.items() if verdict == UNKNOWN} <= BY_USER | {
        "prctl(PR_SCHED_CORE, GET)",  # without hyperthreads they answer alike
        "prctl(PR_SCHED_CORE, SHARE_FROM)",
        "perf_event_open(pid)",  # kernel.perf_event_paranoid
    }
    assert sum(verdict == CLOSED for verdict in found.values()) >= 57


def test_example_of_the_page_is_what_is_found(said: dict[str, Any]) -> None:
    example = LOOKING.partition("alice$ yama-session audit\n")[2].partition("\n\nWhat looks")[0]
    found = {channel["name"]: channel for channel in said["channels"]}
    closing = list(dict.fromkeys((c["closed_by"], c["note"]) for c in said["channels"]))
    rows = re.findall(r"^    (closed|open) +(\d+) +(.*?)  +(.*)$", example, re.MULTILINE)
    assert len(rows) == 5
    for verdict, by, name, evidence in rows:
        channel = found[name]
        told = re.sub(r"the target, \d+", "the target, 136", channel["evidence"])
        assert (channel["verdict"], told) == (verdict, evidence)
        assert closing.index((channel["closed_by"], channel["note"])) + 1 == int(by)
    counts = ", ".join(
        f"{said['counts'][verdict]} {verdict}" for verdict in (CLOSED, OPEN, UNKNOWN)
    )
    assert f"    {counts}" in example


# Some calls about a number, by hand: {call: errno or 0}.
BY_HAND = r"""
import ctypes, json, os, resource, socket, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)

def call(function, *arguments):
    try:
        function(*arguments)
        return 0
    except OSError as error:
        return error.errno

def raw(number, *arguments):
    return ctypes.get_errno() if libc.syscall(number, *arguments) < 0 else 0

def bound(protocol):
    return call(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol).bind, (pid, 0))

word = ctypes.c_uint(pid)
print(json.dumps({
    "kill(pid)": call(os.kill, pid, 0),
    "getpgid": call(os.getpgid, pid),
    "getsid": call(os.getsid, pid),
    "getpriority(PRIO_PROCESS)": call(os.getpriority, os.PRIO_PROCESS, pid),
    "sched_getscheduler": call(os.sched_getscheduler, pid),
    "sched_getaffinity": call(os.sched_getaffinity, pid),
    "prlimit64": call(resource.prlimit, pid, resource.RLIMIT_NOFILE),
    "pidfd_open": call(os.pidfd_open, pid),
    "kcmp, second process": raw(312, os.getpid(), pid, 1, 0, 0),
    "futex(FUTEX_LOCK_PI)": raw(202, ctypes.byref(word), 8, 0, None, None, 0),
    "bind(AF_NETLINK) to a port number": max(map(bound, (0, 9, 15, 16))),
}))
"""
FREE = (1 << 22) - 2


def test_calls_by_hand_agree(alice: Login, said: dict[str, Any]) -> None:
    """On pid 1, which is outside and has a netlink socket, and on a free number."""
    found = by_name(said)
    outside, free, own = (alice.json(BY_HAND, pid) for pid in (1, FREE, alice.check("echo $$")))
    assert isinstance(outside, dict)
    assert isinstance(free, dict)
    assert isinstance(own, dict)
    assert {call: OPEN if outside[call] != free[call] else CLOSED for call in outside} == {
        call: found[call] for call in outside
    }
    # The test can see a difference.
    assert all(own[call] != free[call] for call in own if call not in STAYS_OPEN)


def test_files_of_procfs(alice: Login, said: dict[str, Any]) -> None:
    found = verdicts(said, "procfs")
    assert {name.partition("@")[2] for name in found} == {"/proc", "new"}
    assert set(found.values()) == {CLOSED}
    inside = members(alice.domain_id())
    assert not alice.pids() & (all_pids() - inside)
    assert alice.run("ls /proc/1").out == alice.run(f"ls /proc/{FREE}").out.replace(str(FREE), "1")
    assert int(alice.check("stat -c %h /proc")) < len(all_pids())


def test_an_instance_mounted_elsewhere_is_tried_too(bob: Login) -> None:
    place = Path("/mnt/second")
    place.mkdir()
    assert sh(f"mount -t proc proc {place}").status == 0
    try:
        # Sessions that were open before get it by propagation.
        found = verdicts(audited(bob, "--family procfs"), "procfs")
        assert {name for name in found if name.endswith(f"@{place}")} == {
            f"{name}@{place}" for name in ("names", "lookup", "inside", "links", "children")
        }
        assert set(found.values()) == {CLOSED}
        assert bob.run(f"stat {place}/1").status == 1
    finally:
        assert sh(f"umount {place}").status == 0
        place.rmdir()


def test_what_processes_leave_behind(alice: Login, said: dict[str, Any]) -> None:
    found = verdicts(said, "traces")
    closed = {"locks", "getlk", "fdinfo-lock", "shm", "msg", "shmctl", "msgctl", "semctl"}
    assert {name for name, verdict in found.items() if verdict == CLOSED} == closed
    assert {name for name, verdict in found.items() if verdict == OPEN} == found.keys() - closed
    # By hand: a lock of this process, and shared memory of another that has exited.
    mine = str(os.getpid())
    with tempfile.TemporaryFile() as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        assert mine in sh("awk '{print $5}' /proc/locks").out.split()
        assert mine not in alice.check("awk '{print $5}' /proc/locks").split()
    made = sh("ipcmk -M 64").out.split()[-1]
    makers = sh("awk '{print $5}' /proc/sysvipc/shm").out.split()[1:]
    assert makers
    assert alice.check("awk '{print $5}' /proc/sysvipc/shm").split()[1:] == makers
    assert sh(f"ipcrm -m {made}").status == 0
    assert "1" in alice.check("awk '{print $3}' /proc/net/netlink").split()
    assert "pgrp=1," in alice.check("grep autofs /proc/self/mountinfo")


def test_counts(alice: Login, said: dict[str, Any]) -> None:
    assert set(verdicts(said, "counts").values()) == {OPEN}
    total = int(re.split(r"[/ ]", alice.check("cat /proc/loadavg"))[4])
    visible = int(alice.check("ls -d /proc/[0-9]*/task/* | wc -l"))
    assert total > visible + 10
    before = int(alice.check("cut -d' ' -f5 /proc/loadavg"))
    newest = int(sh("sh -c 'echo $$'").out)
    assert before < newest <= int(alice.check("cut -d' ' -f5 /proc/loadavg"))


def test_events(alice: Login, said: dict[str, Any]) -> None:
    found = verdicts(said, "events")
    assert found["connector"] == CLOSED
    code = "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 11)"
    assert "PermissionError" in alice.python(code).out
    before = sh("sysctl -n kernel.dmesg_restrict").out.strip()
    try:
        for value, verdict in ((0, OPEN), (1, CLOSED)):
            assert sh(f"sysctl -q kernel.dmesg_restrict={value}").status == 0
            assert verdicts(audited(alice, "--family events"), "events")["kmsg"] == verdict
            assert alice.run("dmesg").status == value
    finally:
        sh(f"sysctl -q kernel.dmesg_restrict={before}")


def test_control_groups(alice: Login, said: dict[str, Any]) -> None:
    found = verdicts(said, "cgroups")
    assert (found["read-cgroup-procs"], found["read-cgroup-threads"]) == (CLOSED, CLOSED)
    lists = "find /sys/fs/cgroup -name cgroup.procs -exec cat {} +"
    everybody = {int(number) for number in sh(lists).out.split()}
    seen = {int(number) for number in alice.run(lists).out.split() if number.isdecimal()}
    assert 1 in everybody
    assert seen
    assert not seen & (all_pids() - members(alice.domain_id()))
    assert found["names"] == OPEN
    assert "ssh.service" in alice.check("ls /sys/fs/cgroup/system.slice")
    # The files of a login's own cgroup are root's.
    assert found["write-cgroup-procs"] == UNKNOWN
    own = "/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/cgroup.procs"
    assert "Permission denied" in alice.run(f"echo $$ >{own}").out


SYSTEMD = "busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1"
MANAGER = f"{SYSTEMD} org.freedesktop.systemd1.Manager"
#: What the fragment closes, and the same by hand.
UNITS = {
    "unit-processes": f"{MANAGER} GetUnitProcesses s init.scope",
    "get-processes": SYSTEMD + "/unit/init_2escope org.freedesktop.systemd1.Scope GetProcesses",
    "unit-by-pid": f"{MANAGER} GetUnitByPID u 1",
    "dump": f"{MANAGER} Dump",
}
#: What it leaves open.
OTHERS = {
    "main-pid": "systemctl show -P MainPID dbus.service",
    "control-group": "systemctl show -P ControlGroup dbus.service",
    "units": "systemctl list-units ssh.service",
    "connection-pid": "busctl call org.freedesktop.DBus / org.freedesktop.DBus"
    " GetConnectionUnixProcessID s org.freedesktop.systemd1",
}


def test_bus(alice: Login, bob: Login, said: dict[str, Any]) -> None:
    found = verdicts(said, "bus")
    assert found.pop("inhibitors") == UNKNOWN  # nobody inhibits anything here
    assert set(found.values()) == {OPEN}
    for command in (*UNITS.values(), *OTHERS.values()):
        assert alice.run(command).status == 0, command
    assert '"/sbin/init"' in alice.check(UNITS["unit-processes"])
    number = sh(OTHERS["main-pid"]).out.strip()
    assert alice.check(OTHERS["main-pid"]) == number
    assert not alice.sees(int(number))
    # logind names bob's leader, who does not exist for alice.
    theirs = bob.check("echo $XDG_SESSION_ID")
    leader = alice.check(f"loginctl show-session {theirs} -P Leader")
    assert leader == sh(f"loginctl show-session {theirs} -P Leader").out.strip()
    assert not alice.sees(int(leader))


def test_inhibitors_are_told_by_logind(alice: Login) -> None:
    pid = sh("systemd-inhibit --what=sleep sleep 600 >/dev/null 2>&1 & echo $!").out.strip()
    try:
        wait_for(lambda: "sleep" in sh("systemd-inhibit --list").out, "it is inhibited")
        assert verdicts(audited(alice, "--family bus"), "bus")["inhibitors"] == OPEN
        assert pid in alice.check("systemd-inhibit --list")
    finally:
        sh(f"kill {pid}")


@contextlib.contextmanager
def fragment(group: str) -> Iterator[None]:
    """The bus policy in force for a group, put there as its comment says."""
    place = Path("/etc/dbus-1/system.d") / FRAGMENT.name
    text = FRAGMENT.read_text(encoding="utf-8")
    assert text.count('group="guests"') == 1
    place.write_text(text.replace('group="guests"', f'group="{group}"'), encoding="utf-8")
    assert sh("systemctl reload dbus").status == 0
    try:
        yield
    finally:
        place.unlink()
        assert sh("systemctl reload dbus").status == 0


#: What must go on for everybody, and what its output has.
GOES_ON = {
    "systemctl status ssh.service --no-pager -n 0": "Active: active (running)",
    "systemctl status --no-pager": "State: ",
    "systemctl is-active ssh.service": "active",
    "systemctl list-units --no-pager": "ssh.service",
    "systemctl --user status --no-pager": "init.scope",
    "systemctl --user status dbus.socket --no-pager -n 0": "Active: active",
    "systemctl --user list-units --no-pager": "dbus.socket",
    "systemd-run --user --pipe --wait --quiet echo it runs": "it runs",
    "systemd-run --user --scope --quiet echo it runs": "it runs",
    "loginctl list-sessions --no-pager": "alice",
}


def test_fragment_closes_the_unit_calls_for_its_users_and_breaks_nothing(alice: Login) -> None:
    """alice is in the group, bob is not."""
    with Login("bob") as bob, fragment("alice"):
        found = verdicts(audited(alice, "--family bus"), "bus")
        assert {found[name] for name in UNITS} == {CLOSED}
        assert {found[name] for name in (*OTHERS, "attach-processes", "sessions")} == {OPEN}
        for command in UNITS.values():
            assert "denied" in alice.run(command).out, command
            assert bob.run(command).status == 0, command
        theirs = verdicts(audited(bob, "--family bus"), "bus")
        assert {theirs[name] for name in UNITS} == {OPEN}
        for login in (alice, bob):
            for command, words in GOES_ON.items():
                assert words in login.check(command), (login.user, command)
        # Root is not asked, in a session of such a user either.
        assert '"/sbin/init"' in alice.check(f"sudo {UNITS['unit-processes']}")
        # What it says that it costs.
        assert "[listener]" in bob.check("systemctl status ssh.service -n 0")
        assert "[listener]" not in alice.check("systemctl status ssh.service -n 0")
        assert alice.run("systemctl status $$").status != 0
    found = verdicts(audited(alice, "--family bus"), "bus")
    assert {found[name] for name in UNITS} == {OPEN}


def test_fragment_lets_processes_be_attached_as_the_user_manager_needs_that() -> None:
    denied = (
        '<deny send_destination="org.freedesktop.systemd1"'
        ' send_interface="org.freedesktop.systemd1.Manager" send_member="AttachProcessesToUnit"/>'
    )
    assert "AttachProcessesToUnit" not in re.sub(
        r"<!--.*?-->", "", FRAGMENT.read_text(encoding="utf-8"), flags=re.S
    )
    with Login("alice") as alice, fragment("alice"):
        alice.check("systemd-run --user --scope --quiet true")
        place = Path("/etc/dbus-1/system.d") / FRAGMENT.name
        text = place.read_text(encoding="utf-8").replace("</policy>", f"{denied}</policy>")
        place.write_text(text, encoding="utf-8")
        assert sh("systemctl reload dbus").status == 0
        assert alice.run("systemd-run --user --scope --quiet true").status != 0


def test_records(alice: Login, said: dict[str, Any]) -> None:
    found = verdicts(said, "records")
    assert found["logind"] == OPEN
    assert alice.check("grep -h ^LEADER= /run/systemd/sessions/* | head -1")
    assert found["pid-files"] == OPEN
    number = alice.check("cat /run/sshd.pid")
    assert number == sh("cat /run/sshd.pid").out.strip()
    assert not alice.sees(int(number))
    assert found["journal"] == CLOSED
    assert alice.run("journalctl -q _PID=1 -n 1").out == ""
    assert sh("journalctl -q _PID=1 -n 1").out != ""


def test_utmp_is_open_while_another_is_logged_in_on_a_terminal(
    alice: Login, said: dict[str, Any]
) -> None:
    assert verdicts(said, "records")["utmp"] == UNKNOWN  # nobody has a terminal
    ssh = "ssh -tt -o BatchMode=yes carol@localhost"
    pid = sh(f"(sleep 600 | {ssh}) >/dev/null 2>&1 & echo $!").out.strip()
    try:
        wait_for(lambda: "carol" in sh("who").out, "carol has a terminal")
        # who(1) leaves out what kill() does not find; the file has it.
        assert "carol" not in alice.run("who").out
        assert int(alice.check("grep -ac carol /run/utmp")) == 1
        found = verdicts(audited(alice, "--family records"), "records")
        assert (found["utmp"], found["wtmp"]) == (OPEN, OPEN)
    finally:
        sh(f"pkill -P {pid}; kill {pid}")
        end_logins("carol")


def test_journal_is_open_for_its_readers() -> None:
    assert sh("gpasswd -a bob systemd-journal").status == 0
    try:
        with Login("bob") as bob:
            assert verdicts(audited(bob, "--family records"), "records")["journal"] == OPEN
            assert bob.run("journalctl -q _PID=1 -n 1").out != ""
    finally:
        assert sh("gpasswd -d bob systemd-journal").status == 0


def test_core_dumps_are_open_while_their_names_can_be_listed(alice: Login) -> None:
    place = Path("/var/lib/systemd/coredump")
    place.mkdir(mode=0o755, parents=True, exist_ok=True)
    mode = place.stat().st_mode & 0o7777
    dump = place / "core.sleep.1001.0123456789abcdef.4711.1700000000000000.zst"

    def verdict() -> str:
        return verdicts(audited(alice, "--family records"), "records")["coredumps"]

    assert verdict() == UNKNOWN
    try:
        dump.touch(mode=0o640)
        assert verdict() == OPEN
        assert "4711" in alice.check(f"ls {place}")
        place.chmod(0o750)
        assert verdict() == CLOSED
        assert alice.run(f"ls {place}").status != 0
    finally:
        place.chmod(mode)
        dump.unlink()


def test_against_a_process_of_another_session(alice: Login, bob: Login) -> None:
    pid = bob.spawn("sleep 600")
    document = audited(alice, f"--family calls --family procfs --against {pid}")
    assert document["target"] == {"pid": pid, "kind": "given"}
    found = verdicts(document)
    assert OPEN not in found.values()
    assert found["procfs.lookup@/proc"] == CLOSED
    assert found["calls.kill-pid"] == CLOSED
    # It has no netlink socket, and may lead no group: nothing is claimed.
    assert found["calls.bind-af-netlink-to-a-port-number"] == UNKNOWN
    assert found["calls.kill-pgid"] == UNKNOWN
    own = alice.spawn("sleep 600")
    document = audited(alice, f"--family calls --against {own}")
    assert verdicts(document)["calls.kill-pid"] == OPEN


def test_root_in_a_session_sees_all_and_the_audit_says_so(alice: Login) -> None:
    document = audited(alice, "--family calls --family procfs --family cgroups", sudo="sudo")
    assert document["confined_by"] == ["yama"]
    assert alice.check("sudo cat /proc/1/comm") == "systemd"
    found = verdicts(document)
    # This one succeeds in every domain, whatever is named.
    assert {name for name, verdict in found.items() if verdict == CLOSED} <= {
        "calls.prctl-pr-set-ptracer"
    }
    assert sum(verdict == OPEN for verdict in found.values()) > 60


@pytest.mark.parametrize("view", ["user", "domain", "inferiors"])
def test_inside_of_run(bob: Login, view: str) -> None:
    done = bob.run(
        f"yama-session run --quiet --view {view} -- yama-session audit --json"
        " --family calls --family procfs --family traces"
    )
    document = json.loads(done.out)
    assert document["confined_by"] == ["yama"]
    found = by_name(document)
    assert {name for name, verdict in found.items() if verdict == OPEN} == STAYS_OPEN.keys()
    assert sum(verdict == CLOSED for verdict in found.values()) >= 55
    assert {verdicts(document, "procfs")[f"{name}@/proc"] for name in ("names", "lookup")} == {
        CLOSED
    }
    assert verdicts(document, "traces")["locks"] == CLOSED


def test_where_nothing_more_can_be_nested_pid_1_is_looked_for(bob: Login) -> None:
    """Sixteen domains is the limit."""
    nested = "yama-session run --quiet --view all -- " * 15
    done = bob.run(f"{nested}yama-session audit --json --family calls")
    document = json.loads(done.out)
    assert document["target"] == {"pid": 1, "kind": "init"}
    assert "nest at most 16 deep" in document["notes"][0]
    assert by_name(document)["pidfd_open"] == CLOSED


def test_every_channel_that_is_said_to_be_closed_by_the_view_is(said: dict[str, Any]) -> None:
    found = verdicts(said)
    by_view = [c for c in channels() if c.closed_by.startswith("the view of a scope domain")]
    assert len(by_view) > 70
    assert {c.id for c in by_view if found.get(c.id) == OPEN} == set()


def test_a_session_with_the_view_all_is_open() -> None:
    with (
        policy('[[rule]]\nmatch = { user = "bob" }\npreset = "open"\n'),
        Login("bob") as bob,
    ):
        document = audited(bob, "--family calls --family procfs --family traces")
        assert document["confined_by"] == []
        assert bob.sees(1)
        found = verdicts(document)
        assert {name for name, verdict in found.items() if verdict == CLOSED} <= {
            # Nothing is handed out to him but by the service, whose procfs has hidepid.
            name
            for name in found
            if name.endswith("@new")
        }
        # A user that is not root finds another user who runs something.
        assert found["calls.getpriority-prio-user"] == OPEN
