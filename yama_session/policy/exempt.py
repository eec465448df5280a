"""Which accounts the policy leaves unconfined, however they log in.

The service writes them where the PAM module's fallback finds them, since with
the service dead nobody reads the policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from yama_session.levels import Mode
from yama_session.policy.rules import Policy

#: The number of each name, ``None`` for one that nobody has; what is not in it cannot be told.
Numbers = Mapping[str, int | None]


@dataclass(frozen=True)
class Exempt:
    """Numbers of the accounts and groups that are never confined.

    Args:
        uids: of accounts.
        gids: of groups.
        everybody: nobody is confined: the rest need not be listed.
    """

    uids: tuple[int, ...]
    gids: tuple[int, ...]
    everybody: bool = False


def exempt(policy: Policy, users: Numbers, groups: Numbers) -> Exempt:
    """Return who is exempt for certain.

    An account is left out when an earlier rule might confine it: the list can
    only say "this user" and "this group", so after a confining rule for a group,
    or for a name that cannot be told, nobody who might be in it is listed.
    Missing here costs an exempt user the built-in confinement while the service
    is down; listed wrongly would let a confined one out.

    Args:
        policy: the policy.
        users: of all names of users in it.
        groups: of all names of groups in it.
    """
    if policy.mode is Mode.LOG:
        return Exempt((), (), everybody=True)
    uids: dict[int, None] = {}
    gids: dict[int, None] = {}
    confined: set[int] = set()
    for rule in policy.rules:
        match = rule.match
        if not rule.settings.unconfined:
            if match.user is None or not match.user <= users.keys():
                break
            confined |= _numbers(match.user, users)
        elif match.by_login or (match.user is not None and match.group is not None):
            continue
        elif match.user is not None:
            uids.update(dict.fromkeys(sorted(_numbers(match.user, users) - confined)))
        elif match.group is not None and not confined:
            gids.update(dict.fromkeys(sorted(_numbers(match.group, groups))))
    return Exempt(tuple(uids), tuple(gids))


def _numbers(names: frozenset[str], known: Numbers) -> set[int]:
    return {number for name in names if (number := known.get(name)) is not None}
