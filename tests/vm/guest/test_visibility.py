"""A session sees every process of its own and none outside (point 1)."""

from collections.abc import Iterator

import pytest
from logins import Login, all_pids, domain_of, end_logins, members, sh, wait_for

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


@pytest.fixture(scope="module")
def alice() -> Iterator[Login]:
    with Login("alice") as login:
        yield login
    end_logins("alice")


def listed(login: Login, command: str) -> set[int]:
    """The pids that a command prints, one at the start of each line."""
    words = [line.split() for line in login.check(command).splitlines()]
    return {int(word[0]) for word in words if word and word[0].isdecimal()}


def test_lists_exactly_its_domain(alice: Login) -> None:
    inside = members(alice.domain_id())
    assert len(inside) > 2
    outside = all_pids() - inside
    assert 1 in outside
    seen = listed(alice, "ps -e -o pid=")
    assert inside <= seen
    assert not seen & outside


def test_sees_a_double_forked_daemon(alice: Login) -> None:
    done = alice.python(DAEMON)
    daemon = int(done.out.split()[0])
    wait_for(
        lambda: sh(f"ps -o ppid= -p {daemon}").out.split() in (["1"], [manager(alice)]),
        "the daemon has a new parent",
    )
    assert daemon in listed(alice, "ps -e -o pid=")
    assert alice.check(f"cat /proc/{daemon}/comm") == "python3"


def manager(login: Login) -> str:
    """The user's systemd, which adopts the user's orphans if it is a subreaper."""
    return sh(f"pgrep -U {login.user} -x systemd").out.strip()


def test_sees_its_ssh_agent_though_it_is_not_dumpable(alice: Login) -> None:
    agent = int(alice.check("eval $(ssh-agent) >/dev/null; echo $SSH_AGENT_PID"))
    # What hidepid=ptraceable would have hidden: the user may not look inside.
    assert alice.run(f"cat /proc/{agent}/environ").status != 0
    assert agent in alice.pids()
    assert alice.check(f"cat /proc/{agent}/comm") == "ssh-agent"


def test_sees_sudo_and_what_it_runs(alice: Login) -> None:
    sudo = alice.spawn("sudo sleep 601")
    wait_for(lambda: alice.run("pgrep -f '^sleep 601'").status == 0, "sudo runs its command")
    child = int(alice.check("pgrep -f '^sleep 601'"))
    assert {sudo, child} <= alice.pids()
    assert domain_of(child) == alice.domain()
    alice.check(f"sudo kill {child}")


def test_root_shell_of_sudo_i_stays_in_the_session(alice: Login) -> None:
    inside = alice.check("sudo -i cat /proc/self/attr/yama/scope")
    assert inside == alice.domain()
    shell = alice.spawn("sudo -i bash -c 'exec -a rootshell sleep 602'")
    wait_for(lambda: alice.run("pgrep -f '^rootshell'").status == 0, "the root shell runs")
    assert shell in alice.pids()
    root = int(alice.check("pgrep -f '^rootshell'"))
    assert alice.check(f"stat -c %u /proc/{root}") == "0"
    # Being capable over the domain, it sees all.
    assert alice.check("sudo -i cat /proc/1/comm") == "systemd"
    alice.check(f"sudo kill {root}")


@pytest.mark.parametrize(
    "command", ["top -b -n 1 | awk 'NR > 7 {print $1}'", "pgrep .", "ls /proc", "lsof -t"]
)
def test_tools_show_the_session_only(alice: Login, command: str) -> None:
    outside = all_pids() - members(alice.domain_id())
    seen = listed(alice, command)
    assert int(alice.check("echo $$")) in seen
    assert not seen & outside


def test_pkill_reaches_its_own_processes_only(alice: Login) -> None:
    alice.spawn("sleep 603")
    with Login("bob") as bob:
        stranger = bob.spawn("sleep 603")
        alice.check("pkill -f '^sleep 603'")
        assert alice.run("pgrep -f '^sleep 603'").status == 1
        assert sh(f"ps -o args= -p {stranger}").out.strip() == "sleep 603"


def test_private_proc_is_an_instance_of_its_own(alice: Login) -> None:
    assert alice.check("stat -c %d /proc") != sh("stat -c %d /proc").out.strip()
    options = alice.check("findmnt -n -o OPTIONS /proc | tail -1")
    assert {"nosuid", "nodev", "noexec"} <= set(options.split(","))


def test_count_of_processes_does_not_show(alice: Login) -> None:
    before = alice.check("stat -c %h /proc")
    extra = [alice.spawn("sleep 604") for _ in range(5)]
    assert alice.check("stat -c %h /proc") == before
    assert sh("stat -c %h /proc").out.strip() != before
    for pid in extra:
        alice.check(f"kill {pid}")
