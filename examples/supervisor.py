#!/usr/bin/python3
"""An embedded supervisor: every application has a /proc that shows only what is its own.

Each gets an instance with limit_pids=1 (hidepid=ptraceable by its older name)
in a mount namespace of its own. There is no pid namespace and no domain: the
numbers are the machine's, and the instance hides what the application's uid may
not trace. Runs as root, on any Linux from 5.8 on.
"""

import os
import subprocess
import sys
from pathlib import Path

from yama_session import HidePid, Procfs

APPS = {"camera": 2001, "radio": 2002}
# Says on request which processes it finds.
APP = """
import os, sys
for line in sys.stdin:
    print(*sorted(int(name) for name in os.listdir("/proc") if name.isdigit()), flush=True)
"""


def become(uid: int) -> None:
    """Turn this process into an application's, before it executes it."""
    with Procfs.new(HidePid.PTRACEABLE) as procfs:
        procfs.attach()
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def start(uid: int) -> "subprocess.Popen[str]":
    """Start the application of a uid."""
    return subprocess.Popen(
        [sys.executable, "-c", APP],
        preexec_fn=lambda: become(uid),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def seen_by(app: "subprocess.Popen[str]") -> list[int]:
    """Return the processes that an application finds, and end it."""
    out, _ = app.communicate("look\n")
    return [int(pid) for pid in out.split()]


def main() -> None:
    """Start all applications, and print what each of them sees."""
    apps = {name: start(uid) for name, uid in APPS.items()}
    for name, app in apps.items():
        print(f"{name} is {app.pid} and sees {seen_by(app)}")
    everybody = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    print(f"the supervisor sees {len(everybody)} processes")


if __name__ == "__main__":
    main()
