# guest: --variant lsms --cmdline lsm=landlock,yama,selinux --prepare noaudit.py --long
# guest: --variant lsms --cmdline lsm=landlock,yama,apparmor --prepare noaudit.py --long
"""SELinux and AppArmor log who looks into a process, not who lists processes.

A listing asks them about each process, with PTRACE_MODE_NOAUDIT. `noaudit.py` says what
the policies are.
"""

import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARE = Path("/share")
ACTIVE = Path("/sys/kernel/security/lsm").read_text(encoding="ascii").split(",")
(LSM,) = {"selinux", "apparmor"} & set(ACTIVE)
ENTER = {
    "selinux": "printf %s u:r:{0} >/proc/self/attr/current",
    "apparmor": "printf %s 'changeprofile {0}' >/proc/self/attr/current",
}[LSM]

NETLINK_AUDIT, READLOG, AVC, MARK = 9, 1, 1400, 1107
HEADER = struct.Struct("=IHHII")


class Log:
    """The records that the kernel sends to whoever listens to its audit log."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_AUDIT)
        self._socket.bind((0, READLOG))
        self._socket.settimeout(20)

    def until_now(self) -> list[str]:
        """Return what SELinux or AppArmor has logged since the last call."""
        word = f"mark-{os.urandom(8).hex()}"
        text = f"{word}\0".encode()
        message = HEADER.pack(HEADER.size + len(text), MARK, 1, 1, 0) + text
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_AUDIT) as sender:
            sender.sendto(message, (0, 0))
        records: list[str] = []
        while True:
            record = self._socket.recv(1 << 16)
            kind = HEADER.unpack_from(record)[1]
            said = record[HEADER.size :].decode(errors="replace")
            if kind == MARK and word in said:
                return records
            if kind == AVC and 'comm="prober"' in said:
                records.append(said)


@pytest.fixture(scope="module")
def log() -> Log:
    return Log()


@pytest.fixture(autouse=True)
def _policy() -> Iterator[None]:
    """Load the policy, for each test: SELinux logs what it permits only once for a policy."""
    policy = (SHARE / f"{LSM}.policy").read_bytes()
    if LSM == "apparmor":
        Path("/sys/kernel/security/apparmor/.replace").write_bytes(policy)
        yield
        return
    selinux = Path("/sys/fs/selinux")
    if not (selinux / "load").exists():
        subprocess.run(["mount", "-t", "selinuxfs", "selinuxfs", selinux], check=True)
    (selinux / "load").write_bytes(policy)
    (selinux / "enforce").write_text("1")
    yield
    (selinux / "enforce").write_text("0")


def probe(who: str, script: str, proc: str = "") -> str:
    """Run a script as one of the two programs, and return what it prints.

    Args:
        who: `denied` or `permitted`.
        script: for the shell, which may start no program.
        proc: the options of a procfs for it alone.
    """
    mount = f"mount -t proc -o {proc} proc /proc || exit 9\n" if proc else ""
    named = "printf prober >/proc/self/comm\n"
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", f"{mount}{named}{ENTER.format(who)} || exit 8\n{script}"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


LIST = "cd /proc && echo [0-9]*"


def test_a_listing_that_leaves_out_is_not_logged(log: Log) -> None:
    log.until_now()
    shown = probe("denied", LIST, "hidepid=ptraceable").split()
    assert "1" not in shown
    assert log.until_now() == []


def test_a_listing_that_is_permitted_is_not_logged(log: Log) -> None:
    log.until_now()
    shown = probe("permitted", LIST, "hidepid=ptraceable").split()
    assert "1" in shown
    assert log.until_now() == []


@pytest.mark.parametrize(("who", "word"), [("denied", "denied"), ("permitted", "granted")])
def test_access_is_logged(log: Log, who: str, word: str) -> None:
    log.until_now()
    done = probe(who, "cd /proc/1/root 2>/dev/null && echo granted || echo denied").strip()
    assert done == word
    assert log.until_now()


if LSM == "apparmor":  # to SELinux, opening the file of another domain is access, and logged

    def test_a_stat_file_with_masked_fields_is_not_logged(log: Log) -> None:
        log.until_now()
        fields = probe("denied", "read -r line </proc/1/stat; echo $line").split()
        assert fields[0] == "1"
        assert fields[27] == "0"  # where its stack starts
        assert log.until_now() == []
