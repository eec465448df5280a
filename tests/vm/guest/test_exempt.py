"""Who is exempt sees everything, and the machine's services work as before (point 3)."""

import json
from collections.abc import Iterator

import pytest
from logins import Login, all_pids, policy, sh, wait_for

POLICY = """
[[rule]]
match = { user = "bob" }
preset = "open"
"""


@pytest.fixture(scope="module")
def logins() -> Iterator[tuple[Login, Login]]:
    with policy(POLICY), Login("alice") as alice, Login("bob") as bob:
        # What works below must work for a login that is confined.
        assert alice.domain() != "none"
        yield alice, bob


def test_exempt_user_has_no_domain_and_sees_all(logins: tuple[Login, Login]) -> None:
    alice, bob = logins
    assert bob.domain() == "none"
    before = all_pids()
    seen = bob.pids()
    assert before & all_pids() <= seen
    assert {1, int(alice.check("echo $$"))} <= seen


def test_exempt_user_has_the_host_s_proc(logins: tuple[Login, Login]) -> None:
    _, bob = logins
    assert bob.check("stat -c %d /proc") == sh("stat -c %d /proc").out.strip()


def test_root_login_sees_all(logins: tuple[Login, Login]) -> None:
    alice, bob = logins
    with Login("root") as root:
        assert root.domain() == "none"
        assert {1, int(alice.check("echo $$")), int(bob.check("echo $$"))} <= root.pids()


@pytest.mark.parametrize("user", [0, 1], ids=["confined", "exempt"])
def test_logind_knows_the_session(logins: tuple[Login, Login], user: int) -> None:
    login = logins[user]
    session = login.check("echo $XDG_SESSION_ID")
    shown = login.check(f"loginctl show-session {session} -p Name -p Leader -p State")
    assert f"Name={login.user}" in shown
    leader = next(line for line in shown.splitlines() if line.startswith("Leader="))
    assert sh(f"ps -o args= -p {leader.removeprefix('Leader=')}").out.startswith("sshd")
    assert "State=active" in shown


@pytest.mark.parametrize("user", [0, 1], ids=["confined", "exempt"])
def test_services_can_be_asked(logins: tuple[Login, Login], user: int) -> None:
    login = logins[user]
    assert login.check("systemctl is-active yama-session") == "active"
    assert login.run("systemctl --user is-system-running").out.strip() == "running"
    assert login.run("busctl --user list").status == 0


@pytest.mark.parametrize("user", [0, 1], ids=["confined", "exempt"])
def test_polkit_answers(logins: tuple[Login, Login], user: int) -> None:
    login = logins[user]
    action = "org.freedesktop.login1.set-self-linger"
    asked = login.run(f"pkcheck --action-id {action} --process $$")
    direct = sh(f"pkcheck --action-id {action} --process {login.check('echo $$')}")
    assert asked.status == direct.status
    assert "not exist" not in asked.out


def test_journal_takes_and_shows_messages(logins: tuple[Login, Login]) -> None:
    alice, _ = logins
    for login in logins:
        login.check("echo said | systemd-cat -t probe-$USER")
    for user in ("alice", "bob"):
        show = f"journalctl -q -o cat -t probe-{user}"
        wait_for(lambda show=show: sh(show).out == "said\n", user)  # type: ignore[misc]
        assert alice.check(f"sudo {show}") == "said"
    for login in logins:
        # Users read their own messages, confined or not.
        assert login.check(f"journalctl -q -o cat -t probe-{login.user}") == "said"


def test_list_shows_root_all_and_a_user_their_own(logins: tuple[Login, Login]) -> None:
    alice, _ = logins
    everybody = json.loads(sh("yama-session list --json").out)
    users = {entry["user"] for entry in everybody}
    assert {"alice", "bob"} <= users
    own = json.loads(alice.check("yama-session list --json"))
    assert {entry["user"] for entry in own} == {"alice"}
