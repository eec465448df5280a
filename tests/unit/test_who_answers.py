"""A program that answers HAS is not the series: told apart on real calls, by a seccomp filter."""

import errno
import os
import subprocess
import sys

import pytest

from yama_session.native import lib

pytestmark = pytest.mark.unit

ANSWERS_PRCTL = """\
import ctypes, struct, sys

LOAD, EQUAL, ABOVE, RETURN = 0x20, 0x15, 0x25, 0x06
ALLOW, ERRNO = 0x7fff0000, 0x00050000
NUMBER, LOW = 0, lambda n: 16 + 8 * n + 4 * (sys.byteorder == "big")
libc = ctypes.CDLL(None, use_errno=True)
number = {prctl}
steps = [(LOAD, 0, 0, NUMBER), (EQUAL, 1, 0, number), (RETURN, 0, 0, ALLOW)]
steps += [(LOAD, 0, 0, LOW(0)), (EQUAL, 1, 0, {scope}), (RETURN, 0, 0, ALLOW)]
steps += [(LOAD, 0, 0, LOW(1)), (EQUAL, 0, 4, {has}), (LOAD, 0, 0, LOW(2))]
steps += [(ABOVE, 1, 0, {newest}), (RETURN, 0, 0, ERRNO), (RETURN, 0, 0, ERRNO | {unsupported})]
steps += [(EQUAL, 0, 1, {create}), (RETURN, 0, 0, ERRNO | {answer})]
steps += [(RETURN, 0, 0, ALLOW)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, program, 0, 0) == 0

from yama_session import KernelUnsupported, Scope, View, enter
from yama_session.enforcers import ENFORCERS
from yama_session.scope import Domain, abi, answered, by_programs, check, supported
"""

PRCTL = {"x86_64": 157, "aarch64": 167}


def under(answer: int, newest: int, code: str) -> str:
    """Run Python where HAS is answered up to a version, and CREATE by an errno."""
    filtered = ANSWERS_PRCTL.format(
        has=lib.PR_PTRACE_SCOPE_HAS,
        newest=newest,
        unsupported=errno.EOPNOTSUPP,
        create=lib.PR_PTRACE_SCOPE_CREATE,
        scope=lib.PR_PTRACE_SCOPE,
        answer=answer,
        prctl=PRCTL[os.uname().machine],
    )
    done = subprocess.run([sys.executable, "-c", filtered + code], capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(errno.EINVAL, "True True", id="the series refuses the level"),
        pytest.param(errno.EOPNOTSUPP, "True False", id="a program makes no descriptor"),
        pytest.param(0, "True False", id="one that takes any level is not the series"),
    ],
)
def test_what_create_answers_tells_the_series_from_a_program(answer: int, expected: str) -> None:
    assert under(answer, lib.YS_ABI, "print(answered(), supported())") == f"{expected}\n"


@pytest.mark.parametrize(("newest", "found"), [(1, 1), (2, 2), (lib.YS_ABI, 3), (9, 3)])
def test_newest_version_of_the_series_that_is_known_here(newest: int, found: int) -> None:
    assert under(errno.EINVAL, newest, "print(abi())") == f"{found}\n"
    assert under(errno.EOPNOTSUPP, newest, "print(abi())") == "0\n"


@pytest.mark.parametrize("newest", [1, 2, lib.YS_ABI])
def test_domains_that_no_file_shows_are_those_of_programs_of_any_version(newest: int) -> None:
    assert under(errno.EOPNOTSUPP, newest, "print(by_programs())") == "True\n"
    assert under(errno.EINVAL, newest, "print(by_programs())") == "False\n"


def test_older_series_is_an_error_that_says_both_versions() -> None:
    said = under(errno.EINVAL, 2, "print(answered(), supported()); print(ENFORCERS[0].available())")
    assert said == (
        "False False\nnot built: the kernel has scope domains of ABI 2, and ABI 3 is needed: "
        "boot one with a newer series\n"
    )


def test_older_programs_are_an_error_that_says_both_versions() -> None:
    code = "print(answered(), supported()); print(ENFORCERS[1].available())"
    said = under(errno.EOPNOTSUPP, 1, code)
    assert said == (
        "False False\ndisabled: BPF programs of an older yama-session are loaded (ABI 1, and 3 is "
        "needed): others can take their place after a reboot\n"
    )


@pytest.mark.parametrize(
    "call",
    [
        "enter(Scope.CLASSIC, View.USER)",
        "check(Scope.CLASSIC, View.USER)",
        "Domain.create(Scope.CLASSIC, View.USER)",
    ],
)
def test_older_version_is_never_given_a_view_by_its_number(call: str) -> None:
    code = f"try:\n    {call}\nexcept KernelUnsupported as error:\n    print(error)\n"
    # An answer to CREATE, were it asked, would be a descriptor.
    for answer in (errno.EINVAL, errno.EOPNOTSUPP, 0):
        said = under(answer, 2, code)
        assert "(version 2 of the interface, 3 is needed): " in said


@pytest.mark.parametrize("call", ["ys_enter", "ys_check", "ys_create"])
def test_c_functions_give_no_view_to_an_older_version(call: str) -> None:
    arguments = "0, 1" if call == "ys_check" else "0, 1, 0"
    code = f"from yama_session.native import lib; print(lib.{call}({arguments}))"
    assert under(0, 2, code) == f"-{errno.EOPNOTSUPP}\n"
