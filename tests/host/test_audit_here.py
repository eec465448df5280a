"""The audit on the running kernel: it changes nothing, leaves nothing, and knows Landlock."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import NOBODY, PYTHON, ROOT

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("as_root")]

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def audit(*args: object, under: tuple[str, ...] = (), uid: int = 0) -> dict[str, Any]:
    done = subprocess.run(
        [*under, PYTHON, "-m", "yama_session", "audit", "--json", *map(str, args)],
        stdout=subprocess.PIPE,
        text=True,
        user=uid,
        group=uid,
        extra_groups=(),
        env=ENVIRONMENT,
        cwd="/",
        timeout=120,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == bool(document["counts"]["open"])
    return document


def verdicts(document: dict[str, Any]) -> dict[str, str]:
    return {channel["id"]: channel["verdict"] for channel in document["channels"]}


@pytest.mark.parametrize("uid", [0, NOBODY])
def test_where_nothing_confines_calls_and_names_are_open(uid: int) -> None:
    document = audit("--family", "calls", "--family", "procfs", uid=uid)
    assert document["confined_by"] == []
    found = verdicts(document)
    assert {name for name, verdict in found.items() if verdict == "closed"} <= {
        name for name in found if name.endswith("@new") and uid
    }
    assert found["procfs.names@/proc"] == "open"
    assert found["calls.kill-pid"] == found["calls.pidfd-open"] == "open"


def state(pid: int) -> dict[str, object]:
    """All of a process that a probe could change."""
    status = Path(f"/proc/{pid}/status").read_text()
    keys = ("Sig", "Shd", "Tracer", "State", "Cpus_allowed", "Uid", "NoNewPrivs")
    return {
        "status": [line for line in status.splitlines() if line.startswith(keys)],
        "nice": os.getpriority(os.PRIO_PROCESS, pid),
        "policy": os.sched_getscheduler(pid),
        "affinity": os.sched_getaffinity(pid),
        "group": (os.getpgid(pid), os.getsid(pid)),
        "limits": Path(f"/proc/{pid}/limits").read_text(),
        "cgroup": Path(f"/proc/{pid}/cgroup").read_text(),
        "namespaces": [
            str(Path(f"/proc/{pid}/ns/{name}").readlink()) for name in ("net", "pid", "user")
        ],
        "io priority": subprocess.check_output(["ionice", "-p", str(pid)]),
    }


def test_nothing_of_the_target_changes(stranger: int) -> None:
    """Root asks, whom nothing stops, about a process that is nice and bound to a processor."""
    os.setpriority(os.PRIO_PROCESS, stranger, 7)
    os.sched_setaffinity(stranger, {0})
    subprocess.run(["ionice", "-c", "3", "-p", str(stranger)], check=True)
    before = state(stranger)
    document = audit("--against", stranger)
    assert verdicts(document)["calls.kill-pid"] == "open"
    assert state(stranger) == before


def left_behind() -> tuple[set[str], set[str]]:
    """Processes of an audit, and objects of System V's IPC."""
    processes = set()
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"audit" in words and b"yama_session" in words:
            processes.add(place.parent.name)
    lines = [
        line
        for kind in ("shm", "msg", "sem")
        for line in Path(f"/proc/sysvipc/{kind}").read_text().splitlines()
    ]
    return processes, set(lines)


def settled() -> tuple[set[str], set[str]]:
    """What there is when the audits of the tests before have ended: none of their processes."""
    end = time.monotonic() + 20
    while (found := left_behind())[0]:
        assert time.monotonic() < end, f"audits that still run: {found[0]}"
        time.sleep(0.05)
    return found


def wait_until_as(before: tuple[set[str], set[str]]) -> None:
    end = time.monotonic() + 20
    while left_behind() != before:
        assert time.monotonic() < end, f"{left_behind()} instead of {before}"
        time.sleep(0.05)


def test_nothing_is_left_behind() -> None:
    before = settled()
    audit("--family", "traces")
    wait_until_as(before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind_by_one_that_is_ended(number: signal.Signals) -> None:
    before = settled()
    process = subprocess.Popen(
        [PYTHON, "-m", "yama_session", "audit"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    )
    try:
        end = time.monotonic() + 20
        # Two of them are there, with what they leave, and it has begun.
        while len(left_behind()[1] - before[1]) < 6:
            assert time.monotonic() < end
            assert process.poll() is None
        if number is signal.SIGINT:  # as a terminal sends it
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        process.wait(timeout=20)
        wait_until_as(before)
    finally:
        process.kill()
        process.wait()


RUN = (PYTHON, "-m", "yama_session", "run", "--quiet", "--enforcer", "landlock")


def test_landlock_is_found_out_and_what_it_leaves_open() -> None:
    document = audit("--family", "procfs", "--family", "calls", under=(*RUN, "--"))
    assert document["confined_by"] == ["landlock"]
    found = verdicts(document)
    assert found["procfs.names@/proc"] == found["procfs.inside@/proc"] == "closed"
    assert found["procfs.lookup@/proc"] == found["procfs.links@/proc"] == "open"
    answers = {channel["id"]: channel["answers"] for channel in document["channels"]}
    assert answers["calls.kill-pid"] == {"target": "EPERM", "missing": "ESRCH", "own": "0"}


def test_a_pid_namespace_is_told() -> None:
    document = audit("--family", "counts", under=(*RUN, "--pid-namespace", "--"), uid=NOBODY)
    assert "in a pid namespace" in document["notes"][0]


def test_without_procfs_domain_or_landlock_nothing_is_closed_by_mistake(stranger: int) -> None:
    """A name that hidepid= hides is closed there, and open in the calls."""
    script = 'mount -t proc -o hidepid=invisible proc /proc && exec "$@"'
    under = ("unshare", "-m", "sh", "-c", script, "sh")
    drop = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    document = audit("--family", "procfs", "--family", "calls", under=(*under, *drop))
    # A second process has the same user, whom hidepid does not hide.
    assert verdicts(document)["procfs.names@/proc"] == "open"
    arguments = ("--family", "procfs", "--family", "calls", "--against", 1)
    found = verdicts(audit(*arguments, under=(*under, *drop)))
    assert found["procfs.names@/proc"] == "closed"
    assert found["calls.kill-pid"] == "open"


CONFIGURATION = """
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={place}/bus</listen>
  <include>{place}/fragment.conf</include>
</busconfig>
"""


def test_example_of_a_bus_policy_is_one_that_the_bus_takes(tmp_path: Path) -> None:
    """A file with a mistake would leave the whole of the bus as it was before."""
    text = (ROOT / "data/yama-session-hide-units.conf").read_text()
    (tmp_path / "fragment.conf").write_text(text.replace('group="guests"', 'group="nogroup"'))
    (tmp_path / "bus.conf").write_text(CONFIGURATION.format(place=tmp_path))
    daemon = subprocess.Popen(
        ["dbus-daemon", f"--config-file={tmp_path}/bus.conf", "--nofork", "--print-address"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert daemon.stdout is not None
    address = daemon.stdout.readline()
    daemon.kill()
    _, complaints = daemon.communicate()
    # Not every machine lets it have as many descriptors as it would like.
    mistakes = [line for line in complaints.splitlines() if "Failed to set fd limit" not in line]
    assert (address.startswith("unix:path="), mistakes) == (True, [])
