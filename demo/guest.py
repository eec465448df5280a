"""Runs in the virtual machine as root: the same logins without and with the module.

Says on stdout what it does and leaves what the sessions found in result.json.
"""

import contextlib
import json
import subprocess
import time
from dataclasses import asdict
from pathlib import Path

from demo.scenes import LOGINS, SCENES, Scene
from demo.watch import Sights, look_around

SHARE = Path("/share")
DROP_IN = Path("/etc/yama-session/policy.d/demo.toml")
# At 0, so that only the session's own settings forbid what is forbidden.
SYSCTL = Path("/proc/sys/kernel/yama/ptrace_scope")
# The default key exchange takes an emulated processor a second for each login.
SSH = ("ssh", "-o", "BatchMode=yes", "-o", "KexAlgorithms=curve25519-sha256")
STACK, MODULE = Path("/etc/pam.d/common-session"), "pam_yama_session.so"
STARTUP = 60.0  # seconds until the machine lets people in, on a slow one
ENDING = 20.0  # seconds until nothing of a user runs any more


def root(*command: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def wait_until_up() -> None:
    """Wait for the end of the boot, so that no scene has the boot's processes."""
    subprocess.run(
        ["systemctl", "is-system-running", "--wait"],
        timeout=STARTUP,
        check=False,
        stdout=subprocess.DEVNULL,
    )


def end_sessions(user: str) -> None:
    """End what is left of a user, the user's systemd above all."""
    kill = ["loginctl", "kill-user", "--signal=KILL", user]
    deadline = time.monotonic() + ENDING
    while subprocess.run(["pgrep", "-U", user], check=False, capture_output=True).returncode == 0:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{user} still runs something after {ENDING:.0f} s")
        subprocess.run(kill, check=False, capture_output=True)
        time.sleep(0.1)


def arrange(scene: Scene) -> None:
    """Make the machine what the scene needs."""
    with_module = MODULE in STACK.read_text(encoding="utf-8")
    if with_module and not scene.policy:
        root("pam-auth-update", "--package", "--remove", "yama-session")
    elif scene.policy and not with_module:
        root("pam-auth-update", "--enable", "yama-session")
    if not scene.policy:
        return
    DROP_IN.write_text(scene.policy, encoding="utf-8")
    root("systemctl", "reload", "yama-session")


def play(scene: Scene) -> Sights:
    """Log everybody in anew, and return what each found."""
    arrange(scene)
    for user in {user for user in LOGINS.values() if user != "root"}:
        end_sessions(user)
    return look_around({name: [*SSH, f"{user}@localhost"] for name, user in LOGINS.items()})


def main() -> None:
    """Play all scenes."""
    wait_until_up()
    SYSCTL.write_text("0\n", encoding="ascii")
    result = []
    for scene in SCENES:
        print(scene.doing, flush=True)
        sights = play(scene)
        result.append({name: asdict(sight) for name, sight in sights.items()})
    (SHARE / "result.json").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
