"""Build script of the cffi binding ``yama_session.native._native``.

The declarations are cut from the C headers, so that a constant or a
prototype stands in one place. ``setup.py`` names :data:`ffibuilder`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
HEADERS = ("yama_abi.h", "yama_native.h")
SOURCES = (
    "bpf.c",
    "domain.c",
    "landlock.c",
    "look.c",
    "names.c",
    "namespace.c",
    "probe.c",
    "procfs.c",
    "session.c",
)

# Only their being integers is known here; the compiler fills in the rest.
TYPEDEFS = "".join(f"typedef int... {name};\n" for name in ("pid_t", "uid_t", "gid_t"))


def cut_declarations(header: str) -> str:
    """Turn the text of a C header into what ``FFI.cdef()`` reads.

    Comments and preprocessor lines go; ``#define NAME number`` becomes
    ``#define NAME ...``, whose value the C compiler supplies.
    """
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    text = re.sub(r"^#define[ \t]+(\w+)[ \t]+(?:0x)?[0-9a-fA-F]+[ \t]*$", r"@\1", text, flags=re.M)
    text = re.sub(r"^[ \t]*#.*$", "", text, flags=re.M)
    text = re.sub(r"^@(\w+)$", r"#define \1 ...", text, flags=re.M)
    return re.sub(r"\n{2,}", "\n", text)


def make_builder() -> FFI:
    """Return the builder; its paths are relative, as setuptools demands."""
    here = Path(os.path.relpath(HERE))
    builder = FFI()
    builder.cdef(TYPEDEFS + "".join(cut_declarations((HERE / h).read_text()) for h in HEADERS))
    builder.set_source(
        "yama_session.native._native",
        '#include "yama_native.h"',
        sources=[str(here / source) for source in SOURCES],
        depends=[str(here / header) for header in HEADERS],
        include_dirs=[str(here)],
        extra_compile_args=["-std=gnu11", "-Wall", "-Wextra"],
    )
    return builder


ffibuilder = make_builder()
