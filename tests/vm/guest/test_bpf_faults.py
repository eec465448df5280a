# guest: --debian --kernel 6.12 --alone --timeout 900
# guest: --debian --kernel 6.1 --kernel 7.3 --long --timeout 900
# guest: --debian --suite trixie --kernel 6.12 --long --timeout 900
"""Whatever becomes of the service, who is confined by BPF stays so, and a login is whole."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from bpf_logins import domains, holds, is_confined
from logins import Login, LoginRefused, end_logins, sessions, sh, wait_for
from stack import last_opening, module_arguments, now

from yama_session.levels import View

LOST = "journalctl -q -b -u yama-session -o cat -g 'is so no longer: .* is no bpffs'"


@pytest.fixture(scope="module", autouse=True)
def _debug() -> Iterator[None]:
    """The module says when it starts; and what it said last is its end."""
    with module_arguments("fallback=strict debug"):
        yield


def answers() -> bool:
    """Does the service answer?"""
    return sh("yama-session list --json").status == 0


def service_pid() -> int:
    return int(sh("systemctl show -P MainPID yama-session").out)


@contextlib.contextmanager
def no_service() -> Iterator[None]:
    """The service stopped, and not started by a call either: its descriptors are lost."""
    assert sh("systemctl mask --runtime --now yama-session").status == 0
    try:
        yield
    finally:
        assert sh("systemctl unmask --runtime yama-session").status == 0
        assert sh("systemctl start yama-session", timeout=120).status == 0


def ids() -> set[object]:
    return {session["id"] for session in sessions()}


def started_anew() -> bool:
    """Had the newest service to load the programs?"""
    said = "journalctl -q -u yama-session -o cat -g 'the enforcer bpf is ready' | tail -1"
    return sh(said).out.strip().endswith("loaded")


class TestServiceStopped:
    @pytest.fixture(scope="class")
    def before(self) -> Iterator[Login]:
        """A login that was there before; ends after the service is back."""
        with Login("alice") as alice:
            known, domain = ids(), domains("alice")
            with no_service():
                yield alice
            assert is_confined(alice)
            assert not started_anew()
            # By the records, and the domain of a leader.
            assert known <= ids()
            with Login("alice") as again:
                assert domain <= domains("alice")
                assert again.sees(int(alice.check("echo $$")))
        end_logins("alice")

    def test_session_stays_confined(self, before: Login) -> None:
        assert is_confined(before)
        inner = before.check("bash -c 'sleep 600 & echo $!'")
        assert before.sees(int(inner))

    def test_login_is_confined_by_the_fallback(self, before: Login) -> None:
        begin = now()
        with Login("alice") as one, Login("alice") as two:
            assert is_confined(one)
            shell = int(two.check("echo $$"))
            assert two.sees(shell)
            # By the policy she sees what is hers, and traces what a login has started.
            for other in (shell, int(before.check("echo $$"))):
                assert one.sees(other)
                assert "Operation not permitted" in one.run(f"gdb -p {other} -batch").out
        opening = last_opening(begin, "opened session")
        assert "enforcer=bpf" in opening.text
        assert "fallback strict: own domain for alice" in opening.text
        assert opening.seconds < 1.0

    def test_fallback_inside_a_session_stays_in_it(self, before: Login) -> None:
        assert before.run("sudo -n -i true").status == 0
        assert before.run("sudo -n su carol -c 'test -e /proc/1'").status == 1

    def test_deny_refuses_users_and_lets_root_in(self, before: Login) -> None:
        assert is_confined(before)
        with module_arguments("fallback=deny debug"):
            with pytest.raises(LoginRefused):
                Login("alice")
            with Login("root") as root:
                assert not is_confined(root)


def test_killed_service_knows_everything_again_and_loads_nothing() -> None:
    with Login("alice") as alice:
        known, domain = ids(), domains("alice")
        old = service_pid()
        os.kill(old, signal.SIGKILL)
        assert is_confined(alice)
        wait_for(lambda: service_pid() not in (0, old) and answers(), "a new one", seconds=60)
        assert not started_anew()
        assert known <= ids()
        with Login("alice") as again:
            assert domains("alice") == domain
            assert again.sees(int(alice.check("echo $$")))
    end_logins("alice")


def test_pins_that_are_gone_change_nothing_for_who_is_confined() -> None:
    with Login("alice") as alice:
        assert sh("umount -l /sys/fs/bpf").status == 0
        try:
            assert is_confined(alice)
            with Login("alice") as again:
                assert is_confined(again)
                assert len(domains("alice")) == 1
        finally:
            assert sh("mount -t bpf bpf /sys/fs/bpf -o mode=700").status == 0
        assert sh("systemctl restart yama-session", timeout=120).status == 0
        wait_for(answers, "the service is back", seconds=60)
        assert is_confined(alice)
        with Login("alice") as third:
            assert is_confined(third)
            assert third.sees(int(alice.check("echo $$")))


def test_a_service_that_stops_makes_lost_pins_again() -> None:
    """Its manager lets go of the descriptors then, and the programs would go with them."""
    with Login("alice") as alice:
        assert sh("rm -r /sys/fs/bpf/yama-session").status == 0
        with no_service():
            assert is_confined(alice)
        assert not started_anew()
        assert is_confined(alice)


def test_a_service_that_could_not_use_them_leaves_them_pinned_too() -> None:
    with Login("alice") as alice:
        assert sh("umount -l /sys/fs/bpf").status == 0
        assert sh("systemctl restart yama-session", timeout=120).status == 0
        wait_for(answers, "the service is back", seconds=60)
        status = json.loads(sh("yama-session status --json").out)["service"]
        assert "no bpffs" in json.dumps(status["enforcers"])
        assert sh("mount -t bpf bpf /sys/fs/bpf -o mode=700").status == 0
        with no_service():
            assert is_confined(alice)
        assert not started_anew()
        assert is_confined(alice)
    end_logins("alice")


def test_a_stop_that_ends_all_is_not_silent() -> None:
    before = len(sh(LOST).lines)
    with Login("alice") as alice:
        assert sh("umount -l /sys/fs/bpf").status == 0
        try:
            with no_service():
                wait_for(lambda: len(sh(LOST).lines) > before, "the journal has it")
                wait_for(lambda: not holds(alice, 0, View.USER), "nothing keeps the programs")
                with pytest.raises(LoginRefused):
                    Login("alice")
                assert sh("mount -t bpf bpf /sys/fs/bpf -o mode=700").status == 0
        finally:
            sh("mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf -o mode=700")
        assert started_anew()
        with Login("alice") as again:
            assert is_confined(again)
    end_logins("alice")


@pytest.mark.parametrize(
    ("lost", "why"), [("access", "Permission denied"), ("inherit", "No data available")]
)
def test_programs_that_answer_and_do_nothing_let_nobody_in(lost: str, why: str) -> None:
    """CHECK is another program than those that hide and hand on: it proves nothing alone."""
    (pin,) = Path("/sys/fs/bpf/yama-session").glob(f"v2-*/{lost}")
    with no_service():
        pin.unlink()
        begin = now()
        with pytest.raises(LoginRefused):
            Login("alice")
        assert f"cannot confine alice by bpf: {why}" in last_opening(begin, "cannot confine").text
    assert started_anew()
    with Login("alice") as alice:
        assert is_confined(alice)
