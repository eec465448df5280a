"""Has the BPF programs loaded where the kernel has no scope domains of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from yama_session.enforcers import BPF
from yama_session.enforcers.bpf.state import loadable
from yama_session.errors import BpfError
from yama_session.native import OwnedFd
from yama_session.service.notify import Notifier

if TYPE_CHECKING:  # libbpf may be missing
    from yama_session.enforcers.bpf.loader import Programs

_log = logging.getLogger(__name__)

#: Seconds that the manager of the service gives it for loading them.
_PATIENCE = 300


@contextmanager
def loaded(stored: dict[str, OwnedFd], notifier: Notifier) -> Iterator[None]:
    """Let this process use the enforcer ``bpf``, or say why it does not; leave it running.

    Args:
        stored: what the manager kept, by name; what is the programs' is taken out.
        notifier: gives time, and keeps their descriptors over a restart.
    """
    programs = _load(stored, notifier)
    try:
        yield
    finally:
        if programs is not None:
            _leave(programs)


def _leave(programs: Programs) -> None:
    """A manager that stops the service lets go of the descriptors, too: the pins must be there."""
    try:
        programs.pin()
    except BpfError as error:
        words = "once this service is stopped, who is confined by bpf is so no longer"
        _log.error("%s: %s", words, error)


def _load(stored: dict[str, OwnedFd], notifier: Notifier) -> Programs | None:
    ours = {name: stored.pop(name) for name in list(stored) if name.startswith("bpf-")}
    names = set(ours)
    able = loadable()
    if not able:
        BPF.refuse(able.reason)
        return None
    notifier.extend(_PATIENCE)
    try:
        from yama_session.enforcers.bpf.loader import Programs

        programs = Programs.load(stored=ours)
    except (BpfError, ImportError) as error:  # libbpf may be missing
        _log.error("the enforcer bpf is not used: %s", error)
        BPF.refuse(str(error))
        return None
    kept = programs.fds()
    for name, fd in kept.items():
        if name not in names:
            notifier.store(name, fd)
    for name in names - kept.keys():
        notifier.drop(name)
    BPF.use(programs)
    how = "there already" if programs.reused else "loaded"
    _log.info("the enforcer bpf is ready: its programs were %s", how)
    return programs
