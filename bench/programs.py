"""Compile the measuring programs of `bench/guest`."""

import shutil
from pathlib import Path

from kernel_lab.command import run

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "guest"
ABI = HERE.parent / "yama_session" / "native"
CFLAGS = ("-O2", "-Wall", "-Wextra", "-Werror", "-static")


def compile_into(directory: Path) -> None:
    """Compile every program into a directory.

    They are linked statically: a guest may have no C library.

    Raises:
        CommandFailed: the compiler is missing or unhappy.
    """
    compiler = shutil.which("cc") or "gcc"
    for source in sorted(SOURCES.glob("*.c")):
        run([compiler, *CFLAGS, f"-I{ABI}", "-o", str(directory / source.stem), str(source)])
