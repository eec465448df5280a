"""Whether the BPF programs are there, and whether they could be: answers with a reason."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from yama_session.enforcers._base import Availability, State
from yama_session.native import lib

_LSM = Path("/sys/kernel/security/lsm")
_BTF = Path("/sys/kernel/btf/vmlinux")
_PREEMPT = Path("/sys/kernel/debug/sched/preempt")
_FTRACE = Path("/proc/sys/kernel/ftrace_enabled")
_CMDLINE = Path("/proc/cmdline")
_CGROUP = Path("/sys/fs/cgroup/system.slice/yama-session.service")

# Before the second one a task's entry cannot be read while another reader is preempted.
_FIRST_TRIED = (6, 1)
_FIRST_PREEMPTIBLE = (6, 2)


#: Why nobody is confined, and the cure.
SWITCHED_OFF = (
    "kernel.ftrace_enabled is 0, and with it the kernel calls no BPF program: nobody is confined "
    "by one until 'sysctl kernel.ftrace_enabled=1'"
)


def is_switched_off() -> bool:
    """Return whether the kernel calls no program on a security hook, by its sysctl."""
    return _text(_FTRACE).strip() == "0"


def available() -> Availability:
    """Return whether the programs are loaded and enforce; anybody may ask."""
    if lib.ys_is_series():
        return Availability(State.DISABLED, "the kernel has scope domains of its own")
    answer = lib.ys_has(lib.YS_ABI)
    if answer >= 0:
        limit = memory_limit()
        limited = f", in at most {limit >> 20} MiB of memory" if limit is not None else ""
        return Availability(State.AVAILABLE, f"BPF programs are loaded and run{limited}")
    found = lib.ys_abi()
    if found:
        return Availability(
            State.DISABLED,
            f"BPF programs of an older yama-session are loaded (ABI {found}, and {lib.YS_ABI} is "
            "needed): others can take their place after a reboot",
        )
    if answer == -errno.EOPNOTSUPP:
        return Availability(State.DISABLED, "BPF programs are loaded, but the kernel runs none")
    if is_switched_off():
        return Availability(State.DISABLED, SWITCHED_OFF)
    could = loadable()
    if could:
        return Availability(State.DISABLED, "the programs are not loaded: start yama-session")
    return could


def loadable() -> Availability:
    """Return whether the programs could be loaded here, as far as can be told beforehand."""
    if lib.ys_is_series():
        return Availability(State.DISABLED, "the kernel has scope domains of its own")
    release = os.uname().release
    if version_of(release) < _FIRST_TRIED:
        return Availability(State.NOT_BUILT, f"kernel {release} is older than 6.1")
    if not _BTF.exists():
        return Availability(State.NOT_BUILT, f"the kernel does not describe its types in {_BTF}")
    if is_switched_off():
        return Availability(State.DISABLED, SWITCHED_OFF)
    modules = _text(_LSM)
    if modules and "bpf" not in modules.strip().split(","):
        return Availability(
            State.DISABLED,
            f"bpf is not among the security modules in use ({modules.strip()}): "
            "add it to lsm= at boot",
        )
    if version_of(release) < _FIRST_PREEMPTIBLE:
        mode = preemption()
        if mode not in ("none", "voluntary"):
            return Availability(
                State.DISABLED,
                f"the preemption of this kernel is {mode}, and before 6.2 the programs hold only "
                "with none or voluntary: set preempt= at boot",
            )
    return Availability(State.AVAILABLE, "the kernel has what the programs need")


def memory_limit() -> int | None:
    """Return the limit in bytes on the memory of the service, ``None`` if it has none.

    What the programs keep for each confined task counts as its, so with a limit forks
    of such tasks may fail: see ``memory.max`` in the kernel's ``cgroup-v2.rst``.
    """
    limits = [_text(place / "memory.max").strip() for place in (_CGROUP, _CGROUP.parent)]
    return min((int(limit) for limit in limits if limit.isdecimal()), default=None)


def version_of(release: str) -> tuple[int, int]:
    """Return the first two numbers of a kernel release, (0, 0) if it does not begin with them."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def preemption() -> str:
    """Return how the running kernel is preempted: none, voluntary, full, lazy or unknown."""
    uname = os.uname()
    return preemption_of(
        uname.version,
        _text(_PREEMPT),
        _text(_CMDLINE),
        _text(Path(f"/boot/config-{uname.release}")),
    )


def preemption_of(version: str, said: str, cmdline: str, config: str) -> str:
    """Return how a kernel is preempted.

    Args:
        version: the ``version`` of :func:`os.uname`, which names what was built.
        said: ``sched/preempt`` of the debugfs with the present mode in brackets, or empty.
        cmdline: the kernel's command line.
        config: the kernel's configuration, or empty.
    """
    words = version.split()
    if "PREEMPT_RT" in words or "PREEMPT" in words:
        return "full"
    if "PREEMPT_DYNAMIC" not in words:
        return "voluntary"
    for text, pattern in (
        (said, r"\((\w+)\)"),
        (cmdline, r".*(?:^|\s)preempt=(\w+)"),
    ):
        found = re.search(pattern, text, re.DOTALL)
        if found:
            return found[1]
    for option, mode in (
        ("CONFIG_PREEMPT_NONE", "none"),
        ("CONFIG_PREEMPT_VOLUNTARY", "voluntary"),
        ("CONFIG_PREEMPT", "full"),
    ):
        if f"{option}=y" in config.splitlines():
            return mode
    return "unknown"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
