# guest: --long --timeout 7200
"""Logins and logouts, and the service killed at random moments: nothing is left over.

`SOAK_LOGINS=10000 make test-sessions` makes it a long run.

Most logins are by a `su` that asks our module and not logind, whose user managers
cost ten times as much; one of fifty is by ssh with the whole stack.
"""

import contextlib
import os
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from logins import SSH, all_pids, domain_of, end_logins, sessions, sh, wait_for

LOGINS = int(os.environ.get("SOAK_LOGINS", "300"))
AT_ONCE = 4
# By ssh, with pam_systemd.
WHOLE = 50
SU = Path("/etc/pam.d/su")
COMMON = Path("/etc/pam.d/common-session")
USERS = ("alice", "bob", "carol")
RECORDS = Path("/run/yama-session/sessions")
# What a login is in, and whether it sees pid 1.
LOOK = "read scope </proc/self/attr/yama/scope; echo $scope; test -e /proc/1 && echo sees; exit 0"
# Seconds from one kill to the next: an emulated processor starts the service in four.
BETWEEN_KILLS = (0.5, 30.0)
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
    by_ssh = number % WHOLE == 0
    done = subprocess.run(
        [*SSH, f"{user}@localhost", LOOK] if by_ssh else ["su", user, "-s", "/bin/sh", "-c", LOOK],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else ""


def fallbacks() -> int:
    """Return how many logins the module has confined by itself since boot."""
    return len(sh("journalctl -q -b -g 'fallback strict' -o cat", timeout=600).out.splitlines())


@pytest.fixture(autouse=True)
def _su_without_logind() -> Iterator[None]:
    before = SU.read_text(encoding="utf-8")
    lines = COMMON.read_text(encoding="utf-8").splitlines(keepends=True)
    ours = "".join(line for line in lines if "pam_systemd" not in line)
    include = "@include common-session\n"
    assert include in before
    assert "pam_yama_session" in ours
    SU.write_text(before.replace(include, ours), encoding="utf-8")
    yield
    SU.write_text(before, encoding="utf-8")


@contextlib.contextmanager
def killed_at_random() -> Iterator[list[float]]:
    """Kill the service now and then; yields the moments at which it was."""
    stop = threading.Event()
    moments = random.Random(1)
    killed: list[float] = []

    def kill() -> None:
        while not stop.wait(moments.uniform(*BETWEEN_KILLS)):
            done = sh("systemctl kill -s KILL yama-session")
            if done.status == 0:
                killed.append(time.monotonic())

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
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
    assert [answer for answer in got_in if "view=user" not in answer or "sees" in answer] == []


def nothing_is_left() -> None:
    wait_for(lambda: sh("yama-session list").status == 0, "the service is there again")
    end_logins(*USERS)
    wait_for(lambda: sessions() == [], "no session is left")
    assert list(RECORDS.glob("*.json")) == []
    assert domains() == set()
    # The service looks once a minute whether a user's domain is empty by now.
    wait_for(lambda: service("NFileDescriptorStore") == "0", "none is stored", seconds=120.0)


def test_killed_again_and_again(capsys: pytest.CaptureFixture[str]) -> None:
    before, by_itself = mounts(), fallbacks()
    with killed_at_random() as killed:
        judge(run(LOGINS), LOGINS)
    nothing_is_left()
    wait_for(lambda: mounts() <= before, "no mount namespace is left")
    by_itself = fallbacks() - by_itself
    with capsys.disabled():
        print(f"{LOGINS} logins, {by_itself} by the fallback, {len(killed)} kills")
    assert killed
    assert by_itself < LOGINS


def test_memory_and_descriptors_stay(capsys: pytest.CaptureFixture[str]) -> None:
    run(LOGINS // 10)
    nothing_is_left()
    first, fds = memory(), descriptors()
    logins = LOGINS // 2
    judge(run(logins), logins)
    nothing_is_left()
    with capsys.disabled():
        print(f"{logins} logins: from {first} to {memory()} KiB")
    assert memory() < first + GROWTH
    assert descriptors() == fds
