#!/usr/bin/python3
"""Ranks of a parallel program that copy from one another's memory, without a copy in between.

Ranks are siblings, so that Yama's scope 1 refuses process_vm_readv(2) among them;
clusters set the sysctl to 0 for it, for everybody. In a session of the preset
`developer` it works while the machine stays at 1 or 2.
"""

import ctypes
import errno
import mmap
import os
import struct
import sys

RANKS = 4
LIBC = ctypes.CDLL(None, use_errno=True)


class Buffer(ctypes.Structure):
    """The kernel's struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def copy(pid: int, address: int) -> int:
    """Return the number at an address of another process.

    Raises:
        OSError: the kernel refuses.
    """
    into = ctypes.c_long(0)
    local = Buffer(ctypes.addressof(into), ctypes.sizeof(into))
    remote = Buffer(address, ctypes.sizeof(into))
    if LIBC.process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(into.value)


def rank(number: int, publish: int, neighbour: int, ready: int, done: int) -> int:
    """Be one rank: publish a number, copy the neighbour's, return the sum."""
    mine = int(10**number)
    page = mmap.mmap(-1, mmap.PAGESIZE)
    page.write(struct.pack("l", mine))
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    os.write(publish, struct.pack("QQ", os.getpid(), address))
    pid, theirs = struct.unpack("QQ", os.read(neighbour, 16))
    try:
        return mine + copy(pid, theirs)
    finally:
        # Whoever copies from here must find it: all end together.
        os.write(ready, b".")
        os.read(done, 1)


def main() -> int:
    """Let every rank add its neighbour's number to its own, and print the sums."""
    places = [os.pipe() for _ in range(RANKS)]
    ready, done = os.pipe(), os.pipe()
    pids = []
    for number in range(RANKS):
        pid = os.fork()
        if pid == 0:
            os.close(done[1])
            try:
                publish, neighbour = places[number][1], places[(number + 1) % RANKS][0]
                total = rank(number, publish, neighbour, ready[1], done[0])
                print(f"rank {number}: {total}", flush=True)
                os._exit(0)
            except OSError as error:
                print(f"rank {number}: {error.strerror}", flush=True)
                os._exit(1 if error.errno == errno.EPERM else 2)
        pids.append(pid)
    for _ in range(RANKS):
        os.read(ready[0], 1)
    os.close(done[1])
    return max(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids)


if __name__ == "__main__":
    sys.exit(main())
