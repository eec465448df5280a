# guest: --alone
"""Two logins of one user: one domain each, or one for both (point 2)."""

import contextlib
import os
from collections.abc import Iterator

import pytest
from logins import Login, domain_of, policy, set_sysctl, sh

from yama_session import allow

BY_SESSION = """
[[rule]]
match = { user = "alice" }
scope = 0
view = "domain"
group = "session"
"""

ATTACH = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE, PTRACE_ATTACH = 0x4206, 16
for request in (PTRACE_SEIZE, PTRACE_ATTACH):
    if libc.ptrace(request, int(sys.argv[1]), None, None) == 0:
        print("ok")
        break
    print(ctypes.get_errno())
"""

ESRCH = "3"


@contextlib.contextmanager
def pidfd(pid: int) -> Iterator[int]:
    fd = os.pidfd_open(pid)
    try:
        yield fd
    finally:
        os.close(fd)


@pytest.fixture
def by_session() -> Iterator[tuple[Login, Login]]:
    with policy(BY_SESSION), Login("alice") as one, Login("alice") as other:
        yield one, other


def test_sessions_do_not_see_one_another(by_session: tuple[Login, Login]) -> None:
    one, other = by_session
    set_sysctl(0)
    assert one.domain_id() != other.domain_id()
    for viewer, target in ((one, other), (other, one)):
        hidden = target.spawn("sleep 600")
        assert not viewer.sees(hidden)
        assert hidden not in viewer.pids()
        for name in ("environ", "maps", "mem", "cmdline", "fd", "exe"):
            look = viewer.run(f"stat /proc/{hidden}/{name}")
            assert "No such file or directory" in look.out
        assert viewer.run(f"echo 0 > /proc/{hidden}/oom_score_adj").status != 0
        assert viewer.python(ATTACH, hidden).out.split() == [ESRCH, ESRCH]
        # The same looks succeed from its own session.
        assert target.sees(hidden)
        assert target.check(f"wc -c < /proc/{hidden}/environ") != "0"
        assert target.python(ATTACH, hidden).out.split() == ["ok"]


def test_user_manager_is_outside_of_a_session(by_session: tuple[Login, Login]) -> None:
    one, _ = by_session
    manager = int(sh("pgrep -U alice -x systemd").out)
    assert not one.sees(manager)


def test_logins_of_a_user_share_a_domain() -> None:
    with Login("alice") as one, Login("alice") as other:
        assert one.domain() == other.domain() != "none"
        work = other.spawn("sleep 600")
        assert one.sees(work)
        assert work in one.pids()
        manager = int(sh("pgrep -U alice -x systemd").out)
        assert domain_of(manager) == one.domain()
        assert one.sees(manager)


def test_user_services_are_in_the_domain() -> None:
    with Login("alice") as one:
        one.check("systemd-run --user --quiet --unit=probe sleep 600")
        work = int(one.check("systemctl --user show --value --property=MainPID probe"))
        assert work
        assert domain_of(work) == one.domain()


def test_domain_outlives_a_login_with_work_left() -> None:
    with Login("alice") as one:
        before = one.domain()
        work = int(one.check("setsid -f sleep 605 >/dev/null 2>&1; pgrep -f '^sleep 605'"))
    with Login("alice") as other:
        assert other.domain() == before
        assert other.sees(work)
        other.check(f"kill {work}")


def test_a_grant_shows_one_process_to_one_other(by_session: tuple[Login, Login]) -> None:
    one, other = by_session
    hidden, still_hidden = other.spawn("sleep 600"), other.spawn("sleep 600")
    shell = int(one.check("echo $$"))
    look = "[ -e /proc/{} ]"  # by the shell itself: a grant is not inherited
    assert one.run(look.format(hidden)).status == 1
    with pidfd(hidden) as tracee, pidfd(shell) as tracer:
        allow(tracee, tracer)
        assert one.run(look.format(hidden)).status == 0
        assert one.run(f"kill -0 {hidden}").status == 0
        assert not one.sees(hidden)
        assert one.run(look.format(still_hidden)).status == 1
        allow(tracee, None)
    assert one.run(look.format(hidden)).status == 1
    assert one.run(f"kill -0 {hidden}").status == 1
