"""Asks the kernel itself, which answers for the caller only."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from yama_session.errors import ProcessMissing
from yama_session.native import checked, lib


def may_read(pid: int) -> bool:
    """Return whether the caller may look into a process (PTRACE_MODE_READ).

    Raises:
        ProcessMissing: it has exited, or is hidden from the caller.
    """
    try:
        Path(f"/proc/{pid}/cwd").readlink()
    except FileNotFoundError:
        # A process that exits has none any more: that is asked after the right.
        if not Path(f"/proc/{pid}/stat").exists():
            raise ProcessMissing(f"there is no process {pid} any more") from None
    except PermissionError:
        return False
    return True


def may_attach(pid: int) -> bool:
    """Return whether the caller has the access that PTRACE_ATTACH needs.

    A refusal by Yama's level is reported in the kernel's log, as that of an
    attach is.

    Raises:
        ProcessMissing: it has exited, or is hidden from the caller.
        KernelUnsupported: Linux is older than 5.6.
    """
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        raise ProcessMissing(f"there is no process {pid}, or it is hidden") from None
    try:
        answer = lib.ys_may_attach(pidfd)
        if answer == -errno.ESRCH:
            raise ProcessMissing(f"there is no process {pid} any more")
        return bool(checked("ys_may_attach", answer, f"pid {pid}"))
    finally:
        os.close(pidfd)
