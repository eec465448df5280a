"""What the service says instead of an answer: the stable error names of the interface."""

from __future__ import annotations

from yama_session.errors import ServiceError

#: The interface's errors are called this and a dot and a name from ``ERRORS``.
PREFIX = "org.yama.Session1.Error"


class Refusal(ServiceError):
    """A request is refused; the class's name is the error's name on the bus."""

    @property
    def bus_name(self) -> str:
        """The error's full name on the bus."""
        return f"{PREFIX}.{type(self).__name__}"


class AccessDenied(Refusal):
    """The caller may not ask for this."""


class AuthenticationRequired(Refusal):
    """The caller may ask for this once they have proved who they are.

    They can, if the call allows for interaction and polkit finds an agent.
    """


class InvalidArgument(Refusal):
    """An argument means nothing; the message names it with its value."""


class NoSuchUser(Refusal):
    """The account does not exist."""


class PolicyUnavailable(Refusal):
    """There is no policy to decide by, or the account cannot be looked up."""


class EnforcerUnavailable(Refusal):
    """The running kernel cannot do what is asked for."""


class TooManySessions(Refusal):
    """The caller's user has reached a limit of their own."""


class ManagerOutside(Refusal):
    """The user's service manager is not confined, and the policy asks for that.

    The PAM module refuses the login: its fallback would confine it, but not the
    manager.
    """


class LimitExceeded(Refusal):
    """The caller's user, or all together, have reached a limit on something else."""


class MachineFull(Refusal):
    """All users together have reached a limit: no fault of the one who asks.

    The PAM module takes its fallback for it, which is at least as strict as the
    policy. To refuse would let a few users lock out all others.
    """


class NoSuchSession(Refusal):
    """There is no such session, or the caller may not know of it."""


class NoSuchGrant(Refusal):
    """There is no such grant, or the caller may not know of it."""


class NoSuchProcess(Refusal):
    """The process has exited, or is none."""


class ProcessBusy(Refusal):
    """The kernel does not answer about the process now, as while it starts a program."""


class ForeignNamespace(Refusal):
    """The caller lives in another pid or user namespace than the service."""


#: Every error by its name on the bus. Names stay for ever.
ERRORS = {
    f"{PREFIX}.{kind.__name__}": kind
    for kind in (
        AccessDenied,
        AuthenticationRequired,
        InvalidArgument,
        NoSuchUser,
        PolicyUnavailable,
        EnforcerUnavailable,
        TooManySessions,
        ManagerOutside,
        LimitExceeded,
        MachineFull,
        NoSuchSession,
        NoSuchGrant,
        NoSuchProcess,
        ProcessBusy,
        ForeignNamespace,
    )
}
