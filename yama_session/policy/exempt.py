"""Which accounts the policy leaves unconfined, however they log in.

The service writes them where the PAM module's fallback finds them, since with
the service dead nobody reads the policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from yama_session.levels import Mode
from yama_session.policy.rules import MAX_UID, Policy, Uids

#: The number of each name, ``None`` for one that nobody has; what is not in it cannot be told.
Numbers = Mapping[str, int | None]


@dataclass(frozen=True)
class Exempt:
    """Numbers of the accounts and groups that are never confined.

    Args:
        uids: of accounts, in order.
        gids: of groups.
        everybody: nobody is confined: the rest need not be listed.
        services: PAM's services that are no logins.
    """

    uids: tuple[Uids, ...]
    gids: tuple[int, ...]
    everybody: bool = False
    services: tuple[str, ...] = ()


def exempt(policy: Policy, users: Numbers, groups: Numbers) -> Exempt:
    """Return who is exempt for certain.

    An account is left out when an earlier rule might confine it: the list can
    only say "this user", "these numbers" and "this group", so after a confining rule for
    a group, or for a name that cannot be told, nobody who might be in it is listed.
    Missing here costs an exempt user the built-in confinement while the service
    is down; listed wrongly would let a confined one out.

    Args:
        policy: the policy.
        users: of all names of users in it.
        groups: of all names of groups in it.
    """
    services = tuple(sorted(policy.ignored))
    if policy.mode is Mode.LOG:
        return Exempt((), (), everybody=True, services=services)
    uids: set[Uids] = set()
    gids: dict[int, None] = {}
    confined: set[Uids] = set()
    named = True  # everybody whom a rule so far confines has a number that is known
    for rule in policy.rules:
        match = rule.match
        if not rule.settings.unconfined:
            if match.user is None and match.uid is None:
                break
            if match.user is not None and match.uid is None:
                if not match.user <= users.keys():
                    break
                # The account may be made tomorrow, with any number.
                named &= None not in map(users.get, match.user)
            confined |= match.uid or _numbers(match.user, users)
        elif match.by_login or (match.group is not None and (match.user or match.uid)):
            continue
        elif match.user is not None:
            free = _numbers(match.user, users)
            uids |= {one for one in free if _fits(one, match.uid)} - _of(confined, free)
        elif match.group is not None and not confined:
            gids.update(dict.fromkeys(sorted(one.first for one in _numbers(match.group, groups))))
        elif match.group is None and named:
            for free_uids in match.uid or {Uids(0, MAX_UID)}:
                uids.update(free_uids.without(confined))
    return Exempt(tuple(sorted(uids)), tuple(gids), services=services)


def _numbers(names: frozenset[str] | None, known: Numbers) -> set[Uids]:
    found = (known.get(name) for name in names or ())
    return {Uids(number, number) for number in found if number is not None}


def _fits(one: Uids, uids: frozenset[Uids] | None) -> bool:
    return uids is None or any(one.first in each for each in uids)


def _of(confined: set[Uids], single: set[Uids]) -> set[Uids]:
    """Return those single numbers that are confined."""
    return {one for one in single if _fits(one, frozenset(confined))}
