# guest: --long --timeout 900
# guest: --debian --kernel 6.12 --suite bookworm --suite trixie --long --timeout 900
# guest: --stock --long --timeout 900
"""The same whatever enforces: the pilot and what comes after it, odd callers, another procfs."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from logins import (
    POLICY,
    Login,
    LoginRefused,
    domain_of,
    end_logins,
    policy,
    sessions,
    set_sysctl,
    sh,
    wait_for,
)

DOMAINS = """
[[rule]]
match = { user = ["bob", "root"] }
preset = "open"

[[rule]]
preset = "desktop"
"""
LANDLOCK = f"""{DOMAINS}
group = "session"
enforcer = "landlock"
"""
JAIL = Path("/srv/jail/proc")

#: Opens a session, on a thread or beside one, and has the user look for pid 1.
OPEN = """
import ctypes, os, pwd, sys, threading
pam = ctypes.CDLL("libpam.so.0")
user, where = sys.argv[1:]
handle, conversation = ctypes.c_void_p(), (ctypes.c_void_p * 2)()
assert pam.pam_start(b"su", user.encode(), conversation, ctypes.byref(handle)) == 0
stop, codes = threading.Event(), []
def work():
    if where == "on a thread":
        codes.append(pam.pam_open_session(handle, 0))
    else:
        stop.wait()
thread = threading.Thread(target=work)
thread.start()
if where == "beside a thread":
    codes.append(pam.pam_open_session(handle, 0))
    if (child := os.fork()) == 0:
        os.setgid(pwd.getpwnam(user).pw_gid)
        os.setuid(pwd.getpwnam(user).pw_uid)
        os._exit(os.path.exists("/proc/1"))
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
stop.set()
thread.join()
print(*codes)
"""
PERM_DENIED = "6"


def check(command: str) -> str:
    """Run a command as root that must succeed, and return what it says."""
    done = sh(command)
    assert done.status == 0, done.out
    return done.out


@pytest.fixture(scope="module")
def enforcer() -> Iterator[str]:
    """What enforces here, with the module's line where that needs it."""
    name = str(json.loads(sh("yama-session status --json").out)["service"]["enforcer"])
    if name == "landlock":
        check("yama-session setup --landlock")
    yield name
    if name == "landlock":
        check("yama-session setup --landlock --undo")
        check("pam-auth-update --enable yama-session")


@pytest.fixture
def rules(enforcer: str) -> str:
    """A policy that confines alice and carol, by that."""
    return LANDLOCK if enforcer == "landlock" else DOMAINS


def pilot() -> dict[str, Any]:
    """What alice would lose; nobody else is logged in."""
    (found,) = json.loads(check("yama-session pilot --json"))
    assert found["user"] == "alice"
    return dict(found)


def test_pilot_confines_nobody_and_says_what_it_would_cost(enforcer: str, rules: str) -> None:
    with policy(f'mode = "log"\n{rules}'), Login("alice") as alice, Login("alice") as other:
        assert alice.sees(1)
        assert {s["enforcer"] for s in sessions()} == {""}
        would = {str(s["would"]) for s in sessions() if s["user"] == "alice"}
        assert len(would) == 1
        assert would.pop().startswith(f"confined by {enforcer}: scope=relational view=domain ")
        wait_for(
            lambda: f": would be confined by {enforcer}" in check("journalctl -q -u yama-session"),
            "the journal says so",
        )
        set_sysctl(0)
        check("systemd-run --unit=job --uid=alice sleep 600")
        try:
            tracee = other.spawn("sleep 605")
            tracer = alice.spawn(f"strace -qq -e trace=none -p {tracee}")
            status = Path(f"/proc/{tracee}/status")
            wait_for(lambda: f"TracerPid:\t{tracer}\n" in status.read_text(), "it has attached")
            found = pilot()
            assert 0 in {entry["uid"] for entry in found["others"]}
            assert ("sleep", "job.service") in {(o["name"], o["unit"]) for o in found["own"]}
            assert {"tracer": tracer, "tracee": tracee} in found["traced"]
            assert f"could not trace: strace ({tracer}" in check("yama-session pilot")
        finally:
            check("systemctl stop job")
        check("systemctl stop yama-session")
        try:
            with Login("alice") as meanwhile:
                assert meanwhile.sees(1)
        finally:
            check("systemctl start yama-session")


