# guest: --debian --kernel 6.12 --alone --timeout 900
# guest: --debian --kernel 6.1 --kernel 7.3 --long --timeout 900
# guest: --debian --suite trixie --kernel 6.12 --long --timeout 900
"""Logins on Debian's own kernels, confined by BPF programs that the service has loaded."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from bpf_logins import domains, holds, is_confined, stranger
from debuggers import attaches, debugs_a_child
from logins import Login, all_pids, end_logins, policy, set_sysctl, sh, wait_for

from yama_session.enforcers.bpf.state import version_of
from yama_session.levels import View

BOB_IS_EXEMPT = """
[[rule]]
match = { user = "bob" }
preset = "open"

[[rule]]
match = { user = "root" }
preset = "open"

[[rule]]
view = "domain"
"""
BY_SESSION = """
[[rule]]
match = { user = "alice" }
scope = 0
view = "domain"
group = "session"
"""

#: What tells a hidden process from a missing one here; docs/bpf.md says why.
OPEN = {
    *(
        f"calls.{name}"
        for name in (
            "bind-af-netlink-to-a-port-number",
            "clock-getres-cpu-clock",
            "clock-gettime-cpu-clock-of-a-process",
            "clock-nanosleep-cpu-clock",
            "clock-settime-cpu-clock",
            "futex-futex-lock-pi",
            "get-robust-list",
            "getpriority-prio-pgrp",
            "getpriority-prio-process",
            "getpriority-prio-user",
            "kcmp-first-process",
            "kcmp-second-process",
            "kill-pid",
            "migrate-pages",
            "move-pages",
            "prctl-pr-set-ptracer",
            "process-vm-readv",
            "process-vm-writev",
            "ptrace-ptrace-seize",  # the audit asks in a way that is wrong in itself
            "rt-sigqueueinfo",
            "timer-create-cpu-clock",
        )
    ),
    *(f"procfs.{name}" for name in ("links@/proc", "links@new", "lookup@/proc")),
    *(
        f"traces.{name}"
        for name in (
            "autofs",
            "fdinfo-lock",
            "getlk",
            "msgctl",
            "netlink-diag",
            "netlink-file",
            "peercred",
            "relations",
            "semctl",
            "shmctl",
        )
    ),
    *(f"counts.{name}" for name in ("forks", "last-pid", "ns-last-pid", "sysinfo", "threads")),
    "cgroups.names",
    # The audit's other process stands in the same cgroup.
    "cgroups.read-cgroup-procs",
    "cgroups.read-cgroup-threads",
}
if version_of(os.uname().release) < (6, 9):
    OPEN |= {"calls.pidfd-open", "calls.pidfd-open-pidfd-thread"}
if version_of(os.uname().release) < (6, 2):
    OPEN |= {
        *(
            f"calls.fcntl-f-setown{name}"
            for name in ("-pid", "-pgid", "-ex-f-owner-tid", "-ex-f-owner-pid", "-ex-f-owner-pgrp")
        ),
        "calls.ioctl-fiosetown",
        "calls.ioctl-siocspgrp",
        "calls.ioctl-tiocspgrp",
        "calls.prlimit64",
        "calls.rtm-getnsid-with-netnsa-pid",
        "calls.rtm-setlink-with-ifla-net-ns-pid",
        "calls.setpgid-0-pgid",
    }

DAEMON = """
import os, sys, time
if os.fork():
    sys.exit()
os.setsid()
if pid := os.fork():
    print(pid, flush=True)
    os._exit(0)
time.sleep(600)
"""
SEIZE = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
print(libc.ptrace(0x4206, int(sys.argv[1]), None, None))
"""


def is_of(pid: int, user: str) -> bool:
    """Is a process one of a user's? One that is gone counts as such."""
    try:
        return Path(f"/proc/{pid}").owner() == user
    except FileNotFoundError:
        return True


