# guest: --alone
"""Who may attach to whom, by the session's scope and the sysctl (point 7)."""

import shlex
from collections.abc import Iterator

import pytest
from debuggers import attaches, debugs_a_child
from logins import Login, end_logins, policy, set_sysctl, sh, wait_for

CLASSIC, RELATIONAL, CAPABILITY, NO_ATTACH = range(4)


def rule(scope: int, *, override: bool = False) -> str:
    return f"""
[[rule]]
match = {{ user = "alice" }}
scope = {scope}
view = "domain"
override = {str(override).lower()}
"""


@pytest.mark.parametrize("scope", [CLASSIC, RELATIONAL, CAPABILITY, NO_ATTACH])
def test_scope_decides_where_the_sysctl_is_open(scope: int) -> None:
    with policy(rule(scope)), Login("alice") as alice:
        set_sysctl(CLASSIC)
        assert f"scope={scope} " in alice.domain()
        assert attaches(alice) == {scope == CLASSIC}
        assert debugs_a_child(alice) == (scope <= RELATIONAL)


@pytest.mark.parametrize("sysctl", [RELATIONAL, CAPABILITY])
def test_override_lets_a_developer_attach_and_nobody_else(sysctl: int) -> None:
    text = '[[rule]]\nmatch = { user = "alice" }\npreset = "developer"\n'
    text += '[[rule]]\nmatch = { user = "carol" }\nscope = 0\nview = "domain"\n'
    text += '[[rule]]\nmatch = { user = "bob" }\npreset = "open"\n'
    with policy(text), Login("alice") as alice, Login("bob") as bob, Login("carol") as carol:
        set_sysctl(sysctl)
        assert attaches(alice) == {True}
        assert attaches(carol) == {False}
        assert attaches(bob) == {False}


def test_scope_without_override_does_not_loosen_the_sysctl() -> None:
    with policy(rule(CLASSIC)), Login("alice") as alice:
        set_sysctl(RELATIONAL)
        assert attaches(alice) == {False}


# Root confines itself and proves it twice, before and after: its capabilities show
# pid 1 all the while, and it still has them, and no signal is blocked. At last another
# thread changes the ids of all threads, which takes the capabilities of each.
PROVES = """
import os, threading, time
from yama_session import Group, Proc, Scope, VerifyError, View
from yama_session.enforcers import by_name
class Settings:
    scope, view, group, proc, override = (
        Scope.RELATIONAL, View.DOMAIN, Group.SESSION, Proc.PRIVATE, False)
def proof():
    before = state()
    try:
        yama.verify(Settings, outside=1)
        found = "holds"
    except VerifyError as error:
        found = error.advice
    assert state() == before
    assert os.path.exists("/proc/1")
    return found
def state():
    lines = open("/proc/self/status").read().splitlines()
    return [s for s in lines if s.startswith(("Cap", "Sig", "Uid", "Gid"))]
yama = by_name("yama")
print(proof())
with yama.token(Settings) as token:
    yama.apply(token)
print(proof())
def change():
    while not done:
        os.seteuid(1000)
        os.seteuid(0)
        time.sleep(0)
done = []
changes = threading.Thread(target=change)
changes.start()
for _ in range(1000):
    yama.verify(Settings, outside=1)
done.append(True)
changes.join()
print(proof())
"""


def test_proof_takes_nothing_from_who_makes_it() -> None:
    done = sh(f"/usr/bin/python3 -c {shlex.quote(PROVES)}")
    assert done.status == 0, done.out
    assert done.lines == ["the scope domain is weaker than asked for", "holds", "holds"]


NAMES_ITS_TRACER = """
import ctypes, pathlib, sys, time
PR_SET_PTRACER = 0x59616d61
assert ctypes.CDLL(None).prctl(PR_SET_PTRACER, int(sys.argv[1]), 0, 0, 0) == 0
pathlib.Path(sys.argv[2]).write_text("named")
time.sleep(600)
"""

# Waits to be told whom to look at, looks, and says what it found.
HANDLER = """
import ctypes, os, pathlib, sys
orders, answer = sys.argv[1:]
pid = int(open(orders).read())
libc = ctypes.CDLL(None, use_errno=True)
seen = os.path.exists(f"/proc/{pid}/status")
attached = libc.ptrace(0x4206, pid, None, None) == 0
pathlib.Path(answer).write_text(f"{seen} {attached}")
"""


@pytest.fixture
def desktop() -> Iterator[Login]:
    with policy(rule(RELATIONAL)), Login("alice") as alice:
        set_sysctl(RELATIONAL)
        yield alice
    end_logins("alice")


def handler(login: Login, inside: str, names: bool) -> str:
    """What a handler in its own domain can do to a client in another one."""
    login.check("rm -rf /tmp/crash; mkdir /tmp/crash; mkfifo /tmp/crash/orders")
    tracer = login.spawn(
        f"{inside} /usr/bin/python3 -c '{HANDLER}' /tmp/crash/orders /tmp/crash/answer"
    )
    named = tracer if names else 0
    client = login.spawn(
        "yama-session run --quiet --"
        f" /usr/bin/python3 -c '{NAMES_ITS_TRACER}' {named} /tmp/crash/named"
    )
    wait_for(lambda: login.run("test -s /tmp/crash/named").status == 0, "the client has spoken")
    login.check(f"echo {client} > /tmp/crash/orders")
    wait_for(lambda: login.run("test -s /tmp/crash/answer").status == 0, "the handler has looked")
    login.run(f"kill {client}")
    return login.check("cat /tmp/crash/answer")


def test_named_crash_handler_attaches_and_sees_its_client_across_domains(desktop: Login) -> None:
    assert handler(desktop, "yama-session run --quiet --", names=True) == "True True"


def test_handler_that_nobody_named_does_neither(desktop: Login) -> None:
    assert handler(desktop, "yama-session run --quiet --", names=False) == "False False"


def test_handler_outside_attaches_only_if_named(desktop: Login) -> None:
    assert handler(desktop, "", names=True) == "True True"
    assert handler(desktop, "", names=False) == "True False"
