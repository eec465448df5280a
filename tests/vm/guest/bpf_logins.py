"""What a login is in where the enforcer is bpf, which shows it in no file."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from logins import Login, sessions, sh, wait_for

from yama_session.levels import View

_CHECK = """
import ctypes, sys
prctl = ctypes.CDLL(None, use_errno=True).prctl
prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
while (ret := prctl(0x59616d73, 5, int(sys.argv[1]), int(sys.argv[2]), 0)) < 0:
    if ctypes.get_errno() != 11:  # it is to be asked again
        break
sys.exit(ret < 0)
"""


def holds(login: Login, scope: int, view: View = View.DOMAIN) -> bool:
    """Is the login's domain at least that strict?"""
    return login.python(_CHECK, scope, view.value).status == 0


@contextmanager
def stranger(user: str) -> Iterator[int]:
    """A process of the user that is in no domain: nothing but the programs can hide it."""
    become = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"]
    with subprocess.Popen([*become, "sleep", "infinity"]) as process:
        name = Path(f"/proc/{process.pid}/comm")
        wait_for(lambda: name.read_text() == "sleep\n", "it is the user's")
        try:
            yield process.pid
            # That somebody who is gone was not seen says nothing.
            assert process.poll() is None
        finally:
            process.kill()


def is_confined(login: Login, scope: int = 1, view: View = View.USER) -> bool:
    """All of it, or nothing: half of it is a failure by itself."""
    with stranger(login.user) as outside:
        parts = {
            "domain": holds(login, scope, view),
            "procfs": login.check("stat -c %d /proc") != sh("stat -c %d /proc").out.strip(),
            "sight of root's": not login.sees(1),
        }
        if view is View.USER:
            assert login.sees(outside)
        else:
            parts["sight of their own"] = not login.sees(outside)
    assert len(set(parts.values())) == 1, f"half-way: {parts}"
    return parts["domain"]


def domains(user: str) -> set[object]:
    """Return the domains of a user's sessions, as the service has them."""
    return {session["domain"] for session in sessions() if session["user"] == user}
