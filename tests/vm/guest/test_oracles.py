"""A hidden process answers like a missing one, and cannot be looked into (points 4 and 5)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from logins import Login, all_pids, members, missing_pid, policy, set_sysctl, sh

# Each call is made on a name; what counts is whether it answers the same for a
# hidden and for a missing process. Prints {call: [answer, ...]} for the names.
CALLS = r"""
import ctypes, errno, json, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)

def c(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result

def opener(flags):
    return lambda p: os.close(os.open(p, flags))

def raw(name, *rest):
    return lambda p: c(getattr(libc, name)(p.encode(), *rest))

def connect(p):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(p)

def bind(p):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(p)

def inotify(p):
    fd = libc.inotify_init()
    try:
        c(libc.inotify_add_watch(fd, p.encode(), 2))
    finally:
        os.close(fd)

def execute(p):
    if (child := os.fork()) == 0:
        try:
            os.closerange(0, 3)
            os.execv(p, [p])
        except OSError as error:
            os._exit(error.errno)
    if status := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise OSError(status, "")

def handle(p):
    buf = ctypes.create_string_buffer(200)
    buf[0:4] = (128).to_bytes(4, "little")
    mount = ctypes.c_int()
    c(libc.name_to_handle_at(-100, p.encode(), buf, ctypes.byref(mount), 0x200))

CALLS = {
    "stat": os.stat, "lstat": os.lstat, "statvfs": os.statvfs,
    "open": opener(os.O_RDONLY), "open_path": opener(os.O_PATH),
    "open_nofollow": opener(os.O_PATH | os.O_NOFOLLOW),
    "open_directory": opener(os.O_DIRECTORY), "open_write": opener(os.O_WRONLY),
    "open_create": opener(os.O_CREAT | os.O_RDWR), "open_excl": opener(os.O_CREAT | os.O_EXCL),
    "open_tmpfile": opener(os.O_TMPFILE | os.O_RDWR),
    "access": raw("access", 0), "access_write": raw("access", 2), "eaccess": raw("eaccess", 4),
    "listdir": os.listdir, "chdir": os.chdir, "chroot": os.chroot, "readlink": os.readlink,
    "mkdir": os.mkdir, "rmdir": os.rmdir, "unlink": os.unlink,
    "mknod": lambda p: os.mknod(p, 0o100600), "mkfifo": os.mkfifo,
    "symlink": lambda p: os.symlink("/", p), "link_from": lambda p: os.link(p, "/tmp/l"),
    "link_to": lambda p: os.link("/etc/passwd", p),
    "rename_from": lambda p: os.rename(p, "/tmp/r"),
    "rename_to": lambda p: os.rename("/tmp", p),
    "chmod": lambda p: os.chmod(p, 0o700), "chown": lambda p: os.chown(p, -1, -1),
    "utime": lambda p: os.utime(p, (1, 1)), "truncate": lambda p: os.truncate(p, 0),
    "getxattr": lambda p: os.getxattr(p, "user.x"), "listxattr": os.listxattr,
    "setxattr": lambda p: os.setxattr(p, "user.x", b"1"),
    "inotify_add_watch": inotify, "name_to_handle_at": handle,
    "connect": connect, "bind": bind, "execve": execute,
    "realpath": lambda p: os.path.realpath(p, strict=True),
    "mount":
        (lambda p: c(libc.mount(b"/tmp", p.encode(), None, 4096, None))),
    "umount": raw("umount2", 0), "pivot_root": (lambda p: c(libc.syscall(155, p.encode(), b"/"))),
    "swapon": raw("swapon", 0), "acct": raw("acct"), "open_tree":
        (lambda p: c(libc.syscall(428, -100, p.encode(), 0))),
    "pathconf": lambda p: os.pathconf(p, "PC_NAME_MAX"),
}

def answer(call, path):
    try:
        call(path)
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]

proc, names = sys.argv[1], sys.argv[2:]
print(json.dumps({
    what + suffix: [answer(call, f"{proc}/{name}{suffix}") for name in names]
    for what, call in CALLS.items()
    for suffix in ("", "/status", "/task", "/exe", "/fd/0", "/nothing")
}))
"""

# Ways to look into a process: {way: errno or 0}.
INTO = r"""
import ctypes, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
pid, address = int(sys.argv[1]), int(sys.argv[2])
buffer = ctypes.create_string_buffer(8)
class Iov(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]
here, there = Iov(ctypes.addressof(buffer), 8), Iov(address, 8)

def c(result):
    return 0 if result >= 0 else ctypes.get_errno()

def detach(request):
    result = c(libc.ptrace(request, pid, None, None))
    if result == 0:
        if request == 16:
            os.waitpid(pid, 0x40000000)
        else:
            libc.ptrace(0x4207, pid, None, None)
            os.waitpid(pid, 0x40000000)
        libc.ptrace(17, pid, None, None)
    return result

