# guest: --debian --kernel 6.12 --alone --timeout 900
# guest: --debian --kernel 6.1 --kernel 7.3 --long --timeout 900
"""The BPF programs on the kernels that Debian ships: what they enforce, and that they stay."""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from ctypes import get_errno
from functools import partial
from pathlib import Path

import bpf
import prctl
import pytest
from bpf import NOBODY, call, check, enter, join, looks_into, waiting, within
from logins import missing_pid, set_sysctl, sh, wait_for

from yama_session.enforcers import State
from yama_session.enforcers.bpf import loader, state
from yama_session.enforcers.bpf.loader import Programs
from yama_session.errors import BpfError
from yama_session.levels import Scope, View
from yama_session.native import OwnedFd, ffi, lib
from yama_session.procfs import HidePid, Procfs

nobody = bpf.become_nobody
PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
CLONE_VM, CLONE_FILES = 0x100, 0x400
CHECK = "from yama_session.native import lib; raise SystemExit(lib.ys_check(0, 2) < 0)"


@pytest.fixture(scope="module")
def programs() -> Iterator[Programs]:
    assert sh("systemctl stop yama-session").status == 0
    Programs.load().unload()
    assert not state.available()
    with Programs.load() as loaded:
        assert not loaded.reused
        yield loaded


@pytest.fixture
def token(programs: Programs) -> Iterator[OwnedFd]:
    with programs.domain(Scope.CLASSIC, View.DOMAIN) as token:
        yield token
        programs.retain(())


def of(programs: Programs, pid: int) -> loader.Description | None:
    with OwnedFd(os.pidfd_open(pid)) as pidfd:
        return programs.describe(pidfd.fileno())


def test_programs_answer_and_are_not_taken_for_the_series(programs: Programs) -> None:
    assert state.available()
    assert [lib.ys_has(version) >= 0 for version in (1, 2, 3)] == [True] * 3
    assert lib.ys_abi() == lib.YS_ABI
    assert not lib.ys_is_series()


@pytest.mark.parametrize(
    ("op", "arguments", "expected"),
    [
        (lib.PR_PTRACE_SCOPE_HAS, (0,), errno.EINVAL),
        (lib.PR_PTRACE_SCOPE_HAS, (4,), errno.EOPNOTSUPP),
        (lib.PR_PTRACE_SCOPE_HAS, (1, 1), errno.EINVAL),
        (lib.PR_PTRACE_SCOPE_ENTER, (4, 0, 0), errno.EINVAL),
        (lib.PR_PTRACE_SCOPE_ENTER, (0, 4, 0), errno.EINVAL),
        (lib.PR_PTRACE_SCOPE_ENTER, (0, 0, 8), errno.EINVAL),
        (lib.PR_PTRACE_SCOPE_ENTER, (0, 0, 4), errno.EOPNOTSUPP),
        (lib.PR_PTRACE_SCOPE_ENTER, (1 << 32, 0, 0), errno.EINVAL),
        (lib.PR_PTRACE_SCOPE_CHECK, (4, 0), errno.EINVAL),
        (lib.PR_PTRACE_SCOPE_CHECK, (0, 4), errno.EINVAL),
        (lib.PR_PTRACE_SCOPE_CHECK, (0, 1), errno.ENODATA),
        (lib.PR_PTRACE_SCOPE_LEAVE, (2,), errno.EINVAL),
        (lib.PR_PTRACE_SCOPE_CREATE, (0, 0, 0), errno.EOPNOTSUPP),
        (lib.PR_PTRACE_SCOPE_CREATE, (4, 0, 0), errno.EOPNOTSUPP),
        (lib.PR_PTRACE_SCOPE_JOIN, (0,), errno.EOPNOTSUPP),
        (lib.PR_PTRACE_SCOPE_OPEN, (0,), errno.EOPNOTSUPP),
        (lib.PR_PTRACE_SCOPE_ALLOW, (0, 0), errno.EOPNOTSUPP),
        (0x100, (1, 2, 0), errno.ENOENT),
        (0x100, (1, 2, 2), errno.EINVAL),
        (99, (), errno.EINVAL),
    ],
)
def test_what_is_refused_to_whoever_asks(
    programs: Programs, op: int, arguments: tuple[int, ...], expected: int
) -> None:
    assert call(op, *arguments) == -expected


def about(fd: OwnedFd) -> dict[str, str]:
    """Return what the kernel says of a descriptor."""
    lines = Path(f"/proc/self/fdinfo/{fd.fileno()}").read_text("ascii").splitlines()
    return dict(line.split(":", 1) for line in lines)


def verified(link: OwnedFd) -> int:
    """Return how many instructions the verifier has gone through for a program."""
    fields = about(link)
    attributes = (ctypes.c_uint * 3)(int(fields["prog_id"]))
    fd = bpf.libc.syscall(321, 13, ctypes.byref(attributes), 12)  # BPF_PROG_GET_FD_BY_ID
    with OwnedFd(fd) as program:
        return int(about(program)["verified_insns"])


def test_the_verifier_of_every_kernel_is_done_soon(programs: Programs) -> None:
    """It gives up at a million, and a machine that boots waits for it."""
    steps = {name: verified(link) for name, link in programs.fds().items()}
    assert max(steps.values()) < 20_000, steps
    assert sum(steps.values()) < 200_000, steps


def test_other_calls_of_prctl_are_as_they_were(programs: Programs) -> None:
    assert bpf.libc.prctl(0x59616D74, 0, 0, 0, 0) == -1
    assert get_errno() == errno.EINVAL
    assert prctl.get_name()


def test_entering_needs_no_new_privs_or_privilege(programs: Programs) -> None:
    def refused() -> int:
        os.setresuid(*3 * (NOBODY,))
        return enter(Scope.CLASSIC, View.DOMAIN)

    assert within(refused) == -errno.EPERM
    assert within(lambda: enter(Scope.CLASSIC, View.DOMAIN), nobody) > 0
    assert within(lambda: enter(Scope.CLASSIC, View.DOMAIN)) > 0


def test_entering_is_refused_to_one_thread_of_many(programs: Programs) -> None:
    def threaded() -> tuple[int, int]:
        threading.Thread(target=signal.pause, daemon=True).start()
        return enter(Scope.CLASSIC, View.DOMAIN), enter(
            Scope.CLASSIC, View.DOMAIN, lib.PR_PTRACE_SCOPE_F_THREAD
        )

    assert within(threaded) == (-errno.EBUSY, 1)


@pytest.mark.parametrize(
    ("what", "refused"), [(CLONE_VM, errno.EAGAIN), (CLONE_FILES, errno.EBUSY)]
)
def test_entering_is_refused_where_another_process_shares(
    programs: Programs, what: int, refused: int
) -> None:
    """Memory or descriptors: each of the two would be open to the other one."""

    def shared() -> list[int]:
        stack = ctypes.create_string_buffer(1 << 16)
        top = ctypes.c_void_p(ctypes.addressof(stack) + (1 << 16) - 64)
        pause = ctypes.cast(bpf.libc.pause, ctypes.c_void_p)
        pid = bpf.libc.clone(pause, top, what | signal.SIGCHLD, None)
        assert pid > 0
        answers = [enter(Scope.CLASSIC, View.DOMAIN) for _ in range(2)]
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return [*answers, enter(Scope.CLASSIC, View.DOMAIN)]

    assert within(shared) == [-refused] * 2 + [1]


