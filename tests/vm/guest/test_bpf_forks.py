# guest: --debian --kernel 6.1 --kernel 6.12 --kernel 7.3 --long --timeout 5400
"""A hundred thousand forks in logins, while the service is restarted, upgraded and killed."""

import contextlib
import json
import random
import shlex
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from bpf_logins import stranger
from logins import Login, end_logins, sh, wait_for

from yama_session.enforcers.bpf import loader
from yama_session.enforcers.bpf.loader import Programs

FORKS = 100_000
USERS = ("alice", "bob")
# Of each user: a shell forks fast, Python asks more.
SHARES = {"sh": 45_000, "python": 5_000}

# How many children there were, and how many saw who is outside, or were killed.
FORK_FAST = """
born=0 bad=0
while [ $born -lt $1 ]; do
    ( [ ! -e /proc/$2 ] ) || bad=$((bad + 1))
    born=$((born + 1))
done
echo "{\\"born\\": $born, \\"bad\\": $bad}"
"""
# The same, and how many were in no such domain.
FORK_AND_ASK = """
import ctypes, json, os, sys
prctl = ctypes.CDLL(None, use_errno=True).prctl
prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
forks, outside = int(sys.argv[1]), f"/proc/{sys.argv[2]}"

def inside():
    while True:
        if prctl(0x59616d73, 5, 1, 2, 0) >= 0:
            return True
        if ctypes.get_errno() != 11:  # it is to be asked again
            return False

born = bad = 0
while born < forks:
    pid = os.fork()
    if not pid:
        os._exit(not inside() or os.path.exists(outside))
    bad += os.waitpid(pid, 0)[1] != 0
    born += 1
print(json.dumps({"born": born, "bad": bad}))
"""


class Service:
    """The service under changes that an administrator, a package and an accident make."""

    def __init__(self) -> None:
        self._content = loader.OBJECT.read_bytes()
        self._versions = 0
        self._moments = random.Random(1)
        self.done = {"restart": 0, "upgrade": 0, "kill": 0, "kill in an upgrade": 0}

    def restart(self) -> None:
        assert sh("systemctl restart yama-session", timeout=300).status == 0
        self.done["restart"] += 1

    def upgrade(self) -> None:
        self._nothing_was_left_out()
        self._another_version()
        before = pinned()
        assert sh("systemctl restart yama-session", timeout=300).status == 0
        assert pinned().isdisjoint(before)
        self.done["upgrade"] += 1

    def kill(self) -> None:
        assert sh("systemctl kill -s KILL yama-session").status == 0
        self._is_back()
        self.done["kill"] += 1

    def kill_in_an_upgrade(self, seconds: float) -> None:
        """Kill it at some moment of its start, with other programs to load."""
        self._another_version()
        assert sh("systemctl restart --no-block yama-session").status == 0
        time.sleep(self._moments.uniform(0, seconds))
        sh("systemctl kill -s KILL yama-session")
        self._is_back()
        self.done["kill in an upgrade"] += 1

    def put_back(self) -> None:
        loader.OBJECT.write_bytes(self._content)

    def _another_version(self) -> None:
        self._versions += 1
        new = loader.OBJECT.with_suffix(".new")
        new.write_bytes(self._content + b"%d" % self._versions)
        new.replace(loader.OBJECT)

    @staticmethod
    def _nothing_was_left_out() -> None:
        """The kernel counts it for each program, and a new version begins with 0."""
        programs = Programs.running()
        assert programs is not None
        with programs:
            misses = programs.recursion_misses()
        del misses["answer"]
        assert set(misses.values()) == {0}, misses

    @staticmethod
    def _is_back() -> None:
        wait_for(lambda: sh("yama-session list").status == 0, "it is back", seconds=300)


def pinned() -> set[str]:
    return {place.name for place in loader.PINS.iterdir()}


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.put_back()
    service.restart()


def fork_on(login: Login, how: str, outside: int) -> object:
    if how == "python":
        return login.json(FORK_AND_ASK, SHARES[how], outside)
    words = ["sh", "-c", FORK_FAST, how, str(SHARES[how]), str(outside)]
    return json.loads(login.check(shlex.join(words)))


@contextlib.contextmanager
def forking() -> Iterator[list[Future[object]]]:
    """Logins that fork on and on; what each has to say comes at its end."""
    pairs = [(user, how) for user in USERS for how in SHARES]
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(max_workers=len(pairs)) as pool:
        outside = {user: stack.enter_context(stranger(user)) for user in USERS}
        logins = [(stack.enter_context(Login(user)), how) for user, how in pairs]
        yield [pool.submit(fork_on, login, how, outside[login.user]) for login, how in logins]
    end_logins(*USERS)


def test_no_child_is_born_outside(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(USERS) * sum(SHARES.values()) == FORKS
    with forking() as running:
        began = time.monotonic()
        service.upgrade()
        took = time.monotonic() - began
        while True:
            service.restart()
            service.kill_in_an_upgrade(took)
            service.kill()
            service.upgrade()
            with capsys.disabled():
                print(f"{time.monotonic() - began:.0f} s: {service.done}")
            if all(future.done() for future in running):
                break
        said = [future.result() for future in running]
    assert said == [{"born": share, "bad": 0} for share in SHARES.values()] * len(USERS)
    assert len(pinned()) == 1
