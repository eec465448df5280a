"""What is known of two processes and of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from yama_session.levels import Scope, View
from yama_session.scope import DomainInfo

#: The number of CAP_SYS_PTRACE; ``linux/capability.h``.
CAP_SYS_PTRACE = 19

#: The inode of the initial user namespace; ``PROC_USER_INIT_INO`` of the kernel.
INITIAL_USER_NS = 0xEFFFFFFD

#: A view follows parents this far, the process itself counted; ``YAMA_ANCESTORS_MAX``.
MAX_GENERATIONS = 128

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
class Enclosure:
    """One domain as the kernel keeps it, with what is around it.

    No file tells it: what :class:`~yama_session.scope.DomainInfo` has of a
    domain counts the domains around it in.

    Args:
        id: its number.
        view: its own view.
        user_ns: the user namespace of its creator, ``None`` if that is not known.
        parent: the domain that it is nested in, ``None`` at the top.
    """

    id: int
    view: View
    user_ns: UserNamespace | None = None
    parent: Enclosure | None = None

    def outwards(self) -> Iterator[Enclosure]:
        """Yield it and what is around it."""
        domain: Enclosure | None = self
        while domain:
            yield domain
            domain = domain.parent

    def contains(self, other: Enclosure | None) -> bool:
        """Return whether a domain is this one or nested in it; ``None`` is no domain."""
        return other is not None and any(domain.id == self.id for domain in other.outwards())


@dataclass(frozen=True)
class Thread:
    """One thread of a process, as the kernel judges it.

    Args:
        uid: its real uid.
        enclosure: its domain, ``None`` for none.
    """

    uid: int
    enclosure: Enclosure | None = None


@dataclass(frozen=True)
class Tracer:
    """Who may trace a process by a relation.

    Args:
        pid: the number of the tracer, 0 for nobody and -1 for everybody.
        enclosure: its domain, ``None`` for none.
    """

    pid: int
    enclosure: Enclosure | None = None


#: The relation of a process that has named no tracer, or has been granted to none.
NOBODY = Tracer(0)

#: The relation after ``PR_SET_PTRACER_ANY``.
EVERYBODY = Tracer(-1)


@dataclass(frozen=True)
class Task:
    """One process, as far as it can be read.

    The last five are what no file tells. Where they are given the rules leave
    nothing open.

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
        enclosure: its domain with what is around it, ``None`` if that is not known.
        threads: all its threads, ``None`` if they are not known.
        named: whom it has named with ``PR_SET_PTRACER``, ``None`` if not known.
        granted: whom it was granted to, in which domain; ``None`` if not known.
        memory_ns: the user namespace in which its program was started.
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
    enclosure: Enclosure | None = None
    threads: tuple[Thread, ...] | None = None
    named: Tracer | None = None
    granted: Tracer | None = None
    memory_ns: UserNamespace | None = None

    @property
    def is_deputy(self) -> bool:
        """Whether it acts for another user: a set-uid program."""
        return self.uid.real != self.uid.effective

    @property
    def is_placed(self) -> bool:
        """Whether it is known what is around the domains of all its threads."""
        if self.threads is None and self.thread_domains - {self.domain.id if self.domain else 0}:
            return False
        return self.domain is None or self.enclosure is not None

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
        hides_names: whether a view hides names, and not only what is behind
            them: the series does, BPF programs do not.
        level_is_readers: whether the level is that of the reader's own domain,
            as the sysctl reads in one: the machine's may be another one.
    """

    level: Scope | None
    grants: bool
    unjudged: tuple[str, ...] = ()
    hides_names: bool = True
    level_is_readers: bool = False
