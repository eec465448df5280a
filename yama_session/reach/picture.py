"""All processes and domains at once, by whatever enforces here."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from yama_session.enforcers import BPF
from yama_session.errors import BpfError, KernelUnsupported
from yama_session.reach import chains, domains
from yama_session.reach.domains import Process
from yama_session.scope import supported

_INITIAL_PID_NS = 0xEFFFFFFC  # PROC_PID_INIT_INO of <linux/proc_ns.h>


@dataclass(frozen=True)
class Picture:
    """What there is.

    Attributes:
        processes: every process that exists for the caller, by number.
        parents: for each domain the id of the one that it is nested in, 0 for
            none that is seen, ``None`` if that cannot be found out.
        sight: for each domain the ids of those it sees, 0 for no domain,
            ``None`` if that cannot be found out.
    """

    processes: Sequence[Process]
    parents: Mapping[int, int | None]
    sight: Mapping[int, set[int] | None]


def picture() -> Picture:
    """Return what there is now.

    Raises:
        KernelUnsupported: nothing here can tell which process is in which domain.
        BpfError: the BPF programs could, if the caller were root.
    """
    if supported():
        found = list(domains.processes())
        parents = domains.parents(found)
        return Picture(found, parents, domains.sight(found, parents))
    if BPF.available():
        return _by_programs()
    words = "neither its files nor BPF programs tell; `yama-session list` shows the sessions"
    raise KernelUnsupported("show the domains of processes", errno.EOPNOTSUPP, words)


def _by_programs() -> Picture:
    if Path("/proc/self/ns/pid").stat().st_ino != _INITIAL_PID_NS:
        raise BpfError("the BPF programs know processes by the numbers of another pid namespace")
    try:
        from yama_session.enforcers.bpf.loader import Programs
    except ImportError as error:
        raise BpfError(f"cannot ask the BPF programs: {error}") from error

    programs = Programs.running()
    if programs is None:
        raise BpfError("the BPF programs run, but their pins are gone: restart yama-session")
    with programs:
        members = programs.members()
    by_pid = {member.pid: member.domain for member in members if member.pid == member.tid}
    infos = {pid: domain.info for pid, domain in by_pid.items()}
    found = list(domains.processes(infos.get))
    return Picture(found, chains.parents(by_pid.values()), chains.sight(by_pid.values()))
