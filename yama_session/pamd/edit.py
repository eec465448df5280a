"""Writes the module's line into each service after ``pam_limits``, and takes it out again.

Under Landlock even root in a session cannot read pid 1's limits, as
``pam_limits`` does; the profile of pam-auth-update stands before it in most
services of Debian.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from yama_session.pamd.lines import Line, PamError
from yama_session.pamd.stack import DIRECTORIES, GREETERS, MODULE, ROOT_ONLY, Services

_MARK = "# by 'yama-session setup --landlock', which takes it out with --undo"
_DIRECTIVE = f"session\trequired\t{MODULE}.so fallback=strict enforcer=landlock"
_LINES = f"{_MARK}\n{_DIRECTIVE}\n"
_COPIED = "# copied by 'yama-session setup --landlock' from "


@dataclass(frozen=True)
class Edit:
    """A change to one file.

    Args:
        file: which.
        before: its text now, ``None`` if it is not there.
        after: its text then, ``None`` to remove it.
    """

    file: Path
    before: str | None
    after: str | None

    def apply(self) -> None:
        """Write it, whole or not at all; mode and owner stay.

        Raises:
            PamError: the file has changed meanwhile, is a link, or cannot be written.
        """
        if self.file.is_symlink():
            raise PamError(f"{self.file} is a symbolic link: edit what it points to by hand")
        if _read(self.file) != self.before:
            raise PamError(f"{self.file} has been changed by somebody else just now: try again")
        try:
            if self.after is None:
                self.file.unlink()
            else:
                _replace(self.file, self.after)
        except OSError as error:
            raise PamError(f"{self.file} cannot be written: {error.strerror}") from None


def landlock_edits(
    directories: tuple[Path, ...] = DIRECTORIES, *, profile_goes: bool = False
) -> list[Edit]:
    """Return what to write so that every service with a session stack has the line.

    A service of the vendor's directory gets a copy in the administrator's.

    Args:
        directories: where services are; an earlier one wins.
        profile_goes: whether ``pam-auth-update`` takes its line out of the
            common files before.

    Raises:
        PamError: a file is not understood, or the line would stand where it
            can be skipped; nothing has been changed then.
    """
    etc = directories[0]
    common = _without_profile(etc) if profile_goes else {}
    changed: dict[Path, str] = {}
    names = Services(directories).names()
    # What others include comes first: they have the line then.
    for name in sorted(names, key=lambda name: (_includes(directories, name), name)):
        services = Services(directories, common | changed)
        stack = services.stack(name)
        if name in ROOT_ONLY | GREETERS or not stack or any(line.loads(MODULE) for line in stack):
            _refuse_foreign(stack)
            continue
        file = services.file(name)
        text = services.text(file)
        place = _place(services, name)
        head = "" if file.parent == etc else f"{_COPIED}{file}\n"
        changed[etc / name] = head + _inserted(text, place)
    return [Edit(file, _read(file), text) for file, text in changed.items()]


def undo_edits(directories: tuple[Path, ...] = DIRECTORIES) -> list[Edit]:
    """Return what to write so that exactly the lines of :func:`landlock_edits` are gone.

    Raises:
        PamError: such a line has been changed by hand.
    """
    return list(_undo(directories))


def _without_profile(etc: Path) -> dict[Path, str]:
    """The common files as they are without the profile's line."""
    texts = {}
    for file in etc.glob("common-*"):
        lines = (_read(file) or "").splitlines(keepends=True)
        texts[file] = "".join(line for line in lines if f"{MODULE}.so" not in line)
    return texts


def _undo(directories: tuple[Path, ...]) -> Iterator[Edit]:
    for file in sorted(directories[0].iterdir()):
        text = _read(file) if file.is_file() else None
        if text is None or _MARK not in text:
            continue
        if text.count(_LINES) != 1 or text.count(_MARK) != 1:
            raise PamError(f"{file}: the lines after {_MARK!r} have been changed: edit it by hand")
        rest = text.replace(_LINES, "")
        yield Edit(file, text, None if _is_copy(rest) else rest)


def _is_copy(text: str) -> bool:
    """Tell if a file is nothing but the vendor's, so that it can go."""
    head, _, rest = text.partition("\n")
    return head.startswith(_COPIED) and _read(Path(head.removeprefix(_COPIED))) == rest


def _includes(directories: tuple[Path, ...], name: str) -> bool:
    return any(
        line.includes and not line.module.startswith("common-")
        for line in Services(directories).lines(name)
    )


def _refuse_foreign(stack: Sequence[Line]) -> None:
    for line in stack:
        if line.loads(MODULE) and "enforcer=landlock" not in line.arguments.split():
            raise PamError(
                f"{line.place}: the module is there already, by no doing of this command: take "
                "it out first ('pam-auth-update --disable yama-session' if it is the profile's)"
            )


def _place(services: Services, name: str) -> Line:
    """Return the line after which the module stands: the last that brings limits or an inclusion.

    Behind what is included stands all that the administrator's profiles add.
    """
    lines = [line for line in services.lines(name) if services.contribution(line)]
    limits = [
        line
        for line in lines
        if line.includes or any(part.loads("pam_limits") for part in services.contribution(line))
    ]
    place = (limits or lines)[-1]
    before = [
        part for line in lines[: lines.index(place) + 1] for part in services.contribution(line)
    ]
    for index, part in enumerate(before):
        if part.ends_stack or index + part.jump >= len(before):
            raise PamError(
                f"{part.place}: '{part.control}' may skip what comes after it: "
                f"put the module's line into {services.file(name)} by hand"
            )
    return place


def _inserted(text: str, place: Line) -> str:
    lines = text.splitlines(keepends=True)
    if not lines[place.last - 1].endswith("\n"):
        lines[place.last - 1] += "\n"
    return "".join([*lines[: place.last], _LINES, *lines[place.last :]])


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise PamError(f"{file} cannot be read: {error}") from None


def _replace(file: Path, text: str) -> None:
    # libpam takes any name for a service's, so this one has a dot that none has.
    temporary = file.with_name(f".{file.name}.yama-session")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(temporary, flags, 0o600)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as stream:
            old = file.stat() if file.exists() else None
            if old:
                os.fchown(stream.fileno(), old.st_uid, old.st_gid)
            os.fchmod(stream.fileno(), old.st_mode & 0o7777 if old else 0o644)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
