"""Sessions that see and trace only their own processes.

The public names; ``yama_session.enforcers``, ``yama_session.policy`` and
``yama_session.service`` are packages of their own.
"""

from yama_session._version import __version__
from yama_session.errors import (
    AccountError,
    DomainError,
    EnforcerError,
    KernelUnsupported,
    LandlockError,
    NamespaceError,
    PolicyError,
    ProcessMissing,
    ProcfsError,
    ServiceError,
    SystemCallError,
    VerifyError,
    YamaSessionError,
)
from yama_session.levels import Group, Proc, Scope, View
from yama_session.native import OwnedFd
from yama_session.procfs import HidePid, Procfs
from yama_session.reach import Answer, Verdict, can_attach
from yama_session.scope import (
    Domain,
    DomainInfo,
    allow,
    check,
    describe,
    enter,
    leave,
    supported,
)

__all__ = [
    "AccountError",
    "Answer",
    "Domain",
    "DomainError",
    "DomainInfo",
    "EnforcerError",
    "Group",
    "HidePid",
    "KernelUnsupported",
    "LandlockError",
    "NamespaceError",
    "OwnedFd",
    "PolicyError",
    "Proc",
    "ProcessMissing",
    "Procfs",
    "ProcfsError",
    "Scope",
    "ServiceError",
    "SystemCallError",
    "Verdict",
    "VerifyError",
    "View",
    "YamaSessionError",
    "__version__",
    "allow",
    "can_attach",
    "check",
    "describe",
    "enter",
    "leave",
    "supported",
]
