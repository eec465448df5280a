# guest: --suite bookworm --suite trixie --long --timeout 1200
"""What doctor finds on a machine, and what off leaves of the project: nothing."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from logins import (
    POLICY,
    Login,
    LoginRefused,
    domain_of,
    end_logins,
    policy,
    sessions,
    sh,
    wait_for,
)
from schema import section, violations
from stack import COMMON, edited, module_arguments

PAGE = Path(__file__).with_name("json.md").read_text(encoding="utf-8")
PAM = Path("/etc/pam.d")
MODULE = "pam_yama_session"
SWITCH_ON = "pam-auth-update --enable yama-session && systemctl enable --now yama-session"


def documented(verb: str, text: str) -> Any:
    value = json.loads(text)
    assert list(violations(section(PAGE, verb), value)) == []
    return value


def doctor() -> tuple[int, dict[str, str]]:
    """The exit status, and what each problem says, by its subject."""
    done = sh("yama-session doctor --json")
    findings = documented("doctor", done.out)["findings"]
    assert all(item["advice"] for item in findings if item["severity"] == "problem")
    return done.status, {
        item["subject"]: f"{item['message']} / {item['advice']}"
        for item in findings
        if item["severity"] == "problem"
    }


@pytest.fixture(autouse=True)
def _nobody_logged_in() -> Iterator[None]:
    end_logins("alice", "bob", "carol")
    yield
    end_logins("alice", "bob", "carol")


def test_all_is_well_on_a_fresh_machine() -> None:
    with Login("alice"), Login("bob"):
        assert doctor() == (0, {})
    text = sh("yama-session doctor")
    assert text.status == 0
    assert "runuser" in text.out
    assert text.out.splitlines()[-1].startswith("no problems, ")


def test_a_service_without_the_module_and_one_with_it_in_the_wrong_place() -> None:
    own = "session required pam_unix.so\n"
    loose = f"session sufficient pam_permit.so\nsession optional {MODULE}.so\n"
    with new_file(PAM / "ftp", own), new_file(PAM / "vpn", loose):
        status, found = doctor()
    assert status == 1
    assert "opens sessions without the module" in found["ftp"]
    places = [subject for subject in found if subject.startswith("vpn: ")]
    assert places == [f"vpn: {PAM}/vpn:2", f"vpn: {PAM}/vpn:1"]


@contextlib.contextmanager
def new_file(path: Path, text: str) -> Iterator[None]:
    path.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        path.unlink()


def test_processes_of_confined_users_that_no_login_brought_in() -> None:
    with contextlib.ExitStack() as stack:
        runuser = subprocess.Popen(["runuser", "-u", "alice", "--", "sleep", "600"])
        stack.callback(runuser.wait)
        stack.callback(runuser.terminate)
        assert sh("systemd-run --unit=job --uid=bob sleep 600").status == 0
        stack.callback(lambda: sh("systemctl stop job"))
        wait_for(
            lambda: sh("pgrep -U alice sleep; pgrep -U bob sleep").out.count("\n") == 2, "both"
        )
        status, found = doctor()
    assert status == 1
    (of_alice,) = [text for subject, text in found.items() if subject.startswith("alice: ")]
    assert "not confined, though" in of_alice
    assert "PAMName=" in found["bob: job.service"]


def test_logins_from_before_the_install() -> None:
    check("pam-auth-update --disable yama-session")
    try:
        with Login("alice") as alice:
            assert alice.domain() == "none"
            assert any("opens sessions without" in text for text in doctor()[1].values())
            check("pam-auth-update --enable yama-session")
            _, found = doctor()
            assert "loginctl terminate-user alice" in found["alice: user@1000.service"]
            _old_manager_is_a_way_out()
            scopes = [subject for subject in found if subject.startswith("alice: session-")]
            assert len(scopes) == 1
            assert "loginctl terminate-session" in found[scopes[0]]
    finally:
        check("pam-auth-update --enable yama-session")


def _old_manager_is_a_way_out() -> None:
    """Alice's manager is from before: told at each login, refused if asked, and restarted."""
    escape = "systemd-run --user --pipe --quiet cat /proc/self/attr/yama/scope"
    with Login("alice") as new:
        assert new.domain() != "none"
        assert new.check(escape) == "none"
        log = sh("journalctl -q -u yama-session --since -1min").out
        assert "the user manager of alice" in log
    with edited(POLICY, "strict_manager = true\n" + POLICY.read_text(encoding="utf-8")):
        check("systemctl reload yama-session")
        with pytest.raises(LoginRefused):
            Login("alice")
    check("systemctl reload yama-session")
    planned = documented("setup", check("yama-session setup --restart-managers --dry-run --json"))
    assert planned["commands"] == ["systemctl restart user@1000.service"]
    assert "no user manager is restarted" in check("yama-session setup --restart-managers")
    check("yama-session setup --restart-managers --yes")
    with Login("alice") as new:
        assert new.check(escape) == new.domain()
    assert "no user manager" in check("yama-session setup --restart-managers --yes")


