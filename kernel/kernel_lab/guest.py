"""Boot one guest, run one command in it, and judge what came back."""

import os
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kernel_lab import build, console, debian, rootfs
from kernel_lab.cache import processor
from kernel_lab.errors import Exit, LabError
from kernel_lab.paths import GUEST_DIR
from kernel_lab.project import project_image
from kernel_lab.qemu import Machine
from kernel_lab.variant import PLAIN, Variant, named

Image = Literal["series", "stock", "debian"]
Root = Literal["debian", "busybox"]
DEFAULT_TIMEOUT = 300.0


@dataclass(frozen=True)
class GuestOptions:
    """How a guest is made."""

    # Debian's source with our series, the same without it, or what Debian built of it.
    image: Image = "series"
    variant: str = "plain"  # how the kernel is configured
    root: Root = "debian"
    suite: rootfs.Suite = "bookworm"  # the Debian release
    plain: bool = False  # a Debian root without the project
    services: bool = True  # systemd and what it starts; else the command is all that runs
    share: Path | None = None  # host directory, read-write at /share
    timeout: float = DEFAULT_TIMEOUT  # seconds from the start of QEMU
    memory: int = 2048  # MiB
    cpus: int = field(default_factory=lambda: min(2, os.cpu_count() or 1))
    cmdline: str = ""  # more kernel parameters
    icount: bool = False  # an instruction takes 1 ns of the guest's time; for one CPU


@dataclass(frozen=True)
class GuestResult:
    """What became of a guest.

    `status` is the command's own exit status, None if none came back. `problem`
    says what is wrong with the guest, whatever the command said.
    """

    status: int | None
    output: str
    console: str
    seconds: float
    timed_out: bool = False

    @property
    def problem(self) -> str | None:
        """The reason why this run proves nothing, or None."""
        if line := console.complaint(self.console):
            return f"the kernel complained: {line}"
        if self.timed_out:
            return f"the guest was still running after {self.seconds:.0f} s"
        if self.status is None:
            return "the guest ended without the status of the command"
        return None

    @property
    def ok(self) -> bool:
        """True if the command ended with 0 in a guest that stayed healthy."""
        return self.problem is None and self.status == 0

    @property
    def exit_status(self) -> int:
        """The status for `kernel/lab run`: the command's, or one of `Exit`."""
        if console.complaint(self.console):
            return Exit.GUEST_BROKEN
        if self.timed_out:
            return Exit.TIMEOUT
        return Exit.NO_STATUS if self.status is None else self.status

    def explain(self) -> str:
        """Return a text for an assertion: what happened, output, console's tail."""
        if self.problem:
            end = console.tail(self.console)
            return f"{self.problem}\n--- output\n{self.output[-4000:]}\n--- console\n{end}"
        return f"the command ended with status {self.status}\n--- output\n{self.output}"


def run_guest(
    kernel: str,
    command: Sequence[str],
    options: GuestOptions | None = None,
    *,
    on_output: Callable[[bytes], None] | None = None,
    stop: threading.Event | None = None,
) -> GuestResult:
    """Boot a kernel, run a command in the guest as root, and power off.

    The kernel, the root image and the project in it are made first if they are
    not in the cache; then the guest waits for a processor. The disk is a
    snapshot: nothing survives but what is written to the share.

    Args:
        kernel: "6.12" and the like.
        command: program and arguments; they reach the guest unchanged.
        options: see `GuestOptions`.
        on_output: gets the command's output (stdout and stderr) as it comes.
        stop: ends the guest once it is set, for a guest that runs in a thread.

    Raises:
        LabError: the lab could not start the guest, or was told to stop it.
    """
    options = options or GuestOptions()
    with tempfile.TemporaryDirectory(prefix="kernel-lab-") as scratch:
        machine = prepare(kernel, command, options, Path(scratch))
        stop = stop or threading.Event()
        with processor(stop):
            return _boot(machine, options.timeout, on_output, stop)


