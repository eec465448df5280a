# guest: --stock
"""On the distribution's kernel: what landlock honours, and that nobody is locked out (point 10).

Under landlock the module must stand behind pam_limits, which is the last line
of Debian's /etc/pam.d/sshd but for SELinux and the environment: the tests put
it at that file's end by hand and take it out of common-session.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from logins import Login, LoginRefused, all_pids, end_logins, policy, sessions, sh, wait_for
from stack import COMMON, edited, last_opening, module_arguments, now

SSHD = Path("/etc/pam.d/sshd")
LANDLOCK = """
[[rule]]
match = { user = ["bob", "root"] }
preset = "open"

[[rule]]
preset = "desktop"
group = "session"
enforcer = "landlock"
"""
SEIZE = """
import ctypes, sys
print(ctypes.CDLL(None, use_errno=True).ptrace(0x4206, int(sys.argv[1]), None, None))
"""


@contextlib.contextmanager
def module_last(arguments: str) -> Iterator[None]:
    """The module at the end of sshd's session lines, and in no other service."""
    with contextlib.ExitStack() as stack:
        for path in COMMON:
            text = path.read_text(encoding="utf-8")
            kept = [line for line in text.splitlines(True) if "pam_yama_session" not in line]
            stack.enter_context(edited(path, "".join(kept)))
        text = SSHD.read_text(encoding="utf-8")
        line = f"session required pam_yama_session.so {arguments}\n"
        stack.enter_context(edited(SSHD, text + line))
        yield


@pytest.fixture(scope="class")
def landlock() -> Iterator[None]:
    with policy(LANDLOCK), module_last("fallback=strict enforcer=landlock debug"):
        yield


@contextlib.contextmanager
def no_service() -> Iterator[None]:
    assert sh("systemctl stop yama-session").status == 0
    try:
        yield
    finally:
        assert sh("systemctl start yama-session").status == 0


def status(code: int) -> dict[str, Any]:
    """Return the status, whose exit code tells whether the policy is in order."""
    done = sh("yama-session status --json")
    assert done.status == code, done.out
    return dict(json.loads(done.out))


def sees_itself_only(login: Login) -> bool:
    """True if /proc holds the login's processes and no other; False if it holds all."""
    shell = int(login.check("echo $$"))
    seen, there = login.pids(), all_pids()
    assert shell in seen
    if 1 in seen:
        assert len(there - seen) < 3, "half-way"
        return False
    owner = {pid for pid in seen & there if Path(f"/proc/{pid}").stat().st_uid != 1000}
    assert not owner, f"it sees processes of others: {owner}"
    return not login.sees(1)


def test_kernel_is_stock() -> None:
    enforcers = status(1)["enforcers"]
    assert isinstance(enforcers, dict)
    assert enforcers["yama"]["state"] != "available"
    assert enforcers["landlock"]["state"] == "available"
    assert Path("/proc/sys/kernel/yama/ptrace_scope").exists()


@pytest.mark.usefixtures("landlock")
class TestPolicyThatNamesLandlock:
    def test_alices_sessions_see_themselves_only(self) -> None:
        with Login("alice") as one, Login("alice") as two, Login("bob") as bob:
            shells = {login: int(login.check("echo $$")) for login in (one, two, bob)}
            for login in (one, two):
                assert sees_itself_only(login)
                seen = {other for other, shell in shells.items() if login.sees(shell)}
                assert seen == {login}
            assert not sees_itself_only(bob)
            assert all(bob.sees(shell) for shell in shells.values())
            (mine,) = {s["enforcer"] for s in sessions() if s["user"] == "alice"}
            assert mine == "landlock"

    def test_alice_may_trace_her_session_and_nothing_else(self) -> None:
        sh("sysctl -q kernel.yama.ptrace_scope=0")
        with Login("alice") as one, Login("alice") as two:
            own, other = (login.spawn("sleep 600") for login in (one, two))
            assert one.python(SEIZE, own).out.strip() == "0"
            assert one.python(SEIZE, other).out.strip() == "-1"
            assert two.python(SEIZE, other).out.strip() == "0"

    def test_limits_are_those_of_a_login_without_the_module(self) -> None:
        """What the module's place in the stack is for."""
        with Login("alice") as alice, Login("bob") as bob:
            assert alice.check("ulimit -Ha") == bob.check("ulimit -Ha")

    def test_root_gets_in_and_sees_all(self) -> None:
        with Login("root") as root:
            assert not sees_itself_only(root)

    def test_what_landlock_does_not_honour_is_so(self) -> None:
        """The table is honest: these are its "no" and "partly" that a login can try."""
        from yama_session.enforcers import honours_markdown

        head, _, *rows = (line.split("|") for line in honours_markdown().splitlines())
        column = [cell.strip() for cell in head].index("`landlock`")
        table = {cells[1].strip(" `"): cells[column].strip() for cells in rows}
        with Login("alice") as alice, Login("bob") as bob:
            assert table["capable processes inside see all"].startswith("no")
            assert alice.run("sudo -n cat /proc/1/comm").status != 0
            assert bob.check("cat /proc/1/comm") == "systemd"

            agent = int(alice.check("eval $(ssh-agent) >/dev/null; echo $SSH_AGENT_PID"))
            assert "more capable and non-dumpable processes" in table["proc=private"]
            assert not alice.sees(agent)
            assert bob.sees(agent)

            assert "open and chdir may say EPERM" in table["a hidden name answers as a missing one"]
            nlink = int(alice.check("stat -c %h /proc"))
            assert nlink > len(alice.pids()) + 20

    def test_fallback_by_landlock_with_the_service_dead(self) -> None:
        with no_service():
            begin = now()
            with Login("alice") as alice, Login("alice") as two:
                assert sees_itself_only(alice)
                assert not alice.sees(int(two.check("echo $$")))
            opening = last_opening(begin, "opened session.*enforcer=landlock")
            assert "fallback strict" in opening.text
            assert opening.seconds < 1.0
            print(f"our part: {opening.seconds:.3f} s")
            with Login("root") as root:
                assert not sees_itself_only(root)


