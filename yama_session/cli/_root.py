"""For verbs that only root can use."""

from __future__ import annotations

import os

from yama_session.errors import YamaSessionError


class NotRoot(YamaSessionError):
    """Only root can do this."""


def require_root(why: str) -> None:
    """Make sure that root is asking.

    Args:
        why: what only root can do, as a sentence without its end.

    Raises:
        NotRoot: somebody else is.
    """
    if os.geteuid():
        raise NotRoot(f"{why}: run it as root")
