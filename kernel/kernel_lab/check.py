"""Check a series: where it applies, its style, its warnings, and what it builds with."""

import importlib.util
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from kernel_lab import (
    build,
    exceptions,
    kconfig,
    numbers,
    places,
    results,
    series,
    variant,
    warnings,
)
from kernel_lab.cache import cache_root, digest, locked
from kernel_lab.command import Progress, run, say
from kernel_lab.errors import CommandFailed, LabError
from kernel_lab.source import Source, fetch, pristine


def check(kernel: str, *, quick: bool = False) -> None:
    """Check the whole series of a kernel.

    Args:
        kernel: "6.12" and the like.
        quick: only where it applies, its style, that the series builds and each
            patch compiles in the files that the series touches, and that the list
            of places that take or tell a number is complete.

    What was found good is remembered by hash: the second run costs nothing,
    and a change of one patch rebuilds from that patch on.

    Raises:
        LabError: naming the patch and what is wrong with it.
    """
    source = fetch(kernel)
    patches = series.required(kernel)
    upstream = _applies_upstream(source, patches)
    workshop = build.Workshop(source)
    with locked(workshop.lock):
        _style(source, patches)
        _each_builds(workshop, patches, quick=quick)
        _numbers_listed(workshop, patches)
        if quick:
            say(f"series {kernel}: {len(patches)} patches apply and build")
            return
        _no_new_warnings(workshop, patches)
        for lacking in variant.WITHOUT:
            _builds_without(source, patches, lacking)
    results.record_check(source, patches, upstream)
    say(f"series {kernel}: {len(patches)} patches are good")


def _applies_upstream(source: Source, patches: Sequence[Path]) -> str | None:
    """Apply the series to upstream's own files of the same version, and return that version."""
    mark = _mark(f"upstream-{digest([source.version.encode(), *_contents(patches)])}")
    if mark.exists():
        return mark.read_text(encoding="ascii")
    names = series.touched_files(patch.read_text(encoding="utf-8") for patch in patches)
    with tempfile.TemporaryDirectory(prefix="kernel-lab-") as scratch:
        origin, into = Path(scratch) / "upstream", Path(scratch) / "patched"
        origin.mkdir()
        into.mkdir()
        version = pristine(source, names, origin)
        if not version:
            say(f"upstream's own source of {source.version} cannot be had: not checked")
            return None
        series.patched_copy(origin, names, patches, into)
    say(f"the series applies to upstream's {version}")
    mark.write_text(version, encoding="ascii")
    return version


def _style(source: Source, patches: Sequence[Path]) -> None:
    ignored = exceptions.read(exceptions.STYLE)
    argv = ["perl", str(source.tree / "scripts/checkpatch.pl"), "--no-tree", "--strict"]
    argv += ["--codespell", f"--codespellfile={_dictionary()}"]
    argv += ["--no-summary", "--terse", f"--root={source.tree}"]
    if ignored:
        argv += ["--ignore", ",".join(ignored)]
    say(f"checkpatch --strict: {len(patches)} patches")
    try:
        # It leaves a file of its own where it runs.
        run([*argv, *map(str, patches)], cwd=cache_root())
    except CommandFailed as error:
        raise LabError(f"checkpatch objects:\n{error}") from error


def _dictionary() -> Path:
    """Return codespell's list of misspelt words; checkpatch knows other systems' places."""
    found = importlib.util.find_spec("codespell_lib")
    if not found or not found.origin:
        raise LabError("there is no codespell to check the spelling: `make setup` installs it")
    return Path(found.origin).with_name("data") / "dictionary.txt"


def _each_builds(workshop: build.Workshop, patches: Sequence[Path], *, quick: bool) -> None:
    """Compile the kernel after each patch; what the last one makes is linked by `build`.

    A header that half of the kernel includes makes that a matter of minutes for
    each patch. The quick way is to compile all after the last patch, and after each
    patch those files that the series touches.
    """
    source = workshop.tree.source
    steps = [patches[: number + 1] for number in range(len(patches))]
    keys = [build.key_of(source, step) for step in steps]
    whole = [_mark(f"builds-{key}") for key in keys]
    if not quick:
        for step, mark in zip(steps, whole, strict=True):
            if not mark.exists():
                _compile(workshop, step)
                mark.touch()
        return
    marks = [
        full if full.exists() else _mark(f"touched-builds-{key}")
        for full, key in zip(whole, keys, strict=True)
    ]
    if all(mark.exists() for mark in marks):
        return
    _compile(workshop, patches)
    names = series.touched_files(patch.read_text(encoding="utf-8") for patch in patches)
    for step, mark in zip(steps, marks, strict=True):
        if not mark.exists():
            _compile(workshop, step, names)
            mark.touch()
    whole[-1].touch()


