"""Which ways a session has to learn of processes outside, tried one by one.

:func:`audit` forks: the caller must have no other threads. What tries is a child
that is confined once more in the way that the caller is, so that a second
process beside it is outside, as the processes outside the session are.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from yama_session.audit.bounded import bounded, decoded, encoded
from yama_session.audit.channel import Channel, Family, Finding, Verdict, is_unknown
from yama_session.audit.confinement import Confinement, of_caller
from yama_session.audit.scene import Scene, Target
from yama_session.audit.standin import LockFiles, StandIn
from yama_session.audit.table import channels
from yama_session.errors import YamaSessionError
from yama_session.levels import View

__all__ = [
    "Channel",
    "Family",
    "Finding",
    "Report",
    "Target",
    "Verdict",
    "audit",
    "channels",
]

#: Seconds that one channel may take.
LIMIT = 10.0
#: The inode of the initial pid namespace; ``PROC_PID_INIT_INO`` of the kernel.
_INITIAL_PID_NAMESPACE = 0xEFFFFFFC


@dataclass(frozen=True)
class Report:
    """What an audit has found.

    Args:
        target: the process that was to be found.
        kind: where it comes from.
        confined_by: the enforcers that hide processes from the caller.
        notes: what one should know to read the rest.
        findings: each channel with what was found.
    """

    target: int
    kind: Target
    confined_by: Sequence[str]
    notes: Sequence[str]
    findings: Sequence[tuple[Channel, Finding]]

    def count(self, verdict: Verdict) -> int:
        """Return how many channels have a verdict."""
        return sum(finding.verdict is verdict for _, finding in self.findings)


def audit(against: int | None = None, families: Collection[Family] = tuple(Family)) -> Report:
    """Try the channels of some families.

    Args:
        against: the process to look for; default: a second one of the audit's
            own, or pid 1 where none can be outside.
        families: which ones.

    Raises:
        YamaSessionError: a process that is needed did not start.
    """
    wanted = channels(families)
    confinement = of_caller()
    notes = list(_notes())
    if against is None:
        try:
            return _against_second(wanted, confinement, notes)
        except _CannotNest as error:
            notes.append(f"no process of the audit's own can be outside ({error}): pid 1 is")
            return _against(1, Target.INIT, wanted, confinement, notes)
    notes.append(f"that {against} is a process is taken for granted")
    return _against(against, Target.GIVEN, wanted, confinement, notes)


class _CannotNest(YamaSessionError):
    """The audit could not be confined once more."""


def _notes() -> Iterator[str]:
    with suppress(OSError):
        if Path("/proc/self/ns/pid").stat().st_ino != _INITIAL_PID_NAMESPACE:
            yield "in a pid namespace: what is outside of that has no number here, and is not tried"


def _against_second(
    wanted: Sequence[Channel], confinement: Confinement, notes: Sequence[str]
) -> Report:
    with _lock_files() as files, StandIn(files, 0) as twin:
        # What has been looked up once can answer otherwise than what has not.
        Path(f"/proc/{twin.left.pid}").exists()

        def look(own: StandIn) -> Scene:
            return _scene(twin.left.pid, twin, own, confinement, files)

        findings = _tried(wanted, confinement, confinement.nest, look, files)
    kind, notes = Target.SECOND, [*notes, *confinement.notes]
    return Report(twin.left.pid, kind, confinement.words, notes, findings)


def _against(
    target: int,
    kind: Target,
    wanted: Sequence[Channel],
    confinement: Confinement,
    notes: Sequence[str],
) -> Report:
    def look(own: StandIn) -> Scene:
        return _scene(target, None, own, confinement, files)

    with _lock_files() as files:
        findings = _tried(wanted, confinement, lambda: None, look, files)
    return Report(target, kind, confinement.words, notes, findings)


def _scene(
    target: int, twin: StandIn | None, own: StandIn, confinement: Confinement, files: LockFiles
) -> Scene:
    return Scene(
        target=target,
        twin=twin.left if twin else None,
        twin_forks=twin.forks if twin else _forks_nothing,
        own=own.left,
        confined=bool(confinement),
        inferiors=confinement.view is View.INFERIORS,
        files=files,
    )


def _forks_nothing(times: int) -> int:
    raise YamaSessionError(f"the target cannot be made to start {times} processes")


@contextmanager
def _lock_files() -> Iterator[LockFiles]:
    with ExitStack() as stack:
        fds = [stack.enter_context(tempfile.TemporaryFile()).fileno() for _ in range(3)]
        yield LockFiles(fds[0], (fds[1], fds[2]))


def _tried(
    wanted: Sequence[Channel],
    confinement: Confinement,
    confine: Callable[[], None],
    look: Callable[[StandIn], Scene],
    files: LockFiles,
) -> list[tuple[Channel, Finding]]:
    """Try the channels in a child, which sends back a line for each.

    Raises:
        _CannotNest: the child could not confine itself.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os.close(reader)
        _look(wanted, confinement, confine, look, files, writer)
    os.close(writer)
    found: list[tuple[Channel, Finding]] = []
    try:
        with os.fdopen(reader) as lines:
            for line in lines:
                if line.startswith("cannot"):
                    raise _CannotNest(line.strip())
                found.append((wanted[len(found)], decoded(line)))
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
    rest = is_unknown("the audit's own process ended before")
    return [*found, *((channel, rest) for channel in wanted[len(found) :])]


def _with_own(channel: Channel, look: Callable[[StandIn], Scene], files: LockFiles) -> Finding:
    """Try a channel with a visible process that descends from who tries it."""
    with StandIn(files, 1) as own:
        return channel.probe(look(own))


def _look(
    wanted: Sequence[Channel],
    confinement: Confinement,
    confine: Callable[[], None],
    look: Callable[[StandIn], Scene],
    files: LockFiles,
    writer: int,
) -> None:
    """Runs in the child: whatever happens, it must not return to the caller's code."""
    try:
        with os.fdopen(writer, "w", buffering=1) as lines:
            try:
                confine()
            except YamaSessionError as error:
                print(error, file=lines)
                return
            if confinement.view is View.INFERIORS:
                for channel in wanted:
                    finding = bounded(partial(_with_own, channel, look, files), LIMIT)
                    print(json.dumps(encoded(finding)), file=lines)
                return
            with StandIn(files, 1) as own:
                for channel in wanted:
                    finding = bounded(partial(channel.probe, look(own)), LIMIT)
                    print(json.dumps(encoded(finding)), file=lines)
    finally:
        os._exit(0)
