"""What the service keeps of a policy: for itself after a restart, and for the fallback."""

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yama_session.levels import Scope, View
from yama_session.policy import Floor, Source, parse
from yama_session.policy.rules import Policy
from yama_session.service import seat as seats
from yama_session.service.accounts import Directory
from yama_session.service.fallback import write_exempt, write_floor
from yama_session.service.lastgood import LastGood

pytestmark = pytest.mark.unit

OPEN = '[[rule]]\npreset = "open"\n'


def test_kept_policy_comes_back_with_its_files_and_lines(tmp_path: Path) -> None:
    kept = LastGood(tmp_path / "policy")
    sources = (Source(Path("/etc/a.toml"), "\n" + OPEN), Source(Path("/etc/\udcff.toml"), OPEN))
    numbers = {"user": {"bob": 1001}, "group": {}}
    kept.store(sources, numbers)
    after = LastGood(tmp_path / "policy")
    reading = after.load()
    assert reading is not None
    assert after.numbers == numbers
    assert reading.sources == sources
    assert [rule.place for rule in reading.policy.rules] == ["/etc/a.toml:2", "/etc/\udcff.toml:1"]
    assert stat.S_IMODE((tmp_path / "policy").stat().st_mode) == 0o600


def test_nothing_kept_is_no_policy(tmp_path: Path) -> None:
    assert LastGood(tmp_path / "policy").load() is None


NUMBERS = {"user": {"bob": 1001}, "group": {"staff": 50}}
WHOLE = json.dumps({"version": 2, "sources": [{"file": "/a", "text": OPEN}], "numbers": NUMBERS})
FIRST = json.dumps({"version": 1, "sources": [{"file": "/a", "text": OPEN}]})


def test_kept_policy_of_another_version_is_none(tmp_path: Path) -> None:
    file = tmp_path / "policy"
    for text in (WHOLE, FIRST):
        file.write_text(text)
        assert LastGood(file).load() is not None
    for version in ("3", "0", "true", '"2"'):
        file.write_text(WHOLE.replace('"version": 2', f'"version": {version}'))
        assert LastGood(file).load() is None


@pytest.mark.parametrize(
    "numbers", [None, [], {}, {"user": {}}, {"user": {}, "group": {"a": "1"}}, {"user": 1}]
)
def test_kept_policy_without_its_numbers_is_none(tmp_path: Path, numbers: object) -> None:
    document = {**json.loads(WHOLE), "numbers": numbers}
    (tmp_path / "policy").write_text(json.dumps(document))
    assert LastGood(tmp_path / "policy").load() is None


def test_kept_policy_that_has_become_wrong_is_none(tmp_path: Path) -> None:
    LastGood(tmp_path / "policy").store((Source(Path("/a"), "[[rule]]\nscope = 9\n"),), NUMBERS)
    assert LastGood(tmp_path / "policy").load() is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["version", "sources", "file", "text", "numbers", "user", "group"]),
            inner,
        )
    ),
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept") / "policy"


@settings(deadline=None)  # it writes a file
@given(
    st.binary()
    | JSON.map(json.dumps).map(str.encode)
    | JSON.map(lambda sources: json.dumps({"version": 1, "sources": sources}).encode())
    | st.integers(0, len(WHOLE) - 1).map(lambda end: WHOLE[:end].encode())
)
def test_garbage_is_no_kept_policy(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    reading = LastGood(file).load()
    # Only texts without a rule come out of it: all the rest is refused.
    assert reading is None or reading.policy.rules == ()


def test_policy_that_cannot_be_kept_removes_the_one_before(tmp_path: Path) -> None:
    kept = LastGood(tmp_path / "policy")
    kept.store((Source(Path("/a"), OPEN),), NUMBERS)
    (tmp_path / ".policy.new").symlink_to("/dev/full")
    kept.store((Source(Path("/a"), ""),), NUMBERS)
    assert kept.load() is None


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_floor_is_for_everybody_to_read(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_floor(tmp_path / "floor", Floor(Scope.NO_ATTACH, View.DOMAIN))
    finally:
        os.umask(before)
    assert (
        tmp_path / "floor"
    ).read_text() == "yama-session floor 3\nscope 3\nview domain\nproc private\nend\n"
    assert stat.S_IMODE((tmp_path / "floor").stat().st_mode) == 0o644


def test_floor_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    write_floor(tmp_path / "floor", Floor(Scope.CAPABILITY, View.DOMAIN))
    (tmp_path / ".floor.new").symlink_to("/dev/full")
    write_floor(tmp_path / "floor", Floor(Scope.RELATIONAL, View.DOMAIN))
    assert "scope 2" in (tmp_path / "floor").read_text()


def test_exempt_list_that_cannot_be_written_exempts_nobody(tmp_path: Path) -> None:
    file = tmp_path / "exempt"
    policy = Policy(parse(OPEN + 'match.user = "root"\n', Path("policy.toml")))
    names = Directory().learn(policy)
    write_exempt(file, policy, names)
    assert file.read_text() == "yama-session exempt 1\nuid 0\nend\n"
    (tmp_path / ".exempt.new").symlink_to("/dev/full")
    write_exempt(file, policy, names)
    assert not file.exists()


@pytest.mark.parametrize(
    ("tty", "seat"),
    [("tty1", "seat0"), ("/dev/tty63", "seat0"), ("ttyS0", ""), ("pts/1", ""), ("", "")],
)
def test_seat_of_a_terminal(tty: str, seat: str) -> None:
    assert seats.seat_of_terminal(tty) == seat


@pytest.mark.parametrize(
    ("cgroup", "session"),
    [
        ("0::/user.slice/user-1000.slice/session-3.scope\n", "3"),
        ("1:name=systemd:/user.slice/user-0.slice/session-c1.scope\n0::/\n", "c1"),
        ("0::/user.slice/user-1000.slice/session-3.scope/inner\n", "3"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice\n", ""),
        ("0::/system.slice/session-3.scoped\n", ""),
    ],
)
def test_session_of_logind_is_in_the_cgroup(cgroup: str, session: str) -> None:
    assert seats.logind_session(cgroup) == session


def test_seat_of_a_session_is_what_logind_says(tmp_path: Path) -> None:
    (tmp_path / "3").write_text("UID=1000\nSEAT=seat7\nTTY=tty2\n")
    (tmp_path / "4").write_text("UID=1000\nREMOTE=1\n")
    assert seats.seat_of_session("3", tmp_path) == "seat7"
    assert seats.seat_of_session("4", tmp_path) == ""


def test_process_that_has_gone_has_its_terminal_s_seat() -> None:
    assert seats.seat(-1, "tty1") == "seat0"
    assert seats.seat(-1, "pts/1") == ""
