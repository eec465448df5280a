"""Load the BPF programs, keep them, and hand out the domains that they keep.

The kernel runs a program as long as its *link* is held: by a pin in a bpffs, or by
a descriptor. Both are kept, a pin for whoever starts next and descriptors against an
unmounted bpffs. The maps are found through the links, so nothing else needs keeping:

    /sys/fs/bpf/yama-session/v2-<digest of the object>/<program>

The same object is never loaded twice; another one is attached beside the old, which
goes only then. No task loses its domain and no fork falls in between.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from yama_session.enforcers.bpf._loader import ffi, lib
from yama_session.enforcers.bpf.state import loadable
from yama_session.errors import BpfError
from yama_session.levels import Scope, View
from yama_session.native import OwnedFd, checked
from yama_session.native import ffi as native_ffi
from yama_session.native import lib as native
from yama_session.scope import DomainInfo

__all__ = ["PINS", "Description", "Member", "Programs", "pin"]

PINS = Path("/sys/fs/bpf/yama-session")
OBJECT = Path(__file__).with_name("programs.bpf.o")

_INITIAL_USER_NS = 0xEFFFFFFD  # PROC_USER_INIT_INO of <linux/proc_ns.h>
_GENERATION = f"v{lib.YS_BPF_LAYOUT}-"
_UNFINISHED = "-unfinished"
_STORED = "bpf-"
_SELFTEST = {
    lib.YS_BPF_SELFTEST_OUTSIDE: "a process without privilege cannot look at its like, so that "
    "nothing is proved",
    lib.YS_BPF_SELFTEST_JOIN: "a process without privilege cannot join a domain",
    lib.YS_BPF_SELFTEST_CHECK: "a process that has joined a domain is in none",
    lib.YS_BPF_SELFTEST_VIEW: "a process in a domain sees into one outside",
    lib.YS_BPF_SELFTEST_SIGNAL: "a process in a domain reaches one outside by kill(2)",
    lib.YS_BPF_SELFTEST_CHILD: "the child of a process in a domain is not in it",
}


@dataclass(frozen=True)
class Member:
    """A thread that is in a domain; its numbers are those of the initial pid namespace."""

    pid: int
    tid: int
    domain: Description


@dataclass(frozen=True)
class Description:
    """A domain, with scope and view composed with those around it.

    Attributes:
        chain: the ids of the domains that it is nested in, the outermost first,
            and its own as the last one.
        views: the view of each of these by itself.
    """

    chain: tuple[int, ...]
    views: tuple[View, ...]
    scope: Scope
    view: View

    @property
    def id(self) -> int:
        """The domain's own id, unique while the machine is up."""
        return self.chain[-1]

    @property
    def depth(self) -> int:
        """1 for a domain that is nested in none."""
        return len(self.chain)

    @property
    def info(self) -> DomainInfo:
        """What an enforcer tells of it."""
        return DomainInfo(self.scope, self.view, self.depth, self.id, override=False)


