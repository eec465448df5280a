"""Where kernel sources come from: the archive's mirror, upstream's own files."""

import io
import tarfile
from pathlib import Path

import pytest
from kernel_lab import archive
from kernel_lab.errors import LabError
from kernel_lab.source import Source, pristine

TARGETS = """\
https://packages.example/apt bookworm main
https://containers.example/linux/debian bookworm stable
http://mirror.example/debian/ bookworm main
http://mirror.example/debian/ bookworm-updates main
http://mirror.example/debian-security/ bookworm-security main
"""


@pytest.mark.parametrize(
    ("suite", "expected"),
    [
        ("trixie-backports", "http://mirror.example/debian/"),
        ("bookworm-security", "http://mirror.example/debian-security/"),
    ],
)
def test_the_mirror_is_the_one_that_the_machine_uses(suite: str, expected: str) -> None:
    assert archive.mirror(TARGETS, suite) == expected


def test_a_machine_without_a_debian_mirror_is_told_so() -> None:
    with pytest.raises(LabError, match="security mirror"):
        archive.mirror("http://mirror.example/debian/ bookworm main\n", "bookworm-security")


def test_the_source_package_may_have_another_name() -> None:
    record = "Package: linux-source-6.12\nSource: linux-6.12 (6.12.117-1)\nVersion: 6.12.117-1\n"
    assert archive.source_name(record) == "linux-6.12"
    assert archive.source_name("Package: a\nVersion: 1\n") is None


def test_only_the_asked_files_of_upstream_are_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YAMA_SESSION_CACHE", str(tmp_path / "cache"))
    orig = tmp_path / "cache/source/linux-6.12.117.orig.tar.xz"
    orig.parent.mkdir(parents=True)
    with tarfile.open(orig, "w:xz") as members:
        for name in ("fs/a.c", "fs/b.c"):
            member = tarfile.TarInfo(f"linux-6.12.117/{name}")
            member.size = len(name)
            members.addfile(member, io.BytesIO(name.encode()))
    into = tmp_path / "into"
    into.mkdir()
    source = Source("6.12", "6.12.117-1~deb12u1", tmp_path)
    assert pristine(source, {"fs/a.c", "fs/new.c"}, into) == "6.12.117"
    assert [path.read_text() for path in into.rglob("*.c")] == ["fs/a.c"]