def listed(login: Login, command: str) -> set[int]:
    """The pids that a command prints, one at the start of each line."""
    words = [line.split() for line in login.check(command).splitlines()]
    return {int(word[0]) for word in words if word and word[0].isdecimal()}


def test_status_says_what_is_enforced_and_by_what() -> None:
    done = sh("yama-session status --json")
    assert done.status == 0, done.out
    status = json.loads(done.out)
    assert status["enforcers"]["yama"]["state"] == "not built"
    assert status["enforcers"]["bpf"]["state"] == "available"
    assert status["service"]["enforcer"] == "bpf"
    assert status["service"]["unsupported"] == []
    assert status["domain"] is None


class TestOneConfinedOneExempt:
    @pytest.fixture(scope="class")
    def logins(self) -> Iterator[tuple[Login, Login]]:
        with policy(BOB_IS_EXEMPT), Login("alice") as alice, Login("bob") as bob:
            yield alice, bob

    def test_one_is_confined_and_the_other_is_not(self, logins: tuple[Login, Login]) -> None:
        alice, bob = logins
        assert is_confined(alice, view=View.DOMAIN)
        assert not is_confined(bob)
        with Login("root") as root:
            assert not is_confined(root)

    def test_service_has_their_sessions(self, logins: tuple[Login, Login]) -> None:
        assert "0" not in domains("alice")
        assert domains("bob") == {"0"}
        (own,) = {s["enforcer"] for s in json.loads(logins[0].check("yama-session list --json"))}
        assert own == "bpf"

    def test_session_lists_its_own_and_none_outside(self, logins: tuple[Login, Login]) -> None:
        alice, bob = logins
        daemon = int(alice.python(DAEMON).out.split()[0])
        own = {int(alice.check("echo $$")), daemon, alice.spawn("sleep 601")}
        stranger = bob.spawn("sleep 602")
        outside = {pid for pid in all_pids() if not is_of(pid, "alice")}
        assert {1, stranger} <= outside
        for command in ("ps -e -o pid=", "ls /proc", "pgrep ."):
            seen = listed(alice, command)
            assert own <= seen
            assert not seen & outside
        assert outside & all_pids() <= bob.pids()

    def test_nothing_outside_can_be_looked_into_or_stopped(
        self, logins: tuple[Login, Login]
    ) -> None:
        alice, bob = logins
        stranger = bob.spawn("sleep 602")
        for name in ("environ", "maps", "cmdline", "fd", "exe"):
            assert "No such file" in alice.run(f"stat /proc/{stranger}/{name}").out
        assert alice.run(f"kill {stranger}").status != 0
        assert alice.python(SEIZE, stranger).out.strip() == "-1"
        assert bob.sees(stranger)

    def test_sudo_is_of_the_session_and_sees_all(self, logins: tuple[Login, Login]) -> None:
        alice, _ = logins
        before = domains("alice")
        assert alice.check("sudo -n cat /proc/1/comm") == "systemd"
        assert alice.check("sudo -n -i yama-session status --json | grep -c domain") != "0"
        # Root without its capabilities is one of the session.
        bare = "setpriv --bounding-set=-all --inh-caps=-all test -e /proc/1"
        assert alice.run(f"sudo -n {bare}").status != 0
        assert domains("alice") == before

    def test_program_in_a_domain_of_its_own(self, logins: tuple[Login, Login]) -> None:
        alice, _ = logins
        beside = alice.spawn("sleep 603")
        done = alice.run("yama-session run -- sh -c 'ls /proc | grep -c ^[0-9]'")
        assert done.status == 0, done.out
        assert "enforcer bpf, view=domain, scope=relational" in done.out
        assert alice.run(f"yama-session run --quiet -- test -e /proc/{beside}").status == 1

    def test_audit_finds_the_documented_channels_open(self, logins: tuple[Login, Login]) -> None:
        audit = json.loads(logins[0].run("yama-session audit --json").out)
        assert audit["confined_by"] == ["bpf"]
        found = {c["id"] for c in audit["channels"] if c["verdict"] == "open"}
        told_by_user_space = {name for name in found if name.startswith(("bus.", "records."))}
        assert found - told_by_user_space - OPEN == set()

    def test_root_is_shown_who_is_where(self, logins: tuple[Login, Login]) -> None:
        alice, bob = logins
        inside = alice.spawn("sleep 603")
        nested = "yama-session run --quiet -- sleep 607"
        alice.spawn(nested)
        wait_for(lambda: sh("pgrep -xf 'sleep 607'").status == 0, "it runs")
        deeper = int(sh("pgrep -xf 'sleep 607'").out)
        done = sh("yama-session tree --json")
        assert done.status == 0, done.out
        tree = json.loads(done.out)
        of_pid = {item["pid"]: d for d in tree["domains"] for item in d["processes"]}
        outer, inner = of_pid[inside], of_pid[deeper]
        assert {outer["id"]} == domains("alice")
        assert (outer["parent"], outer["depth"], outer["sessions"] != []) == ("0", 1, True)
        assert (inner["parent"], inner["depth"]) == (outer["id"], 2)
        assert inner["sees"] == [inner["id"]]
        assert set(outer["sees"]) == {outer["id"], inner["id"]}
        outside = {item["pid"] for item in tree["outside"]}
        assert {1, int(bob.check("echo $$"))} <= outside
        refused = alice.run("yama-session tree")
        assert refused.status == 125
        assert "root can" in refused.out

    def test_nothing_is_said_of_others_that_is_not_known(self, logins: tuple[Login, Login]) -> None:
        alice, bob = logins

        def explained(pid: int, viewer: int | str) -> list[str]:
            done = sh(f"yama-session explain {pid} --as {viewer} --json")
            answers = json.loads(done.out)
            return [answers[what]["answer"] for what in ("visible", "readable", "attachable")]

        inside = int(alice.check("echo $$"))
        with stranger("alice") as outside:
            assert explained(outside, inside) == ["unknown"] * 3
            assert explained(inside, inside)[:2] == ["yes", "yes"]
            assert explained(outside, 1)[:2] == ["yes", "yes"]
            assert explained(outside, "bob") == ["yes", "no", "no"]
            assert bob.run(f"yama-session can-attach {outside}").status == 1

    def test_doctor_finds_who_is_in_no_domain(self, logins: tuple[Login, Login]) -> None:
        assert logins
        with stranger("alice") as outside:
            found = sh("yama-session doctor").out
            assert "alice: " in found
            assert f"{outside} (sleep)" in found
        assert "not confined, though" not in sh("yama-session doctor").out

    def test_doctor_names_what_hides_and_what_does_not(self, logins: tuple[Login, Login]) -> None:
        assert logins
        assert "'ssh-add -l' finds the one that runs" in sh("yama-session doctor").out
        sh("mkdir -p /srv/jail/proc; mount -t proc proc /srv/jail/proc")
        try:
            assert "/srv/jail/proc: a procfs" in sh("yama-session doctor").out
            with Login("carol") as carol:
                for place in ("/srv/jail/proc", "/proc"):
                    assert carol.run(f"stat {place}/1").status != 0
                    assert carol.run(f"cat {place}/self/comm").out.strip() == "cat"
            assert Path("/srv/jail/proc/1/comm").read_text() == "systemd\n"
        finally:
            sh("umount /srv/jail/proc")
        assert "/srv/jail" not in sh("yama-session doctor").out
        end_logins("carol")

    def test_a_directory_that_su_inherits_leads_to_no_other_proc(
        self, logins: tuple[Login, Login]
    ) -> None:
        assert logins
        inherit = "cd /; exec 9</; su carol -c 'ls /proc/self/fd/9/proc/1; ls -d /proc/1'"
        done = sh(inherit)
        assert done.status != 0
        assert "environ" not in done.out
        assert sh("cd /; su carol -c true </").status != 0
        end_logins("carol")

    def test_su_opens_the_other_user_s_session(self, logins: tuple[Login, Login]) -> None:
        alice, _ = logins
        with Login("carol") as carol:
            work = carol.spawn("sleep 604")
            own = alice.spawn("sleep 604")
            seen = alice.check("sudo -n su carol -c 'pgrep -f ^sleep.604'").split()
            assert str(work) in seen
            assert str(own) not in seen
            assert len(domains("carol")) == 1
        end_logins("carol")

    def test_su_to_an_exempt_user_shows_what_the_user_s_own_login_shows(
        self, logins: tuple[Login, Login]
    ) -> None:
        alice, bob = logins
        assert alice.run(f"sudo -n su bob -c 'kill -0 {bob.spawn('sleep 605')}'").status == 0
        assert alice.check("sudo -n su bob -c 'pgrep -f ^sleep.605'")
        for command in ("cat /proc/1/comm", "ls -d /proc/1 /proc/2", "pgrep -x sshd -u root"):
            by_su = alice.check(f"sudo -n su bob -c '{command}'").split()
            assert set(bob.check(command).split()) <= set(by_su)
        # The session that was left sees no more than before.
        assert not alice.sees(1)

    def test_ways_out_are_closed(self, logins: tuple[Login, Login]) -> None:
        code = """
import ctypes, json, os, socket
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
c = lambda result: result if result >= 0 else -ctypes.get_errno()
scope = lambda op, *args: c(libc.prctl(*[0x59616d73, op, *args, 0, 0, 0][:5]))
libc.prctl(38, 1, 0, 0, 0)
said = {"leave": scope(4, 0), "enter at top level": scope(1, 0, 0, 2)}
try:
    socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 11)
    said["connector"] = 0
except OSError as error:
    said["connector"] = -error.errno
said["userns"] = c(libc.unshare(0x10020000))
said["leave from there"] = scope(4, 0)
said["umount"] = c(libc.umount2(b"/proc", 2))
said["proc"] = c(libc.mount(b"proc", b"/mnt", b"proc", 0, None))
assert not os.path.exists("/proc/1")
print(json.dumps(said))
"""
        said = logins[0].json(code)
        assert isinstance(said, dict)
        assert said.pop("userns") == 0
        assert all(answer in (-1, -22) for answer in said.values()), said


