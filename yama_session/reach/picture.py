"""All processes and domains at once, by whatever enforces here."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from yama_session.enforcers import BPF
from yama_session.errors import BpfError, KernelUnsupported
from yama_session.native import OwnedFd
from yama_session.reach import chains, domains
from yama_session.reach.domains import Process
from yama_session.scope import DomainInfo, supported

if TYPE_CHECKING:  # libbpf may be missing
    from yama_session.enforcers.bpf.loader import Description, Programs

_INITIAL_PID_NS = 0xEFFFFFFC  # PROC_PID_INIT_INO of <linux/proc_ns.h>


@dataclass(frozen=True)
class Nesting:
    """How domains lie in one another.

    Attributes:
        parents: for each domain the id of the one that it is nested in, 0 for
            none that is seen, ``None`` if that cannot be found out.
        sight: for each domain the ids of those it sees, 0 for no domain,
            ``None`` if that cannot be found out.
    """

    parents: Mapping[int, int | None]
    sight: Mapping[int, set[int] | None]


@dataclass(frozen=True)
class Picture:
    """What there is.

    Attributes:
        processes: every process that exists for the caller, by number.
        nesting: finds out how their domains are nested, which may be dear.
    """

    processes: Sequence[Process]
    nesting: Callable[[], Nesting]


def picture() -> Picture:
    """Return what there is now.

    Raises:
        KernelUnsupported: nothing here can tell which process is in which domain.
        BpfError: the BPF programs could, but not to this caller.
    """
    if supported():
        return _by_files()
    if BPF.available():
        return _by_programs()
    words = "neither its files nor BPF programs tell; `yama-session list` shows the sessions"
    raise KernelUnsupported("show the domains of processes", errno.EOPNOTSUPP, words)


def _by_files() -> Picture:
    found = list(domains.processes())

    def nesting() -> Nesting:
        parents = domains.parents(found)
        return Nesting(parents, domains.sight(found, parents))

    return Picture(found, nesting)


def _by_programs() -> Picture:
    known: dict[int, Description] = {}
    with _running() as programs:

        def domain_of(pid: int) -> DomainInfo | None:
            with OwnedFd(os.pidfd_open(pid)) as pidfd:
                domain = programs.describe(pidfd.fileno())
            if domain is None:
                return None
            known[domain.id] = domain
            return domain.info

        found = list(domains.processes(domain_of))
    every = known.values()
    return Picture(found, lambda: Nesting(chains.parents(every), chains.sight(every)))


def _running() -> Programs:
    if Path("/proc/self/ns/pid").stat().st_ino != _INITIAL_PID_NS:
        raise BpfError("the BPF programs know processes by the numbers of another pid namespace")
    try:
        from yama_session.enforcers.bpf.loader import PINS, Programs
    except ImportError as error:
        raise BpfError(f"cannot ask the BPF programs: {error}") from error

    programs = Programs.running()
    if programs is None:
        cure = "see that a bpffs is mounted there, then restart yama-session"
        raise BpfError(f"the BPF programs run, but are not pinned in {PINS}: {cure}")
    return programs
