"""From the text of a policy file to its rules, with exact errors."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import NoReturn, TypeVar

from yama_session.errors import PolicyError
from yama_session.levels import Group, Proc, Scope, View
from yama_session.policy.locate import Locator
from yama_session.policy.rules import Match, Rule
from yama_session.policy.words import (
    DEFAULT,
    ENFORCERS,
    MATCH_KEYS,
    NAME_KEYS,
    PRESETS,
    SETTING_KEYS,
    Settings,
)

_LINE_IN_MESSAGE = re.compile(r"\s*\(at line (\d+), column (\d+)\)$")
_WordT = TypeVar("_WordT", bound=Enum)


def parse(text: str, file: Path) -> tuple[Rule, ...]:
    """Return the rules of a policy file.

    Args:
        text: what stands in it.
        file: its name, for errors and for the rules.

    Raises:
        PolicyError: it is no TOML, or a word in it means nothing.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _LINE_IN_MESSAGE.search(message)
        line = int(place.group(1)) if place else text.rstrip().count("\n") + 1
        column = f" (column {place.group(2)})" if place else ""
        message = _LINE_IN_MESSAGE.sub("", message) + column
        raise PolicyError(file, line, f"not TOML: {message}") from None
    except (ValueError, RecursionError) as error:
        raise PolicyError(file, None, f"not a usable TOML file: {error}") from None
    locator = Locator(text)
    for key in document:
        if key != "rule":
            raise PolicyError(
                file, locator.top(key), f"unknown key {key!r}: a policy holds only [[rule]] tables"
            )
    rules = document.get("rule", [])
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise PolicyError(
            file, locator.top("rule"), "'rule' must be a list of tables: write [[rule]]"
        )
    return tuple(
        _RuleParser(table, index, file, locator).rule() for index, table in enumerate(rules)
    )


class _RuleParser:
    """One rule being read: knows where it stands, for the errors."""

    def __init__(
        self, table: Mapping[str, object], index: int, file: Path, locator: Locator
    ) -> None:
        self._table = table
        self._index = index
        self._file = file
        self._locator = locator

    def _fail(self, message: str, *path: str) -> NoReturn:
        raise PolicyError(self._file, self._locator.rule(self._index, *path), message)

    def rule(self) -> Rule:
        self._known(self._table, (*SETTING_KEYS, "match"), ())
        match = self._match()
        settings = self._settings()
        if match.by_login and settings.group is not Group.SESSION:
            self._fail(
                "a rule by service, tty or remote needs group = 'session': what all logins of a"
                " user share cannot depend on one of them",
                "match",
                next(
                    key for key in ("service", "tty", "remote") if getattr(match, key) is not None
                ),
            )
        return Rule(match, settings, self._file, self._locator.rule(self._index))

    def _known(self, table: Iterable[str], keys: tuple[str, ...], path: tuple[str, ...]) -> None:
        for key in table:
            if key not in keys:
                self._fail(f"unknown word {key!r}: {_choice(keys)}", *path, key)

    def _match(self) -> Match:
        table = self._table.get("match", {})
        if not isinstance(table, dict):
            self._fail(f"match = {table!r} must be a table, as {{ user = 'bob' }}", "match")
        self._known(table, MATCH_KEYS, ("match",))
        names = {key: self._names(table, key) for key in NAME_KEYS}
        remote = table.get("remote")
        if not (remote is None or isinstance(remote, bool)):
            self._fail(f"remote = {remote!r} must be true or false", "match", "remote")
        return Match(**names, remote=remote)

    def _names(self, table: Mapping[str, object], key: str) -> frozenset[str] | None:
        if key not in table:
            return None
        value = table[key]
        names = value if isinstance(value, list) else [value]
        if not names:
            self._fail(f"{key} = [] matches nobody: name one or leave the word out", "match", key)
        for name in names:
            if not isinstance(name, str) or not name:
                self._fail(
                    f"{key} = {name!r} must be a name in quotes or a list of names", "match", key
                )
        return frozenset(names)

    def _settings(self) -> Settings:
        said = [key for key in SETTING_KEYS if key in self._table]
        if not said:
            self._fail(f"the rule says nothing: add {_choice(SETTING_KEYS)}")
        preset = self._preset()
        base = PRESETS[preset] if preset else DEFAULT
        view = self._word("view", View, base.view)
        usual = Proc.HOST if view is View.ALL else Proc.PRIVATE
        settings = Settings(
            scope=self._word("scope", Scope, base.scope),
            view=view,
            group=self._word("group", Group, base.group),
            proc=self._word("proc", Proc, usual),
            override=self._flag("override", base.override),
            enforcer=self._enforcer(),
            preset=preset,
        )
        self._consistent(settings)
        return settings

    def _preset(self) -> str | None:
        name = self._table.get("preset")
        if name is None:
            return None
        if not isinstance(name, str) or name not in PRESETS:
            hint = " ('yama-session run' does that)" if name == "browser" else ""
            self._fail(f"preset = {name!r}{hint}: {_choice(PRESETS)}", "preset")
        return name

    def _word(self, key: str, words: type[_WordT], usual: _WordT) -> _WordT:
        """Return the member that the rule names, by value (``1``) or by name."""
        if key not in self._table:
            return usual
        value = self._table[key]
        names = {word.name.lower().replace("_", "-"): word for word in words}
        for name, word in names.items():
            if value == name or (type(value) is int and value == word.value):
                return word
        allowed = [
            f"{word.value} or {name!r}" if isinstance(word.value, int) else repr(name)
            for name, word in names.items()
        ]
        return self._fail(f"{key} = {value!r}: choose {', '.join(allowed)}", key)

    def _flag(self, key: str, usual: bool) -> bool:
        value = self._table.get(key, usual)
        if not isinstance(value, bool):
            self._fail(f"{key} = {value!r} must be true or false", key)
        return value

    def _enforcer(self) -> str | None:
        value = self._table.get("enforcer")
        if value is not None and value not in ENFORCERS:
            self._fail(f"enforcer = {value!r}: {_choice(ENFORCERS)}", "enforcer")
        return None if value is None else str(value)

    def _consistent(self, settings: Settings) -> None:
        """Refuse words that contradict one another."""
        if settings.view is View.INFERIORS:
            self._fail(
                "view = 'inferiors' is for 'yama-session run': a login would see only its own"
                " children; choose 'all', 'domain'",
                "view",
            )
        if settings.view is View.ALL and settings.proc is not Proc.HOST:
            self._fail(
                f"proc = {settings.proc.value!r} contradicts view = 'all', which hides nothing:"
                " leave proc out or choose 'host'",
                "proc",
            )
        if settings.enforcer != "landlock":
            return
        if settings.group is not Group.SESSION:
            self._fail(
                f"enforcer = 'landlock' contradicts group = {settings.group.value!r}: a Landlock"
                " domain cannot be joined; add group = 'session'",
                "enforcer",
            )
        if settings.override:
            self._fail(
                "enforcer = 'landlock' contradicts override = true, which needs 'yama'", "enforcer"
            )
        if settings.view is View.DOMAIN and settings.proc is Proc.HOST:
            self._fail(
                "enforcer = 'landlock' contradicts proc = 'host': it hides names only in a"
                " private /proc; choose 'private', 'ptraceable'",
                "proc",
            )


def _choice(words: Iterable[str]) -> str:
    return "choose " + ", ".join(f"'{word}'" for word in words)
