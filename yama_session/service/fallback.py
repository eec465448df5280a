"""What the service leaves for the PAM module's fallback: with it dead nobody reads the policy.

Each file is small, has its version in the first line and ``end`` in the last,
and is read by a few lines of C (``pam/exempt.c``, ``pam/floor.c``).
"""

from __future__ import annotations

import logging
from pathlib import Path

from yama_session.policy import Floor, Policy, Uids, exempt
from yama_session.service.accounts import Learned
from yama_session.service.records import write_atomically

_log = logging.getLogger(__name__)


def write_floor(file: Path, floor: Floor) -> None:
    """Write the levels that no login may go below.

    If that fails the file before stays: the module takes its own levels where
    they are stricter.
    """
    levels = f"scope {floor.scope.value}\nview {floor.view.word}\nproc {floor.proc.value}\n"
    text = f"yama-session floor 3\n{levels}end\n"
    try:
        write_atomically(file, text, mode=0o644)
    except OSError as error:
        _log.error("cannot write %s: %s", file, error)


def write_exempt(file: Path, policy: Policy, names: Learned) -> None:
    """Write who is unconfined however they log in, by number.

    The list before is removed first, since it may name somebody who is
    confined by now: with none only root is exempt.
    """
    found = exempt(policy, names.users, names.groups)
    lines = [f"uid {_range(uids)}" for uids in found.uids]
    lines += [f"gid {gid}" for gid in found.gids]
    lines += [f"service {name}" for name in found.services]
    lines += ["all"] if found.everybody else []
    try:
        file.unlink(missing_ok=True)
        write_atomically(file, "\n".join(["yama-session exempt 1", *lines, "end", ""]))
    except OSError as error:
        _log.error("cannot write %s: %s", file, error)


def _range(uids: Uids) -> str:
    return str(uids.first) if uids.first == uids.last else f"{uids.first}-{uids.last}"
