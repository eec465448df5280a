"""Build script of the BPF programs and of ``_loader``, the cffi binding of their loader.

``setup.py`` names :data:`ffibuilder` and :func:`compile_programs`. clang compiles the
programs once for all kernels: libbpf finds on the target where its kernel has what.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sysconfig
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
NATIVE = HERE.parents[1] / "native"
HEADERS = (NATIVE / "bpf_abi.h", HERE / "loader.h")
SOURCES = (
    HERE / "loader.c",
    HERE / "selftest.c",
    # What the self test calls, which no other part of the library hands on
    NATIVE / "bpf.c",
    NATIVE / "domain.c",
)
OBJECT = "programs.bpf.o"

# -ffreestanding: the compiler's own headers, not those of a C library for another machine.
FLAGS = (
    "-target",
    "bpf",
    "-O2",
    "-g",
    "-ffreestanding",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unused-parameter",
)


def compile_programs(into: Path) -> None:
    """Compile the BPF programs into a directory.

    Args:
        into: where the object goes.

    Raises:
        CalledProcessError: the compiler refuses; it has said why.
        FileNotFoundError: there is no clang or no llvm-strip.
    """
    here, native = _relative(HERE), _relative(NATIVE)
    headers = f"/usr/include/{sysconfig.get_config_var('MULTIARCH')}"
    into.mkdir(parents=True, exist_ok=True)
    made = into / OBJECT
    source = f"{here}/programs.bpf.c"
    # The object names its sources, for the verifier's log: the same wherever it is built.
    here_is_root = f"-ffile-prefix-map={Path.cwd()}=."
    includes = (f"-I{native}", f"-I{headers}")
    subprocess.run(
        ["clang", *FLAGS, here_is_root, *includes, "-c", source, "-o", str(made)], check=True
    )
    # What is left is what libbpf needs.
    subprocess.run(["llvm-strip", "--strip-debug", str(made)], check=True)


def make_builder() -> FFI:
    """Return the builder; its paths are relative, as setuptools demands."""
    cut_declarations = runpy.run_path(str(NATIVE / "build.py"))["cut_declarations"]
    builder = FFI()
    builder.cdef("".join(cut_declarations(header.read_text()) for header in HEADERS))
    builder.set_source(
        "yama_session.enforcers.bpf._loader",
        '#include "bpf_abi.h"\n#include "loader.h"',
        sources=[_relative(source) for source in SOURCES],
        depends=[_relative(header) for header in HEADERS],
        include_dirs=[_relative(HERE), _relative(NATIVE)],
        libraries=["bpf"],
        extra_compile_args=["-std=gnu11", "-Wall", "-Wextra"],
    )
    return builder


def _relative(path: Path) -> str:
    return os.path.relpath(path)


ffibuilder = make_builder()
