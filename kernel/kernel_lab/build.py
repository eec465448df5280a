"""Build kernels.

There is one long-lived tree per kernel version and one object directory per
variant in it, shared by the stock and the patched kernel; finished images are
kept by hash.
"""

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernel_lab import kconfig, series
from kernel_lab.cache import cache_root, digest, locked
from kernel_lab.command import Progress, run, say
from kernel_lab.source import Source, fetch
from kernel_lab.variant import PLAIN, Variant

# Nothing of the machine or the moment may be in the image.
IDENTITY = {
    "KBUILD_BUILD_USER": "lab",
    "KBUILD_BUILD_HOST": "yama-session",
    "KBUILD_BUILD_TIMESTAMP": "1970-01-01 00:00:00 UTC",
    "KBUILD_BUILD_VERSION": "1",
}
FIRST_BUILD_FILES = 2300  # only for the progress shown in the very first build
DIRECTORIES = (
    "init",
    "arch/x86",
    "kernel",
    "mm",
    "fs",
    "ipc",
    "io_uring",
    "security",
    "block",
    "crypto",
    "lib",
    "net",
    "drivers",
)
_STEP = re.compile(r"^  (?:CC|AS|HOSTCC|LD|AR)\b")


@dataclass(frozen=True)
class Kernel:
    """A finished kernel."""

    name: str  # "6.12 stock" or "6.12 patched debug", for messages
    key: str  # hash of source version, series and configuration
    image: Path  # bzImage


class Workshop:
    """The tree and the object directory in which one variant of a kernel is built.

    Use it only under `locked(lock)`.
    """

    def __init__(self, source: Source, variant: Variant = PLAIN) -> None:
        directory = cache_root() / "build" / source.kernel
        self.lock = f"build-{source.kernel}"
        self.variant = variant
        self.tree = series.Tree(source, directory / "tree")
        self.objects = directory / f"obj-{variant.name}"
        self._asked = directory / f"asked-{variant.name}.config"
        self._made_of = directory / "source"

    def set_tree(self, patches: Sequence[Path]) -> None:
        """Set the tree to the series."""
        source = self.tree.source.tree.name
        if self._made_of.exists() and self._made_of.read_text(encoding="utf-8") != source:
            say("the distribution's source has changed: starting anew")
            shutil.rmtree(self._made_of.parent)
        self.tree.set_to(patches)
        self._made_of.write_text(source, encoding="utf-8")

    def prepare(self, patches: Sequence[Path]) -> None:
        """Set the tree to the series and make the configuration."""
        self.set_tree(patches)
        self.objects.mkdir(parents=True, exist_ok=True)
        wanted = kconfig.asked(self.tree.source.kernel, self.variant)
        text = kconfig.render(wanted)
        config = self.objects / ".config"
        if (
            not config.exists()
            or not self._asked.exists()
            or self._asked.read_text(encoding="utf-8") != text
        ):
            self._asked.unlink(missing_ok=True)
            self.make("-s", "tinyconfig")
            config.write_text(
                kconfig.merged(config.read_text(encoding="utf-8"), wanted), encoding="utf-8"
            )
            self.make("-s", "olddefconfig")
            self._asked.write_text(text, encoding="utf-8")
        else:
            self.make("-s", "olddefconfig")
        kconfig.verify(wanted, config.read_text(encoding="utf-8"))

    def make(self, *arguments: str, progress: Progress | None = None) -> str:
        """Run the kernel's make in this workshop and return its output."""

        def each_line(line: str) -> None:
            if progress and _STEP.match(line):
                progress.step()

        return run(
            ["make", f"O={self.objects}", f"-j{os.cpu_count() or 1}", *arguments],
            cwd=self.tree.path,
            env=IDENTITY,
            each_line=each_line,
        )

    def compile(self, *arguments: str, progress: Progress | None = None) -> str:
        """Compile everything and link nothing.

        make has no name for that (`vmlinux.a` is taken for a single file): the
        source's top directories are named one by one.
        """
        names = [f"{name}/" for name in DIRECTORIES if (self.tree.path / name).is_dir()]
        return self.make(*arguments, *names, progress=progress)

    def compiled(self, names: Iterable[str]) -> list[str]:
        """Return the objects, sorted, that have been made of those of the named files that exist.

        What the configuration leaves out has none.
        """
        objects = {name: str(Path(name).with_suffix(".o")) for name in names if name.endswith(".c")}
        return sorted(
            made
            for name, made in objects.items()
            if (self.tree.path / name).exists() and (self.objects / made).exists()
        )

    def progress(self, what: str) -> Progress:
        """Return a counter that knows how many files a whole build has."""
        if not (self.objects / "vmlinux.o").exists():
            return Progress(what, FIRST_BUILD_FILES)
        return Progress(what, 0)


def key_of(source: Source, patches: Sequence[Path], variant: Variant = PLAIN) -> str:
    """Return the hash that names the kernel made of these parts."""
    options = kconfig.render(kconfig.asked(source.kernel, variant))
    changes = (series.kernel_part(patch.read_text(encoding="utf-8")) for patch in patches)
    return digest(map(str.encode, [source.version, options, *filter(None, changes)]))


def build(kernel: str, *, stock: bool, variant: Variant = PLAIN) -> Kernel:
    """Return the kernel, building it if the cache does not have it.

    Args:
        kernel: "6.12" and the like.
        stock: without the project's series.
        variant: how it is configured.

    Raises:
        LabError: a patch does not apply, an option is missing, it does not compile.
    """
    source = fetch(kernel)
    patches = [] if stock else series.required(kernel)
    name = f"{kernel} {'stock' if stock else 'patched'} {variant.name}"
    key = key_of(source, patches, variant)
    directory = cache_root() / "kernels" / f"{kernel}-{key}"
    result = Kernel(name, key, directory / "bzImage")
    if result.image.exists():
        return result
    workshop = Workshop(source, variant)
    with locked(workshop.lock):
        if not result.image.exists():
            _build_into(directory, workshop, patches, name)
    return result


def _build_into(directory: Path, workshop: Workshop, patches: Sequence[Path], name: str) -> None:
    workshop.prepare(patches)
    say(f"building kernel {name} ({len(patches)} patches)")
    progress = workshop.progress(f"building {name}")
    workshop.make("bzImage", progress=progress)
    scratch = directory.with_name(directory.name + ".new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    shutil.copy2(workshop.objects / "arch/x86/boot/bzImage", scratch / "bzImage")
    shutil.copy2(workshop.objects / ".config", scratch / "config")
    shutil.copy2(workshop.objects / "System.map", scratch / "System.map")
    scratch.rename(directory)
    say(f"kernel {name} is ready: {progress.count} files built")
