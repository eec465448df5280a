"""What attaching a private procfs does to descriptors, working directory and submounts."""

import pytest
from conftest import Python

pytestmark = pytest.mark.host

BEGIN = """
import ctypes, os, sys
from yama_session import HidePid, Procfs, ProcfsError
"""


def test_a_descriptor_on_the_old_proc_does_not_survive_exec(python: Python) -> None:
    text = f"""{BEGIN}
old = os.open("/proc/self", os.O_RDONLY)
other = os.open("/", os.O_RDONLY)
for fd in (old, other):
    os.set_inheritable(fd, True)
with Procfs.new() as procfs:
    procfs.attach()
print(os.get_inheritable(old), os.get_inheritable(other))
"""
    assert python(text).stdout == "False True\n"


def test_none_of_many_descriptors_is_forgotten(python: Python) -> None:
    text = f"""{BEGIN}
fds = [os.open("/proc/self" if n % 2 else "/", os.O_RDONLY) for n in range(500)]
for fd in fds:
    os.set_inheritable(fd, True)
with Procfs.new() as procfs:
    procfs.attach()
print([os.get_inheritable(fd) for fd in fds] == [True, False] * 250)
"""
    assert python(text).stdout == "True\n"


@pytest.mark.parametrize("fd", [0, 1, 2])
def test_standard_streams_on_a_procfs_are_refused_before_anything_changes(
    python: Python, fd: int
) -> None:
    text = f"""{BEGIN}
saved = os.dup(1)
os.dup2(os.open("/proc/self/stat", os.O_RDONLY), {fd})
before = os.readlink("/proc/self/ns/mnt")
with Procfs.new() as procfs:
    try:
        procfs.attach(strict_stdio=True)
    except ProcfsError as error:
        same = os.readlink("/proc/self/ns/mnt") == before
        os.write(saved, f"{{same}} {{error}}".encode())
"""
    expected = "True cannot attach the private procfs: stdin, stdout or stderr is open on another"
    assert python(text).stdout.startswith(expected)


def test_a_working_directory_moves_to_the_same_place(python: Python) -> None:
    text = f"""{BEGIN}
os.chdir(f"/proc/{{os.getpid()}}/task")
with Procfs.new() as procfs:
    procfs.attach()
    print(os.getcwd() == f"/proc/{{os.getpid()}}/task")
    print(os.stat(".").st_dev == os.fstat(procfs.fileno()).st_dev)
"""
    assert python(text).stdout == "True\nTrue\n"


def test_a_working_directory_with_no_counterpart_becomes_the_root(python: Python) -> None:
    text = f"""{BEGIN}
libc = ctypes.CDLL(None)
assert libc.unshare(0x20000) == 0
assert libc.mount(None, b"/", None, (1 << 18) | (1 << 14), None) == 0  # MS_PRIVATE | MS_REC
assert libc.mount(b"proc", b"/mnt", b"proc", 0, None) == 0
os.chdir(f"/mnt/{{os.getpid()}}")
with Procfs.new() as procfs:
    procfs.attach()
print(os.getcwd())
"""
    assert python(text).stdout == "/\n"


def test_a_mount_on_an_empty_directory_of_proc_is_kept_and_a_mask_is_not(python: Python) -> None:
    text = f"""{BEGIN}
libc = ctypes.CDLL(None)
assert libc.unshare(0x20000) == 0
assert libc.mount(None, b"/", None, (1 << 18) | (1 << 14), None) == 0
assert libc.mount(b"here", b"/proc/sys/fs/binfmt_misc", b"tmpfs", 0, None) == 0
assert libc.mount(b"/dev/null", b"/proc/version", None, 4096, None) == 0  # MS_BIND
open("/proc/sys/fs/binfmt_misc/mark", "w").close()
with Procfs.new() as procfs:
    procfs.attach()
print(os.listdir("/proc/sys/fs/binfmt_misc"), open("/proc/version").read(5), flush=True)
os.setgroups([]), os.setresgid(65534, 65534, 65534), os.setresuid(65534, 65534, 65534)
os.execlp("unshare", "unshare", "-Urpf", "--mount-proc", "sh", "-c", "echo /proc/[0-9]*")
"""
    assert python(text).stdout == "['mark'] Linux\n/proc/1\n"


def test_an_unknown_hidepid_is_refused(python: Python) -> None:
    text = f"""{BEGIN}
try:
    Procfs.new(3)
except ProcfsError as error:
    print(error)
"""
    expected = "cannot make a private procfs (hidepid=3): this kernel's procfs does not know"
    assert python(text).stdout.startswith(expected)
