# guest: --alone --timeout 600
"""What the looking commands say of a process is what the kernel does."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from logins import Login, domain_of, end_logins, sessions, set_sysctl, sh, wait_for
from schema import section, violations

WHAT = ("visible", "readable", "attachable")
PAGE = Path(__file__).with_name("json.md").read_text(encoding="utf-8")
LOOKING = Path(__file__).with_name("looking.md").read_text(encoding="utf-8")


def documented(verb: str, text: str) -> Any:
    """A document, once it has been found to be as the page says."""
    value = json.loads(text)
    assert list(violations(section(PAGE, verb), value)) == []
    return value


def plain(text: str) -> str:
    """A text without its line breaks, and without what differs each time."""
    return re.sub(r"\d{3,}", "N", " ".join(text.split()))


@pytest.fixture(scope="module")
def alice() -> Iterator[Login]:
    with Login("alice") as login:
        yield login
    end_logins("alice")


def tree() -> dict[str, Any]:
    """What root is shown of the domains."""
    document = documented("tree", sh("yama-session tree --json").out)
    return {domain["id"]: domain for domain in document["domains"]}


def test_tree_shows_domains_nested_with_their_processes(alice: Login) -> None:
    nested = alice.spawn("yama-session run --quiet -- sleep 700")
    wait_for(lambda: "depth=2" in domain_of(nested), "the nested domain is there")
    deepest = alice.spawn(
        "yama-session run --quiet -- yama-session run --quiet --view all -- sleep 701"
    )
    wait_for(lambda: "depth=3" in domain_of(deepest), "the deepest domain is there")
    own, inner, last = (
        alice.domain_id(),
        *(domain_of(pid).split("id=")[1].split()[0] for pid in (nested, deepest)),
    )
    found = tree()
    assert found[own]["parent"] == "0"
    assert found[inner]["parent"] == own
    assert nested in [item["pid"] for item in found[inner]["processes"]]
    assert int(alice.check("echo $$")) in [item["pid"] for item in found[own]["processes"]]
    assert found[own]["sessions"] == [
        s["id"] for s in sessions() if s["user"] == "alice" and s["domain"] == own
    ]
    # What lies between holds no process of its own: the nearest that does is shown.
    assert found[last]["parent"] == own
    assert set(found[own]["sees"]) == {own, inner, last}
    assert found[inner]["sees"] == [inner]
    # Its own view is all, and so it sees what the domain around it sees: itself.
    assert found[last]["sees"] == [last]
    for pid in (nested, deepest):
        alice.check(f"kill {pid}")


def test_tree_for_people_counts_what_is_outside(alice: Login) -> None:
    lines = sh("yama-session tree").out.splitlines()
    assert lines[0].startswith("in no domain: ")
    assert " of root" in lines[0]
    assert any(line.startswith(f"domain {alice.domain_id()}: scope relational") for line in lines)
    assert not any("\x1b" in line for line in lines)
    everything = sh("yama-session tree --all").out
    assert "systemd" in everything
    assert "systemd-journal" not in "\n".join(lines)


def test_tree_in_a_session_is_its_own(alice: Login) -> None:
    document = documented("tree", alice.check("yama-session tree --json"))
    assert [domain["id"] for domain in document["domains"]] == [alice.domain_id()]
    assert document["outside"] == []


def test_explain_in_a_session(alice: Login) -> None:
    missing = alice.run("yama-session explain 1")
    assert missing.status == 125
    assert "there is no process 1, or it is hidden" in missing.out
    set_sysctl(1)
    pid = alice.spawn("sleep 702")
    found = documented("explain", alice.check(f"yama-session explain {pid} --json"))
    assert [found[what]["answer"] for what in WHAT] == ["yes", "yes", "no"]
    # Inside a domain the sysctl reads as the stricter of the two, here both 1.
    assert (found["level"], found["level_from"]) == (1, "scope")
    assert found["attachable"]["asked"] == "kernel"
    assert "descendant" in found["attachable"]["reason"]
    assert found["unjudged"] == []
    assert found["viewer"]["policy"] == "/etc/yama-session/policy.toml:81"
    text = alice.check(f"yama-session explain {pid}")
    example = LOOKING.partition("alice$ yama-session explain 4711\n")[2].partition("\n\n")[0]
    assert plain(text) == plain(example)
    assert "attachable: no: level 1 asks for a descendant" in text
    assert "what would change it: start it from the debugger" in text
    alice.check(f"kill {pid}")


@pytest.mark.parametrize(
    ("user", "target", "expected"),
    [
        ("alice", "own", ["yes", "yes", "no"]),
        ("alice", "init", ["no", "no", "no"]),
        ("bob", "own", ["no", "no", "no"]),
        ("root", "own", ["yes", "yes", "yes"]),
    ],
)
def test_explain_for_a_login_to_come(
    alice: Login, user: str, target: str, expected: list[str]
) -> None:
    set_sysctl(1)
    pid = alice.spawn("sleep 703") if target == "own" else 1
    done = sh(f"yama-session explain {pid} --as {user} --json")
    assert done.status == 0, done.out
    found = documented("explain", done.out)
    assert [found[what]["answer"] for what in WHAT] == expected
    assert found["viewer"]["user"] == user
    with Login(user) as login:  # and so it is
        assert login.sees(pid) == (expected[0] == "yes")
        assert (login.run(f"readlink /proc/{pid}/cwd").status == 0) == (expected[1] == "yes")
        done = login.run(f"timeout 5 strace -qq -e trace=none -p {pid}")
        assert (done.status == 124) == (expected[2] == "yes"), done.out
    if pid != 1:
        alice.check(f"kill {pid}")


def test_explain_tells_nobody_of_another_s_sessions(alice: Login) -> None:
    done = alice.run("yama-session explain $$ --as bob")
    assert done.status == 125
    assert "only root and uid 1001 are told" in done.out


def test_can_attach_answers_scripts(alice: Login) -> None:
    set_sysctl(2)
    pid = alice.spawn("sleep 704")
    done = alice.run(f"yama-session can-attach {pid}")
    assert (done.status, done.out) == (
        1,
        f"yama-session: cannot attach to {pid}: level 2 asks for CAP_SYS_PTRACE: "
        "kernel.yama.ptrace_scope is 2\n",
    )
    # The number in the sysctl says the same of this one, for whom it is not so.
    assert alice.run(f"sudo yama-session can-attach {pid}").status == 0
    set_sysctl(0)
    refused = alice.run(f"yama-session can-attach {pid}")
    assert refused.status == 1
    assert "the scope of the tracer's domain is 1" in refused.out
    hidden = alice.run("yama-session can-attach 1 --json")
    assert hidden.status == 1
    assert documented("can-attach", hidden.out)["rule"] == "missing"
    alice.check(f"kill {pid}")


def test_can_attach_knows_whom_a_process_has_named(alice: Login) -> None:
    set_sysctl(1)
    named = alice.spawn(
        "/usr/bin/python3 -c 'import prctl, time; prctl.set_ptracer(-1); "
        'open("/tmp/named", "w").close(); time.sleep(600)\''
    )
    wait_for(lambda: alice.run("test -e /tmp/named").status == 0, "it has named everybody")
    found = alice.run(f"yama-session can-attach {named} --json")
    assert found.status == 0, found.out
    assert documented("can-attach", found.out)["rule"] == "relation"
    alice.check(f"kill {named}; rm /tmp/named")


def test_watching_the_list(alice: Login) -> None:
    watcher = subprocess.Popen(
        ["yama-session", "list", "--watch", "--json", "--interval", "3600"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watcher.stdout is not None

    def event(user: str) -> Any:
        assert watcher.stdout is not None
        for line in watcher.stdout:
            document = documented("list --watch", line)
            if document["session"]["user"] == user:
                return document["event"]
        raise AssertionError("the watcher has ended")

    try:
        assert event("alice") == "new"
        with Login("bob"):
            assert event("bob") == "new"
        end_logins("bob")
        assert event("bob") in ("new", "removed")  # systemd --user has one, too
    finally:
        watcher.send_signal(signal.SIGINT)
        watcher.stdout.close()
    assert watcher.wait(20) == 0


def test_list_and_status_are_as_documented(alice: Login) -> None:
    for verb in ("list", "status"):
        documented(verb, sh(f"yama-session {verb} --json").out)
        documented(verb, alice.check(f"yama-session {verb} --json"))
