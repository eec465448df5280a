# guest: --debian --kernel 6.12 --alone --timeout 300
# guest: --debian --kernel 6.1 --kernel 7.3 --long --timeout 300
"""Debian's own kernels, as they are shipped: what the BPF enforcer stands on is there."""

import os
import subprocess
from pathlib import Path


def test_the_kernel_is_one_that_debian_built() -> None:
    assert os.uname().release.endswith("-amd64")
    assert "Debian" in os.uname().version


def test_its_modules_can_be_loaded() -> None:
    subprocess.run(["modprobe", "overlay"], check=True)
    assert "overlay" in Path("/proc/filesystems").read_text(encoding="utf-8")


def test_bpf_is_one_of_its_security_modules() -> None:
    modules = Path("/sys/kernel/security/lsm").read_text(encoding="utf-8").split(",")
    assert "bpf" in modules
    assert Path("/sys/kernel/btf/vmlinux").exists()
