"""Wrong input gets a clear error, and leaves everything as it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from logins import POLICY, Login, missing_pid, sh

BUS = "busctl call org.yama.Session1 /org/yama/Session1 org.yama.Session1.Manager"


@pytest.fixture(scope="module")
def alice() -> Iterator[Login]:
    with Login("alice") as login:
        yield login


@pytest.fixture
def untouched(alice: Login) -> Iterator[None]:
    """Whatever a test tries, sessions and domain are afterwards what they were."""
    before = alice.domain(), sh(f"{BUS} ListSessions").out
    yield
    assert (alice.domain(), sh(f"{BUS} ListSessions").out) == before


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("scope = 4", ["4", "0", "3"]),
        ('view = "none"', ["'none'", "domain"]),
        ('preset = "desk"', ["'desk'", "desktop"]),
        ("scoop = 1", ["'scoop'", "scope"]),
        ("scope = ", ["policy.toml"]),
        ('enforcer = "landlock"', ["landlock", "session"]),
    ],
)
def test_broken_policy_is_named_by_file_and_line_and_not_put_in_force(
    line: str, words: list[str]
) -> None:
    good = POLICY.read_text(encoding="utf-8")
    try:
        POLICY.write_text(f'[[rule]]\nmatch = {{ user = "x" }}\n{line}\n', encoding="utf-8")
        done = sh("systemctl reload yama-session; journalctl -u yama-session -n 5 --no-pager")
        direct = sh(f"{BUS} Reload")
        assert direct.status != 0
        for word in [f"{POLICY}:", *words]:
            assert word in direct.out
        assert ":3" in direct.out or ":1" in direct.out
        assert str(POLICY) in done.out
    finally:
        POLICY.write_text(good, encoding="utf-8")
        assert sh("systemctl reload yama-session").status == 0


PRCTL = """
import ctypes, errno, json, os
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
libc.prctl(38, 1, 0, 0, 0)  # no_new_privs: nothing below fails for lack of that
HAS, ENTER, CREATE, JOIN, LEAVE, CHECK, OPEN, ALLOW = range(8)
null, none = os.open("/dev/null", os.O_RDONLY), 2**64 - 1
myself = os.pidfd_open(os.getpid())
own = libc.prctl(0x59616d73, CREATE, 0, 0, 0)
assert own >= 0
calls = {
    "EINVAL": [
        (99,), (none,), (HAS, 0), (HAS, 1, 1), (HAS, 1, 0, 1),
        (ENTER, 4), (ENTER, none), (ENTER, 1, 4), (ENTER, 1, none), (ENTER, 1, 1, 8),
        (CREATE, 4), (CREATE, 1, 4), (CREATE, 1, 1, 1), (CREATE, 1, 1, 8),
        (JOIN, own, 2), (JOIN, own, 0, 1), (JOIN, null), (LEAVE, 2), (LEAVE, 0, 1),
        (CHECK, 4), (CHECK, 1, 4), (CHECK, 1, 1, 1), (OPEN, null, 1), (OPEN, null, 0, 1),
        (OPEN, null), (ALLOW, null, none, 1), (ALLOW, null, none), (ALLOW, myself, null),
    ],
    "EBADF": [
        (JOIN, none), (JOIN, 999), (OPEN, none), (OPEN, 999), (ALLOW, none, none),
        (ALLOW, myself, 999),
    ],
    "ENOTSUP": [(HAS, 4), (HAS, none)],
    "ENODATA": [(CHECK, 3, 1), (CHECK, 0, 3)],
}
scope = lambda: open("/proc/self/attr/yama/scope").read()
before, wrong = scope(), []
for name, tries in calls.items():
    for args in tries:
        result = libc.prctl(0x59616d73, *(args + (0, 0, 0))[:4])
        answer = errno.errorcode[ctypes.get_errno()] if result < 0 else result
        if answer != name:
            wrong.append([args, answer, name])
print(json.dumps([wrong, scope() == before]))
"""


def test_wrong_prctl_argument_has_its_error_and_changes_nothing(alice: Login) -> None:
    assert alice.json(PRCTL) == [[], True]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "option", ["limit_pids=2", "limit_pids=", "limit_pids", "limit_pids=0x1", "limit_pids=yes"]
)
def test_wrong_mount_option_mounts_nothing(option: str) -> None:
    place = Path("/mnt/test")
    place.mkdir(exist_ok=True)
    done = sh(f"mount -t proc -o {option} none {place}")
    assert done.status != 0
    assert "wrong fs type, bad option" in done.out
    assert not place.is_mount()


def test_limit_pids_of_the_seed_mounts_and_hides() -> None:
    """`mount -t proc -o limit_pids=1 none /test`, as its cover letter says."""
    place = Path("/test")
    place.mkdir(exist_ok=True)
    assert sh(f"mount -t proc -o limit_pids=1 none {place}").status == 0
    try:
        assert "hidepid=ptraceable" in sh(f"findmnt -n -o OPTIONS {place}").out
        seen = sh(f"runuser -u bob -- ls {place}").out.split()
        assert "self" in seen
        assert "1" not in seen
        assert "1" in sh("runuser -u bob -- ls /proc").out.split()
    finally:
        assert sh(f"umount {place}").status == 0


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("CloseSession s nothing", ["nothing"]),
        ("CloseSession s ''", ["''"]),
        ("CloseSession u 1", ["signature"]),
        ("NoSuchMethod", ["NoSuchMethod"]),
    ],
)
def test_wrong_bus_call_says_what_is_wrong(call: str, words: list[str]) -> None:
    done = sh(f"SYSTEMD_LOG_LEVEL=debug {BUS} {call}")
    assert done.status != 0
    assert any(word.lower() in done.out.lower() for word in words), done.out


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("call", "words"), [("CloseSession s x", "denied"), ("Reload", "prove who you are")]
)
def test_bus_refuses_what_is_root_s_to_a_user(alice: Login, call: str, words: str) -> None:
    done = alice.run(f"{BUS} {call}")
    assert done.status != 0
    assert words in done.out.lower()


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ("yama-session run --scope 9 -- true", 2, ["9"]),
        ("yama-session run --view some -- true", 2, ["some"]),
        ("yama-session run --nonsense -- true", 2, ["--nonsense"]),
        ("yama-session run", 2, ["CMD"]),
        ("yama-session run --override -- true", 125, ["override"]),
        ("yama-session run --enforcer landlock --scope 2 -- true", 125, ["landlock", "scope"]),
        ("yama-session run -- /no/such/program", 127, ["/no/such/program"]),
        ("yama-session run -- /etc/passwd", 126, ["/etc/passwd"]),
        ("yama-session frob", 2, ["frob"]),
        ("yama-session list --frob", 2, ["--frob"]),
    ],
)
def test_wrong_option_is_named(alice: Login, command: str, status: int, words: list[str]) -> None:
    done = alice.run(command)
    assert done.status == status, done.out
    for word in words:
        assert word in done.out


def test_python_api_names_the_value(alice: Login) -> None:
    done = alice.python(
        "import yama_session as y, sys; y.describe(int(sys.argv[1]))", missing_pid()
    )
    assert done.status == 1
    assert str(missing_pid()) in done.lines[-1]