def prepare(kernel: str, command: Sequence[str], options: GuestOptions, scratch: Path) -> Machine:
    """Make all that a guest needs and return its machine, not started.

    Args:
        kernel: as in `run_guest`.
        command: as in `run_guest`.
        options: how the guest is made.
        scratch: an empty directory that lives as long as the guest.
    """
    if not command:
        raise LabError("no command for the guest: give one after `--`")
    if options.share and not options.share.is_dir():
        raise LabError(f"--share {options.share}: there is no such directory")
    variant = named(options.variant)
    if not variant.bootable:
        raise LabError(f"variant {variant.name} is only built: it cannot be booted")
    disk = initramfs = modules = None
    if options.image == "debian":
        if options.root == "busybox" or variant is not PLAIN:
            raise LabError(
                f"Debian's own kernel has no variant {variant.name} with a {options.root} root:"
                " it is run as it is packaged, and with a Debian root"
            )
        own = debian.packaged(kernel)
        image, modules, initramfs = own.image, own.modules, debian.initramfs(own)
    else:
        image = build.build(kernel, stock=options.image == "stock", variant=variant).image
    if options.root == "busybox":
        initramfs = rootfs.busybox_initramfs()
    else:
        suite = options.suite
        disk = rootfs.disk_image(suite, "", None) if options.plain else project_image(suite)
    job = scratch / "job"
    job.mkdir()
    shutil.copy(GUEST_DIR / "runner", job / "runner")
    (job / "command").write_text(f"exec {shlex.join(command)}\n", encoding="utf-8")
    power_off = "poweroff -f" if options.root == "busybox" else "systemctl poweroff --force --force"
    (job / "power-off").write_text(f"{power_off}\n", encoding="utf-8")
    if options.share:
        (job / "share").touch()
    return Machine(
        kernel=image,
        job=job,
        memory=options.memory,
        cpus=options.cpus,
        share=options.share.resolve() if options.share else None,
        modules=modules,
        disk=disk,
        initramfs=initramfs,
        cmdline=" ".join(_parameters(options, variant)),
        icount=options.icount,
    )


def _parameters(options: GuestOptions, variant: Variant) -> list[str]:
    alone = "" if options.services or options.root == "busybox" else "init=/init"
    return [words for words in (variant.cmdline, alone, options.cmdline) if words]


def _boot(
    machine: Machine,
    timeout: float,
    on_output: Callable[[bytes], None] | None,
    stop: threading.Event,
) -> GuestResult:
    start = time.monotonic()
    # If the lab is killed its guest must not live on.
    argv = ["setpriv", "--pdeathsig", "KILL", *machine.argv()]
    # Into a file: a pipe that nobody reads meanwhile would stop a guest that fills it.
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr
        )
        try:
            output, timed_out = _stream(process, start + timeout, on_output, stop)
            if not timed_out:
                process.wait(timeout=30)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
        stderr.seek(0)
        errors = stderr.read().decode(errors="replace")
    text = (
        machine.console.read_text(encoding="utf-8", errors="replace")
        if machine.console.exists()
        else ""
    )
    if process.returncode > 0 and not text:
        raise LabError(f"QEMU did not start:\n{errors}")
    status = machine.status.read_text(encoding="ascii").strip() if machine.status.exists() else ""
    return GuestResult(
        status=int(status) if status.isdigit() else None,
        output=output.decode(errors="replace"),
        console=text + errors,
        seconds=time.monotonic() - start,
        timed_out=timed_out,
    )


def _stream(
    process: subprocess.Popen[bytes],
    deadline: float,
    on_output: Callable[[bytes], None] | None,
    stop: threading.Event,
) -> tuple[bytes, bool]:
    """Collect QEMU's stdout until it ends or the deadline has passed."""
    assert process.stdout is not None
    chunks: list[bytes] = []
    with process.stdout, selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if stop.is_set():
                raise LabError("the guest was stopped")
            if not selector.select(min(left, 1.0)):
                continue
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                return b"".join(chunks), False
            chunks.append(chunk)
            if on_output:
                on_output(chunk)
    return b"".join(chunks), True


def to_stdout(chunk: bytes) -> None:
    """Pass output on to our own stdout at once."""
    sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
