"""Programs that a session must not disturb, each with what it answers outside of one."""


def pool(method: str) -> str:
    """A Python program whose worker processes answer and share memory."""
    return (
        "import multiprocessing as m\n"
        f"c = m.get_context('{method}')\n"
        "v = c.Value('i', 5)\n"
        "with c.Pool(2) as p, c.Manager() as n:\n"
        "    print(p.map(abs, [-1, -2]), n.list([3])[0], v.value)\n"
    )


#: A command by its name, and its answer.
PROGRAMS = {
    "bwrap-pidns": (
        "bwrap --unshare-pid --ro-bind / / --dev /dev --proc /proc cat /proc/1/comm",
        "bwrap",
    ),
    "bwrap": ("bwrap --ro-bind / / --dev /dev --proc /proc cat /proc/self/comm", "cat"),
    "unshare-pid": ("unshare -Urpf --mount-proc sh -c 'cat /proc/1/comm; echo $$'", "sh\n1"),
    "unshare-mount": (
        "unshare -Urm sh -c 'mount -t tmpfs none /mnt && stat -f -c %T /mnt'",
        "tmpfs",
    ),
    "dbus-run-session": (
        "dbus-run-session -- sh -c 'busctl --user status >/dev/null && echo bus'",
        "bus",
    ),
    "ssh-agent": ("ssh-agent sh -c 'ssh-add -l'", "The agent has no identities."),
    "gdb": (
        "gdb -nx -batch -ex run /usr/bin/true | grep -o 'exited normally'",
        "exited normally",
    ),
    "strace": (
        "strace -f -e trace=none sh -c 'true; true' 2>&1 | grep -o 'exited with 0'",
        "exited with 0",
    ),
    **{
        f"mp-{method}": (f'/usr/bin/python3 -c "{pool(method)}"', "[1, 2] 3 5")
        for method in ("fork", "spawn", "forkserver")
    },
}
