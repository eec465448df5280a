"""The audit's table, what is concluded from answers, and how it is printed."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from yama_session.audit import Family, Report, Target, Verdict, audit, channels
from yama_session.audit.bounded import bounded
from yama_session.audit.calls import STAYS_OPEN
from yama_session.audit.channel import Channel, Finding, is_closed, is_open, is_unknown
from yama_session.audit.events import _HEADS, _parents
from yama_session.audit.judge import compared, told, told_outside
from yama_session.audit.scene import MISSING, Scene
from yama_session.audit.standin import Left, LockFiles
from yama_session.audit.traces import _take_ports
from yama_session.cli import main

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
CHANNELS = (ROOT / "kernel/CHANNELS.md").read_text(encoding="utf-8")
TARGET, OWN = 4001, 4002


def left(pid: int) -> Left:
    return Left(pid, -1, -1, -1, "")


def scene(*, twin: bool = True, confined: bool = True) -> Scene:
    """Who looks at a target that is a process of the audit's own, or another one."""
    files = LockFiles(0, (0, 0))
    return Scene(TARGET, left(TARGET) if twin else None, int, left(OWN), confined, False, files)


@pytest.mark.parametrize(
    ("target", "missing", "own", "verdict"),
    [
        ("0", "ESRCH", "0", "open"),
        ("EPERM", "ESRCH", "0", "open"),
        ("EPERM", "ESRCH", "EPERM", "open"),
        ("ESRCH", "ESRCH", "0", "closed"),
        ("EPERM", "EPERM", "0", "closed"),
        ("0", "0", "0", "closed"),
        # The probe cannot tell: closed must not be claimed.
        ("ENOSYS", "ENOSYS", "ENOSYS", "unknown"),
        ("ESRCH", "ESRCH", "ESRCH", "unknown"),
    ],
)
def test_verdict_of_three_answers(target: str, missing: str, own: str, verdict: str) -> None:
    finding = compared(target, missing, own)
    assert finding.verdict.value == verdict
    assert finding.answers == {"target": target, "missing": missing, "own": own}


def test_what_the_target_may_not_be_is_not_called_closed() -> None:
    finding = compared("ESRCH", "ESRCH", "0", sure=False, why="whether it leads a group")
    assert finding.verdict is Verdict.UNKNOWN
    assert "whether it leads a group" in finding.evidence
    assert compared("0", "ESRCH", "0", sure=False).verdict is Verdict.OPEN


@pytest.mark.parametrize(
    ("numbers", "verdict"),
    [({TARGET, OWN}, "open"), ({TARGET}, "open"), ({OWN, 7}, "closed"), ({7}, "unknown")],
)
def test_verdict_of_numbers_that_are_told(numbers: set[int], verdict: str) -> None:
    assert told(scene(), numbers).verdict.value == verdict
    assert told(scene(), numbers, left=True).verdict.value == verdict


def test_a_process_that_has_left_nothing_proves_nothing() -> None:
    assert told(scene(twin=False), {OWN}).verdict is Verdict.CLOSED
    assert told(scene(twin=False), {OWN}, left=True).verdict is Verdict.UNKNOWN


def test_outside_is_what_does_not_show_in_proc() -> None:
    here = os.getppid(), os.getpid(), OWN
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        assert told_outside(scene(), [sleeper.pid, *here], "x").verdict is Verdict.UNKNOWN
        finding = told_outside(scene(), [MISSING, MISSING + 1, *here], "the file")
        assert (finding.verdict, finding.evidence) == (
            Verdict.OPEN,
            f"the file names {MISSING} and 1 more",
        )
        # Where nothing is hidden, all others are outside.
        assert told_outside(scene(confined=False), [sleeper.pid], "x").verdict is Verdict.OPEN
        assert told_outside(scene(confined=False), [0, *here], "x").verdict is Verdict.UNKNOWN
    finally:
        sleeper.kill()
        sleeper.wait()


def test_every_channel_has_a_name_of_its_own_and_says_what_closes_it() -> None:
    found = channels()
    assert len({channel.id for channel in found}) == len(found)
    assert len({channel.name for channel in found}) == len(found)
    for channel in found:
        assert re.fullmatch(r"[a-z]+\.[a-z0-9-]+(@\S+)?", channel.id)
        assert channel.id.startswith(f"{channel.family.value}.")
        assert channel.closed_by or channel.note
    assert {channel.family for channel in found} == set(Family)


