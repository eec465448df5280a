"""What a policy can give to anybody: for judging it before somebody logs in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from yama_session.levels import Proc, Scope, View
from yama_session.policy.rules import Decision, Match, Policy, Rule, Uids, raised
from yama_session.policy.words import NAME_KEYS

_ROOT = frozenset({"root"})
_UID_0 = frozenset({Uids(0, 0)})


@dataclass(frozen=True)
class Floor:
    """The strictest levels that any user can get: never too loose for one who is not known.

    Args:
        scope: the highest scope.
        view: the highest view.
        proc: ``PTRACEABLE`` if any user gets that, else ``PRIVATE``.
    """

    scope: Scope
    view: View
    proc: Proc = Proc.PRIVATE


def floor(policy: Policy) -> Floor:
    """Return the strictest levels over all that the policy can give to users.

    The PAM module's fallback confines with them, since with the service dead
    nobody reads the policy. What only root gets does not count: the fallback
    leaves root alone.
    """
    settings = [
        decision.settings
        for decision in outcomes(policy)
        if not any(rule and _is_root(rule.match) for rule in (decision.rule, decision.base))
    ]
    return Floor(
        max(item.scope for item in settings),
        max(item.view for item in settings),
        Proc.PTRACEABLE if any(item.proc is Proc.PTRACEABLE for item in settings) else Proc.PRIVATE,
    )


def _is_root(match: Match) -> bool:
    return match.user == _ROOT or match.uid == _UID_0


def outcomes(policy: Policy) -> Iterator[Decision]:
    """Yield each decision that some account but uid 0 without a rule may get.

    Groups overlap as they like, so this may be more than there are accounts
    for; it is never less.
    """
    rules = list(reachable(policy))
    default = [] if rules and rules[-1].match == Match() else [Decision(policy.default, None, None)]
    for index, rule in enumerate(rules):
        if not rule.match.by_login:
            yield Decision(rule.settings, rule, rule)
            continue
        for base in rules[index + 1 :]:
            if not base.match.by_login and _may_share_a_user(rule.match, base.match):
                yield raised(rule, Decision(base.settings, base, base))
        for base_decision in default:
            yield raised(rule, base_decision)
    yield from default


def reachable(policy: Policy) -> Iterator[Rule]:
    """Yield the rules that an earlier one does not hide for certain."""
    return (rule for rule, hider in hiders(policy) if hider is None)


def hiders(policy: Policy) -> Iterator[tuple[Rule, Rule | None]]:
    """Yield each rule with an earlier one that wins over it for everybody, if there is one."""
    before: list[Rule] = []
    settled: dict[str, Rule] = {}
    for rule in policy.rules:
        match = rule.match
        hider = next((other for other in before if _implies(match, other.match)), None)
        if hider is None and match.user is not None and match.user <= settled.keys():
            hider = settled[min(match.user)]
        yield rule, hider
        before.append(rule)
        if match.user is not None and match == Match(user=match.user):
            settled |= dict.fromkeys(match.user - settled.keys(), rule)


def _implies(one: Match, other: Match) -> bool:
    """Tell whether every login that fits one fits the other for certain, too."""
    if other.remote not in (None, one.remote):
        return False
    for key in NAME_KEYS:
        asked, names = getattr(other, key), getattr(one, key)
        if asked is not None and (names is None or not names <= asked):
            return False
    return other.uid is None or (
        one.uid is not None and not any(uids.without(other.uid) for uids in one.uid)
    )


def _may_share_a_user(one: Match, other: Match) -> bool:
    if one.uid is not None and other.uid is not None:
        left = [part for uids in one.uid for part in uids.without(other.uid)]
        if frozenset(left) == one.uid:
            return False
    return one.user is None or other.user is None or not one.user.isdisjoint(other.user)
