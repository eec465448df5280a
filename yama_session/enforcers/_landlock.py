"""The enforcer ``landlock``: stock kernels from 6.12."""

from __future__ import annotations

import errno

from yama_session.enforcers._base import Availability, Enforcer, State
from yama_session.enforcers._honours import Request
from yama_session.native import OwnedFd, checked, lib
from yama_session.procfs import HidePid


class LandlockEnforcer(Enforcer):
    """A Landlock domain that consists of a signal scope, and a ptraceable procfs.

    Source: landlock(7); ``LANDLOCK_SCOPE_SIGNAL``.
    """

    name = "landlock"
    number = lib.YS_LANDLOCK

    def available(self) -> Availability:
        """See :meth:`Enforcer.available`."""
        abi = lib.ys_landlock_abi()
        if abi >= lib.YS_LANDLOCK_MIN_ABI:
            return Availability(State.AVAILABLE, f"the kernel has Landlock ABI {abi}")
        if abi >= 0:
            return Availability(
                State.NOT_BUILT,
                f"the kernel has Landlock ABI {abi}, and {lib.YS_LANDLOCK_MIN_ABI} (Linux 6.12) "
                "is the first without side effects on mounts",
            )
        if abi == -errno.EOPNOTSUPP:
            return Availability(State.DISABLED, "Landlock is built but not in lsm= at boot")
        return Availability(State.NOT_BUILT, "the kernel has no Landlock")

    def token(self, request: Request) -> OwnedFd:
        """See :meth:`Enforcer.token`: a ruleset."""
        return OwnedFd(checked("ys_landlock_create", lib.ys_landlock_create()))

    def hidepid(self, request: Request) -> HidePid:
        """See :meth:`Enforcer.hidepid`: Landlock decides what is ptraceable."""
        return HidePid.PTRACEABLE

    def confine(self, request: Request) -> None:
        """See :meth:`Enforcer.confine`."""
        with self.token(request) as ruleset:
            self.apply(ruleset)
