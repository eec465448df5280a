# guest: --alone --timeout 600
"""Whatever breaks, a login is confined by the fallback or refused, and soon (point 9)."""

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from logins import (
    SYSCTL,
    Login,
    LoginRefused,
    end_logins,
    sessions,
    set_sysctl,
    sh,
    wait_for,
)
from stack import COMMON, Opening, edited, entries, last_opening, module_arguments, now

LIMIT = 1.0  # seconds that a login may lose by us
DROP_IN = Path("/run/systemd/system/yama-session.service.d/test.conf")


@pytest.fixture(scope="module", autouse=True)
def _debug() -> Iterator[None]:
    """The module says when it starts; and what it said last is its end."""
    with module_arguments("fallback=strict debug"):
        yield


@pytest.fixture(autouse=True)
def _nobody_left() -> Iterator[None]:
    yield
    if not DROP_IN.exists():  # to ask for a service that is to stay dead would start it
        wait_for(answers, "the service is there again")
        end_logins("alice", "bob")


def answers() -> bool:
    """Does the service answer?"""
    return sh("yama-session list --json").status == 0


def service_pid() -> int:
    return int(sh("systemctl show -P MainPID yama-session").out)


def kill_service() -> None:
    os.kill(service_pid(), signal.SIGKILL)


@contextlib.contextmanager
def no_service() -> Iterator[None]:
    """The service, killed, and nobody starts it again; afterwards a new one.

    Its descriptors are lost with it: systemd keeps them for a restart only.
    """
    DROP_IN.parent.mkdir(exist_ok=True)
    DROP_IN.write_text("[Service]\nRestart=no\n", encoding="ascii")
    assert sh("systemctl daemon-reload").status == 0
    try:
        kill_service()
        wait_for(
            lambda: sh("systemctl is-failed yama-session").out.strip() == "failed", "it is dead"
        )
        yield
    finally:
        DROP_IN.unlink()
        assert sh("systemctl daemon-reload; systemctl start yama-session").status == 0


def is_confined(login: Login) -> bool:
    """All of it, or nothing: half of it is a failure by itself."""
    parts = {
        "domain": login.domain() != "none",
        "procfs": login.check("stat -c %d /proc") != sh("stat -c %d /proc").out.strip(),
        "sight": not login.sees(1),
    }
    assert len(set(parts.values())) == 1, f"half-way: {parts}"
    return parts["domain"]


def confined_login(end: str) -> Opening:
    """Let alice log in, see that she is confined, and return how that went."""
    begin = now()
    with Login("alice") as alice:
        assert is_confined(alice)
    return last_opening(begin, end)


def report(opening: Opening) -> None:
    """Say how long our part took (with -s), and judge it."""
    print(f"our part: {opening.seconds:.3f} s")
    assert opening.seconds < LIMIT


def root_gets_in() -> None:
    with Login("root") as root:
        assert not is_confined(root)


def ids() -> set[object]:
    return {session["id"] for session in sessions()}


def test_service_answers_where_nothing_is_broken() -> None:
    opening = confined_login("opened session")
    assert "unavailable" not in opening.text
    report(opening)


@pytest.fixture(scope="class")
def dead_service() -> Iterator[None]:
    with no_service():
        yield
    wait_for(answers, "the service is there again")
    end_logins("alice")


@pytest.mark.usefixtures("dead_service")
class TestServiceKilledBeforeALogin:
    def test_login_is_confined_by_the_fallback(self) -> None:
        opening = confined_login("opened session")
        assert "fallback strict: own domain for alice" in opening.text
        report(opening)
        root_gets_in()

    def test_fallback_logins_are_split_from_one_another(self) -> None:
        with Login("alice") as one, Login("alice") as two:
            assert one.domain_id() != two.domain_id()
            shell = int(two.check("echo $$"))
            assert two.sees(shell)
            # By the policy she sees what is hers, wherever it is; but traces nothing of it,
            # whatever the sysctl says.
            assert one.sees(shell)
            before = int(SYSCTL.read_text())
            set_sysctl(0)
            try:
                assert "Operation not permitted" in one.run(f"gdb -p {shell} -batch").out
            finally:
                set_sysctl(before)

    def test_deny_refuses_users_and_lets_root_in(self) -> None:
        with module_arguments("fallback=deny debug"):
            begin = now()
            with pytest.raises(LoginRefused):
                Login("alice")
            report(last_opening(begin, "fallback deny: no login for alice"))
            root_gets_in()

    def test_skip_lets_in_and_says_so(self) -> None:
        with module_arguments("fallback=skip debug"):
            begin = now()
            with Login("alice") as alice:
                assert not is_confined(alice)
            report(last_opening(begin, "fallback skip: alice is NOT CONFINED"))
        alert = sh("journalctl -q -t sshd -p alert..alert -o json | tail -1").out
        assert "NOT CONFINED" in json.loads(alert)["MESSAGE"]


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_service_lost_during_a_login(how: str) -> None:
    """The login has asked, and waits for an answer that never comes."""
    wait_for(answers, "the service is there")
    pid = service_pid()
    os.kill(pid, signal.SIGSTOP)
    begin = now()

    def when_asked() -> None:
        wait_for(lambda: any(text.startswith("open: ") for _, _, text in entries(begin)), "asks")
        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=when_asked if how == "killed" else lambda: None)
    killer.start()
    try:
        with Login("alice") as alice:
            assert is_confined(alice)
    finally:
        killer.join()
        if how == "stopped":
            root_gets_in()
            os.kill(pid, signal.SIGCONT)
    opening = last_opening(begin, "opened session")
    assert "fallback strict" in opening.text
    report(opening)
    if how == "stopped":
        assert opening.seconds > 0.5, "the limit of the call was not waited for"


