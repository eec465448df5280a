"""The exceptions of this package: each says what failed, on what, and what to do."""

from __future__ import annotations

import os
from pathlib import Path


class YamaSessionError(Exception):
    """Base of every error that this package raises."""


class SystemCallError(YamaSessionError, OSError):
    """The kernel refused an operation.

    Args:
        operation: what was tried, for a person ("enter a scope domain").
        errno: the positive error number, also the attribute ``errno``.
        advice: what the number means here and what to do; empty if nothing
            more is known than :func:`os.strerror` says.
    """

    def __init__(self, operation: str, errno: int, advice: str = "") -> None:
        super().__init__(errno, os.strerror(errno))
        self.operation = operation
        self.advice = advice

    def __str__(self) -> str:
        return f"cannot {self.operation}: {self.advice or self.strerror}"


class KernelUnsupported(SystemCallError):
    """The running kernel does not have what was asked for."""


class DomainError(SystemCallError):
    """An operation on a Yama scope domain failed."""


class ProcfsError(SystemCallError):
    """A private procfs could not be made or attached."""


class NamespaceError(SystemCallError):
    """A namespace could not be entered."""


class LandlockError(SystemCallError):
    """A Landlock ruleset could not be made or applied."""


class BpfError(YamaSessionError):
    """The BPF programs cannot be loaded, do not enforce, or do not know a domain."""


class VerifyError(SystemCallError):
    """A confinement that was applied does not hold."""


class ProcessMissing(YamaSessionError):
    """There is no such process, or it is hidden from the caller."""


class EnforcerError(YamaSessionError):
    """No enforcer on this kernel honours what was asked for."""


class AccountError(YamaSessionError):
    """An account could not be looked up, or does not exist."""


class AccountMissing(AccountError):
    """There is no such account, and the name service is sure of it."""


class PolicyError(YamaSessionError):
    """The policy cannot be read or means nothing.

    Args:
        file: the file that is wrong.
        line: its line, from 1, or ``None`` if the error has none.
        message: what is wrong there, with the value.
    """

    def __init__(self, file: Path | str, line: int | None, message: str) -> None:
        super().__init__(file, line, message)
        self.file = Path(file)
        self.line = line
        self.message = message

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.message}"


class ServiceError(YamaSessionError):
    """The session service cannot be reached, or refused a request."""