def test_words_that_it_cannot_honour_are_errors_with_their_place() -> None:
    text = '[[rule]]\nmatch = { user = "alice" }\nenforcer = "landlock"\n'
    bad = Path("/etc/yama-session/policy.d/bad.toml")
    with policy(LANDLOCK):
        bad.write_text(text, encoding="utf-8")
        try:
            assert sh("systemctl reload yama-session").status == 1
            service = status(1)["service"]
            (error,) = service["policy_errors"]
            assert error.startswith(f"{bad}:3: enforcer = 'landlock' contradicts")
            assert service["policy"] == "last-good"
        finally:
            bad.unlink()
            assert sh("systemctl reload yama-session").status == 0
        assert status(0)["service"]["policy"] == "loaded"


def test_policy_that_it_cannot_honour_replaces_none_that_it_can() -> None:
    """Told when it is loaded, with file and line, and not at the first login."""
    more = Path("/etc/yama-session/policy.d/more.toml")
    with policy(LANDLOCK), module_last("fallback=strict enforcer=landlock debug"):
        more.write_text('[[rule]]\nmatch = { user = "carol" }\nscope = 2\n', encoding="utf-8")
        try:
            assert sh("yama-session policy check").status == 1
            assert sh("systemctl reload yama-session").status == 1
            assert sh("systemctl restart yama-session").status == 0
            service = status(1)["service"]
            (error,) = service["policy_errors"]
            assert error.startswith(f"{more}:1: this kernel cannot do it: landlock")
            assert (service["policy"], service["unsupported"]) == ("last-good", [])
            wait_for(
                lambda: f"policy: {error}" in sh("journalctl -q -u yama-session -o cat").out,
                "the journal has it",
            )
            with Login("alice") as alice:
                assert sees_itself_only(alice)
        finally:
            more.unlink()
            assert sh("systemctl reload yama-session").status == 0


def test_default_policy_lets_root_in_and_refuses_users() -> None:
    """By `fallback=strict`: nobody is let in with less than the policy says."""
    end_logins("alice", "bob")
    with module_arguments("fallback=strict debug"):
        with Login("root") as root:
            assert not sees_itself_only(root)
        begin = now()
        with pytest.raises(LoginRefused):
            Login("alice")
        opening = last_opening(begin, "cannot confine alice by yama")
        assert "service unavailable" in opening.text
        assert opening.seconds < 1.0
    with module_arguments("fallback=deny debug"), pytest.raises(LoginRefused):
        Login("alice")


def test_default_policy_is_told_as_unsupported() -> None:
    service = status(1)["service"]
    assert service["policy"] == "loaded"
    assert "policy.toml:81" in json.dumps(service["unsupported"])


def test_default_policy_with_fallback_skip_lets_in_and_says_so() -> None:
    with module_arguments("fallback=skip debug"):
        begin = now()
        with Login("alice") as alice:
            assert not sees_itself_only(alice)
        last_opening(begin, "fallback skip: alice is NOT CONFINED")
    wait_for(
        lambda: "NOT CONFINED" in sh("journalctl -q -t sshd -p alert..alert -o cat").out,
        "the journal has it as an alert",
    )


RUN = "yama-session run --"


def test_run_gets_its_proc_from_the_service() -> None:
    """Without privilege: a /proc of its own that it cannot lift, and no capability."""
    with policy(LANDLOCK), Login("bob") as bob:
        done = bob.run(f"{RUN} ps -e -o comm=")
        assert done.status == 0
        assert "enforcer landlock" in done.lines[0]
        assert done.lines[-1] == "ps"
        assert len(done.lines) == 2
        assert bob.check(f"{RUN} grep CapEff /proc/self/status").endswith("0000000000000000")
        assert bob.run(f"{RUN} umount /proc").status != 0


@contextlib.contextmanager
def no_activation() -> Iterator[None]:
    """The service stopped, and not started by a call either."""
    assert sh("systemctl mask --runtime --now yama-session").status == 0
    try:
        yield
    finally:
        assert sh("systemctl unmask --runtime yama-session").status == 0
        assert sh("systemctl start yama-session").status == 0


def test_run_says_that_names_stay_visible_without_the_service() -> None:
    with policy(LANDLOCK), Login("bob") as bob, no_activation():
        done = bob.run(f"{RUN} ls -d /proc/1")
        assert done.status == 0, done.out
        assert "/proc/1" in done.lines
        assert any("visible" in line for line in done.lines)
        outside = bob.spawn("sleep 600")
        assert bob.run(f"yama-session run --pid-namespace -- stat /proc/{outside}").status != 0
