# guest: --timeout 300
"""The examples do what they say."""

import re
from collections.abc import Iterator

import pytest
from logins import Login, policy, set_sysctl, sh

EXAMPLES = "/share/examples"
DEVELOPER = '[[rule]]\nmatch = { user = "alice" }\npreset = "developer"\n'


@pytest.fixture
def alice() -> Iterator[Login]:
    with Login("alice") as login:
        yield login


def test_supervisor() -> None:
    done = sh(f"{EXAMPLES}/supervisor.py")
    assert done.status == 0, done.out
    apps = re.findall(r"^(\w+) is (\d+) and sees \[(\d+)\]$", done.out, re.MULTILINE)
    assert [(name, pid) for name, pid, _ in apps] == [(name, seen) for name, _, seen in apps]
    assert [name for name, _, _ in apps] == ["camera", "radio"]
    everybody = re.search(r"the supervisor sees (\d+) processes", done.out)
    assert everybody
    assert int(everybody[1]) > 20


def test_crash_handler(alice: Login) -> None:
    set_sysctl(1)
    assert alice.check(f"{EXAMPLES}/crash_handler.py").splitlines() == [
        "renderer: the handler exists for me: False",
        "handler: the renderer died of 'out of cheese'",
        "stranger: No such process",
    ]


def test_ranks_copy_in_a_developer_s_session_only(alice: Login) -> None:
    set_sysctl(1)
    done = alice.run(f"{EXAMPLES}/ranks.py")
    refused = [f"rank {number}: Operation not permitted" for number in range(4)]
    assert (done.status, sorted(done.lines)) == (1, refused)
    alice.close()
    with policy(DEVELOPER), Login("alice") as developer:
        sums = ["rank 0: 11", "rank 1: 110", "rank 2: 1100", "rank 3: 1001"]
        assert sorted(developer.check(f"{EXAMPLES}/ranks.py").splitlines()) == sums


def test_ci_runner(alice: Login) -> None:
    # One that daemonizes, and what the build finds: itself, and nothing of the session.
    build = "(setsid sleep 1000 &) ; ls /proc | grep -c ^[0-9]; ls /proc/$PPID; exit 3"
    done = alice.run(f"{EXAMPLES}/ci_runner.py sh -c '{build}'")
    assert done.status == 3
    found, hidden, said = done.lines
    # sh, ls and grep, and the daemon if it was quick
    assert int(found) in (3, 4, 5)
    assert hidden.endswith("No such file or directory")
    assert said == "runner: the build ended with 3 and left 1 processes behind"
    assert alice.run("pgrep -x sleep").status == 1
