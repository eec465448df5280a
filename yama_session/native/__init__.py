"""The cffi binding of the C functions: nothing here raises for an errno but :func:`checked`."""

from yama_session.errors import YamaSessionError
from yama_session.native._errors import checked
from yama_session.native._fd import OwnedFd
from yama_session.native._native import ffi, lib

__all__ = ["OwnedFd", "checked", "ffi", "lib"]

_EXPECTED_VERSION = 2

if lib.YS_NATIVE_VERSION != _EXPECTED_VERSION:
    raise YamaSessionError(
        f"the compiled binding has version {lib.YS_NATIVE_VERSION}, this package needs "
        f"{_EXPECTED_VERSION}: rebuild or reinstall yama-session"
    )
