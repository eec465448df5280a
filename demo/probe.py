"""Runs in a session and answers what it sees and may trace; needs nothing but Python.

For each line of pids on stdin it prints one JSON object: how many processes
/proc lists, and for each pid whether /proc/PID exists and whether PTRACE_SEIZE
succeeded.
"""

import ctypes
import errno
import json
import os
import sys

PTRACE_SEIZE, PTRACE_DETACH, PTRACE_INTERRUPT = 0x4206, 17, 0x4207
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]


def traces(pid: int) -> bool:
    """Attach to a process as a debugger does, and let it go again."""
    if _libc.ptrace(PTRACE_SEIZE, pid, None, None) != 0:
        return False
    # Only a stopped process can be let go.
    _libc.ptrace(PTRACE_INTERRUPT, pid, None, None)
    os.waitpid(pid, 0x40000000)  # __WALL
    _libc.ptrace(PTRACE_DETACH, pid, None, None)
    return True


def sees(pid: int) -> bool:
    """Look a process up in /proc; any error but "missing" means that it is there."""
    try:
        os.stat(f"/proc/{pid}")  # noqa: PTH116 - the plain call is what is shown
    except OSError as error:
        return error.errno != errno.ENOENT
    return True


def answer(pids: list[int]) -> dict[str, object]:
    """Try every pid."""
    listed = sum(name.isdecimal() for name in os.listdir("/proc"))  # noqa: PTH208
    return {"listed": listed, "found": {pid: [sees(pid), traces(pid)] for pid in pids}}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer([int(word) for word in line.split()])), flush=True)
