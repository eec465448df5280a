"""What a policy asks for that the running kernel cannot do: found before anybody logs in."""

from __future__ import annotations

from pathlib import Path

from yama_session.errors import PolicyError
from yama_session.policy import Policy, outcomes
from yama_session.service.confinement import choose
from yama_session.service.refusal import EnforcerUnavailable


def unsupported(policy: Policy) -> tuple[PolicyError, ...]:
    """Return an error for each rule whose settings no enforcer here honours.

    A rule by login is judged together with the rules whose settings it raises.
    """
    found: dict[str, PolicyError] = {}
    for decision in outcomes(policy):
        try:
            choose(decision.settings)
        except EnforcerUnavailable as error:
            message = f"this kernel cannot do it: {error}"
            rule = decision.rule
            if rule is not None and decision.base is not rule:
                over = decision.base.place if decision.base else "the built-in default"
                message += f" (raising {over})"
            file, line = (rule.file, rule.line) if rule else (Path(decision.source), None)
            wrong = PolicyError(file, line, message)
            found.setdefault(str(wrong), wrong)
    return tuple(found.values())
