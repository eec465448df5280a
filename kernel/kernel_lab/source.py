"""The kernel source, as the distribution packages it."""

import shutil
import tarfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from kernel_lab.archive import Archive, suite_of
from kernel_lab.cache import cache_root, locked
from kernel_lab.command import run, say
from kernel_lab.errors import CommandFailed, LabError


@dataclass(frozen=True)
class Source:
    """One unpacked source package. Nobody ever writes into `tree`."""

    kernel: str  # "6.12"
    version: str  # Debian's package version
    tree: Path

    @property
    def package(self) -> str:
        """The name of the source's binary package."""
        return f"linux-source-{self.kernel}"


def fetch(kernel: str, *, refresh: bool = False) -> Source:
    """Return the unpacked source of `linux-source-KERNEL`.

    What the cache holds is taken; otherwise the package is taken from this
    machine where it is installed, or downloaded from Debian's archive.

    Args:
        kernel: "6.12" and the like.
        refresh: ask the archive for the version it has now, even if one is unpacked.

    Raises:
        LabError: there is no such package, or it has no source archive in it.
    """
    directory = cache_root() / "source"
    package = f"linux-source-{kernel}"
    with locked(f"source-{kernel}"):
        found = sorted(
            directory.glob(f"{package}_*/Makefile"), key=lambda path: path.stat().st_mtime
        )
        if found and not refresh:
            return _source(kernel, found[-1].parent)
        archive = Archive(suite_of(kernel))
        archive.update()
        version = archive.candidate(package)
        tree = directory / f"{package}_{version}"
        if not tree.is_dir():
            _unpack(archive, package, version, tree)
        return _source(kernel, tree)


def pristine(source: Source, names: Collection[str], into: Path) -> str | None:
    """Unpack files of the upstream release that a source is made of.

    Args:
        source: the distribution's source.
        names: paths in the kernel tree; those that upstream does not have are left out.
        into: an existing directory.

    Returns:
        Upstream's version; None if the distribution offers its archive no more.
    """
    version = source.version.partition("-")[0]
    archive = cache_root() / "source" / f"linux-{version}.orig.tar.xz"
    with locked(f"source-{source.kernel}"):
        if not archive.exists() and not _download_orig(source, archive):
            return None
    say(f"unpacking {len(names)} files of upstream's {version}")
    with tarfile.open(archive, "r|xz") as members:
        for member in members:
            name = member.name.partition("/")[2]
            if name in names and member.isfile():
                member.name = name
                members.extract(member, into, set_attrs=False)
    return version


def _source(kernel: str, tree: Path) -> Source:
    return Source(kernel, tree.name.partition("_")[2], tree)


def _download_orig(source: Source, archive: Path) -> bool:
    scratch = archive.with_name(archive.name + ".new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    offered = Archive(suite_of(source.kernel))
    offered.update()
    found = offered.download_orig(source.package, source.version, scratch)
    if found:
        found.rename(archive)
    shutil.rmtree(scratch)
    return found is not None


def _installed(package: str) -> str | None:
    try:
        answer = run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package])
    except CommandFailed:
        return None
    status, _, version = answer.partition(" ")
    return version if status == "installed" else None


def _unpack(archive: Archive, package: str, version: str, tree: Path) -> None:
    scratch = tree.with_name(tree.name + ".new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    name = f"{package}.tar.xz"
    sources = Path("/usr/src") / name
    if _installed(package) != version or not sources.exists():
        run(
            ["dpkg-deb", "-x", str(archive.download(package, version, scratch)), "deb"], cwd=scratch
        )
        sources = scratch / "deb/usr/src" / name
        if not sources.exists():
            raise LabError(f"the package {package} {version} has no usr/src/{name}")
    say(f"unpacking {package} {version}")
    run(
        [
            "tar",
            "-xf",
            str(sources),
            "--no-same-owner",
            "--strip-components=1",
            "--one-top-level=tree",
        ],
        cwd=scratch,
    )
    (scratch / "tree").rename(tree)
    shutil.rmtree(scratch)
