# guest:
# guest: --debian --long
"""Who is a person: system accounts and services that log nobody in are left as they are."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from logins import Login, end_logins, sh, wait_for

# Opens a session of PAM as a daemon does, and looks from inside of it.
OPEN = r"""
import ctypes, os, sys
pam, service, user = ctypes.CDLL("libpam.so.0"), sys.argv[1].encode(), sys.argv[2].encode()
class Conversation(ctypes.Structure):
    _fields_ = [("talk", ctypes.c_void_p), ("data", ctypes.c_void_p)]
handle = ctypes.c_void_p()
assert pam.pam_start(service, user, ctypes.byref(Conversation()), ctypes.byref(handle)) == 0
assert pam.pam_open_session(handle, 0) == 0
os.setgroups([]), os.setgid(65534), os.setuid(65534)
print("there" if os.path.exists("/proc/1") else "hidden")
"""
SERVICE = "session required pam_yama_session.so\n"


@pytest.fixture(scope="module", autouse=True)
def _services() -> Iterator[None]:
    files = [Path("/etc/pam.d") / name for name in ("samba", "sambal")]
    for file in files:
        file.write_text(SERVICE, encoding="ascii")
    yield
    for file in files:
        file.unlink()
    end_logins("alice")


def sight(service: str, user: str) -> str:
    done = sh(f"python3 -c '{OPEN}' {service} {user}")
    assert done.status == 0, done.out
    return done.out.strip()


@pytest.fixture(params=["with the service", "while it is down"])
def _service(request: pytest.FixtureRequest) -> Iterator[None]:
    down = request.param == "while it is down"
    if down:
        assert sh("systemctl stop yama-session").status == 0
    yield
    if down:
        assert sh("systemctl start yama-session").status == 0
        wait_for(lambda: sh("yama-session status").status == 0, "the service answers")


@pytest.mark.usefixtures("_service")
def test_service_that_logs_nobody_in_is_left_alone_and_others_are_not() -> None:
    assert sight("samba", "alice") == "there"
    assert sight("Samba", "alice") == "there"  # libpam makes the letters small
    assert sight("sambal", "alice") == "hidden"


@pytest.mark.usefixtures("_service")
def test_system_account_is_left_alone_and_a_person_is_not() -> None:
    assert sight("sambal", "backup") == "there"
    assert sight("sambal", "nobody") == "there"
    with Login("alice") as alice:
        assert not alice.sees(1)
