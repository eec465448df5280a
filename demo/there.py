"""The second part: real logins in virtual machines, with our kernel and with Debian's own."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from kernel_lab import GuestOptions, LabError, run_guest
from kernel_lab.guest import Image

from demo import screen
from demo.scenes import SCENES
from demo.watch import Sight

KERNEL = "6.12"
KERNELS: dict[Image, str] = {
    "series": f"On our kernel {KERNEL}, in a virtual machine with systemd, sshd and PAM",
    "debian": f"On Debian's own kernel {KERNEL}, confined by BPF programs, in such a machine",
}
COMMAND = "env PYTHONPATH=/share DEBIAN_FRONTEND=noninteractive python3 -B -m demo.guest"
HERE = Path(__file__).resolve().parent


def show() -> None:
    """Boot each kernel, let all log in, and print who saw whom.

    Raises:
        LabError: there is no such kernel or guest.
    """
    for image, heading in KERNELS.items():
        _show(image, heading)


def _show(image: Image, heading: str) -> None:
    screen.heading(heading)
    screen.step("make what is missing (the first time: kernel 5 min, Debian root 1 min), boot")
    with tempfile.TemporaryDirectory(prefix="yama-demo-") as share:
        shutil.copytree(
            HERE, Path(share, "demo"), ignore=shutil.ignore_patterns("__pycache__", "run")
        )
        result = run_guest(
            KERNEL,
            [
                "env",
                "PYTHONPATH=/share",
                "DEBIAN_FRONTEND=noninteractive",
                "python3",
                "-B",
                "-m",
                "demo.guest",
            ],
            GuestOptions(image=image, share=Path(share)),
            on_output=_say_lines,
        )
        if not result.ok:
            raise LabError(f"the demonstration in the guest failed: {result.explain()}")
        found = json.loads(Path(share, "result.json").read_text(encoding="utf-8"))
    screen.step("who sees whom, and who may trace whom, as each login found it")
    sights = [{name: _sight(sight) for name, sight in scene.items()} for scene in found]
    screen.table([(scene.title, seen) for scene, seen in zip(SCENES, sights, strict=True)])
    screen.note(
        "  Each row is an ssh login that tried stat(/proc/PID) and PTRACE_SEIZE on the shell\n"
        "  of each column. kernel.yama.ptrace_scope is 0 throughout; scope = 0 for alice."
    )


def _sight(found: dict[str, Any]) -> Sight:
    return Sight(found["listed"], {name: tuple(pair) for name, pair in found["found"].items()})


def _say_lines(output: bytes) -> None:
    for line in output.decode(errors="replace").splitlines():
        screen.step(line)
