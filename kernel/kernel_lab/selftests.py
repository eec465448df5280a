"""Programs below tools/testing/selftests: built from a tree, run in a guest."""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from kernel_lab import build, console, exceptions, series
from kernel_lab.cache import cache_root, digest, locked, processor
from kernel_lab.command import run, say
from kernel_lab.errors import LabError
from kernel_lab.guest import GuestOptions, run_guest
from kernel_lab.paths import GUEST_DIR
from kernel_lab.source import Source, fetch
from kernel_lab.tap import Report, report
from kernel_lab.variant import PLAIN, Variant

LIMIT = 60  # seconds for one program
BOOT = 120.0  # seconds for the guest beside its programs


@dataclass(frozen=True)
class Suite:
    """Installed test programs."""

    directory: Path
    programs: tuple[str, ...]  # "proc:read", in their order

    def only(self, names: Iterable[str]) -> "Suite":
        """Return a suite that runs only these programs."""
        chosen = set(names)
        return Suite(self.directory, tuple(name for name in self.programs if name in chosen))

    def also(self, names: Iterable[str]) -> "Suite":
        """Return a suite that runs these installed programs of no list as well.

        Raises:
            LabError: one is not installed.
        """
        more = tuple(names)
        for name in more:
            if not (self.directory / name.replace(":", "/", 1)).exists():
                raise LabError(f"the selftests have no program {name}")
        return Suite(self.directory, self.programs + more)


def suite(kernel: str, targets: Sequence[str], *, stock: bool) -> Suite:
    """Return the selftests of some targets, building them if the cache does not have them.

    Args:
        kernel: "6.12" and the like.
        targets: directories below tools/testing/selftests.
        stock: of the distribution's source, without the series.

    Raises:
        LabError: they do not compile.
    """
    source = fetch(kernel)
    patches = [] if stock else series.required(kernel)
    contents = [patch.read_bytes() for patch in patches]
    key = digest([source.version.encode(), " ".join(targets).encode(), *contents])
    directory = cache_root() / "selftests" / f"{kernel}-{key}"
    with locked(f"selftests-{kernel}"):
        if not directory.is_dir():
            work = directory.with_name(f"{directory.name}.new")
            shutil.rmtree(work, ignore_errors=True)
            _copy_tree(source, patches, work / "tree")
            with processor():
                _install(work, targets)
            (work / "installed").rename(directory)
            shutil.rmtree(work)
    listed = (directory / "kselftest-list.txt").read_text(encoding="utf-8").split()
    return Suite(directory, tuple(listed))


def _copy_tree(source: Source, patches: Sequence[Path], to: Path) -> None:
    """Make a tree of hard links: not every test can be built outside its own."""
    to.parent.mkdir(parents=True)
    workshop = build.Workshop(source)
    with locked(workshop.lock) if patches else nullcontext():
        if patches:
            workshop.set_tree(patches)
        run(["cp", "-al", str(workshop.tree.path if patches else source.tree), str(to)])


def _install(work: Path, targets: Sequence[str]) -> None:
    tree = work / "tree"
    # An older kernel has tests of fewer subsystems.
    present = [
        name for name in targets if (tree / f"tools/testing/selftests/{name}/Makefile").exists()
    ]
    say(f"building selftests: {' '.join(present)}")
    run(["make", "-s", "headers"], cwd=tree, env=build.IDENTITY)
    run(
        [
            "make",
            "-C",
            "tools/testing/selftests",
            f"KHDR_INCLUDES=-isystem {tree}/usr/include",
            f"TARGETS={' '.join(present)}",
            "FORCE_TARGETS=1",
            f"INSTALL_PATH={work}/installed",
            "install",
        ],
        cwd=tree,
    )


def run_suite(
    kernel: str,
    chosen: Suite,
    *,
    stock: bool = False,
    variant: Variant = PLAIN,
    limits: Mapping[str, int] | None = None,
    arguments: Mapping[str, str] | None = None,
    on_output: Callable[[bytes], None] | None = None,
) -> dict[str, Report]:
    """Run the programs of a suite one after the other in one guest.

    Args:
        kernel: the kernel that is booted, which need not be the suite's.
        chosen: the programs.
        stock: boot the kernel without the series.
        variant: the kernel's configuration; a slow one stretches the limits.
        limits: seconds for programs that need another limit than `LIMIT`.
        arguments: words for programs that take some.
        on_output: gets "PROGRAM STATUS" lines as they come.

    Raises:
        LabError: the guest broke, or what the variant looks for was found.
    """
    seconds = {name: (limits or {}).get(name, LIMIT) * variant.slowness for name in chosen.programs}
    with tempfile.TemporaryDirectory(prefix="kernel-lab-") as scratch:
        share = Path(scratch)
        run(["cp", "-a", str(chosen.directory), str(share / "suite")])
        shutil.copy(GUEST_DIR / "selftests", share / "selftests")
        (share / "programs").write_text(
            "".join(
                f"{name} {limit} {(arguments or {}).get(name, '')}\n"
                for name, limit in seconds.items()
            ),
            encoding="utf-8",
        )
        for moment in ("begin", "end"):
            if (script := GUEST_DIR / f"{variant.name}.{moment}").exists():
                shutil.copy(script, share / moment)
        options = GuestOptions(
            image="stock" if stock else "series",
            variant=variant.name,
            plain=True,
            services=False,
            memory=variant.memory,
            share=share,
            timeout=BOOT * variant.slowness + sum(seconds.values()),
        )
        result = run_guest(kernel, ["sh", "/share/selftests"], options, on_output=on_output)
        if variant.name == "kcsan":
            texts = (patch.read_text(encoding="utf-8") for patch in series.patches(kernel))
            ours = series.changed_functions(texts)
            known = exceptions.read(exceptions.RACES)
            kept = console.without_foreign_races(result.console, ours, known)
            result = replace(result, console=kept)
        if not result.ok:
            raise LabError(result.explain())
        return {name: _report(share / "results", name) for name in chosen.programs}


def _report(results: Path, name: str) -> Report:
    status = int((results / f"{name}.status").read_text(encoding="ascii"))
    output = (results / f"{name}.output").read_text(encoding="utf-8", errors="replace")
    return report(status, output)