def check(command: str) -> str:
    """Run a command as root that must succeed, and return what it says."""
    done = sh(command)
    assert done.status == 0, done.out
    return done.out


def test_a_service_that_does_not_run_is_not_started_by_looking() -> None:
    check("systemctl stop yama-session")
    try:
        status, found = doctor()
        assert status == 1
        assert found["yama-session.service"].startswith("inactive / 'systemctl start")
        assert sh("yama-session list").status == 125
        assert "is not running" in sh("yama-session status").out
        assert sh("systemctl is-active yama-session").out == "inactive\n"
    finally:
        check("systemctl start yama-session")


def test_what_the_service_leaves_and_what_it_needs() -> None:
    exempt = Path("/var/lib/yama-session/exempt")
    exempt.write_text("yama-session exempt 1\nuid 10", encoding="utf-8")
    check("systemctl stop yama-session-at.path")
    bus = Path("/usr/share/dbus-1/system.d/org.yama.Session1.conf")
    actions = Path("/usr/share/polkit-1/actions/org.yama.session1.policy")
    asides = {path: path.rename(path.with_suffix(".aside")) for path in (bus, actions)}
    try:
        _, found = doctor()
        assert "is not whole" in found[str(exempt)]
        assert "systemctl start yama-session-at.path" in found["yama-session-at.path"]
        assert "is not installed" in found["D-Bus policy"]
        assert "is not installed" in found["polkit actions"]
    finally:
        for path, aside in asides.items():
            aside.rename(path)
        check("systemctl restart yama-session && systemctl start yama-session-at.path")
    assert doctor() == (0, {})


def test_a_policy_with_a_mistake() -> None:
    with edited(POLICY, "[[rule]]\nscope = 9\n"):
        assert sh("systemctl reload yama-session").status != 0
        _, found = doctor()
        assert f"{POLICY}:2: scope = 9" in found["files"]
        assert found["policy"].startswith("last-good: ")
    check("systemctl reload yama-session")


def test_arguments_of_the_module_that_refuse_everybody() -> None:
    with module_arguments("fallback=deny debg"):
        status, found = doctor()
        assert status == 1
        (text,) = [text for text in found.values() if "does not know debg" in text]
        assert "refuses every user" in text
        assert any("refused by services whose line is wrong" in text for text in found.values())
        assert "refused: the module does not know debg" in check("yama-session policy test alice")
        with pytest.raises(LoginRefused):
            Login("alice")
    with module_arguments("fallback=strict enforcer=bpf"):
        assert any("no domains of bpf" in text for text in doctor()[1].values())
    assert "apart from the user's other logins" in check("yama-session policy test alice")


UNIT = Path("/etc/systemd/system/ssh.service.d/hardening.conf")


@contextlib.contextmanager
def hardened(option: str) -> Iterator[None]:
    """The ssh daemon with an option that its sessions inherit."""
    UNIT.parent.mkdir(parents=True, exist_ok=True)
    restart = "systemctl daemon-reload && systemctl restart ssh"
    with new_file(UNIT, f"[Service]\n{option}\n"):
        check(restart)
        yield
    check(restart)


def test_options_of_a_unit_that_lock_users_out_are_named_before() -> None:
    with hardened("RestrictNamespaces=uts ipc user cgroup"):
        _, found = doctor()
        assert "mount namespaces" in found["ssh.service: RestrictNamespaces"]
        with pytest.raises(LoginRefused):
            Login("alice")
    with hardened("RestrictNamespaces=~user"), Login("alice") as alice:
        assert alice.domain() != "none"
        assert doctor() == (0, {})
    with hardened("SystemCallFilter=~unshare"):
        assert "unshare" in doctor()[1]["ssh.service: SystemCallFilter"]


