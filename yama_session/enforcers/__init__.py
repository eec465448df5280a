"""The enforcers behind one interface; callers rarely need to name one."""

from __future__ import annotations

from yama_session.enforcers._base import Availability, DomainEnforcer, Enforcer, State
from yama_session.enforcers._bpf import BpfEnforcer
from yama_session.enforcers._honours import (
    HONOURS,
    Cell,
    Honour,
    Request,
    Row,
    Shortfall,
    honours_markdown,
    shortfalls,
)
from yama_session.enforcers._landlock import LandlockEnforcer
from yama_session.enforcers._yama import YamaEnforcer
from yama_session.errors import EnforcerError

__all__ = [
    "BPF",
    "ENFORCERS",
    "HONOURS",
    "Availability",
    "BpfEnforcer",
    "Cell",
    "DomainEnforcer",
    "Enforcer",
    "Honour",
    "LandlockEnforcer",
    "Request",
    "Row",
    "Shortfall",
    "State",
    "YamaEnforcer",
    "best",
    "by_name",
    "domains",
    "honours_markdown",
    "shortfalls",
]

#: The one that a process can use only in part until it has given it the programs.
BPF = BpfEnforcer()

# Strongest first.
ENFORCERS: tuple[Enforcer, ...] = (YamaEnforcer(), BPF, LandlockEnforcer())


def by_name(name: str) -> Enforcer:
    """Return the enforcer called ``name``.

    Raises:
        EnforcerError: there is none; the message lists what there is.
    """
    for enforcer in ENFORCERS:
        if enforcer.name == name:
            return enforcer
    known = ", ".join(enforcer.name for enforcer in ENFORCERS)
    raise EnforcerError(f"there is no enforcer {name!r}: choose from {known}")


def domains() -> DomainEnforcer | None:
    """Return the enforcer whose domains the running kernel has, ``None`` if it has none."""
    found = (enforcer for enforcer in ENFORCERS if isinstance(enforcer, DomainEnforcer))
    return next((enforcer for enforcer in found if enforcer.available()), None)


def best() -> Enforcer:
    """Return the strongest enforcer that the running kernel has.

    Raises:
        EnforcerError: it has none; the message says why, for each.
    """
    reasons = []
    for enforcer in ENFORCERS:
        state = enforcer.available()
        if state:
            return enforcer
        reasons.append(f"{enforcer.name} is {state}")
    raise EnforcerError(f"this kernel has no enforcer: {'; '.join(reasons)}")
