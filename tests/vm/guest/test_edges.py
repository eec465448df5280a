# guest: --alone --suite bookworm --timeout 900
"""Odd callers, missing calls, a name service that hangs, an upgrade: confined or refused."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from logins import Done, Login, end_logins, policy, sessions, sh, wait_for

LOOK = "cat /proc/self/attr/yama/scope; test -e /proc/1 && echo sees pid 1; true"
SU = f"su alice -c '{LOOK}'"
GROUPS = """
[[rule]]
match.group = "bob"
preset = "open"
"""
STEPS = 12
# Of what is asked of the kernel (prctl(2), which has the domains, is everybody's):
# without these the module cannot do its part,
NEEDED = {"capget", "capset", "mount", "move_mount", "open_tree", "unshare"}
# without these it needs the service for a procfs,
NEEDED_ALONE = {"fsconfig", "fsmount", "fsopen"}
# and without these it has other means.
SPARED = {"clone3", "mount_setattr", "pidfd_open", "sendmsg", "socketpair"}


@pytest.fixture(autouse=True)
def _nobody_left() -> Iterator[None]:
    yield
    wait_for(lambda: sh("yama-session list").status == 0, "the service is there")
    end_logins("alice", "bob")


def service_pid() -> int:
    return int(sh("systemctl show -P MainPID yama-session").out)


def said(since: float) -> str:
    """What the module has written into the journal since a moment."""
    return sh(f"journalctl -q -o cat -g pam_yama_session --since=@{since:.3f}").out


def judge(done: Done, since: float) -> str:
    """Tell how a login has ended; unconfined or half-way it must not be."""
    if done.status == 0:
        assert "view=user" in done.out, done.out
        assert "sees" not in done.out, done.out
        return "confined"
    assert "scope=" not in done.out, done.out
    wait_for(lambda: bool(said(since)), "the journal says why")
    return "refused"


@pytest.fixture
def stopped_service() -> Iterator[None]:
    assert sh("systemctl stop yama-session").status == 0
    yield
    assert sh("systemctl start yama-session").status == 0


def refused_without(calls: set[str]) -> set[str]:
    """Let su run on a kernel without each of these calls; return those that it needs."""
    needed = set()
    for call in calls:
        since = time.time()
        filtered = f"systemd-run -q --wait --pipe -p SystemCallFilter=~{call}:ENOSYS {SU}"
        if judge(sh(filtered), since) == "refused":
            needed.add(call)
    return needed


def test_kernel_without_a_call_confines_or_refuses() -> None:
    assert refused_without(NEEDED | NEEDED_ALONE | SPARED) == NEEDED


@pytest.mark.usefixtures("stopped_service")
def test_kernel_without_a_call_nor_the_service_confines_or_refuses() -> None:
    assert refused_without(NEEDED | NEEDED_ALONE | SPARED) == NEEDED | NEEDED_ALONE


def test_service_killed_at_every_moment_of_a_login() -> None:
    begin = time.monotonic()
    assert judge(sh(SU), time.time()) == "confined"
    length = time.monotonic() - begin
    for step in range(STEPS):
        wait_for(lambda: sh("systemctl is-active yama-session").status == 0, "it is there")
        since = time.time()
        killer = threading.Timer(length * step / STEPS, os.kill, (service_pid(), signal.SIGKILL))
        killer.start()
        done = sh(SU)
        killer.join()
        assert judge(done, since) == "confined"


NAMESPACES = {
    "mount": "unshare -m",
    "mount, private": "unshare -m --propagation private",
    "pid": "unshare -pf --mount-proc",
    "pid, with the old proc": "unshare -pf",
}


@pytest.mark.parametrize("where", NAMESPACES)
def test_caller_in_another_namespace_is_confined(where: str) -> None:
    since = time.time()
    # Not su itself: it would be the pid 1 that it then sees.
    parent = shlex.quote(f"{SU}; exit $?")
    assert judge(sh(f"{NAMESPACES[where]} sh -c {parent}"), since) == "confined"
    # The service would mean other processes by the same numbers.
    assert ("ForeignNamespace" in said(since)) == where.startswith("pid")


def test_caller_in_another_user_namespace_is_refused() -> None:
    since = time.time()
    mapped = "until grep -q . /proc/self/uid_map /proc/self/gid_map; do :; done"
    with subprocess.Popen(
        ["unshare", "-U", "sh", "-c", f"{mapped}; exec {SU}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        own = Path("/proc/self/ns/user").readlink()
        theirs = Path(f"/proc/{process.pid}/ns/user")
        wait_for(lambda: theirs.readlink() != own, "it has a namespace")
        for name in ("gid_map", "uid_map"):
            Path(f"/proc/{process.pid}/{name}").write_text("0 0 65536\n", encoding="ascii")
        out = process.communicate(timeout=60)[0]
    # A procfs of the machine's pid namespace is not for it to make.
    assert judge(Done(out, process.returncode), since) == "refused"
    assert "ForeignNamespace" in said(since)


def test_name_service_that_hangs_sends_a_login_to_the_fallback() -> None:
    with policy(GROUPS):
        end_logins("alice")
        group = Path("/run/hanging-group")
        os.mkfifo(group)
        pid = service_pid()
        inside = f"nsenter -t {pid} -m"
        assert sh("systemctl reload yama-session").status == 0
        assert sh(f"{inside} mount --bind {group} /etc/group").status == 0
        try:
            since = time.time()
            with Login("alice") as alice:
                assert "view=user" in alice.domain()
                assert not alice.sees(1)
            assert "fallback strict" in said(since)
        finally:
            assert sh(f"systemctl kill -s KILL yama-session && rm {group}").status == 0


def test_status_tells_the_version_of_the_kernel_s_interface() -> None:
    told = json.loads(sh("yama-session status --json").out)
    assert told["kernel_abi"] == told["service"]["kernel_abi"] == 3
    assert told["enforcers"]["yama"]["reason"].endswith("ABI 3")


def installed() -> Iterator[Path]:
    """Yield the files of the project, but those of the administrator."""
    for top in ("/usr/lib/python3/dist-packages/yama_session", "/usr/libexec/yama-session"):
        yield from (path for path in Path(top).rglob("*") if path.is_file())
    yield from Path("/usr/lib/systemd/system").glob("yama-session*")
    (module,) = sh("find /usr/lib /lib/ -xdev -name pam_yama_session.so -print -quit").lines
    yield Path(module)


def test_upgrade_in_place_loses_no_session() -> None:
    """As a package manager does it: stop, replace each file, start."""
    with Login("alice") as alice, Login("bob") as bob:
        before = {session["id"] for session in sessions()}
        domain = alice.domain_id()
        shell = int(alice.check("echo $$"))
        assert sh("systemctl stop yama-session").status == 0
        files = list(installed())
        assert len(files) > 50
        for file in files:
            new = file.with_name(file.name + ".dpkg-new")
            shutil.copy2(file, new)
            new.replace(file)
        with Login("alice") as meanwhile:
            assert "view=user" in meanwhile.domain()
            assert sh("systemctl daemon-reload && systemctl start yama-session").status == 0
            assert before <= {session["id"] for session in sessions()}
            with Login("alice") as again:
                assert again.domain_id() == domain
                assert again.sees(shell)
        assert alice.check("sudo -n cat /proc/self/attr/yama/scope") == alice.domain()
        (own,) = [s["id"] for s in sessions() if s["user"] == "bob" and s["service"] == "sshd"]
        bob.close()
        wait_for(lambda: own not in {s["id"] for s in sessions()}, "the new one sees the end")
