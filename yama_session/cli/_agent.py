"""A polkit agent on the terminal, for a question that the service may have polkit ask."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
from collections.abc import Iterator

#: Seconds for the agent to be ready.
_LIMIT = 10.0


@contextlib.contextmanager
def terminal_agent() -> Iterator[None]:
    """Have polkit ask on the terminal, if there is one and no other agent asks.

    Root is not asked. Without an agent the service's answer says so.
    """
    if os.geteuid() == 0 or not (sys.stdin.isatty() and sys.stderr.isatty()):
        yield
        return
    ready, its = os.pipe()
    try:
        agent = subprocess.Popen(
            ["pkttyagent", "--fallback", "--notify-fd", str(its)], pass_fds=(its,)
        )
    except OSError:  # not installed
        agent = None
    finally:
        os.close(its)
    # It closes its end when it is registered, or has failed.
    select.select([ready], [], [], _LIMIT)
    os.close(ready)
    try:
        yield
    finally:
        if agent is not None:
            agent.terminate()
            agent.wait()
