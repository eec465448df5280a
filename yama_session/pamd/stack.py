"""The services of a machine, and the stack of session modules that each one runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from yama_session.pamd.lines import Line, PamError, parse

#: Where libpam looks for a service, in this order.
DIRECTORIES = (Path("/etc/pam.d"), Path("/usr/lib/pam.d"))

#: This project's module.
MODULE = "pam_yama_session"

#: Services that only root can run.
ROOT_ONLY = frozenset({"runuser", "runuser-l"})

#: Services of login screens themselves: what they start is no person's.
GREETERS = frozenset({"lightdm-greeter", "sddm-greeter", "gdm-launch-environment"})

#: libpam gives up on files that include one another.
_DEEPEST = 16


class Services:
    """The files of all services.

    Args:
        directories: where they are; an earlier one wins.
        changed: texts to take in place of files' own, by their path.
    """

    def __init__(
        self,
        directories: tuple[Path, ...] = DIRECTORIES,
        changed: Mapping[Path, str] | None = None,
    ) -> None:
        self._directories = directories
        self._changed = changed or {}

    def names(self) -> list[str]:
        """Return the names of all services; a file for others to include is none.

        Raises:
            PamError: a directory cannot be listed.
        """
        found = set()
        for directory in self._directories:
            if directory.is_dir():
                found |= {
                    file.name for file in directory.iterdir() if not file.name.startswith(".")
                }
        return sorted(name for name in found if _is_service(name))

    def file(self, name: str) -> Path:
        """Return the file of a service.

        Raises:
            PamError: there is none.
        """
        if "/" in name:
            candidates = [Path(name)]
        else:
            candidates = [directory / name for directory in self._directories]
        for file in candidates:
            if file in self._changed or file.exists():
                return file
        raise PamError(f"there is no {name} in {' or '.join(map(str, self._directories))}")

    def text(self, file: Path) -> str:
        """Return the text of a file.

        Raises:
            PamError: it cannot be read.
        """
        if file in self._changed:
            return self._changed[file]
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PamError(f"{file} cannot be read: {error}") from None

    def lines(self, name: str) -> list[Line]:
        """Return the session lines of a service's own file, inclusions unopened.

        Raises:
            PamError: the file is missing or not understood.
        """
        file = self.file(name)
        return [line for line in parse(file, self.text(file)) if line.type in ("", "session")]

    def stack(self, name: str) -> list[Line]:
        """Return the session modules of a service in the order in which they run.

        Raises:
            PamError: a file is missing or not understood.
        """
        return list(self._expand(name, 0))

    def contribution(self, line: Line) -> list[Line]:
        """Return the session modules that one line of :meth:`lines` stands for.

        Raises:
            PamError: as for :meth:`stack`.
        """
        return list(self._expand(line.module, 1)) if line.includes else [line]

    def _expand(self, name: str, depth: int) -> Iterator[Line]:
        if depth > _DEEPEST:
            raise PamError(f"{name} is included more than {_DEEPEST} deep: it includes itself")
        for line in self.lines(name):
            if line.includes:
                yield from self._expand(line.module, depth + 1)
            else:
                yield line


def _is_service(name: str) -> bool:
    # What package managers and editors leave is no service either.
    leftovers = (".dpkg-old", ".dpkg-new", ".dpkg-dist", ".ucf-dist", ".ucf-old", "~", ".bak")
    return not name.startswith("common-") and not name.endswith(leftovers)
