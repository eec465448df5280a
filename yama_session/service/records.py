"""Sessions as files under the service's run-time directory, so that a restart finds them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """One session, as it was opened.

    Args:
        id: its name, unique among the living.
        uid: the user's number.
        user: the user's name.
        service: the PAM service.
        tty: the terminal as PAM names it, or empty.
        rhost: the remote host, or empty.
        pid: the leader: the process whose exit ends the session.
        start: when the leader started, in clock ticks since boot.
        since: when the session was opened, in seconds since 1970.
        action: ``open``, or ``stay`` for a login inside the session ``parent``.
        parent: the id of the session that it stays in, or empty.
        enforcer: what confines it, empty for nothing.
        scope: the number of its scope.
        view: the number of its view.
        proc: what stands on its ``/proc``.
        group: what shares its domain.
        domain: the id of its domain, 0 where there is none.
        source: the rule that decided, as ``file:line``.
    """

    id: str
    uid: int
    user: str
    service: str
    tty: str
    rhost: str
    pid: int
    start: int
    since: float
    action: str
    parent: str
    enforcer: str
    scope: int
    view: int
    proc: str
    group: str
    domain: int
    source: str


class Records:
    """The directory of the session files; only root gets in.

    Args:
        directory: is made if it is not there.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, session: Session) -> None:
        """Write a session's file, all of it or nothing.

        Raises:
            OSError: it cannot be written.
        """
        write_atomically(self._file(session.id), json.dumps(asdict(session)) + "\n")

    def remove(self, session_id: str) -> None:
        """Remove a session's file; again is no error."""
        self._file(session_id).unlink(missing_ok=True)

    def load(self) -> Iterator[Session]:
        """Yield what is recorded; a file that is none of ours is removed, with a warning."""
        for file in sorted(self._directory.iterdir()):
            try:
                yield _session(json.loads(file.read_text()), file.stem)
            except (OSError, ValueError) as error:
                _log.warning("dropping %s: %s", file, error)
                file.unlink(missing_ok=True)

    def _file(self, session_id: str) -> Path:
        return self._directory / f"{session_id}.json"


def _session(document: object, name: str) -> Session:
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    types: dict[str, type] = {"int": int, "str": str, "float": float}
    wrong = [
        field.name
        for field in fields(Session)
        if type(document.get(field.name)) is not types[str(field.type)]
    ]
    if wrong or len(document) != len(fields(Session)) or document["id"] != name:
        raise ValueError(f"not a session: {', '.join(wrong) or 'other fields'}")
    return Session(**document)


def write_atomically(file: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file so that a reader finds the old or the new one, whole.

    Args:
        file: in a directory that nobody else writes to.
        text: its new text.
        mode: its permissions, whatever the umask.

    Raises:
        OSError: it cannot be written; the old one is still there.
    """
    temporary = file.with_name(f".{file.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(text)
    temporary.replace(file)
