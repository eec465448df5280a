"""A process that is put into a place, and then looks at others when it is told to.

Run as `python3 subject.py SPEC`, SPEC in JSON. Reads one command a line and
answers in JSON: `look PID` tries it, `ask PID` asks the library, `child SPEC`
starts a process that only waits, and `trace PID` attaches and stays.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import prctl

from yama_session import Domain, HidePid, OwnedFd, Procfs, Scope, View, can_attach, enter
from yama_session.errors import ProcessMissing
from yama_session.reach import Answer, reach
from yama_session.reach.answer import no

PTRACE_ATTACH, PTRACE_DETACH, PTRACE_SEIZE = 16, 17, 0x4206
CLONE_NEWUSER = 0x10000000
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def settle(spec: dict[str, Any]) -> None:
    """Go where the specification says: privileged steps first."""
    prctl.set_pdeathsig(signal.SIGKILL)
    if spec.get("hidepid"):
        with Procfs.new(HidePid[spec["hidepid"].upper()]) as procfs:
            procfs.attach()
    if "domain" in spec:
        with Domain(OwnedFd(spec["domain"]).detach()) as domain:
            domain.join()
    for scope, view in spec.get("enter", []):
        enter(Scope(scope), View(view))
    if spec.get("uid"):
        os.setgroups([])
        os.setresgid(*3 * (spec["uid"],))
        os.setresuid(*3 * (spec["uid"],))
    if spec.get("no_ptrace_capability"):
        prctl.cap_effective.sys_ptrace = False
        prctl.cap_permitted.sys_ptrace = False
    if spec.get("userns"):
        enter_user_namespace()
    if "ptracer" in spec:
        prctl.set_ptracer(spec["ptracer"])
    prctl.set_dumpable(spec.get("dumpable", True))


def enter_user_namespace() -> None:
    uid, gid = os.getuid(), os.getgid()
    prctl.set_dumpable(True)  # or the maps are root's
    assert libc.unshare(CLONE_NEWUSER) == 0
    prctl.set_dumpable(True)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def look(pid: int) -> dict[str, bool]:
    """What really happens."""
    return {"visible": seen(pid), "readable": read(pid), "attachable": attached(pid)}


def seen(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")  # noqa: PTH110


def read(pid: int) -> bool:
    with contextlib.suppress(OSError):
        os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115
        return True
    return False


def attached(pid: int) -> bool:
    if libc.ptrace(PTRACE_ATTACH, pid, None, None):
        return False
    os.waitpid(pid, 0x40000000)  # __WALL
    assert libc.ptrace(PTRACE_DETACH, pid, None, None) == 0
    return True


def ask(pid: int) -> dict[str, object]:
    """What the library says of it, the kernel asked."""
    try:
        found = reach(pid)
        answers = {
            "visible": found.visible,
            "readable": found.readable,
            "attachable": can_attach(pid),
        }
    except ProcessMissing as error:
        answers = dict.fromkeys(("visible", "readable", "attachable"), no("missing", str(error)))
    return {what: plain(answer) for what, answer in answers.items()}


def plain(answer: Answer) -> dict[str, object]:
    return {"verdict": answer.verdict.value, "rule": answer.rule, "reason": answer.reason}


def child(spec: dict[str, Any]) -> int:
    """A child that only waits; its number once it is in its place."""
    ready, told = os.pipe()
    if pid := os.fork():
        os.close(told)
        assert os.read(ready, 1) == b"x"
        os.close(ready)
        return pid
    settle(spec)
    os.write(told, b"x")
    while True:
        signal.pause()


def serve() -> None:
    for line in sys.stdin:
        word, _, rest = line.partition(" ")
        answer: object
        if word == "look":
            answer = look(int(rest))
        elif word == "ask":
            answer = ask(int(rest))
        elif word == "child":
            answer = child(json.loads(rest))
        else:
            answer = libc.ptrace(PTRACE_SEIZE, int(rest), None, None)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    settle(json.loads(sys.argv[1]))
    print("ready", flush=True)
    serve()
