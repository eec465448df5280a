"""The wheel: with the BPF programs, and where their tools are missing without them."""

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.host

ROOT = Path(__file__).parents[2]
OBJECT = "yama_session/enforcers/bpf/programs.bpf.o"
TOOLS = ("clang", "llvm-strip")


def built(into: Path, path: str) -> tuple[Path, str]:
    """Build a wheel of a copy of the checkout; return it and what was printed."""
    copy = into / "source"
    copy.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md"):
        shutil.copy(ROOT / name, copy)
    unwanted = shutil.ignore_patterns("*.so", "*.o", "__pycache__", "_native.c", "_loader.c")
    shutil.copytree(ROOT / "yama_session", copy / "yama_session", ignore=unwanted)
    done = subprocess.run(
        ["/usr/bin/python3", "-m", "build", "--wheel", "--no-isolation", "--skip-dependency-check",
         "--outdir", into, copy],
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    (wheel,) = into.glob("*.whl")
    return wheel, done.stdout


@pytest.fixture
def path_without_tools(tmp_path: Path) -> str:
    """A directory of links to all that /usr/bin has, but for what compiles BPF programs."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for program in Path("/usr/bin").iterdir():
        if not program.name.startswith(TOOLS):
            (directory / program.name).symlink_to(program)
    return str(directory)


def test_wheel_holds_the_programs_for_every_python_from_3_11(tmp_path: Path) -> None:
    wheel, said = built(tmp_path, "/usr/bin:/bin")
    assert "built without" not in said
    assert "-cp311-abi3-linux" in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    assert OBJECT in names
    assert "yama_session/native/_native.abi3.so" in names


def test_wheel_without_clang_is_the_rest_and_says_so(
    tmp_path: Path, path_without_tools: str
) -> None:
    wheel, said = built(tmp_path, path_without_tools)
    assert "built without the enforcer bpf: clang, llvm-strip missing" in said
    assert OBJECT not in zipfile.ZipFile(wheel).namelist()
    environment = tmp_path / "venv"
    subprocess.run(
        ["/usr/bin/python3", "-m", "venv", "--system-site-packages", environment], check=True
    )
    python = environment / "bin/python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], check=True
    )
    status = subprocess.run(
        [environment / "bin/yama-session", "status", "--json"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert '"enforcers"' in status.stdout, status.stderr
