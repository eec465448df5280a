"""``yama-session policy show``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from yama_session.cli._exit import ExitCode
from yama_session.cli._policy_text import rule_plain, rules_lines
from yama_session.errors import ServiceError
from yama_session.policy import Reading, Source, read, understand


@dataclass(frozen=True)
class _InForce:
    """What the service has, or the reason why it is not known."""

    reading: Reading | None
    reason: str


def show(directory: Path, *, as_json: bool) -> int:
    """Print the policy in force, and what the files say where that is something else."""
    files, force = read(directory), _in_force()
    same = force.reading is not None and force.reading.sources == files.sources
    if as_json:
        print(json.dumps(_plain(files, force, same), indent=2))
    else:
        print("\n".join(_lines(files, force, same)))
    return ExitCode.PROBLEM if files.errors or (force.reading and not same) else ExitCode.OK


def _in_force() -> _InForce:
    try:
        from yama_session.service import client

        sources = [Source(Path(file), text) for file, text in client.policy_sources()]
    except ImportError as error:
        return _InForce(None, f"the service is not installed ({error.name})")
    except ServiceError as error:
        return _InForce(None, str(error))
    return _InForce(understand(sources), "")


def _lines(files: Reading, force: _InForce, same: bool) -> list[str]:
    if same:
        return ["In force, as the files say:", *rules_lines(files.policy.rules)]
    lines = [f"In force: not known: {force.reason}"]
    if force.reading is not None:
        lines = ["In force:", *rules_lines(force.reading.policy.rules)]
    if files.errors:
        return [*lines, "", "The files, which are wrong:", *map(str, files.errors)]
    not_yet = " (not loaded: systemctl reload yama-session)" if force.reading else ""
    return [*lines, "", f"The files{not_yet}:", *rules_lines(files.policy.rules)]


def _plain(files: Reading, force: _InForce, same: bool) -> dict[str, object]:
    rules = force.reading and [rule_plain(rule) for rule in force.reading.policy.rules]
    wrong = bool(files.errors)
    return {
        "in_force": {"rules": rules, "unknown": force.reason or None},
        "files": {
            "rules": None if wrong else [rule_plain(rule) for rule in files.policy.rules],
            "errors": [str(error) for error in files.errors],
        },
        "same": same if force.reading is not None else None,
    }
