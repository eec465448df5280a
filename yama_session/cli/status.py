"""Show what this kernel can enforce, what holds for this process, and the service's state."""

from __future__ import annotations

import argparse
import errno
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from yama_session import DomainError, KernelUnsupported, ServiceError, describe
from yama_session.cli._exit import ExitCode
from yama_session.cli._table import Colour, coloured, printable, wrapped
from yama_session.enforcers import ENFORCERS
from yama_session.enforcers.bpf.state import SWITCHED_OFF
from yama_session.levels import Scope, View
from yama_session.scope import abi, answered, held

HELP = "show what is enforced, and what could be"

_SYSCTL = Path("/proc/sys/kernel/yama/ptrace_scope")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``status``."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the status; the exit status tells whether logins are served by the policy."""
    status = collect()
    print(json.dumps(status, indent=2) if args.json else "\n".join(_lines(status)))
    service = status["service"]
    in_order = service["reachable"] and service["policy"] == "loaded" and not service["unsupported"]
    stopped = any(one["reason"] == SWITCHED_OFF for one in status["enforcers"].values())
    return ExitCode.OK if in_order and not stopped else ExitCode.PROBLEM


def collect() -> dict[str, Any]:
    """Return the status as what ``--json`` prints."""
    return {
        "enforcers": {
            enforcer.name: {"state": state.state.value, "reason": state.reason}
            for enforcer in ENFORCERS
            for state in (enforcer.available(),)
        },
        "kernel_abi": abi(),
        "domain": _own_domain(),
        "ptrace_scope": int(_SYSCTL.read_text()) if _SYSCTL.exists() else None,
        "service": _service(),
    }


def _own_domain() -> dict[str, Any] | None:
    try:
        info = describe(os.getpid())
    except KernelUnsupported:
        return _levels() if answered() else None
    except DomainError as error:
        if error.errno != errno.ENOENT:
            raise
        return _levels() if answered() else None  # no /proc is mounted
    if info is None:
        return None
    return {
        "scope": info.scope.word,
        "view": info.view.word,
        "depth": info.depth,
        "id": str(info.id),
        "override": info.override,
    }


def _levels() -> dict[str, Any] | None:
    """The own domain where BPF programs keep it: they tell the caller its levels."""
    scope, view = held()
    if (scope, view) == (Scope.CLASSIC, View.ALL):
        return None
    return {"scope": scope.word, "view": view.word, "override": False}


def _service() -> dict[str, Any]:
    try:
        from yama_session.service import client

        return {"reachable": True, **client.status()}
    except ImportError as error:
        return {"reachable": False, "reason": f"not installed ({error.name})"}
    except ServiceError as error:
        return {"reachable": False, "reason": str(error)}


def _lines(status: Mapping[str, Any]) -> list[str]:
    domain, sysctl = status["domain"], status["ptrace_scope"]
    own = " ".join(f"{key}={value}" for key, value in domain.items()) if domain else "none"
    lines = [
        _line(f"enforcer {name}", f"{_state(state['state'])}: {printable(state['reason'])}")
        for name, state in status["enforcers"].items()
    ]
    lines.append(_line("kernel interface", str(status["kernel_abi"] or "none")))
    lines.append(_line("own domain", own))
    lines.append(_line("kernel.yama.ptrace_scope", "no Yama" if sysctl is None else str(sysctl)))
    service = status["service"]
    if not service["reachable"]:
        reason = printable(service["reason"])
        return [*lines, _line("service", f"{coloured('unreachable', Colour.BAD)}: {reason}")]
    return lines + [
        _line(f"service {key}", value if key == "policy" else printable(value))
        for key, value in _service_lines(service)
    ]


def _line(what: str, value: str) -> str:
    return "\n".join(wrapped(f"{coloured(what, Colour.FAINT)}: {value}", 2))


def _state(word: str) -> str:
    return coloured(word, Colour.GOOD if word == "available" else Colour.DOUBTFUL)


def _service_lines(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in service.items():
        if key == "reachable":
            continue
        if key == "policy":
            yield key, _policy(printable(value))
        elif isinstance(value, dict):
            yield from ((f"{key} {name}", str(item)) for name, item in value.items())
        elif isinstance(value, list):
            yield from ((key, str(item)) for item in value or ["none"])
        else:
            yield key, str(value)


def _policy(state: str) -> str:
    if state == "last-good":
        text = "the last good one: what the files say now is refused"
        return coloured(text, Colour.BAD)
    return coloured(state, Colour.GOOD if state == "loaded" else Colour.BAD)
