"""The enforcer ``yama``: a kernel with the series."""

from __future__ import annotations

from pathlib import Path

from yama_session.enforcers._base import Availability, Enforcer, State
from yama_session.enforcers._honours import Request
from yama_session.levels import Proc
from yama_session.native import OwnedFd, lib
from yama_session.procfs import HidePid
from yama_session.scope import Domain, abi, enter

_SYSCTL = Path("/proc/sys/kernel/yama/ptrace_scope")


class YamaEnforcer(Enforcer):
    """Scope domains: everything that the design has words for."""

    name = "yama"
    number = lib.YS_YAMA

    def available(self) -> Availability:
        """See :meth:`Enforcer.available`."""
        if abi():
            return Availability(State.AVAILABLE, f"the kernel has scope domains, ABI {abi()}")
        if _SYSCTL.exists():
            return Availability(State.NOT_BUILT, "Yama is there, but without scope domains")
        return Availability(
            State.NOT_BUILT,
            "the kernel answers no PR_PTRACE_SCOPE: Yama is not built, not in lsm=, or has no "
            "scope domains",
        )

    def token(self, request: Request) -> OwnedFd:
        """See :meth:`Enforcer.token`: a top-level domain."""
        return Domain.create(request.scope, request.view, toplevel=True, override=request.override)

    def hidepid(self, request: Request) -> HidePid:
        """See :meth:`Enforcer.hidepid`: off, since the domain's view alone decides.

        ``ptraceable`` would first ask for uid and dumpability, and hide the
        session's own ssh-agent, sudo and root shell.
        """
        return HidePid.PTRACEABLE if request.proc is Proc.PTRACEABLE else HidePid.OFF

    def confine(self, request: Request) -> None:
        """See :meth:`Enforcer.confine`: a domain nested in the caller's."""
        enter(request.scope, request.view, override=request.override)
