# guest: --alone
"""The view `user`: a session sees its own, and what is of its user wherever it was started."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from logins import Login, all_pids, domain_of, policy, sh, wait_for

RULES = """
[[rule]]
match = { user = "carol" }
view = "domain"
[[rule]]
view = "user"
"""
BY_SESSION = '[[rule]]\nmatch = { user = "alice" }\nview = "user"\ngroup = "session"\n'

# A process of root's with other ids, whom nothing but the view can hide.
ODD = """
import os, signal, sys
os.setresuid(*map(int, sys.argv[1:]))
print("ready", flush=True)
signal.pause()
"""
ALICE = 1000


@pytest.fixture(scope="module")
def alice() -> Iterator[Login]:
    with policy(RULES), Login("alice") as login:
        yield login


@contextlib.contextmanager
def unit_of(user: str) -> Iterator[int]:
    """A process of the user's that came by no login: a unit with `User=`."""
    name = f"probe-of-{user}"
    assert sh(f"systemd-run --quiet --unit={name} --uid={user} sleep 610").status == 0
    try:
        pid = int(sh(f"systemctl show --value -p MainPID {name}").out)
        wait_for(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n", "it runs")
        assert domain_of(pid) == "none"
        yield pid
        assert Path(f"/proc/{pid}").exists(), "it was there all the time"
    finally:
        sh(f"systemctl stop {name}")


@contextlib.contextmanager
def odd(*uids: int) -> Iterator[int]:
    """A process with these real, effective and saved uids."""
    command = ["/usr/bin/python3", "-c", ODD, *map(str, uids)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process.pid
        finally:
            process.kill()


def reaches(login: Login, pid: int) -> bool:
    """Does the process exist for a login, by name and by number alike?"""
    by_name = login.sees(pid)
    assert (login.run(f"ls /proc | grep -qx {pid}").status == 0) is by_name
    done = login.run(f"/usr/bin/python3 -c 'import os; os.getsid({pid})'")
    assert (done.status == 0) is by_name
    assert by_name or "ProcessLookupError" in done.out
    return by_name


def test_domain_is_what_the_policy_says(alice: Login) -> None:
    assert alice.domain().startswith("scope=1 view=user depth=1 ")
    assert json.loads(alice.check("yama-session status --json"))["domain"]["view"] == "user"
    (view,) = {s["view"] for s in json.loads(alice.check("yama-session list --json"))}
    assert view == "user"
    assert "view=user" in sh("journalctl -b -q -o cat -t sshd | grep 'opened session'").out


def test_own_processes_are_seen_wherever_they_were_started(alice: Login) -> None:
    with unit_of("alice") as own, unit_of("bob") as other:
        assert reaches(alice, own)
        assert not reaches(alice, other)
        assert not reaches(alice, 1)
        assert alice.run(f"kill -0 {own}").status == 0
        assert alice.run(f"readlink /proc/{own}/exe").out.strip().endswith("/sleep")
        shown = {int(word) for word in alice.check("ps -e -o pid=").split()}
        assert own in shown
        assert not shown & {1, 2, other}
    assert alice.check("sudo -n cat /proc/1/comm") == "systemd"


def test_only_the_real_uid_counts(alice: Login) -> None:
    with odd(ALICE, 0, 0) as hers, odd(0, ALICE, ALICE) as roots:
        assert reaches(alice, hers)
        assert not reaches(alice, roots)


def test_no_thread_of_the_kernel_is_roots(alice: Login) -> None:
    """Root without its capabilities, in her session: what is root's is its own."""
    bare = "sudo -n setpriv --bounding-set=-all --inh-caps=-all --reuid 0"
    assert alice.run(f"{bare} test -e /proc/1").status == 0
    assert alice.run(f"{bare} test -e /proc/2").status == 1


def test_everybody_else_is_hidden_and_nobody_else_is_shown(alice: Login) -> None:
    with Login("bob") as bob:
        hers, his = alice.spawn("sleep 611"), bob.spawn("sleep 612")
        assert not reaches(alice, his)
        assert not reaches(bob, hers)
        outside = all_pids() - alice.pids()
        owners = {Path(f"/proc/{pid}").owner() for pid in outside if Path(f"/proc/{pid}").exists()}
        assert "alice" not in owners
        alice.check(f"kill {hers}")


def test_narrower_domains_inside_judge_for_themselves(alice: Login) -> None:
    inside = alice.spawn("sleep 614")
    with unit_of("alice") as own:
        for view, between, beyond in (("user", 0, 0), ("domain", 1, 1), ("inferiors", 1, 1)):
            run = f"yama-session run --quiet --view {view} --"
            assert alice.run(f"{run} test -e /proc/{inside}").status == between
            assert alice.run(f"{run} test -e /proc/{own}").status == beyond
    with Login("carol") as carol, unit_of("carol") as own:
        inside = carol.spawn("sleep 615")
        run = "yama-session run --quiet --view user --"
        line = carol.check(f"{run} cat /proc/self/attr/yama/scope")
        assert line.startswith("scope=1 view=domain depth=2 ")
        assert carol.run(f"{run} test -e /proc/{inside}").status == 0
        assert carol.run(f"{run} test -e /proc/{own}").status == 1


def test_explain_and_tree_say_the_same_as_the_kernel(alice: Login) -> None:
    here = int(alice.check("echo $$"))
    with unit_of("alice") as own, unit_of("bob") as other:
        for viewer in (here, "alice"):
            for pid, answer in ((own, "yes"), (other, "no"), (2, "no")):
                done = sh(f"yama-session explain {pid} --as {viewer} --json")
                visible = json.loads(done.out)["visible"]
                # Of a process that runs it cannot be told whom it has been named by.
                expected = "unknown" if answer == "no" and viewer == here else answer
                assert (visible["answer"], visible["rule"]) == (expected, "view"), visible
        text = sh(f"yama-session explain {own} --as {here}").out
        assert f"the view is user, and {own} (sleep) has the viewer's real uid" in text
        assert alice.run(f"yama-session can-attach {other}").status == 1
    tree = sh("yama-session tree").out
    assert f"domain {alice.domain_id()}: scope relational, view user" in tree
    assert "sees itself, what is of the viewer's uid" in tree


def test_audit_in_such_a_session(alice: Login) -> None:
    found = json.loads(alice.run("yama-session audit --family procfs --json").out)
    assert found["confined_by"] == ["yama"]
    assert any(note.startswith("the view is user: ") for note in found["notes"])


def test_sessions_of_one_user_see_each_other_though_they_are_apart() -> None:
    with policy(BY_SESSION), Login("alice") as one, Login("alice") as other:
        assert one.domain_id() != other.domain_id()
        pid = other.spawn("sleep 613")
        assert reaches(one, pid)
        assert reaches(other, int(one.check("echo $$")))


def test_policy_of_a_stricter_view_nests_for_the_next_login() -> None:
    text = '[[rule]]\nmatch = {{ user = "alice" }}\nview = "{}"\n'
    with policy(text.format("user")), Login("alice") as one:
        Path("/etc/yama-session/policy.toml").write_text(text.format("domain"), encoding="utf-8")
        assert sh("systemctl reload yama-session").status == 0
        with Login("alice") as other, unit_of("alice") as own:
            assert other.domain().startswith("scope=1 view=domain depth=2 ")
            assert not reaches(other, own)
            assert reaches(one, own)
