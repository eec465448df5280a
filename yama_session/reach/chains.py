"""How domains of the BPF programs are nested, and what each sees: by the ids around each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from yama_session.levels import View

if TYPE_CHECKING:  # who only computes needs no libbpf
    from yama_session.enforcers.bpf.loader import Description


def parents(domains: Iterable[Description]) -> dict[int, int]:
    """Return for each domain the id of the one around it, 0 for one at the top.

    Domains in which there is no process count as if they were not there.

    Args:
        domains: those that hold a process.
    """
    domains = list(domains)
    known = {domain.id for domain in domains}
    return {
        domain.id: next((id_ for id_ in reversed(domain.chain[:-1]) if id_ in known), 0)
        for domain in domains
    }


def sight(domains: Iterable[Description]) -> dict[int, set[int]]:
    """Return which domains each domain sees, 0 standing for no domain.

    Capabilities and relations aside, as in :func:`yama_session.reach.domains.sight`.

    Args:
        domains: those that hold a process.
    """
    domains = list(domains)
    return {domain.id: _sight(domain, domains) for domain in domains}


def _sight(viewer: Description, domains: Iterable[Description]) -> set[int]:
    # Whoever is seen is in the innermost level that hides anything.
    bound = max((i + 1 for i, view in enumerate(viewer.views) if view is not View.ALL), default=0)
    within = viewer.chain[:bound]
    seen = {domain.id for domain in domains if domain.chain[:bound] == within}
    return seen if bound else seen | {0}
