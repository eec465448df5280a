"""Which processes there are in which domain, and which domain is nested in which."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from yama_session.errors import KernelUnsupported, YamaSessionError
from yama_session.levels import View
from yama_session.reach import witness
from yama_session.scope import Domain, DomainInfo, describe


@dataclass(frozen=True)
class Process:
    """A process as a list shows it.

    Args:
        pid: its number.
        parent: its parent's.
        uid: its real uid.
        name: its name.
        domain: its main thread's domain, ``None`` for none.
    """

    pid: int
    parent: int
    uid: int
    name: str
    domain: DomainInfo | None


def _described(pid: int) -> DomainInfo | None:
    try:
        return describe(pid)
    except KernelUnsupported:
        return None


def processes(
    domain_of: Callable[[int], DomainInfo | None] = _described,
) -> Iterator[Process]:
    """Yield every process that exists for the caller, by number.

    Args:
        domain_of: tells the domain of each; by default what its files in /proc say.
    """
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdecimal()):  # noqa: PTH208
        # It may exit while it is looked at.
        with suppress(OSError, YamaSessionError):
            yield _process(pid, domain_of(pid))


def _process(pid: int, domain: DomainInfo | None) -> Process:
    text = Path(f"/proc/{pid}/status").read_text(errors="replace")
    status = {key: value.strip() for key, _, value in (s.partition(":") for s in text.splitlines())}
    uid = int(status["Uid"].split()[0])
    return Process(pid, int(status["PPid"]), uid, status["Name"], domain)


def parents(found: Sequence[Process]) -> Mapping[int, int | None]:
    """Return for each domain the id of the one that it is nested in.

    0 for one at the top, or whose parent holds no process that is seen;
    ``None`` if the caller has not the right to find out.

    Args:
        found: the processes, as :func:`processes` yields them.
    """
    domains = {item.domain.id: item.domain for item in found if item.domain}
    members = {item.domain.id: item.pid for item in reversed(found) if item.domain}
    return {
        id_: 0 if info.depth == 1 else _parent(info, domains, members)
        for id_, info in domains.items()
    }


def _parent(
    info: DomainInfo, domains: Mapping[int, DomainInfo], members: Mapping[int, int]
) -> int | None:
    inner = witness.domain_of(members[info.id])
    if inner is None:
        return None
    with inner:
        # The innermost that contains it: what is between may hold no process.
        around = [other for other in domains.values() if other.depth < info.depth]
        for other in sorted(around, key=lambda item: -item.depth):
            outer = witness.domain_of(members[other.id])
            if outer is None:
                return None
            with outer:
                if witness.contains(outer, inner):
                    return other.id
    return 0


def sight(
    found: Sequence[Process], parent_of: Mapping[int, int | None]
) -> dict[int, set[int] | None]:
    """Return which domains each domain sees, 0 standing for no domain.

    Capabilities and relations aside; with the view ``user`` a process sees those
    of its real uid, too, and with ``inferiors`` of these its own descendants.
    ``None``: the caller has not the right to find out.

    Args:
        found: the processes, as :func:`processes` yields them.
        parent_of: what :func:`parents` says of them.
    """
    domains = {item.domain.id: item.domain for item in found if item.domain}
    members = {item.domain.id: item for item in reversed(found) if item.domain}
    return {id_: _sight(info, domains, members, parent_of) for id_, info in domains.items()}


def _sight(
    info: DomainInfo,
    domains: Mapping[int, DomainInfo],
    members: Mapping[int, Process],
    parent_of: Mapping[int, int | None],
) -> set[int] | None:
    if info.view is View.ALL:
        return {0, *domains}
    inside = {other for other in domains if info.id in _around(other, parent_of)}
    deeper = any(other.depth > info.depth for other in domains.values())
    if deeper and None in parent_of.values():
        return None
    if info.depth == 1 or info.view is View.INFERIORS:
        return inside
    # Its own view may be all: then it sees as much as the domain around it.
    domain = witness.domain_of(members[info.id].pid)
    if domain is None:
        return None
    with domain:
        answers = {id_: _sees(domain, members[id_]) for id_ in domains.keys() - inside}
    if None in answers.values():
        return None
    return inside | {id_ for id_, seen in answers.items() if seen}


def _sees(domain: Domain, other: Process) -> bool | None:
    """Tell if a process exists for those of a domain who are not of its uid."""
    return witness.sees(domain, other.pid, other.uid ^ 1)


def _around(id_: int, parent_of: Mapping[int, int | None]) -> Iterator[int]:
    """Yield a domain and those that it is nested in, as far as they are known."""
    around: int | None = id_
    while around:
        yield around
        around = parent_of[around]
