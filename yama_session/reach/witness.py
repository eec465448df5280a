"""Asks from inside a domain, by a child that goes there, gives up every capability, and looks.

The kernel shows of a domain its own fields, and not what is around it. Only a
task that may open a domain (CAP_SYS_PTRACE over it) can ask.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import prctl

from yama_session.errors import DomainError, YamaSessionError
from yama_session.scope import Domain

_YES, _NO, _FAILED = range(3)


def domain_of(pid: int) -> Domain | None:
    """Return the domain of a process, ``None`` if it has none or may not be opened."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return None
    try:
        return Domain.open(pidfd)
    except YamaSessionError:
        return None
    finally:
        os.close(pidfd)


def sees(domain: Domain, pid: int, uid: int) -> bool | None:
    """Return whether a process exists for a task of a domain to which it is not related.

    Args:
        domain: the domain; its view must not be inferiors.
        pid: the process; not the caller.
        uid: the real uid of that task, which the view ``user`` asks for.

    Returns:
        ``None`` if nobody could go there.
    """

    def look() -> bool:
        try:
            os.close(os.pidfd_open(pid))
        except ProcessLookupError:
            return False
        return True

    return _ask_inside(domain, look, uid)


def contains(outer: Domain, inner: Domain) -> bool | None:
    """Return whether a domain is nested in another one: only then may one go on into it.

    Returns:
        ``None`` if nobody could go there.
    """

    def go_on() -> bool:
        prctl.set_no_new_privs(1)
        try:
            inner.join()
        except DomainError:
            return False
        return True

    return _ask_inside(outer, go_on)


def _ask_inside(
    domain: Domain, question: Callable[[], bool], uid: int | None = None
) -> bool | None:
    child = os.fork()
    if not child:
        os._exit(_answer(domain, question, uid))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {_YES: True, _NO: False}.get(code)


def _answer(domain: Domain, question: Callable[[], bool], uid: int | None) -> int:
    """Runs in the child: whatever happens, it must not return to the caller's code."""
    try:
        domain.join()
        if uid is not None:
            os.setresuid(uid, uid, uid)
        for capabilities in (prctl.cap_inheritable, prctl.cap_effective, prctl.cap_permitted):
            capabilities.limit()
        return _YES if question() else _NO
    except BaseException:
        return _FAILED
