"""``yama-session policy test``."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from yama_session.cli._exit import ExitCode
from yama_session.cli._policy_text import match_text, settings_lines, settings_plain
from yama_session.doctor.logins import is_exempt, module_lines, without_service
from yama_session.pamd import Services
from yama_session.policy import Explanation, Login, Settings, explain, read
from yama_session.service.accounts import Account, Directory, account_named, groups_of
from yama_session.service.confinement import choose, would
from yama_session.service.refusal import EnforcerUnavailable
from yama_session.service.seat import seat_of_terminal


def ask(args: argparse.Namespace) -> int:
    """Print which rule a login gets, and why."""
    reading = read(args.policy)
    if reading.errors:
        errors = [str(error) for error in reading.errors]
        print(json.dumps({"errors": errors}, indent=2) if args.json else "\n".join(errors))
        return ExitCode.PROBLEM
    account = account_named(args.user)
    seat = seat_of_terminal(args.tty) if args.seat is None else args.seat
    login = Login("", account.uid, (), args.service, args.tty, args.rhost, seat)
    login = Directory().explained(reading.policy, login)
    explanation = explain(reading.policy, login)
    here = replace(_here(explanation.decision.settings), without=_without(account, args.service))
    if args.json:
        print(json.dumps(_plain(args.policy, login, explanation, here), indent=2))
    else:
        print("\n".join(_lines(login, explanation, here)))
    return ExitCode.PROBLEM if here.problem else ExitCode.OK


@dataclass(frozen=True)
class _Here:
    """What the running kernel does with settings."""

    enforcer: str | None = None
    in_part: tuple[str, ...] = ()
    problem: str | None = None
    without: tuple[str, ...] = ()


def _without(account: Account, service: str) -> tuple[str, ...]:
    """What the account gets while the service is down, by each line of the module that differs."""
    lines = dict(module_lines(Services()))
    if service:
        lines = {name: said for name, said in lines.items() if name == service}
    exempt = is_exempt(account, groups_of(account)) if lines else False
    return tuple(
        dict.fromkeys(without_service(said, exempt=exempt).text for said in lines.values())
    )


def _here(settings: Settings) -> _Here:
    try:
        enforcer = choose(settings)
    except EnforcerUnavailable as error:
        return _Here(problem=str(error))
    if enforcer is None:
        return _Here()
    return _Here(enforcer.name, tuple(str(item) for item in enforcer.shortfalls(settings)))


def _lines(login: Login, explanation: Explanation, here: _Here) -> list[str]:
    decision = explanation.decision
    how = [
        f"{name} {value}"
        for name in ("service", "tty", "seat", "rhost")
        if (value := getattr(login, name))
    ]
    names = f"; in {', '.join(login.groups)}" if login.groups else ""
    lines = [", ".join([f"{login.user} (uid {login.uid}{names})", *how])]
    for verdict in explanation.verdicts:
        mark = "wins" if verdict.wins else "fits" if verdict.fits else "no"
        rule = verdict.rule
        lines.append(f"{mark:<4}  {rule.place}: {match_text(rule.match)}: {verdict.why}")
    if decision.rule is None or decision.base is None:
        lines.append(f"wins  built-in default for {'users' if login.uid else 'root'}")
    preset = f" (preset {decision.settings.preset})" if decision.settings.preset else ""
    lines.append(f"gets{preset}:")
    lines += settings_lines(decision.settings, explanation.origins)
    without = [f"with the service down: {text}" for text in here.without]
    if here.problem:
        text = f"on this kernel: not possible, so by the fallback: {here.problem}"
        return [*lines, text, *without]
    how_confined = f"confined by {here.enforcer}" if here.enforcer else "not confined"
    if text := would(decision.settings):
        how_confined = f"not confined, as it is only logged; would be {text}"
    in_part = (f"  {text}" for text in here.in_part)
    return [*lines, f"on this kernel: {how_confined}", *in_part, *without]


def _plain(policy: Path, login: Login, explanation: Explanation, here: _Here) -> dict[str, object]:
    decision = explanation.decision
    return {
        "policy": str(policy),
        "login": asdict(login),
        "rules": [
            {
                "file": str(verdict.rule.file),
                "line": verdict.rule.line,
                "fits": verdict.fits,
                "wins": verdict.wins,
                "why": verdict.why,
            }
            for verdict in explanation.verdicts
        ],
        "source": decision.source,
        "preset": decision.settings.preset,
        "settings": settings_plain(decision.settings, explanation.origins),
        "confined": not decision.settings.unconfined,
        "enforcer": here.enforcer,
        "in_part": list(here.in_part),
        "would": would(decision.settings) or None,
        "problem": here.problem,
        "without_service": list(here.without),
    }
