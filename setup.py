"""What pyproject.toml cannot say: the cffi modules and the BPF programs to compile."""

import runpy
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext

BPF = Path("yama_session/enforcers/bpf")


class BuildAll(build_ext):
    """The extension modules, and beside one of them the object that it loads."""

    def run(self) -> None:
        """Compile all into the directory that the modules go to."""
        super().run()
        root = Path() if self.inplace else Path(self.build_lib)
        compile_programs = runpy.run_path(str(BPF / "build.py"))["compile_programs"]
        compile_programs(root / BPF)


setup(
    cffi_modules=[
        "yama_session/native/build.py:ffibuilder",
        f"{BPF}/build.py:ffibuilder",
    ],
    cmdclass={"build_ext": BuildAll},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},  # as cffi makes the modules
)
