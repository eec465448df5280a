"""Where a user's service manager is found, and when it lies outside."""

from pathlib import Path

import pytest

from yama_session.service import present, usermanager
from yama_session.service.records import Session

pytestmark = pytest.mark.unit


def session(uid: int, service: str, enforcer: str) -> Session:
    return Session("a", uid, "alice", service, "", "", 7, 1, 1.0, "open", "", enforcer,
                   1, 1, "private", "user", 0, "x:1")  # fmt: skip


@pytest.mark.parametrize("place", ["init.scope", ""])
def test_manager_is_the_first_process_of_its_unit(tmp_path: Path, place: str) -> None:
    hierarchies = [str(tmp_path / "unified"), str(tmp_path / "systemd")]
    assert usermanager.manager(1000, hierarchies) == 0
    unit = tmp_path / "systemd/user.slice/user-1000.slice/user@1000.service" / place
    unit.mkdir(parents=True)
    (unit / "cgroup.procs").write_text("")
    assert usermanager.manager(1000, hierarchies) == 0
    (unit / "cgroup.procs").write_text("0\n412\n77\n")
    assert usermanager.manager(1000, hierarchies) == 77
    assert usermanager.manager(100, hierarchies) == 0


@pytest.mark.parametrize(
    ("sessions", "domain", "outside"),
    [
        ([], 0, 77),
        ([], 9, 0),  # by the fallback, which leaves no record
        ([session(1000, "sshd", "yama")], 0, 77),
        ([session(1000, "systemd-user", "")], 0, 77),
        ([session(1001, "systemd-user", "yama")], 0, 77),
        ([session(1000, "systemd-user", "landlock")], 0, 0),
    ],
)
def test_manager_that_no_session_confines_is_outside(
    sessions: list[Session], domain: int, outside: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usermanager, "manager", lambda uid: 77)
    monkeypatch.setattr(present, "domain_id", lambda pid: domain)
    assert usermanager.outside(1000, sessions) == outside
    monkeypatch.setattr(usermanager, "manager", lambda uid: 0)
    assert usermanager.outside(1000, sessions) == 0
