#!/usr/bin/python3
"""A browser's broker, with a renderer and a crash handler that are strangers to one another.

Both are in domains of their own and see nothing else. The renderer names the
handler with PR_SET_PTRACER before it goes in: from then on the handler, and
nobody else, sees it and may attach to it, which at scope 1 is asked of the
tracee. No privilege is needed.
"""

import ctypes
import mmap
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import prctl

from yama_session import Scope, View, enter

PTRACE_ATTACH, PTRACE_DETACH = 16, 17
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
REASON = b"out of cheese"


def confine() -> None:
    """Go into a domain where only its own processes exist."""
    prctl.set_no_new_privs(1)
    enter(Scope.RELATIONAL, View.DOMAIN)


def child(run: Callable[[], None]) -> int:
    """Fork a process that runs a function, and return its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            run()
            os._exit(0)
        except BaseException as error:
            print(f"{run.__name__}: {error!r}", file=sys.stderr)
            os._exit(1)
    return pid


def exists(pid: int) -> bool:
    """Return whether a process exists, for the one who asks."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def attach(pid: int) -> None:
    """Attach to a process and stop it.

    Raises:
        OSError: the kernel refuses, or it does not exist here.
    """
    if LIBC.ptrace(PTRACE_ATTACH, pid, None, None):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    os.waitpid(pid, 0)


def main() -> None:
    """Crash once, and report it."""
    crashed, crash = os.pipe()
    asked, ask = os.pipe()

    def handler() -> None:
        confine()
        word = os.read(crashed, 64).split()
        renderer, address = int(word[0]), int(word[1])
        attach(renderer)
        with Path(f"/proc/{renderer}/mem").open("rb", buffering=0) as memory:
            memory.seek(address)
            print(f"handler: the renderer died of {memory.read(len(REASON)).decode()!r}")
        LIBC.ptrace(PTRACE_DETACH, renderer, None, None)
        os.write(ask, b"done")

    def renderer() -> None:
        prctl.set_ptracer(handler_pid)
        confine()
        page = mmap.mmap(-1, mmap.PAGESIZE)
        page.write(REASON)
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        print(f"renderer: the handler exists for me: {exists(handler_pid)}", flush=True)
        os.write(crash, f"{os.getpid()} {address}".encode())
        signal.pause()

    def stranger() -> None:
        confine()
        try:
            attach(renderer_pid)
        except OSError as error:
            print(f"stranger: {error.strerror}")

    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    handler_pid = child(handler)
    renderer_pid = child(renderer)
    os.read(asked, 4)
    os.waitpid(child(stranger), 0)
    os.kill(renderer_pid, signal.SIGKILL)
    os.waitpid(renderer_pid, 0)
    _, status = os.waitpid(handler_pid, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
