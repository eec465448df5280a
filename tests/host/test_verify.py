"""The proof from a child: it accepts what holds, and names what does not."""

import pytest
from conftest import NOBODY, Python

pytestmark = pytest.mark.host

TEXT = """
import os, signal, sys
from yama_session import Group, HidePid, Proc, Procfs, Scope, VerifyError, View
from yama_session.enforcers import by_name

class Settings:
    scope, view, group, proc, override = (
        Scope.CLASSIC, View.DOMAIN, Group.SESSION, Proc.PRIVATE, False)

landlock, (what, outside, uid) = by_name("landlock"), (sys.argv[1], *map(int, sys.argv[2:]))
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # as some callers have it
with landlock.token(Settings) as token, Procfs.new(HidePid.PTRACEABLE) as procfs:
    if "p" in what:
        procfs.attach()
    if "l" in what:
        landlock.apply(token)
try:
    landlock.verify(Settings, outside=outside or os.getpid(), uid=uid, gid=uid)
    print("holds")
except VerifyError as error:
    print(error.advice)
"""

VISIBLE = "a process outside the session is still visible in /proc\n"


@pytest.mark.parametrize("uid", [NOBODY, 0])
@pytest.mark.parametrize(
    ("done", "expected"), [("pl", "holds\n"), ("p", VISIBLE), ("l", VISIBLE), ("", VISIBLE)]
)
def test_a_half_made_session_is_found_out(
    python: Python, stranger: int, done: str, expected: str, uid: int
) -> None:
    assert python(TEXT, done, stranger, uid).stdout == expected


def test_a_process_of_the_session_is_not_outside(python: Python) -> None:
    assert python(TEXT, "pl", 0, 0).stdout == VISIBLE
