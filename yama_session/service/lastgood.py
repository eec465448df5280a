"""The policy in force as a file, so that a restarted service has it when the files are broken.

It is the text that was read, not what came out of it: it is judged again by
whoever reads it, and names the same files and lines.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from yama_session.policy import Reading, Source, understand
from yama_session.service.records import write_atomically

_log = logging.getLogger(__name__)

_VERSION = 1


class LastGood:
    """Keeps the last policy that was in force; it lasts until the next boot.

    Args:
        file: in a directory that only root gets into.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def store(self, sources: tuple[Source, ...]) -> None:
        """Keep these texts in place of any others.

        If they cannot be written nothing is kept: the ones before may be looser.
        """
        texts = [{"file": str(source.file), "text": source.text} for source in sources]
        try:
            write_atomically(self._file, json.dumps({"version": _VERSION, "sources": texts}) + "\n")
        except OSError as error:
            _log.error("cannot keep the policy over a restart: %s: %s", self._file, error)
            self._file.unlink(missing_ok=True)

    def load(self) -> Reading | None:
        """Return what is kept, ``None`` if there is nothing or it is not whole."""
        try:
            reading = understand(_sources(json.loads(self._file.read_bytes())))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("no last good policy: %s: %s", self._file, error)
            return None
        if reading.errors:
            # Another version of this program has written it.
            _log.warning("no last good policy: %s holds %s", self._file, reading.errors[0])
            return None
        return reading


def _sources(document: object) -> list[Source]:
    if not isinstance(document, dict) or set(document) != {"version", "sources"}:
        raise ValueError("not a kept policy")
    version, texts = document["version"], document["sources"]
    if version != _VERSION or not isinstance(texts, list):
        raise ValueError(f"version {version!r} of a kept policy, not {_VERSION}")
    return [_source(text) for text in texts]


def _source(document: object) -> Source:
    if not isinstance(document, dict) or set(document) != {"file", "text"}:
        raise ValueError("not the text of a file")
    file, text = document["file"], document["text"]
    if not isinstance(file, str) or not isinstance(text, str):
        raise ValueError("not the text of a file")
    return Source(Path(file), text)
