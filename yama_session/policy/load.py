"""Reads the policy's directory: drop-ins in the order of their names, then the main file."""

from __future__ import annotations

import os
import stat
from collections import ChainMap
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from yama_session.errors import PolicyError
from yama_session.levels import Mode
from yama_session.policy.parse import check, top
from yama_session.policy.rules import Policy, Rule
from yama_session.policy.words import Limits

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
    ``policy.toml``, so that a drop-in wins. Missing files contribute no rules,
    and files whose name begins with a dot are ignored. Files and directories
    must be root's (or the caller's, to look at a draft) and nobody else's to
    write to.
    """
    try:
        for each in (directory, directory / "policy.d"):
            _trust_directory(each)
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
    if errors:
        return Reading(sources, Policy(tuple(rules)), tuple(errors))
    tops = [top(source.text, source.file) for source in sources]
    mode = next((each.mode for each in tops if each.mode is not None), Mode.ENFORCE)
    strict = next((each.strict_manager for each in tops if each.strict_manager is not None), False)
    limits = ChainMap(*(dict(each.limits) for each in tops))
    if mode is Mode.LOG:
        rules = [replace(rule, settings=replace(rule.settings, mode=mode)) for rule in rules]
    ignored = frozenset[str]().union(*(each.ignored for each in tops))
    policy = Policy(tuple(rules), mode, Limits(**limits), strict, ignored)
    return Reading(sources, policy, ())


def _trust_directory(directory: Path) -> None:
    try:
        _trust(directory, directory.stat())
    except FileNotFoundError:
        return
    except OSError as error:
        raise PolicyError(directory, None, f"cannot be looked at: {error.strerror}") from None


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
        with _opened(file) as stream:
            before = os.fstat(stream.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise PolicyError(file, None, "is no regular file")
            _trust(file, before)
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


def _opened(file: Path) -> BinaryIO:
    def at_once(path: str, flags: int) -> int:  # a FIFO must not hold up whoever opens it
        return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)

    return open(file, "rb", opener=at_once)


def _trust(path: Path, found: os.stat_result) -> None:
    """Refuse what somebody else could have written; to look at a draft it may be one's own."""
    if found.st_uid not in (0, os.geteuid()):
        raise PolicyError(path, None, f"belongs to uid {found.st_uid}: 'chown root' it")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode = stat.S_IMODE(found.st_mode)
        raise PolicyError(path, None, f"others may write to it (mode {mode:04o}): 'chmod go-w' it")
