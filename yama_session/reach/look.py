"""Reads what is known of a process from /proc, with no more rights than the caller has.

Source: proc(5), ioctl_ns(2).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
from collections.abc import Collection, Sequence
from pathlib import Path

from yama_session.errors import DomainError, KernelUnsupported, ProcessMissing
from yama_session.levels import Scope
from yama_session.reach.facts import (
    CAP_SYS_PTRACE,
    INITIAL_USER_NS,
    Ids,
    Machine,
    Task,
    UserNamespace,
)
from yama_session.scope import DomainInfo, describe, supported

_SYSCTL = Path("/proc/sys/kernel/yama/ptrace_scope")
_MODULES = Path("/sys/kernel/security/lsm")

#: Modules that have no say about ptrace, or whose rules the model has.
_JUDGED = {
    "capability",
    "yama",
    "lockdown",
    "loadpin",
    "safesetid",
    "integrity",
    "ima",
    "evm",
    "ipe",
}

_NS_GET_PARENT = 0xB702
_NS_GET_OWNER_UID = 0xB704
_UID = struct.Struct("I")

#: ``PF_KTHREAD`` among the flags of ``/proc/PID/stat``.
_KERNEL_THREAD = 0x00200000

#: No lineage is followed further.
_MAX_ANCESTORS = 4096


def machine() -> Machine:
    """Return what holds for every process."""
    level = Scope(int(_SYSCTL.read_text())) if _SYSCTL.exists() else None
    try:
        modules = _MODULES.read_text().strip().split(",")
    except OSError:  # nothing mounted there, as in a container
        unjudged: tuple[str, ...] = ("security modules that cannot be listed",)
    else:
        unjudged = tuple(name for name in modules if name not in _JUDGED)
    return Machine(
        level,
        supported(),
        unjudged,
        hides_names=supported(),
        level_is_readers=level is not None and _is_told_its_own(level),
    )


def _is_told_its_own(level: Scope) -> bool:
    """Tell if the sysctl may read as the scope of the caller's domain.

    It reads as the stricter of the two, or as a scope that overrides it; only
    for who has the capability and for who is in no domain it is what it is.
    """
    own = _domain(os.getpid())
    if own is None or not (own.override or own.scope is level):
        return False
    capable = int(_status(Path("/proc/self"))["CapEff"], 16) >> CAP_SYS_PTRACE & 1
    return not (capable and _inode(Path("/proc/self/ns/user")) in (None, INITIAL_USER_NS))


def task(pid: int) -> Task:
    """Return what can be read of a process.

    Raises:
        ProcessMissing: there is none with this number, or it is hidden from
            the caller; or the number is that of a thread.
    """
    root = Path("/proc") / str(pid)
    try:
        return _task(pid, root)
    except PermissionError:
        raise ProcessMissing(
            f"process {pid} may not be looked at: see hidepid in proc(5)"
        ) from None
    except (FileNotFoundError, ProcessLookupError, DomainError):
        raise ProcessMissing(
            f"there is no process {pid}, or it is hidden: the kernel answers the same"
        ) from None


def _task(pid: int, root: Path) -> Task:
    status = _status(root)
    if status["Tgid"] != str(pid):
        raise ProcessMissing(f"{pid} is a thread of process {status['Tgid']}: ask for that")
    uid, gid = _ids(status["Uid"]), _ids(status["Gid"])
    user_ns = _user_namespace(root)
    groups = {int(word) for word in status["Groups"].split()} | {gid.fs}
    ancestors, lineage_known = _lineage(int(status["PPid"]))
    domain = _domain(pid)
    return Task(
        pid=pid,
        name=status["Name"],
        uid=uid,
        gid=gid,
        effective=int(status["CapEff"], 16),
        permitted=int(status["CapPrm"], 16),
        user_ns=user_ns,
        dumpable=_dumpable(root, uid.effective, user_ns),
        domain=domain,
        thread_domains=_thread_domains(root, domain),
        ancestors=ancestors,
        lineage_known=lineage_known,
        tracer=int(status["TracerPid"]),
        state=status["State"][0],
        kernel_thread=_is_kernel_thread(root),
        pid_levels=len(status.get("NSpid", "1").split()),
        pid_ns=_inode(root / "ns/pid"),
        hidepid=hidepid(pid, groups),
        seccomp=status.get("Seccomp", "0") != "0",
    )


def domain_id(pid: int) -> int | None:
    """Return the id of a process's domain, 0 for none, ``None`` if it is gone or hidden."""
    try:
        found = _domain(pid)
    except DomainError:
        return None
    return found.id if found else 0


