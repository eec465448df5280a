"""Debian's archive, asked by a private apt.

The machine's own apt is only read, to learn which mirror it uses: its lists,
its sources and what is installed stay as they are.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from kernel_lab.cache import cache_root
from kernel_lab.command import run, say
from kernel_lab.errors import CommandFailed, LabError

# The suite in which Debian offers each kernel and its source.
SUITES = {"6.1": "bookworm-security", "6.12": "bookworm-security", "7.3": "trixie-backports"}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class Archive:
    """What one suite of the machine's Debian mirror offers."""

    def __init__(self, suite: str) -> None:
        self._suite = suite
        self._directory = cache_root() / "apt" / suite

    def update(self) -> None:
        """Ask the mirror for the suite's present lists.

        Raises:
            LabError: the machine names no such mirror, or it does not answer.
        """
        targets = run(
            [
                "apt-get",
                "indextargets",
                "--format",
                "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                "Created-By: Packages",
            ]
        )
        for name in ("lists/partial", "cache/archives/partial"):
            (self._directory / name).mkdir(parents=True, exist_ok=True)
        self._sources.write_text(
            source_entry(mirror(targets, self._suite), self._suite), encoding="ascii"
        )
        say(f"asking Debian's archive for {self._suite}")
        self._apt("apt-get", "update", "--error-on=any")

    def candidate(self, package: str) -> str:
        """Return the newest version of a package.

        Raises:
            LabError: the suite has none.
        """
        for line in self._apt("apt-cache", "policy", package).splitlines():
            key, _, value = line.strip().partition(": ")
            if key == "Candidate" and value != "(none)":
                return value
        raise LabError(f"Debian's {self._suite} has no package {package}")

    def packages(self) -> Iterator[tuple[str, str]]:
        """Yield name and version of each package that the suite has."""
        return names_and_versions(self._apt("apt-cache", "dumpavail"))

    def download(self, package: str, version: str, into: Path) -> Path:
        """Download a binary package and return the path of its .deb."""
        say(f"downloading {package} {version}")
        self._apt("apt-get", "download", f"{package}={version}", cwd=into)
        [deb] = into.glob("*.deb")
        return deb

    def download_orig(self, package: str, version: str, into: Path) -> Path | None:
        """Download upstream's archive of the source that a binary package is built of.

        Returns:
            The .orig.tar.xz; None if the archive has or serves none of this version.
        """
        record = self._apt("apt-cache", "show", f"{package}={version}")
        source = f"{source_name(record) or package}={version}"
        say(f"downloading upstream's archive of {source}")
        try:
            self._apt("apt-get", "source", "--download-only", "--only-source", source, cwd=into)
        except CommandFailed:
            return None
        return next(into.glob("*.orig.tar.xz"), None)

    @property
    def _sources(self) -> Path:
        return self._directory / "lab.sources"

    def _apt(self, *command: str, cwd: Path | None = None) -> str:
        places = {
            "Dir::State::lists": self._directory / "lists",
            "Dir::State::status": "/dev/null",
            "Dir::Etc::sourcelist": self._sources,
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::Cache": self._directory / "cache",
            "APT::Sandbox::User": "root",
        }
        program, *arguments = command
        options = [word for key, value in places.items() for word in ("-o", f"{key}={value}")]
        return run([program, *options, *arguments], cwd=cwd)


def suite_of(kernel: str) -> str:
    """Return the suite that has a kernel.

    Raises:
        LabError: none is known.
    """
    try:
        return SUITES[kernel]
    except KeyError:
        raise LabError(f"no kernel {kernel}: there are {', '.join(SUITES)}") from None


def mirror(targets: str, suite: str) -> str:
    """Return the address of the mirror that serves a suite.

    Args:
        targets: "address suite component" of each place that the machine's apt
            uses, one a line.
        suite: one that the machine need not use itself; security updates have
            a place of their own.

    Raises:
        LabError: the machine's apt uses no Debian mirror of that kind.
    """
    security = suite.endswith("-security")
    for line in targets.splitlines():
        address, release, component = line.split()
        if (
            "/debian" in address
            and component == "main"
            and release.endswith("-security") == security
        ):
            return address
    kind = "security mirror" if security else "mirror"
    raise LabError(f"this machine's apt sources name no Debian {kind}, which serves {suite}")


def source_entry(address: str, suite: str) -> str:
    """Return apt's description (deb822) of a suite with binary and source packages."""
    return (
        "Types: deb deb-src\n"
        f"URIs: {address}\nSuites: {suite}\nComponents: main\nSigned-By: {KEYRING}\n"
    )


def names_and_versions(records: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the version that each package's record states."""
    for record in records.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version): (\S+)", record, re.MULTILINE))
        if len(fields) == 2:
            yield fields["Package"], fields["Version"]


def source_name(record: str) -> str | None:
    """Return the source package that a binary package's record names."""
    match = re.search(r"^Source: (\S+)", record, re.MULTILINE)
    return match[1] if match else None