def _compile(
    workshop: build.Workshop, patches: Sequence[Path], names: Collection[str] = ()
) -> None:
    """Compile all, or those of the named files that have been compiled before."""
    last = patches[-1].name
    say(f"compiling {'the files of the series' if names else 'all'} after {last}")
    try:
        workshop.prepare(patches)
        if names:
            workshop.make(*workshop.compiled(names))
        else:
            workshop.compile(progress=Progress("compiling", 0))
    except LabError as error:
        raise LabError(f"{last} does not build on the patches before it:\n{error}") from error


def _numbers_listed(workshop: build.Workshop, patches: Sequence[Path]) -> None:
    """Check that `numbers.toml` names what the source has, and rows that the test has."""
    source = workshop.tree.source
    parts = [numbers.LISTED.read_bytes(), Path(places.__file__).read_bytes(), *_contents(patches)]
    mark = _mark(f"numbers-{digest([source.version.encode(), *parts])}")
    if mark.exists():
        return
    say(f"what takes or tells the number of a process in {source.kernel}")
    workshop.set_tree(patches)
    tree = workshop.tree.path
    rows = numbers.rows(path.read_text(encoding="utf-8") for path in tree.glob(numbers.ROWS))
    wrong = numbers.compare(places.read(tree), numbers.listed(source.kernel), rows)
    if wrong:
        raise LabError(
            f"{numbers.LISTED.name} does not fit {source.kernel}:\n  " + "\n  ".join(wrong)
        )
    mark.touch()


def _no_new_warnings(workshop: build.Workshop, patches: Sequence[Path]) -> None:
    """Compare what the tools say of the touched files with and without the series."""
    source = workshop.tree.source
    mark = _mark(f"warnings-{build.key_of(source, patches)}")
    if mark.exists():
        return
    names = warnings.kernel_files(
        series.touched_files(patch.read_text(encoding="utf-8") for patch in patches)
    )
    options = kconfig.render(kconfig.asked(source.kernel, workshop.variant))
    parts = [source.version, options, *names]
    known = _mark(f"known-warnings-{digest([part.encode() for part in parts])}")
    if not known.exists():
        workshop.prepare([])
        known.write_text("\n".join(_warnings(workshop, names).elements()), encoding="utf-8")
    workshop.prepare(patches)
    new = _warnings(workshop, names) - Counter(known.read_text(encoding="utf-8").splitlines())
    new -= Counter(exceptions.read(exceptions.WARNINGS))
    if new:
        raise LabError("new warnings in touched files:\n  " + "\n  ".join(sorted(new)))
    mark.touch()


def _warnings(workshop: build.Workshop, names: Sequence[str]) -> Counter[str]:
    tree = workshop.tree.path
    return warnings.of_compiler(workshop, names) + warnings.of_kernel_doc(tree, names)


def _builds_without(source: Source, patches: Sequence[Path], lacking: variant.Variant) -> None:
    """Build and link the series in a kernel that lacks something it is about."""
    mark = _mark(f"builds-{build.key_of(source, patches, lacking)}")
    if mark.exists():
        return
    workshop = build.Workshop(source, lacking)
    say(f"building {lacking.name}")
    try:
        workshop.prepare(patches)
        workshop.make("vmlinux", progress=Progress(f"building {lacking.name}", 0))
    except LabError as error:
        raise LabError(f"the series does not build as {lacking.name}:\n{error}") from error
    mark.touch()


def _contents(patches: Sequence[Path]) -> list[bytes]:
    return [patch.read_bytes() for patch in patches]


def _mark(name: str) -> Path:
    path = cache_root() / "checked" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
