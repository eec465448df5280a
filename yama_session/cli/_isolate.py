"""The namespaces that ``run`` needs where the kernel has no scope domains."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

import prctl

from yama_session import HidePid, Procfs, ProcfsError, ServiceError
from yama_session.native import checked, lib


def enter_user_namespace(*, pid_namespace: bool = False) -> None:
    """Enter a user namespace with the caller's own ids, and every capability in it.

    Args:
        pid_namespace: also give the children a pid namespace.

    Raises:
        NamespaceError: the system does not allow it.
    """
    flags = lib.YS_USERNS_PID if pid_namespace else 0
    checked("ys_userns_enter", lib.ys_userns_enter(flags))


def drop_capabilities() -> None:
    """Drop every capability for good: with one left, ``umount /proc`` brings the host back."""
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for capability in range(last + 1):
        prctl.capbset_drop(capability)
    for capabilities in (prctl.cap_inheritable, prctl.cap_effective, prctl.cap_permitted):
        capabilities.limit()  # without its permitted and inheritable bits no ambient one stays


def detached_procfs() -> Procfs:
    """Return a ptraceable procfs, made here with privilege and else by the service.

    Raises:
        ServiceError: neither can.
    """
    try:
        return Procfs.new(HidePid.PTRACEABLE)
    except ProcfsError:
        pass
    try:
        from yama_session.service import client
    except ImportError as error:
        raise ServiceError(f"the session service is not installed ({error.name})") from error
    return Procfs(client.detached_procfs())


def become_init() -> None:
    """Return, without capabilities, in the first program of the new pid namespace.

    The process that calls this stays outside as its stand-in: it passes
    signals on and exits as the child does. Between the two stands pid 1 of
    the namespace, which reaps orphans; the kernel kills all with it.
    """
    _stand_in_for(os.fork())
    prctl.set_pdeathsig(signal.SIGKILL)
    with Procfs.new(HidePid.PTRACEABLE) as procfs:
        procfs.attach(strict=True)
    drop_capabilities()
    _stand_in_for(os.fork())


def _stand_in_for(child: int) -> None:
    """Return in the child; in its parent wait for it, then exit as it did."""
    if child:
        _forward_signals(child)
        _exit_like(_wait_for(child))


def _forward_signals(child: int) -> None:
    def forward(number: int, _frame: FrameType | None) -> None:
        os.kill(child, number)

    # The terminal sends these to the whole foreground group, child included.
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, forward)


def _wait_for(child: int) -> int:
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def _exit_like(code: int) -> NoReturn:
    sys.stderr.flush()
    os._exit(code if code >= 0 else 128 - code)