def test_logins_of_a_user_share_a_domain() -> None:
    with Login("alice") as one, Login("alice") as other:
        assert len(domains("alice")) == 1
        work = other.spawn("sleep 600")
        assert one.sees(work)
        manager = int(sh("pgrep -U alice -x systemd").out)
        # Debian 13's has a capability, and who has it not may not look into it.
        has_none = "CapPrm:\t0000000000000000" in Path(f"/proc/{manager}/status").read_text()
        assert one.sees(manager) == has_none
        one.check("systemd-run --user --quiet --unit=probe sleep 600")
        assert one.sees(int(one.check("systemctl --user show --value -p MainPID probe")))
        one.check("systemd-run --user --scope --quiet true")
    end_logins("alice")


def test_view_user_shows_the_user_s_own_and_nobody_else_s() -> None:
    text = '[[rule]]\nmatch = { user = "alice" }\nview = "user"\n' + BOB_IS_EXEMPT
    with policy(text), Login("alice") as alice, Login("bob") as bob:
        assert holds(alice, 1, View.USER)
        assert not holds(alice, 1, View.DOMAIN)
        with stranger("alice") as own:
            assert alice.sees(own)
            assert own in alice.pids()
            assert alice.run(f"kill -0 {own}").status == 0
            assert alice.run(f"readlink /proc/{own}/exe").status == 0
            run = "yama-session run --quiet --view domain --"
            assert alice.run(f"{run} test -e /proc/{own}").status == 1
            assert alice.run(f"{run} kill -0 {own}").status == 1
        for other in (1, 2, bob.spawn("sleep 602")):
            assert not alice.sees(other)
            assert alice.run(f"kill -0 {other}").status == 1
            done = alice.python("import os, sys; os.getsid(int(sys.argv[1]))", other)
            assert "ProcessLookupError" in done.out
        tree = sh("yama-session tree").out
        assert "scope relational, view user" in tree
        assert "sees itself, what is of the viewer's uid" in tree


