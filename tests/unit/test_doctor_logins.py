"""What doctor says that logins get, now and with the service down."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from yama_session.doctor import Severity, logins
from yama_session.doctor.processes import is_person
from yama_session.enforcers import Availability, State
from yama_session.pamd import MODULE, Arguments, Services, arguments
from yama_session.pamd.arguments import ENFORCERS, FALLBACKS
from yama_session.policy import Policy, parse
from yama_session.service.accounts import Account

pytestmark = pytest.mark.unit

ARGS_C = Path(__file__).resolve().parents[2] / "pam/args.c"
OPEN = Policy(parse('[[rule]]\npreset = "open"\n', Path("policy.toml")))


def test_arguments_are_those_of_the_module() -> None:
    known = set(re.findall(r'^\t\{ "(.*?)", set_', ARGS_C.read_text(), re.MULTILINE))
    here = {f"fallback={word}" for word in FALLBACKS} | {f"enforcer={word}" for word in ENFORCERS}
    assert known == here | {"debug"}
    assert all(arguments(word).unknown == () for word in known)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Arguments()),
        ("debug fallback=deny", Arguments("deny")),
        ("fallback=deny fallback=skip enforcer=bpf", Arguments("skip", "bpf")),
        ("fallback=deny debg", Arguments("deny", None, ("debg",))),
        ("enforcer=", Arguments(unknown=("enforcer=",))),
        ("enforcer=yama2 fallback", Arguments(unknown=("enforcer=yama2", "fallback"))),
    ],
)
def test_arguments_mean_what_they_mean_to_the_module(text: str, expected: Arguments) -> None:
    assert arguments(text) == expected


@pytest.fixture(params=["yama", "bpf", "landlock", "none"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A kernel that has one enforcer, or none."""
    here: str = request.param

    def by_name(name: str) -> SimpleNamespace:
        state = State.AVAILABLE if name == here else State.NOT_BUILT
        return SimpleNamespace(available=lambda: Availability(state, "so it is"))

    monkeypatch.setattr(logins, "by_name", by_name)
    monkeypatch.setattr(logins, "answered", lambda: here in ("yama", "bpf"))
    return here


@pytest.mark.parametrize("enforcer", [None, *ENFORCERS])
def test_strict_fallback_refuses_where_its_enforcer_is_not_there(
    kernel: str, enforcer: str | None
) -> None:
    there = kernel in ("yama", "bpf") if enforcer is None else kernel == enforcer
    said = Arguments("strict", enforcer)
    assert logins.without_service(said, exempt=False).refused is not there
    assert not logins.without_service(said, exempt=True).refused


@pytest.mark.usefixtures("kernel")
def test_other_fallbacks_and_wrong_arguments() -> None:
    for exempt in (False, True):
        assert logins.without_service(Arguments("deny"), exempt=exempt).refused
        assert not logins.without_service(Arguments("skip"), exempt=exempt).refused
        assert logins.without_service(Arguments("skip", None, ("x",)), exempt=exempt).refused


@pytest.mark.parametrize(
    ("line", "severity", "words"),
    [
        ("fallback=deny debg", Severity.PROBLEM, "does not know debg"),
        ("fallback=deny", Severity.NOTE, "refused (fallback=deny)"),
        ("fallback=skip", Severity.NOTE, "not confined (fallback=skip)"),
        ("enforcer=landlock", Severity.PROBLEM, "refused: landlock is not built"),
        ("enforcer=yama", Severity.OK, "confined by yama"),
        ("", Severity.OK, "confined by domains"),
    ],
)
def test_examination_judges_the_line_of_each_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, severity: Severity, words: str
) -> None:
    available = Availability(State.AVAILABLE, "")
    missing = Availability(State.NOT_BUILT, "")
    monkeypatch.setattr(logins, "answered", lambda: True)
    monkeypatch.setattr(
        logins,
        "by_name",
        lambda name: SimpleNamespace(available=lambda: available if name == "yama" else missing),
    )
    (tmp_path / "sshd").write_text(f"session required {MODULE}.so {line}\n")
    (tmp_path / "cron").write_text(f"session required {MODULE}.so {line}\n")
    (tmp_path / "ftp").write_text("session required pam_unix.so\n")
    found = list(logins.examine(Services((tmp_path,)), OPEN))
    assert (found[0].subject, found[0].severity) == ("cron, sshd", severity)
    assert words in found[0].message
    # Whoever is refused now is a problem, too.
    users = [item for item in found if item.message.startswith("would be ")]
    wrong = [item for item in users if item.severity is Severity.PROBLEM]
    assert wrong == (users if "debg" in line else [])


def test_no_line_is_no_login(tmp_path: Path) -> None:
    (tmp_path / "ftp").write_text("session required pam_unix.so\n")
    assert list(logins.examine(Services((tmp_path,)), OPEN)) == []


def test_exempt_is_who_is_on_the_list(tmp_path: Path) -> None:
    bob = Account("bob", 1001, 1001)
    assert not logins.is_exempt(bob, [4], tmp_path)
    assert logins.is_exempt(Account("root", 0, 0), [], tmp_path)
    (tmp_path / "exempt").write_text("yama-session exempt 1\nuid 10\ngid 100\nend\n")
    assert not logins.is_exempt(bob, [10, 1001], tmp_path)
    assert logins.is_exempt(bob, [100], tmp_path)


@pytest.mark.parametrize(
    ("uid", "person"),
    [(0, False), (999, False), (1000, True), (59999, True), (61184, False), (65534, False)],
)
def test_people_are_told_from_system_accounts(uid: int, person: bool) -> None:
    assert is_person(uid) is person


def test_uid_above_those_of_local_people_is_a_person_s_if_it_has_an_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not is_person(1640000123)  # a container's, for all that is known
    monkeypatch.setattr(
        "yama_session.service.accounts.account_of", lambda uid: Account("dave", uid, uid)
    )
    assert is_person(1640000123)
    assert not is_person(65534)
