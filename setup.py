"""What pyproject.toml cannot say: the cffi modules and the BPF programs to compile.

Where clang or libbpf is missing the package is built without the enforcer bpf, and says
so; everything else works.
"""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext

BPF = Path("yama_session/enforcers/bpf")


def missing() -> list[str]:
    """Return what of the tools for the BPF programs is not on this machine."""
    programs = [name for name in ("clang", "llvm-strip") if not shutil.which(name)]
    header = subprocess.run(
        ["cc", "-E", "-include", "bpf/libbpf.h", "-x", "c", "/dev/null"], capture_output=True
    )
    return programs + (["libbpf's headers"] if header.returncode else [])


MISSING = missing()


class BuildAll(build_ext):
    """The extension modules, and beside one of them the object that it loads."""

    def run(self) -> None:
        """Compile all into the directory that the modules go to."""
        super().run()
        if MISSING:
            lacks = ", ".join(MISSING)
            print(f"warning: built without the enforcer bpf: {lacks} missing", file=sys.stderr)
            return
        root = Path() if self.inplace else Path(self.build_lib)
        compile_programs = runpy.run_path(str(BPF / "build.py"))["compile_programs"]
        compile_programs(root / BPF)


setup(
    cffi_modules=[
        "yama_session/native/build.py:ffibuilder",
        *([] if MISSING else [f"{BPF}/build.py:ffibuilder"]),
    ],
    cmdclass={"build_ext": BuildAll},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},  # as cffi makes the modules
)