def test_a_greeter_s_service_is_no_problem_and_gets_no_line() -> None:
    greeter = "auth required pam_permit.so\nsession required pam_unix.so\n"
    with new_file(PAM / "lightdm-greeter", greeter):
        assert doctor() == (0, {})
        assert "lightdm-greeter" not in check("yama-session setup --landlock --dry-run")
    with new_file(PAM / "lightdm", greeter):
        assert "opens sessions without the module" in doctor()[1]["lightdm"]


GENERATOR = Path("/usr/lib/systemd/system-generators/systemd-crontab-generator")
#: As systemd-cron makes one of a line in a user's crontab.
JOB = "cron-alice-alice-0.service"
UNITS = f"""#!/bin/sh
printf '[Service]\\nUser=alice\\nExecStart=sleep 600\\n' >$1/{JOB}
"""


def test_jobs_of_systemd_cron_are_confined_as_doctor_advises() -> None:
    drop_in = Path("/etc/systemd/system/cron-.service.d/pam.conf")
    with new_file(GENERATOR, UNITS):
        GENERATOR.chmod(0o755)
        check("systemctl daemon-reload")
        # While no job runs: then it is too late.
        told = doctor()[1]["systemd-cron"]
        assert f"'[Service]' and 'PAMName=cron' into {drop_in}" in told
        assert job_s_domain() == "none"
        drop_in.parent.mkdir()
        with new_file(drop_in, "[Service]\nPAMName=cron\n"):
            check("systemctl daemon-reload")
            assert "view=domain" in job_s_domain()
            assert doctor() == (0, {})
            check(f"systemctl stop {JOB}")
        drop_in.parent.rmdir()
    check("systemctl daemon-reload")


