"""The proof: it accepts what holds, and names what does not."""

import subprocess

import pytest
from conftest import NOBODY, Python

from yama_session.native import checked, lib

pytestmark = pytest.mark.host

TEXT = """
import os, sys
from yama_session import Group, HidePid, Proc, Procfs, Scope, VerifyError, View
from yama_session.enforcers import by_name

class Settings:
    scope, view, group, proc, override = (
        Scope.CLASSIC, View.DOMAIN, Group.SESSION, Proc.PRIVATE, False)

landlock, what, outside = by_name("landlock"), sys.argv[1], int(sys.argv[2])
with landlock.token(Settings) as token, Procfs.new(HidePid.PTRACEABLE) as procfs:
    if "p" in what:
        procfs.attach()
    if "l" in what:
        landlock.apply(token)
try:
    landlock.verify(Settings, outside=outside or os.getpid())
    print("holds")
except VerifyError as error:
    print(error.advice)
"""

VISIBLE = "a process outside the session is still visible in /proc\n"


@pytest.mark.parametrize(
    ("done", "expected"), [("pl", "holds\n"), ("p", VISIBLE), ("l", VISIBLE), ("", VISIBLE)]
)
def test_a_half_made_session_is_found_out(
    python: Python, stranger: int, done: str, expected: str
) -> None:
    assert python(TEXT, done, stranger).stdout == expected


def test_a_process_of_the_session_is_not_outside(python: Python) -> None:
    assert python(TEXT, "pl", 0).stdout == VISIBLE


@pytest.mark.usefixtures("as_root")
def test_bystander_hides_from_users_and_not_from_its_like() -> None:
    """It is a copy of a login's memory, so it must not become the user's process."""
    pid = checked("ys_bystander", lib.ys_bystander())
    try:
        for who, may in (
            ([f"--reuid={NOBODY}", "--clear-groups"], False),
            (["--bounding-set=-all", "--inh-caps=-all"], True),
        ):
            looks = ["setpriv", *who, "cat", f"/proc/{pid}/environ"]
            assert (subprocess.run(looks, capture_output=True).returncode == 0) == may, who
    finally:
        lib.ys_bystander_end(pid)
