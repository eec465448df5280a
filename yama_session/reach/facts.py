"""What is known of two processes and of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from yama_session.levels import Scope
from yama_session.scope import DomainInfo

#: The number of CAP_SYS_PTRACE; ``linux/capability.h``.
CAP_SYS_PTRACE = 19

#: The inode of the initial user namespace; ``PROC_USER_INIT_INO`` of the kernel.
INITIAL_USER_NS = 0xEFFFFFFD

#: The id of a domain that does not exist yet, so that nothing is in it.
NEW_DOMAIN = -1


@dataclass(frozen=True)
class Ids:
    """The four uids, or the four gids, of a process."""

    real: int
    effective: int
    saved: int
    fs: int


@dataclass(frozen=True)
class UserNamespace:
    """A user namespace.

    Args:
        inode: its number, 0 for one around the reader's.
        owner: the uid of whoever made it.
        parent: the one around it; ``None`` for the initial one.
    """

    inode: int
    owner: int = 0
    parent: UserNamespace | None = None

    @property
    def initial(self) -> bool:
        """Whether it is the machine's own."""
        return self.inode == INITIAL_USER_NS

    def outwards(self) -> Iterator[UserNamespace]:
        """Yield it and what is around it."""
        namespace: UserNamespace | None = self
        while namespace:
            yield namespace
            namespace = namespace.parent


@dataclass(frozen=True)
class Task:
    """One process, as far as it can be read.

    Args:
        pid: its number, 0 for a process that does not exist yet.
        name: its name, as ps(1) shows it.
        uid: its uids.
        gid: its gids.
        effective: its effective capabilities, as a mask.
        permitted: its permitted capabilities.
        user_ns: its user namespace, ``None`` if that may not be read.
        dumpable: whether it is dumpable, ``None`` if that cannot be told.
        domain: the domain of its main thread, ``None`` for none.
        thread_domains: the ids of the domains of all its threads, 0 for none.
        ancestors: its parents, the nearest first, up to init or as far as seen.
        lineage_known: whether ``ancestors`` reaches init.
        tracer: the pid of what traces it now, or 0.
        state: the letter of its state.
        kernel_thread: whether it is one of the kernel's own.
        pid_levels: how many pid namespaces it is in, from the reader's on.
        pid_ns: the inode of its pid namespace, ``None`` if that may not be read.
        hidepid: what its own /proc hides by mount option; ``None``: not readable.
        seccomp: whether it is under a seccomp filter.
    """

    pid: int
    name: str
    uid: Ids
    gid: Ids
    effective: int = 0
    permitted: int = 0
    user_ns: UserNamespace | None = None
    dumpable: bool | None = True
    domain: DomainInfo | None = None
    thread_domains: frozenset[int] = frozenset({0})
    ancestors: tuple[int, ...] = ()
    lineage_known: bool = True
    tracer: int = 0
    state: str = "S"
    kernel_thread: bool = False
    pid_levels: int = 1
    pid_ns: int | None = None
    hidepid: str | None = "off"
    seccomp: bool = False

    @property
    def has_ptrace_capability(self) -> bool:
        """Whether CAP_SYS_PTRACE is among its effective capabilities."""
        return bool(self.effective >> CAP_SYS_PTRACE & 1)

    @property
    def exited(self) -> bool:
        """Whether only its number and exit status are left."""
        return self.state in "ZXx"

    def __str__(self) -> str:
        return f"{self.pid} ({self.name})" if self.pid else self.name


@dataclass(frozen=True)
class Machine:
    """What holds for everybody.

    Args:
        level: the sysctl ``kernel.yama.ptrace_scope``, ``None`` without Yama.
        grants: whether a privileged process can grant one to a tracer.
        unjudged: active security modules whose rules are not known here.
    """

    level: Scope | None
    grants: bool
    unjudged: tuple[str, ...] = ()