def test_sessions_of_a_user_are_apart() -> None:
    with policy(BY_SESSION), Login("alice") as one, Login("alice") as other:
        set_sysctl(0)
        for viewer, target in ((one, other), (other, one)):
            hidden = target.spawn("sleep 600")
            assert not viewer.sees(hidden)
            assert hidden not in viewer.pids()
            assert viewer.python(SEIZE, hidden).out.strip() == "-1"
            assert target.python(SEIZE, hidden).out.strip() == "0"


@pytest.mark.parametrize("scope", range(4))
def test_scope_decides_where_the_sysctl_is_open(scope: int) -> None:
    text = f'[[rule]]\nmatch = {{ user = "alice" }}\nscope = {scope}\nview = "domain"\n'
    with policy(text), Login("alice") as alice:
        set_sysctl(0)
        assert is_confined(alice, scope, View.DOMAIN)
        assert not holds(alice, scope + 1)
        assert attaches(alice) == {scope == 0}
        assert debugs_a_child(alice) == (scope <= 1)


def test_scope_does_not_loosen_the_sysctl() -> None:
    text = '[[rule]]\nmatch = { user = "alice" }\nscope = 0\nview = "domain"\n'
    with policy(text), Login("alice") as alice:
        set_sysctl(1)
        assert attaches(alice) == {False}


