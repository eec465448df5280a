"""Where a security module refuses whose rules are not known, the kernel is heard."""

import subprocess
from pathlib import Path

import pytest

from yama_session.native import lib

pytestmark = pytest.mark.host

ROOT = Path(__file__).parents[2]
FROM_LANDLOCK = """
import sys
import prctl
from yama_session import can_attach
from yama_session.native import lib
from yama_session.reach import reach
prctl.set_no_new_privs(1)
assert lib.ys_landlock_restrict(lib.ys_landlock_create()) == 0
for answer in (can_attach(int(sys.argv[1])), reach(int(sys.argv[1])).readable):
    print(answer.verdict.value, answer.rule, answer.asked)
"""


@pytest.mark.skipif(lib.ys_landlock_abi() < 6, reason="this kernel has no Landlock ABI 6")
def test_landlock_refuses_what_the_rules_allow() -> None:
    outside = subprocess.Popen(["sleep", "600"])
    try:
        done = subprocess.run(
            ["/usr/bin/python3", "-c", FROM_LANDLOCK, str(outside.pid)],
            env={"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    finally:
        outside.kill()
        outside.wait()
    assert done.stdout.splitlines() == ["no other-module kernel"] * 2
