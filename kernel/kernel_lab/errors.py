"""What can go wrong in the lab, and the exit status that tells it."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit statuses of `kernel/lab` itself; `run` passes on every other one.

    They are high so that they seldom meet a status of the guest's command.
    """

    GUEST_BROKEN = 250  # panic, warning, oops or stall on the console
    TIMEOUT = 251  # the guest was still running at the time limit
    NO_STATUS = 252  # the guest ended and never reported a status
    LAB = 253  # the lab itself failed: fetch, patch, build, root image


class LabError(Exception):
    """The lab could not do its work; the message says what to change."""


class CommandFailed(LabError):
    """A program that the lab started did not succeed."""

    def __init__(self, argv: list[str], status: int, tail: str) -> None:
        self.status = status
        super().__init__(f"`{' '.join(argv)}` ended with status {status}:\n{tail}")