def test_domains_nest_sixteen_deep_and_compose_by_the_maximum(programs: Programs) -> None:
    def deep() -> list[int]:
        answers = [enter(Scope.RELATIONAL, View.DOMAIN)]
        answers += [enter(Scope.CLASSIC, View.ALL) for _ in range(16)]
        assert check(View.DOMAIN, Scope.RELATIONAL)
        assert not check(View.DOMAIN, Scope.CAPABILITY)
        return answers

    assert within(deep, nobody) == [1] * 16 + [-errno.E2BIG]


def test_every_descendant_inherits(programs: Programs, token: OwnedFd) -> None:
    def generations() -> list[bool]:
        found: list[bool] = []
        thread = threading.Thread(target=lambda: found.append(check()))
        thread.start()
        thread.join()
        found.append(within(check))
        found.append(within(lambda: within(check), os.setsid))
        found.append(subprocess.run([sys.executable, "-c", CHECK]).returncode == 0)
        return found

    assert within(generations, partial(join, token)) == [True] * 4
    assert not check()


def test_what_is_outside_is_hidden_from_the_same_user(programs: Programs, token: OwnedFd) -> None:
    into = partial(join, token)
    with waiting(nobody) as outside, waiting(into, nobody) as inside:

        def look() -> list[bool]:
            listed = {int(name.name) for name in Path("/proc").iterdir() if name.name.isdigit()}
            return [
                looks_into(outside),
                looks_into(inside),
                outside in listed,
                inside in listed,
                Path(f"/proc/{outside}").exists(),
            ]

        def private() -> None:
            with Procfs.new(HidePid.PTRACEABLE) as procfs:
                procfs.attach()

        assert within(look, private, nobody) == [True, True, True, True, True]
        assert within(look, private, into, nobody) == [False, True, False, True, False]


def test_two_logins_of_one_token_share_a_domain_and_others_do_not(programs: Programs) -> None:
    with (
        programs.domain(Scope.CLASSIC, View.DOMAIN) as alice,
        programs.domain(Scope.CLASSIC, View.DOMAIN) as bob,
        waiting(partial(join, alice), nobody) as hers,
        waiting(partial(join, bob), nobody) as his,
    ):
        assert within(lambda: looks_into(hers), partial(join, alice), nobody)
        assert not within(lambda: looks_into(his), partial(join, alice), nobody)
        assert within(lambda: looks_into(his), nobody), "who is in no domain sees all"


def test_a_nested_domain_is_seen_from_around_it_and_not_the_other_way(
    programs: Programs, token: OwnedFd
) -> None:
    nest = partial(enter, Scope.CLASSIC, View.DOMAIN)
    into = partial(join, token)
    with waiting(into, nobody) as around, waiting(into, nest, nobody) as nested:
        assert within(lambda: looks_into(nested), into, nobody)
        assert not within(lambda: looks_into(around), into, nest, nobody)
        assert not within(lambda: looks_into(nested), into, nest, nobody)


def test_view_inferiors_shows_only_what_one_has_started(programs: Programs, token: OwnedFd) -> None:
    strict = partial(enter, Scope.CLASSIC, View.INFERIORS)

    def look() -> tuple[bool, bool]:
        with waiting() as child:
            return looks_into(child), within(lambda: looks_into(child))

    assert within(look, strict, nobody) == (True, False)


def finds(pid: int) -> bool:
    """Tell if a process exists for the caller, by a call that asks for nothing more."""
    return bpf.error_of(lambda: os.getsid(pid)) == 0


def as_user(uid: int) -> None:
    """Become a user without privilege whose real uid alone tells him from others."""
    os.setresuid(uid, NOBODY, NOBODY)
    prctl.set_dumpable(True)
    prctl.set_no_new_privs(1)


SOMEBODY = 1234


def test_view_user_shows_what_is_of_the_real_uid_wherever_it_is(
    programs: Programs, token: OwnedFd
) -> None:
    user = partial(enter, Scope.CLASSIC, View.USER)
    into = partial(join, token)
    mine, other = partial(as_user, NOBODY), partial(as_user, SOMEBODY)
    with (
        waiting(mine) as outside,
        waiting(into, mine) as elsewhere,
        waiting(other) as stranger,
        waiting(into, other) as stranger_elsewhere,
    ):
        every = (outside, elsewhere, stranger, stranger_elsewhere)

        def look() -> list[bool]:
            return [*map(finds, every), finds(1), finds(2)]

        assert within(look, mine) == [True] * 6
        assert within(look, user, mine) == [True, True, False, False, False, False]
        assert within(look, user, other) == [False, False, True, True, False, False]
        # Root without the capability: init is its own, and the kernel's threads are nobody's.
        bare = bpf.drop_ptrace_capability
        assert within(look, user, bare) == [False] * 4 + [True, False]
        assert within(look, user) == [True] * 6, "who is capable sees all"

        assert within(lambda: looks_into(elsewhere), user, mine)
        assert not within(
            lambda: looks_into(elsewhere), partial(enter, Scope.CLASSIC, View.DOMAIN), mine
        )


def test_view_user_shows_what_is_inside_whoever_it_is_of(programs: Programs) -> None:
    with programs.domain(Scope.CLASSIC, View.USER) as token:
        into = partial(join, token)
        with waiting(into, partial(as_user, SOMEBODY)) as inside:
            mine = partial(as_user, NOBODY)
            assert within(lambda: finds(inside), into, mine)
            nest = partial(enter, Scope.CLASSIC, View.USER)
            assert not within(lambda: finds(inside), into, nest, mine)
            programs.retain(())


@pytest.mark.parametrize(
    ("outer", "inner", "seen"),
    [
        (View.USER, View.USER, [True, True]),
        (View.USER, View.ALL, [True, True]),
        (View.ALL, View.USER, [True, True]),
        (View.DOMAIN, View.USER, [False, True]),
        (View.USER, View.DOMAIN, [False, False]),
        (View.USER, View.INFERIORS, [False, False]),
    ],
)
def test_each_domain_around_judges_by_its_own_view(
    programs: Programs, outer: View, inner: View, seen: list[bool]
) -> None:
    """Of one user, one process is outside of both domains and one between them."""
    with programs.domain(Scope.CLASSIC, outer) as token:
        into = partial(join, token)
        nest = partial(enter, Scope.CLASSIC, inner)
        with waiting(nobody) as outside, waiting(into, nobody) as between:

            def look() -> list[bool]:
                assert check(max(outer, inner))
                assert max(outer, inner) is View.INFERIORS or not check(View(max(outer, inner) + 1))
                return [finds(outside), finds(between)]

            assert within(look, into, nest, nobody) == seen
        programs.retain(())


def test_a_thread_of_another_uid_is_judged_with_its_main_one(programs: Programs) -> None:
    """A thread may have a real uid of its own; the process is then seen by neither number."""

    def odd_thread() -> None:
        read, write = os.pipe()

        def change() -> None:
            assert bpf.libc.syscall(117, SOMEBODY, -1, -1) == 0  # setresuid, of this thread alone
            os.write(write, str(threading.get_native_id()).encode())
            signal.pause()

        threading.Thread(target=change, daemon=True).start()
        (Path("/tmp/odd-thread")).write_bytes(os.read(read, 16))

    user = partial(enter, Scope.CLASSIC, View.USER)
    with waiting(odd_thread) as main:
        odd = int(Path("/tmp/odd-thread").read_bytes())
        bare = bpf.drop_ptrace_capability

        def look() -> list[bool]:
            return [finds(main), finds(odd)]

        def as_somebody() -> None:
            os.setresuid(SOMEBODY, 0, 0)

        assert within(look, user, bare) == [True, False]
        assert within(look, user, as_somebody, bare) == [False, False]


