"""Read a guest's console and find what the kernel complains about."""

import re

# What each line starts a report of; `panic_on_warn` makes most of them end in
# a panic, the others would pass unseen.
_COMPLAINTS = re.compile(
    r"Kernel panic - not syncing"
    r"|\bWARNING: (?:CPU|possible|suspicious|inconsistent|bad)"
    r"|\bBUG: "
    r"|\bkernel BUG at "
    r"|\bOops: "
    r"|general protection fault"
    r"|\bUBSAN: "
    r"|\brcu: INFO: .*(?:stall|starved)"
    r"|\bINFO: (?:task .* blocked|rcu_\w+ .*stall)"
    r"|watchdog: .*lockup"
    r"|unregister_netdevice: waiting"
    r"|Out of memory: Killed"
)
TAIL_LINES = 40


def complaint(console: str) -> str | None:
    """Return the first line on which the kernel complains, or None."""
    for line in console.splitlines():
        if _COMPLAINTS.search(line):
            return line.strip()
    return None


def tail(console: str) -> str:
    """Return the end of a console, from the first complaint if there is one."""
    lines = [line.rstrip() for line in console.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if _COMPLAINTS.search(line):
            return "\n".join(lines[max(0, number - 3) : number + 2 * TAIL_LINES])
    return "\n".join(lines[-TAIL_LINES:])
