"""Has the BPF programs loaded where the kernel has no scope domains of its own."""

from __future__ import annotations

import logging

from yama_session.enforcers import BPF
from yama_session.enforcers.bpf.state import loadable
from yama_session.errors import BpfError
from yama_session.native import OwnedFd
from yama_session.service.notify import Notifier

_log = logging.getLogger(__name__)

#: Seconds that the manager of the service gives it for loading them.
_PATIENCE = 300


def load(stored: dict[str, OwnedFd], notifier: Notifier) -> None:
    """Let this process use the enforcer ``bpf``, or say why it does not.

    Args:
        stored: what the manager kept, by name; what is the programs' is taken out.
        notifier: gives time, and keeps their descriptors over a restart.
    """
    ours = {name: stored.pop(name) for name in list(stored) if name.startswith("bpf-")}
    names = set(ours)
    able = loadable()
    if not able:
        BPF.refuse(able.reason)
        return
    notifier.extend(_PATIENCE)
    try:
        from yama_session.enforcers.bpf.loader import Programs

        programs = Programs.load(stored=ours)
    except (BpfError, ImportError) as error:  # libbpf may be missing
        _log.error("the enforcer bpf is not used: %s", error)
        BPF.refuse(str(error))
        return
    kept = programs.fds()
    for name, fd in kept.items():
        if name not in names:
            notifier.store(name, fd)
    for name in names - kept.keys():
        notifier.drop(name)
    BPF.use(programs)
    how = "there already" if programs.reused else "loaded"
    _log.info("the enforcer bpf is ready: its programs were %s", how)
