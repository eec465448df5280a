# guest: --alone --timeout 400
"""What users of similar means complain of, each as a test: it does not happen here.

The name of a test says the means and the complaint; where it was read stands
beside it.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from logins import Login, end_logins, policy, set_sysctl, sh, wait_for

POLICY = """
[[rule]]
match = { user = "bob" }
preset = "developer"

[[rule]]
match = { group = "wheel" }
preset = "open"

[[rule]]
preset = "desktop"
"""


@pytest.fixture(scope="module", autouse=True)
def _policy() -> Iterator[None]:
    assert sh("groupadd -f wheel && usermod -aG wheel carol").status == 0
    with policy(POLICY):
        yield
    assert sh("gpasswd -d carol wheel").status == 0


@pytest.fixture(scope="module")
def alice() -> Iterator[Login]:
    with Login("alice") as login:
        yield login


@pytest.fixture(scope="module")
def bob() -> Iterator[Login]:
    with Login("bob") as login:
        yield login


def unit(user: str, what: str) -> str:
    """Run a command as a system service of another account, and return what it says."""
    done = sh(f"systemd-run --quiet --wait --pipe -p User={user} {what}")
    assert done.status == 0, done.out
    return done.out.strip()


def test_hidepid_kills_the_user_manager(alice: Login) -> None:
    """systemd/systemd#12955."""
    assert alice.check("systemctl --user is-system-running --wait") == "running"


def test_hidepid_takes_logind_its_callers(alice: Login) -> None:
    """NixOS/nixpkgs#20948: power buttons were dead."""
    lock = "systemd-inhibit --what=sleep --mode=delay --who=me --why=busy"
    alice.spawn(f"{lock} sleep 600")
    wait_for(lambda: "busy" in sh("systemd-inhibit --list").out, "logind holds the lock")
    assert "alice" in sh("systemd-inhibit --list").out
    alice.check("pkill -x sleep")


def test_hidepid_takes_polkit_its_callers(alice: Login) -> None:
    """polkit-org/polkit#426: the graphical session stopped."""
    login1 = "pkcheck --process $$ --action-id org.freedesktop.login1"
    assert alice.run(f"{login1}.inhibit-delay-sleep").status == 0
    # A login from afar may not do this, and is told so: polkit knows who asks.
    assert alice.run(f"{login1}.inhibit-block-sleep").out.strip() == "Not authorized."


def test_hidepid_blinds_daemons_without_groups(alice: Login) -> None:
    """heftig/rtkit#9, LudovicRousseau/PCSC#224: they look at who calls."""
    client = alice.spawn("sleep 600")
    assert unit("nobody", f"cat /proc/{client}/comm") == "sleep"
    assert unit("nobody", f"cat /proc/{client}/cmdline | tr '\\\\0' ' '") != ""
    alice.check(f"kill {client}")


def test_hidepid_loses_a_user_s_own_hardened_program(alice: Login) -> None:
    """keepassxreboot/keepassxc#10194: not dumpable, it could not even be killed."""
    code = (
        "import prctl, time; prctl.set_dumpable(False); open('/tmp/hardened', 'w'); time.sleep(600)"
    )
    pid = alice.spawn(f'/usr/bin/python3 -c "{code}"')
    wait_for(lambda: alice.run("test -e /tmp/hardened").status == 0, "it is hardened")
    assert alice.sees(pid)
    assert str(pid) in alice.check("pgrep -x python3").split()
    alice.check(f"kill {pid}; rm /tmp/hardened")
    wait_for(lambda: not alice.sees(pid), "it has died")


def test_hidepid_cannot_let_a_group_of_administrators_see() -> None:
    """Arcanyx-org/NiXium#88."""
    with Login("carol") as carol:
        assert carol.domain() == "none"
        assert 1 in carol.pids()


