"""Debian's own kernel: which packages it is, and which modules it needs first."""

from pathlib import Path

import pytest
from kernel_lab.archive import names_and_versions
from kernel_lab.debian import load_order, newest
from kernel_lab.errors import LabError
from kernel_lab.guest import GuestOptions, prepare

PACKAGES = [
    ("linux-image-6.1.0-56-amd64", "6.1.192-2"),
    ("linux-image-6.12.99+deb12-amd64", "6.12.99-1~deb12u1"),
    ("linux-image-6.12.117+deb12-amd64", "6.12.117-1~deb12u1"),
    ("linux-image-6.12.117+deb12-amd64-unsigned", "6.12.117-1~deb12u1"),
    ("linux-image-6.12.117+deb12-amd64-dbg", "6.12.117-1~deb12u1"),
    ("linux-image-6.12.117+deb12-rt-amd64", "6.12.117-1~deb12u1"),
    ("linux-image-amd64", "7.3.4-1"),
    ("linux-image-7.3.4+deb13-cloud-amd64", "7.3.4-1"),
    ("linux-binary-unsigned-7.3.4+deb13-amd64", "7.3.4-1"),
    ("linux-image-7.3.4+deb13-amd64", "7.3.4-1"),
    ("linux-binary-7.3.4+deb13-amd64", "7.3.4-1"),
    ("linux-modules-7.3.4+deb13-amd64", "7.3.4-1"),
    ("linux-headers-7.3.4+deb13-amd64", "7.3.4-1"),
]


def test_the_newest_of_a_series_is_taken_and_its_signed_image() -> None:
    assert newest(PACKAGES, "6.1") == ("6.1.192-2", ["linux-image-6.1.0-56-amd64"])
    expected = ["linux-image-6.12.117+deb12-amd64"]
    assert newest(PACKAGES, "6.12") == ("6.12.117-1~deb12u1", expected)


def test_a_kernel_may_be_divided_among_packages() -> None:
    found = newest(PACKAGES, "7.3")
    assert found is not None
    assert [name.split("-")[1] for name in found[1]] == ["binary", "image", "modules"]


def test_a_series_that_the_archive_has_not_is_none() -> None:
    assert newest(PACKAGES, "6.2") is None


def test_an_archive_tells_names_and_versions() -> None:
    records = "Package: a\nSource: b\nVersion: 1-1\n\nPackage: c\nVersion: 2~x\nDepends: a\n\n"
    assert list(names_and_versions(records)) == [("a", "1-1"), ("c", "2~x")]


def test_modules_are_loaded_once_each_and_after_what_they_need() -> None:
    shown = (
        "insmod /k/crc16.ko.xz \ninsmod /k/ext4.ko.xz \nbuiltin virtio_pci\n"
        "insmod /k/netfs.ko \ninsmod /k/9p.ko \ninsmod /k/crc16.ko.xz \n"
    )
    names = [path.name for path in load_order(shown)]
    assert names == ["crc16.ko.xz", "ext4.ko.xz", "netfs.ko", "9p.ko"]


@pytest.mark.parametrize(
    "options",
    [
        GuestOptions(image="debian", root="busybox"),
        GuestOptions(image="debian", variant="debug"),
    ],
)
def test_debians_kernel_is_what_it_is(options: GuestOptions, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="as it is"):
        prepare("6.12", ["true"], options, tmp_path)