def test_su_from_scope_3_stays_inside() -> None:
    text = '[[rule]]\nmatch = { user = "alice" }\npreset = "kiosk"\n' + BOB_IS_EXEMPT
    with policy(text), Login("alice") as alice:
        assert is_confined(alice, 3, View.DOMAIN)
        assert alice.run("sudo -n su bob -c 'test -e /proc/1'").status == 1
        assert alice.run("sudo -n su carol -c 'test -e /proc/1'").status == 1


def test_stricter_policy_nests_in_the_living_domain() -> None:
    text = '[[rule]]\nmatch = {{ user = "alice" }}\nscope = {}\nview = "domain"\n'
    with policy(text.format(0)), Login("alice") as one:
        sh(f"cat > /etc/yama-session/policy.toml <<'EOF'\n{text.format(2)}\nEOF")
        assert sh("systemctl reload yama-session").status == 0
        with Login("alice") as other:
            assert holds(other, 2)
            assert not holds(one, 2)
            assert one.sees(int(other.check("echo $$")))
            assert not other.sees(int(one.check("echo $$")))


def test_preset_that_it_cannot_honour_is_told_with_its_place() -> None:
    text = '[[rule]]\nmatch = { user = "carol" }\npreset = "developer"\n'
    with policy(""):
        sh(f"cat > /etc/yama-session/policy.d/more.toml <<'EOF'\n{text}\nEOF")
        try:
            assert sh("systemctl reload yama-session").status == 1
            status = json.loads(sh("yama-session status --json").out)["service"]
            (error,) = status["policy_errors"]
            assert "more.toml:1: this kernel cannot do it: bpf cannot honour override" in error
        finally:
            sh("rm /etc/yama-session/policy.d/more.toml")
            assert sh("systemctl reload yama-session").status == 0


def test_domain_is_forgotten_when_nothing_is_in_it() -> None:
    with Login("alice"):
        pass
    end_logins("alice")
    count = "yama-session status --json | /usr/bin/python3 -c "
    count += '\'import json, sys; print(json.load(sys.stdin)["service"]["user_domains"])\''
    wait_for(lambda: sh(count).out.strip() == "0", "the domain is let go of", seconds=90)
