"""The verdict on a guest, and the QEMU line that starts it."""

import threading
import time
from pathlib import Path
from typing import Any, cast

import pytest
from kernel_lab import console
from kernel_lab.errors import Exit, LabError
from kernel_lab.guest import GuestOptions, GuestResult, _boot, prepare
from kernel_lab.qemu import Machine

HEALTHY = "[    0.000000] Linux version 6.12.117\n[    1.2] systemd[1]: Hostname set to <guest>.\n"

COMPLAINTS = [
    "[    4.2] WARNING: CPU: 0 PID: 212 at security/yama/domain.c:88 yama_domain_put+0x12/0x30",
    "[    4.2] BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "[    4.2] kernel BUG at mm/slub.c:553!",
    "[    4.2] Oops: Oops: 0000 [#1] SMP",
    "[   25.2] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
    "[   25.2] watchdog: BUG: soft lockup - CPU#0 stuck for 26s!",
    "[  245.2] INFO: task sshd:88 blocked for more than 120 seconds.",
    "[    4.2] WARNING: possible circular locking dependency detected",
    "[    4.2] Kernel panic - not syncing: Attempted to kill init!",
]


def result(status: int | None, text: str = HEALTHY, *, timed_out: bool = False) -> GuestResult:
    return GuestResult(status=status, output="", console=text, seconds=5.0, timed_out=timed_out)


@pytest.mark.parametrize("line", COMPLAINTS)
def test_a_complaint_spoils_a_run_whose_command_succeeded(line: str) -> None:
    spoiled = result(0, HEALTHY + line + "\n")
    assert spoiled.exit_status == Exit.GUEST_BROKEN
    assert not spoiled.ok
    assert line.strip() in spoiled.explain()


def test_a_healthy_console_has_no_complaint() -> None:
    assert console.complaint(HEALTHY) is None


@pytest.mark.parametrize("status", [0, 1, 3, 137, 255])
def test_the_status_of_the_command_is_passed_on(status: int) -> None:
    assert result(status).exit_status == status
    assert result(status).ok == (status == 0)


def test_no_status_is_a_failure_and_a_time_limit_another() -> None:
    assert result(None).exit_status == Exit.NO_STATUS
    assert result(None, timed_out=True).exit_status == Exit.TIMEOUT
    assert not result(0, timed_out=True).ok


def test_the_tail_starts_at_the_first_complaint() -> None:
    text = "early\n" * 500 + COMPLAINTS[0] + "\n" + "Call Trace\n" * 5
    assert console.tail(text).startswith("early\nearly\nearly\n[    4.2] WARNING")


def test_only_our_own_data_races_are_complaints() -> None:
    text = (
        "[ 9.1] BUG: KCSAN: data-race in alloc_pid / find_vpid\n"
        "[ 9.2] BUG: KCSAN: assert: no writes in yama_domain_put\n"
        "[ 9.3] BUG: KCSAN: data-race in commit_creds / yama_visible\n"
    )
    ours = {"yama_domain_put", "yama_visible"}
    kept = console.without_foreign_races(text, ours).splitlines()
    assert [line[:6] for line in kept] == ["[ 9.2]", "[ 9.3]"]
    assert console.complaint(console.without_foreign_races(text, set())) is None
    known = ["commit_creds / yama_visible"]
    kept = console.without_foreign_races(text, ours, known).splitlines()
    assert [line[:6] for line in kept] == ["[ 9.2]"]


def machine(**changes: object) -> Machine:
    values: dict[str, object] = {
        "kernel": Path("/k/bzImage"),
        "job": Path("/scratch/job"),
        "memory": 512,
        "cpus": 2,
        **changes,
    }
    return Machine(**values)  # type: ignore[arg-type]


def test_the_guest_is_emulated_and_its_disk_never_written() -> None:
    argv = machine(disk=Path("/root.img")).argv()
    assert argv[argv.index("-accel") + 1].startswith("tcg")
    assert not any("kvm" in word for word in argv)
    assert "snapshot=on" in argv[argv.index("-drive") + 1]


def test_warnings_end_the_guest() -> None:
    parameters = machine(cmdline="yama.test=1").argv()[-1].split()
    assert {"panic_on_warn=1", "oops=panic", "panic=-1", "yama.test=1"} <= set(parameters)


def test_the_share_is_there_only_if_asked() -> None:
    assert not any("mount_tag=share" in word for word in machine().argv())
    assert any("path=/data,mount_tag=share" in word for word in machine(share=Path("/data")).argv())


def test_two_processors_are_threads_of_one_core() -> None:
    assert machine(cpus=2).argv()[machine().argv().index("-smp") + 1] == "2,threads=2"
    assert machine(cpus=1).argv()[machine().argv().index("-smp") + 1] == "1,threads=1"


def test_instructions_are_counted_only_if_asked() -> None:
    assert "-icount" not in machine().argv()
    argv = machine(icount=True, cpus=1).argv()
    assert argv[argv.index("-icount") + 1] == "shift=0,sleep=off"
    assert argv[argv.index("-accel") + 1] == "tcg,thread=single"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (GuestOptions(image="debian", variant="debug"), "no variant debug with a debian root"),
        (GuestOptions(image="debian", root="busybox"), "no variant plain with a busybox root"),
        (GuestOptions(variant="no-yama"), "cannot be booted"),
    ],
)
def test_guest_that_cannot_be_is_refused(options: GuestOptions, said: str, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=said):
        prepare("6.12", ["true"], options, tmp_path)


class Talker:
    """A machine that says more on its standard error than a pipe holds."""

    def __init__(self, scratch: Path) -> None:
        self.console, self.status = scratch / "console", scratch / "status"

    def argv(self) -> list[str]:
        script = "head -c 300000 /dev/zero | tr '\\0' x >&2; echo out; echo 3 >$0"
        return ["sh", "-c", script, str(self.status)]


def test_a_guest_that_says_much_is_not_stopped_by_it(tmp_path: Path) -> None:
    begin = time.monotonic()
    made = _boot(cast(Any, Talker(tmp_path)), 20.0, None, threading.Event())
    assert time.monotonic() - begin < 15
    assert (made.status, made.output, made.timed_out) == (3, "out\n", False)
    assert made.console.count("x") == 300000
