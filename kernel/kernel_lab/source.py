"""The kernel source, as the distribution packages it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from kernel_lab.cache import cache_root, locked
from kernel_lab.command import run, say
from kernel_lab.errors import CommandFailed, LabError


@dataclass(frozen=True)
class Source:
    """One unpacked source package. Nobody ever writes into `tree`."""

    kernel: str  # "6.12"
    version: str  # Debian's package version
    tree: Path


def fetch(kernel: str, *, refresh: bool = False) -> Source:
    """Return the unpacked source of `linux-source-KERNEL`.

    What the cache holds is taken; otherwise the package is taken from this
    machine where it is installed, or downloaded with apt-get.

    Args:
        kernel: "6.12" and the like.
        refresh: ask apt for the version it has now, even if one is unpacked.

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
        version = _installed(package) or _candidate(package)
        tree = directory / f"{package}_{version}"
        if not tree.is_dir():
            _unpack(package, version, tree)
        return _source(kernel, tree)


def _source(kernel: str, tree: Path) -> Source:
    return Source(kernel, tree.name.partition("_")[2], tree)


def _installed(package: str) -> str | None:
    try:
        answer = run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package])
    except CommandFailed:
        return None
    status, _, version = answer.partition(" ")
    return version if status == "installed" else None


def _candidate(package: str) -> str:
    for line in run(["apt-cache", "policy", package]).splitlines():
        key, _, value = line.strip().partition(": ")
        if key == "Candidate" and value != "(none)":
            return value
    raise LabError(f"apt knows no package {package}: run `apt-get update`, or name another kernel")


def _unpack(package: str, version: str, tree: Path) -> None:
    scratch = tree.with_name(tree.name + ".new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    name = f"{package}.tar.xz"
    archive = Path("/usr/src") / name
    if _installed(package) != version or not archive.exists():
        say(f"downloading {package} {version}")
        run(["apt-get", "download", f"{package}={version}"], cwd=scratch)
        [deb] = scratch.glob("*.deb")
        run(["dpkg-deb", "-x", str(deb), "deb"], cwd=scratch)
        archive = scratch / "deb/usr/src" / name
        if not archive.exists():
            raise LabError(f"the package {package} {version} has no usr/src/{name}")
    say(f"unpacking {package} {version}")
    run(
        [
            "tar",
            "-xf",
            str(archive),
            "--no-same-owner",
            "--strip-components=1",
            "--one-top-level=tree",
        ],
        cwd=scratch,
    )
    (scratch / "tree").rename(tree)
    shutil.rmtree(scratch)
