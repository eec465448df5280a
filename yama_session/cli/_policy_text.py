"""How rules and settings are printed: for people, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, IntEnum

from yama_session.policy import DEFAULT, DEFAULT_ROOT, SETTINGS, Match, Rule, Settings
from yama_session.policy.words import MATCH_KEYS


def word(value: object) -> object:
    """Return a setting's value as the policy file spells it."""
    if isinstance(value, IntEnum):
        return value.name.lower().replace("_", "-")
    return value.value if isinstance(value, Enum) else value


def settings_plain(settings: Settings, origins: Mapping[str, str]) -> dict[str, object]:
    """Return settings with their origins for JSON."""
    return {
        key: {"value": word(getattr(settings, key)), "origin": origins[key]} for key in SETTINGS
    }


def settings_lines(settings: Settings, origins: Mapping[str, str]) -> list[str]:
    """Return settings with their origins for people."""
    lines = []
    for key in SETTINGS:
        value = word(getattr(settings, key))
        if isinstance(value, bool):
            value = "yes" if value else "no"
        lines.append(f"  {key:<8}  {value or 'the strongest'!s:<13}  {origins[key]}")
    return lines


def rule_plain(rule: Rule) -> dict[str, object]:
    """Return a rule for JSON."""
    asked = {key: getattr(rule.match, key) for key in MATCH_KEYS}
    return {
        "file": str(rule.file),
        "line": rule.line,
        "match": {
            key: value if isinstance(value, bool) else [str(item) for item in sorted(value)]
            for key, value in asked.items()
            if value is not None
        },
        "preset": rule.settings.preset,
        "settings": settings_plain(rule.settings, rule.origins),
    }


def rules_lines(rules: Iterable[Rule]) -> list[str]:
    """Return rules for people, in order, and what whoever fits none of them gets."""
    lines = []
    for rule in rules:
        lines += [f"{rule.place}: {match_text(rule.match)}"]
        lines += settings_lines(rule.settings, rule.origins)
    usual, root = DEFAULT.preset, DEFAULT_ROOT.preset
    return [*lines, f"built-in default: preset {usual}; for root preset {root}"]


def match_text(match: Match) -> str:
    """Return whom a rule is for."""
    parts = []
    for key in MATCH_KEYS:
        value = getattr(match, key)
        if isinstance(value, bool):
            parts.append("remote" if value else "local")
        elif value is not None:
            parts.append(f"{key} {' or '.join(map(str, sorted(value)))}")
    return ", ".join(parts) or "everybody"
