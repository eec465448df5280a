"""Who is calling, and what that one may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from yama_session.service.refusal import AccessDenied, AuthenticationRequired


@dataclass(frozen=True)
class Authorization:
    """What polkit says.

    Args:
        granted: the caller may.
        challenge: the caller may, once they have proved who they are.
        reason: why not, for a person.
    """

    granted: bool
    challenge: bool
    reason: str


class Line(Protocol):
    """What the bus does for the service about the connection of a caller."""

    async def connected(self) -> bool:
        """Tell whether it is still there."""

    async def authorized(self, action: str, details: Mapping[str, str]) -> Authorization:
        """Ask polkit about it; may take minutes, where a person may be asked."""

    async def watch(self, gone: Callable[[], None]) -> None:
        """Have ``gone`` called when it ends, at once if it has."""

    async def unwatch(self) -> None:
        """Watch it no longer; again is no error."""

    def signal(self, signal: str, *args: object) -> None:
        """Tell it something, soon."""


@dataclass(frozen=True)
class Caller:
    """What the bus knows of the sender of a message.

    Args:
        name: its unique name on the bus.
        uid: its effective uid when it connected.
        pid: its pid then; another process may have the number by now.
        line: its connection.
    """

    name: str
    uid: int
    pid: int
    line: Line

    def require_root(self) -> None:
        """Refuse anybody but uid 0.

        Raises:
            AccessDenied: the caller has another uid.
        """
        if self.uid != 0:
            raise AccessDenied(f"only uid 0 may ask for this, not uid {self.uid}")

    async def require(self, action: str, **details: str) -> None:
        """Refuse whoever is neither root nor authorized by polkit.

        Args:
            action: the id of the action.
            details: what polkit shows of it to a person, and to its rules.

        Raises:
            AccessDenied: polkit says no, says nothing, or is not there.
            AuthenticationRequired: it would say yes to a call that allows for
                interaction, with an agent.
        """
        if self.uid == 0:
            return
        answer = await self.line.authorized(action, details)
        if not answer.granted and answer.challenge:
            raise AuthenticationRequired(
                f"{action}: prove who you are; no polkit agent (pkttyagent) has asked"
            )
        if not answer.granted:
            raise AccessDenied(f"{action}: {answer.reason}")
        # Meanwhile the caller may have gone, and its name with it.
        if not await self.line.connected():
            raise AccessDenied(f"the caller {self.name} has gone")
