"""Runs a probe in a child with a deadline: it can neither hang nor change the audit."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from yama_session.audit.channel import Finding, Verdict, is_unknown

#: Seconds to wait for a child that has been killed.
_REAP = 1.0


def bounded(probe: Callable[[], Finding], seconds: float) -> Finding:
    """Return what a probe finds, or that it did not end in time.

    Args:
        probe: what to run.
        seconds: how long to wait.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        _run(probe, writer)
    os.close(writer)
    try:
        text = _read(reader, seconds)
    finally:
        os.close(reader)
        _end(child)
    if text is None:
        return is_unknown(f"did not end within {seconds:g} s")
    return decoded(text) if text else is_unknown("the probe was ended by something else")


def encoded(finding: Finding) -> dict[str, object]:
    """Return a finding as JSON has it."""
    return {
        "verdict": finding.verdict.value,
        "evidence": finding.evidence,
        "answers": dict(finding.answers) or None,
    }


def decoded(text: bytes | str) -> Finding:
    """Return the finding that :func:`encoded` made."""
    plain = json.loads(text)
    return Finding(Verdict(plain["verdict"]), plain["evidence"], plain["answers"] or {})


def _run(probe: Callable[[], Finding], writer: int) -> None:
    """Runs in the child: whatever happens, it must not return to the caller's code."""
    try:
        try:
            finding = probe()
        except Exception as error:
            finding = is_unknown(f"the probe failed: {type(error).__name__}: {error}")
        os.write(writer, json.dumps(encoded(finding)).encode())
    finally:
        os._exit(0)


def _read(reader: int, seconds: float) -> bytes | None:
    """Return all that is written until the end, ``None`` if that is not in time."""
    end = time.monotonic() + seconds
    text = b""
    while True:
        if not select.select([reader], [], [], max(0.0, end - time.monotonic()))[0]:
            return None
        more = os.read(reader, 65536)
        if not more:
            return text
        text += more


def _end(child: int) -> None:
    """Kill the child and reap it, unless it hangs in the kernel even then."""
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    end = time.monotonic() + _REAP
    while os.waitpid(child, os.WNOHANG) == (0, 0) and time.monotonic() < end:
        time.sleep(0.001)
