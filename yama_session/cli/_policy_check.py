"""``yama-session policy check``."""

from __future__ import annotations

import grp
import json
import pwd
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from yama_session.cli._exit import ExitCode
from yama_session.errors import AccountError, PolicyError
from yama_session.levels import Group
from yama_session.policy import (
    Login,
    Policy,
    Reading,
    Rule,
    Settings,
    advice,
    ignored,
    read,
    read_files,
)
from yama_session.service.accounts import lookup
from yama_session.service.support import unsupported


def check(path: Path, *, any_kernel: bool, as_json: bool) -> int:
    """Print what is wrong with a policy file or directory."""
    reading, warnings = _read(path)
    errors = list(reading.errors)
    if not errors:
        errors += _two_answers(reading.policy)
        errors += [] if any_kernel else unsupported(reading.policy)
        warnings += [*advice(reading.policy), *_strangers(reading.policy)]
    if as_json:
        print(json.dumps([*_plain("error", errors), *_plain("warning", warnings)], indent=2))
    else:
        for error in errors:
            print(error)
        for warning in warnings:
            print(PolicyError(warning.file, warning.line, f"warning: {warning.message}"))
        if not errors:
            print(f"{path}: no mistake in {len(reading.policy.rules)} rules")
    return ExitCode.PROBLEM if errors else ExitCode.OK


def _read(path: Path) -> tuple[Reading, list[PolicyError]]:
    if not path.is_dir():
        if not path.exists():
            return Reading((), Policy(), (PolicyError(path, None, "there is no such file"),)), []
        return read_files([path]), []
    reading = read(path)
    if not reading.sources and not reading.errors:
        empty = PolicyError(path, None, "holds neither policy.toml nor policy.d/*.toml")
        return Reading((), Policy(), (empty,)), []
    others = [] if reading.errors else ignored(path)
    return reading, [
        PolicyError(file, None, "is not read: its name does not end in .toml") for file in others
    ]


def _plain(severity: str, found: Iterable[PolicyError]) -> list[dict[str, object]]:
    return [
        {"severity": severity, "file": str(item.file), "line": item.line, "message": item.message}
        for item in found
    ]


def _two_answers(policy: Policy) -> Iterator[PolicyError]:
    """Find names of one uid that do not get the same, though all its logins share a domain."""
    for rule, user in _named(policy, "user"):
        try:
            account = pwd.getpwnam(user)
            usual = pwd.getpwuid(account.pw_uid).pw_name
        except KeyError:
            continue
        if usual == user:
            continue
        mine, its = _shared(policy, user), _shared(policy, usual)
        if mine is None or its is None or mine == its:
            continue
        yield PolicyError(
            rule.file,
            rule.line,
            f"uid {account.pw_uid} is {user!r} and {usual!r}, who get different settings: all"
            " logins of a uid share one domain, so name both",
        )


def _shared(policy: Policy, user: str) -> Settings | None:
    """Return what all logins of an account share, ``None`` if they share nothing."""
    try:
        uid, groups = lookup(user)
    except AccountError:
        return None
    settings = policy.account(Login(user, uid, groups)).settings
    return replace(settings, preset=None) if settings.group is Group.USER else None


def _strangers(policy: Policy) -> Iterator[PolicyError]:
    """Find the names that this machine does not know: misspelt, perhaps."""
    for kind, find in (("user", pwd.getpwnam), ("group", grp.getgrnam)):
        for rule, name in _named(policy, kind):
            try:
                find(name)
            except KeyError:
                yield PolicyError(rule.file, rule.line, f"there is no {kind} {name!r} here")


def _named(policy: Policy, kind: str) -> Iterator[tuple[Rule, str]]:
    """Yield each name of a kind, with the first rule that it stands in."""
    seen: set[str] = set()
    for rule in policy.rules:
        for name in sorted(getattr(rule.match, kind) or ()):
            if name not in seen:
                seen.add(name)
                yield rule, name
