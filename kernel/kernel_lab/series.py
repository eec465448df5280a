"""The patch series of one kernel, and a source tree kept in step with it.

The tree is long-lived: only files whose content changes are written, so that
make rebuilds only what depends on them.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from kernel_lab.command import run, say
from kernel_lab.errors import CommandFailed, LabError
from kernel_lab.paths import SERIES_DIR
from kernel_lab.source import Source

_DIFF = re.compile(r"^diff --git a/(\S+) b/(\S+)$", re.MULTILINE)
# What no kernel is made of
_BESIDE = re.compile(r"(?:Documentation|samples|tools)/|MAINTAINERS$")
_INDEX = re.compile(r"^index .*\n", re.MULTILINE)
# The heading of a hunk, or a line that starts in the first column and does not end a statement.
_FUNCTION = re.compile(r"^(?:@@ .* @@ |[+ ])(?=[a-z_]).*?(\w+)\((?!.*;)", re.MULTILINE)


def patches(kernel: str) -> list[Path]:
    """Return the patches of a kernel's series in their order, or an empty list."""
    return sorted(
        path for path in (SERIES_DIR / kernel).glob("*.patch") if not path.name.startswith("0000-")
    )


def required(kernel: str) -> list[Path]:
    """Return the patches of a kernel's series in their order.

    Raises:
        LabError: there is no series for this kernel.
    """
    found = patches(kernel)
    if not found:
        raise LabError(f"there is no series for {kernel}: kernel/series/{kernel} holds no patch")
    return found


def touched_files(texts: Iterable[str]) -> set[str]:
    """Return the paths that patches (their texts, git format) name."""
    return {name for text in texts for pair in _DIFF.findall(text) for name in pair}


def changed_functions(texts: Iterable[str]) -> set[str]:
    """Return the functions that patches define or have a change in, and maybe a few more."""
    return {name for text in texts for name in _FUNCTION.findall(text)}


def kernel_part(text: str) -> str:
    """Return what a patch (its text, git format) changes in the kernel itself.

    Message, documentation and programs are left out: "" if it changes nothing else.
    """
    starts = [found.start() for found in _DIFF.finditer(text)]
    pieces = [text[start:end] for start, end in pairwise([*starts, len(text)])]
    return "".join(
        _INDEX.sub("", piece, count=1)
        for piece in pieces
        if not all(_BESIDE.match(name) for name in _DIFF.findall(piece)[0])
    )


class Tree:
    """A writable copy of a source, made of hard links until a file differs."""

    def __init__(self, source: Source, path: Path) -> None:
        self.source = source
        self.path = path
        self._record = path.with_name(path.name + ".touched.json")

    def set_to(self, series: Sequence[Path]) -> None:
        """Make the tree equal to the source with these patches applied.

        Raises:
            LabError: a patch does not apply; the tree is as it was.
        """
        if not self.path.is_dir():
            self._create()
        wanted = touched_files(patch.read_text(encoding="utf-8") for patch in series)
        paths = sorted(wanted | self._touched())
        with tempfile.TemporaryDirectory(dir=self.path.parent) as scratch:
            result = Path(scratch)
            patched_copy(self.source.tree, sorted(wanted), series, result)
            # Written first: after a kill in the middle we still know what to look at.
            self._record.write_text(json.dumps(paths), encoding="utf-8")
            for name in paths:
                new = result / name if name in wanted else self.source.tree / name
                _replace(new, self.path / name)
        self._record.write_text(json.dumps(sorted(wanted)), encoding="utf-8")

    def _create(self) -> None:
        say(f"making a tree of {self.source.tree.name}")
        scratch = self.path.with_name(self.path.name + ".new")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.parent.mkdir(parents=True, exist_ok=True)
        run(["cp", "-al", str(self.source.tree), str(scratch)])
        scratch.rename(self.path)

    def _touched(self) -> set[str]:
        return (
            set(json.loads(self._record.read_text(encoding="utf-8")))
            if self._record.exists()
            else set()
        )


def patched_copy(origin: Path, names: Collection[str], series: Sequence[Path], into: Path) -> None:
    """Make copies of some files with a series applied, context and all.

    Args:
        origin: the tree that the files are taken from.
        names: every file that the series touches.
        series: the patches in their order.
        into: an empty directory for the copies.

    Raises:
        LabError: a patch does not apply.
    """
    for name in names:
        original = origin / name
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        if original.exists():
            shutil.copy2(original, into / name)
    argv = ["patch", "-p1", "--batch", "--forward", "-F0", "--no-backup-if-mismatch", "-i"]
    for patch in series:
        try:
            run([*argv, str(patch)], cwd=into)
        except CommandFailed as error:
            raise LabError(f"{patch} does not apply to {origin.name}:\n{error}") from error


def _replace(new: Path, old: Path) -> None:
    """Make `old` equal to `new` (or absent); leave it alone if it already is.

    The content goes to a new inode with the time of now: the old one may be a
    hard link into the pristine source, and make must see the change even when
    the content goes back to what it was.
    """
    if not new.exists():
        old.unlink(missing_ok=True)
        return
    content, mode = new.read_bytes(), new.stat().st_mode & 0o777
    if old.exists() and old.read_bytes() == content and old.stat().st_mode & 0o777 == mode:
        return
    old.parent.mkdir(parents=True, exist_ok=True)
    scratch = old.with_name(old.name + ".lab-new")
    scratch.write_bytes(content)
    scratch.chmod(mode)
    scratch.replace(old)
