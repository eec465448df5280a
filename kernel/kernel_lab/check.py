"""Check a series: style, sparse, and that each patch builds on the ones before."""

import re
from collections.abc import Sequence
from pathlib import Path

from kernel_lab import build, kconfig, series
from kernel_lab.cache import cache_root, digest, locked
from kernel_lab.command import Progress, run, say
from kernel_lab.errors import CommandFailed, LabError
from kernel_lab.paths import KERNEL_DIR
from kernel_lab.source import Source, fetch

# Read by `checkpatch --ignore`, one type a line; `#` starts the reason.
EXCEPTIONS = KERNEL_DIR / "checkpatch.exceptions"
_WARNING = re.compile(r"^\S*?([\w./-]+\.[ch]):\d+:\d+: (.*)$")


def check(kernel: str) -> None:
    """Check the whole series of a kernel.

    What was found good is remembered by hash: the second run costs nothing,
    and a change of one patch rebuilds from that patch on.

    Raises:
        LabError: naming the patch and what is wrong with it.
    """
    source = fetch(kernel)
    patches = series.patches(kernel)
    if not patches:
        raise LabError(f"there is no series for {kernel}: kernel/series/{kernel} holds no patch")
    workshop = build.Workshop(source)
    with locked(workshop.lock):
        _style(source, patches)
        _each_builds(workshop, patches)
        _sparse(workshop, patches)
    say(f"series {kernel}: {len(patches)} patches are good")


def _style(source: Source, patches: Sequence[Path]) -> None:
    ignored = exceptions(EXCEPTIONS.read_text(encoding="utf-8")) if EXCEPTIONS.exists() else []
    argv = [
        "perl",
        str(source.tree / "scripts/checkpatch.pl"),
        "--no-tree",
        "--strict",
        "--codespell",
    ]
    argv += ["--no-summary", "--terse", f"--root={source.tree}"]
    if ignored:
        argv += ["--ignore", ",".join(ignored)]
    say(f"checkpatch --strict: {len(patches)} patches")
    try:
        # It leaves a file of its own where it runs.
        run([*argv, *map(str, patches)], cwd=cache_root())
    except CommandFailed as error:
        raise LabError(f"checkpatch objects:\n{error}") from error


def exceptions(text: str) -> list[str]:
    """Return the checkpatch message types that a text lists, one a line."""
    return [word for line in text.splitlines() if (word := line.partition("#")[0].strip())]


def _each_builds(workshop: build.Workshop, patches: Sequence[Path]) -> None:
    keys = [
        build.key_of(workshop.tree.source, patches[: number + 1]) for number in range(len(patches))
    ]
    good = [_mark(f"builds-{key}") for key in keys]
    for number, patch in enumerate(patches):
        if good[number].exists():
            continue
        say(f"compiling {number + 1}/{len(patches)} {patch.name}")
        try:
            workshop.prepare(patches[: number + 1])
            # Compiled, not linked: what the last patch makes is linked by `build`.
            workshop.compile(progress=Progress("compiling", 0))
        except LabError as error:
            raise LabError(
                f"{patch.name} does not build on the patches before it:\n{error}"
            ) from error
        good[number].touch()


def _sparse(workshop: build.Workshop, patches: Sequence[Path]) -> None:
    """Compare sparse's warnings in the touched files with and without the series."""
    mark = _mark(f"sparse-{build.key_of(workshop.tree.source, patches)}")
    if mark.exists():
        return
    names = sorted(series.touched_files(patch.read_text(encoding="utf-8") for patch in patches))
    sources = [
        name
        for name in names
        if name.endswith(".c") and not name.startswith(("tools/", "samples/", "Documentation/"))
    ]
    known_mark = _mark(
        "known-"
        + digest(
            [
                workshop.tree.source.version.encode(),
                kconfig.render(kconfig.asked()).encode(),
                *(name.encode() for name in sources),
            ]
        )
    )
    if not known_mark.exists():
        workshop.prepare([])
        known_mark.write_text("\n".join(sorted(_warnings(workshop, sources))), encoding="utf-8")
    workshop.prepare(patches)
    new = _warnings(workshop, sources) - set(known_mark.read_text(encoding="utf-8").splitlines())
    if new:
        raise LabError("sparse has new warnings:\n  " + "\n  ".join(sorted(new)))
    mark.touch()


def _warnings(workshop: build.Workshop, sources: Sequence[str]) -> set[str]:
    """Return sparse's warnings without their line numbers."""
    compiled = [
        name
        for name in sources
        if (workshop.tree.path / name).exists()
        and (workshop.objects / name).with_suffix(".o").exists()
    ]
    for name in compiled:
        (workshop.objects / name).with_suffix(".o").unlink()
    say(f"sparse: {len(compiled)} files of {workshop.tree.source.kernel}")
    text = workshop.compile("C=1")
    return warnings(text, set(compiled))


def warnings(text: str, names: set[str]) -> set[str]:
    """Return the warnings of a compilation that lie in `names`, line numbers left out."""
    found = set()
    for line in text.splitlines():
        match = _WARNING.match(line)
        if match and any(match[1].endswith(name) for name in names):
            name = next(name for name in names if match[1].endswith(name))
            found.add(f"{name}: {match[2]}")
    return found


def _mark(name: str) -> Path:
    path = cache_root() / "checked" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
