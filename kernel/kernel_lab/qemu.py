"""The QEMU command line of a guest."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """What QEMU is told. Sizes are in MiB."""

    kernel: Path
    job: Path  # directory shared read-only as `lab`; status and console are written beside
    memory: int
    cpus: int
    share: Path | None = None  # directory shared read-write as `share`
    modules: Path | None = None  # directory shared read-only as `modules`
    disk: Path | None = None  # root disk, never written
    initramfs: Path | None = None
    cmdline: str = ""  # more kernel parameters
    icount: bool = False  # an instruction takes 1 ns of the guest's time

    @property
    def console(self) -> Path:
        """File that gets the kernel's console."""
        return self.job.with_name("console")

    @property
    def status(self) -> Path:
        """File that gets the command's exit status."""
        return self.job.with_name("status")

    def argv(self) -> list[str]:
        """Return program and arguments; the command's output is QEMU's stdout."""
        argv = ["qemu-system-x86_64"]
        # Emulation always: KVM guests abort or hang on some of our machines. One
        # thread for all CPUs: with a thread for each, one CPU may still execute a
        # breakpoint that another, patching a static key, has taken out again.
        argv += [
            "-accel",
            "tcg,thread=single",
            "-cpu",
            "max",
            "-smp",
            # Two threads of one core: core scheduling exists only there.
            f"{self.cpus},threads={1 if self.cpus % 2 else 2}",
            "-m",
            str(self.memory),
        ]
        if self.icount:
            argv += ["-icount", "shift=0,sleep=off"]
        argv += ["-nodefaults", "-display", "none", "-no-reboot", "-no-user-config"]
        argv += [
            "-serial",
            f"file:{self.console}",
            "-device",
            "virtio-rng-pci",
            "-device",
            "virtio-serial-pci",
        ]
        # Not `stdio`: it closes the port when stdin, /dev/null, is at its end.
        argv += [
            "-chardev",
            "file,id=output,path=/dev/stdout",
            "-device",
            "virtserialport,chardev=output,name=lab.output",
        ]
        argv += ["-chardev", f"file,id=status,path={self.status}"]
        argv += ["-device", "virtserialport,chardev=status,name=lab.status"]
        for directory, tag in ((self.job, "lab"), (self.modules, "modules")):
            if directory:
                argv += [
                    "-virtfs",
                    f"local,path={directory},mount_tag={tag},security_model=none,readonly=on",
                ]
        if self.share:
            argv += [
                "-virtfs",
                f"local,path={self.share},mount_tag=share,security_model=none,multidevs=remap",
            ]
        if self.disk:
            argv += ["-drive", f"file={self.disk},if=virtio,format=raw,snapshot=on"]
        if self.initramfs:
            argv += ["-initrd", str(self.initramfs)]
        return [*argv, "-kernel", str(self.kernel), "-append", self._parameters()]

    def _parameters(self) -> str:
        # Warnings are printed, and they and every oops end the guest at once.
        parameters = ["console=ttyS0", "loglevel=5", "panic=-1", "oops=panic", "panic_on_warn=1"]
        # On a busy host the emulated timer may miss the moment at which it is tested.
        parameters.append("no_timer_check")
        if self.disk:
            parameters += ["root=/dev/vda", "rw", "systemd.show_status=0"]
        return " ".join([*parameters, self.cmdline]).strip()
