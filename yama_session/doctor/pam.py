"""Whether every service of PAM that opens sessions runs the module, and where it does its work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from yama_session.doctor.finding import Finding, note, ok, problem
from yama_session.pamd import (
    DIRECTORIES,
    GREETERS,
    MODULE,
    ROOT_ONLY,
    SAVED,
    PamError,
    Services,
    edited_by_hand,
    misplaced,
)

_CHECK = "pam"
_ENABLE = "'pam-auth-update --enable yama-session', or include common-session in this file"

#: Where Debian and others keep modules.
MODULE_DIRECTORIES = (
    *sorted(Path("/usr/lib").glob("*-linux-*/security")),
    Path("/usr/lib/security"),
    Path("/lib/security"),
)


def examine(services: Services, *, landlock: bool) -> Iterator[Finding]:
    """Examine all services.

    Args:
        services: the services.
        landlock: whether the policy in force confines by Landlock.
    """
    yield _module()
    yield from _common(DIRECTORIES[0])
    for name in services.names():
        try:
            yield from _service(services, name, landlock=landlock)
        except PamError as error:
            yield problem(
                _CHECK, name, str(error), "libpam refuses what it cannot read: correct it"
            )


def _module() -> Finding:
    for directory in MODULE_DIRECTORIES:
        if (directory / f"{MODULE}.so").exists():
            return ok(_CHECK, str(directory / f"{MODULE}.so"), "the module is installed")
    return problem(
        _CHECK, f"{MODULE}.so", "is in no directory of modules", "install it: 'make install'"
    )


def _common(directory: Path) -> Iterator[Finding]:
    """Find common files that pam-auth-update does not change any more."""
    for name in ("common-session", "common-session-noninteractive"):
        file = directory / name
        saved = SAVED.with_name(name.removeprefix("common-"))
        if edited_by_hand(file, saved):
            yield note(
                _CHECK,
                str(file),
                "was edited by hand: pam-auth-update declines to change it, and ends with 0",
                "write or remove the module's line there by hand (see its profile), or add"
                " --force, which throws away what was edited",
            )


def _service(services: Services, name: str, *, landlock: bool) -> Iterator[Finding]:
    stack = services.stack(name)
    if not stack:  # what asks for a session all the same is served by "other"
        return
    if any(line.loads(MODULE) for line in stack):
        wrong = list(misplaced(stack, after_limits=landlock))
        for item in wrong:
            yield problem(_CHECK, f"{name}: {item.place}", item.reason, item.advice)
        if not wrong:
            yield ok(_CHECK, name, "runs the module")
    elif name in GREETERS:
        yield note(_CHECK, name, "does not run the module: no person logs in by it")
    elif name in ROOT_ONLY:
        yield note(
            _CHECK,
            name,
            "does not run the module: what root starts by it as a user is not confined",
            "'systemd-run -p PAMName=login -p User=NAME' starts it in a session",
        )
    else:
        file = services.file(name)
        yield problem(_CHECK, name, f"opens sessions without the module: {file}", f"{_ENABLE}")
