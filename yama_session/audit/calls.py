"""Calls that name a process: the table of ``native/probe.c``, asked and judged."""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

from yama_session.audit.channel import BY_VIEW, Channel, Family, Finding, Verdict, is_unknown
from yama_session.audit.judge import SUCCESS, compared
from yama_session.audit.scene import MISSING, Scene
from yama_session.native import ffi, lib

#: What no view closes, and why not; as ``kernel/CHANNELS.md`` says.
STAYS_OPEN = {
    "bind(AF_NETLINK) to a port number": "a port number is a process number by default only",
}
#: A user that has no process, on any machine.
_NOBODY = (1 << 31) - 3


def channels() -> Iterator[Channel]:
    """Yield a channel for each call."""
    index = 0
    while (text := lib.ys_probe_name(index)) != ffi.NULL:
        name = ffi.string(text).decode("ascii")
        note = STAYS_OPEN.get(name, "")
        yield Channel(
            f"calls.{slug(name)}",
            Family.CALLS,
            name,
            _Question(index, lib.ys_probe_kind(index)),
            "" if note else BY_VIEW,
            note,
        )
        index += 1


def slug(name: str) -> str:
    """Return a name as a word of an identifier."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


class _Question:
    """Asks one call about three numbers."""

    def __init__(self, index: int, kind: int) -> None:
        self._index = index
        self._kind = kind

    def __call__(self, scene: Scene) -> Finding:
        if self._kind & lib.YS_PROBE_USER:
            return self._ask_users()
        foreign = scene.twin is None
        if foreign and self._kind & lib.YS_PROBE_SETS:
            return is_unknown("sets what is there: asked only of a process of the audit's own")
        if foreign and self._kind & lib.YS_PROBE_GROUP and scene.target == 1:
            return is_unknown("-1 means every process here, and no group")
        special = self._kind & (lib.YS_PROBE_GROUP | lib.YS_PROBE_LEFT)
        what = "leads a group" if self._kind & lib.YS_PROBE_GROUP else "has a netlink socket"
        return compared(
            self._ask(scene.target),
            self._ask(MISSING),
            self._ask(None if scene.inferiors else scene.own.pid),
            sure=not (foreign and special),
            why=f"whether it {what} is not known",
        )

    def _ask_users(self) -> Finding:
        """Look for any other user that answers: that none does proves nothing."""
        free = self._ask(_NOBODY)
        for user, uid in _users():
            answer = self._ask(uid)
            if answer != free:
                answers = {"target": answer, "missing": free, "own": self._ask(os.getuid() or uid)}
                evidence = f"user {user} answers {answer}, one without processes {free}"
                return Finding(Verdict.OPEN, evidence, answers)
        return is_unknown(f"{free} for every other user; whether one runs anything is not known")

    def _ask(self, number: int | None) -> str:
        """Ask in a child, as some calls change the caller; ``None``: about that child."""
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.write(writer, str(self._asked(number)).encode())
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as file:
            text = file.read()
        os.waitpid(child, 0)
        result = int(text)
        return SUCCESS if not result else errno.errorcode.get(-result, str(result))

    def _asked(self, number: int | None) -> int:
        """Runs in the child."""
        if number is not None:
            return lib.ys_probe(self._index, number)
        os.setpgid(0, 0)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as port:
            port.bind((0, 0))
            return lib.ys_probe(self._index, os.getpid())


def _users() -> Iterator[tuple[str, int]]:
    """Yield the other users of this machine, without root: 0 stands for the caller's own."""
    for line in Path("/etc/passwd").read_text(errors="replace").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2].isdecimal() and int(fields[2]) not in (0, os.getuid()):
            yield fields[0], int(fields[2])
