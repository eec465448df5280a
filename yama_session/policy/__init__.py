"""What the administrator's policy files say; knows neither the kernel nor the bus."""

from yama_session.policy.exempt import Exempt, exempt
from yama_session.policy.explain import Explanation, Verdict, explain
from yama_session.policy.load import (
    POLICY_DIR,
    Reading,
    Source,
    load,
    read,
    read_files,
    understand,
)
from yama_session.policy.outcomes import Floor, floor, outcomes, reachable
from yama_session.policy.parse import check, parse
from yama_session.policy.rules import Decision, Login, Match, Policy, Rule
from yama_session.policy.words import DEFAULT, DEFAULT_ROOT, PRESETS, SETTINGS, Settings

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
    "Login",
    "Match",
    "Policy",
    "Reading",
    "Rule",
    "Settings",
    "Source",
    "Verdict",
    "check",
    "exempt",
    "explain",
    "floor",
    "load",
    "outcomes",
    "parse",
    "reachable",
    "read",
    "read_files",
    "understand",
]
