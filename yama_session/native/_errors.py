"""The one place where a negative errno becomes an exception."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass

from yama_session.errors import (
    DomainError,
    KernelUnsupported,
    LandlockError,
    NamespaceError,
    ProcfsError,
    SystemCallError,
    VerifyError,
)

_NOT_CONFINABLE = (
    "it needs no_new_privs (prctl.set_no_new_privs(1)) or CAP_SYS_ADMIN in the user namespace"
)
_THREADED = "this process has other threads, or shares its memory: act before they start"
_NO_DOMAINS = "this kernel has no scope domains; `yama-session status` shows what it has"
_DEFAULT_ADVICE = {
    errno.EOPNOTSUPP: _NO_DOMAINS,
    errno.EMFILE: "no descriptor is free: close some, or raise RLIMIT_NOFILE",
}


@dataclass(frozen=True)
class _Operation:
    """How a failure of one C function is told: words, class, and advice by errno."""

    words: str
    error: type[SystemCallError]
    advice: Mapping[int, str]
    unsupported: frozenset[int] = frozenset({errno.EOPNOTSUPP})


_ENTER_ADVICE = {
    errno.EBUSY: _THREADED,
    errno.EPERM: f"not permitted: {_NOT_CONFINABLE}; "
    "toplevel and override need CAP_SYS_PTRACE as well",
    errno.E2BIG: "scope domains nest at most 16 deep",
}

_OPERATIONS: Mapping[str, _Operation] = {
    "ys_enter": _Operation("enter a scope domain", DomainError, _ENTER_ADVICE),
    "ys_create": _Operation("create a scope domain", DomainError, _ENTER_ADVICE),
    "ys_join": _Operation(
        "join a scope domain",
        DomainError,
        {
            errno.EBADF: "the descriptor is not open",
            errno.EINVAL: "the descriptor is not a scope domain",
            errno.EBUSY: _THREADED,
            errno.EPERM: f"not permitted: downwards {_NOT_CONFINABLE}; any other way needs "
            "CAP_SYS_PTRACE over every domain left, none of them at scope 3",
        },
    ),
    "ys_leave": _Operation(
        "leave the scope domain",
        DomainError,
        {
            errno.EBUSY: _THREADED,
            errno.EPERM: "not permitted: it needs CAP_SYS_PTRACE over the domain, "
            "which must not be at scope 3",
        },
    ),
    "ys_check": _Operation(
        "confirm the scope domain",
        DomainError,
        {errno.ENODATA: "the domain of this process is weaker than that"},
    ),
    "ys_open": _Operation(
        "open the scope domain of a process",
        DomainError,
        {
            errno.EBADF: "the descriptor is not a pidfd",
            errno.ESRCH: "the process has exited, or is hidden from this one",
            errno.ENODATA: "the process is in no domain",
            errno.EPERM: "not permitted: it needs CAP_SYS_PTRACE over that domain",
        },
    ),
    "ys_allow": _Operation(
        "grant a process to a tracer",
        DomainError,
        {
            errno.EOPNOTSUPP: "it needs the enforcer yama, which this kernel does not have: "
            "use 'sudo gdb -p'",
            errno.EBADF: "one of the descriptors is not a pidfd",
            errno.ESRCH: "one of the processes has exited, or is hidden from this one",
            errno.EPERM: "not permitted: it needs CAP_SYS_PTRACE over the process, its domain,"
            " and what hides it from the tracer",
        },
    ),
    "ys_describe": _Operation(
        "describe the scope domain of a process",
        DomainError,
        {
            errno.ENOENT: "there is no such process, or it is hidden from this one",
            errno.EBADMSG: "the kernel described it in a form that this version does not know",
        },
    ),
    "ys_info": _Operation(
        "describe a scope domain",
        DomainError,
        {
            errno.EBADF: "the descriptor is not open",
            errno.EBADMSG: "the descriptor is not a scope domain",
        },
    ),
    "ys_parse_attr": _Operation(
        "read the description of a scope domain",
        DomainError,
        {errno.EBADMSG: "the text is not in the form of /proc/PID/attr/yama/scope"},
    ),
    "ys_parse_fdinfo": _Operation(
        "read the description of a scope domain",
        DomainError,
        {errno.EBADMSG: "the text is not in the form of a domain's fdinfo"},
    ),
    "ys_may_attach": _Operation(
        "ask for the right to attach",
        DomainError,
        {
            errno.EBADF: "the descriptor is not open",
            errno.ESRCH: "the process has exited, or is hidden from this one",
        },
        unsupported=frozenset({errno.ENOSYS}),
    ),
    "ys_procfs_new": _Operation(
        "make a private procfs",
        ProcfsError,
        {
            errno.EPERM: "not permitted: it needs CAP_SYS_ADMIN over the pid namespace, and in a "
            "user namespace a /proc that nothing masks",
            errno.EINVAL: "this kernel's procfs does not know the hidepid value",
        },
    ),
    "ys_procfs_attach": _Operation(
        "attach the private procfs",
        ProcfsError,
        {
            errno.EXDEV: "stdin, stdout or stderr is open on another procfs: redirect it",
            errno.EISDIR: "stdin, stdout or stderr is a directory, which would lead back to what "
            "is hidden: redirect it",
            errno.EINVAL: "the descriptor is not a detached procfs, or /proc is no mount point",
            errno.EPERM: "not permitted: it needs CAP_SYS_ADMIN over the mount namespace",
        },
    ),
    "ys_userns_enter": _Operation(
        "enter a user namespace",
        NamespaceError,
        {
            errno.EINVAL: _THREADED,
            errno.EPERM: "this system forbids it: see user.max_user_namespaces, "
            "kernel.unprivileged_userns_clone and the security module's policy",
            errno.ENOSPC: "the limit user.max_user_namespaces is reached",
        },
    ),
    "ys_landlock_abi": _Operation(
        "use Landlock",
        LandlockError,
        {
            errno.ENOSYS: "it is not built into this kernel",
            errno.EOPNOTSUPP: "it is built but disabled at boot: add landlock to lsm=",
        },
        unsupported=frozenset({errno.ENOSYS, errno.EOPNOTSUPP}),
    ),
    "ys_landlock_create": _Operation(
        "make a Landlock ruleset",
        LandlockError,
        {
            errno.ENOSYS: "Landlock is not built into this kernel",
            errno.EOPNOTSUPP: "Landlock is disabled at boot, or older than ABI 6 (Linux 6.12)",
        },
        unsupported=frozenset({errno.ENOSYS, errno.EOPNOTSUPP}),
    ),
    "ys_landlock_restrict": _Operation(
        "enter a Landlock domain",
        LandlockError,
        {
            errno.EBADFD: "the descriptor is not a Landlock ruleset",
            errno.EPERM: f"not permitted: {_NOT_CONFINABLE}",
            errno.E2BIG: "Landlock domains nest at most 16 deep",
        },
    ),
    "ys_bpf_token": _Operation("make a token of a domain's key", DomainError, {}),
    "ys_bpf_key": _Operation(
        "read the key in a token",
        DomainError,
        {
            errno.EBADF: "the descriptor is not open",
            errno.EINVAL: "the descriptor is not a token that the service has made",
        },
    ),
    "ys_token_apply": _Operation(
        "apply the session's token",
        DomainError,
        {
            errno.ENOENT: "the domain that the token opens is no longer there",
            errno.EAGAIN: "the BPF programs could not answer, or this process shares its memory",
        },
    ),
    "ys_bystander": _Operation("start a process that must not be seen", VerifyError, {}),
    "ys_verify": _Operation(
        "prove the confinement",
        VerifyError,
        {
            errno.ENODATA: "the scope domain is weaker than asked for",
            errno.EACCES: "a process outside the session is still visible in /proc",
            errno.ENOENT: "/proc does not show the session's own processes",
        },
    ),
}


def checked(operation: str, value: int, about: str = "") -> int:
    """Return ``value``, the result of the C function ``operation``, or raise.

    Args:
        operation: the name of the C function, such as ``"ys_enter"``.
        value: what it returned: a result >= 0 or a negative errno.
        about: what it was called on, for the message ("scope 2").

    Raises:
        KernelUnsupported: the kernel lacks the interface.
        SystemCallError: its subclass for the operation, for any other errno.
    """
    if value >= 0:
        return value
    known = _OPERATIONS[operation]
    words = f"{known.words} ({about})" if about else known.words
    advice = known.advice.get(-value, _DEFAULT_ADVICE.get(-value, ""))
    error = KernelUnsupported if -value in known.unsupported else known.error
    raise error(words, -value, advice)
