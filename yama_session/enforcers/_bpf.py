"""The enforcer ``bpf``: stock kernels with the BPF LSM, as Debian ships them."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING

from yama_session.enforcers._base import Availability, DomainEnforcer, State
from yama_session.enforcers._honours import Request
from yama_session.enforcers.bpf import state
from yama_session.errors import EnforcerError, ProcessMissing
from yama_session.levels import Scope, View
from yama_session.native import OwnedFd, lib
from yama_session.procfs import HidePid
from yama_session.scope import DomainInfo

if TYPE_CHECKING:  # who only asks needs no libbpf
    from yama_session.enforcers.bpf.loader import Programs


class BpfEnforcer(DomainEnforcer):
    """Scope domains by BPF programs, and a ptraceable procfs.

    Anybody can have a domain nested in their own. To make one that others
    join, and to say which process is in which, takes the loaded programs: the
    session service has them.
    """

    name = "bpf"
    number = lib.YS_BPF

    def __init__(self) -> None:
        self._programs: Programs | None = None
        self._failure = ""

    @property
    def programs(self) -> Programs | None:
        """The programs that this process has, ``None`` if it has none."""
        return self._programs

    def use(self, programs: Programs) -> None:
        """Make domains by these programs from now on."""
        self._programs = programs

    def refuse(self, reason: str) -> None:
        """Have this process not use the enforcer, whatever the kernel answers.

        Args:
            reason: why, for a person.
        """
        self._failure = reason

    def available(self) -> Availability:
        """See :meth:`Enforcer.available`."""
        if self._failure:
            return Availability(State.DISABLED, self._failure)
        return state.available()

    def hidepid(self, request: Request) -> HidePid:
        """See :meth:`Enforcer.hidepid`: the programs decide what is ptraceable."""
        return HidePid.PTRACEABLE

    def create(
        self,
        scope: Scope,
        view: View,
        *,
        override: bool = False,
        around: OwnedFd | None = None,
    ) -> OwnedFd:
        """See :meth:`DomainEnforcer.create`."""
        if override:
            raise EnforcerError("a BPF program cannot let a scope stand in place of the sysctl")
        return self._loaded().domain(scope, view, around=around)

    def info(self, token: OwnedFd) -> DomainInfo:
        """See :meth:`DomainEnforcer.info`."""
        return self._loaded().info(token).info

    def open(self, pidfd: OwnedFd) -> OwnedFd:
        """See :meth:`DomainEnforcer.open`."""
        return self._loaded().open(pidfd.fileno())

    def domain_of(self, pid: int) -> DomainInfo | None:
        """See :meth:`DomainEnforcer.domain_of`."""
        try:
            pidfd = OwnedFd(os.pidfd_open(pid))
        except ProcessLookupError:
            raise ProcessMissing(f"there is no process {pid}") from None
        with pidfd:
            found = self._loaded().describe(pidfd.fileno())
        return None if found is None else found.info

    def populated(self) -> set[int]:
        """See :meth:`DomainEnforcer.populated`."""
        return {id_ for member in self._loaded().members() for id_ in member.domain.chain}

    def retain(self, ids: Collection[int]) -> None:
        """See :meth:`DomainEnforcer.retain`."""
        self._loaded().retain(ids)

    def _loaded(self) -> Programs:
        if self._programs is None:
            raise EnforcerError("the session service alone has the BPF programs: ask it")
        return self._programs
