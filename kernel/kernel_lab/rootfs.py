"""Root file systems of the guest: Debian on a disk image, busybox in memory."""

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from kernel_lab.cache import cache_root, digest, locked
from kernel_lab.command import run, say
from kernel_lab.errors import LabError
from kernel_lab.paths import GUEST_DIR

Suite = Literal["bookworm", "trixie"]  # Debian 12 and 13
BUSYBOX = Path("/bin/busybox")
IMAGE_SIZE = "3G"  # sparse: only what is used takes room


def packages(text: str, suite: Suite) -> list[str]:
    """Return the package names of a list for a release.

    `#` starts a comment, and a name with `[trixie]` behind it is for that release alone.
    """
    words = [word for line in text.splitlines() for word in line.partition("#")[0].split()]
    pairs = [word.rstrip("]").split("[") for word in words]
    return [name for name, *only in pairs if not only or only == [suite]]


def debian_root(suite: Suite) -> Path:
    """Return the directory of a plain root of a Debian release, making it if need be.

    Raises:
        LabError: we are not root, or a package cannot be had.
    """
    setup = (GUEST_DIR / "setup").read_text(encoding="utf-8")
    wanted = packages((GUEST_DIR / "packages").read_text(encoding="utf-8"), suite)
    unit, init = GUEST_DIR / "lab.service", GUEST_DIR / "init"
    words = [suite, " ".join(wanted), setup]
    key = digest([*map(str.encode, words), unit.read_bytes(), init.read_bytes()])
    root = cache_root() / "roots" / key
    with locked("root"):
        if not root.is_dir():
            require_root()
            say(f"making a Debian {suite} root (about a minute)")
            scratch = root.with_name(key + ".new")
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.parent.mkdir(parents=True, exist_ok=True)
            run(
                [
                    "mmdebstrap",
                    "--variant=minbase",
                    "--mode=root",
                    f"--include={','.join(wanted)}",
                    suite,
                    str(scratch),
                ]
            )
            (scratch / "etc/hostname").write_text("guest\n", encoding="ascii")
            (scratch / "etc/hosts").write_text(
                "127.0.0.1 localhost guest\n::1 localhost\n", encoding="ascii"
            )
            shutil.copy(unit, scratch / "etc/systemd/system/lab.service")
            _install_init(init, scratch)
            run(["chroot", str(scratch), "/bin/sh", "-c", setup])
            scratch.rename(root)
    return root


def disk_image(suite: Suite, key: str, fill: Callable[[Path], None] | None) -> Path:
    """Return an ext4 image of a Debian root, by hash; no loop mount is used.

    Args:
        suite: the release.
        key: names what `fill` adds; "" with None for the plain root.
        fill: changes a copy of the root before the image is made.
    """
    root = debian_root(suite)
    image = cache_root() / "images" / f"{root.name}-{key or 'plain'}.img"
    with locked("image"):
        if not image.exists():
            image.parent.mkdir(parents=True, exist_ok=True)
            _forget_old_images(image.parent)
            scratch = image.with_suffix(".new")
            scratch.unlink(missing_ok=True)
            if fill is None:
                _make_image(root, scratch)
            else:
                copy = image.with_suffix(".root")
                shutil.rmtree(copy, ignore_errors=True)
                run(["cp", "-a", "--reflink=auto", str(root), str(copy)])
                try:
                    fill(copy)
                    _make_image(copy, scratch)
                finally:
                    shutil.rmtree(copy)
            scratch.rename(image)
    return image


def _make_image(root: Path, image: Path) -> None:
    run(
        [
            "mke2fs",
            "-q",
            "-t",
            "ext4",
            "-E",
            "lazy_itable_init=1",
            "-d",
            str(root),
            str(image),
            IMAGE_SIZE,
        ]
    )


def _forget_old_images(directory: Path, keep: int = 8) -> None:
    """Remove all but the newest images. A running guest keeps its open one."""
    images = sorted(directory.glob("*.img"), key=lambda path: path.stat().st_mtime, reverse=True)
    for image in images[keep:]:
        image.unlink()


def busybox_initramfs() -> Path:
    """Return a gzipped cpio with busybox and an init that runs the job."""
    if not BUSYBOX.exists():
        raise LabError(f"there is no {BUSYBOX}: `make setup` installs busybox-static")
    init = GUEST_DIR / "init"
    key = digest([BUSYBOX.read_bytes(), init.read_bytes()])
    archive = cache_root() / "images" / f"busybox-{key}.cpio.gz"
    with locked("image"):
        if not archive.exists():
            require_root()
            tree = archive.with_suffix(".root")
            shutil.rmtree(tree, ignore_errors=True)
            for name in (
                "bin",
                "dev",
                "proc",
                "sys",
                "tmp",
                "run",
                "root",
                "etc",
                "share",
                "sbin",
                "usr",
            ):
                (tree / name).mkdir(parents=True)
            os.mknod(tree / "dev/console", 0o020600, os.makedev(5, 1))
            (tree / "etc/passwd").write_text(
                "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/tmp:/bin/sh\n", encoding="ascii"
            )
            (tree / "etc/group").write_text("root:x:0:\nalice:x:1000:\n", encoding="ascii")
            shutil.copy(BUSYBOX, tree / "bin/busybox")
            (tree / "bin/sh").symlink_to("busybox")
            _install_init(init, tree)
            pack(tree, archive)
    return archive


def pack(tree: Path, archive: Path) -> None:
    """Make a gzipped cpio, as the kernel unpacks it, of a directory, which is removed."""
    plain = archive.with_suffix("")
    run(["sh", "-c", f"find . | cpio --quiet -o -H newc >../{plain.name}"], cwd=tree)
    archive.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    plain.unlink()
    shutil.rmtree(tree)


def _install_init(init: Path, tree: Path) -> None:
    """Put it where the kernel looks for it in an initramfs; on a disk it must be named."""
    shutil.copy(init, tree / "init")
    (tree / "init").chmod(0o755)


def require_root() -> None:
    """Refuse to go on as anybody else.

    Raises:
        LabError: we are not root.
    """
    if os.geteuid() != 0:
        raise LabError("making a root file system needs root: run the lab as root")
