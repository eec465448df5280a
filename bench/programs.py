"""Compile the measuring programs of `bench/guest` and `bench/login`."""

import shutil
from pathlib import Path

from kernel_lab.command import run

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "guest"
LOGIN = HERE / "login"
ABI = HERE.parent / "yama_session" / "native"
CFLAGS = ("-O2", "-Wall", "-Wextra", "-Werror", f"-I{ABI}", f"-I{SOURCES}")


def compile_into(directory: Path) -> None:
    """Compile the programs that measure the kernel into a directory.

    They are linked statically: a guest may have no C library.

    Raises:
        CommandFailed: the compiler is missing or unhappy.
    """
    _compile(SOURCES, directory, ["-static"])


def login_programs_into(directory: Path) -> None:
    """Compile what logs in, and copy the scripts beside it.

    Raises:
        CommandFailed: the compiler is missing or unhappy.
    """
    _compile(LOGIN, directory, ["-lpam"])
    for file in LOGIN.iterdir():
        if not file.suffix:
            shutil.copy(file, directory / file.name)
            (directory / file.name).chmod(0o755)


def _compile(sources: Path, directory: Path, options: list[str]) -> None:
    compiler = shutil.which("cc") or "gcc"
    for source in sorted(sources.glob("*.c")):
        target = directory / source.stem
        run([compiler, *CFLAGS, "-o", str(target), str(source), *options])