def test_one_sysctl_for_developers_and_everybody_else(alice: Login, bob: Login) -> None:
    """rust-lang/simpleinfra#119, dev-sec/linux-baseline#192, microsoft/debugpy#82."""
    set_sysctl(2)
    for login, allowed in ((bob, True), (alice, False)):
        pid = login.spawn("sleep 600")
        attached = login.run(f"gdb -nx -batch -p {pid} -ex 'info inferiors'")
        assert (f"process {pid}" in attached.out) == allowed
        login.check(f"kill {pid}")


def test_a_user_cannot_look_at_an_own_hung_process(bob: Login) -> None:
    """benfred/py-spy#408: a cluster's user, without sudo, with scope 1."""
    set_sysctl(1)
    pid = bob.spawn("/usr/bin/python3 -c 'import time; time.sleep(600)'")
    wait_for(
        lambda: bob.run(f"strace -qq -p {pid} -e trace=none & sleep 0.2; kill $!").status == 0,
        "strace attaches",
    )
    assert "Operation not permitted" not in bob.run(f"timeout 1 strace -p {pid} 2>&1; true").out
    bob.check(f"kill {pid}")


def test_sandboxes_need_to_trace_their_own_children(alice: Login, bob: Login) -> None:
    """google/gvisor#8989: with a sysctl of 2 they fail."""
    set_sysctl(2)
    trace = "strace -o /dev/null true"
    assert bob.run(trace).status == 0
    assert alice.run(trace).status == 1
    set_sysctl(1)
    assert alice.run(trace).status == 0


def test_listing_floods_the_log(alice: Login) -> None:
    """moby/moby#7276, BOINC/boinc-client-docker#87."""
    before = sh("dmesg | wc -l").out
    for _ in range(20):
        alice.check("ps ax >/dev/null; pgrep nothing; ls /proc >/dev/null; kill -0 1 || true")
    assert sh("dmesg | wc -l").out == before


def test_a_refusal_says_nothing_to_the_administrator(alice: Login) -> None:
    """scanmem/scanmem#459, criblio/appscope#318."""
    set_sysctl(1)
    pid = alice.spawn("sleep 600")
    alice.run(f"gdb -nx -batch -p {pid}")
    alice.check(f"kill {pid}")
    found = re.search(rf"ptrace.*\"sleep 600\"\[{pid}\].*\"gdb.*", sh("dmesg | tail -5").out)
    assert found, sh("dmesg | tail -5").out
    assert alice.domain_id() in found[0]


def test_a_hidden_process_s_files_in_the_cgroup_tree(alice: Login) -> None:
    """systemd/systemd#13333."""
    units = Path("/sys/fs/cgroup/system.slice")
    daemon = units / "dbus.service/cgroup.procs"
    assert daemon.read_text(encoding="ascii") != ""
    assert alice.check(f"cat {daemon}") == ""


def test_what_pam_isolates_the_user_manager_undoes(alice: Login) -> None:
    """systemd/systemd#17043, linux-pam/linux-pam#268: it is inside too."""
    run = "systemd-run --user --quiet --wait --pipe"
    assert alice.check(f"{run} cat /proc/self/attr/yama/scope") == alice.domain()
    assert alice.run(f"{run} ls /proc/1").status != 0


def test_a_lock_of_a_hidden_process_looks_stale() -> None:
    """Where logins are apart; and not by default, which shows a user's own processes."""
    apart = 'preset = "desktop"\nview = "domain"\ngroup = "session"'
    by_session = POLICY.replace('preset = "desktop"', apart)
    seen = []
    for text in (POLICY, by_session):
        with policy(text), Login("alice") as first, Login("alice") as second:
            first.check("rm -f ~/it.lock; exec 9>~/it.lock; echo $$ >~/it.lock")
            # As editors and browsers do it: is the holder alive?
            seen.append(second.run("kill -0 $(cat ~/it.lock)").status == 0)
    end_logins("alice")
    assert seen == [True, False]
