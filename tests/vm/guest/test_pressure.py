# guest: --long --timeout 2400
"""Many logins at once, no room, no memory: nobody gets in unconfined, and it passes."""

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from logins import POLICY, SSH, Login, end_logins, sessions, sh, wait_for

USERS = ("alice", "bob", "carol")
LOGINS = 200
SSHD = Path("/etc/ssh/sshd_config.d/many.conf")
# What a login is in, and whether it sees pid 1.
LOOK = "cat /proc/self/attr/yama/scope; test -e /proc/1 && echo sees"


@pytest.fixture(autouse=True)
def _all_is_well_afterwards() -> Iterator[None]:
    yield
    wait_for(lambda: sh("yama-session list").status == 0, "the service is there again")
    end_logins(*USERS)
    with Login("alice") as alice:
        assert "fallback" not in sh("journalctl -q -b -n 3 -t sshd -o cat").out
        assert alice.domain() != "none"
        assert [session["user"] for session in sessions()].count("alice") >= 1
    end_logins("alice")


def unconfined(answers: list[str]) -> list[str]:
    """Return those that came from a login without a domain, or with sight of pid 1."""
    return [answer for answer in answers if "view=user" not in answer or "sees" in answer]


def fallbacks() -> int:
    """Return how many logins the module has confined by itself since boot."""
    return len(sh("journalctl -q -b -g 'fallback strict' -o cat").out.splitlines())


@pytest.fixture
def many_at_once() -> Iterator[None]:
    SSHD.write_text(f"MaxStartups {LOGINS}:100:{LOGINS}\nLoginGraceTime 600\n", encoding="ascii")
    assert sh("systemctl reload ssh").status == 0
    yield
    SSHD.unlink()
    assert sh("systemctl reload ssh").status == 0


@pytest.mark.usefixtures("many_at_once")
def test_two_hundred_ssh_logins_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    before = fallbacks()
    started = [
        subprocess.Popen(
            [*SSH, f"{USERS[number % len(USERS)]}@localhost", LOOK],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(LOGINS)
    ]
    answers = [process.communicate(timeout=900)[0] for process in started]
    # One that is refused has no shell that could say anything.
    got_in = [answer for answer in answers if "scope=" in answer or "none" in answer]
    with capsys.disabled():
        print(f"{len(got_in)} of {LOGINS} got in, {fallbacks() - before} by the fallback")
    assert len(got_in) > LOGINS // 2
    assert unconfined(got_in) == []


@contextlib.contextmanager
def full(directory: str) -> Iterator[None]:
    """Leave no room in a file system."""
    filler = Path(directory) / "filler"
    room = f"$(df --output=avail -B1 {directory} | tail -n 1)"
    sh(f"fallocate -l {room} {filler}; cat /dev/zero >>{filler}")
    assert filler.stat().st_size > 0
    try:
        yield
    finally:
        filler.unlink()


@pytest.mark.parametrize("directory", ["/run", "/tmp"])
def test_no_room(directory: str) -> None:
    with full(directory):
        done = sh(f"su alice -c '{LOOK}'")
    assert done.status != 0 or unconfined([done.out]) == []


def test_no_memory_for_the_service() -> None:
    unit = "systemctl set-property --runtime yama-session"
    assert sh(f"{unit} MemoryMax=8M MemorySwapMax=0").status == 0
    try:
        for _ in range(5):
            done = sh(f"su alice -c '{LOOK}'")
            assert done.status != 0 or unconfined([done.out]) == []
        assert "oom-kill" in sh("journalctl -q -b -u yama-session -o cat").out
    finally:
        assert sh(f"{unit} MemoryMax=infinity MemorySwapMax=infinity").status == 0
        assert sh("systemctl restart yama-session").status == 0


def test_policy_replaced_while_it_is_read() -> None:
    """Who renames a whole file into place never has the service read half of one."""
    text = POLICY.read_text(encoding="utf-8")
    longer = text + "".join(
        f'\n[[rule]]\nmatch = {{ user = "u{number}" }}\nscope = 2\n' for number in range(200)
    )
    stop = threading.Event()

    def replace() -> None:
        new = POLICY.with_suffix(".new")
        while not stop.is_set():
            for version in (longer, text):
                new.write_text(version, encoding="utf-8")
                new.replace(POLICY)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        done = [sh("systemctl reload yama-session").status for _ in range(20)]
    finally:
        stop.set()
        thread.join()
        POLICY.write_text(text, encoding="utf-8")
    assert done == [0] * 20
    assert sh("systemctl reload yama-session").status == 0


def test_policy_that_is_written_in_place_leaves_the_last_good_one() -> None:
    text = POLICY.read_text(encoding="utf-8")
    try:
        for end in range(0, len(text), len(text) // 20):
            POLICY.write_text(text[:end] + "\n[[ru", encoding="utf-8")
            assert sh("systemctl reload yama-session").status != 0
            status = json.loads(sh("yama-session status --json").out)["service"]
            assert status["policy"] != "loaded"
        done = sh(f"su alice -c '{LOOK}'")
        assert unconfined([done.out]) == []
    finally:
        POLICY.write_text(text, encoding="utf-8")
        assert sh("systemctl reload yama-session").status == 0
