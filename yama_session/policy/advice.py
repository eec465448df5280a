"""What is no mistake in a policy, but hardly meant."""

from __future__ import annotations

from collections.abc import Iterator

from yama_session.errors import PolicyError
from yama_session.policy.outcomes import hiders
from yama_session.policy.rules import Login, Policy


def advice(policy: Policy) -> Iterator[PolicyError]:
    """Yield a remark for each rule that does less, or more, than it seems to."""
    root = policy.account(Login("root", 0))
    rule = root.rule
    by_number = rule is not None and rule.match.uid is not None
    if rule and rule.match.user is None and not by_number and not root.settings.unconfined:
        yield PolicyError(
            rule.file,
            rule.line,
            "binds root, too: begin with a rule for user = 'root' and preset = 'open', or name"
            " root in one of its own",
        )
    for rule, hider in hiders(policy):
        if hider is not None:
            yield PolicyError(rule.file, rule.line, f"never wins: {hider.place} comes first")
        elif rule.match.by_login:
            yield PolicyError(
                rule.file,
                rule.line,
                "a rule by login is a convenience, no boundary: whoever it is for can come in"
                " another way ('ssh localhost')",
            )
