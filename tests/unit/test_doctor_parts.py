"""Parts of doctor: units that log people in, mounts of procfs, and findings that are known."""

import re
from pathlib import Path

import pytest

from yama_session.doctor import Finding, Severity, known, machine, units
from yama_session.enforcers import by_name
from yama_session.pamd import edited_by_hand

pytestmark = pytest.mark.unit

UNIT = {
    "After": "basic.target yama-session.service",
    "Id": "ssh.service",
    "LoadState": "loaded",
    "RestrictNamespaces": "no",
    "SystemCallFilter": "",
}


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("RestrictNamespaces", "no", ""),
        ("RestrictNamespaces", "", ""),
        ("RestrictNamespaces", "yes", "mount namespaces"),
        ("RestrictNamespaces", "cgroup ipc net mnt pid uts", ""),
        ("RestrictNamespaces", "uts ipc user cgroup", "mount namespaces"),
        ("SystemCallFilter", "~ptrace reboot", ""),
        ("SystemCallFilter", "~unshare ptrace mount", "unshare, mount"),
        ("SystemCallFilter", "unshare mount move_mount fsopen fsmount prctl read", ""),
        ("SystemCallFilter", "read write prctl", "unshare, mount, move_mount, fsopen, fsmount"),
    ],
)
def test_option_that_keeps_sessions_from_being_confined_is_named(
    option: str, value: str, words: str
) -> None:
    (found,) = units.options([{**UNIT, option: value}])
    if not words:
        assert found.severity is Severity.OK
        return
    assert (found.severity, found.subject) == (Severity.PROBLEM, f"ssh.service: {option}")
    assert f"refuses {words}: " in found.message


@pytest.mark.parametrize(
    ("name", "after", "severity"),
    [
        ("ssh.service", "network.target", Severity.PROBLEM),
        ("ssh.service", "network.target yama-session.service", Severity.OK),
        ("getty@tty1.service", "systemd-user-sessions.service", Severity.OK),
        ("user@1000.service", "dbus.service", Severity.OK),
    ],
)
def test_unit_that_may_start_before_the_service_is_named(
    name: str, after: str, severity: Severity
) -> None:
    (found,) = units.options([{**UNIT, "Id": name, "After": after}])
    assert found.severity is severity
    if severity is Severity.PROBLEM:
        assert "After=yama-session.service" in found.advice


def test_unit_that_is_not_there_is_no_finding() -> None:
    assert list(units.options([{"Id": "ssh.service", "LoadState": "not-found"}])) == []


@pytest.mark.parametrize("said", ["", "not-found"])  # by systemd before 253, and since
def test_service_that_is_not_installed_is_said_so(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "systemctl", lambda *_: said)
    (found,) = machine.examine_service()
    assert (found.severity, found.message) == (Severity.PROBLEM, "is not installed")


def test_every_other_procfs_is_named() -> None:
    mountinfo = (
        "22 1 0:20 / /proc rw shared:5 - proc proc rw\n"
        "23 22 0:30 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw\n"
        "24 22 0:20 /sys /proc/sys ro - proc proc rw\n"
        "40 1 0:20 / /srv/jail/proc rw - proc proc rw\n"
        "41 1 0:44 / /mnt rw shared:9 master:1 - proc none rw,hidepid=off\n"
        "42 1 8:1 / /srv rw - ext4 /dev/proc rw\n"
    )
    assert [item.subject for item in units.mounts(mountinfo)] == ["/srv/jail/proc", "/mnt"]


WRONG = Finding("pam", Severity.PROBLEM, "proftpd", "opens sessions without the module", "do it")
OTHER = Finding("pam", Severity.PROBLEM, "ftp", "opens sessions without the module", "do it")
FINE = Finding("pam", Severity.OK, "sshd", "runs the module")


def test_finding_that_is_known_is_a_note(tmp_path: Path) -> None:
    file = tmp_path / "doctor.toml"
    assert list(known.sorted_out([WRONG, FINE], file)) == [WRONG, FINE]
    file.write_text('known = ["pam: proft*", "pam: ssh?", "pam: gone"]\n')
    first, second, third, last = known.sorted_out([WRONG, OTHER, FINE], file)
    assert (first.severity, first.message) == (
        Severity.NOTE,
        "opens sessions without the module (known)",
    )
    assert (second, third) == (OTHER, FINE)
    assert (last.severity, last.subject) == (Severity.NOTE, str(file))
    assert "'pam: gone'" in last.message


