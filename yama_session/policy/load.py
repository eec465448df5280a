"""Reads the policy's directory: drop-ins in the order of their names, then the main file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from yama_session.errors import PolicyError
from yama_session.policy.parse import check
from yama_session.policy.rules import Policy, Rule

#: Where the policy is installed.
POLICY_DIR = Path("/etc/yama-session")

#: No policy is larger; a larger file is an accident or an attack.
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Source:
    """One policy file as it was read."""

    file: Path
    text: str


@dataclass(frozen=True)
class Reading:
    """What was read, and what it means.

    Args:
        sources: the files, in the order in which their rules are asked.
        policy: the rules; no policy if there are errors.
        errors: everything that is wrong.
    """

    sources: tuple[Source, ...]
    policy: Policy
    errors: tuple[PolicyError, ...]


def load(directory: Path = POLICY_DIR) -> Policy:
    """Return the policy of a directory.

    Raises:
        PolicyError: a file cannot be read, or is wrong; the first of what
            :func:`read` finds.
    """
    reading = read(directory)
    if reading.errors:
        raise reading.errors[0]
    return reading.policy


def read(directory: Path = POLICY_DIR) -> Reading:
    """Read a directory, and find all that is wrong in it.

    ``policy.d/*.toml`` come first, in the order of their names, then
    ``policy.toml``, so that a drop-in wins. What is not there has no rules,
    and what begins with a dot is not there.
    """
    try:
        files = _drop_ins(directory / "policy.d")
    except PolicyError as error:
        return Reading((), Policy(), (error,))
    return read_files([*files, directory / "policy.toml"])


def ignored(directory: Path = POLICY_DIR) -> list[Path]:
    """Return what stands among the drop-ins but is none by its name.

    Raises:
        PolicyError: they cannot be listed.
    """
    return [
        file
        for file in _entries(directory / "policy.d")
        if file.suffix != ".toml" and not file.name.startswith(".")
    ]


def read_files(files: Iterable[Path]) -> Reading:
    """Read policy files whose rules are asked in this order."""
    sources, errors = [], []
    for file in files:
        try:
            text = _text(file)
        except PolicyError as error:
            errors.append(error)
            continue
        if text is not None:
            sources.append(Source(file, text))
    reading = understand(sources)
    return Reading(reading.sources, reading.policy, (*errors, *reading.errors))


def understand(sources: Iterable[Source]) -> Reading:
    """Return what texts mean that have been read before."""
    sources = tuple(sources)
    rules: list[Rule] = []
    errors: list[PolicyError] = []
    for source in sources:
        found, wrong = check(source.text, source.file)
        rules += found
        errors += wrong
    return Reading(sources, Policy(tuple(rules)), tuple(errors))


def _drop_ins(directory: Path) -> list[Path]:
    return [
        file
        for file in _entries(directory)
        if file.suffix == ".toml" and not file.name.startswith(".")
    ]


def _entries(directory: Path) -> list[Path]:
    """Return what a directory holds, in the order of the names; nothing if it is not there."""
    try:
        files = sorted(directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise PolicyError(directory, None, f"cannot be listed: {error.strerror}") from None
    for file in files:
        if not file.name.isprintable():  # it goes to the journal, the bus and terminals
            raise PolicyError(directory, None, f"holds {file.name!r}, which is no name for a file")
    return files


def _text(file: Path) -> str | None:
    """Return what stands in a file, ``None`` if there is none."""
    try:
        with file.open("rb") as stream:
            before = os.fstat(stream.fileno())
            data = stream.read(MAX_BYTES + 1)
            after = os.fstat(stream.fileno())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PolicyError(file, None, f"cannot be read: {error.strerror}") from None
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise PolicyError(file, None, "was written while it was read: reload again")
    if len(data) > MAX_BYTES:
        raise PolicyError(file, None, f"larger than {MAX_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PolicyError(file, line, f"byte {data[error.start]:#x} is not UTF-8") from None