def test_proof_of_a_login_with_the_view_user(programs: Programs) -> None:
    """Pid 1 is root's, as the login program is: it is looked for as somebody else."""
    with programs.domain(Scope.CLASSIC, View.USER) as token:
        into = partial(join, token)

        def verify(view: View, outside: int) -> int:
            ids, held = os.getresuid(), Path("/proc/self/status").read_text("ascii")
            ret = lib.ys_verify(lib.YS_BPF, Scope.CLASSIC, view, outside)
            assert os.getresuid() == ids
            after = Path("/proc/self/status").read_text("ascii")
            assert [s for s in held.splitlines() if s.startswith("Cap")] == [
                s for s in after.splitlines() if s.startswith("Cap")
            ]
            return ret

        def private() -> None:
            with Procfs.new(HidePid.PTRACEABLE) as procfs:
                procfs.attach()

        # One without capabilities hides from nobody by what it has.
        bare = bpf.drop_all_capabilities
        with waiting(bare) as outside, waiting(into, bare) as inside:
            assert within(lambda: verify(View.USER, outside), private, into) == 0
            assert within(lambda: verify(View.USER, inside), private, into) == -errno.EACCES
            assert within(lambda: verify(View.DOMAIN, outside), private, into) == -errno.ENODATA
            # Where nothing is private the name is there, whoever looks.
            assert within(lambda: verify(View.USER, outside), into) == -errno.EACCES
        programs.retain(())


def test_hiding_holds_for_every_call_that_asks_for_access(
    programs: Programs, token: OwnedFd
) -> None:
    set_sysctl(0)
    into = partial(join, token)
    with waiting(nobody) as outside, waiting(into, nobody) as inside:
        pidfds = {pid: os.pidfd_open(pid) for pid in (outside, inside)}

        def calls(pid: int) -> dict[str, int]:
            pidfd = pidfds[pid]
            return {
                "pidfd_getfd": bpf.system_call(438, pidfd, 0, 0),
                "kcmp": bpf.system_call(312, os.getpid(), pid, 1, 0, 0),
                "process_vm_readv": bpf.read_memory(pid),
                "get_robust_list": bpf.robust_list(pid),
            }

        assert set(within(lambda: calls(outside), nobody).values()) == {0}
        assert set(within(lambda: calls(inside), into, nobody).values()) == {0}
        assert set(within(lambda: calls(outside), into, nobody).values()) == {errno.EPERM}

        def attach(request: int) -> int:
            return 0 if bpf.libc.ptrace(request, outside, None, None) == 0 else get_errno()

        # Whose error is the program's own
        for request in (bpf.PTRACE_ATTACH, PTRACE_SEIZE):
            assert within(partial(attach, request), nobody) == 0
            assert within(partial(attach, request), into, nobody) == errno.ESRCH


@pytest.mark.parametrize(
    ("scope", "child", "sibling", "named"),
    [
        (Scope.CLASSIC, True, True, True),
        (Scope.RELATIONAL, True, False, True),
        (Scope.CAPABILITY, False, False, False),
        (Scope.NO_ATTACH, False, False, False),
    ],
)
def test_the_level_of_a_domain_on_a_machine_that_is_at_0(
    programs: Programs, scope: Scope, child: bool, sibling: bool, named: bool
) -> None:
    set_sysctl(0)
    with programs.domain(scope, View.DOMAIN) as token:
        into = partial(join, token)

        def own_child() -> bool:
            with waiting() as pid:
                return bpf.attaches(pid)

        def anybody() -> None:
            assert bpf.libc.prctl(0x59616D61, -1, 0, 0, 0) == 0

        assert within(own_child, into, nobody) is child
        with waiting(into, nobody) as other, waiting(into, nobody, anybody) as client:
            assert within(lambda: bpf.attaches(other), into, nobody) is sibling
            assert within(lambda: bpf.attaches(client), into, nobody) is named
            assert within(lambda: bpf.attaches(other), into) is (scope < Scope.NO_ATTACH)


def test_a_level_does_not_loosen_the_machines(programs: Programs, token: OwnedFd) -> None:
    set_sysctl(2)
    with waiting(partial(join, token), nobody) as other:
        assert not within(lambda: bpf.attaches(other), partial(join, token), nobody)


@pytest.mark.parametrize("number", [0, 1])
def test_who_names_a_tracer_and_takes_it_back(programs: Programs, number: int) -> None:
    set_sysctl(0)

    def name(pid: int) -> None:
        assert bpf.libc.prctl(0x59616D61, pid, 0, 0, 0) == 0

    with programs.domain(Scope.RELATIONAL, View.DOMAIN) as token:
        into = partial(join, token)
        with waiting(into, nobody, partial(name, 1), partial(name, number)) as client:
            found = within(lambda: bpf.attaches(client), into, nobody)
    assert found is bool(number)


def test_traceme_is_refused_where_the_parent_could_not_look(
    programs: Programs, token: OwnedFd
) -> None:
    set_sysctl(0)

    def traceme() -> int:
        ret = bpf.libc.ptrace(bpf.PTRACE_TRACEME, 0, None, None)
        return 0 if ret == 0 else get_errno()

    def parent(steps: tuple[partial[None], ...]) -> int:
        return within(traceme, *steps)

    into = partial(join, token)
    with programs.domain(Scope.CLASSIC, View.DOMAIN) as other:
        # As root, which alone may go sideways; then the parent gives up what exempts it.
        sideways = partial(join, other)
        assert within(lambda: parent(()), into, nobody) == 0
        assert within(lambda: parent((sideways,)), into) == 0

        def exposed() -> int:
            return bpf.after_fork(traceme, sideways, bpf.drop_ptrace_capability)

        assert within(exposed, into) == errno.EPERM


def test_signals_do_not_reach_what_is_hidden_and_it_is_not_missing(
    programs: Programs, token: OwnedFd
) -> None:
    into = partial(join, token)
    thread = int(KERNEL >= (6, 9))

    def send(pid: int) -> tuple[int, ...]:
        return (
            bpf.error_of(lambda: os.kill(pid, 0)),
            bpf.error_of(lambda: signal.pidfd_send_signal(pidfds[pid], 0)),
            # To the thread; before 6.9 there is no such flag.
            bpf.error_of(lambda: signal.pidfd_send_signal(pidfds[pid], 0, None, thread)),
        )

    with waiting(nobody) as outside, waiting(into, nobody) as inside:
        pidfds = {pid: os.pidfd_open(pid) for pid in (outside, inside)}
        assert within(lambda: send(outside), nobody) == (0, 0, 0)
        assert within(lambda: send(inside), into, nobody) == (0, 0, 0)
        assert within(lambda: send(outside), into, nobody) == (errno.EPERM,) * 3
        assert within(lambda: send(outside), into) == (0, 0, 0), "root sees it"


KERNEL = state.version_of(os.uname().release)

