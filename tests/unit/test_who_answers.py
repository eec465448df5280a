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

answers = {{{has}: 0, {create}: {answer}}}
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7fff0000, 0x00050000
NUMBER, LOW = 0, lambda n: 16 + 8 * n + 4 * (sys.byteorder == "big")
libc = ctypes.CDLL(None, use_errno=True)
number = {prctl}
steps = [(LOAD, 0, 0, NUMBER), (EQUAL, 1, 0, number), (RETURN, 0, 0, ALLOW)]
steps += [(LOAD, 0, 0, LOW(0)), (EQUAL, 1, 0, {scope}), (RETURN, 0, 0, ALLOW)]
steps += [(LOAD, 0, 0, LOW(1))]
for op, answer in answers.items():
    steps += [(EQUAL, 0, 1, op), (RETURN, 0, 0, ERRNO | answer)]
steps += [(RETURN, 0, 0, ALLOW)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, program, 0, 0) == 0

from yama_session.scope import answered, supported
print(answered(), supported())
"""

PRCTL = {"x86_64": 157, "aarch64": 167}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(errno.EINVAL, "True True", id="the series refuses the level"),
        pytest.param(errno.EOPNOTSUPP, "True False", id="a program makes no descriptor"),
        pytest.param(0, "True False", id="one that takes any level is not the series"),
    ],
)
def test_what_create_answers_tells_the_series_from_a_program(answer: int, expected: str) -> None:
    code = ANSWERS_PRCTL.format(
        has=lib.PR_PTRACE_SCOPE_HAS,
        create=lib.PR_PTRACE_SCOPE_CREATE,
        scope=lib.PR_PTRACE_SCOPE,
        answer=answer,
        prctl=PRCTL[os.uname().machine],
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"{expected}\n", "")
