"""``yama-session policy check``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from yama_session.cli._exit import ExitCode
from yama_session.errors import AccountError, PolicyError
from yama_session.pamd import DIRECTORIES, Services
from yama_session.policy import (
    Policy,
    Reading,
    Rule,
    advice,
    ignored,
    read,
    read_files,
)
from yama_session.service.accounts import Kind, number_of
from yama_session.service.support import unsupported

#: What a policy without a rule means.
NO_RULES = "no rules: the default confines every user but root"


def check(path: Path, *, any_kernel: bool, as_json: bool) -> int:
    """Print what is wrong with a policy file or directory."""
    reading, warnings = _read(path)
    errors = list(reading.errors)
    if not errors:
        errors += [] if any_kernel else unsupported(reading.policy)
        warnings += [*advice(reading.policy), *_names(reading.policy), *_services(reading.policy)]
    if as_json:
        print(json.dumps([*_plain("error", errors), *_plain("warning", warnings)], indent=2))
    else:
        for error in errors:
            print(error)
        for warning in warnings:
            print(PolicyError(warning.file, warning.line, f"warning: {warning.message}"))
        if not errors:
            count = len(reading.policy.rules)
            found = f"no mistake in {count} rule{'s' * (count != 1)}"
            print(f"{path}: {found if count else NO_RULES}")
    return ExitCode.PROBLEM if errors else ExitCode.OK


def _read(path: Path) -> tuple[Reading, list[PolicyError]]:
    if not path.is_dir():
        if not path.exists():
            return Reading((), Policy(), (PolicyError(path, None, "there is no such file"),)), []
        return read_files([path]), []
    reading = read(path)
    others = [] if reading.errors else ignored(path)
    warnings = [
        PolicyError(file, None, "is not read: its name does not end in .toml") for file in others
    ]
    if not reading.sources and not reading.errors:
        warnings.append(PolicyError(path, None, "holds neither policy.toml nor policy.d/*.toml"))
    return reading, warnings


def _plain(severity: str, found: Iterable[PolicyError]) -> list[dict[str, object]]:
    return [
        {"severity": severity, "file": str(item.file), "line": item.line, "message": item.message}
        for item in found
    ]


def _names(policy: Policy) -> Iterator[PolicyError]:
    """Find names that this machine does not know, and users whom an earlier rule names otherwise.

    A rule is for whoever has the number of a name in it.
    """
    seen: dict[tuple[str, int], tuple[Rule, str]] = {}
    for kind, rule, name in _named(policy):
        try:
            number = number_of(kind, name)
        except AccountError as error:
            yield PolicyError(rule.file, rule.line, str(error))
            continue
        if number is None:
            yield PolicyError(rule.file, rule.line, f"there is no {kind} {name!r} here")
            continue
        first, other = seen.setdefault((kind, number), (rule, name))
        if other != name and first is not rule:
            word = "uid" if kind == "user" else "gid"
            yield PolicyError(
                rule.file,
                rule.line,
                f"{kind} {name!r} has {word} {number}, as {other!r} in {first.place}: for a login"
                " they are the same",
            )


def _services(policy: Policy) -> Iterator[PolicyError]:
    """Find services that no file of PAM has."""
    known = Services().names()
    for rule in policy.rules if known else ():
        for name in sorted((rule.match.service or frozenset()) - set(known)):
            yield PolicyError(
                rule.file, rule.line, f"there is no service {name!r} in {DIRECTORIES[0]}"
            )


def _named(policy: Policy) -> Iterator[tuple[Kind, Rule, str]]:
    """Yield each name of a user and of a group, with the first rule that it stands in."""
    kinds: tuple[Kind, ...] = ("user", "group")
    for kind in kinds:
        seen: set[str] = set()
        for rule in policy.rules:
            for name in sorted(getattr(rule.match, kind) or ()):
                if name not in seen:
                    seen.add(name)
                    yield kind, rule, name
