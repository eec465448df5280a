"""Where the lab keeps what is dear to make.

It is outside the checkout, so that a clean clone finds it again.
"""

import fcntl
import hashlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kernel_lab.command import say


def cache_root(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the cache directory: `$YAMA_SESSION_CACHE`, else the XDG one."""
    if named := environ.get("YAMA_SESSION_CACHE"):
        return Path(named).absolute()
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME", "/root")) / ".cache"
    return Path(base).absolute() / "yama-session"


def digest(parts: Iterable[bytes]) -> str:
    """Return 16 hex digits that stand for these parts in this order.

    Each part is hashed with its length, so that moving a byte from one part to
    the next gives another digest.
    """
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "little"))
        whole.update(part)
    return whole.hexdigest()[:16]


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock `name` among all labs of this cache; wait for it if need be."""
    directory = cache_root() / "locks"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / name).open("w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another lab that holds '{name}'")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def processor(stop: threading.Event | None = None) -> Iterator[None]:
    """Hold one of the machine's processors among all labs of this cache; wait if need be.

    What keeps one busy, and is held to limits of time, takes one, so that labs
    that run side by side do not make each other late.

    Args:
        stop: ends the waiting once it is set; then none is held.
    """
    stop = stop or threading.Event()
    directory = cache_root() / "locks"
    directory.mkdir(parents=True, exist_ok=True)
    while not stop.is_set():
        for number in range(os.cpu_count() or 1):
            with (directory / f"processor-{number}").open("w", encoding="ascii") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield
                return
        stop.wait(0.5)
    yield