def rows(section: str) -> set[str]:
    """The channels in a section of the page that the kernel's own test writes."""
    text = re.split(r"^## ", CHANNELS.split(f"\n## {section}\n")[1], maxsplit=1, flags=re.M)[0]
    return set(re.findall(r"^\| ([^|]+?) \|", text, re.M)) - {"call or file", "---"}


def test_calls_are_those_of_the_kernel_s_page_with_the_same_verdict() -> None:
    # SEIZE and ATTACH look the number up in one place.
    calls = {channel.name: channel for channel in channels([Family.CALLS])}
    assert calls.keys() <= rows("Closed") | rows("Open")
    assert {name for name in calls if name in rows("Open")} == STAYS_OPEN.keys()
    assert all(calls[name].closed_by for name in calls.keys() - STAYS_OPEN.keys())
    left_out = {
        name
        for name in rows("Closed") - calls.keys()
        if not re.match(
            r"cgroup|/proc|open_by_handle|sched_setaffinity, |RTM_NEWNSID|resctrl", name
        )
    }
    assert left_out == {
        "setpgid(pid)",  # finds only children
        "setpriority(PRIO_USER)",  # would set it for all processes of the user
        "ioprio_set(IOPRIO_WHO_USER)",
        "kill(-1)",  # would signal all of them
        "ptrace(PTRACE_ATTACH)",  # would stop the target; PTRACE_SEIZE looks up the same way
        "futex(FUTEX_LOCK_PI2)",  # look the owner up as FUTEX_LOCK_PI does
        "futex(FUTEX_TRYLOCK_PI)",
        "futex(FUTEX_CMP_REQUEUE_PI)",
        "inotify_add_watch(/proc/\\<pid\\>)",  # among the look-ups in procfs
        "fcntl(F_GETLK)",  # among the traces
        "shmctl(IPC_STAT, SHM_STAT_ANY): shm_cpid, shm_lpid",
        "msgctl(IPC_STAT, MSG_STAT_ANY): msg_lspid, msg_lrpid",
        "semctl(GETPID)",
        # need a file, a queue or a pidfd that the target had a part in
        "fcntl(F_GETOWN), SIOCGPGRP of a file from outside",
        "fcntl(F_GETOWN_EX) of a terminal after F_SETFL(O_ASYNC)",
        "mqueue file system: NOTIFY_PID",
        "pidfd_send_signal of a pidfd from before",
        "signals of a file to a group with hidden members",
        # events
        "socket(NETLINK_CONNECTOR): fork, exec and exit of every process",
        "inotify_add_watch(/proc)",
        "fanotify_mark(/proc)",
        "fcntl(F_NOTIFY) of /proc",
        "time of a call with a number",  # for the benchmark
    }


def test_a_probe_that_hangs_fails_or_dies_is_unknown() -> None:
    def hang() -> Finding:
        time.sleep(60)
        return is_closed("not reached")

    def fail() -> Finding:
        raise ValueError("odd text")

    def die() -> Finding:
        os.kill(os.getpid(), signal.SIGKILL)
        return is_closed("not reached")

    begin = time.monotonic()
    assert bounded(hang, 0.1) == is_unknown("did not end within 0.1 s")
    assert time.monotonic() - begin < 5
    assert bounded(fail, 5) == is_unknown("the probe failed: ValueError: odd text")
    assert bounded(die, 5) == is_unknown("the probe was ended by something else")
    finding = Finding(Verdict.OPEN, "x" * 100_000, {"target": "0"})
    assert bounded(lambda: finding, 5) == finding


def test_kernel_s_answers_are_read_to_their_end() -> None:
    def part(kind: int, body: bytes) -> bytes:
        head = len(body) + 16
        return head.to_bytes(4, "little") + kind.to_bytes(2, "little") + bytes(10) + body

    socket = bytes(4) + (77).to_bytes(4, "little") + bytes(4)
    ports: set[int] = set()
    assert _take_ports(part(20, socket) + part(20, socket), ports)
    assert not _take_ports(part(3, bytes(4)), ports)
    assert ports == {77}
    with pytest.raises(PermissionError):
        _take_ports(part(2, (-1).to_bytes(4, "little", signed=True)), ports)


