"""The kernel lab: fetch, patch, build and boot kernels for the project's tests.

The command `kernel/lab` is one face of this package. Tests use the other:

    from kernel_lab import run_guest

    options = GuestOptions(share=Path("tests/vm/guest"))
    result = run_guest("6.12", ["pytest", "/share/test_login.py"], options)
    assert result.ok, result.explain()

`run_guest` makes what is missing (kernel: built, or Debian's own as it is packaged;
root image with the project installed), boots one guest under QEMU, runs the
command in it as root and returns a `GuestResult`. Guests may run in parallel;
builds wait for one another.
"""

from kernel_lab.errors import LabError
from kernel_lab.guest import GuestOptions, GuestResult, run_guest

__all__ = ["GuestOptions", "GuestResult", "LabError", "run_guest"]
