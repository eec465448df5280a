"""Sessions and grants as files of the service's run-time directory: a restart finds them.

Each has the version of its form. The first, which had none, is read: its views have
the numbers that they had then; before version 3 nothing was only logged. A newer one
is left to whoever has written it.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Generic, TypeVar

from yama_session.levels import View

_log = logging.getLogger(__name__)

_VERSION = 3

#: What the views of version 1 were: all, domain, inferiors.
_VIEWS_1 = (View.ALL, View.DOMAIN, View.INFERIORS)


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
        would: what would confine it, where that is only logged; else empty.
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
    would: str = ""


@dataclass(frozen=True)
class Grant:
    """A process that may be traced by another one until a time.

    Args:
        id: its name, unique among the living.
        by: the uid that asked for it.
        owner: the uid of the tracee.
        tracee: the process that may be traced.
        tracee_start: when it started, in clock ticks since boot.
        tracee_name: its name then.
        tracer: the process that may trace it.
        tracer_start: when it started, likewise.
        tracer_name: its name then.
        domain: the id of the tracer's domain, 0 where there is none.
        since: when it was granted, in seconds since 1970.
        until: when it ends.
    """

    id: str
    by: int
    owner: int
    tracee: int
    tracee_start: int
    tracee_name: str
    tracer: int
    tracer_start: int
    tracer_name: str
    domain: int
    since: float
    until: float


_RecordT = TypeVar("_RecordT", bound=Session | Grant)


class Records(Generic[_RecordT]):
    """A directory with a file for each of one kind; only root gets in.

    Args:
        directory: is made if it is not there.
        kind: what is recorded.
    """

    def __init__(self, directory: Path, kind: type[_RecordT]) -> None:
        self._directory = directory
        self._kind = kind
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, record: _RecordT) -> None:
        """Write a file, all of it or nothing.

        Raises:
            OSError: it cannot be written.
        """
        text = json.dumps({"version": _VERSION, **vars(record)}) + "\n"
        write_atomically(self._file(record.id), text)

    def remove(self, record_id: str) -> None:
        """Remove a file; again is no error."""
        self._file(record_id).unlink(missing_ok=True)

    def load(self) -> Iterator[_RecordT]:
        """Yield what is recorded; a file that is none of ours is removed, with a warning.

        A file of a newer version stays, with a warning, too.
        """
        for file in sorted(self._directory.iterdir()):
            try:
                yield self._understand(json.loads(file.read_text()), file.stem)
            except _Newer as error:
                _log.warning("leaving %s alone: %s", file, error)
            except (OSError, ValueError) as error:
                _log.warning("dropping %s: %s", file, error)
                file.unlink(missing_ok=True)

    def _file(self, record_id: str) -> Path:
        return self._directory / f"{record_id}.json"

    def _understand(self, document: object, name: str) -> _RecordT:
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")
        version = document.pop("version", 1)
        if type(version) is not int or version < 1:
            raise ValueError(f"version {version!r} is none")
        if version > _VERSION:
            raise _Newer(f"it has version {version}, and {_VERSION} is the last one known here")
        if self._kind is Session and version < 3:
            document.setdefault("would", "")
        types: dict[str, type] = {"int": int, "str": str, "float": float}
        known = fields(self._kind)
        wrong = [
            field.name
            for field in known
            if type(document.get(field.name)) is not types[str(field.type)]
        ]
        if wrong or len(document) != len(known) or document["id"] != name:
            kind = self._kind.__name__.lower()
            raise ValueError(f"not a {kind}: {', '.join(wrong) or 'other fields'}")
        if self._kind is Session:
            document["view"] = _view(document["view"], version)
        return self._kind(**document)


class _Newer(Exception):
    """A record of a version that is not known yet."""


def _view(number: int, version: int) -> int:
    views = _VIEWS_1 if version == 1 else tuple(View)
    if not 0 <= number < len(views):
        raise ValueError(f"view {number} is none")
    return int(views[number])


def write_atomically(file: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file so that a reader finds the old or the new one, whole.

    Args:
        file: in a directory that nobody else writes to.
        text: its new text.
        mode: its permissions, whatever the umask.

    Raises:
        OSError: it cannot be written; the old one is still there.
    """
    temporary = f"{file.parent}/.{file.name}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(temporary, flags, 0o600), "wb") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(text.encode())
    os.replace(temporary, file)  # noqa: PTH105 - a login waits for it
