"""Private instances of procfs.

Source: proc(5), mount_setattr(2), ``Documentation/filesystems/proc.rst``.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self

from yama_session.native import OwnedFd, checked, lib

__all__ = ["HidePid", "Procfs"]


class HidePid(IntEnum):
    """The ``hidepid=`` option of a procfs instance."""

    OFF = 0
    NOACCESS = 1
    INVISIBLE = 2
    PTRACEABLE = 4


class Procfs(OwnedFd):
    """A procfs instance, held by its mount descriptor until it is attached."""

    __slots__ = ()

    @classmethod
    def new(cls, hidepid: HidePid = HidePid.OFF) -> Self:
        """Make an instance (``nosuid,nodev,noexec``) that is mounted nowhere yet.

        Raises:
            ProcfsError: ``CAP_SYS_ADMIN`` is missing, or the kernel does not
                know the option (Linux 5.8 has them all).
        """
        return cls(checked("ys_procfs_new", lib.ys_procfs_new(hidepid), f"hidepid={hidepid}"))

    def attach(self, *, strict: bool = False) -> None:
        """Stack the instance on ``/proc``, in a new mount namespace of this thread.

        Descriptors of other procfs instances above 2 become close-on-exec,
        and a working directory on one moves to the same path here, else to
        ``/``. The instance stays mounted; close this object when done. After
        an error the mount namespace may already be a new one: give up what it
        was for.

        Args:
            strict: leave no way to what only this instance hides: every other
                procfs in the namespace is covered, every directory above 2 is
                close-on-exec too, and stdin, stdout or stderr on another procfs
                or on a directory is refused before anything has changed.

        Raises:
            ProcfsError: the descriptor is no detached procfs, ``CAP_SYS_ADMIN``
                is missing, or as said under ``strict``.
        """
        flags = lib.YS_ATTACH_STRICT if strict else 0
        checked("ys_procfs_attach", lib.ys_procfs_attach(self.fileno(), flags))
