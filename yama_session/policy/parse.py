"""From the text of a policy file to its rules, with exact errors."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from ipaddress import ip_address, ip_network
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from yama_session.errors import PolicyError
from yama_session.levels import Group, Mode, Proc, Scope, View
from yama_session.policy.locate import Locator
from yama_session.policy.rules import MAX_UID, Match, Rule, Uids
from yama_session.policy.words import (
    DEFAULT,
    ENFORCERS,
    LOGIN_KEYS,
    MATCH_KEYS,
    NAME_KEYS,
    PRESETS,
    SETTING_KEYS,
    SETTINGS,
    Limits,
    Settings,
)

_LINE_IN_MESSAGE = re.compile(r"\s*\(at line (\d+), column (\d+)\)$")
_RULE = re.compile(r"^[ \t]*\[\[[ \t]*rule[ \t]*\]\]", re.MULTILINE)
_NUMBERS = re.compile(r"[0-9.]+")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SERVICE = re.compile(r"[!-~]+")
_UIDS = re.compile(r"([0-9]+)(?:-([0-9]*))?")
_TOP_KEYS = ("mode", "strict_manager", "limits", "services")
_MODES = tuple(mode.value for mode in Mode)

#: More sessions than the service has descriptors for.
_MOST = 16384
_WordT = TypeVar("_WordT", bound=Enum)


def parse(text: str, file: Path) -> tuple[Rule, ...]:
    """Return the rules of a policy file.

    Args:
        text: what stands in it.
        file: its name, for errors and for the rules.

    Raises:
        PolicyError: it is no TOML, or a word in it means nothing; the first
            of what :func:`check` finds.
    """
    rules, errors = check(text, file)
    if errors:
        raise errors[0]
    return rules


@dataclass(frozen=True)
class Top:
    """What a file says of all logins; ``None`` and a key that is missing say nothing."""

    mode: Mode | None
    limits: Mapping[str, int]
    strict_manager: bool | None
    ignored: frozenset[str]


def top(text: str, file: Path) -> Top:
    """Return what a file that is right says of all logins.

    Args:
        text: what stands in it.
        file: its name, for errors.

    Raises:
        PolicyError: it is no TOML.
    """
    document = _document(text, file)
    limits = document.get("limits", {})
    assert isinstance(limits, dict)  # it has been checked
    strict = document.get("strict_manager")
    assert strict is None or isinstance(strict, bool)
    services = document.get("services", {})  # libpam makes their letters small
    assert isinstance(services, dict)
    mode = Mode(document["mode"]) if "mode" in document else None
    ignored = frozenset(name.lower() for name in services.get("ignore", ()))
    return Top(mode, limits, strict, ignored)


def check(text: str, file: Path) -> tuple[tuple[Rule, ...], tuple[PolicyError, ...]]:
    """Return the rules of a policy file, and every mistake in it.

    Args:
        text: what stands in it.
        file: its name, for errors and for the rules.

    Returns:
        The rules that are right, and the errors; with an error the rules are
        no policy.
    """
    try:
        rules, errors = _rules(_document(text, file), text, file)
    except PolicyError as error:
        rules, errors = (), (error, *_one_by_one(text, file, error))
    return rules, tuple(sorted(errors, key=lambda error: error.line or 0))


def _document(text: str, file: Path) -> dict[str, object]:
    if text.startswith("\ufeff"):
        raise PolicyError(file, 1, "begins with a byte-order mark: save it as UTF-8 without one")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _LINE_IN_MESSAGE.search(message)
        line = int(place.group(1)) if place else text.rstrip().count("\n") + 1
        column = f" (column {place.group(2)})" if place else ""
        message = _LINE_IN_MESSAGE.sub("", message) + column
        raise PolicyError(file, line, f"not TOML: {message}") from None
    except (ValueError, RecursionError) as error:
        raise PolicyError(file, None, f"not a usable TOML file: {error}") from None


def _one_by_one(text: str, file: Path, known: PolicyError) -> list[PolicyError]:
    """Look at each rule by itself, so that one that is no TOML hides no mistake in another."""
    found = []
    above = 0
    starts = [rule.start() for rule in _RULE.finditer(text)]
    for start, end in pairwise([0, *starts, len(text)]):
        piece = text[start:end]
        try:
            _, errors = _rules(_document(piece, file), piece, file)
        except PolicyError as error:
            errors = (error,)
        for wrong in errors:
            line = None if wrong.line is None else wrong.line + above
            if line != known.line:
                found.append(PolicyError(file, line, wrong.message))
        above += piece.count("\n")
    return found


def _rules(
    document: Mapping[str, object], text: str, file: Path
) -> tuple[tuple[Rule, ...], tuple[PolicyError, ...]]:
    locator = Locator(text)
    errors = [
        PolicyError(
            file,
            locator.top(key),
            f"unknown key {key!r}: a policy holds [[rule]] tables, {_choice(_TOP_KEYS)}",
        )
        for key in document
        if key not in ("rule", *_TOP_KEYS)
    ]
    strict = document.get("strict_manager", False)
    if not isinstance(strict, bool):
        wrong = f"strict_manager = {strict!r} must be true or false"
        errors.append(PolicyError(file, locator.top("strict_manager"), wrong))
    mode = document.get("mode", Mode.ENFORCE.value)
    if mode not in _MODES:
        errors.append(PolicyError(file, locator.top("mode"), f"mode = {mode!r}: {_choice(_MODES)}"))
    errors += _limit_errors(document.get("limits", {}), file, locator)
    errors += _service_errors(document.get("services", {}), file, locator)
    tables = document.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        wrong = "'rule' must be a list of tables: write [[rule]]"
        return (), (*errors, PolicyError(file, locator.top("rule"), wrong))
    rules = []
    for index, table in enumerate(tables):
        reader = _RuleReader(table, index, file, locator)
        rules.append(reader.rule())
        errors += reader.errors
    return tuple(rules), tuple(errors)


def _limit_errors(limits: object, file: Path, locator: Locator) -> Iterator[PolicyError]:
    known = [field.name for field in fields(Limits)]
    if not isinstance(limits, dict):
        yield PolicyError(file, locator.top("limits"), "limits must be a table: write [limits]")
        return
    for key, value in limits.items():
        line = locator.top(f"limits.{key}")
        if key not in known:
            yield PolicyError(file, line, f"unknown limit {key!r}: {_choice(known)}")
        elif type(value) is not int or not 1 <= value <= _MOST:
            yield PolicyError(file, line, f"{key} = {value!r}: choose from 1 to {_MOST}")


def _service_errors(services: object, file: Path, locator: Locator) -> Iterator[PolicyError]:
    if not isinstance(services, dict):
        yield PolicyError(file, locator.top("services"), "services must be a table: [services]")
        return
    for key, value in services.items():
        line = locator.top(f"services.{key}")
        if key != "ignore":
            yield PolicyError(file, line, f"unknown word {key!r}: choose 'ignore'")
        elif not isinstance(value, list) or not all(map(_is_service, value)):
            wrong = f"ignore = {value!r} must be a list of PAM services, as ['samba']"
            yield PolicyError(file, line, wrong)


def _is_service(name: object) -> bool:
    return isinstance(name, str) and _SERVICE.fullmatch(name) is not None


class _RuleReader:
    """One rule being read: knows where it stands, and collects what is wrong with it."""

    def __init__(
        self, table: Mapping[str, object], index: int, file: Path, locator: Locator
    ) -> None:
        self._table = table
        self._index = index
        self._file = file
        self._locator = locator
        self.errors: list[PolicyError] = []

    def _fault(self, message: str, *path: str) -> None:
        line = self._locator.rule(self._index, *path)
        self.errors.append(PolicyError(self._file, line, message))

    def rule(self) -> Rule:
        """Return the rule; where a word is wrong it has the usual one in its place."""
        self._known(self._table, (*SETTING_KEYS, "match"), ())
        match = self._match()
        settings = self._settings()
        if not self.errors:
            self._consistent(settings)
            self._shared(match, settings)
            self._logged(match, settings)
        line = self._locator.rule(self._index)
        origins = {key: self._origin(key, settings.preset) for key in SETTINGS}
        return Rule(match, settings, self._file, line, origins)

    def _origin(self, key: str, preset: str | None) -> str:
        """Say where the rule's value of a setting comes from."""
        # What stands on /proc follows from the view, unless it is said.
        key = "view" if key == "proc" and key not in self._table else key
        if key in self._table:
            return f"{self._file}:{self._locator.rule(self._index, key)}"
        base = PRESETS[preset] if preset else DEFAULT
        if key == "view" and _view_of(base, self._table.get("enforcer")) is not base.view:
            return "enforcer landlock"
        return f"preset {preset}" if preset and key not in ("enforcer", "mode") else "default"

    def _shared(self, match: Match, settings: Settings) -> None:
        if match.by_login and settings.group is not Group.SESSION:
            self._fault(
                f"a rule by {', '.join(LOGIN_KEYS[:-1])} or {LOGIN_KEYS[-1]} needs"
                " group = 'session': what all logins of a user share cannot depend on one of them",
                "match",
                next(key for key in LOGIN_KEYS if getattr(match, key) is not None),
            )

    def _logged(self, match: Match, settings: Settings) -> None:
        if match.by_login and settings.mode is Mode.LOG:
            self._fault(
                "mode = 'log' is for accounts: a rule by login only raises what the account gets",
                "mode",
            )

    def _known(self, table: Iterable[str], keys: tuple[str, ...], path: tuple[str, ...]) -> None:
        for key in table:
            if key not in keys:
                self._fault(f"unknown word {key!r}: {_choice(keys)}", *path, key)

    def _match(self) -> Match:
        table = self._table.get("match", {})
        if not isinstance(table, dict):
            self._fault(f"match = {table!r} must be a table, as {{ user = 'bob' }}", "match")
            return Match()
        self._known(table, MATCH_KEYS, ("match",))
        names = {key: self._names(table, key) for key in NAME_KEYS}
        for host in names["rhost"] or ():
            self._host(host)
        uid = self._uids(table["uid"]) if "uid" in table else None
        remote = table.get("remote")
        if not (remote is None or isinstance(remote, bool)):
            self._fault(f"remote = {remote!r} must be true or false", "match", "remote")
            remote = None
        return Match(**names, uid=uid, remote=remote)

    def _uids(self, value: object) -> frozenset[Uids]:
        items = value if isinstance(value, list) else [value]
        if not items:
            self._fault("uid = [] matches nobody: name one or leave the word out", "match", "uid")
        found = set()
        for item in items:
            # True is an int, too
            plain = str(item) if type(item) is int or isinstance(item, str) else ""
            parts = _UIDS.fullmatch(plain)
            first = int(parts[1]) if parts else -1
            last = first if parts is None or parts[2] is None else int(parts[2] or MAX_UID)
            if 0 <= first <= last <= MAX_UID:
                found.add(Uids(first, last))
            else:
                self._fault(
                    f"uid = {item!r} must be a number or a range of them, as 1000, '1000-' or"
                    f" '1000-59999', up to {MAX_UID}, or a list of such",
                    "match",
                    "uid",
                )
        return frozenset(found)

    def _host(self, host: str) -> None:
        """Refuse what is neither a name nor an address nor a network: it would match nobody."""
        try:
            if "/" in host:
                ip_network(host)
            elif ":" in host or _NUMBERS.fullmatch(host):
                ip_address(host)
            elif not _HOST.fullmatch(host):
                raise ValueError("a name has letters, digits, dots and dashes")
        except ValueError as error:
            what = "network" if "/" in host else "host"
            self._fault(f"rhost = {host!r} is no {what}: {error}", "match", "rhost")

    def _names(self, table: Mapping[str, object], key: str) -> frozenset[str] | None:
        if key not in table:
            return None
        value = table[key]
        names = value if isinstance(value, list) else [value]
        if not names:
            self._fault(f"{key} = [] matches nobody: name one or leave the word out", "match", key)
        for name in names:
            if not isinstance(name, str) or not name:
                self._fault(
                    f"{key} = {name!r} must be a name in quotes or a list of names", "match", key
                )
        return frozenset(name for name in names if isinstance(name, str))

    def _settings(self) -> Settings:
        # A word that is unknown is a mistake of its own, not silence.
        if not self._table.keys() - {"match"}:
            self._fault(f"the rule says nothing: {_choice(SETTING_KEYS)}")
        preset = self._preset()
        base = PRESETS[preset] if preset else DEFAULT
        enforcer = self._enforcer()
        view = self._word("view", View, _view_of(base, enforcer))
        usual = Proc.HOST if view is View.ALL else Proc.PRIVATE
        return Settings(
            scope=self._word("scope", Scope, base.scope),
            view=view,
            group=self._word("group", Group, base.group),
            proc=self._word("proc", Proc, usual),
            override=self._flag("override", base.override),
            enforcer=enforcer,
            preset=preset,
            mode=self._word("mode", Mode, Mode.ENFORCE),
        )

    def _preset(self) -> str | None:
        name = self._table.get("preset")
        if name is None:
            return None
        if not isinstance(name, str) or name not in PRESETS:
            hint = " ('yama-session run' does that)" if name == "browser" else ""
            self._fault(f"preset = {name!r}{hint}: {_choice(PRESETS)}", "preset")
            return None
        return name

    def _word(self, key: str, words: type[_WordT], usual: _WordT) -> _WordT:
        """Return the member that the rule names, by name or, a scope, by value (``1``)."""
        if key not in self._table:
            return usual
        value = self._table[key]
        numbered = words is Scope
        names = {word.name.lower().replace("_", "-"): word for word in words}
        for name, word in names.items():
            if value == name or (numbered and type(value) is int and value == word.value):
                return word
        allowed = [
            f"{word.value} or {name!r}" if numbered else repr(name) for name, word in names.items()
        ]
        self._fault(f"{key} = {value!r}: choose {', '.join(allowed)}", key)
        return usual

    def _flag(self, key: str, usual: bool) -> bool:
        value = self._table.get(key, usual)
        if not isinstance(value, bool):
            self._fault(f"{key} = {value!r} must be true or false", key)
            return usual
        return value

    def _enforcer(self) -> str | None:
        value = self._table.get("enforcer")
        if value is not None and value not in ENFORCERS:
            self._fault(f"enforcer = {value!r}: {_choice(ENFORCERS)}", "enforcer")
            return None
        return None if value is None else str(value)

    def _consistent(self, settings: Settings) -> None:
        """Refuse words that contradict one another."""
        if settings.view is View.INFERIORS:
            self._fault(
                "view = 'inferiors' is for 'yama-session run': a login would see only its own"
                " children; choose 'all', 'user', 'domain'",
                "view",
            )
        if settings.view is View.ALL and settings.proc is not Proc.HOST:
            self._fault(
                f"proc = {settings.proc.value!r} contradicts view = 'all', which hides nothing:"
                " leave proc out or choose 'host'",
                "proc",
            )
        name = settings.enforcer
        if name is None or name == "yama":
            return
        if name == "landlock" and settings.group is not Group.SESSION:
            self._fault(
                f"enforcer = 'landlock' contradicts group = {settings.group.value!r}: a Landlock"
                " domain cannot be joined; add group = 'session'",
                "enforcer",
            )
        if name == "landlock" and settings.view is View.USER:
            self._fault(
                "enforcer = 'landlock' contradicts view = 'user': a Landlock domain hides the"
                " user's own processes outside it, too; choose 'domain'",
                "view" if "view" in self._table else "enforcer",
            )
        if settings.override:
            self._fault(
                f"enforcer = {name!r} contradicts override = true, which needs 'yama'", "enforcer"
            )
        if settings.view is not View.ALL and settings.proc is Proc.HOST:
            self._fault(
                f"enforcer = {name!r} contradicts proc = 'host': it hides names only in a"
                " private /proc; choose 'private', 'ptraceable'",
                "proc",
            )


def _view_of(base: Settings, enforcer: object) -> View:
    """Return the view of a preset: by Landlock, which knows no user, the next stricter one."""
    return View.DOMAIN if enforcer == "landlock" and base.view is View.USER else base.view


def _choice(words: Iterable[str]) -> str:
    return "choose " + ", ".join(f"'{word}'" for word in words)
