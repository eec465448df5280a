"""What `make install` puts on a machine, `make uninstall` takes away, but what is in /etc."""

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.host

ROOT = Path(__file__).parents[2]


def make(target: str, stage: Path) -> None:
    subprocess.run(
        ["make", "--no-print-directory", target, f"DESTDIR={stage}"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )


def files(stage: Path) -> set[str]:
    return {str(path.relative_to(stage)) for path in stage.rglob("*") if path.is_file()}


def test_uninstall_leaves_the_administrator_s_files(tmp_path: Path) -> None:
    policy = tmp_path / "etc/yama-session/policy.toml"
    make("install", tmp_path)
    assert {"usr/bin/yama-session", "usr/share/pam-configs/yama-session"} <= files(tmp_path)
    policy.write_text("# mine\n")
    make("install", tmp_path)
    assert policy.read_text() == "# mine\n"
    make("uninstall", tmp_path)
    assert files(tmp_path) == {"etc/yama-session/policy.toml"}
