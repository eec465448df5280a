"""The enforcer ``yama``: a kernel with the series."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from yama_session.enforcers._base import Availability, DomainEnforcer, State
from yama_session.enforcers._honours import Request
from yama_session.errors import YamaSessionError
from yama_session.levels import Proc, Scope, View
from yama_session.native import OwnedFd, lib
from yama_session.procfs import HidePid
from yama_session.scope import Domain, DomainInfo, abi, describe

_SYSCTL = Path("/proc/sys/kernel/yama/ptrace_scope")


class YamaEnforcer(DomainEnforcer):
    """Scope domains: everything that the design has words for."""

    name = "yama"
    number = lib.YS_YAMA

    def available(self) -> Availability:
        """See :meth:`Enforcer.available`."""
        found = abi()
        if found == lib.YS_ABI:
            return Availability(State.AVAILABLE, f"the kernel has scope domains, ABI {found}")
        if found:
            return Availability(
                State.NOT_BUILT,
                f"the kernel has scope domains of ABI {found}, and ABI {lib.YS_ABI} is needed: "
                "boot one with a newer series",
            )
        if _SYSCTL.exists():
            return Availability(State.NOT_BUILT, "Yama is there, but without scope domains")
        return Availability(
            State.NOT_BUILT,
            "the kernel answers no PR_PTRACE_SCOPE: Yama is not built, not in lsm=, or has no "
            "scope domains",
        )

    def hidepid(self, request: Request) -> HidePid:
        """See :meth:`Enforcer.hidepid`: off, since the domain's view alone decides.

        ``ptraceable`` would first ask for uid and dumpability, and hide the
        session's own ssh-agent, sudo and root shell.
        """
        return HidePid.PTRACEABLE if request.proc is Proc.PTRACEABLE else HidePid.OFF

    def create(
        self,
        scope: Scope,
        view: View,
        *,
        override: bool = False,
        around: OwnedFd | None = None,
    ) -> OwnedFd:
        """See :meth:`DomainEnforcer.create`."""
        if around is None:
            return Domain.create(scope, view, toplevel=True, override=override)
        with _domain(around) as outer:
            return outer.inside(lambda: Domain.create(scope, view, override=override))

    def info(self, token: OwnedFd) -> DomainInfo:
        """See :meth:`DomainEnforcer.info`."""
        with _domain(token) as domain:
            return domain.info()

    def open(self, pidfd: OwnedFd) -> OwnedFd:
        """See :meth:`DomainEnforcer.open`."""
        return Domain.open(pidfd.fileno())

    def domain_of(self, pid: int) -> DomainInfo | None:
        """See :meth:`DomainEnforcer.domain_of`."""
        return describe(pid)

    def populated(self) -> set[int]:
        """See :meth:`DomainEnforcer.populated`: walks over all of ``/proc``."""
        found = set()
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with suppress(YamaSessionError):  # it has exited
                    info = describe(int(entry.name))
                    found |= {info.id} if info else set()
        return found


def _domain(token: OwnedFd) -> Domain:
    """Return the domain of a token, which a manager may have kept, with a descriptor of its own."""
    return Domain(os.dup(token.fileno()))
