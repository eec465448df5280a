# guest: --debian --kernel 6.12 --alone
# guest: --debian --kernel 6.1 --kernel 7.3 --long
"""Switched off, the programs stay as long as they confine somebody, and go then."""

import json
from pathlib import Path

from bpf_logins import is_confined
from logins import Login, sh, wait_for


def test_switched_off_they_stay_as_long_as_they_confine_somebody() -> None:
    with Login("alice") as alice:
        said = sh("yama-session off")
        assert said.status == 0, said.out
        assert "alice, domain " in said.out
        assert "the BPF programs stay in the kernel" in said.out
        assert is_confined(alice)
        with Login("alice") as free:
            assert not is_confined(free)
    sh("loginctl terminate-user alice; pkill -KILL -U alice")
    wait_for(lambda: sh("pgrep -U alice").status == 1, "alice has gone")
    said = sh("yama-session off")
    assert said.status == 0, said.out
    assert "take the BPF programs out of the kernel" in said.out
    assert "nobody is confined" in said.out
    assert not Path("/sys/fs/bpf/yama-session").exists()
    status = json.loads(sh("yama-session status --json").out)
    assert "not loaded" in status["enforcers"]["bpf"]["reason"]
    assert "already off" in sh("yama-session off").out
    on = "systemctl enable --now yama-session && pam-auth-update --enable yama-session"
    assert sh(on, timeout=120).status == 0
    with Login("alice") as again:
        assert is_confined(again)
