# guest: --debian --kernel 6.12 --alone --timeout 900
# guest: --debian --kernel 6.1 --kernel 7.3 --long --timeout 900
# guest: --debian --suite trixie --kernel 6.12 --long --timeout 900
"""What works outside of a session works inside of one that BPF confines.

bob is exempt: what he gets is what the machine gives without a session.
"""

from collections.abc import Iterator

import pytest
from bpf_logins import is_confined
from logins import Login, policy, wait_for
from works import PROGRAMS

BOB_IS_EXEMPT = """
[[rule]]
match = { user = "bob" }
preset = "open"
"""

# `busctl status`, as it is asked elsewhere, reads /proc/1/cgroup. Where root has looked
# there before, procfs says EPERM and not ENOENT, which systemd's tools do not expect.
ANSWERS = PROGRAMS | {
    "dbus-run-session": (
        "dbus-run-session -- busctl --user call org.freedesktop.DBus / org.freedesktop.DBus"
        " NameHasOwner s org.freedesktop.DBus",
        "b true",
    )
}

Logins = tuple[Login, Login]


@pytest.fixture(scope="module")
def logins() -> Iterator[Logins]:
    """A confined login and an exempt one."""
    with policy(BOB_IS_EXEMPT), Login("alice") as alice, Login("bob") as bob:
        assert is_confined(alice)
        assert not is_confined(bob)
        yield alice, bob


@pytest.mark.parametrize("name", ANSWERS)
def test_program_answers_as_outside(logins: Logins, name: str) -> None:
    command, answer = ANSWERS[name]
    confined, exempt = logins
    assert exempt.run(command).out.strip() == answer
    assert confined.run(command).out.strip() == answer


@pytest.mark.parametrize("kind", ["-S", "-H"])
def test_resource_limits_are_the_same(logins: Logins, kind: str) -> None:
    confined, exempt = logins
    limits = exempt.check(f"ulimit {kind} -a")
    assert len(limits.splitlines()) > 10
    assert confined.check(f"ulimit {kind} -a") == limits


def test_services_can_be_asked(logins: Logins) -> None:
    for login in logins:
        assert login.check("systemctl is-active yama-session") == "active"
        assert login.run("systemctl --user is-system-running").out.strip() == "running"
        session = login.check("echo $XDG_SESSION_ID")
        assert "State=active" in login.check(f"loginctl show-session {session} -p State")
        action = "org.freedesktop.login1.set-self-linger"
        assert "not exist" not in login.run(f"pkcheck --action-id {action} --process $$").out


def test_sudo_changes_the_machine(logins: Logins) -> None:
    confined, exempt = logins
    confined.check("sudo -n mount -t tmpfs by-sudo /mnt && sudo -n touch /mnt/here")
    assert exempt.run("test -e /mnt/here").status == 0
    confined.check("sudo -n umount /mnt")


@pytest.mark.parametrize("job", ["cron", "at"])
def test_jobs_are_run_and_confined(logins: Logins, job: str) -> None:
    confined, _ = logins
    look = "test -e /proc/1; echo $? > ~/said"
    confined.check("rm -f ~/said")
    if job == "cron":
        confined.check(f"echo '* * * * * {look}' | crontab -")
    else:
        confined.check(f"echo '{look}' | at now")
    said = "test -s ~/said"
    wait_for(lambda: confined.run(said).status == 0, f"{job} has run it", seconds=90)
    assert confined.check("cat ~/said") == "1"
    confined.run("crontab -r")
