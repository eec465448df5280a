"""Why a login gets what it gets: each rule, whether it fits, and what it contributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from yama_session.policy.rules import Decision, Login, Policy, Rule
from yama_session.policy.words import SETTINGS


@dataclass(frozen=True)
class Verdict:
    """One rule, seen from one login.

    Args:
        rule: the rule.
        fits: whether it matches the login.
        wins: whether the answer comes from it, all or in part.
        why: the reason, for a person.
    """

    rule: Rule
    fits: bool
    wins: bool
    why: str


@dataclass(frozen=True)
class Explanation:
    """A decision with its reasons.

    Args:
        decision: the same as :meth:`Policy.resolve` gives.
        verdicts: one for each rule, in order.
        origins: where each setting comes from, by its key.
    """

    decision: Decision
    verdicts: tuple[Verdict, ...]
    origins: Mapping[str, str]


def explain(policy: Policy, login: Login) -> Explanation:
    """Return what a login gets, and why."""
    decision = policy.resolve(login)
    verdicts = tuple(_verdict(rule, login, decision) for rule in policy.rules)
    return Explanation(decision, verdicts, _origins(decision))


def _verdict(rule: Rule, login: Login, decision: Decision) -> Verdict:
    misfits = list(rule.match.misfits(login))
    if misfits:
        return Verdict(rule, False, False, "; ".join(misfits))
    if rule is decision.rule:
        by_login = "the first that matches: it raises what the account gets"
        why = by_login if rule.match.by_login else "the first that matches"
        return Verdict(rule, True, True, why)
    if rule is decision.base:
        return Verdict(rule, True, True, "the first for the account: what is raised")
    return Verdict(rule, True, False, "matches, but an earlier rule wins")


def _origins(decision: Decision) -> dict[str, str]:
    """Tell for each setting where the rule that won, or else its base, has it from."""
    origins = {}
    for key in SETTINGS:
        rule = decision.rule
        value = getattr(decision.settings, key)
        if rule is not None and getattr(rule.settings, key) != value:
            rule = decision.base
        origins[key] = rule.origins.get(key, rule.place) if rule else decision.otherwise
    return origins