# All for which there is a security hook that is asked about the process.
CLOSED = {
    "capget",
    "getpgid",
    "getsid",
    "ioprio_get(IOPRIO_WHO_PROCESS)",
    "ioprio_set(IOPRIO_WHO_PROCESS)",
    "kill(-pgid)",
    "rt_tgsigqueueinfo",
    "sched_getaffinity",
    "sched_getattr",
    "sched_getparam",
    "sched_getscheduler",
    "sched_rr_get_interval",
    "sched_setaffinity",
    "sched_setattr",
    "sched_setparam",
    "sched_setscheduler",
    "setpriority(PRIO_PROCESS)",
    "tgkill",
    "tkill",
}
# For these a program has to find the process by its number itself.
if KERNEL >= (6, 2):
    CLOSED |= {
        "RTM_GETNSID with NETNSA_PID",
        "RTM_SETLINK with IFLA_NET_NS_PID",
        "fcntl(F_SETOWN, -pgid)",
        "fcntl(F_SETOWN, pid)",
        "fcntl(F_SETOWN_EX, F_OWNER_TID)",
        "fcntl(F_SETOWN_EX, F_OWNER_PID)",
        "fcntl(F_SETOWN_EX, F_OWNER_PGRP)",
        "ioctl(FIOSETOWN)",
        "ioctl(SIOCSPGRP)",
        "perf_event_open(pid)",
        "prlimit64",
        "setpgid(0, pgid)",
    }
if KERNEL >= (6, 12):
    CLOSED |= {
        f"ioctl(NS_GET_{what}_PIDNS)" for what in ("PID_FROM", "TGID_FROM", "PID_IN", "TGID_IN")
    }
# From here on a pidfd is opened like a file.
if KERNEL >= (6, 9):
    CLOSED |= {"pidfd_open", "pidfd_open(PIDFD_THREAD)"}


def own_group() -> None:
    os.setpgid(0, 0)


def told_apart(pid: int) -> set[str]:
    """Return the calls that answer something else for a process than for a missing one."""
    found = set()
    index = 0
    while (name := lib.ys_probe_name(index)) != ffi.NULL:
        word = ffi.string(name).decode()
        if word in CLOSED:
            answers = [within(partial(lib.ys_probe, index, nr)) for nr in (pid, missing_pid())]
            if answers[0] != answers[1]:
                found.add(word)
        index += 1
    return found


def test_a_hidden_process_answers_calls_as_a_missing_one(
    programs: Programs, token: OwnedFd
) -> None:
    paranoid = Path("/proc/sys/kernel/perf_event_paranoid")
    before = paranoid.read_text()
    paranoid.write_text("2")
    with waiting(own_group, nobody) as outside:
        assert within(lambda: told_apart(outside), nobody) == CLOSED
        assert within(lambda: told_apart(outside), partial(join, token), nobody) == set()
    paranoid.write_text(before)


def test_where_cores_are_shared_is_told_of_the_visible_alone(
    programs: Programs, token: OwnedFd
) -> None:
    """Without hyperthreads the kernel says so for every number, and does not look for one."""

    def cookie(pid: int) -> int:
        found = ctypes.c_ulong()
        words = [ctypes.c_ulong(word) for word in (0, pid, 0, ctypes.addressof(found))]
        return 0 if bpf.libc.prctl(62, *words) == 0 else get_errno()

    def cookies() -> list[int]:
        return [cookie(pid) for pid in (outside, missing_pid(), os.getpid(), 0)]

    with waiting(nobody) as outside:
        without = within(cookies, nobody)
        inside = within(cookies, partial(join, token), nobody)
    assert inside[2:] == without[2:]
    assert inside[:2] == [errno.ESRCH] * 2 if KERNEL >= (6, 2) else without[:2]


def request(kind: int, *attributes: tuple[int, int]) -> bytes:
    """A request about network namespaces with some numbers in it."""
    parts = b"".join(struct.pack("HHI", 8, key, value) for key, value in attributes)
    return struct.pack("IHHIIB3x", 20 + len(parts), kind, 1, 0, 0, 0) + parts


def test_a_request_about_the_network_of_a_process_is_found_among_others(
    programs: Programs, token: OwnedFd
) -> None:
    get, set_, pid, fd, nsid, none = 90, 88, 2, 3, 1, 9

    def send(*requests: bytes) -> int:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as route:
            return bpf.error_of(lambda: route.send(b"".join(requests)))

    def sent(number: int) -> list[int]:
        plain, named = request(get, (fd, 0)), request(get, (pid, number))
        return [
            send(named),
            send(plain, named),
            send(request(get, *300 * [(none, 0)], (pid | 0x8000, number))),
            send(request(set_, (nsid, 1), (pid, number))),
            send(plain, plain),
        ]

    into = partial(join, token)
    with waiting(nobody) as outside, waiting(into, nobody) as inside:
        assert within(lambda: sent(outside), nobody) == [0] * 5
        assert within(lambda: sent(inside), into, nobody) == [0] * 5
        refused = errno.ESRCH if KERNEL >= (6, 2) else 0
        assert within(lambda: sent(outside), into, nobody) == [refused] * 4 + [0]
        assert within(lambda: sent(outside), into) == [0] * 5, "root sees it"


def by_interrupt(nr: int, first: int, second: int) -> int:
    """Return what a call of a 32-bit program answers: int 0x80."""
    code = bytes.fromhex("53 89f8 89f3 89d1 31d2 31f6 31ff cd80 5b c3")
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    kind = ctypes.CFUNCTYPE(ctypes.c_int, *3 * (ctypes.c_int,))
    return int(kind(ctypes.addressof(ctypes.c_char.from_buffer(page)))(nr, first, second))


def test_calls_of_a_32_bit_program_are_known_too(programs: Programs, token: OwnedFd) -> None:
    calls = {"kill(-pgid)": (37, -1, 0), "tkill": (238, 1, 0), "tgkill": (270, 1, 1)}
    if KERNEL >= (6, 2):
        calls["prlimit64"] = (340, 1, 0)

    def ask(pid: int) -> dict[str, int]:
        return {
            name: by_interrupt(nr, first * pid, second * pid)
            for name, (nr, first, second) in calls.items()
        }

    into = partial(join, token)
    with waiting(own_group, nobody) as outside, waiting(own_group, into, nobody) as inside:
        assert set(within(lambda: ask(outside), nobody).values()) == {0}
        assert set(within(lambda: ask(inside), into, nobody).values()) == {0}
        assert set(within(lambda: ask(outside), into, nobody).values()) == {-errno.ESRCH}


def test_files_of_hidden_processes_are_opened_in_no_procfs(
    programs: Programs, token: OwnedFd
) -> None:
    """Here it is the machine's own, which hides nothing."""
    into = partial(join, token)
    lists = ("locks", "sysvipc/shm", "sysvipc/msg", "sysvipc/sem")

    def answers(*names: str) -> set[int]:
        return {bpf.error_of(partial(os.open, f"/proc/{name}", os.O_RDONLY)) for name in names}

    def opened(pid: int) -> set[int]:
        below = (".", "cmdline", "environ", "stat", "status", "fd", "task", f"task/{pid}/comm")
        return answers(*(f"{pid}/{name}" for name in below))

    def listed() -> set[int]:
        return answers(*lists)

    def own() -> set[int]:
        return opened(os.getpid()) | answers("stat", "sys/kernel/ostype", "net/netlink")

    with waiting(nobody) as outside, waiting(into, nobody) as inside:
        assert within(lambda: opened(outside) | listed(), nobody) == {0}
        assert within(lambda: opened(inside) | own(), into, nobody) == {0}
        hidden = within(lambda: opened(outside), into, nobody)
        assert hidden == {errno.ENOENT} if KERNEL >= (6, 2) else {0, errno.EACCES}
        assert within(listed, into, nobody) == {errno.EACCES}
        assert within(lambda: opened(outside) | listed(), into) == {0}, "root sees all"