def mem():
    try:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
            file.seek(address)
            return 0 if len(file.read(8)) == 8 else -1
    except OSError as error:
        return error.errno

def getfd():
    try:
        pidfd = os.pidfd_open(pid)
    except OSError as error:
        return error.errno
    return c(libc.syscall(438, pidfd, 0, 0))

print(json.dumps({
    "attach": detach(16), "seize": detach(0x4206), "process_vm_readv":
    c(libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)),
    "mem": mem(), "pidfd_getfd": getfd(), "kcmp": c(libc.syscall(312, os.getpid(), pid, 0, 0, 0)),
}))
"""

TARGET = """
import ctypes, sys, time
memory = ctypes.create_string_buffer(b"content!")
open(sys.argv[1], "w").write(str(ctypes.addressof(memory)))
time.sleep(600)
"""

TWO_SESSIONS = """
[[rule]]
match = { user = "alice" }
scope = 0
view = "domain"
group = "session"
"""


@pytest.fixture(scope="module")
def logins() -> Iterator[tuple[Login, Login]]:
    with policy(TWO_SESSIONS), Login("alice") as viewer, Login("alice") as other:
        yield viewer, other


def root_looks_first(pid: int) -> None:
    done = sh(
        f"ls -lR /proc/{pid}/ >/dev/null 2>&1; ls -l /proc/{pid}/task/{pid}/fd; stat /proc/{pid}"
    )
    assert done.status == 0


def test_names_of_hidden_processes_answer_as_missing_ones(logins: tuple[Login, Login]) -> None:
    viewer, other = logins
    same_user = other.spawn("sleep 600")
    for hidden in (1, same_user):
        root_looks_first(hidden)
        answers = viewer.json(CALLS, "/proc", hidden, missing_pid())
        assert isinstance(answers, dict)
        assert len(answers) >= 30 * 6
        assert {call: pair for call, pair in answers.items() if pair[0] != pair[1]} == {}
        assert sum(pair[0] == "ENOENT" for pair in answers.values()) > len(answers) * 3 // 4
    # A visible process does answer differently.
    own = viewer.spawn("sleep 600")
    answers = viewer.json(CALLS, "/proc", own, missing_pid())
    assert isinstance(answers, dict)
    assert sum(pair[0] != pair[1] for pair in answers.values()) > 30


def start_target(login: Login, name: str) -> tuple[int, int]:
    """A process of the login, and the address of something in its memory."""
    file = f"/tmp/{name}"
    pid = login.spawn(f"/usr/bin/python3 -c '{TARGET}' {file}")
    address = int(login.check(f"until test -s {file}; do :; done; cat {file}"))
    return pid, address


def test_nothing_looks_into_another_session(logins: tuple[Login, Login]) -> None:
    viewer, other = logins
    set_sysctl(0)
    hidden, address = start_target(other, "hidden")
    answers = viewer.json(INTO, hidden, address)
    # By number and by name it does not exist.
    assert answers == {
        "attach": 3, "seize": 3, "process_vm_readv": 3, "mem": 2, "pidfd_getfd": 3, "kcmp": 3,
    }  # fmt: skip
    # All of it works from the process's own session.
    answers = other.json(INTO, hidden, address)
    assert set(answers.values()) == {0}  # type: ignore[attr-defined]


def test_view_does_not_depend_on_the_instance(logins: tuple[Login, Login]) -> None:
    viewer, _ = logins
    inside = members(viewer.domain_id())
    place = Path("/mnt/plain")
    place.mkdir(exist_ok=True)
    assert sh(f"mount -t proc proc {place}").status == 0
    try:
        assert viewer.check(f"stat -f -c %T {place}") == "proc"
        seen = {int(name) for name in viewer.check(f"ls {place}").split() if name.isdecimal()}
        assert seen & inside
        assert not seen & (all_pids() - members(viewer.domain_id()))
        root_looks_first(1)
        answers = viewer.json(CALLS, place, 1, missing_pid())
        assert isinstance(answers, dict)
        assert {call: pair for call, pair in answers.items() if pair[0] != pair[1]} == {}
    finally:
        assert sh(f"umount {place}").status == 0


INHERITED = (
    "cd /proc/1 && exec 9</proc && su alice -c '"
    "ls /proc/self/fd/9/ 2>&1 | grep -c ^[0-9]; ls /proc | grep -c ^[0-9];"
    " cat /proc/self/fd/9/1/comm comm ./comm; ls .; echo -n cwd=; pwd -P' 2>&1"
)


def test_inherited_descriptor_and_directory_show_no_more() -> None:
    """`su` hands its descriptors and its working directory to the session it opens."""
    done = sh(INHERITED)
    assert "systemd" not in done.out
    through_fd, in_session = (int(line) for line in done.out.splitlines()[:2])
    assert through_fd <= in_session < len(all_pids())
    assert sh("cat /proc/1/comm").out == "systemd\n"
