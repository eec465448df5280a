"""A name service that fails, or has two names for one account, makes no login looser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from service_bench import ServiceBench, service_bench

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "/usr/bin/python3"

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("as_root")]

#: In a mount namespace of its own, so that nobody else's names change.
PREPARE = """
set -e
mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
shift
exec "$@"
"""


def build(directory: Path, *flags: str) -> None:
    """Compile the name service where the dynamic linker looks for it."""
    source = ROOT / "tests/host/nss_case.c"
    command = ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-shared"]
    library = directory / "libnss_case.so.2"
    subprocess.run([*command, "-fPIC", *flags, "-o", library, source], check=True)
    (directory / "nsswitch.conf").write_text("passwd: files case\ngroup: files case\n")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceBench]:
    """The service with this name service, and its log; ``CASE`` says what fails."""
    build(tmp_path)
    with service_bench() as bench:
        shutil.copy(tmp_path / "libnss_case.so.2", bench.directory)
        (bench.directory / "nsswitch.conf").write_text("passwd: files case\ngroup: files case\n")
        bench.files += ("nsswitch.conf",)
        bench.names = {
            "LD_LIBRARY_PATH": str(bench.directory),
            "NSS_CASE": str(bench.directory / "case"),
        }
        bench.set_policy(
            '[[rule]]\nmatch.group = "pupils"\nscope = 1\nview = "domain"\n'
            'group = "session"\nenforcer = "landlock"\n[[rule]]\npreset = "open"\n'
        )
        bench.start()
        yield bench


def test_session_has_the_account_s_own_name(service: ServiceBench) -> None:
    for typed in ("bob", "BOB", "robert", "no-such-name"):
        with service.login(typed, 4001) as reply:
            assert reply["body"][2] == "landlock", (typed, reply)
            (session,) = (s for s in service.sessions() if s["id"] == reply["body"][0])
            assert (session["user"], session["uid"]) == ("bob", 4001)
            assert session["source"].endswith(":1")


def test_directory_that_goes_away_sends_logins_to_the_fallback(service: ServiceBench) -> None:
    def fails(function: str, status: int) -> None:
        (service.directory / "case").write_text(f"{function} {status} 111\n")
        assert service.ask("Reload").returncode == 0  # which forgets the answers
        with service.login("bob", 4001) as reply:
            error = reply["error"]
        assert error in (
            "org.yama.Session1.Error.PolicyUnavailable",
            "org.yama.Session1.Error.NoSuchUser",
        ), (function, status, reply)

    for function in ("all", "initgroups", "getpwuid"):
        fails(function, -1)
    fails("all", 0)
    service.kill()
    service.start()  # what a name has meant outlives it
    (service.directory / "case").write_text("getgrnam 0 0\n")
    with service.login("bob", 4001) as reply:
        assert "'pupils'" in reply["body"][0]
        assert "gid 4002" in reply["body"][0]
    (service.directory / "case").write_text("getgrnam -1 111\n")
    with service.login("bob", 4001) as reply:
        assert reply["body"][2] == "landlock"


def cases(directory: Path, functions: Sequence[str]) -> list[dict[str, Any]]:
    command = ["unshare", "-m", "sh", "-c", PREPARE, "sh", str(directory)]
    done = subprocess.run(
        [*command, PYTHON, str(ROOT / "tests/host/names_cases.py"), *functions],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LD_LIBRARY_PATH": str(directory),
            "NSS_CASE": str(directory / "case"),
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def looser(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether a login got less than another one; an error goes to the fallback."""
    return "error" not in one and (
        one["scope"] < other["scope"] or one["view"] < other["view"] or one["user"] != "bob"
    )


#: Those whose status is seen; of the others glibc tells errno 0 as "there is none".
MEMBERS = ("initgroups", "getgrent", "setgrent")


def judged(case: dict[str, Any]) -> Sequence[str]:
    """Which answers of a case must hold.

    "There is none" is believed of a name that nobody has met, and of the groups of
    an account: a directory that has lost a member says the same.
    """
    if case["function"] in MEMBERS:
        return () if case["status"] == "notfound" else ("fresh", "learned")
    none = case["status"] == "notfound" or (case["errno"] == 0 and case["status"] != "success")
    return ("learned",) if none else ("fresh", "learned")


@pytest.mark.parametrize(
    ("flags", "functions"),
    [
        ((), ("getpwnam", "getpwuid", "getgrnam", "getgrgid", "initgroups", "all")),
        (("-DENUMERATES",), ("getgrent", "setgrent")),
    ],
    ids=["initgroups", "enumerates"],
)
def test_failing_name_service_makes_no_login_looser(
    tmp_path: Path, flags: Sequence[str], functions: Sequence[str]
) -> None:
    build(tmp_path, *flags)
    found = cases(tmp_path, functions)
    well = [case["well"] for case in found if "function" not in case]
    assert all("error" not in answer for answer in well)
    assert {answer["preset"] for answer in well} == {"open", "kiosk"}
    wrong = [
        (case, which)
        for case in found
        if "function" in case
        for which in judged(case)
        if looser(case[which], case["well"])
    ]
    assert not wrong, f"{len(wrong)} of {len(found)}, as {wrong[0]}"
    # A failure that matters is an error, and does not pass for an answer.
    errors = {
        (case["function"], case["status"])
        for case in found
        if "function" in case and "error" in case["fresh"]
    }
    needed = {"getpwnam", "getpwuid", "getgrnam", "initgroups", "getgrent", "setgrent"}
    for function in needed & set(functions):
        assert (function, "unavail") in errors, function
        assert (function, "tryagain") in errors, function


def test_every_name_of_an_account_chooses_the_same_rule(tmp_path: Path) -> None:
    build(tmp_path)
    two = [case for case in cases(tmp_path, ()) if case["policy"].count("[[rule]]") == 2]
    assert len(two) > 16
    for case in two:
        first, last = case["policy"].split('"')[1], case["policy"].split('preset = "')[-1]
        wins = last.partition('"')[0] if 'group = "bob"' in case["policy"] else first
        assert case["well"]["preset"] == wins, case["policy"]
