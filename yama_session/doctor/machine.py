"""The kernel, the service, and the files that they need."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yama_session.doctor.finding import Finding, note, ok, problem
from yama_session.enforcers import BPF, ENFORCERS, best
from yama_session.enforcers.bpf.state import SWITCHED_OFF, memory_limit
from yama_session.errors import EnforcerError, ServiceError
from yama_session.policy import Policy, Reading

RUN_DIR = Path("/run/yama-session")
STATE_DIR = Path("/var/lib/yama-session")
UNIT = "yama-session.service"
AT_UNIT = "yama-session-at.path"
GRANTS_UNIT = "yama-session-grants.service"

_MOUNTS = Path("/proc/self/mountinfo")
_TYPING = Path("/proc/sys/dev/tty/legacy_tiocsti")
_AT_QUEUE = Path("/var/spool/cron/atjobs")
_POLKIT_ACTIONS = Path("/usr/share/polkit-1/actions")
_BUS_POLICIES = tuple(
    Path(directory) / "org.yama.Session1.conf"
    for directory in ("/etc/dbus-1/system.d", "/usr/share/dbus-1/system.d")
)


def examine_kernel(policy: Policy) -> Iterator[Finding]:
    """Examine what the kernel can do of what the policy asks."""
    from yama_session.service.support import unsupported

    for enforcer in ENFORCERS:
        state = enforcer.available()
        if state.reason == SWITCHED_OFF:
            cure = "'sysctl kernel.ftrace_enabled=1', and look for what sets it in /etc/sysctl.d"
            yield problem("kernel", enforcer.name, str(state), cure)
            continue
        say = ok if state else note
        yield say("kernel", enforcer.name, str(state))
    try:
        best()
    except EnforcerError as error:
        advice = "boot a kernel with the series, with bpf in lsm=, or with Landlock ABI 6"
        yield problem("kernel", "enforcers", str(error), advice)
        return
    for wrong in unsupported(policy):
        advice = "change the rule, or the kernel; until then its logins go by the fallback"
        yield problem("kernel", "policy", str(wrong), advice)


def examine_procfs() -> Iterator[Finding]:
    """Examine what sessions see in /proc and by its side, where a procfs hides by itself."""
    try:
        own_names = best().name == "yama"
    except EnforcerError:
        return
    if own_names:
        return
    yield note(
        "kernel",
        "private /proc",
        "hides what is non-dumpable from its own user, too: 'pgrep ssh-agent || ssh-agent' starts "
        "one more agent for each login; 'ssh-add -l' finds the one that runs",
    )
    for line in _MOUNTS.read_text(errors="replace").splitlines():
        mount, _, filesystem = line.partition(" - ")
        root, place = mount.split()[3:5]
        if filesystem.split()[0] == "proc" and root == "/" and place != "/proc":
            message = (
                "a procfs: sessions that begin from now on have it covered, those that had begun "
                "before it was mounted read there what its options allow"
            )
            yield note("kernel", place, message)


def examine_terminals() -> Iterator[Finding]:
    """Examine whether a confined program may type into the shell that started it."""
    try:
        typed = _TYPING.read_text(encoding="ascii").strip() == "1" and best().name != "bpf"
    except (OSError, EnforcerError):
        return
    if typed:
        yield note(
            "kernel",
            "dev.tty.legacy_tiocsti",
            "is 1: what 'yama-session run' starts on a terminal may type into the shell there; "
            "'sysctl dev.tty.legacy_tiocsti=0' ends that",
        )


def examine_policy(reading: Reading) -> Iterator[Finding]:
    """Examine what the policy files say."""
    for error in reading.errors:
        yield problem("policy", "files", str(error), "'yama-session policy check' lists all")
    if not reading.errors:
        yield ok("policy", "files", f"{len(reading.policy.rules)} rules")


def examine_service() -> Iterator[Finding]:
    """Examine the session service."""
    from yama_session.service import client

    if systemctl("is-enabled", UNIT) in ("", "not-found"):  # systemd before 253, and since
        yield problem("service", UNIT, "is not installed", "'make install'")
        return
    for word, wanted, cure in (
        ("is-enabled", "enabled", f"'systemctl enable {UNIT}': else it is not there after a boot"),
        ("is-active", "active", f"'systemctl start {UNIT}', and see 'journalctl -u {UNIT}'"),
    ):
        said = systemctl(word, UNIT)
        if said == wanted:
            yield ok("service", UNIT, said)
        else:
            yield problem("service", UNIT, said, cure)
            if word == "is-active":  # asking it would start it
                return
    try:
        yield from _status(client.status())
    except ServiceError as error:
        yield problem("service", UNIT, str(error), f"see 'journalctl -u {UNIT}'")
    limit = memory_limit()
    if BPF.available() and limit is not None:
        message = (
            f"its memory is limited to {limit >> 20} MiB, and what BPF programs keep counts as "
            "its where they were loaded: with it full, forks in sessions and logins fail"
        )
        cure = f"'systemctl set-property {UNIT} MemoryMax=infinity'; see that of system.slice, too"
        yield problem("service", "memory", message, cure)


def _status(status: dict[str, Any]) -> Iterator[Finding]:
    state = status["policy"]
    if state == "loaded":
        yield ok("service", "policy", "in force as it was last loaded")
    else:
        errors = "; ".join(status["policy_errors"]) or "no policy has been read"
        cure = f"correct it, then 'systemctl reload {UNIT}'"
        yield problem("service", "policy", f"{state}: {errors}", cure)
    for limit in status.get("nearly_full", []):
        cure = "end some, or raise the policy's [limits]: beyond it users are refused"
        yield problem("service", "sessions", str(limit), cure)
    for pending in status.get("pending", []):
        yield note("service", "policy", str(pending))


def examine_files() -> Iterator[Finding]:
    """Examine what the service leaves and what is installed for it."""
    if systemctl("is-active", UNIT) == "active":
        for name in ("exempt", "floor"):
            yield _left(STATE_DIR / name, name)
    if any(file.exists() for file in _BUS_POLICIES):
        yield ok("files", "D-Bus policy", "installed")
    else:
        message = f"{_BUS_POLICIES[0].name} is not installed: nobody may own the service's name"
        yield problem("files", "D-Bus policy", message, "install it: 'make install'")
    if _POLKIT_ACTIONS.is_dir():
        name = "org.yama.session1.policy"
        if (_POLKIT_ACTIONS / name).exists():
            yield ok("files", "polkit actions", "installed")
        else:
            message = f"{name} is not installed: only root may reload, or allow an attach"
            yield problem("files", "polkit actions", message, "install it: 'make install'")
    if not _AT_QUEUE.is_dir():
        yield ok("files", AT_UNIT, "not needed: there is no at(1)")
    elif systemctl("is-active", AT_UNIT) == "active":
        yield ok("files", AT_UNIT, "active")
    else:
        message = "not active: jobs of at(1) from sessions wait until atd looks by itself"
        yield problem("files", AT_UNIT, message, f"'systemctl start {AT_UNIT}'")


def _left(file: Path, name: str) -> Finding:
    """A file for the module's fallback: of root, whole, and nobody else's to write."""
    cure = f"'systemctl restart {UNIT}' writes it again"
    try:
        status, text = file.stat(), file.read_text()
    except OSError as error:
        return problem("files", str(file), f"cannot be read: {error.strerror}", cure)
    if status.st_uid or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return problem("files", str(file), "somebody but root may write to it", cure)
    if not text.startswith(f"yama-session {name} ") or not text.endswith("\nend\n"):
        return problem("files", str(file), "is not whole: the fallback exempts root only", cure)
    return ok("files", str(file), "whole, and root's")


def systemctl(*words: str) -> str:
    """Return what systemctl prints, without the last newline; empty if it cannot be run."""
    try:
        done = subprocess.run(
            ["systemctl", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.rstrip("\n")
