"""Scope domains of the Yama series: make, join, enter, leave, check and describe.

Source: ``Documentation/userspace-api/yama.rst`` of the kernel series;
``prctl(PR_PTRACE_SCOPE, ...)``.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from yama_session.levels import Scope, View
from yama_session.native import OwnedFd, checked, ffi, lib

__all__ = [
    "Domain",
    "DomainInfo",
    "abi",
    "allow",
    "answered",
    "by_programs",
    "check",
    "describe",
    "enter",
    "held",
    "leave",
    "parse_attr",
    "parse_fdinfo",
    "supported",
]

_ResultT = TypeVar("_ResultT")


@dataclass(frozen=True)
class DomainInfo:
    """A domain as the kernel describes it; scope and view are the composed ones.

    Attributes:
        scope: the level in force, the stricter ones around it counted in.
        view: the view in force, likewise.
        depth: 1 for a top-level domain.
        id: unique while the machine is up.
        override: whether the scope stands in place of the sysctl.
    """

    scope: Scope
    view: View
    depth: int
    id: int
    override: bool


def supported() -> bool:
    """Return whether the running kernel has the interface that this library speaks, all of it.

    An older version of it is none: it has other numbers for the views.
    """
    return lib.ys_has(lib.YS_ABI) >= 0 and bool(lib.ys_is_series())


def answered() -> bool:
    """Return whether something, be it a BPF program, answers :func:`enter` and :func:`check`."""
    return lib.ys_has(lib.YS_ABI) >= 0


def by_programs() -> bool:
    """Return whether BPF programs answer, of whatever version: no file shows their domains."""
    return lib.ys_abi() > 0 and not lib.ys_is_series()


def abi() -> int:
    """Return the newest version of the interface that the kernel has, up to this library's; or 0.

    Only where it is this library's own :func:`supported` says yes.
    """
    return lib.ys_abi() if lib.ys_is_series() else 0


def enter(
    scope: Scope,
    view: View,
    *,
    toplevel: bool = False,
    override: bool = False,
    thread: bool = False,
) -> None:
    """Nest a new domain in the caller's and put the caller into it, for good.

    Args:
        scope: the level; a weaker one than around it loosens nothing.
        view: the view, likewise.
        toplevel: nest in nothing instead (``CAP_SYS_PTRACE``).
        override: let the scope stand in place of the sysctl (``CAP_SYS_PTRACE``
            in the initial user namespace).
        thread: confine this thread alone where there are others.

    Raises:
        DomainError: neither ``no_new_privs`` is set nor ``CAP_SYS_ADMIN``
            held, there are other threads, or the nesting is too deep.
        KernelUnsupported: the kernel has no domains.
    """
    _require_answer("ys_enter")
    flags = _flags(toplevel=toplevel, override=override, thread=thread)
    checked("ys_enter", lib.ys_enter(scope, view, flags), _about(scope, view))


def leave(*, thread: bool = False) -> None:
    """Leave every domain that the caller is in.

    Raises:
        DomainError: ``CAP_SYS_PTRACE`` is missing over one of them, one is at
            scope 3, or there are other threads.
        KernelUnsupported: the kernel has no domains.
    """
    _require_answer("ys_leave")
    checked("ys_leave", lib.ys_leave(_flags(thread=thread)))


def check(scope: Scope, view: View) -> bool:
    """Return whether the caller's domain is at least this strict (the sysctl is not counted).

    Raises:
        KernelUnsupported: the kernel has no domains.
    """
    _require_answer("ys_check")
    return lib.ys_check(scope, view) >= 0


def held() -> tuple[Scope, View]:
    """Return the levels of the caller's domain: classic and all, if it is in none.

    What answers :func:`check` suffices for it.

    Raises:
        KernelUnsupported: the kernel has no domains.
    """
    scope = max(scope for scope in Scope if check(scope, View.ALL))
    return scope, max(view for view in View if check(Scope.CLASSIC, view))


def allow(tracee: int, tracer: int | None) -> None:
    """Grant a process to another one as its tracer, or withdraw the grant.

    A grant counts at the scopes relational and capability, lifts the tracer's
    view for this one process, and leaves all other tests of ptrace in place.
    It ends with either process, and when the tracee leaves a domain.

    Args:
        tracee: pidfd of the process to be traced; a second grant takes the
            place of its first.
        tracer: pidfd of the process that may trace it, ``None`` to withdraw;
            an attach already made stays.

    Raises:
        DomainError: one of them is gone or hidden, or ``CAP_SYS_PTRACE`` is
            missing over the tracee, its domain or what hides it.
        KernelUnsupported: the kernel has no domains.
    """
    _require_kernel("ys_allow")
    checked("ys_allow", lib.ys_allow(tracee, -1 if tracer is None else tracer))


def describe(pid: int) -> DomainInfo | None:
    """Return the domain of the process or thread ``pid``, ``None`` if it is in none.

    Raises:
        DomainError: there is no such process, or it is hidden from the caller.
        KernelUnsupported: the kernel has no domains.
    """
    info = ffi.new("struct ys_domain_info *")
    return _described("ys_describe", lib.ys_describe(pid, info), info, f"pid {pid}")


def parse_attr(text: bytes) -> DomainInfo | None:
    """Return what the text of a ``/proc/PID/attr/yama/scope`` says.

    Raises:
        DomainError: the text is in another form.
    """
    info = ffi.new("struct ys_domain_info *")
    return _described("ys_parse_attr", lib.ys_parse_attr(text, len(text), info), info, repr(text))


def parse_fdinfo(text: bytes) -> DomainInfo | None:
    """Return what the fdinfo text of a domain descriptor says.

    Raises:
        DomainError: the text is in another form.
    """
    info = ffi.new("struct ys_domain_info *")
    ret = lib.ys_parse_fdinfo(text, len(text), info)
    return _described("ys_parse_fdinfo", ret, info, repr(text))


class Domain(OwnedFd):
    """A domain held by its descriptor: it lives while one is open or a task is in it."""

    __slots__ = ()

    @classmethod
    def create(
        cls, scope: Scope, view: View, *, toplevel: bool = False, override: bool = False
    ) -> Self:
        """Make a domain nested in the caller's, without entering it.

        Args and errors: as for :func:`enter`.
        """
        _require_kernel("ys_create")
        flags = _flags(toplevel=toplevel, override=override)
        return cls(checked("ys_create", lib.ys_create(scope, view, flags), _about(scope, view)))

    @classmethod
    def open(cls, pidfd: int) -> Self:
        """Return the domain of the process behind ``pidfd``.

        Raises:
            DomainError: the process is gone or in no domain, or
                ``CAP_SYS_PTRACE`` over the domain is missing.
            KernelUnsupported: the kernel has no domains.
        """
        _require_kernel("ys_open")
        return cls(checked("ys_open", lib.ys_open(pidfd), f"pidfd {pidfd}"))

    def join(self, *, thread: bool = False) -> None:
        """Put the caller into this domain.

        Raises:
            DomainError: as for :func:`enter` downwards; any other way needs
                ``CAP_SYS_PTRACE`` over every domain left.
        """
        checked("ys_join", lib.ys_join(self.fileno(), _flags(thread=thread)))

    def inside(self, do: Callable[[], _ResultT]) -> _ResultT:
        """Do something in this domain: by a thread that goes into it, and ends there.

        Raises:
            DomainError: as for :meth:`join`.
            Exception: what ``do`` raises.
        """
        made: list[_ResultT] = []
        failed: list[Exception] = []

        def run() -> None:
            try:
                self.join(thread=True)
                made.append(do())
            except Exception as error:
                failed.append(error)

        thread = threading.Thread(target=run, name="in-a-domain")
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return made[0]

    def info(self) -> DomainInfo:
        """Return what this domain is.

        Raises:
            DomainError: the descriptor is no domain.
        """
        info = ffi.new("struct ys_domain_info *")
        checked("ys_info", lib.ys_info(self.fileno(), info), f"fd {self.fileno()}")
        return _from_native(info)


def _flags(*, toplevel: bool = False, override: bool = False, thread: bool = False) -> int:
    return (
        toplevel * lib.PR_PTRACE_SCOPE_F_TOPLEVEL
        | override * lib.PR_PTRACE_SCOPE_F_OVERRIDE
        | thread * lib.PR_PTRACE_SCOPE_F_THREAD
    )


def _about(scope: Scope, view: View) -> str:
    return f"scope {Scope(scope).word}, view {View(view).word}"


def _require_kernel(operation: str) -> None:
    # A kernel without domains and a wrong argument are the same EINVAL.
    if not supported():
        checked(operation, -errno.EOPNOTSUPP, _version())


def _require_answer(operation: str) -> None:
    if not answered():
        checked(operation, -errno.EOPNOTSUPP, _version())


def _version() -> str:
    """What to say of a version that is there, but too old."""
    found = lib.ys_abi()
    return f"version {found} of the interface, {lib.YS_ABI} is needed" if found else ""


def _from_native(info: Any) -> DomainInfo:
    return DomainInfo(Scope(info.scope), View(info.view), info.depth, info.id, bool(info.override))


def _described(operation: str, ret: int, info: Any, about: str) -> DomainInfo | None:
    return _from_native(info) if checked(operation, ret, about) else None