def test_manager_from_before_is_told_of_refused_and_restarted(rules: str) -> None:
    escape = "systemd-run --user --pipe --quiet --wait test -e /proc/1"
    with policy(f'mode = "log"\n{rules}'), Login("alice") as before:
        assert before.run(escape).status == 0

        def put_in_force(text: str) -> None:
            POLICY.write_text(text, encoding="utf-8")
            check("systemctl reload yama-session")

        put_in_force(rules)
        with Login("alice") as new:
            assert not new.sees(1)
            assert new.run(escape).status == 0
        assert "the user manager of alice" in check("journalctl -q -u yama-session --since -1min")
        put_in_force(f"strict_manager = true\n{rules}")
        with pytest.raises(LoginRefused):
            Login("alice")
        check("yama-session setup --restart-managers --yes")
        with Login("alice") as new:
            assert not new.sees(1)
            assert new.run(escape).status == 1
        assert before.sees(1)


def test_another_procfs_is_covered_and_doctor_names_it(enforcer: str, rules: str) -> None:
    check(f"mkdir -p {JAIL} && mount -t proc proc {JAIL}")
    try:
        with policy(rules), Login("alice") as alice, Login("bob") as bob:
            assert bob.check(f"cat {JAIL}/1/comm") == "systemd"
            assert alice.run(f"stat {JAIL}/1").status != 0
            assert alice.run(f"cat {JAIL}/1/cmdline").status != 0
            named = f"{JAIL}: a procfs" in sh("yama-session doctor").out
            # What hides in every procfs leaves nothing to say.
            assert named is (enforcer != "yama")
    finally:
        check(f"umount {JAIL}")
    assert str(JAIL) not in sh("yama-session doctor").out


@pytest.mark.parametrize(
    ("option", "let_in"),
    [
        ("RestrictNamespaces=~user", True),  # clone3(2) is not there then
        ("RestrictNamespaces=uts ipc user cgroup", False),
        ("SystemCallFilter=~clone3:ENOSYS", True),
        ("SystemCallFilter=~unshare:EPERM", False),
    ],
)
def test_unit_that_restricts_its_logins(rules: str, option: str, let_in: bool) -> None:
    look = "echo in; test -e /proc/1 && echo sees pid 1; true"
    with policy(rules):
        done = sh(f"systemd-run -q --wait --pipe -p '{option}' su alice -c '{look}'")
    if let_in:
        assert (done.out, done.status) == ("in\n", 0)
    else:
        assert done.status != 0
        assert "in\n" not in done.out
        assert "Permission denied" in done.out


def opened(login: Login | None, user: str, where: str) -> list[str]:
    """Open a session as root, outside or from within a login, and return the codes."""
    # Debian 13's Python warns of a fork beside a thread.
    command = shlex.join(["/usr/bin/python3", "-W", "ignore", "-c", OPEN, user, where])
    return (login.check(f"sudo -n {command}") if login else check(command)).split()


def test_session_on_a_thread_is_refused_and_beside_one_confined(rules: str) -> None:
    with policy(rules):
        assert opened(None, "alice", "on a thread") == [PERM_DENIED]
        assert "called on a thread" in check("journalctl -q -b -g pam_yama_session -o cat")
        assert opened(None, "alice", "beside a thread") == ["0", "0"]
        # What works for who can open it on threads only: a unit for each user.
        unit = "systemd-run -q --wait --pipe -p User=alice -p PAMName=login"
        assert sh(f"{unit} test -e /proc/1").status == 1


def test_program_with_threads_opens_another_user_s_session_from_inside_of_one(rules: str) -> None:
    with policy(rules), Login("alice") as alice:
        assert opened(alice, "carol", "beside a thread") == ["0", "0"]


def test_program_of_root_s_that_starts_users_is_named_with_what_to_do(enforcer: str) -> None:
    end_logins("alice")
    check("systemd-run -q --unit=hub sh -c 'runuser -u alice -- sleep 600; true'")
    try:
        wait_for(lambda: sh("pgrep -U alice -x sleep").status == 0, "it has started her program")
        text = sh("yama-session doctor").out
        # Whether a process is in a domain of Landlock the kernel tells nobody.
        assert ("a program of root's in hub.service starts them" in text) is (
            enforcer != "landlock"
        )
        if enforcer == "yama":
            assert domain_of(int(sh("pgrep -U alice -x sleep").out)) == "none"
    finally:
        check("systemctl stop hub")