class Programs:
    """The loaded programs; made by :meth:`load`.

    Attributes:
        reused: whether all of them were there already.
    """

    def __init__(self, links: dict[str, OwnedFd], digest: str, pins: Path, *, reused: bool) -> None:
        self._links = links
        self._digest = digest
        self._pins = pins
        self.reused = reused
        self._members = _map_of(links, "members")
        self._keys = _map_of(links, "keys")

    @classmethod
    def load(cls, pins: Path = PINS, stored: Mapping[str, OwnedFd] | None = None) -> Self:
        """Have the kernel run the programs, and prove that they enforce.

        It blocks for as long as the kernel needs to verify and attach them.

        Args:
            pins: a directory in a bpffs, made if it is missing; its parent must be there.
            stored: what :meth:`fds` named before, from a service manager that has kept it;
                it is taken over if all goes well. What the manager itself holds of
                names that :meth:`fds` has no more, it must let go.

        Raises:
            BpfError: they cannot be loaded, or do not enforce; what was loaded
                before is as it was.
        """
        could = loadable()
        if not could:
            raise BpfError(f"cannot use BPF programs: {could.reason}")
        content = OBJECT.read_bytes()
        digest = hashlib.sha256(content).hexdigest()[:16]
        with _Pins(pins) as room:
            known = room.generations()
            for generation, links in _generations(stored or {}).items():
                for program, fd in links.items():
                    known.setdefault(generation, {}).setdefault(program, fd)
            with _Object(content) as image:
                wanted = set(image.programs())
                present = known.get(_GENERATION + digest, {})
                reused = wanted <= present.keys()
                links = present if reused else image.attach(known)
            try:
                programs = cls(links, digest, pins, reused=reused)
                programs._prove()
                room.keep(_GENERATION + digest, links)
            except BaseException:
                for link in () if reused else links.values():
                    link.close()
                raise
        for fd in (stored or {}).values():
            if fd not in links.values():
                fd.close()
        return programs

    @classmethod
    def running(cls, pins: Path = PINS) -> Self | None:
        """Return the programs that are pinned, ``None`` if none are; nothing is loaded.

        Args:
            pins: their directory.

        Raises:
            BpfError: they keep domains in another way than this version, what is
                pinned is not whole, or the caller may not look.
        """
        try:
            pins.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BpfError(f"cannot look into {pins}: {error.strerror}; root can") from error
        with _Pins(pins) as room:
            known = {name: links for name, links in room.generations().items() if links}
        # A loader that died may have left some of the pins of others.
        for generation, links in known.items():
            if {"list", "answer"} <= links.keys() and not generation.endswith(_UNFINISHED):
                if not generation.startswith(_GENERATION):
                    raise BpfError(f"{pins / generation} is of another version")
                digest = generation.removeprefix(_GENERATION)
                return cls(links, digest, pins, reused=True)
        if known:
            raise BpfError(f"no programs are pinned as a whole in {pins}: restart yama-session")
        return None

    def fds(self) -> dict[str, OwnedFd]:
        """Return the descriptors to keep elsewhere, by name; they stay this object's."""
        return {
            f"{_STORED}{_GENERATION}{self._digest}-{name}": link
            for name, link in self._links.items()
        }

    def domain(self, scope: Scope, view: View, around: OwnedFd | None = None) -> OwnedFd:
        """Make a domain, and return the token that opens it.

        Args:
            scope: its level; a weaker one than around it loosens nothing.
            view: its view, likewise.
            around: the token of the domain that it is nested in; without one
                it is nested in none.

        Raises:
            BpfError: there are too many, they nest too deep, or the domain
                around it has been forgotten.
        """
        return self._token(self._new_key(scope, view, around and self._value(around)))

    def info(self, token: OwnedFd) -> Description:
        """Return what the domain is that a token opens.

        Raises:
            DomainError: the descriptor is no token.
            BpfError: its domain has been forgotten.
        """
        return _described(self._value(token))

    def open(self, pidfd: int) -> OwnedFd:
        """Return a token that opens the domain of a process.

        Raises:
            BpfError: the process has exited or is in none, or its domain has
                been forgotten or never had a key.
        """
        domain = self.describe(pidfd)
        for key, id_ in self._known():
            if domain is not None and id_ == domain.id:
                return self._token(key)
        raise BpfError("the process is in no domain that can be joined")

    def retain(self, ids: Collection[int]) -> None:
        """Let nobody join any domain but these any more; who is in one stays.

        Args:
            ids: of the domains that are kept.
        """
        for key, id_ in list(self._known()):
            if id_ not in ids:
                self._drop_key(key)

    def describe(self, pidfd: int) -> Description | None:
        """Return the domain of a process, ``None`` if it is in none or has exited.

        Args:
            pidfd: the process; its main thread is what is described.

        Raises:
            BpfError: the descriptor is no pidfd.
        """
        value = ffi.new("struct ys_bpf_domain *")
        ret = lib.ys_bpf_get(self._members.fileno(), ffi.new("int *", pidfd), value)
        if ret == -errno.ENOENT:
            return None
        _succeeded("look a process up", ret)
        return _described(value) if _is_whole(value) else None

    def members(self, within: int | None = None) -> list[Member]:
        """Return all threads that are in a domain.

        Args:
            within: the id of a domain: only those in it or in one nested in it.

        Raises:
            BpfError: the kernel cannot list them.
        """
        return [
            member
            for member in self._read("list")
            if within is None or within in member.domain.chain
        ]

    def adopt(self, since: int) -> list[Member]:
        """Put what members have forked while no program was called where their parents are.

        What has lost its parent goes where all others of its user in its cgroup are.

        Args:
            since: when that began, in nanoseconds of :func:`time.monotonic_ns`.

        Returns:
            What was put.

        Raises:
            BpfError: the kernel cannot list them.
        """
        found: list[Member] = []
        with _map_of(self._links, "outage") as outage, _map_of(self._links, "places") as places:
            try:
                _set_first(outage, since)
                # Who stands where is known after the first time.
                found += self._read("adopt")
                while more := list(self._read("adopt")):
                    found += more
            finally:
                _set_first(outage, 0)
                _empty(places)
        return found

    def _read(self, iterator: str) -> Iterator[Member]:
        ret = lib.ys_bpf_read(self._links[iterator].fileno())
        with os.fdopen(_succeeded("list the members", ret), "rb") as records:
            content = records.read()
        size = ffi.sizeof("struct ys_bpf_member")
        for record in ffi.from_buffer("struct ys_bpf_member[]", content)[0 : len(content) // size]:
            if _is_whole(record.domain):
                yield Member(record.tgid, record.tid, _described(record.domain))

    def recursion_misses(self) -> dict[str, int]:
        """Return how often the kernel has left each program out since it was loaded.

        Only ``answer`` may have been: for it the caller tries again.
        """
        return {
            name: _succeeded("read the counters", lib.ys_bpf_misses(link.fileno()))
            for name, link in self._links.items()
        }

    def unload(self) -> None:
        """Take the programs out: nobody is confined any more.

        Descriptors that others keep (:meth:`fds`) must go too.
        """
        with _Pins(self._pins) as room:
            room.clear()
        self.close()

    def close(self) -> None:
        """Close the descriptors; the pins keep the programs."""
        for fd in (*self._links.values(), self._members, self._keys):
            fd.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _prove(self) -> None:
        key = self._new_key(Scope.CLASSIC, View.DOMAIN)
        try:
            ret = lib.ys_bpf_selftest(key)
        finally:
            self._drop_key(key)
        if _succeeded("test the BPF programs", ret):
            raise BpfError(f"the BPF programs do not enforce: {_SELFTEST[ret]}")

    def _new_key(self, scope: Scope, view: View, around: Any = None) -> bytes:
        key = secrets.token_bytes(native.YS_BPF_KEY_SIZE)
        value = ffi.new("struct ys_bpf_domain *", around and around[0])
        level = value.depth
        if level == lib.YS_BPF_DEPTH:
            raise BpfError(f"domains nest at most {level} deep")
        value.chain[level] = secrets.randbits(64) | 1
        value.owner[level] = _INITIAL_USER_NS
        value.view[level] = view
        value.max_view = max(value.max_view, view)
        value.scope = max(value.scope, scope)
        value.depth = level + 1
        _succeeded("make a domain", lib.ys_bpf_put(self._keys.fileno(), _bytes(key), value))
        return key

    def _known(self) -> Iterator[tuple[bytes, int]]:
        """Yield the key of each domain that can be joined, and its id."""
        key, found = ffi.NULL, ffi.new(f"unsigned char[{native.YS_BPF_KEY_SIZE}]")
        value = ffi.new("struct ys_bpf_domain *")
        while lib.ys_bpf_next(self._keys.fileno(), key, found) == 0:
            if lib.ys_bpf_get(self._keys.fileno(), found, value) == 0:
                yield bytes(found), value.chain[value.depth - 1]
            key = found

    def _drop_key(self, key: bytes) -> None:
        ret = lib.ys_bpf_drop(self._keys.fileno(), _bytes(key))
        if ret != -errno.ENOENT:
            _succeeded("forget a domain", ret)

    def _value(self, token: OwnedFd) -> Any:
        value = ffi.new("struct ys_bpf_domain *")
        ret = lib.ys_bpf_get(self._keys.fileno(), _bytes(_key_of(token)), value)
        if ret == -errno.ENOENT:
            raise BpfError("the domain that the token opens is no longer there")
        _succeeded("look a domain up", ret)
        return value

    @staticmethod
    def _token(key: bytes) -> OwnedFd:
        return OwnedFd(checked("ys_bpf_token", native.ys_bpf_token(key)))


def pin(stored: Mapping[str, OwnedFd], pins: Path = PINS) -> None:
    """Make pins that are missing again, so that programs outlast their descriptors.

    Args:
        stored: the descriptors, by the names that :meth:`Programs.fds` has for them.
        pins: as for :meth:`Programs.load`.

    Raises:
        BpfError: there is no bpffs to have them in.
    """
    with _Pins(pins) as room:
        for generation, links in _generations(stored).items():
            room.add(generation, links)


def _generations(stored: Mapping[str, OwnedFd]) -> dict[str, dict[str, OwnedFd]]:
    found: dict[str, dict[str, OwnedFd]] = {}
    for name, fd in stored.items():
        generation, _, program = name.removeprefix(_STORED).rpartition("-")
        found.setdefault(generation, {})[program] = fd
    return found


class _Object:
    """The object, opened by libbpf."""

    def __init__(self, content: bytes) -> None:
        self._content = content  # libbpf reads from it until the end
        found = ffi.new("struct ys_bpf **")
        ret = lib.ys_bpf_open(ffi.from_buffer("char[]", content), len(content), found)
        _succeeded(f"read {OBJECT}", ret)
        self._bpf = found[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        lib.ys_bpf_close(self._bpf)

    def programs(self) -> Iterator[str]:
        """Yield the names of the programs."""
        return self._names(lib.ys_bpf_program)

    def attach(self, known: Mapping[str, Mapping[str, OwnedFd]]) -> dict[str, OwnedFd]:
        """Load all programs, with the maps of those that run already, and attach them.

        Raises:
            BpfError: the kernel refuses one, or the maps are of another version.
        """
        running = [link for links in known.values() for link in links.values()]
        if any(
            not generation.startswith(_GENERATION) for generation, links in known.items() if links
        ):
            raise BpfError(
                "the BPF programs that run keep domains in another way than this version: "
                "it can take their place after a reboot"
            )
        for name in self._names(lib.ys_bpf_map_name):
            found = _find_map(running, name)
            if found is not None:
                with found:
                    ret = lib.ys_bpf_reuse(self._bpf, name.encode(), found.fileno())
                    _succeeded(f"take over the map {name}", ret)
        _succeeded("load the BPF programs", lib.ys_bpf_load(self._bpf), said=True)
        links: dict[str, OwnedFd] = {}
        for name in self.programs():
            ret = lib.ys_bpf_attach(self._bpf, name.encode())
            links[name] = OwnedFd(_succeeded(f"attach the BPF program {name}", ret, said=True))
        return links

    def _names(self, function: Any) -> Iterator[str]:
        index = 0
        while (name := function(self._bpf, index)) != ffi.NULL:
            yield ffi.string(name).decode()
            index += 1


class _Pins:
    """The directory of pins, locked against another loader.

    Raises:
        BpfError: it is in no bpffs, or not the caller's to write to.
    """

    def __init__(self, directory: Path) -> None:
        if lib.ys_bpf_is_bpffs(bytes(directory.parent)) <= 0:
            raise BpfError(f"{directory.parent} is no bpffs: mount one there (mount -t bpf)")
        self._directory = directory
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            reason = f"{error.strerror}; root loads them, by the session service"
            raise BpfError(f"cannot keep BPF programs in {directory}: {reason}") from error
        self._lock = OwnedFd(fd)
        fcntl.flock(self._lock.fileno(), fcntl.LOCK_EX)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A child that was forked meanwhile has a copy, and closing ours would not do.
        fcntl.flock(self._lock.fileno(), fcntl.LOCK_UN)
        self._lock.close()

    def generations(self) -> dict[str, dict[str, OwnedFd]]:
        """Open what is pinned, by digest and program; the unfinished of a loader that died too."""
        return {
            place.name: {
                pin.name: OwnedFd(_succeeded(f"open {pin}", lib.ys_bpf_pinned(bytes(pin))))
                for pin in place.iterdir()
            }
            for place in self._directory.iterdir()
        }

    def keep(self, generation: str, links: Mapping[str, OwnedFd]) -> None:
        """Pin the links of one generation, if they are not, and drop the pins of all others."""
        self.add(generation, links)
        for other in self._directory.iterdir():
            if other.name != generation:
                _remove(other)

    def add(self, generation: str, links: Mapping[str, OwnedFd]) -> None:
        """Pin the links of one generation, if they are not."""
        place = self._directory / generation
        if not place.is_dir() or {pin.name for pin in place.iterdir()} != links.keys():
            unfinished = self._directory / (generation + _UNFINISHED)
            _remove(unfinished)
            unfinished.mkdir(mode=0o700)
            try:
                for name, link in links.items():
                    pin = unfinished / name
                    _succeeded(f"pin {pin}", lib.ys_bpf_pin(link.fileno(), bytes(pin)))
            except BaseException:
                _remove(unfinished)
                raise
            _remove(place)
            unfinished.rename(place)

    def clear(self) -> None:
        """Drop all pins."""
        for place in self._directory.iterdir():
            _remove(place)
        self._directory.rmdir()


def _remove(place: Path) -> None:
    if place.is_dir():
        for pin in place.iterdir():
            pin.unlink()
        place.rmdir()


def _find_map(links: list[OwnedFd], name: str) -> OwnedFd | None:
    for link in links:
        ret = lib.ys_bpf_map_of(link.fileno(), name.encode())
        if ret != -errno.ENOENT:
            return OwnedFd(_succeeded(f"find the map {name}", ret))
    return None


def _map_of(links: Mapping[str, OwnedFd], name: str) -> OwnedFd:
    found = _find_map(list(links.values()), name)
    if found is None:
        raise BpfError(f"the BPF programs have no map {name}")
    return found


def _set_first(array: OwnedFd, value: int) -> None:
    key, entry = ffi.new("uint32_t *", 0), ffi.new("uint64_t *", value)
    _succeeded("set a map", lib.ys_bpf_put(array.fileno(), key, entry))


def _empty(places: OwnedFd) -> None:
    key = ffi.new("uint64_t[2]")
    while lib.ys_bpf_next(places.fileno(), ffi.NULL, key) == 0:
        _succeeded("empty a map", lib.ys_bpf_drop(places.fileno(), key))


def _is_whole(value: Any) -> bool:
    """Tell if an entry was not being changed when it was copied; then the depth, or an id, is 0."""
    return value.depth > 0 and all(value.chain[level] for level in range(value.depth))


def _described(value: Any) -> Description:
    levels = range(value.depth)
    return Description(
        chain=tuple(value.chain[level] for level in levels),
        views=tuple(View(value.view[level]) for level in levels),
        scope=Scope(value.scope),
        view=View(value.max_view),
    )


def _key_of(token: OwnedFd) -> bytes:
    key = native_ffi.new(f"unsigned char[{native.YS_BPF_KEY_SIZE}]")
    checked("ys_bpf_key", native.ys_bpf_key(token.fileno(), key))
    return bytes(key)


def _bytes(key: bytes) -> Any:
    return ffi.from_buffer("char[]", key)


def _succeeded(words: str, ret: int, *, said: bool = False) -> int:
    """Return what a function of the loader has returned, if that is no error."""
    if ret >= 0:
        return ret
    reason = os.strerror(-ret)
    if said:
        reason += "\n" + ffi.string(lib.ys_bpf_said()).decode(errors="replace").strip()
    raise BpfError(f"cannot {words}: {reason}")
