"""What logins would get: now by the policy, and by the module alone with the service down."""

from __future__ import annotations

import pwd
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from yama_session.doctor.finding import Finding, note, ok, problem
from yama_session.doctor.machine import STATE_DIR
from yama_session.doctor.processes import is_person
from yama_session.enforcers import by_name
from yama_session.errors import AccountError
from yama_session.pamd import MODULE, Arguments, PamError, Services, arguments
from yama_session.policy import Login, Policy
from yama_session.scope import answered
from yama_session.service.accounts import Account, Directory
from yama_session.service.confinement import choose
from yama_session.service.refusal import EnforcerUnavailable

_CHECK = "logins"

#: How many users a finding names.
_NAMED = 8


@dataclass(frozen=True)
class Outcome:
    """What a login gets.

    Args:
        text: for a person.
        refused: it is no login.
    """

    text: str
    refused: bool = False


def examine(services: Services, policy: Policy) -> Iterator[Finding]:
    """Examine the module's arguments in each service, and what users would get."""
    lines = dict(module_lines(services))
    by_arguments: dict[Arguments, list[str]] = defaultdict(list)
    for service, said in lines.items():
        by_arguments[said].append(service)
    for said, names in by_arguments.items():
        yield from _arguments(said, _listed(names))
    if by_arguments:
        yield from _users(policy, list(by_arguments))


def module_lines(services: Services) -> Iterator[tuple[str, Arguments]]:
    """Yield each service that runs the module, and what its line says."""
    for name in services.names():
        try:
            stack = services.stack(name)
        except PamError:  # a finding of its own
            continue
        for line in stack:
            if line.loads(MODULE):
                yield name, arguments(line.arguments)
                break


def without_service(said: Arguments, *, exempt: bool) -> Outcome:
    """Return what a user gets by the module alone.

    Args:
        said: the module's arguments.
        exempt: whether the user is on the list of exempt users.
    """
    if said.unknown:
        return Outcome(f"refused: the module does not know {' '.join(said.unknown)}", True)
    if said.fallback == "deny":
        return Outcome("refused (fallback=deny)", True)
    if said.fallback == "skip":
        return Outcome("not confined (fallback=skip)")
    if exempt:
        return Outcome("not confined (exempt)")
    missing = _missing(said.enforcer)
    if missing:
        return Outcome(f"refused: {missing}", True)
    return Outcome(f"confined by {said.enforcer or 'domains'}, apart from the user's other logins")


def _missing(enforcer: str | None) -> str:
    """Say why the module cannot confine by itself; empty if it can."""
    if enforcer == "landlock":
        state = by_name("landlock").available()
        return "" if state else f"landlock is {state}"
    there = by_name("yama").available()
    if enforcer != "bpf" and there:
        return ""
    # The programs outlive the service that has loaded them.
    if enforcer != "yama" and not there and answered():
        return ""
    return f"this kernel has no domains of {enforcer or 'yama or bpf'}"


def is_exempt(account: Account, groups: Iterable[int], directory: Path = STATE_DIR) -> bool:
    """Tell whether an account is on the list that the service has left for the module."""
    try:
        lines = (directory / "exempt").read_text().splitlines()
    except OSError:
        return account.uid == 0
    ids = {"all", f"uid {account.uid}", *(f"gid {gid}" for gid in groups)}
    return account.uid == 0 or not ids.isdisjoint(lines)


def _arguments(said: Arguments, names: str) -> Iterator[Finding]:
    if said.unknown:
        yield problem(
            _CHECK,
            names,
            f"the module does not know {' '.join(said.unknown)}, and refuses every user",
            "see pam_yama_session(8) for its arguments, and correct the line",
        )
        return
    outcome = without_service(said, exempt=False)
    message = f"with the service down users are {outcome.text}"
    if said.fallback != "strict":
        yield note(_CHECK, names, message)
    elif outcome.refused:
        advice = "boot a kernel that has them, or give the module another enforcer="
        if said.enforcer != "landlock" and by_name("landlock").available():
            advice = "here 'yama-session setup --landlock' writes the line that works"
        yield problem(_CHECK, names, message, f"{advice}; 'yama-session off' lets everybody in")
    else:
        yield ok(_CHECK, names, message)


def _users(policy: Policy, lines: list[Arguments]) -> Iterator[Finding]:
    """Group the people of this machine by what they get."""
    found: dict[tuple[str, bool], list[str]] = defaultdict(list)
    directory = Directory()
    for entry in pwd.getpwall():
        if not is_person(entry.pw_uid):
            continue
        outcome = now(policy, directory, entry.pw_uid, lines)
        if entry.pw_name not in found[outcome.text, outcome.refused]:
            found[outcome.text, outcome.refused].append(entry.pw_name)
    for (text, refused), names in found.items():
        if refused:
            yield problem(
                _CHECK,
                _listed(names),
                f"would be {text}",
                "'yama-session policy test NAME' says why; 'yama-session off' lets everybody in",
            )
        else:
            yield ok(_CHECK, _listed(names), f"would be {text}")


def now(policy: Policy, directory: Directory, uid: int, lines: Iterable[Arguments]) -> Outcome:
    """Return what a login of an account would get now, by the worst of the module's lines."""
    try:
        login = directory.identify(policy, Login("", uid))
        settings = policy.account(login).settings
        enforcer = choose(settings)
    except (AccountError, EnforcerUnavailable) as error:
        for said in lines:
            outcome = without_service(said, exempt=False)
            if outcome.refused:
                return Outcome(f"refused, as the policy cannot be carried out: {error}", True)
        return Outcome(f"confined by the fallback: {error}")
    if any(said.unknown for said in lines):
        return Outcome("refused by services whose line is wrong", True)
    if enforcer is None:
        return Outcome("not confined")
    return Outcome(
        f"confined by {enforcer.name}: scope {settings.scope.word}, view {settings.view.word}"
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
