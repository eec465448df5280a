"""The first part: two sessions on the running kernel, by the best enforcer it has."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from demo import screen
from demo.watch import PYTHON, look_around
from yama_session import EnforcerError
from yama_session.enforcers import best

ROOT = Path(__file__).resolve().parent.parent
RUN = ("env", f"PYTHONPATH={ROOT}", PYTHON, "-m", "yama_session", "run")


def show() -> None:
    """Open two sessions beside a shell outside, and print who sees whom."""
    screen.heading(f"On this machine's kernel, Linux {os.uname().release}")
    try:
        enforcer = best().name
    except EnforcerError as error:
        screen.step(f"no session here: {error}")
        return
    screen.step(f"two sessions by `yama-session run`, enforcer {enforcer}")
    session = [*RUN, "--quiet", "--", "sh", "-c"]
    sights = look_around({"session 1": session, "session 2": session, "outside": ["sh", "-c"]})
    screen.table([("two sessions of one user, and a shell outside of both", sights)])
    print(f"  {screen.paint('$ yama-session run -- ps ax', screen.BOLD)}")
    _indented([*RUN, "--", "ps", "ax"])


def _indented(command: Sequence[str]) -> None:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    )
    for line in done.stdout.splitlines():
        print(f"    {line}", flush=True)
