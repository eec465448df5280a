"""The command line of `demo/run`."""

import argparse
import signal
import sys

from kernel_lab import LabError

from demo import here, screen, there
from demo.watch import SessionFailed
from yama_session import YamaSessionError


def main(arguments: list[str]) -> int:
    """Show both parts, or one, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="demo/run", description="Show what a session sees, on this kernel and on ours."
    )
    parser.add_argument("--part", choices=("here", "there"), help="only one of the two parts")
    part = parser.parse_args(arguments).part
    try:
        if part != "there":
            here.show()
        if part != "here":
            there.show()
    except (LabError, SessionFailed, YamaSessionError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    screen.heading(f"Done in {screen.elapsed():.0f} s.")
    return 0
