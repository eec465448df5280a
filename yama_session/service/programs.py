"""Has the BPF programs loaded where the kernel has no scope domains of its own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from yama_session.enforcers import BPF
from yama_session.enforcers.bpf.state import available, loadable
from yama_session.errors import BpfError
from yama_session.native import OwnedFd
from yama_session.service.notify import Notifier

if TYPE_CHECKING:  # libbpf may be missing
    from yama_session.enforcers.bpf.loader import Programs

_log = logging.getLogger(__name__)

_HOST = Path("/proc/1/root")

#: Seconds between looks whether the kernel still calls the programs.
_LOOK = 2.0

#: Seconds that the manager of the service gives it for loading them.
_PATIENCE = 300


@contextmanager
def loaded(stored: dict[str, OwnedFd], notifier: Notifier) -> Iterator[None]:
    """Let this process use the enforcer ``bpf``, or say why it does not; leave it running.

    Args:
        stored: what the manager kept, by name; what is the programs' is taken out.
        notifier: gives time, and keeps their descriptors over a restart.
    """
    ours = {name: stored.pop(name) for name in list(stored) if name.startswith("bpf-")}
    links = _load(ours, notifier)
    try:
        yield
    finally:
        _leave(links)


def _load(ours: dict[str, OwnedFd], notifier: Notifier) -> Mapping[str, OwnedFd]:
    """Return the links that run from now on: what there was before, if nothing can be loaded."""
    able = loadable()
    if not able:
        BPF.refuse(able.reason)
        return ours
    notifier.extend(_PATIENCE)
    names = set(ours)
    try:
        from yama_session.enforcers.bpf.loader import Programs

        programs = Programs.load(stored=ours)
    except (BpfError, ImportError, OSError) as error:  # libbpf may be missing
        _log.error("the enforcer bpf is not used: %s", error)
        BPF.refuse(str(error))
        return ours
    kept = programs.fds()
    for name, fd in kept.items():
        if name not in names:
            notifier.store(name, fd.fileno())
    for name in names - kept.keys():
        notifier.drop(name)
    BPF.use(programs)
    how = "there already" if programs.reused else "loaded"
    _log.info("the enforcer bpf is ready: its programs were %s", how)
    return kept


async def watch() -> None:
    """Say when the kernel stops to call the programs, and mend what was forked meanwhile.

    That is asked of the programs themselves: whatever stops them is found.
    """
    programs = BPF.programs
    if programs is None:
        return
    well, stopped = time.monotonic_ns(), False
    while True:
        answer, now = available(), time.monotonic_ns()
        if answer and stopped:
            await asyncio.to_thread(_mend, programs, well)
        elif not answer and not stopped:
            _log.critical("NOBODY IS CONFINED by bpf any more: %s", answer.reason)
        stopped = not answer
        if answer:
            well = now
        await asyncio.sleep(_LOOK)


def _mend(programs: Programs, since: int) -> None:
    try:
        found = programs.adopt(since)
    except BpfError as error:
        _log.error("the programs of bpf are called again, but not for all: %s", error)
        return
    _log.warning(
        "the programs of bpf are called again; threads forked meanwhile and put back: %d "
        "(what has lost its parent is put where others of its user and cgroup are, if they are "
        "in one domain: 'yama-session doctor' names the rest)",
        len(found),
    )


def _leave(links: Mapping[str, OwnedFd]) -> None:
    """A manager that stops the service lets go of the descriptors, too: the pins must be there."""
    if not links:
        return
    try:
        from yama_session.enforcers.bpf.loader import PINS, pin

        # What is mounted or unmounted later may not reach the service's own namespace.
        pin(links, _HOST / PINS.relative_to("/"))
    except (BpfError, ImportError, OSError) as error:
        words = "once this service is stopped, who is confined by bpf is so no longer"
        _log.error("%s: %s", words, error)
