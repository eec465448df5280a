#!/usr/bin/python3
"""A CI runner that hides the host from a build, and finds all that a build leaves behind.

    ci_runner.py COMMAND…

The build is in a domain of its own. There is no pid namespace: tools that
compare numbers, nested sandboxes that mount /proc, and the runner's own ps go on
working. What double-forked out of the build is still in its domain, and is
killed in the end. No privilege is needed.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import prctl

from yama_session import Domain, DomainError, Scope, View, describe


def is_member(pid: int, domain_id: int) -> bool:
    """Return whether a process is in a domain."""
    try:
        info = describe(pid)
    except DomainError:  # it has exited
        return False
    return info is not None and info.id == domain_id


def end(domain_id: int) -> int:
    """Kill what is left in a domain, and return how many processes it was."""
    killed: set[int] = set()
    while left := [pid for pid in pids() if pid not in killed and is_member(pid, domain_id)]:
        for pid in left:
            try:
                pidfd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            # While the pidfd is open and it is still a member, the number is no other's.
            if is_member(pid, domain_id):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                killed.add(pid)
            os.close(pidfd)
    return len(killed)


def pids() -> list[int]:
    """Return the processes that exist for the caller."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def main() -> int:
    """Run one build and return its exit status."""
    prctl.set_no_new_privs(1)
    with Domain.create(Scope.RELATIONAL, View.DOMAIN) as domain:
        build = subprocess.run(sys.argv[1:], preexec_fn=domain.join, check=False)
        killed = end(domain.info().id)
    print(f"runner: the build ended with {build.returncode} and left {killed} processes behind")
    return build.returncode


if __name__ == "__main__":
    sys.exit(main())
