"""What a caller may know of: root all, others their own that is inside their own session."""

from __future__ import annotations

from dataclasses import dataclass

from yama_session.service import leader, present
from yama_session.service.caller import Caller
from yama_session.service.manager import Manager
from yama_session.service.records import Grant, Session


@dataclass(frozen=True)
class Sight:
    """From where a caller looks.

    Args:
        uid: theirs.
        confined: whether they are in any session.
        domain: the id of their domain, 0 where there is none.
        session: the id of their session, empty if it is not known.
    """

    uid: int
    confined: bool = False
    domain: int = 0
    session: str = ""

    def shows(self, session: Session) -> bool:
        """Tell whether they may know of a session."""
        if self.uid == 0:
            return True
        if session.uid != self.uid:
            return False
        if not self.confined:
            return True
        return session.domain == self.domain if self.domain else session.id == self.session

    def shows_grant(self, grant: Grant) -> bool:
        """Tell whether they may know of a grant: what they asked for, and what opens their own."""
        if self.uid == 0:
            return True
        if self.uid not in (grant.by, grant.owner):
            return False
        return not self.confined or grant.domain == self.domain


def sight(caller: Caller, manager: Manager) -> Sight | None:
    """Return from where a caller looks, ``None`` if that cannot be told any more."""
    if caller.uid == 0:
        return Sight(0)
    try:
        here = present.find(caller.pid, manager.sessions, manager.users.owners())
        domain = present.domain_id(caller.pid)
        # A connection outlives the process that made it: all this was the
        # caller's only if that is still there, and in no domain only then.
        if leader.real_uid(caller.pid) != caller.uid:
            return None
    except OSError:  # it has gone
        return None
    return Sight(caller.uid, here is not None, domain, here.session if here else "")


def shown(caller: Caller, manager: Manager) -> list[Session]:
    """Return the sessions that a caller may know of."""
    here = sight(caller, manager)
    return [] if here is None else [s for s in manager.sessions if here.shows(s)]
