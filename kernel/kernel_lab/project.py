"""The project's Debian packages, installed into a guest's root: what users get."""

import shutil
from pathlib import Path

from kernel_lab.cache import cache_root, digest, locked
from kernel_lab.command import run
from kernel_lab.paths import PROJECT
from kernel_lab.rootfs import Suite, disk_image

# What the packages that a guest has are made of
_SOURCES = (
    "Makefile", "data", "debian", "man", "pam", "pyproject.toml", "setup.py", "yama_session"
)  # fmt: skip
_LIST = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
_INSTALLED = ("libpam-yama-session", "python3-yama-session", "yama-session")

DEBS = "var/cache/yama-session"  # where a guest has the packages once more


def project_image(suite: Suite) -> Path:
    """Return a disk image of a Debian release's root with this checkout's packages.

    Raises:
        LabError: a package cannot be built or installed.
    """
    debs = packages()
    return disk_image(suite, debs.name, lambda root: _install(debs, root))


def packages() -> Path:
    """Return the directory of this checkout's Debian packages; they are built if need be.

    Raises:
        LabError: `make deb` fails.
    """
    made = cache_root() / "packages" / _sources_digest()
    with locked("packages"):
        if not made.exists():
            scratch = made.with_suffix(".new")
            run(["make", "--no-print-directory", "deb", f"DEBS={scratch}"], cwd=PROJECT)
            scratch.rename(made)
    return made


def _install(debs: Path, root: Path) -> None:
    kept = root / DEBS
    kept.mkdir()
    for deb in sorted(debs.glob("*.deb")):
        if deb.name.partition("_")[0] in _INSTALLED:
            shutil.copy(deb, kept)
    run(["chroot", str(root), "/bin/sh", "-c", f"dpkg --install /{DEBS}/*.deb"])
    run(["chroot", str(root), "pam-auth-update", "--enable", "yama-session"])


def _sources_digest() -> str:
    """Hash names, modes and contents of what the packages are made of; not times."""
    listed = run([*_LIST, "--", *_SOURCES], cwd=PROJECT)
    parts: list[bytes] = []
    for name in sorted(filter(None, listed.split("\0"))):
        path = PROJECT / name
        if path.exists():
            parts += [f"{name} {path.stat().st_mode:o}".encode(), path.read_bytes()]
    return digest(parts)
