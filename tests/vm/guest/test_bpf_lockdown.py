# guest: --debian --kernel 6.12 --cmdline lockdown=integrity --timeout 300
# guest: --debian --kernel 7.3 --long --cmdline lockdown=integrity --timeout 300
# guest: --debian --kernel 6.1 --long --cmdline "lockdown=integrity preempt=voluntary"
"""A kernel that is locked down, as under Secure Boot, takes the programs and runs them.

How it is preempted debugfs does not tell then, and these guests have no /boot: so
6.1 is told it at boot.
"""

import json
from pathlib import Path

from bpf_logins import is_confined
from logins import Login, sh


def test_the_kernel_is_locked_down() -> None:
    said = Path("/sys/kernel/security/lockdown").read_text(encoding="ascii")
    assert "[integrity]" in said


def test_login_is_confined_by_them() -> None:
    status = json.loads(sh("yama-session status --json").out)
    assert status["enforcers"]["bpf"]["state"] == "available"
    assert status["service"]["enforcer"] == "bpf"
    with Login("alice") as alice:
        assert is_confined(alice)
