"""The policy in force as a file, so that a restarted service has it when the files are broken.

It is the text that was read, not what came out of it: it is judged again by
whoever reads it, and names the same files and lines. Beside it stands what the
names in it have meant, for a name service that is away after the restart.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from yama_session.policy import Reading, Source, understand
from yama_session.service.records import write_atomically

_log = logging.getLogger(__name__)

#: Version 1, of the first release, has no numbers.
_VERSION = 2


class LastGood:
    """Keeps the last policy that was in force.

    Args:
        file: in a directory that only root gets into.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        #: What the names in the policy that was loaded have meant, by kind.
        self.numbers: Mapping[str, Mapping[str, int]] = {}

    def store(self, sources: tuple[Source, ...], numbers: Mapping[str, Mapping[str, int]]) -> None:
        """Keep these texts in place of any others, and what the names in them mean.

        If they cannot be written nothing is kept: the ones before may be looser.
        """
        texts = [{"file": str(source.file), "text": source.text} for source in sources]
        try:
            kept = {"version": _VERSION, "sources": texts, "numbers": numbers}
            write_atomically(self._file, json.dumps(kept) + "\n")
        except OSError as error:
            _log.error("cannot keep the policy over a restart: %s: %s", self._file, error)
            self._file.unlink(missing_ok=True)

    def load(self) -> Reading | None:
        """Return what is kept, ``None`` if there is nothing or it is not whole."""
        try:
            sources, numbers = _kept(json.loads(self._file.read_bytes()))
            reading = understand(sources)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("no last good policy: %s: %s", self._file, error)
            return None
        if reading.errors:
            # Another version of this program has written it.
            _log.warning("no last good policy: %s holds %s", self._file, reading.errors[0])
            return None
        self.numbers = numbers
        return reading


def _kept(document: object) -> tuple[list[Source], dict[str, dict[str, int]]]:
    if not isinstance(document, dict) or not isinstance(document.get("sources"), list):
        raise ValueError("not a kept policy")
    version = document.pop("version", None)
    if type(version) is not int or not 1 <= version <= _VERSION:
        raise ValueError(f"version {version!r} of a kept policy, not {_VERSION}")
    numbers = {"user": {}, "group": {}} if version == 1 else document.pop("numbers", None)
    if set(document) != {"sources"}:
        raise ValueError("not a kept policy")
    return [_source(text) for text in document["sources"]], _numbers(numbers)


def _numbers(document: object) -> dict[str, dict[str, int]]:
    if not isinstance(document, dict) or set(document) != {"user", "group"}:
        raise ValueError("not the numbers of users and groups")
    for numbers in document.values():
        if not isinstance(numbers, dict) or any(type(n) is not int for n in numbers.values()):
            raise ValueError("not the numbers of users and groups")
    return document


def _source(document: object) -> Source:
    if not isinstance(document, dict) or set(document) != {"file", "text"}:
        raise ValueError("not the text of a file")
    file, text = document["file"], document["text"]
    if not isinstance(file, str) or not isinstance(text, str):
        raise ValueError("not the text of a file")
    return Source(Path(file), text)
