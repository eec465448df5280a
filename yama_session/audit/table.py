"""All channels."""

from __future__ import annotations

from collections.abc import Collection

from yama_session.audit import bus, calls, cgroups, counts, events, procfs, records, traces
from yama_session.audit.channel import Channel, Family


def channels(families: Collection[Family] = tuple(Family)) -> list[Channel]:
    """Return the channels of some families, in the order of the families.

    Args:
        families: which ones.
    """
    rooms = {
        Family.PROCFS: procfs,
        Family.CALLS: calls,
        Family.TRACES: traces,
        Family.COUNTS: counts,
        Family.EVENTS: events,
        Family.CGROUPS: cgroups,
        Family.BUS: bus,
        Family.RECORDS: records,
    }
    return [
        channel
        for family, room in rooms.items()
        if family in families
        for channel in room.channels()
    ]