@pytest.mark.parametrize("text", ["known = 3", "known = [3]", "more = 1", "known = [", "\xff"])
def test_list_of_known_findings_that_is_wrong_hides_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "doctor.toml"
    file.write_text(text, encoding="latin-1")
    first, *rest = known.sorted_out([WRONG], file)
    assert (first.severity, first.subject) == (Severity.PROBLEM, str(file))
    assert rest == [WRONG]


SAVED = """Module: null
[default=1]\t\t\tpam_permit.so
Module: unix
required\tpam_unix.so
Module: systemd
optional\tpam_systemd.so
"""
COMMON = """# here are the per-package modules (the "Primary" block)
session\t[default=1]\t\t\tpam_permit.so
# here's the fallback if no module succeeds
session\trequisite\t\t\tpam_deny.so
session\trequired\t\t\tpam_permit.so
# and here are more per-package modules (the "Additional" block)
session\trequired\tpam_unix.so
session\toptional\tpam_systemd.so
# end of pam-auth-update config
"""


@pytest.mark.parametrize(
    ("before", "after", "edited"),
    [
        ("", "", False),
        ("pam_unix.so", "pam_unix.so debug", False),
        ("session\toptional\tpam_systemd.so\n", "", True),
        ("session\trequired\tpam_unix.so", "session optional pam_mkhomedir.so\n\\g", True),
        ("# end of pam-auth-update config", "session optional pam_mkhomedir.so", True),
    ],
)
def test_common_file_that_pam_auth_update_leaves_alone_is_known(
    tmp_path: Path, before: str, after: str, edited: bool
) -> None:
    common, saved = tmp_path / "common-session", tmp_path / "session"
    saved.write_text(SAVED)
    common.write_text(COMMON.replace(before, after) if before else COMMON)
    assert edited_by_hand(common, saved, tmp_path / "none") is edited
    common.write_text(COMMON + "session optional pam_mkhomedir.so\n")
    assert not edited_by_hand(common, saved, tmp_path / "none")
    assert not edited_by_hand(tmp_path / "none", saved, tmp_path / "none")


def test_module_of_debian_13_s_own_template_is_nobody_s_edit(tmp_path: Path) -> None:
    templates, umask = tmp_path / "templates", "session optional\t\t\tpam_umask.so\n"
    permit = "session\trequired\t\t\tpam_permit.so\n"
    template = re.sub("session.*(permit.so|unix.so|systemd.so)\n", "", COMMON)
    common, saved = tmp_path / "common-session", tmp_path / "session"
    templates.mkdir()
    (templates / "common-session").write_text(template.replace("# and", f"{permit}{umask}# and"))
    saved.write_text(SAVED)
    common.write_text(COMMON.replace("# and", f"{umask}# and"))
    assert not edited_by_hand(common, saved, templates)
    common.write_text(COMMON.replace("# and", f"{umask}{umask}# and"))
    assert edited_by_hand(common, saved, templates)
    common.write_text(COMMON)  # it was taken out
    assert edited_by_hand(common, saved, templates)


@pytest.mark.parametrize(
    ("text", "enforcer", "named"),
    [
        ("1\n", "yama", True),
        ("1\n", "landlock", True),
        ("1\n", "bpf", False),
        ("0\n", "yama", False),
        (None, "yama", False),
    ],
)
def test_a_sysctl_by_which_shells_are_typed_into_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str | None,
    enforcer: str,
    named: bool,
) -> None:
    sysctl = tmp_path / "legacy_tiocsti"
    if text is not None:
        sysctl.write_text(text)
    monkeypatch.setattr(machine, "_TYPING", sysctl)
    monkeypatch.setattr(machine, "best", lambda: by_name(enforcer))
    found = list(machine.examine_terminals())
    assert [(item.severity, item.subject) for item in found] == [
        (Severity.NOTE, "dev.tty.legacy_tiocsti")
    ] * named
