"""Read a guest's console and find what the kernel complains about."""

import re
from collections.abc import Collection

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
_RACE = re.compile(r"BUG: KCSAN: .*? in ((\S+)(?: / (\S+))?)")
TAIL_LINES = 40


def complaint(console: str) -> str | None:
    """Return the first line on which the kernel complains, or None."""
    for line in console.splitlines():
        if _COMPLAINTS.search(line):
            return line.strip()
    return None


def without_foreign_races(
    console: str, functions: Collection[str], known: Collection[str] = ()
) -> str:
    """Return a console without the first lines of reports of other code's data races.

    Args:
        console: what the kernel printed.
        functions: names of the functions that are ours.
        known: races in these that are not ours, each as "FUNCTION / FUNCTION".
    """
    kept = []
    for line in console.splitlines():
        race = _RACE.search(line)
        ours = race and race[1] not in known and {race[2], race[3]} & set(functions)
        if not race or ours:
            kept.append(line)
    return "\n".join(kept)


def tail(console: str) -> str:
    """Return the end of a console, from the first complaint if there is one."""
    lines = [line.rstrip() for line in console.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if _COMPLAINTS.search(line):
            return "\n".join(lines[max(0, number - 3) : number + 2 * TAIL_LINES])
    return "\n".join(lines[-TAIL_LINES:])
