# guest: --suite bookworm --suite trixie --long --timeout 1800
"""Every way to log in ends in the user's domain, or is known not to."""

from collections.abc import Iterator

import pytest
from logins import SSH, Login, end_logins, sessions, sh, wait_for
from stack import module_arguments
from stacks import STACKS, USER, Stack, prepare

NAMES = [stack.name for stack in STACKS]


@pytest.fixture(scope="module", autouse=True)
def _prepared() -> None:
    prepare()


@pytest.fixture
def other() -> Iterator[Login]:
    """A login of the same user beside the one that is tried."""
    with Login(USER) as login:
        yield login
    end_logins(USER)


def own_sessions() -> list[dict[str, object]]:
    return [session for session in sessions() if session["user"] == USER]


@pytest.mark.parametrize("stack", STACKS, ids=NAMES)
def test_stack_joins_the_user_s_domain_and_its_end_is_seen(stack: Stack, other: Login) -> None:
    before = own_sessions()
    with stack.live() as seen:
        if not stack.service:
            assert (seen.domain, seen.init) == ("none", True)
            assert own_sessions() == before
            return
        assert f"id={other.domain_id()}" in seen.domain.split()
        assert not seen.init
        assert other.sees(seen.pid)
        assert stack.service in {session["service"] for session in own_sessions()}

    def ended() -> bool:
        # Every login brings the user manager with it, which stays for a while.
        return {session["service"] for session in own_sessions()} <= {"sshd", "systemd-user"}

    wait_for(ended, f"the session of {stack.name} has ended; there are {own_sessions()}")
    if stack.service == "sshd":
        wait_for(lambda: len(own_sessions()) <= len(before), "one login is left")


@pytest.fixture(scope="class")
def dead_service() -> Iterator[None]:
    """Not even `yama-session list` brings it back."""
    assert sh("systemctl mask --runtime --now yama-session").status == 0
    yield
    assert sh("systemctl unmask --runtime yama-session").status == 0
    assert sh("systemctl start yama-session").status == 0


@pytest.fixture
def _nobody_left() -> Iterator[None]:
    yield
    sh(f"loginctl terminate-user {USER}; pkill -KILL -U {USER}")
    wait_for(lambda: sh(f"pgrep -U {USER}").status == 1, f"{USER} still runs something")


@pytest.mark.usefixtures("dead_service", "_nobody_left")
class TestWithoutTheService:
    @pytest.mark.parametrize("stack", STACKS, ids=NAMES)
    def test_stack_is_confined_by_the_fallback(self, stack: Stack) -> None:
        with stack.live() as seen:
            if stack.service:
                assert "view=user" in seen.domain
                assert not seen.init
            else:
                assert (seen.domain, seen.init) == ("none", True)
        assert sh("systemctl is-active yama-session").status != 0


SENTENCE = f"No session can be opened for {USER} under this machine's policy"
SU = "su: cannot open session: Permission denied"
DENIED = "Permission denied"
LOGIN = f"expect -c 'spawn login -f {USER}; expect eof; exit [lindex [wait] 3]'"
SUDO = "sudo: pam_open_session: Permission denied"


@pytest.fixture(scope="class")
def refusing() -> Iterator[None]:
    """A word in the module's line that it does not know: it refuses every user."""
    with module_arguments("debg"):
        yield


@pytest.mark.usefixtures("refusing")
class TestRefused:
    @pytest.mark.parametrize(
        ("command", "shown"),
        [
            (f"{' '.join(SSH)} {USER}@localhost true", [SENTENCE]),
            (LOGIN, [SENTENCE, DENIED]),
            (f"su {USER} -c true", [SENTENCE, SU]),
            (f"su -l {USER} -c true", [SENTENCE, SU]),
            (f"sudo -u {USER} true", [SUDO]),
            (f"sudo -i -u {USER} true", [SENTENCE, SUDO]),
        ],
    )
    def test_user_is_told(self, command: str, shown: list[str]) -> None:
        done = sh(command)
        assert done.status not in (0, 124), done.out
        for text in shown:
            assert text in done.out

    def test_pkexec_refuses_and_does_not_abort(self) -> None:
        done = sh(f"pkexec --user {USER} true")
        assert done.status == 127, done.out
        assert "pam_open_session() failed: Permission denied" in done.out
        assert SENTENCE not in done.out
