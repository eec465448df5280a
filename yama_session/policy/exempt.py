"""Which accounts the policy leaves unconfined, however they log in.

The service writes them where the PAM module's fallback finds them, since with
the service dead nobody reads the policy.
"""

from __future__ import annotations

from dataclasses import dataclass

from yama_session.policy.rules import Policy


@dataclass(frozen=True)
class Exempt:
    """Names of the accounts and groups that are never confined."""

    users: tuple[str, ...]
    groups: tuple[str, ...]


def exempt(policy: Policy) -> Exempt:
    """Return who is exempt for certain.

    A name is left out when an earlier rule might confine it: the list can only
    say "this user" and "this group", so after a confining rule for a group
    nobody who might be in it is listed. Missing here costs an exempt user the
    built-in confinement while the service is down; listed wrongly would let a
    confined one out.
    """
    users: dict[str, None] = {}
    groups: dict[str, None] = {}
    confined_users: set[str] = set()
    for rule in policy.rules:
        match = rule.match
        if not rule.settings.unconfined:
            if match.user is None:
                break
            confined_users |= match.user
        elif match.by_login or (match.user is not None and match.group is not None):
            continue
        elif match.user is not None:
            users.update(dict.fromkeys(sorted(match.user - confined_users)))
        elif match.group is not None and not confined_users:
            groups.update(dict.fromkeys(sorted(match.group)))
    return Exempt(tuple(users), tuple(groups))
