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
@pytest.mark.parametrize(
    ("path", "reason"), [("/proc/self/stat", "open on another"), ("/", "a directory")]
)
def test_strict_refuses_standard_streams_that_show_more_before_anything_changes(
    python: Python, path: str, reason: str, fd: int
) -> None:
    text = f"""{BEGIN}
saved = os.dup(1)
os.dup2(os.open("{path}", os.O_RDONLY), {fd})
before = os.readlink("/proc/self/ns/mnt")
with Procfs.new() as procfs:
    try:
        procfs.attach(strict=True)
    except ProcfsError as error:
        same = os.readlink("/proc/self/ns/mnt") == before
        os.write(saved, f"{{same}} {{error}}".encode())
"""
    expected = f"True cannot attach the private procfs: stdin, stdout or stderr is {reason}"
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


# In a mount namespace of its own, so that what is mounted is nobody else's.
APART = f"""{BEGIN}
import contextlib
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x20000) == 0
assert libc.mount(None, b"/", None, (1 << 18) | (1 << 14), None) == 0  # MS_PRIVATE | MS_REC
"""


@pytest.mark.parametrize("strict", [False, True])
def test_strict_no_directory_survives_exec(python: Python, strict: bool) -> None:
    text = f"""{BEGIN}
places = [os.open(path, flags) for path in ("/", "/usr/..", "/tmp")
          for flags in (os.O_RDONLY, os.O_PATH)]
file = os.open("/dev/null", os.O_RDONLY)
for fd in (*places, file):
    os.set_inheritable(fd, True)
with Procfs.new() as procfs:
    procfs.attach(strict={strict})
print([os.get_inheritable(fd) for fd in places], os.get_inheritable(file))
"""
    assert python(text).stdout == f"{[not strict] * 6} True\n"


@pytest.mark.parametrize("strict", [False, True])
def test_strict_every_other_procfs_is_covered(python: Python, strict: bool) -> None:
    """Whole ones, binds, one over another, one below a name with a space, and a process's part."""
    text = f"""{APART}
parent = os.getppid()
places = [f"/mnt/{{name}}" for name in ("whole", "bound", "twice", "a name", "part", "sys", "file")]
assert libc.mount(b"none", b"/mnt", b"tmpfs", 0, None) == 0
for place in places[:-1]:
    os.mkdir(place)
open(places[-1], "w").close()
whole, bound, twice, spaced, part, sys_, file = (place.encode() for place in places)
for place in (whole, twice, twice, spaced):
    assert libc.mount(b"proc", place, b"proc", 0, None) == 0
for source, place in ((b"/proc", bound), (f"/proc/{{parent}}".encode(), part),
                      (b"/proc/sys", sys_), (f"/proc/{{parent}}/status".encode(), file)):
    assert libc.mount(source, place, None, 1 << 12, None) == 0
with Procfs.new(HidePid.PTRACEABLE) as procfs:
    procfs.attach(strict={strict})
    new = os.fstat(procfs.fileno()).st_dev
own = [os.stat(place).st_dev == new for place in places[:4]]
os.setgroups([]), os.setresgid(*3 * (65534,)), os.setresuid(*3 * (65534,))
seen = [os.path.exists(f"{{place}}/{{parent}}") for place in places[:4]]
with contextlib.suppress(OSError):
    seen.append(bool(open(f"{{places[4]}}/status").read()))
    seen.append("Name" in open(places[6]).read())
print(own, any(seen), all(seen), os.path.exists(places[5] + "/kernel/ostype"))
"""
    found = python(text).stdout
    assert found == f"{[strict] * 4} {not strict} {not strict} True\n"
