"""What arguments of more than one verb mean."""

from __future__ import annotations

import argparse

#: pid_t has no larger number.
_PID_MAX = (1 << 31) - 1


def pid(text: str) -> int:
    """Return the process that an argument names.

    Raises:
        argparse.ArgumentTypeError: no process can have this number.
    """
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= _PID_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no PID: choose from 1 to {_PID_MAX}")
    return int(text)
