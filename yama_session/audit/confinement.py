"""What confines the caller, and how to be confined once more in the same way."""

from __future__ import annotations

import os
from dataclasses import dataclass

import prctl

from yama_session.levels import Scope, View
from yama_session.native import OwnedFd, checked, lib
from yama_session.scope import answered, enter, held, supported

#: How many Landlock domains can nest; ``LANDLOCK_MAX_NUM_LAYERS`` of the kernel.
_LANDLOCK_LAYERS = 16


@dataclass(frozen=True)
class Confinement:
    """What hides processes from the caller.

    Args:
        view: the view of its scope domain, ``View.ALL`` without one.
        landlock: whether it is in a Landlock domain.
        by: the enforcer of the scope domain.
    """

    view: View
    landlock: bool
    by: str = "yama"

    def __bool__(self) -> bool:
        return self.view is not View.ALL or self.landlock

    @property
    def words(self) -> list[str]:
        """The enforcers that confine the caller."""
        return [self.by] * (self.view is not View.ALL) + ["landlock"] * self.landlock

    @property
    def notes(self) -> list[str]:
        """What one should know of a second process that :meth:`nest` puts outside."""
        if self.view is not View.USER:
            return []
        return [
            "the view is user: what is of the same user is no secret, so the audit's own processes "
            "are apart by the view domain"
        ]

    def nest(self) -> None:
        """Put the caller into a domain of its own inside: what was beside it is hidden then.

        Under the view ``user`` too, though what is beside is of the same user:
        :attr:`notes` says so.

        Raises:
            YamaSessionError: the kernel refuses, as where domains are nested
                too deep already.
        """
        prctl.set_no_new_privs(1)
        if self.view is not View.ALL:
            enter(Scope.CLASSIC, max(self.view, View.DOMAIN))
        if self.landlock:
            _restrict()


def of_caller() -> Confinement:
    """Return what confines the caller, as far as the kernel lets it find out."""
    view = held()[1] if answered() else View.ALL
    return Confinement(view, _in_landlock(), "yama" if supported() else "bpf")


def _in_landlock() -> bool:
    """No call tells; but who is in a domain can nest fewer of them."""
    if lib.ys_landlock_abi() < lib.YS_LANDLOCK_MIN_ABI:
        return False
    child = os.fork()
    if not child:
        os._exit(_layers_left())
    left = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return 0 <= left < _LANDLOCK_LAYERS


def _layers_left() -> int:
    """Runs in a child: whatever happens, it must not return to the caller's code."""
    try:
        prctl.set_no_new_privs(1)
        with OwnedFd(checked("ys_landlock_create", lib.ys_landlock_create())) as ruleset:
            for count in range(_LANDLOCK_LAYERS):
                if lib.ys_landlock_restrict(ruleset.fileno()) < 0:
                    return count
    except BaseException:
        pass
    return _LANDLOCK_LAYERS


def _restrict() -> None:
    with OwnedFd(checked("ys_landlock_create", lib.ys_landlock_create())) as ruleset:
        checked("ys_landlock_restrict", lib.ys_landlock_restrict(ruleset.fileno()))
