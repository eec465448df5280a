# guest: --long --timeout 7200
"""Logins and logouts, and the service killed at random moments: nothing is left over.

`SOAK_LOGINS=10000 make test-sessions` makes it a long run.
"""

import os
import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from logins import all_pids, domain_of, end_logins, sessions, sh, wait_for

LOGINS = int(os.environ.get("SOAK_LOGINS", "300"))
AT_ONCE = 4
USERS = ("alice", "bob", "carol")
RECORDS = Path("/run/yama-session/sessions")
# A login by su that says what it is in, and whether it sees pid 1.
LOOK = "cat /proc/self/attr/yama/scope; test -e /proc/1 && echo sees; exit 0"
# What the memory of the service may grow by, in KiB: Python keeps some of what it has had.
GROWTH = 8192


def service(what: str) -> str:
    return sh(f"systemctl show -P {what} yama-session").out.strip()


def memory() -> int:
    """Return the resident memory of the service in KiB."""
    text = Path(f"/proc/{service('MainPID')}/status").read_text(encoding="ascii")
    (line,) = [line for line in text.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1])


def descriptors() -> int:
    """Return how many descriptors the service has open."""
    return len(os.listdir(f"/proc/{service('MainPID')}/fd"))  # noqa: PTH208


def mounts() -> int:
    """Return how many mount namespaces hold a procfs of a session."""
    return len(set(sh("lsns -n -t mnt -o NS").out.split()))


def domains() -> set[str]:
    """Return the domains that processes are in."""
    found = set()
    for pid in all_pids():
        try:
            found.add(domain_of(pid))
        except OSError:  # it has exited
            continue
    return found - {"none"}


def log_in(number: int) -> str:
    user = USERS[number % len(USERS)]
    done = subprocess.run(
        ["su", user, "-c", LOOK],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else ""


@pytest.fixture
def killer() -> Iterator[None]:
    """Kills the service now and then."""
    stop = threading.Event()
    moments = random.Random(1)

    def kill() -> None:
        while not stop.wait(moments.uniform(0.5, 5)):
            subprocess.run(
                ["systemctl", "kill", "-s", "KILL", "yama-session"],
                capture_output=True,
                check=False,
            )

    thread = threading.Thread(target=kill)
    thread.start()
    yield
    stop.set()
    thread.join()


def run(logins: int) -> list[str]:
    """Log in so often, some at once, and return what each said."""
    said: list[str] = []
    numbers = iter(range(logins))
    lock = threading.Lock()

    def one_after_the_other() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            said.append(log_in(number))

    threads = [threading.Thread(target=one_after_the_other) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def judge(said: list[str], logins: int) -> None:
    assert len(said) == logins
    got_in = [answer for answer in said if answer]
    assert len(got_in) > 0.9 * logins
    assert [answer for answer in got_in if "view=domain" not in answer or "sees" in answer] == []


def nothing_is_left() -> None:
    wait_for(lambda: sh("yama-session list").status == 0, "the service is there again")
    end_logins(*USERS)
    wait_for(lambda: sessions() == [], "no session is left")
    assert list(RECORDS.glob("*.json")) == []
    assert domains() == set()
    wait_for(lambda: service("NFileDescriptorStore") == "0", "no descriptor is stored")


@pytest.mark.usefixtures("killer")
def test_killed_again_and_again() -> None:
    before = mounts()
    judge(run(LOGINS), LOGINS)
    nothing_is_left()
    wait_for(lambda: mounts() <= before, "no mount namespace is left")


def test_memory_and_descriptors_stay(capsys: pytest.CaptureFixture[str]) -> None:
    run(LOGINS // 3)
    nothing_is_left()
    first, fds = memory(), descriptors()
    judge(run(LOGINS), LOGINS)
    nothing_is_left()
    with capsys.disabled():
        print(f"{LOGINS} logins: from {first} to {memory()} KiB")
    assert memory() < first + GROWTH
    assert descriptors() == fds
