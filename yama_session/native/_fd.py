"""The type that owns a file descriptor."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self


class OwnedFd:
    """A file descriptor that is closed with its owner.

    The number becomes -1 on :meth:`close` and :meth:`detach`: a closed owner
    that remembered it would one day close somebody else's descriptor.

    Args:
        fd: an open descriptor, which from now on belongs to this object.

    Raises:
        ValueError: ``fd`` is negative.
    """

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = -1
        if fd < 0:
            raise ValueError(f"{fd} is not a file descriptor")
        self._fd = fd

    def fileno(self) -> int:
        """Return the descriptor, still owned.

        Raises:
            ValueError: it was closed or detached.
        """
        if self._fd < 0:
            raise ValueError(f"this {type(self).__name__} is closed")
        return self._fd

    @property
    def closed(self) -> bool:
        """Whether the descriptor was closed or detached."""
        return self._fd < 0

    def detach(self) -> int:
        """Give the descriptor up and return it: the caller owns it now."""
        fd, self._fd = self.fileno(), -1
        return fd

    def close(self) -> None:
        """Close the descriptor; again is no error."""
        if self._fd >= 0:
            os.close(self.detach())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"fd {self._fd}"
        return f"<{type(self).__name__} {state}>"
