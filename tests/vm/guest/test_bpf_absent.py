# guest: --debian --cmdline lsm=lockdown,capability,landlock,yama,apparmor --timeout 300
"""Debian's kernel with the BPF LSM left out at boot: nothing would be enforced, so nothing is."""

import json

import pytest
from logins import Login, LoginRefused, sh


def test_status_says_what_is_missing() -> None:
    done = sh("yama-session status --json")
    assert done.status == 1
    status = json.loads(done.out)
    assert status["enforcers"]["bpf"]["state"] == "disabled"
    assert "lsm=" in status["enforcers"]["bpf"]["reason"]
    assert status["service"]["enforcer"] == "landlock"
    assert "policy.toml:81" in json.dumps(status["service"]["unsupported"])


def test_nothing_answers_as_if_it_did() -> None:
    done = sh("yama-session run --enforcer bpf -- true")
    assert done.status != 0
    assert "lsm=" in done.out


def test_user_is_refused_and_root_gets_in() -> None:
    with pytest.raises(LoginRefused):
        Login("alice")
    with Login("root") as root:
        assert root.sees(1)
