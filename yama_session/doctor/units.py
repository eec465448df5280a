"""What units, and mounts, do to the sessions that start from them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from yama_session.doctor.finding import Finding, note, ok, problem
from yama_session.doctor.machine import UNIT, systemctl

_CHECK = "units"

#: Units whose programs log people in.
LOGIN_UNITS = (
    "ssh.service",
    "sshd.service",
    "cron.service",
    "crond.service",
    "atd.service",
    "display-manager.service",
    "gdm.service",
    "greetd.service",
    "lightdm.service",
    "sddm.service",
    "xrdp-sesman.service",
    "vsftpd.service",
    "proftpd.service",
    "slurmd.service",
    "getty@tty1.service",
    "user@1000.service",
)

#: Whoever starts after one of these starts after the service, which is before them all.
_GATES = {UNIT, "systemd-user-sessions.service", "systemd-logind.service"}

#: What the module calls in the process that logs in; its children inherit the filter.
_CALLS = ("unshare", "mount", "move_mount", "fsopen", "fsmount", "prctl")

_MOUNTINFO = Path("/proc/1/mountinfo")
_CRON_GENERATORS = (
    Path("/usr/lib/systemd/system-generators/systemd-crontab-generator"),
    Path("/lib/systemd/system-generators/systemd-crontab-generator"),
)
_CRON_DROP_INS = (
    Path("/etc/systemd/system/cron-.service.d"),
    Path("/usr/lib/systemd/system/cron-.service.d"),
)


def examine(*, needs_private_proc: bool) -> Iterator[Finding]:
    """Examine units, the generator of systemd-cron, and mounts of procfs.

    Args:
        needs_private_proc: whether an enforcer is used that hides names only in
            the session's own ``/proc``.
    """
    yield from options(_show(LOGIN_UNITS))
    yield from _cron()
    if needs_private_proc:
        yield from mounts(_text(_MOUNTINFO))


def options(units: Iterable[Mapping[str, str]]) -> Iterator[Finding]:
    """Examine options that sessions inherit.

    Args:
        units: of each its ``Id``, ``LoadState``, ``RestrictNamespaces``,
            ``SystemCallFilter`` and ``After``, as ``systemctl show`` prints them.
    """
    for unit in units:
        if unit.get("LoadState") != "loaded":
            continue
        name, found = unit["Id"], list(_refused(unit))
        for option, what in found:
            yield problem(
                _CHECK,
                f"{name}: {option}",
                f"refuses {what}: whom the policy confines cannot log in by it",
                f"'systemctl edit {name}', and let {option} allow it",
            )
        early = _GATES.isdisjoint(unit.get("After", "").split())
        if early and not name.startswith("user@"):  # those are logind's to start
            yield problem(
                _CHECK,
                f"{name}: After",
                "may start before the session service: who logs in by it at boot goes by the"
                " fallback",
                f"'systemctl edit {name}', and write '[Unit]' and 'After={UNIT}'",
            )
        elif not found:
            yield ok(_CHECK, name, "lets sessions be confined")


def _refused(unit: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    namespaces = unit.get("RestrictNamespaces", "no")
    if namespaces == "yes" or (namespaces not in ("no", "") and "mnt" not in namespaces.split()):
        yield "RestrictNamespaces", "mount namespaces"
    calls = unit.get("SystemCallFilter", "")
    listed = set(calls.removeprefix("~").split())
    wrong = [call for call in _CALLS if (call in listed) is calls.startswith("~")] if calls else []
    if wrong:
        yield "SystemCallFilter", ", ".join(wrong)


def _show(units: Iterable[str]) -> list[dict[str, str]]:
    properties = "-pId,LoadState,RestrictNamespaces,SystemCallFilter,After"
    said = systemctl("show", properties, *units)
    found = [
        dict(line.partition("=")[::2] for line in block.splitlines())
        for block in said.split("\n\n")
    ]
    # An alias and its unit are one.
    return list({unit["Id"]: unit for unit in found if "Id" in unit}.values())


def _cron() -> Iterator[Finding]:
    if not any(file.exists() for file in _CRON_GENERATORS):
        return
    texts = (_text(file) for place in _CRON_DROP_INS for file in place.glob("*.conf"))
    if any(re.search(r"^\s*PAMName=\S", text, re.MULTILINE) for text in texts):
        yield ok(_CHECK, "systemd-cron", "its jobs open sessions of PAM")
        return
    yield problem(
        _CHECK,
        "systemd-cron",
        "makes units with User= of users' crontabs, which open no session: its jobs are not"
        " confined",
        f"write '[Service]' and 'PAMName=cron' into {_CRON_DROP_INS[0]}/pam.conf, then 'systemctl"
        " daemon-reload'",
    )


def mounts(mountinfo: str) -> Iterator[Finding]:
    """Examine where a procfs is mounted beside ``/proc``: it shows all processes there.

    Args:
        mountinfo: the text of pid 1's, see proc(5).
    """
    for line in mountinfo.splitlines():
        fields, _, kind = line.partition(" - ")
        words = fields.split()
        if len(words) < 5 or not kind.startswith("proc ") or words[4] == "/proc":
            continue
        root, place = words[3], words[4]
        if place.startswith("/proc/") and root != "/":  # a mask over a file of it
            continue
        yield note(
            _CHECK,
            place,
            "a procfs is mounted here: under bpf and landlock sessions see all processes in it",
            "unmount it, or keep users out of the directory above it",
        )


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
