"""The project, installed into a guest's root as a package would do it."""

import shutil
from pathlib import Path

from kernel_lab.cache import cache_root, digest, locked
from kernel_lab.command import run
from kernel_lab.paths import PROJECT
from kernel_lab.rootfs import Suite, disk_image

UNIT = "yama-session.service"


def project_image(suite: Suite) -> Path:
    """Return a disk image of a Debian release's root with this checkout installed.

    The image is named by what `make install` produces, so a change that does
    not reach the installed files costs nothing.

    Raises:
        LabError: `make install` fails.
    """
    stage = cache_root() / "stage"
    with locked("stage"):
        shutil.rmtree(stage, ignore_errors=True)
        run(
            ["make", "--no-print-directory", "install", f"DESTDIR={stage}", "PREFIX=/usr"],
            cwd=PROJECT,
        )
        stage.mkdir(parents=True, exist_ok=True)
        return disk_image(suite, _tree_digest(stage), lambda root: _install(stage, root))


def _install(stage: Path, root: Path) -> None:
    run(["cp", "-a", "--no-preserve=ownership", f"{stage}/.", str(root)])
    if any((stage / "usr/share/pam-configs").glob("*")):
        run(["chroot", str(root), "pam-auth-update", "--package"])
    if (stage / "usr/lib/systemd/system" / UNIT).exists() or (
        stage / "lib/systemd/system" / UNIT
    ).exists():
        run(["systemctl", f"--root={root}", "enable", UNIT])


def _tree_digest(tree: Path) -> str:
    """Hash names, modes and contents; not times."""
    parts: list[bytes] = []
    for path in sorted(tree.rglob("*")):
        mode = path.lstat().st_mode
        parts.append(f"{path.relative_to(tree)} {mode:o}".encode())
        if path.is_symlink():
            parts.append(str(path.readlink()).encode())
        elif path.is_file():
            parts.append(path.read_bytes())
    return digest(parts)
