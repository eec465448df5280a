# guest: --alone --timeout 400
"""A policy is edited on a machine that people log in to: no mistake takes it out of force."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from logins import Login, end_logins, policy, sh, wait_for
from stack import last_opening, module_arguments, now

DROP_IN = Path("/etc/yama-session/policy.d/50-test.toml")
FLOOR = Path("/var/lib/yama-session/floor")
KIOSK = '[[rule]]\nmatch = { user = "carol" }\nscope = 2\n'


@pytest.fixture(scope="module", autouse=True)
def _debug() -> Iterator[None]:
    with module_arguments("fallback=strict debug"):
        yield


@contextlib.contextmanager
def drop_in(text: str) -> Iterator[None]:
    """Add a drop-in to the policy, not loaded yet; afterwards load the policy without it."""
    DROP_IN.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        DROP_IN.unlink()
        assert sh("systemctl reload yama-session").status == 0


def status() -> tuple[int, dict[str, object]]:
    done = sh("yama-session status --json")
    return done.status, dict(json.loads(done.out)["service"])


def journal() -> str:
    return sh("journalctl -q -b -u yama-session -o cat").out


@contextlib.contextmanager
def stopped_service() -> Iterator[None]:
    """Nothing starts it meanwhile: the module does not have it activated."""
    assert sh("systemctl stop yama-session").status == 0
    try:
        yield
    finally:
        assert sh("systemctl start yama-session").status == 0


def test_broken_drop_in_leaves_the_policy_in_force_over_a_restart() -> None:
    with policy(KIOSK.replace("carol", "alice")):
        with drop_in('[[rule]]\npreset = "opne"\n'):
            assert sh("yama-session policy check").status == 1
            assert sh("systemctl reload yama-session").status == 1
            assert sh("systemctl is-active yama-session").status == 0
            for restart in (False, True):
                if restart:
                    assert sh("systemctl restart yama-session").status == 0
                code, told = status()
                assert (code, told["policy"]) == (1, "last-good")
                assert f"{DROP_IN}:2: preset = 'opne'" in str(told["policy_errors"])
                with Login("alice") as alice:
                    assert "scope=2" in alice.domain()
                end_logins("alice")
            wait_for(lambda: f"policy: {DROP_IN}:2: preset = 'opne'" in journal(), "it is told")
            assert "the last good policy stays in force" in journal()
        assert status()[0] == 0


def test_policy_test_says_what_a_login_then_gets() -> None:
    rules = KIOSK.replace("carol", "alice") + '[[rule]]\nmatch.group = "bob"\npreset = "open"\n'
    with policy(rules):
        for user in ("alice", "bob", "carol"):
            told = json.loads(sh(f"yama-session policy test {user} --service sshd --json").out)
            with Login(user) as login:
                line = login.domain()
                (session,) = [
                    entry
                    for entry in json.loads(sh("yama-session list --json").out)
                    if entry["user"] == user and entry["service"] == "sshd"
                ]
            assert told["source"] == session["source"]
            assert (told["enforcer"] or "") == session["enforcer"]
            assert told["confined"] is (line != "none")
    # Without root, and without a login that is tried.
    with Login("carol") as carol:
        told = json.loads(carol.check("yama-session policy test bob --json"))
        assert told["problem"] is None


def test_fallback_is_no_way_below_the_policy() -> None:
    """Nobody can say whether the policy gives alice what it gives to carol."""
    with policy(KIOSK):
        with Login("alice") as alice:
            assert "scope=1" in alice.domain()
        end_logins("alice")
        with stopped_service():
            begin = now()
            with Login("alice") as alice:
                assert "scope=2 view=user" in alice.domain()
                assert not alice.sees(1)
            assert "floor" not in last_opening(begin, "opened session.*scope=2").text
    assert FLOOR.read_text() == "yama-session floor 3\nscope 1\nview user\nproc private\nend\n"


@pytest.mark.parametrize(
    "text", [None, "yama-session floor 3\nscope 9\nview domain\nproc private\nend\n"]
)
def test_fallback_without_a_floor_has_its_own_levels_and_says_so(text: str | None) -> None:
    end_logins("alice")
    with stopped_service():
        FLOOR.unlink()
        if text is not None:
            FLOOR.write_text(text, encoding="ascii")
        begin = now()
        with Login("alice") as alice:
            assert "scope=1 view=domain" in alice.domain()
        assert "floor of the policy not usable" in last_opening(begin, "opened session").text
    assert FLOOR.read_text() == "yama-session floor 3\nscope 1\nview user\nproc private\nend\n"


def test_fallback_reads_the_floor_that_an_older_service_has_left() -> None:
    """Its views have the numbers of before: 1 is the domain's, and no user's."""
    end_logins("alice")
    with stopped_service():
        FLOOR.write_text("yama-session floor 1\nscope 2\nview 1\nend\n", encoding="ascii")
        begin = now()
        with Login("alice") as alice:
            assert "scope=2 view=domain" in alice.domain()
        assert "floor" not in last_opening(begin, "opened session.*scope=2 view=domain").text
    end_logins("alice")
