"""What every enforcer is."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from yama_session.enforcers._honours import Honour, Request, Shortfall, shortfalls
from yama_session.errors import EnforcerError, KernelUnsupported
from yama_session.levels import Proc, Scope, View
from yama_session.native import OwnedFd, checked, lib
from yama_session.procfs import HidePid, Procfs
from yama_session.scope import DomainInfo, enter


class State(Enum):
    """Whether an enforcer can be used; the two ways of not being there need different cures."""

    AVAILABLE = "available"
    DISABLED = "disabled"
    NOT_BUILT = "not built"


@dataclass(frozen=True)
class Availability:
    """The state of an enforcer on the running kernel, and the reason, for a person."""

    state: State
    reason: str

    def __bool__(self) -> bool:
        return self.state is State.AVAILABLE

    def __str__(self) -> str:
        return f"{self.state.value}: {self.reason}"


class Enforcer(ABC):
    """A mechanism of the kernel that confines a session.

    Attributes:
        name: the word of the policy and of the bus.
        number: ``enum ys_enforcer`` of the C functions.
    """

    name: str
    number: int

    @abstractmethod
    def available(self) -> Availability:
        """Return whether the running kernel has it, with the reason."""

    @abstractmethod
    def token(self, request: Request) -> OwnedFd:
        """Make the descriptor that confines whoever applies it.

        Raises:
            SystemCallError: the kernel refused; its subclass says what.
        """

    @abstractmethod
    def hidepid(self, request: Request) -> HidePid:
        """Return the option with which a private procfs suits this enforcer."""

    @abstractmethod
    def confine(self, request: Request) -> None:
        """Confine the caller itself, without privilege (``no_new_privs`` must be set).

        Raises:
            SystemCallError: the kernel refused; its subclass says what.
        """

    def shortfalls(self, request: Request) -> tuple[Shortfall, ...]:
        """Return what this enforcer honours partly or not at all, worst first."""
        return shortfalls(self.name, request)

    def require(
        self, request: Request, *, named: bool = False, accept: Collection[str] = ()
    ) -> None:
        """Make sure that this enforcer can be used for ``request``.

        Args:
            request: the settings.
            named: whether somebody chose this enforcer by name, and with it
                what it honours only in part.
            accept: words of :data:`HONOURS` that may be honoured in part anyway.

        Raises:
            KernelUnsupported: the running kernel does not have it.
            EnforcerError: it does not honour the request.
        """
        availability = self.available()
        if not availability:
            raise KernelUnsupported(
                f"use the enforcer {self.name}", errno.EOPNOTSUPP, str(availability)
            )
        missing = [
            str(item)
            for item in self.shortfalls(request)
            if item.cell.honour is Honour.NO or not (named or item.word in accept)
        ]
        if missing:
            raise EnforcerError("; ".join(missing))

    def procfs(self, request: Request) -> Procfs | None:
        """Make the private procfs of a session, ``None`` where it needs none.

        Raises:
            ProcfsError: it could not be made.
        """
        if request.proc is Proc.HOST or request.view is View.ALL:
            return None
        return Procfs.new(self.hidepid(request))

    def apply(self, token: OwnedFd, *, thread: bool = False) -> None:
        """Confine the caller with a token of this enforcer.

        Args:
            token: what :meth:`token` made, here or in another process.
            thread: confine this thread alone where there are others.

        Raises:
            DomainError: the kernel refused.
        """
        flags = lib.PR_PTRACE_SCOPE_F_THREAD if thread else 0
        ret = lib.ys_token_apply(self.number, token.fileno(), flags)
        checked("ys_token_apply", ret, f"enforcer {self.name}")

    def verify(self, request: Request, *, outside: int) -> None:
        """Prove that the caller is confined as asked, and whoever it forks.

        Args:
            request: what was asked for.
            outside: the pid of a process that must not be seen; 0 to skip that.

        Raises:
            VerifyError: it does not hold; the message says what does not.
        """
        names_visible = request.proc is Proc.HOST and self.hidepid(request) is not HidePid.OFF
        view = View.ALL if names_visible else request.view
        ret = lib.ys_verify(self.number, request.scope, view, outside)
        checked("ys_verify", ret, f"enforcer {self.name}, outside pid {outside}")


class DomainEnforcer(Enforcer):
    """An enforcer whose tokens are domains: they can be joined, so that sessions share one."""

    @abstractmethod
    def create(
        self,
        scope: Scope,
        view: View,
        *,
        override: bool = False,
        around: OwnedFd | None = None,
    ) -> OwnedFd:
        """Make a domain and return its token.

        Args:
            scope: the level; a weaker one than around it loosens nothing.
            view: the view, likewise.
            override: let the scope stand in place of the sysctl.
            around: the token of the domain that it is nested in; without one
                it is at the top.

        Raises:
            YamaSessionError: it cannot be made.
        """

    @abstractmethod
    def info(self, token: OwnedFd) -> DomainInfo:
        """Return what the domain of a token is.

        Raises:
            YamaSessionError: it is none, or none any more.
        """

    @abstractmethod
    def open(self, pidfd: OwnedFd) -> OwnedFd:
        """Return a token of the domain that a process is in.

        Raises:
            YamaSessionError: the process has exited or is in none.
        """

    @abstractmethod
    def domain_of(self, pid: int) -> DomainInfo | None:
        """Return the domain of a process, ``None`` if it is in none.

        Raises:
            YamaSessionError: there is no such process.
        """

    @abstractmethod
    def populated(self) -> set[int]:
        """Return the ids of all domains that a process is in: not for a login's way."""

    def retain(self, ids: Collection[int]) -> None:
        """Let go of every domain but these; the processes in one stay in it.

        Args:
            ids: the domains whose tokens are still to be applied.
        """

    def token(self, request: Request) -> OwnedFd:
        """See :meth:`Enforcer.token`: a domain at the top."""
        return self.create(request.scope, request.view, override=request.override)

    def confine(self, request: Request) -> None:
        """See :meth:`Enforcer.confine`: a domain nested in the caller's."""
        enter(request.scope, request.view, override=request.override)
