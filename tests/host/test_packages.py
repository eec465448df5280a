"""The Debian packages: built alike anywhere, and on a root of its own put in and taken out."""

import hashlib
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kernel_lab.project import packages
from kernel_lab.rootfs import Suite, debian_root

pytestmark = pytest.mark.host

ROOT = Path(__file__).parents[2]
OURS = ("libpam-yama-session", "yama-session", "python3-yama-session")

# What dpkg, debconf, pam-auth-update and systemd remember of any package.
KEPT = ("/var/lib/dpkg/", "/var/cache/debconf/", "/var/log/", "/var/lib/pam/", "/tmp/")


def tree(root: Path) -> dict[str, str]:
    """Return type, mode, owner and content of every file of a root, by its path."""
    found = {}
    for directory, _, names in os.walk(root):
        for path in (Path(directory), *(Path(directory, name) for name in names)):
            name = f"/{path.relative_to(root)}"
            if name.startswith(KEPT):
                continue
            known = path.lstat()
            what = f"{stat.filemode(known.st_mode)} {known.st_uid}:{known.st_gid}"
            if path.is_symlink():
                what += f" -> {path.readlink()}"
            elif path.is_file():
                what += f" {hashlib.sha256(path.read_bytes()).hexdigest()}"
            found[name] = what
    return found


class Machine:
    """A Debian root whose changes are thrown away, with the packages in /tmp."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command in it."""
        return subprocess.run(
            ["chroot", self.root, "/bin/sh", "-c", command],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def check(self, command: str) -> str:
        """Run a command that must succeed; return its output."""
        done = self.run(command)
        assert done.returncode == 0, f"{command}: {done.stdout}"
        return done.stdout

    def module_lines(self) -> list[str]:
        """Return the lines of PAM's services that name the module."""
        services = (self.root / "etc/pam.d").iterdir()
        lines = [line for file in services for line in file.read_text().splitlines()]
        return [line for line in lines if "pam_yama_session" in line]


@pytest.fixture(params=["bookworm", "trixie"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    suite: Suite = request.param
    lower, root = debian_root(suite), tmp_path / "root"
    for part in ("root", "upper", "work"):
        (tmp_path / part).mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path / "upper"], check=True)
    try:
        for part in ("upper", "work"):
            (tmp_path / "upper" / part).mkdir()
        layers = f"lowerdir={lower},upperdir={tmp_path}/upper/upper,workdir={tmp_path}/upper/work"
        subprocess.run(["mount", "-t", "overlay", "-o", layers, "overlay", root], check=True)
        try:
            for deb in packages().glob("*.deb"):
                if deb.name.partition("_")[0] in OURS:
                    (root / "tmp" / deb.name).write_bytes(deb.read_bytes())
            yield Machine(root)
        finally:
            subprocess.run(["umount", root], check=True)
    finally:
        subprocess.run(["umount", tmp_path / "upper"], check=True)


def test_installing_switches_nothing_on_and_purging_leaves_nothing(machine: Machine) -> None:
    before = tree(machine.root)
    machine.check("dpkg --install /tmp/*.deb")
    assert machine.module_lines() == []
    assert "yama-session 0." in machine.check("yama-session --version")
    machine.check("pam-auth-update --enable yama-session")
    assert len(machine.module_lines()) == 2
    machine.check(f"dpkg --purge {' '.join(OURS)}")
    after = tree(machine.root)
    assert {name: after[name] for name in after.keys() - before.keys()} == {}
    assert {name: before[name] for name in before.keys() - after.keys()} == {}
    assert {name for name in after if after[name] != before[name]} == set()


def test_module_that_a_line_still_names_is_not_removed(machine: Machine) -> None:
    machine.check("dpkg --install /tmp/*.deb")
    service = machine.root / "etc/pam.d/login"
    whole = service.read_text()
    service.write_text(f"{whole}session required pam_yama_session.so\n")
    done = machine.run("dpkg --remove libpam-yama-session")
    assert done.returncode != 0
    assert "/etc/pam.d/login" in done.stdout
    assert "Take its lines out first" in done.stdout
    assert list(machine.root.glob("usr/lib/*/security/pam_yama_session.so"))
    service.write_text(whole)
    machine.check("dpkg --remove libpam-yama-session")

    machine.check("dpkg --install /tmp/*.deb; pam-auth-update --enable yama-session")
    service.write_text(f"{whole}session required pam_yama_session.so\n")
    on = machine.module_lines()
    assert machine.run("dpkg --remove libpam-yama-session").returncode != 0
    assert machine.module_lines() == on  # still confined, as it is still installed
    service.write_text(whole)
    (service.parent / "common-session.pam-old").write_text("session required pam_yama_session.so\n")
    machine.check("dpkg --remove libpam-yama-session")


def test_module_that_was_never_configured_is_not_missed_by_a_login(machine: Machine) -> None:
    machine.check("dpkg --install /tmp/*.deb; pam-auth-update --enable yama-session")
    machine.check("echo session required pam_yama_session.so >>/etc/pam.d/login")
    machine.check("dpkg --unpack /tmp/libpam-*.deb; dpkg --remove libpam-yama-session")
    assert [line for line in machine.module_lines() if not line.startswith("#")] == []
    machine.check("su root -c true")


def test_older_packages_replace_none_of_them(machine: Machine) -> None:
    machine.check("dpkg --install /tmp/*.deb")
    for deb in sorted((machine.root / "tmp").glob("*.deb")):
        name = f"/tmp/{deb.name}"
        machine.check(f"dpkg-deb --raw-extract {name} /tmp/old")
        control = machine.root / "tmp/old/DEBIAN/control"
        control.write_text(control.read_text().replace("\nVersion: ", "\nVersion: 0~"))
        machine.check(f"dpkg-deb --build /tmp/old {name}; rm -r /tmp/old")
    done = machine.run("dpkg --install /tmp/*.deb")
    assert done.returncode != 0
    assert done.stdout.count("cannot be replaced by") == len(OURS)
    told = machine.check(f"dpkg-query --show --showformat='${{db:Status-Abbrev}}' {' '.join(OURS)}")
    assert told == "ii " * len(OURS)


def test_removing_keeps_the_policy_and_what_starts_at_boot(machine: Machine) -> None:
    machine.check("dpkg --install /tmp/*.deb")
    enabled = machine.root / "etc/systemd/system/multi-user.target.wants/yama-session.service"
    policy = machine.root / "etc/yama-session/policy.toml"
    assert enabled.is_symlink()
    policy.write_text("# mine\n")
    machine.check(f"dpkg --remove {' '.join(OURS)}")
    machine.check("dpkg --force-confold --install /tmp/*.deb")
    assert enabled.is_symlink()
    assert policy.read_text() == "# mine\n"


def test_packages_are_built_alike_elsewhere(tmp_path: Path) -> None:
    subprocess.run(
        ["make", "--no-print-directory", "deb", f"DEBS={tmp_path / 'a-longer-name-of-a-place'}"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    built = sorted((tmp_path / "a-longer-name-of-a-place").glob("*.deb"))
    assert {deb.name.partition("_")[0] for deb in built} >= {*OURS, "yama-session-doc"}
    for deb in built:
        if not deb.name.startswith("yama-session-doc"):  # the lab's may be of older pages
            assert deb.read_bytes() == (packages() / deb.name).read_bytes(), deb.name


def test_lintian_has_nothing_to_say() -> None:
    (changes,) = packages().glob("*.changes")
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", changes],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
