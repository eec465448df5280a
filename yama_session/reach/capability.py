"""Who is capable over a user namespace: the kernel's ``cap_capable()``."""

from __future__ import annotations

from yama_session.reach.answer import Verdict
from yama_session.reach.facts import Task, UserNamespace


def _verdict(value: bool) -> Verdict:
    return Verdict.YES if value else Verdict.NO


def everywhere(viewer: Task) -> bool:
    """Return whether the viewer has CAP_SYS_PTRACE over every user namespace for certain."""
    own = viewer.user_ns
    return viewer.has_ptrace_capability and own is not None and own.initial


def over(viewer: Task, namespace: UserNamespace | None) -> Verdict:
    """Return whether the viewer has CAP_SYS_PTRACE over a user namespace.

    Args:
        viewer: who looks.
        namespace: the target's, ``None`` if it is not known.
    """
    if everywhere(viewer):
        return Verdict.YES
    if namespace is None:
        return Verdict.UNKNOWN
    if namespace.initial and not viewer.has_ptrace_capability:
        return Verdict.NO
    own = viewer.user_ns
    if own is None:
        return Verdict.UNKNOWN
    for around in namespace.outwards():
        if around.inode == own.inode:
            return _verdict(viewer.has_ptrace_capability)
        parent = around.parent
        if parent and parent.inode == own.inode and around.owner == viewer.uid.effective:
            return Verdict.YES
    return Verdict.NO


def over_memory(viewer: Task, target: Task) -> Verdict:
    """Return whether the viewer has CAP_SYS_PTRACE over the owner of the target's memory.

    That is the user namespace in which the program was started: the target's,
    or one around it; no file tells which.
    """
    if everywhere(viewer):
        return Verdict.YES
    if target.memory_ns:
        return over(viewer, target.memory_ns)
    if over(viewer, target.user_ns) is Verdict.NO:
        return Verdict.NO
    return Verdict.UNKNOWN


def over_domain(viewer: Task) -> Verdict:
    """Return whether the viewer has CAP_SYS_PTRACE over the creator of a domain that it is in.

    That is a user namespace around the viewer's, or its own; nothing tells
    which. A domain that was made in a namespace of the viewer's own making and
    handed out to it is not thought of.
    """
    if not viewer.has_ptrace_capability:
        return Verdict.NO
    return Verdict.YES if everywhere(viewer) else Verdict.UNKNOWN