@pytest.mark.parametrize("request_", [0x5412, 0x541C])
def test_nothing_is_typed_for_a_shell_that_is_hidden(
    programs: Programs, token: OwnedFd, request_: int
) -> None:
    legacy = Path("/proc/sys/dev/tty/legacy_tiocsti")
    before = legacy.read_text() if legacy.exists() else ""
    if before:
        legacy.write_text("1")

    def types(terminal: int) -> int:
        return bpf.error_of(lambda: fcntl.ioctl(terminal, request_, b"\x02"))

    def shell() -> list[int]:
        os.setsid()
        _, terminal = os.openpty()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        nobody()
        nest = partial(enter, Scope.CLASSIC, View.DOMAIN)
        job = partial(types, terminal)
        return [within(job), within(job, nest)]

    try:
        found = within(shell, partial(join, token))
    finally:
        if before:
            legacy.write_text(before)
    # It is no virtual terminal, which alone knows the second one.
    allowed = 0 if request_ == 0x5412 else errno.ENOTTY
    assert found[0] == allowed
    assert found[1] == (errno.EPERM if KERNEL >= (6, 2) else allowed)


@pytest.mark.parametrize("view", [View.ALL, View.USER, View.DOMAIN])
def test_the_process_connector_is_for_who_sees_all(programs: Programs, view: View) -> None:
    def listen() -> int:
        return bpf.error_of(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 11).close())

    def route() -> int:
        return bpf.error_of(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 0).close())

    into = partial(enter, Scope.CLASSIC, view)
    assert within(listen, into, nobody) == (errno.EPERM if view else 0)
    assert within(listen, into) == 0, "root sees all"
    assert within(route, into, nobody) == 0


def test_a_shell_gives_the_terminal_to_a_job_that_is_hidden_from_it(
    programs: Programs, token: OwnedFd
) -> None:
    """As su(1) is, which has gone to another session; but to nobody else's group."""
    with programs.domain(Scope.CLASSIC, View.DOMAIN) as other:

        def shell() -> list[int]:
            os.setsid()
            _, terminal = os.openpty()
            fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            with waiting(own_group, partial(join, other), nobody) as job:
                nobody()
                return [
                    bpf.error_of(partial(os.tcsetpgrp, terminal, group))
                    for group in (job, os.getpgrp(), outside)
                ]

        with waiting(own_group, nobody) as outside:
            refused = errno.ESRCH if KERNEL >= (6, 2) else errno.EPERM
            assert within(shell, partial(join, token)) == [0, 0, refused]


def test_a_terminal_that_is_not_one_s_own_does_not_tell_its_group(
    programs: Programs, token: OwnedFd
) -> None:
    """It makes its foreground group the owner of a file that is to signal."""

    def owner(terminal: int) -> tuple[int, ...]:
        flags = fcntl.fcntl(terminal, fcntl.F_GETFL)
        refused = bpf.error_of(lambda: fcntl.fcntl(terminal, fcntl.F_SETFL, flags | os.O_ASYNC))
        return refused, *struct.unpack("ii", fcntl.fcntl(terminal, F_GETOWN_EX, bytes(8)))

    def own() -> tuple[int, ...]:
        os.setsid()
        _, terminal = os.openpty()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        return owner(terminal)

    _, terminal = os.openpty()
    name = os.ttyname(terminal)
    Path(name).chmod(0o666)

    def other() -> tuple[int, ...]:
        return owner(os.open(name, os.O_RDWR | os.O_NOCTTY))

    def session() -> None:
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    into = partial(join, token)
    with waiting(session, nobody) as outside:
        assert within(other, nobody) == (0, F_OWNER_PGRP, outside)
        assert within(other, into, nobody)[::2] == (errno.EPERM, 0)
        assert within(own, into, nobody)[:2] == (0, F_OWNER_PGRP)


def test_the_pidfd_of_a_hidden_peer_signals_nobody(programs: Programs, token: OwnedFd) -> None:
    place = "/tmp/peer"
    Path(place).unlink(missing_ok=True)

    def listen() -> None:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(place)
        Path(place).chmod(0o666)
        nobody()
        server.listen()
        os.dup(server.fileno())  # outlives the object

    def peer() -> int:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(place)
            pidfd = client.getsockopt(socket.SOL_SOCKET, 77)  # SO_PEERPIDFD
            signal.pidfd_send_signal(pidfd, 0)
        return 0

    def ask() -> int:
        return bpf.error_of(peer)

    with waiting(listen):
        if KERNEL < (6, 5):
            assert within(ask, nobody) == errno.ENOPROTOOPT
        else:
            assert within(ask, nobody) == 0
            refused = errno.ESRCH if KERNEL >= (6, 9) else errno.EPERM
            assert within(ask, partial(join, token), nobody) == refused


JOB_CONTROL = {0, signal.SIGCONT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
SIGNALS = (*JOB_CONTROL, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1)


def reached(pid: int) -> set[str]:
    """Return what the caller may do to a process; none of it ends one that is as `unmoved`."""
    core = resource.RLIMIT_CORE
    calls: dict[str, Callable[[], object]] = {
        **{f"signal {int(number)}": partial(os.kill, pid, number) for number in SIGNALS},
        "getpgid": lambda: os.getpgid(pid),
        "getsid": lambda: os.getsid(pid),
        "limits": lambda: resource.prlimit(pid, core, (0, resource.prlimit(pid, core)[1])),
        "nice": lambda: os.setpriority(os.PRIO_PROCESS, pid, 1),
        "affinity": lambda: os.sched_setaffinity(pid, {0}),
        "scheduler": lambda: os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0)),
    }
    return {name for name, ask in calls.items() if bpf.error_of(ask) == 0}


BY_JOB_CONTROL = {f"signal {int(number)}" for number in JOB_CONTROL} | {"getpgid", "getsid"}
BY_SIGNALS = {f"signal {int(number)}" for number in SIGNALS} | {"getpgid", "getsid"}


def unmoved() -> None:
    """Stay as one is, whatever signal comes."""
    for number in SIGNALS:
        if number not in (0, signal.SIGCONT):
            signal.signal(number, signal.SIG_IGN)


def test_a_hidden_parent_is_there_for_job_control_alone(programs: Programs, token: OwnedFd) -> None:
    def parent() -> tuple[set[str], set[str]]:
        unmoved()
        here = os.getpid()
        return within(lambda: reached(here)), within(
            lambda: reached(here), partial(enter, Scope.CLASSIC, View.DOMAIN)
        )

    before, after = within(parent, partial(join, token), nobody)
    assert before > BY_SIGNALS
    assert after == BY_JOB_CONTROL


