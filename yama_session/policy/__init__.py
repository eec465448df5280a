"""What the administrator's policy files say; knows neither the kernel nor the bus."""

from yama_session.policy.exempt import Exempt, exempt
from yama_session.policy.load import POLICY_DIR, load
from yama_session.policy.parse import parse
from yama_session.policy.rules import Decision, Login, Match, Policy, Rule
from yama_session.policy.words import DEFAULT, DEFAULT_ROOT, PRESETS, Settings

__all__ = [
    "DEFAULT",
    "DEFAULT_ROOT",
    "POLICY_DIR",
    "PRESETS",
    "Decision",
    "Exempt",
    "Login",
    "Match",
    "Policy",
    "Rule",
    "Settings",
    "exempt",
    "load",
    "parse",
]
