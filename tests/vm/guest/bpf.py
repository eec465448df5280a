"""Children that are put into a domain of the BPF programs and then do one thing."""

import contextlib
import ctypes
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import prctl

from yama_session.levels import Scope, View
from yama_session.native import OwnedFd, checked, lib

T = TypeVar("T")

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
PTRACE_TRACEME, PTRACE_ATTACH, PTRACE_DETACH = 0, 16, 17
NOBODY = 65534
WORKERS = 4


def call(op: int, *arguments: int) -> int:
    """Return what prctl(PR_PTRACE_SCOPE) answers, a negative errno for an error."""
    words = [ctypes.c_ulong(word) for word in (op, *arguments, 0, 0, 0)[:4]]
    while True:
        ret = int(libc.prctl(lib.PR_PTRACE_SCOPE, *words))
        if ret >= 0 or ctypes.get_errno() != 11:  # EAGAIN: a program was preempted
            return ret if ret >= 0 else -ctypes.get_errno()


def join(token: OwnedFd) -> None:
    """Put the caller into the domain of a token."""
    checked("ys_token_apply", lib.ys_token_apply(lib.YS_BPF, token.fileno(), 0))


def enter(scope: Scope, view: View, flags: int = 0) -> int:
    """Return what the library's call answers."""
    return lib.ys_enter(scope, view, flags)


def check(view: View = View.DOMAIN, scope: Scope = Scope.CLASSIC) -> bool:
    """Tell if the caller is in a domain that is at least this strict."""
    return lib.ys_check(scope, view) >= 0


def become_nobody() -> None:
    """Drop all privilege, and stay one whom others of the same uid may look into."""
    os.setgroups([])
    os.setresgid(*3 * (NOBODY,))
    os.setresuid(*3 * (NOBODY,))
    prctl.set_dumpable(True)
    prctl.set_no_new_privs(1)


def drop_ptrace_capability() -> None:
    """Keep all privilege but the one to look into everything."""
    prctl.cap_effective.sys_ptrace = False
    prctl.cap_permitted.sys_ptrace = False


def drop_all_capabilities() -> None:
    """Stay root, and have no privilege but to own root's files."""
    prctl.cap_effective.limit()
    prctl.cap_permitted.limit()


def within(job: Callable[[], T], *steps: Callable[[], object]) -> T:
    """Return what a job returns in a child that has made some steps before."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        answer: tuple[bool, Any] = (False, "nothing")
        try:
            for step in steps:
                step()
            answer = True, job()
        except BaseException:
            answer = False, traceback.format_exc()
        finally:
            os.write(write, pickle.dumps(answer))
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        content = file.read()
    os.waitpid(pid, 0)
    good, result = pickle.loads(content)
    assert good, result
    return result  # type: ignore[no-any-return]


@contextlib.contextmanager
def waiting(*steps: Callable[[], object]) -> Iterator[int]:
    """A child that has made some steps and only waits; its pid."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            prctl.set_pdeathsig(signal.SIGKILL)
            for step in steps:
                step()
            os.write(write, b"x")
            os.close(write)
            while True:
                signal.pause()
        finally:
            traceback.print_exc(file=sys.stderr)
            os._exit(1)
    os.close(write)
    try:
        with os.fdopen(read, "rb") as file:
            assert file.read(1) == b"x", "a step of the child failed"
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def looks_into(pid: int) -> bool:
    """Tell if the caller may read another process's environment and the like."""
    try:
        Path(f"/proc/{pid}/ns/mnt").readlink()
    except OSError:
        return False
    return True


def attaches(pid: int) -> bool:
    """Tell if the caller can trace another process; it is let go at once."""
    if libc.ptrace(PTRACE_ATTACH, pid, None, None):
        return False
    os.waitpid(pid, 0)
    assert libc.ptrace(PTRACE_DETACH, pid, None, None) == 0
    return True


def error_of(job: Callable[[], object]) -> int:
    """Return the errno that a job fails with, 0 if it succeeds."""
    try:
        job()
    except OSError as error:
        return error.errno or -1
    return 0


def after_fork(job: Callable[[], T], step: Callable[[], object], parent: Callable[[], object]) -> T:
    """Return what a job returns in a child that has made a step, once its parent has made one."""
    done, tell = os.pipe()
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            step()
            os.read(done, 1)
            os.write(write, pickle.dumps(job()))
        finally:
            os._exit(0)
    parent()
    os.write(tell, b"x")
    os.close(write)
    with os.fdopen(read, "rb") as file:
        answer = pickle.loads(file.read())
    os.waitpid(pid, 0)
    return answer  # type: ignore[no-any-return]


def system_call(number: int, *arguments: int) -> int:
    """Return the errno of a system call, 0 if it succeeds."""
    words = [ctypes.c_long(word) for word in arguments]
    return 0 if libc.syscall(ctypes.c_long(number), *words) >= 0 else ctypes.get_errno()


def read_memory(pid: int) -> int:
    """Return the errno of reading memory of another process, 0 if it may be read."""
    here = ctypes.create_string_buffer(8)
    there = ctypes.c_long(0)  # at an address that parent and child have in common
    vector = (ctypes.c_void_p * 2)(ctypes.addressof(here), 8)
    other = (ctypes.c_void_p * 2)(ctypes.addressof(there), 8)
    ret = libc.process_vm_readv(pid, vector, 1, other, 1, 0)
    return 0 if ret >= 0 or ctypes.get_errno() == 14 else ctypes.get_errno()  # EFAULT: may


def robust_list(pid: int) -> int:
    """Return the errno of asking for another thread's list of robust futexes."""
    head, length = ctypes.c_void_p(), ctypes.c_size_t()
    return system_call(274, pid, ctypes.addressof(head), ctypes.addressof(length))


def enter_user_namespace() -> None:
    """Become the owner of a user namespace, with every capability there."""
    assert libc.unshare(0x10000000) == 0
    prctl.set_dumpable(True)


def umount(place: str, flags: int) -> int:
    """Return the errno of unmounting, 0 if it succeeds."""
    return 0 if libc.umount2(place.encode(), flags) == 0 else ctypes.get_errno()


def fork_on(outside: int, forks: int) -> tuple[int, int]:
    """Return how many children were born outside, and how many saw out."""
    born_outside = saw = 0
    for _ in range(forks):
        pid = os.fork()
        if not pid:
            os._exit(1 if not check() else 2 if looks_into(outside) else 0)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        born_outside += status == 1
        saw += status == 2
    return born_outside, saw


@contextlib.contextmanager
def working(token: OwnedFd, outside: int, forks: int) -> Iterator[list[int]]:
    """Workers in the domain that fork on; at the end none of them may have lost a child.

    Args:
        token: opens the domain.
        outside: a process that must not be seen from there.
        forks: how many, of all workers together.
    """
    pids = []
    for _ in range(WORKERS):
        pid = os.fork()
        if not pid:
            status = 3
            try:
                join(token)
                become_nobody()
                status = int(any(fork_on(outside, forks // WORKERS)))
            finally:
                os._exit(status)
        pids.append(pid)
    yield pids
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * WORKERS