def test_a_hidden_child_can_be_ended_and_nothing_else(programs: Programs, token: OwnedFd) -> None:
    with programs.domain(Scope.CLASSIC, View.DOMAIN) as other:

        def parent() -> set[str]:
            # As root, which alone may go sideways; then the parent gives up what exempts it.
            with waiting(unmoved, partial(join, other), nobody) as child:
                nobody()
                return reached(child)

        assert within(parent, partial(join, token)) == BY_SIGNALS


def test_who_adopts_is_no_parent(programs: Programs, token: OwnedFd) -> None:
    """A double fork would make a service manager the parent of whoever wants one."""
    read, write = os.pipe()

    def adopting() -> set[str]:
        unmoved()
        prctl.set_child_subreaper(1)
        here = os.getpid()
        pid = os.fork()
        if not pid:
            try:
                enter(Scope.CLASSIC, View.DOMAIN)
                if not os.fork():
                    while os.getppid() != here:
                        time.sleep(0.01)
                    os.write(write, repr(reached(here)).encode())
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        os.wait()
        return set(eval(os.read(read, 4096)))

    assert within(adopting, partial(join, token), nobody) == set()


def test_limits_of_a_hidden_process_are_not_set(programs: Programs, token: OwnedFd) -> None:
    """A limit makes it dump core, which its user then reads, or ends it."""
    into = partial(join, token)

    def change(pid: int) -> set[int]:
        return {
            bpf.error_of(partial(resource.prlimit, pid, limit, value))
            for limit, value in enumerate(values)
        }

    with waiting(nobody) as outside, waiting(into, nobody) as inside:
        values = [resource.prlimit(outside, limit) for limit in range(16)]
        assert within(lambda: change(outside), nobody) == {0}
        assert within(lambda: change(inside), into, nobody) == {0}
        assert within(lambda: change(outside), into, nobody) == {errno.ESRCH}
        assert within(lambda: change(outside), into) == {0}, "root sees it"


F_SETSIG, F_SETOWN_EX, F_GETOWN_EX, F_OWNER_PGRP = 10, 15, 16, 2
FIOSETOWN, SIOCSPGRP, FIOASYNC = 0x8901, 0x8902, 0x5452


def set_owner(way: str, file: int, pid: int) -> None:
    """Name a process or its group as the one that a file signals."""
    if way == "F_SETOWN":
        fcntl.fcntl(file, fcntl.F_SETOWN, pid)
    elif way == "F_SETOWN, group":
        fcntl.fcntl(file, fcntl.F_SETOWN, -pid)
    elif way.startswith("F_OWNER"):
        kind = ["F_OWNER_TID", "F_OWNER_PID"].index(way)
        fcntl.fcntl(file, F_SETOWN_EX, struct.pack("ii", kind, pid))
    else:
        fcntl.ioctl(
            file, {"FIOSETOWN": FIOSETOWN, "SIOCSPGRP": SIOCSPGRP}[way], struct.pack("i", pid)
        )


def signal_by_file(way: str, pid: int, sockets: tuple[int, int] | None = None) -> None:
    """Have a process signalled by what arrives at a socket; that is refused in silence."""
    ends = sockets or tuple(end.detach() for end in socket.socketpair())
    with contextlib.suppress(OSError):
        if way:
            set_owner(way, ends[0], pid)
    fcntl.fcntl(ends[0], F_SETSIG, signal.SIGTERM)
    if way == "FIOSETOWN":
        fcntl.ioctl(ends[0], FIOASYNC, struct.pack("i", 1))
    else:
        fcntl.fcntl(ends[0], fcntl.F_SETFL, fcntl.fcntl(ends[0], fcntl.F_GETFL) | os.O_ASYNC)
    os.write(ends[1], b"x")


def is_signalled(pid: int) -> bool:
    """Tell if a process that waits has ended by now."""
    time.sleep(0.2)
    return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize(
    "way",
    ["F_SETOWN", "F_SETOWN, group", "F_OWNER_TID", "F_OWNER_PID", "FIOSETOWN", "SIOCSPGRP"],
)
def test_a_file_signals_only_whom_its_user_sees(
    programs: Programs, token: OwnedFd, way: str
) -> None:
    into = partial(join, token)
    send = partial(signal_by_file, way)
    with waiting(own_group, nobody) as outside, waiting(own_group, into, nobody) as inside:
        within(partial(send, outside), into, nobody)
        assert not is_signalled(outside)
        within(partial(send, inside), into, nobody)
        assert is_signalled(inside)
        # The file of who is in no domain, perhaps where one of the others was.
        for _ in range(20):
            within(partial(send, inside), into, nobody)
        within(partial(send, outside), nobody)
        assert is_signalled(outside)


def test_a_file_that_is_inherited_with_its_owner_is_bound_by_who_uses_it(
    programs: Programs, token: OwnedFd
) -> None:
    with waiting(nobody) as outside:
        ends = socket.socketpair()
        numbers = ends[0].fileno(), ends[1].fileno()
        set_owner("F_SETOWN", numbers[0], outside)
        within(partial(signal_by_file, "", 0, numbers), partial(join, token), nobody)
        assert not is_signalled(outside)


def set_uid_program() -> None:
    """Become what a set-uid program of root's is for a user: the real uid is the user's."""
    os.setresuid(NOBODY, 0, 0)


def test_what_a_set_uid_program_has_gained_shows_its_caller_nothing(
    programs: Programs, token: OwnedFd
) -> None:
    into = partial(join, token)

    def private() -> None:
        with Procfs.new(HidePid.PTRACEABLE) as procfs:
            procfs.attach()

    with waiting(nobody) as outside, waiting(into, nobody) as inside:

        def look() -> list[bool]:
            names = [Path(f"/proc/{pid}").exists() for pid in (outside, inside, 1, 2)]
            return [*map(finds, (outside, inside, 1, 2)), *names]

        sees = [False, True, True, True]
        assert within(look, private, set_uid_program) == [True] * 8
        assert within(look, private, into) == [True] * 8
        assert within(look, private, into, set_uid_program) == sees * 2
        assert within(lambda: looks_into(outside), into, set_uid_program) is False
        # It may still open the session of another user, as su(1) does.
        assert within(lambda: lib.ys_leave(0), into, set_uid_program) > 0


def test_hidden_processes_are_in_no_list_of_a_cgroup_that_is_not_one_s_own(
    programs: Programs, token: OwnedFd
) -> None:
    own = Path(
        "/sys/fs/cgroup" + Path("/proc/self/cgroup").read_text("ascii").split(":")[2].strip()
    )
    other = Path("/sys/fs/cgroup/yama-session-test")
    theirs = Path("/sys/fs/cgroup/yama-session-nobody")
    for place in (other, theirs):
        place.mkdir()
    os.chown(theirs / "cgroup.procs", NOBODY, NOBODY)
    into = partial(join, token)

    def read() -> list[int]:
        files = [(place / "cgroup.procs") for place in (own, other, theirs)]
        files += [place / "cgroup.threads" for place in (own, other)]
        files += [other / "cgroup.events"]
        return [bpf.error_of(file.read_text) for file in files]

    refused = errno.EACCES
    try:
        assert within(read, nobody) == [0] * 6
        assert within(read, into, nobody) == [0, refused, 0, 0, refused, 0]
        assert within(read, into) == [0] * 6, "root sees all"
    finally:
        for place in (other, theirs):
            place.rmdir()