def _domain(pid: int) -> DomainInfo | None:
    try:
        return describe(pid)
    except KernelUnsupported:
        return None


def _thread_domains(root: Path, domain: DomainInfo | None) -> frozenset[int]:
    if not supported():
        return frozenset({0})
    found = {domain.id if domain else 0}
    for thread in (root / "task").iterdir():
        other = domain_id(int(thread.name))
        found |= set() if other is None else {other}
    return frozenset(found)


def _status(root: Path) -> dict[str, str]:
    text = (root / "status").read_text(errors="replace")
    pairs = (line.partition(":") for line in text.splitlines())
    return {key: value.strip() for key, _, value in pairs}


def _ids(text: str) -> Ids:
    return Ids(*map(int, text.split()))


def _inode(link: Path) -> int | None:
    """The number in a namespace's link, ``None`` if it may not be read."""
    try:
        found = re.search(r"\[(\d+)\]", str(link.readlink()))
    except OSError:
        return None
    return int(found[1]) if found else None


def _user_namespace(root: Path) -> UserNamespace | None:
    if not Path("/proc/self/ns/user").exists():  # the kernel has but one
        return UserNamespace(INITIAL_USER_NS)
    try:
        fd = os.open(root / "ns/user", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    fds = [fd]
    try:
        # Around the caller's own there may be more, which it is not told.
        with contextlib.suppress(PermissionError):
            while True:
                fds.append(fcntl.ioctl(fds[-1], _NS_GET_PARENT))
        found: UserNamespace | None = None
        for each in reversed(fds):
            owner = bytearray(_UID.size)
            fcntl.ioctl(each, _NS_GET_OWNER_UID, owner)
            found = UserNamespace(os.fstat(each).st_ino, _UID.unpack(owner)[0], found)
        return found
    finally:
        for each in fds:
            os.close(each)


def _dumpable(root: Path, uid: int, user_ns: UserNamespace | None) -> bool | None:
    """Tell from who owns the files below /proc/PID: root, if it is not dumpable.

    Root of the namespace, to be exact: where that is the process's own uid,
    nothing can be told.
    """
    owner = (root / "status").stat().st_uid
    if owner != uid:
        return False
    roots = {0}
    if user_ns is None or not user_ns.initial:
        roots |= _outer_roots(root)
        if user_ns is None or (user_ns.parent and not user_ns.parent.initial):
            return None
    return None if uid in roots else True


def _outer_roots(root: Path) -> set[int]:
    """What uid 0 of the process's user namespace is outside."""
    lines = (root / "uid_map").read_text().splitlines()
    return {int(outer) for inner, outer, _ in map(str.split, lines) if inner == "0"}


def _is_kernel_thread(root: Path) -> bool:
    fields = (root / "stat").read_text(errors="replace").rpartition(")")[2].split()
    return bool(int(fields[6]) & _KERNEL_THREAD)


def _lineage(parent: int) -> tuple[tuple[int, ...], bool]:
    """The parents, the nearest first, and whether they reach init."""
    found: list[int] = []
    while parent > 0 and len(found) < _MAX_ANCESTORS:
        found.append(parent)
        if parent == 1:
            return tuple(found), True
        try:
            parent = int(_status(Path("/proc") / str(parent))["PPid"])
        except OSError:  # hidden from the caller, or just gone
            return tuple(found), False
    return tuple(found), parent == 0


def hidepid(pid: int, groups: Collection[int]) -> str | None:
    """Return what the instance on a process's /proc hides by mount option.

    Args:
        pid: the process.
        groups: the gids of who looks, for the option ``gid=``.

    Returns:
        The option's word, ``off`` if one of the groups is exempt; ``None`` if
        the mounts may not be read.
    """
    try:
        mounts = Path(f"/proc/{pid}/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return None
    options = _top_proc(mounts)
    found = options.get("hidepid", "off")
    exempt = found != "ptraceable" and int(options.get("gid", "-1")) in groups
    return "off" if exempt else found


def _top_proc(mounts: Sequence[str]) -> dict[str, str]:
    """The options of the procfs on top of those on /proc: the one on which no other stands."""
    found: dict[str, dict[str, str]] = {}
    below = set()
    for line in mounts:
        mount, _, kind = line.partition(" - ")
        number, parent, _, _, where = mount.split()[:5]
        if where == "/proc" and kind.startswith("proc "):
            found[number] = dict(word.partition("=")[::2] for word in kind.split()[-1].split(","))
            below.add(parent)
    return next((options for number, options in found.items() if number not in below), {})
