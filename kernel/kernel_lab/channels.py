"""Make the table of channels from what the selftest `channels_test` printed.

A channel is a call or a file by which one process may learn of another one. The
test prints a line for each: what the kernel answers for a hidden process, and
what for a number that is free.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from kernel_lab.errors import LabError

# Title, meaning, and what the reason is
STATES = {
    "closed": ("Closed", "A hidden process answers as a free number.", "closed by"),
    "open": ("Open", "A hidden process can be told from a free number.", "why"),
    "no oracle": (
        "No oracle",
        "All numbers answer alike, with and without a domain.",
        "why",
    ),
}
_FIELDS = 7
# A runner of selftests puts "# " before each line of a program.
_LINE = re.compile(r"^(?:# )*# channel: (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Channel:
    """One line of the test's output.

    An answer is an errno, "0", "told", "not told" or "not here" (the kernel or
    the machine lacks the subject); "a -> b" is `a` without a domain and `b` in
    one; "-" means that there is nothing to ask.
    """

    name: str
    kind: str  # "call" takes a number, "name" tells one
    state: str  # a key of STATES
    same: str  # answer for a hidden process of the viewer's uid
    other: str  # answer for one of another uid
    missing: str  # answer for a number that is free
    reason: str

    @property
    def probed(self) -> bool:
        """Whether the kernel was asked."""
        return {self.same, self.other, self.missing} != {"-"}

    @property
    def here(self) -> bool:
        """Whether the kernel had an answer."""
        return "not here" not in (self.same, self.other, self.missing)


def parse(output: str) -> list[Channel]:
    """Return the channels of the test's output, in its order.

    Raises:
        LabError: there is none, a line is malformed, or a name comes twice.
    """
    channels = [_channel(line) for line in _LINE.findall(output)]
    if not channels:
        raise LabError("the output of channels_test has no channel")
    names = [channel.name for channel in channels]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise LabError(f"channel listed twice: {', '.join(sorted(twice))}")
    return channels


def _channel(line: str) -> Channel:
    fields = [field.strip() for field in line.split(" | ")]
    if len(fields) != _FIELDS or not all(fields) or fields[2] not in STATES:
        raise LabError(f"no channel: {line!r}")
    return Channel(*fields)


def table(output: str, kernel: str, unasked: Sequence[Channel] = ()) -> str:
    """Return the table of channels as a Markdown page.

    Args:
        output: what `channels_test` printed on a kernel with domains, alone or
            among other selftests.
        kernel: the version it ran on, as "6.12.117".
        unasked: those that the test does not know.

    Raises:
        LabError: as in `parse`.
    """
    channels = [*parse(output), *unasked]
    return "\n".join([*_head(channels, kernel), *_sections(channels)]) + "\n"


def _head(channels: list[Channel], kernel: str) -> list[str]:
    probed = sum(channel.probed and channel.here for channel in channels)
    return [
        "# How one process may learn of another",
        "",
        "Written by `kernel/lab results` from the output of the selftest `yama/channels_test`",
        "and from [numbers.toml](numbers.toml), the list of all places of the kernel that take",
        "or tell the number of a process.",
        "",
        f"Kernel {kernel}: {len(channels)} channels, {probed} of them asked in the test.",
        "",
        "The viewer is an ordinary user in a domain with the view `domain`; the view `inferiors`",
        "gives the same answers. An answer is an errno, 0 for success, or whether the number is",
        "told; `a → b` is the answer without a domain and the one in it. Where there is nothing",
        "to ask stands —.",
    ]


def _sections(channels: Iterable[Channel]) -> Iterable[str]:
    order = list(STATES)
    for state, rows in groupby(
        sorted(channels, key=lambda channel: order.index(channel.state)),
        key=lambda channel: channel.state,
    ):
        title, meaning, reason = STATES[state]
        yield from ("", f"## {title}", "", meaning, "")
        yield f"| call or file | hidden, same uid | hidden, another uid | free number | {reason} |"
        yield "| --- | --- | --- | --- | --- |"
        yield from (_row(channel) for channel in rows)


def _row(channel: Channel) -> str:
    if not channel.probed:
        answers = ["not asked", "—", "—"]
    elif not channel.here:
        answers = ["not in this kernel", "—", "—"]
    else:
        answers = [_answer(text) for text in (channel.same, channel.other, channel.missing)]
    cells = [channel.name, *answers, channel.reason]
    return f"| {' | '.join(_escape(cell) for cell in cells)} |"


def _answer(text: str) -> str:
    return "—" if text == "-" else text.replace("->", "→")


def _escape(text: str) -> str:
    return re.sub(r"([|<>])", r"\\\1", text)