def test_events_on_a_procfs_name_nobody(programs: Programs, token: OwnedFd) -> None:
    def watch(path: bytes) -> int:
        found = bpf.libc.inotify_add_watch(bpf.libc.inotify_init(), path, 0x20)
        return 0 if found >= 0 else get_errno()

    def all_places() -> list[int]:
        return [watch(path) for path in (b"/proc", b"/proc/self", b"/tmp")]

    assert within(all_places, nobody) == [0, 0, 0]
    assert within(all_places, partial(join, token), nobody) == [errno.EPERM, 0, 0]
    assert within(all_places, partial(join, token)) == [0, 0, 0]


def test_the_present_tracer_of_an_orphan_keeps_its_rights(programs: Programs) -> None:
    """It is no descendant of its tracer any more, once its parent has exited."""
    set_sysctl(0)
    with programs.domain(Scope.RELATIONAL, View.DOMAIN) as token:

        def trace() -> tuple[int, int]:
            read, write = os.pipe()
            pid = os.fork()
            if not pid:
                os.setsid()
                orphan = os.fork()
                if orphan:
                    os.write(write, str(orphan).encode())
                signal.pause()
            orphan = int(os.read(read, 16))
            assert bpf.libc.ptrace(PTRACE_SEIZE, orphan, None, None) == 0
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            traced = bpf.read_memory(orphan)
            assert bpf.libc.ptrace(PTRACE_INTERRUPT, orphan, None, None) == 0
            os.waitpid(orphan, 0x40000000)
            assert bpf.libc.ptrace(bpf.PTRACE_DETACH, orphan, None, None) == 0
            untraced = bpf.read_memory(orphan)
            os.kill(orphan, signal.SIGKILL)
            return traced, untraced

        assert within(trace, partial(join, token), nobody) == (0, errno.EPERM)
        programs.retain(())


@pytest.mark.parametrize(("levels", "found"), [(1, True), (4, True), (5, False)])
def test_a_tracer_is_named_by_its_number_in_a_pid_namespace(
    programs: Programs, levels: int, found: bool
) -> None:
    """A crash handler in a container: it is the first child of who names it."""
    set_sysctl(0)

    def handled() -> tuple[bool, bool]:
        here, go = os.getpid(), os.pipe()

        def attach() -> bool:
            os.read(go[0], 1)
            return bool(bpf.libc.ptrace(PTRACE_SEIZE, here, None, None) == 0)

        def naming(pid: int) -> bool:
            assert bpf.libc.prctl(0x59616D61, pid, 0, 0, 0) == 0
            os.write(go[1], b"x")
            return True

        return forked(attach, naming), forked(attach, lambda pid: naming(1) and naming(0))

    def nested(level: int) -> tuple[bool, bool]:
        if not level:
            nobody()
            return handled()
        assert bpf.libc.unshare(0x20000000) == 0  # CLONE_NEWPID, for children
        return within(lambda: nested(level - 1))

    with programs.domain(Scope.RELATIONAL, View.DOMAIN) as token:
        assert within(lambda: nested(levels), partial(join, token)) == (found, False)
        programs.retain(())


def forked(job: Callable[[], bool], meanwhile: Callable[[int], object]) -> bool:
    """Return what a job returns in a child whose number something is done with meanwhile."""
    pid = os.fork()
    if not pid:
        status = 2
        try:
            status = int(job())
        finally:
            os._exit(status)
    meanwhile(pid)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, 1)
    return bool(status)


def test_root_without_the_capability_cannot_stop_the_programs(
    programs: Programs, token: OwnedFd
) -> None:
    """They are called by what the sysctl switches off."""
    switch = Path("/proc/sys/kernel/ftrace_enabled")

    def turn() -> tuple[int, int]:
        return bpf.error_of(switch.read_text), bpf.error_of(lambda: switch.write_text("1"))

    into = partial(join, token)
    assert within(turn) == (0, 0)
    assert within(turn, into, bpf.drop_ptrace_capability) == (0, errno.EPERM)
    assert within(turn, into, bpf.drop_all_capabilities) == (0, errno.EPERM)
    assert within(turn, into) == (0, 0), "with it it may"


def test_privilege_counts_in_the_namespace_of_who_made_the_domain(
    programs: Programs, token: OwnedFd
) -> None:
    into = partial(join, token)
    with waiting() as outside:
        assert within(lambda: looks_into(outside), into)
        assert not within(lambda: looks_into(outside), into, bpf.drop_ptrace_capability)
    with waiting(nobody) as outside:
        assert not within(lambda: looks_into(outside), into, nobody, bpf.enter_user_namespace)

        def own() -> bool:
            nest = partial(enter, Scope.CLASSIC, View.DOMAIN)
            with waiting() as around:
                return within(lambda: looks_into(around), nest)

        assert within(own, into, nobody, bpf.enter_user_namespace)


def test_leaving_needs_privilege_over_what_is_left(programs: Programs, token: OwnedFd) -> None:
    into = partial(join, token)
    assert within(lambda: lib.ys_leave(0), nobody) > 0, "there is nothing to leave"
    assert within(lambda: lib.ys_leave(0), into, nobody) == -errno.EPERM
    assert within(lambda: lib.ys_leave(0), into, bpf.drop_ptrace_capability) == -errno.EPERM
    assert within(lambda: (lib.ys_leave(0), check()), into) == (1, False)
    with programs.domain(Scope.NO_ATTACH, View.DOMAIN) as final:
        assert within(lambda: lib.ys_leave(0), partial(join, final)) == -errno.EPERM


def test_joining_sideways_needs_what_leaving_needs(programs: Programs, token: OwnedFd) -> None:
    into = partial(join, token)
    with programs.domain(Scope.CLASSIC, View.DOMAIN) as other:

        def sideways() -> int:
            return lib.ys_token_apply(lib.YS_BPF, other.fileno(), 0)

        assert within(sideways, into, nobody) == -errno.EPERM
        assert within(sideways, into) > 0
        programs.retain({programs.info(token).id})
        assert within(sideways, nobody) == -errno.ENOENT


def test_the_service_knows_who_is_where(programs: Programs, token: OwnedFd) -> None:
    into, nest = partial(join, token), partial(enter, Scope.CAPABILITY, View.ALL)
    with waiting(into) as one, waiting(into, nest) as two, waiting() as outside:
        domain = programs.info(token).id
        first, second = of(programs, one), of(programs, two)
        assert first == loader.Description((domain,), (View.DOMAIN,), Scope.CLASSIC, View.DOMAIN)
        assert second is not None
        assert second.chain[0] == domain
        assert (second.depth, second.scope, second.view) == (2, Scope.CAPABILITY, View.DOMAIN)
        assert of(programs, outside) is None
        assert {member.pid for member in programs.members(domain)} == {one, two}
        assert {member.pid for member in programs.members(second.id)} == {two}
        assert {one, two} <= {member.tid for member in programs.members()}
    assert not programs.members(domain)


def test_a_forgotten_domain_keeps_its_members(programs: Programs) -> None:
    with (
        programs.domain(Scope.CLASSIC, View.DOMAIN) as token,
        waiting(partial(join, token), nobody) as member,
    ):
        known = programs.info(token)
        programs.retain({known.id})
        assert programs.info(token) == known
        for _ in range(2):
            programs.retain(())
            with pytest.raises(BpfError, match="no longer there"):
                programs.info(token)
        assert of(programs, member) == known


