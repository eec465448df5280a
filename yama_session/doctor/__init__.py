"""Looks for what keeps a policy from holding, and says of each finding what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from yama_session.doctor import known, logins, machine, pam, processes, units
from yama_session.doctor.finding import Finding, Severity, note
from yama_session.enforcers import ENFORCERS
from yama_session.errors import BpfError, KernelUnsupported, ServiceError
from yama_session.pamd import Services
from yama_session.policy import Policy, Reading, Source, outcomes, read, understand
from yama_session.reach.picture import picture

#: The one that hides names in every procfs.
YAMA = ENFORCERS[0]

__all__ = ["Finding", "Severity", "examine"]


def examine() -> Iterator[Finding]:
    """Examine the machine; yields each finding as it is made, those that are known as notes.

    Only root sees all of it: to anybody else much looks as if it were missing.
    """
    yield from known.sorted_out(_examine())


def _examine() -> Iterator[Finding]:
    files = read()
    policy = _in_force(files)
    yield from machine.examine_kernel(policy)
    yield from machine.examine_procfs()
    yield from machine.examine_terminals()
    yield from machine.examine_policy(files)
    yield from machine.examine_service()
    services = Services()
    yield from pam.examine(services, landlock=_by_landlock(policy))
    yield from logins.examine(services, policy)
    yield from units.examine(needs_private_proc=not YAMA.available())
    try:
        yield from processes.examine(picture().processes, policy)
    except KernelUnsupported:  # of Landlock's domains the kernel tells nobody
        pass
    except BpfError as error:
        yield note("processes", "domains", str(error))
    yield from machine.examine_files()


def _in_force(files: Reading) -> Policy:
    """The policy in force where the service runs, else what the files say."""
    if machine.systemctl("is-active", machine.UNIT) == "active":
        from yama_session.service import client

        with suppress(ServiceError):
            sources = [Source(Path(file), text) for file, text in client.policy_sources()]
            return understand(sources).policy
    return files.policy


def _by_landlock(policy: Policy) -> bool:
    return any(decision.settings.enforcer == "landlock" for decision in outcomes(policy))