def test_killed_again_and_again_while_people_log_in() -> None:
    done = threading.Event()

    def killer() -> None:
        while not done.wait(0.7):
            if pid := service_pid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        for _ in range(4):
            report(confined_login("opened session"))
    finally:
        done.set()
        thread.join()


def test_killed_after_a_login_and_knows_everything_again() -> None:
    """By what systemd kept of it."""
    with Login("alice") as alice, Login("bob") as bob:
        before, domain = ids(), alice.domain_id()
        assert len(before) >= 2
        assert int(sh("systemctl show -P NFileDescriptorStore yama-session").out) > len(before)
        old = service_pid()
        kill_service()
        assert is_confined(alice)
        wait_for(lambda: service_pid() not in (0, old) and answers(), "there is a new one")
        assert ids() == before
        with Login("alice") as again:
            assert again.domain_id() == domain
            assert again.sees(int(alice.check("echo $$")))
            assert len(ids()) > len(before)
        assert bob.domain_id() != domain


def test_new_service_finds_sessions_and_domain_by_their_leaders() -> None:
    """With what systemd kept of it lost: by the records, and `OPEN` on a leader."""
    with Login("alice") as alice:
        before, domain = ids(), alice.domain_id()
        with no_service():
            assert is_confined(alice)
        wait_for(answers, "the new service is there")
        assert ids() == before
        with Login("alice") as again:
            assert again.domain_id() == domain


def test_session_that_ended_meanwhile_is_forgotten() -> None:
    alice = Login("alice")
    (session,) = [s for s in sessions() if s["user"] == "alice" and s["service"] == "sshd"]
    with no_service():
        alice.close()
        wait_for(lambda: not Path(f"/proc/{session['pid']}").exists(), "its leader is gone")
    wait_for(answers, "the new service is there")
    assert session["id"] not in ids()


@contextlib.contextmanager
def without_pam_systemd() -> Iterator[None]:
    """It waits for a stopped bus for 90 s, before or after us, and not because of us."""
    with contextlib.ExitStack() as stack:
        for path in COMMON:
            text = path.read_text(encoding="utf-8")
            kept = [line for line in text.splitlines(True) if "pam_systemd" not in line]
            stack.enter_context(edited(path, "".join(kept)))
        yield


def test_bus_stopped() -> None:
    """It accepts connections, by the kernel's queue, and says nothing."""
    end_logins("alice")
    pid = int(sh("systemctl show -P MainPID dbus").out)
    with without_pam_systemd():
        os.kill(pid, signal.SIGSTOP)
        try:
            opening = confined_login("opened session")
            root_gets_in()
        finally:
            os.kill(pid, signal.SIGCONT)
    assert "fallback strict" in opening.text
    report(opening)
    assert opening.seconds > 0.5, "the limit of the call was not waited for"


def test_bus_down() -> None:
    """The last test: not all of systemd forgives it."""
    bus = ["dbus.socket", "dbus.service"]
    with Login("alice") as before:
        known, domain = ids(), before.domain_id()
        # Masked: the first service that restarts would start it again.
        subprocess.run(["systemctl", "mask", "--runtime", *bus], check=True)
        subprocess.run(["systemctl", "stop", *bus], check=True)
        try:
            opening = confined_login("opened session")
            assert is_confined(before)
            root_gets_in()
        finally:
            subprocess.run(["systemctl", "unmask", "--runtime", *bus], check=True)
            subprocess.run(["systemctl", "start", *bus], check=True)
        assert "fallback strict" in opening.text
        report(opening)
        wait_for(answers, "the service is on the new bus")
        assert known <= ids()
        with Login("alice") as again:
            assert again.domain_id() == domain
