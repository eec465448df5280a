"""What a login is in where the enforcer is bpf, which shows it in no file."""

from logins import Login, sessions, sh

_CHECK = """
import ctypes, sys
prctl = ctypes.CDLL(None, use_errno=True).prctl
prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
sys.exit(prctl(0x59616d73, 5, int(sys.argv[1]), int(sys.argv[2]), 0) < 0)
"""


def holds(login: Login, scope: int, view: int) -> bool:
    """Is the login's domain at least that strict?"""
    return login.python(_CHECK, scope, view).status == 0


def is_confined(login: Login, scope: int = 1) -> bool:
    """All of it, or nothing: half of it is a failure by itself."""
    parts = {
        "domain": holds(login, scope, 1),
        "procfs": login.check("stat -c %d /proc") != sh("stat -c %d /proc").out.strip(),
        "sight": not login.sees(1),
    }
    assert len(set(parts.values())) == 1, f"half-way: {parts}"
    return parts["domain"]


def domains(user: str) -> set[object]:
    """Return the domains of a user's sessions, as the service has them."""
    return {session["domain"] for session in sessions() if session["user"] == user}