def test_a_process_leads_back_to_the_token_of_its_domain(
    programs: Programs, token: OwnedFd
) -> None:
    into = partial(join, token)
    own = partial(enter, Scope.CLASSIC, View.DOMAIN)
    with (
        waiting(into) as member,
        OwnedFd(os.pidfd_open(member)) as pidfd,
        programs.open(pidfd.fileno()) as found,
    ):
        assert programs.info(found) == programs.info(token)
    for steps in ([], [own]):
        with (
            waiting(*steps) as other,
            OwnedFd(os.pidfd_open(other)) as pidfd,
            pytest.raises(BpfError, match="in no domain that can be joined"),
        ):
            programs.open(pidfd.fileno())


def test_a_domain_is_nested_in_another(programs: Programs, token: OwnedFd) -> None:
    with programs.domain(Scope.CAPABILITY, View.ALL, around=token) as inner:
        outer, nested = programs.info(token), programs.info(inner)
        assert nested.chain[:-1] == outer.chain
        assert (nested.scope, nested.view) == (Scope.CAPABILITY, View.DOMAIN)
        with waiting(partial(join, token)) as one, waiting(partial(join, inner)) as two:
            assert {member.pid for member in programs.members(outer.id)} == {one, two}


def test_loading_again_attaches_nothing(programs: Programs, token: OwnedFd) -> None:
    with Programs.load() as again:
        assert again.reused
        assert again.info(token) == programs.info(token)
        assert again.fds().keys() == programs.fds().keys()


def test_a_child_of_the_loader_does_not_keep_others_from_loading(programs: Programs) -> None:
    with contextlib.ExitStack() as stack:
        with loader._Pins(loader.PINS):
            stack.enter_context(waiting())
        with Programs.load() as again:
            assert again.reused


@pytest.fixture
def other_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next version of the object, which does the same."""
    copy = tmp_path / "programs.bpf.o"
    copy.write_bytes(loader.OBJECT.read_bytes() + b"next")
    monkeypatch.setattr(loader, "OBJECT", copy)


def pinned() -> set[str]:
    return {place.name for place in loader.PINS.iterdir()}


def test_another_version_takes_over_all_domains(
    programs: Programs, token: OwnedFd, other_object: None
) -> None:
    before = pinned()
    with waiting(partial(join, token), nobody) as member, waiting(nobody) as outside:
        with Programs.load() as again:
            assert not again.reused
            assert len(pinned()) == 1
            assert pinned() != before
            assert again.fds().keys().isdisjoint(programs.fds())
            assert of(again, member) == of(programs, member)
            assert within(lambda: looks_into(member), partial(join, token), nobody)
            assert not within(lambda: looks_into(outside), partial(join, token), nobody)
        assert of(programs, member) is not None


def test_who_died_half_way_leaves_nothing_behind(programs: Programs, token: OwnedFd) -> None:
    with Programs.load() as again:
        [place] = loader.PINS.iterdir()
        (place / "access").unlink()
        (loader.PINS / f"{place.name}-unfinished").mkdir()
    with waiting(partial(join, token), nobody) as member, Programs.load() as again:
        assert not again.reused, "what is not complete is not trusted"
        assert pinned() == {place.name}
        assert of(again, member) is not None


def kept(programs: Programs) -> dict[str, OwnedFd]:
    """What a service manager would hand over to the next service."""
    return {name: OwnedFd(os.dup(fd.fileno())) for name, fd in programs.fds().items()}


def test_lost_pins_are_made_again_from_what_was_stored(programs: Programs, token: OwnedFd) -> None:
    with Programs.load() as first:
        stored = kept(first)
    subprocess.run(["rm", "-r", str(loader.PINS)], check=True)
    with waiting(partial(join, token), nobody) as member, Programs.load(stored=stored) as again:
        assert again.reused
        assert {pin.name for place in loader.PINS.iterdir() for pin in place.iterdir()} == {
            name.rpartition("-")[2] for name in again.fds()
        }
        assert of(again, member) is not None


def test_an_unmounted_bpffs_takes_nothing_away_from_who_has_the_descriptors(
    programs: Programs, token: OwnedFd
) -> None:
    with Programs.load() as first:
        stored = kept(first)
    subprocess.run(["umount", "/sys/fs/bpf"], check=True)
    try:
        with waiting(partial(join, token), nobody) as member:
            assert of(programs, member) is not None
            with pytest.raises(BpfError, match="no bpffs"):
                Programs.load(stored=stored)
            assert not any(fd.closed for fd in stored.values())
    finally:
        subprocess.run(["mount", "-t", "bpf", "bpf", "/sys/fs/bpf"], check=True)
    with Programs.load(stored=stored) as again:
        assert again.reused


def test_root_without_the_capability_cannot_take_the_programs_away(
    programs: Programs, token: OwnedFd
) -> None:
    [place] = loader.PINS.iterdir()

    def tries() -> dict[str, int]:
        return {
            "unlink": bpf.error_of((place / "access").unlink),
            "rename": bpf.error_of(lambda: (place / "access").rename(place / "kill")),
            "umount": bpf.umount("/sys/fs/bpf", 0),
            "lazily": bpf.umount("/sys/fs/bpf", 2),
            "from above": bpf.umount("/sys", 2),
            "bpf": bpf.system_call(321, 7, 0, 0),
        }

    into = partial(join, token)
    assert set(within(tries, into, bpf.drop_ptrace_capability).values()) == {errno.EPERM}
    assert (place / "access").exists()
    assert within(lambda: bpf.system_call(321, 7, 0, 0), into) != errno.EPERM, "with it it may"


def loading() -> str:
    """Return what comes of it to load the programs."""
    try:
        with Programs.load() as loaded:
            return f"reused: {loaded.reused}"
    except BpfError as error:
        return str(error)


def test_who_is_not_root_loads_nothing_and_is_told(programs: Programs) -> None:
    before = pinned()
    # On 6.1 it does not even come to that: how the kernel is preempted is root's to read.
    assert "cannot" in within(loading, nobody)
    assert pinned() == before
    assert state.available()


def test_root_without_privilege_loads_nothing(programs: Programs, other_object: None) -> None:
    before = pinned()
    assert "Operation not permitted" in within(loading, bpf.drop_all_capabilities)
    assert pinned() == before
    assert state.available()


def test_forks_while_the_programs_are_replaced(
    programs: Programs, token: OwnedFd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = loader.OBJECT.read_bytes()
    with waiting(nobody) as outside, bpf.working(token, outside, 400):
        for number in range(3):
            copy = tmp_path / str(number)
            copy.write_bytes(content + b"%d" % number)
            monkeypatch.setattr(loader, "OBJECT", copy)
            with Programs.load() as again:
                assert not again.reused


def test_the_kernel_has_left_no_security_program_out(programs: Programs) -> None:
    misses = programs.recursion_misses()
    assert misses.pop("answer") >= 0
    assert set(misses.values()) == {0}, misses


def test_unloading_ends_it_for_everybody(programs: Programs) -> None:
    with programs.domain(Scope.CLASSIC, View.DOMAIN) as token, waiting(partial(join, token)):
        with Programs.load() as again:
            again.unload()
        assert state.available(), "the fixture's descriptors hold them"
    programs.close()
    # The kernel lets go of a link in a moment of its own.
    wait_for(lambda: not state.available(), "programs still answer")
    assert state.available().state is State.DISABLED
    assert not loader.PINS.exists()
