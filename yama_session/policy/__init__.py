"""What the administrator's policy files say; knows neither the kernel nor the bus."""

from yama_session.policy.advice import advice
from yama_session.policy.exempt import Exempt, exempt
from yama_session.policy.explain import Explanation, Verdict, explain
from yama_session.policy.load import (
    POLICY_DIR,
    Reading,
    Source,
    ignored,
    load,
    read,
    read_files,
    understand,
)
from yama_session.policy.outcomes import Floor, floor, outcomes, reachable
from yama_session.policy.parse import check, parse
from yama_session.policy.rules import Decision, Login, Match, Policy, Rule, Uids
from yama_session.policy.words import DEFAULT, DEFAULT_ROOT, PRESETS, SETTINGS, Limits, Settings

__all__ = [
    "DEFAULT",
    "DEFAULT_ROOT",
    "POLICY_DIR",
    "PRESETS",
    "SETTINGS",
    "Decision",
    "Exempt",
    "Explanation",
    "Floor",
    "Limits",
    "Login",
    "Match",
    "Policy",
    "Reading",
    "Rule",
    "Settings",
    "Source",
    "Uids",
    "Verdict",
    "advice",
    "check",
    "exempt",
    "explain",
    "floor",
    "ignored",
    "load",
    "outcomes",
    "parse",
    "reachable",
    "read",
    "read_files",
    "understand",
]
