"""The sign by which a login knows that there is a service, before it asks the bus."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from yama_session.native import OwnedFd


def hold(file: Path) -> OwnedFd:
    """Lock a file until the descriptor is closed, by whatever end the process has.

    Nobody may open the file in this process again: to close any descriptor of it
    gives the lock up.

    Args:
        file: is made if it is not there; the PAM module looks at its lock.

    Raises:
        BlockingIOError: another service holds it.
        OSError: it cannot be made.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = OwnedFd(os.open(file, flags, 0o600))
    try:
        fcntl.lockf(fd.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        fd.close()
        raise BlockingIOError(error.errno, "another service holds the lock", str(file)) from None
    return fd
