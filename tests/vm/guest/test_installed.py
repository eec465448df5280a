# guest: --alone --timeout 900
# guest: --alone --timeout 900 --suite trixie --long
# guest: --alone --timeout 900 --debian --long
"""The Debian packages on a machine with people logged in: upgraded, downgraded, taken out."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from logins import Login, end_logins, sh, wait_for

DEBS = Path("/var/cache/yama-session")
OURS = "libpam-yama-session yama-session python3-yama-session"
NEWER = "0.9.9"


def check(command: str) -> str:
    done = sh(command)
    assert done.status == 0, f"{command}: {done.out}"
    return done.out


def is_running() -> bool:
    return sh("yama-session status").status == 0


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages once more, as a later version of them."""
    directory = tmp_path_factory.mktemp("newer")
    for deb in DEBS.glob("*.deb"):
        tree = directory / deb.stem
        check(f"dpkg-deb --raw-extract {deb} {tree}")
        control = tree / "DEBIAN/control"
        text = control.read_text()
        (version,) = re.findall(r"^Version: (.*)$", text, re.MULTILINE)
        control.write_text(text.replace(version, NEWER))
        check(f"dpkg-deb --build --root-owner-group {tree} {directory}")
    return directory


@pytest.fixture
def alice() -> Iterator[Login]:
    with Login("alice") as login:
        yield login
    end_logins("alice")


class Stream(threading.Thread):
    """Logins of a user, one after the other, until `end()`; each says if it sees process 1."""

    def __init__(self, user: str) -> None:
        super().__init__()
        self.user, self.stopped, self.seen = user, threading.Event(), list[bool]()
        self.start()

    def run(self) -> None:
        while not self.stopped.is_set():
            with Login(self.user) as login:
                self.seen.append(login.sees(1))

    def end(self) -> list[bool]:
        self.stopped.set()
        self.join()
        return self.seen


def test_installed_packages_are_whole() -> None:
    assert not [line for line in check(f"dpkg --verify {OURS}").splitlines() if " c " not in line]
    check("python3 -c 'import yama_session'")
    assert is_running()


def test_autopkgtest_passes() -> None:
    check("pam-auth-update --disable yama-session")
    try:
        check(f"sh {Path(__file__).with_name('autopkgtest')}")
    finally:
        check("pam-auth-update --enable yama-session; systemctl enable --now yama-session")
        wait_for(is_running, "the service answers")


def test_upgrade_leaves_nobody_unconfined(alice: Login, newer: Path) -> None:
    domain = alice.domain_id()
    assert domain != "none"
    before = sh("systemctl show -P MainPID yama-session").out
    logins = Stream("bob")
    try:
        check(f"dpkg --install {newer}/*.deb")
        wait_for(is_running, "the service answers")
    finally:
        seen = logins.end()
    end_logins("bob")
    assert len(seen) > 1
    assert not any(seen), seen
    assert sh("systemctl show -P MainPID yama-session").out != before
    assert alice.domain_id() == domain
    assert "alice" in check("yama-session list --json")
    with Login("alice") as second:
        assert second.domain_id() == domain


def test_downgrade_is_refused_and_says_why(alice: Login) -> None:
    done = sh(f"dpkg --install {DEBS}/*.deb")
    assert done.status != 0
    assert f"{NEWER} cannot be replaced by" in done.out
    assert f"Remove {NEWER} first" in done.out
    check(f"dpkg --configure --pending; dpkg --audit; dpkg-query -W {OURS} | grep -q {NEWER}")
    wait_for(is_running, "the service answers")
    assert not alice.sees(1)
    with Login("bob") as bob:
        assert not bob.sees(1)
    end_logins("bob")


def test_removal_frees_new_logins_and_leaves_running_ones() -> None:
    with Login("alice") as alice:
        assert "libpam-yama-session" in check(f"dpkg --remove {OURS}")
        assert not sh("grep -r pam_yama_session /etc/pam.d").out
        assert not alice.sees(1)
        with Login("bob") as bob:
            assert bob.sees(1)
        assert sh("ssh -o BatchMode=yes root@localhost true").status == 0
    assert Path("/etc/yama-session/policy.toml").exists()


def test_package_of_the_same_policy_confines_again(newer: Path) -> None:
    check(f"dpkg --install {newer}/*.deb")
    wait_for(is_running, "the service answers")
    with Login("bob") as bob:
        assert bob.sees(1)
    check("pam-auth-update --enable yama-session")
    end_logins("bob")
    with Login("bob") as bob:
        assert not bob.sees(1)
    end_logins("bob")


def test_purge_leaves_no_file(newer: Path) -> None:
    check(f"dpkg --purge {OURS}")
    found = check("find / -xdev -name '*yama[-_]session*' -not -path '*/dpkg/*'").splitlines()
    ours = (str(DEBS), str(newer), "/share", "/var/log", "/var/lib/systemd/coredump")
    assert [path for path in found if not path.startswith(ours)] == []
    assert not Path("/etc/yama-session").exists()
    with Login("alice") as login:
        assert login.sees(1)
