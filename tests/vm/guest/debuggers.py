"""What debuggers may do in a login."""

from logins import Login


def gdb(login: Login, pid: int) -> bool:
    """Does gdb attach to a process?"""
    done = login.run(f"gdb -nx -batch -ex 'info inferiors' -p {pid}")
    return "ptrace: " not in done.out and f"process {pid}" in done.out


def strace(login: Login, pid: int) -> bool:
    """Does strace attach to a process?"""
    done = login.run(f"timeout 5 strace -qq -e trace=none -p {pid}")
    return done.status == 124 and "not permitted" not in done.out


def sibling(login: Login) -> int:
    """A process of the login that no debugger of it descends from or has started."""
    return login.spawn("sleep 600")


def attaches(login: Login) -> set[bool]:
    """What both debuggers say of a sibling."""
    pid = sibling(login)
    return {gdb(login, pid), strace(login, pid)}


def debugs_a_child(login: Login) -> bool:
    """Does a debugger run a program of its own?"""
    return "exited normally" in login.run("gdb -nx -batch -ex run /usr/bin/true").out
