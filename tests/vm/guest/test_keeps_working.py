# guest: --alone
"""What works outside of a session works inside of one (point 8).

bob is exempt: what he gets is what the machine gives without a session.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from logins import Login, end_logins, policy, sh, wait_for
from works import PROGRAMS

BOB_IS_EXEMPT = """
[[rule]]
match = { user = "bob" }
preset = "open"
"""

BY_SESSION = """
[[rule]]
match = { user = "alice" }
preset = "desktop"
view = "domain"
group = "session"
"""

Logins = tuple[Login, Login]


@pytest.fixture(scope="module")
def logins() -> Iterator[Logins]:
    """A confined login and an exempt one."""
    with policy(BOB_IS_EXEMPT), Login("alice") as alice, Login("bob") as bob:
        assert "view=user" in alice.domain()
        assert bob.domain() == "none"
        yield alice, bob


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_answers_as_outside(logins: Logins, name: str) -> None:
    command, answer = PROGRAMS[name]
    confined, exempt = logins
    assert exempt.run(command).out.strip() == answer
    assert confined.run(command).out.strip() == answer


@pytest.mark.parametrize("kind", ["-S", "-H"])
def test_resource_limits_are_the_same(logins: Logins, kind: str) -> None:
    confined, exempt = logins
    limits = exempt.check(f"ulimit {kind} -a")
    assert len(limits.splitlines()) > 10
    assert confined.check(f"ulimit {kind} -a") == limits


def test_scope_of_the_user_manager_takes_a_process_of_the_session(logins: Logins) -> None:
    confined, exempt = logins
    for login in (exempt, confined):
        unit = login.check("systemd-run --user --scope --quiet --unit=probe cat /proc/self/cgroup")
        assert unit.endswith("/probe.scope")


def test_mount_by_sudo_is_the_machine_s(logins: Logins) -> None:
    confined, _ = logins
    place = Path("/mnt/by-sudo")
    place.mkdir(exist_ok=True)
    confined.check(f"sudo mount -t tmpfs by-sudo {place}")
    confined.check(f"sudo touch {place}/here")
    assert (place / "here").exists()
    assert confined.run(f"test -e {place}/here").status == 0
    assert sh(f"umount {place}").status == 0
    assert confined.run(f"test -e {place}/here").status != 0


def test_mount_of_the_machine_arrives(logins: Logins) -> None:
    place = Path("/mnt/by-root")
    place.mkdir(exist_ok=True)
    assert sh(f"mount -t tmpfs by-root {place} && touch {place}/here").status == 0
    for login in logins:
        assert login.run(f"test -e {place}/here").status == 0
    assert sh(f"umount {place}").status == 0
    assert logins[0].run(f"test -e {place}/here").status != 0


def test_user_s_fuse_mount_is_everywhere(logins: Logins) -> None:
    # What udev's rule does, on a machine that has udev.
    Path("/dev/fuse").chmod(0o666)
    for login in logins:
        login.check("mkdir -p ~/behind ~/front && echo content > ~/behind/file")
        login.check("bindfs --no-allow-other ~/behind ~/front")
        assert login.check("cat ~/front/file; findmnt -n -o FSTYPE ~/front") == ("content\nfuse")
        # Another process of the user, and the machine, have it too.
        apart = "systemd-run --user --pipe --wait --quiet cat $HOME/front/file"
        assert login.check(apart) == "content"
        front = login.check("echo ~/front")
        assert sh(f"findmnt -n -o FSTYPE {front}").out.strip() == "fuse"
        login.check("fusermount3 -u ~/front")
        assert sh(f"findmnt -n -o FSTYPE {front}").status != 0


@pytest.mark.parametrize("user", [0, 1], ids=["confined", "exempt"])
def test_cron_and_at_run_jobs(logins: Logins, user: int) -> None:
    login = logins[user]
    look = "cat /proc/self/attr/yama/scope"
    login.check("rm -f ~/cron ~/at")
    login.check(f"echo '@reboot {look} > ~/cron' | crontab -")
    login.check(f"echo '{look} > ~/at' | at now")
    # cron takes its start for the machine's if this file is missing.
    assert sh("rm /run/crond.reboot && systemctl restart cron").status == 0
    for job in ("cron", "at"):
        wait_for(lambda job=job: login.run(f"test -s ~/{job}").status == 0, job)  # type: ignore[misc]
        assert login.check(f"cat ~/{job}") == login.domain()
    login.check("crontab -r")


def attach(login: Login) -> None:
    """Attach to the tmux server of another login, on a terminal."""
    login.spawn("sleep 600 | TERM=xterm script -qc 'tmux attach -t work' /dev/null")
    wait_for(lambda: login.run("tmux list-clients").out != "", "tmux has a client")


def test_tmux_is_attached_from_another_login() -> None:
    for text, same_domain in ((BOB_IS_EXEMPT, True), (BY_SESSION, False)):
        with policy(text), Login("alice") as first, Login("alice") as other:
            assert (first.domain_id() == other.domain_id()) == same_domain
            first.check("tmux new-session -d -s work -x 100 'bash --norc'")
            attach(other)
            other.check("tmux send-keys -t work 'cat /proc/self/attr/yama/scope > ~/win' Enter")
            wait_for(lambda: other.run("test -s ~/win").status == 0, "the window has answered")
            # A window belongs to the login that started the server.
            assert other.check("cat ~/win; rm ~/win") == first.domain()
            other.check("tmux detach-client -s work")
            wait_for(lambda: other.run("tmux list-clients").out == "", "the client is gone")
            other.check("tmux kill-server")


def test_scope_of_the_user_manager_is_another_domain_s_where_sessions_are_apart() -> None:
    with policy(BY_SESSION), Login("alice") as alice:
        done = alice.run("systemd-run --user --scope --quiet true")
        assert done.status != 0
        assert "does not exist" in done.out or "No such process" in done.out
    end_logins("alice")
