"""Debian's own kernel, as it is packaged, and the initramfs that boots a guest's root with it."""

import lzma
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kernel_lab.archive import Archive, suite_of
from kernel_lab.cache import cache_root, digest, locked
from kernel_lab.command import run, say
from kernel_lab.errors import LabError
from kernel_lab.paths import GUEST_DIR
from kernel_lab.rootfs import BUSYBOX, pack, require_root

# What a guest of the lab needs before its root is there: disk, ports, shares.
MODULES = ("virtio_pci", "virtio_blk", "virtio_console", "virtio_rng", "ext4", "9p", "9pnet_virtio")
# The general flavour: the one for clouds has no 9p. Newer releases divide a kernel
# among several packages.
_PARTS = re.compile(r"linux-(?:image|binary|modules|base)-\d+\.\d+\.[^-]*(?:-\d+)?-amd64")


@dataclass(frozen=True)
class Packaged:
    """One unpacked kernel of Debian's. Nobody ever writes into `directory`."""

    directory: Path
    release: str  # what `uname -r` says

    @property
    def image(self) -> Path:
        """The kernel that is booted."""
        return self.directory / "vmlinuz"

    @property
    def modules(self) -> Path:
        """What a guest has at /lib/modules."""
        return self.directory / "lib/modules"


def packaged(kernel: str) -> Packaged:
    """Return Debian's newest kernel of a series, from the cache if one is there.

    Args:
        kernel: "6.12" and the like.

    Raises:
        LabError: Debian's archive has none.
    """
    directory = cache_root() / "debian"
    with locked(f"debian-{kernel}"):
        found = sorted(directory.glob(f"{kernel}.*/vmlinuz"), key=lambda path: path.stat().st_mtime)
        if not found:
            return _unpacked(_download(kernel, directory))
        return _unpacked(found[-1].parent)


def initramfs(kernel: Packaged) -> Path:
    """Return a gzipped cpio that loads modules and goes to the root on the disk."""
    init = GUEST_DIR / "init-modules"
    files = list(load_order(_show_depends(kernel)))
    key = digest([BUSYBOX.read_bytes(), init.read_bytes(), *(str(file).encode() for file in files)])
    archive = cache_root() / "images" / f"debian-{kernel.release}-{key}.cpio.gz"
    with locked("image"):
        if not archive.exists():
            tree = archive.with_suffix(".root")
            shutil.rmtree(tree, ignore_errors=True)
            for name in ("bin", "dev", "proc", "root", "modules"):
                (tree / name).mkdir(parents=True)
            shutil.copy(BUSYBOX, tree / "bin/busybox")
            shutil.copy(init, tree / "init")
            (tree / "init").chmod(0o755)
            for number, file in enumerate(files):
                name = f"{number:02}-{file.name.removesuffix('.xz')}"
                (tree / "modules" / name).write_bytes(_plain(file))
            pack(tree, archive)
    return archive


def newest(packages: Iterable[tuple[str, str]], kernel: str) -> tuple[str, list[str]] | None:
    """Return version and packages of the newest kernel of a series, or None.

    Args:
        packages: names and versions of the packages that an archive has.
        kernel: "6.12" and the like.
    """
    versions: dict[str, list[str]] = {}
    for name, version in packages:
        if _PARTS.fullmatch(name) and version.startswith(f"{kernel}."):
            versions.setdefault(version, []).append(name)
    if not versions:
        return None
    version = max(versions, key=lambda text: [int(part) for part in re.findall(r"\d+", text)])
    return version, sorted(versions[version])


def load_order(shown: str) -> Iterator[Path]:
    """Yield the module files that `modprobe --show-depends` names, each once, in its order."""
    for line in dict.fromkeys(shown.splitlines()):
        command, _, rest = line.partition(" ")
        if command == "insmod":
            yield Path(rest.split()[0])


def _download(kernel: str, directory: Path) -> Path:
    require_root()
    suite = suite_of(kernel)
    archive = Archive(suite)
    archive.update()
    found = newest(archive.packages(), kernel)
    if not found:
        raise LabError(f"Debian's {suite} has no kernel of {kernel}")
    version, packages = found
    scratch = directory / f"{version}.new"
    shutil.rmtree(scratch, ignore_errors=True)
    for package in packages:
        place = scratch / "debs" / package
        place.mkdir(parents=True)
        deb = archive.download(package, version, place)
        run(["dpkg-deb", "-x", str(deb), str(scratch / "files")])
    [modules] = (scratch / "files").glob("**/lib/modules/*")
    kept = scratch / "kept"
    (kept / "lib/modules").mkdir(parents=True)
    modules = modules.rename(kept / "lib/modules" / modules.name)
    [image] = [*(scratch / "files").glob("boot/vmlinuz-*"), *modules.glob("vmlinuz")]
    shutil.copy(image, kept / "vmlinuz")
    say(f"indexing the modules of {modules.name}")
    run(["depmod", "-b", str(kept), modules.name])
    kept.rename(directory / version)
    shutil.rmtree(scratch)
    return directory / version


def _unpacked(directory: Path) -> Packaged:
    [modules] = (directory / "lib/modules").iterdir()
    return Packaged(directory, modules.name)


def _show_depends(kernel: Packaged) -> str:
    return run(
        [
            "modprobe",
            "--config=/dev/null",
            f"--dirname={kernel.directory}",
            f"--set-version={kernel.release}",
            "--show-depends",
            "--all",
            *MODULES,
        ]
    )


def _plain(module: Path) -> bytes:
    content = module.read_bytes()
    return lzma.decompress(content) if module.suffix == ".xz" else content
