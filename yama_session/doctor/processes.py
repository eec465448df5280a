"""Processes of users whom the policy confines, but which are in no domain."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from yama_session.doctor.finding import Finding, note, ok, problem
from yama_session.doctor.machine import systemctl
from yama_session.errors import AccountError, AccountMissing
from yama_session.policy import Login, Policy
from yama_session.reach.domains import Process

_CHECK = "processes"
_LOGIN_DEFS = Path("/etc/login.defs")

#: systemd's dynamic users; nobody; no uid at all. Source: docs/UIDS-GIDS.md of systemd.
_RESERVED = ((61184, 65519), (65534, 65535), (0xFFFFFFFF, 0xFFFFFFFF))


def examine(found: Iterable[Process], policy: Policy) -> Iterator[Finding]:
    """Examine processes.

    Args:
        found: all of the machine, as :func:`yama_session.reach.domains.processes`
            yields them.
        policy: the policy in force.
    """
    by_uid: dict[int, list[Process]] = defaultdict(list)
    for item in found:
        if item.domain is None and item.uid:
            by_uid[item.uid].append(item)
    people = {uid: items for uid, items in by_uid.items() if is_person(uid)}
    wrong = [finding for uid, items in people.items() for finding in _of_user(uid, items, policy)]
    yield from wrong
    if not wrong:
        yield ok(_CHECK, "users", "no process of a confined user is in no domain")
    count = sum(map(len, by_uid.values())) - sum(map(len, people.values()))
    if count:
        yield note(
            _CHECK,
            f"{count} processes of system accounts",
            "run as services do, by no login: the policy does not reach them",
        )


def _of_user(uid: int, items: Iterable[Process], policy: Policy) -> Iterator[Finding]:
    from yama_session.service.accounts import Directory

    login = Login(f"uid {uid}", uid)
    try:
        login = Directory().identify(policy, login)
    except AccountMissing:  # an account that is gone, but not its processes
        pass
    except AccountError as error:
        yield problem(
            _CHECK,
            login.user,
            f"what it should get is not known: {error}",
            "mend the name service; until then its logins go by the module's fallback",
        )
        return
    user = login.user
    decision = policy.account(login)
    # Whether a process is in a domain of Landlock, the kernel tells nobody.
    if decision.settings.unconfined or decision.settings.enforcer == "landlock":
        return
    by_unit: dict[str, list[Process]] = defaultdict(list)
    for item in items:
        by_unit[_unit(item.pid)].append(item)
    for unit, members in sorted(by_unit.items()):
        listed = ", ".join(f"{item.pid} ({item.name})" for item in members[:5])
        more = f" and {len(members) - 5} more" if len(members) > 5 else ""
        yield problem(
            _CHECK,
            f"{user}: {unit or 'no unit'}",
            f"not confined, though {decision.source} says so: {listed}{more}",
            _advice(unit, uid, user),
        )


def _advice(unit: str, uid: int, user: str) -> str:
    if unit == f"user@{uid}.service":
        return (
            "the user manager has run since before the policy confined its user, and is a way out "
            "for new logins: 'yama-session setup --restart-managers', or 'loginctl terminate-user "
            f"{user}', which ends all of the user's sessions with it"
        )
    if unit.startswith("session-") and unit.endswith(".scope"):
        return (
            f"'loginctl terminate-session {unit[8:-6]}': the login was before the module, by a "
            "service without it, or as root"
        )
    if unit.endswith(".service") and systemctl("show", "-PUser", unit) in ("", "root"):
        return (
            f"a program of root's in {unit} starts them: have it open a session of PAM on its main "
            "thread, or start one unit with User= and PAMName=login for each user"
        )
    if unit.endswith(".service"):
        return f"a unit with User= opens no session: set PAMName=login in {unit}, or accept it"
    return "started by no login, as runuser does: end it, or start it by su or systemd-run"


def _unit(pid: int) -> str:
    """The unit that a process is in, as its control group names it."""
    names = re.findall(r"[^/\s]+\.(?:service|scope)", _text(Path(f"/proc/{pid}/cgroup")))
    return str(names[0]) if names else ""


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def is_person(uid: int) -> bool:
    """Tell whether a uid is a person's.

    Those of directories and of systemd-homed lie above UID_MAX of login.defs(5),
    as do those of containers, which have no account.
    """
    lowest, highest = account_range(_text(_LOGIN_DEFS))
    if uid <= highest:
        return uid >= lowest
    if any(first <= uid <= last for first, last in _RESERVED):
        return False
    from yama_session.service.accounts import account_of

    try:
        account_of(uid)
    except AccountMissing:
        return False
    except AccountError:  # it may be one
        return True
    return True


def account_range(login_defs: str) -> tuple[int, int]:
    """Return the lowest and highest uid of local people, as login.defs(5) has them."""
    found = dict(re.findall(r"^\s*(UID_MIN|UID_MAX)\s+(\d+)", login_defs, re.MULTILINE))
    return int(found.get("UID_MIN", 1000)), int(found.get("UID_MAX", 60000))