def test_events_of_others_than_forks_name_no_parent() -> None:
    body = bytes(12) + b"".join(number.to_bytes(4, "little") for number in (5, 6, 7, 8))
    heads = bytes(_HEADS.size)
    assert _parents(heads + (1).to_bytes(4, "little") + body) == (6,)
    assert _parents(heads + (2).to_bytes(4, "little") + body) == ()
    assert _parents(heads) == ()


def test_json_lists_every_channel_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(["audit", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document["target"]["kind"] == "second-process"
    assert [entry["id"] for entry in document["channels"]] == [c.id for c in channels()]
    assert sum(document["counts"].values()) == len(document["channels"])


def test_a_free_number_is_open_nowhere_and_the_status_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["audit", "--family", "calls", "--json"]
    assert main([*arguments, "--against", str(MISSING - 7)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["counts"]["open"] == 0
    assert document["counts"]["closed"] > 30
    assert document["target"] == {"pid": MISSING - 7, "kind": "given"}
    # What would set something, or may not be what the target is, is not asked or not believed.
    verdicts = {channel["name"]: channel["verdict"] for channel in document["channels"]}
    for name in ("setpriority(PRIO_PROCESS)", "kill(-pgid)", "bind(AF_NETLINK) to a port number"):
        assert verdicts[name] == "unknown"
    # The test runs where nothing hides a child of it from it.
    assert main([*arguments, "--against", str(os.getpid())]) == 1


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5"])
def test_against_takes_the_number_of_a_process(text: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["audit", f"--against={text}"])
    assert caught.value.code == 2


def untried(_: Scene) -> Finding:
    return is_unknown("not tried")


REPORT = Report(
    TARGET,
    Target.SECOND,
    ["yama"],
    ["a note"],
    [
        (Channel("calls.a", Family.CALLS, "a", untried, "x"), is_closed("why\x1b[2J")),
        (Channel("calls.b", Family.CALLS, "b", untried, "", "y"), is_open("since")),
    ],
)


def test_report_counts_its_verdicts() -> None:
    assert [REPORT.count(verdict) for verdict in Verdict] == [1, 1, 0]


def drawn(columns: int, *, colour: bool) -> str:
    """What the command draws on a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns), "PYTHONPATH": str(ROOT)}
    environment.pop("NO_COLOR", None)
    if not colour:
        environment["NO_COLOR"] = "1"
    command = [sys.executable, "-m", "yama_session", "audit", "--family", "counts"]
    with subprocess.Popen(command, stdout=theirs, env=environment, cwd=ROOT) as process:
        os.close(theirs)
        text = b""
        try:
            while more := os.read(ours, 65536):
                text += more
        except OSError:  # the terminal's end has been closed
            pass
    os.close(ours)
    assert process.returncode == 1
    return text.decode().replace("\r", "")


def test_fits_the_terminal_and_colours_it_if_that_is_wanted() -> None:
    plain = drawn(60, colour=False)
    assert max(map(len, plain.splitlines()[3:])) <= 60
    assert "\x1b" not in plain
    coloured = drawn(60, colour=True)
    assert "\x1b[31mopen\x1b[0m" in coloured
    verdicts = [re.sub(r"\x1b\[\d+m", "", line)[:20] for line in coloured.splitlines()]
    assert verdicts[3:9] == [line[:20] for line in plain.splitlines()[3:9]]


def test_only_what_is_open_is_printed_if_that_is_asked_for() -> None:
    from yama_session.cli.audit import _lines

    text = "\n".join(_lines(REPORT, everything=True))
    assert "\x1b" not in text
    assert re.search(r"^closed +1 +a +why\?\[2J$", text, re.M)
    assert re.search(r"^open +2 +b +since$", text, re.M)
    assert text.endswith("what closes them\n 1  x\n 2  nothing: y\n\n1 closed, 1 open, 0 unknown")
    text = "\n".join(_lines(REPORT, everything=False))
    assert re.search(r"^open +1 +b +since$", text, re.M)
    assert "why" not in text


def test_families_are_tried_alone() -> None:
    report = audit(families=[Family.COUNTS])
    assert {channel.family for channel, _ in report.findings} == {Family.COUNTS}
