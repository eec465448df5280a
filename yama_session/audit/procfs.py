"""Names and contents in procfs: every instance that is mounted here, and a new one."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from yama_session.audit.channel import (
    BY_VIEW,
    Channel,
    Family,
    Finding,
    Verdict,
    is_closed,
    is_open,
    is_unknown,
)
from yama_session.audit.judge import SUCCESS, compared, told
from yama_session.audit.scene import MISSING, Scene
from yama_session.errors import ServiceError, YamaSessionError
from yama_session.native import OwnedFd
from yama_session.procfs import HidePid, Procfs

#: What the private procfs of a Landlock session hides, too.
_BY_INSTANCE = f"{BY_VIEW}, or a private procfs in a Landlock domain"

#: Where the instance that is made for the audit is said to be.
NEW = "new"

_libc = ctypes.CDLL(None, use_errno=True)

_Probe = Callable[[Scene, Path], Finding]


def channels() -> Iterator[Channel]:
    """Yield the channels of each instance."""
    for place in (*map(str, mounts()), NEW):
        for name, words, probe, closed_by in (
            ("names", "names of processes listed", _names, _BY_INSTANCE),
            ("lookup", "names looked up", _lookup, BY_VIEW),
            ("inside", "what is inside: cmdline, environ, maps, fd", _inside, _BY_INSTANCE),
            ("links", "link count of the root directory", _links, BY_VIEW),
            ("children", "task/*/children of the visible", _children, _BY_INSTANCE),
        ):
            yield Channel(
                f"procfs.{name}@{place}",
                Family.PROCFS,
                f"{'a new procfs' if place == NEW else place}: {words}",
                _At(place, probe),
                closed_by,
            )


def mounts() -> list[Path]:
    """Return where a whole procfs can be reached, each instance at its first place."""
    found: dict[int, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
        fields, _, rest = line.partition(" - ")
        _, _, device, root, place = fields.split()[:5]
        if rest.split()[0] != "proc" or root != "/":
            continue
        path = Path(place.encode().decode("unicode_escape"))
        with suppress(OSError):
            seen = path.stat().st_dev
            # Else something else is mounted over it.
            if device == f"{os.major(seen)}:{os.minor(seen)}":
                found.setdefault(seen, path)
    return list(found.values())


class _At:
    """A probe at one place."""

    def __init__(self, place: str, probe: _Probe) -> None:
        self._place = place
        self._probe = probe

    def __call__(self, scene: Scene) -> Finding:
        if self._place != NEW:
            return self._probe(scene, Path(self._place))
        with _new_instance() as found:
            if isinstance(found, str):
                return is_closed(f"none is to be had: {found}")
            return self._probe(scene, Path(f"/proc/self/fd/{found.fileno()}"))


@contextmanager
def _new_instance() -> Iterator[OwnedFd | str]:
    """Make one, or ask the session service for one, which hands it to anybody; or say why not."""
    instance: OwnedFd | str
    try:
        instance = Procfs.new(HidePid.OFF)
    except YamaSessionError as error:
        instance = _from_service(str(error))
    try:
        yield instance
    finally:
        if not isinstance(instance, str):
            instance.close()


def _from_service(why: str) -> OwnedFd | str:
    try:
        from yama_session.service import client

        return OwnedFd(client.detached_procfs())
    except (ImportError, ServiceError) as error:
        return f"{why}; {error}"


def _names(scene: Scene, place: Path) -> Finding:
    return told(scene, _numbers(place))


def _numbers(place: Path) -> set[int]:
    return {int(name) for name in os.listdir(place) if name.isdecimal()}  # noqa: PTH208


def _opened(flags: int) -> Callable[[str], object]:
    return lambda path: os.close(os.open(path, flags | os.O_CLOEXEC))


def _watched(path: str) -> None:
    fd = _libc.inotify_init1(os.O_CLOEXEC)
    try:
        if _libc.inotify_add_watch(fd, os.fsencode(path), 0x4) < 0:  # IN_ATTRIB
            raise OSError(ctypes.get_errno(), "inotify_add_watch")
    finally:
        os.close(fd)


#: Calls that look a name up; those that would make something cannot in a procfs.
_LOOKUPS: dict[str, Callable[[str], object]] = {
    "stat": os.stat,
    "open(O_PATH)": _opened(os.O_PATH),
    "open": _opened(os.O_RDONLY),
    "chdir": os.chdir,
    "readlink": os.readlink,
    "mkdir": os.mkdir,
    "inotify_add_watch": _watched,
    "listxattr": os.listxattr,
}
_BELOW = ("", "/status", "/task", "/exe", "/fd/0", "/nothing")


def _lookup(scene: Scene, place: Path) -> Finding:
    """Compare what each call says of the target's names and of a free number's."""
    told_apart = []
    sample = None
    for call, look_up in _LOOKUPS.items():
        for below in _BELOW:
            target, missing, own = (
                _answer(look_up, f"{place}/{number}{below}")
                for number in (scene.target, MISSING, scene.own.pid)
            )
            finding = compared(target, missing, own)
            if finding.verdict is Verdict.OPEN:
                told_apart.append(f"{call} of PID{below}: {target}, not {missing}")
            elif finding.verdict is Verdict.CLOSED and sample is None:
                sample = finding
    if told_apart:
        more = f"; {len(told_apart) - 1} more such" if len(told_apart) > 1 else ""
        return is_open(f"{told_apart[0]}{more}")
    if sample is None:
        return is_unknown("no call tells an own process from a free number")
    count = len(_LOOKUPS) * len(_BELOW)
    return Finding(
        Verdict.CLOSED,
        f"{count} look-ups answer for the target as for a free number",
        sample.answers,
    )


def _answer(look_up: Callable[[str], object], path: str) -> str:
    here = os.open(".", os.O_PATH | os.O_CLOEXEC)
    try:
        look_up(path)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error.errno))
    finally:
        os.fchdir(here)
        os.close(here)
    return SUCCESS


def _inside(scene: Scene, place: Path) -> Finding:
    """Read what tells most; the files that need the right to look inside come last."""
    files = ("cmdline", "status", "environ", "maps", "fd")
    readable = [file for file in files if _reads(place / str(scene.target) / file)]
    if readable:
        return is_open(f"{', '.join(readable)} of the target can be read")
    if any(_reads(place / str(scene.own.pid) / file) for file in files):
        return is_closed("can be read of an own process, and not of the target")
    return is_unknown("can be read of no process")


def _reads(path: Path) -> bool:
    try:
        return bool(os.listdir(path) if path.name == "fd" else path.read_bytes())  # noqa: PTH208
    except OSError:
        return False


def _links(scene: Scene, place: Path) -> Finding:
    """Compare the link count with what is listed: two, the plain directories, and processes."""
    for _ in range(3):  # a process may come or go between the two
        before = _numbers(place)
        links = place.stat().st_nlink
        names = os.listdir(place)  # noqa: PTH208
        listed = {int(name) for name in names if name.isdecimal()}
        if before == listed:
            break
    plain = sum(
        1
        for name in names
        if not name.isdecimal() and (place / name).is_dir() and not (place / name).is_symlink()
    )
    counted = links - 2 - plain
    if scene.target in listed:
        return is_open(f"counts {counted} processes, the target among them")
    # Two may have started meanwhile.
    if counted > len(listed) + 2:
        return is_open(f"counts {counted} processes where {len(listed)} are listed")
    return is_closed(f"counts {counted} processes, and {len(listed)} are listed")


def _children(scene: Scene, place: Path) -> Finding:
    numbers: set[int] = set()
    for number in _numbers(place):
        for file in (place / str(number) / "task").glob("*/children"):
            with suppress(OSError):
                numbers.update(map(int, file.read_text(encoding="ascii").split()))
    # Another process may have no parent here, as pid 1 has none.
    return told(scene, numbers, left=True)