def job_s_domain() -> str:
    check(f"systemctl restart {JOB}")
    pid = int(check(f"systemctl show -P MainPID {JOB}"))
    wait_for(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n", "the job runs")
    return domain_of(pid)


def test_service_whose_unit_is_gone() -> None:
    unit = Path("/usr/lib/systemd/system/yama-session.service")
    check("systemctl disable --now yama-session")
    aside = unit.rename(unit.with_suffix(".aside"))
    try:
        check("systemctl daemon-reload")
        assert doctor()[1]["yama-session.service"].startswith("is not installed / 'make install'")
    finally:
        aside.rename(unit)
        check("systemctl daemon-reload && systemctl enable --now yama-session")
    assert doctor() == (0, {})


def test_a_finding_that_is_known_is_no_problem() -> None:
    with new_file(PAM / "ftp", "session required pam_unix.so\n"):
        assert doctor()[0] == 1
        with new_file(Path("/etc/yama-session/doctor.toml"), 'known = ["pam: f*"]\n'):
            assert doctor() == (0, {})
            assert "opens sessions without the module: /etc/pam.d/ftp (known)" in check(
                "yama-session doctor"
            )


LANDLOCK = """
[[rule]]
match = { user = "alice" }
preset = "desktop"
group = "session"
enforcer = "landlock"

[[rule]]
preset = "open"
"""


def files_of(directory: Path) -> dict[str, tuple[bytes, int, int]]:
    return {
        path.name: (path.read_bytes(), path.stat().st_mode, path.stat().st_uid)
        for path in directory.iterdir()
    }


def test_setup_for_landlock_and_its_undo() -> None:
    with policy(LANDLOCK):
        wrong = [text for subject, text in doctor()[1].items() if subject.startswith("sshd: ")]
        assert len(wrong) == 1
        assert "stands before pam_limits" in wrong[0]
        try:
            check("pam-auth-update --disable yama-session")
            before = files_of(PAM)
            check("pam-auth-update --enable yama-session")
            planned = documented("setup", check("yama-session setup --landlock --dry-run --json"))
            assert planned["commands"] == ["pam-auth-update --disable yama-session"]
            assert files_of(PAM) != before
            check("yama-session setup --landlock")
            changed = {name for name, now in files_of(PAM).items() if before.get(name) != now}
            assert changed == {Path(item["file"]).name for item in planned["files"]}
            assert {"sshd", "login", "cron", "systemd-user"} <= changed
            assert doctor() == (0, {})
            limits = Path("/etc/security/limits.d/test.conf")
            with new_file(limits, "alice hard nofile 4321\n"), Login("alice") as alice:
                assert 1 not in alice.pids()
                assert alice.check("ulimit -Hn") == "4321"
                assert "landlock" in {s["enforcer"] for s in sessions() if s["user"] == "alice"}
                off = documented("off", check("yama-session off --dry-run --json"))
                assert ("alice", "0") in {(x["user"], x["domain"]) for x in off["still_confined"]}
            assert "no file needs a change" in check("yama-session setup --landlock")
            check("yama-session setup --landlock --undo")
            assert files_of(PAM) == before
        finally:
            sh("yama-session setup --landlock --undo")
            check("pam-auth-update --enable yama-session")
    assert doctor() == (0, {})


def test_off_leaves_nothing_and_is_undone_by_two_commands() -> None:
    units = [f"yama-session{suffix}" for suffix in (".service", "-at.path")]
    with Login("alice") as confined:
        inside = confined.domain()
        assert inside != "none"
        planned = documented("off", check("yama-session off --dry-run --json"))
        assert planned["steps"][0] == "pam-auth-update --disable yama-session"
        assert sh("systemctl is-active yama-session").out == "active\n"
        assert {item["user"] for item in planned["still_confined"]} == {"alice", "root"}

        said = check("yama-session off")
        assert "still confined, until these processes exit:" in said
        assert f"alice, domain {confined.domain_id()}: " in said
        assert confined.domain() == inside

        # Nothing is left that acts.
        assert sh(f"grep -rl {MODULE} /etc/pam.d").status == 1
        assert not Path("/run/yama-session").exists()
        for unit in units:
            assert sh(f"systemctl is-active {unit}").out == "inactive\n"
            assert sh(f"systemctl is-enabled {unit}").out in ("disabled\n", "static\n")
        assert not list(Path("/etc/systemd/system").rglob("*yama*"))
        # And every way in is as it was.
        with Login("bob") as bob:
            assert bob.domain() == "none"
            assert 1 in bob.pids()
        assert check("su bob -c 'cat /proc/self/attr/yama/scope'") == "none\n"
        with Login("carol") as carol:
            assert carol.check("sudo cat /proc/self/attr/yama/scope") == "none"
            assert carol.check("sudo -u bob id -un") == "bob"
        assert sh("yama-session list").status == 125
        assert not Path("/run/yama-session").exists()

        assert check("yama-session off").splitlines()[0] == "already off: nothing to do"
        assert confined.domain() == inside
    check(SWITCH_ON)
    end_logins("alice", "bob", "carol")
    with Login("alice") as again:
        assert again.domain() != "none"
    assert doctor() == (0, {})


def test_off_says_which_arguments_go_with_the_line() -> None:
    with contextlib.ExitStack() as stack:
        for file in COMMON:  # the word alone: pam-auth-update declines where more is changed
            text = file.read_text(encoding="utf-8")
            stack.enter_context(edited(file, text.replace("fallback=strict", "fallback=deny")))
        planned = documented("off", check("yama-session off --dry-run --json"))
        assert planned["arguments_lost"] == ["fallback=deny"]
        assert "the module's line said 'fallback=deny'" in check("yama-session off --dry-run")
        check("pam-auth-update --disable yama-session")
        check("pam-auth-update --enable yama-session")
        assert "fallback=strict" in check(f"grep -h {MODULE} {PAM}/common-session")
    assert documented("off", check("yama-session off --dry-run --json"))["arguments_lost"] == []


def test_off_stops_at_a_line_that_somebody_has_written() -> None:
    with new_file(PAM / "vpn", f"session required {MODULE}.so\n"):
        done = sh("yama-session off")
        assert done.status == 125
        assert f"{PAM}/vpn:1: a line of the module is still there" in done.out
        assert sh("systemctl is-active yama-session").out == "active\n"
    check("yama-session off")
    check(SWITCH_ON)
    assert doctor() == (0, {})
