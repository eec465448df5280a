"""The verb ``policy``: what it finds, what it answers, and its exit status."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from yama_session.cli import _policy_check, main
from yama_session.errors import AccountError

pytestmark = pytest.mark.unit

USER = "nobody"
GOOD = """
[[rule]]
match = { user = "nobody", service = ["su", "cron"] }
scope = 2
group = "session"

[[rule]]
match = { user = "nobody" }
preset = "open"

[[rule]]
match = { user = "root" }
preset = "open"
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.toml").write_text(GOOD)
    return tmp_path


Output = pytest.CaptureFixture[str]


def run(capsys: Output, *argv: object) -> tuple[int, list[str]]:
    status = main(["policy", *map(str, argv)])
    output = capsys.readouterr()
    assert output.err == ""
    return status, output.out.splitlines()


def run_json(capsys: Output, *argv: object) -> tuple[int, object]:
    status, lines = run(capsys, *argv, "--json")
    return status, json.loads("\n".join(lines))


def check(capsys: Output, path: Path) -> tuple[int, list[str]]:
    """Check for any kernel, with the directory's name left out of what is said."""
    status, lines = run(capsys, "check", "--any-kernel", path)
    return status, [line.removeprefix(f"{path}/").removeprefix(str(path)) for line in lines]


def test_check_of_a_good_policy_is_0(etc: Path, capsys: Output) -> None:
    (etc / "policy.toml").write_text('[[rule]]\nmatch.user = "root"\npreset = "open"\n')
    assert check(capsys, etc) == (0, [": no mistake in 1 rule"])
    assert check(capsys, etc / "policy.toml") == (0, [": no mistake in 1 rule"])


def test_check_names_every_mistake_in_every_file_and_is_1(etc: Path, capsys: Output) -> None:
    (etc / "policy.d/10.toml").write_text('[[rule]]\nscope = 9\nview = "x"\n')
    (etc / "policy.d/20.toml").write_text("[[rule]]\nscope =\n[[rule]]\n")
    status, lines = check(capsys, etc)
    assert status == 1
    assert [line.split(": ")[0] for line in lines] == [
        "policy.d/10.toml:2",
        "policy.d/10.toml:3",
        "policy.d/20.toml:2",
        "policy.d/20.toml:3",
    ]


def test_check_in_json(etc: Path, capsys: Output) -> None:
    (etc / "policy.toml").write_text("[[rule]]\nscope = 9\n")
    status, found = run_json(capsys, "check", etc)
    assert status == 1
    assert found == [
        {
            "severity": "error",
            "file": f"{etc}/policy.toml",
            "line": 2,
            "message": "scope = 9: choose 0 or 'classic', 1 or 'relational', 2 or 'capability',"
            " 3 or 'no-attach'",
        }
    ]


def test_check_of_what_is_not_there_is_1(etc: Path, capsys: Output) -> None:
    status, (line,) = check(capsys, etc / "none")
    assert status == 1
    assert line.startswith(": there is no such file")


def test_check_says_what_no_rules_mean(etc: Path, capsys: Output) -> None:
    status, lines = check(capsys, etc / "policy.d")
    assert status == 0
    assert lines == [
        ": warning: holds neither policy.toml nor policy.d/*.toml",
        ": no rules: the default confines every user but root",
    ]


def test_check_warns_of_rules_that_never_win_and_services_that_are_none(
    etc: Path, capsys: Output
) -> None:
    (etc / "policy.toml").write_text(
        '[[rule]]\npreset = "open"\nmatch.user = "root"\n'
        '[[rule]]\npreset = "open"\nmatch.group = ["root", "nogroup"]\n'
        '[[rule]]\npreset = "kiosk"\nmatch.group = "nogroup"\n'
        '[[rule]]\nscope = 2\ngroup = "session"\nmatch.service = ["su", "no-such-service"]\n'
        '[[rule]]\nscope = 3\ngroup = "session"\nmatch = { service = "su", remote = true }\n'
    )
    _, lines = check(capsys, etc)
    assert [line for line in lines if "never wins" in line] == [
        f"policy.toml:7: warning: never wins: {etc}/policy.toml:4 comes first",
        f"policy.toml:14: warning: never wins: {etc}/policy.toml:10 comes first",
    ]
    (line,) = (line for line in lines if "there is no service" in line)
    assert line.startswith("policy.toml:10: warning: there is no service 'no-such-service' in ")


@pytest.mark.parametrize("preset", ["desktop", "kiosk", "open"])
@pytest.mark.parametrize("first", ["", '[[rule]]\npreset = "open"\nmatch.user = "root"\n'])
def test_check_warns_of_a_rule_that_binds_root_unasked(
    etc: Path, capsys: Output, preset: str, first: str
) -> None:
    (etc / "policy.toml").write_text(f'{first}[[rule]]\npreset = "{preset}"\n')
    _, lines = check(capsys, etc)
    assert any("binds root, too" in line for line in lines) is (preset != "open" and not first)


def test_check_warns_of_what_is_hardly_meant(etc: Path, capsys: Output) -> None:
    (etc / "policy.d/10.conf").touch()
    (etc / "policy.d/.10.toml.swp").touch()
    (etc / "policy.d/20.toml").write_text(
        '[[rule]]\npreset = "open"\nmatch = { user = "no-such-user", group = "no-such-group" }\n'
        '[[rule]]\nscope = 2\ngroup = "session"\nmatch.remote = true\n'
        '[[rule]]\npreset = "desktop"\n'
        '[[rule]]\npreset = "kiosk"\nmatch.user = "root"\n'
    )
    (etc / "policy.toml").unlink()
    status, lines = check(capsys, etc)
    assert status == 0
    assert [re.sub(r" a convenience.*", "", line) for line in lines[:-1]] == [
        "policy.d/10.conf: warning: is not read: its name does not end in .toml",
        "policy.d/20.toml:8: warning: binds root, too: begin with a rule for user = 'root' and"
        " preset = 'open', or name root in one of its own",
        "policy.d/20.toml:4: warning: a rule by login is",
        f"policy.d/20.toml:10: warning: never wins: {etc}/policy.d/20.toml:8 comes first",
        "policy.d/20.toml:1: warning: there is no user 'no-such-user' here",
        "policy.d/20.toml:1: warning: there is no group 'no-such-group' here",
    ]


def test_check_finds_two_names_of_one_account(
    etc: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_policy_check, "number_of", lambda kind, name: {"toor": 0}.get(name, 0))
    text = '[[rule]]\nmatch.user = "root"\npreset = "open"\n'
    (etc / "policy.toml").write_text(text + text.replace("root", "toor"))
    status, lines = check(capsys, etc)
    assert status == 0
    assert lines[0].startswith("policy.toml:4: warning: user 'toor' has uid 0, as 'root' in ")


def test_check_says_what_the_name_service_cannot_tell(
    etc: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(kind: str, name: str) -> int:
        raise AccountError(f"{kind} {name!r}: the name service cannot tell: Connection refused")

    monkeypatch.setattr(_policy_check, "number_of", away)
    (etc / "policy.toml").write_text('[[rule]]\nmatch.group = "staff"\npreset = "open"\n')
    _, lines = check(capsys, etc)
    assert "policy.toml:1: warning: group 'staff': the name service cannot tell" in lines[0]


def test_test_tells_which_rule_wins_and_why(etc: Path, capsys: Output) -> None:
    status, lines = run(capsys, "test", USER, "--policy", etc, "--service", "sshd")
    file = f"{etc}/policy.toml"
    assert status == 0
    assert lines[1:4] == [
        f"no    {file}:2: user nobody, service cron or su: the service is not cron or su",
        f"wins  {file}:7: user nobody: the first that matches",
        f"no    {file}:11: user root: the user is not root",
    ]
    assert lines[4] == "gets (preset open):"
    assert [line.split() for line in lines[5:12]] == [
        ["scope", "classic", "preset", "open"],
        ["view", "all", "preset", "open"],
        ["group", "user", "preset", "open"],
        ["proc", "host", "preset", "open"],
        ["override", "no", "preset", "open"],
        ["enforcer", "the", "strongest", "default"],
        ["mode", "enforce", "default"],
    ]
    assert lines[12:] == ["on this kernel: not confined"]


def test_test_in_json(etc: Path, capsys: Output) -> None:
    status, found = run_json(capsys, "test", USER, "--policy", etc, "--service=su", "--tty=tty2")
    assert isinstance(found, dict)
    assert status == (1 if found["problem"] else 0)
    assert set(found) == {
        *("policy", "login", "rules", "source", "preset", "settings"),
        *("confined", "enforcer", "in_part", "problem", "would", "without_service"),
    }
    assert {key for rule in found["rules"] for key in rule} == {
        *("file", "line", "fits", "wins", "why")
    }
    assert (found["enforcer"] is None) is (found["problem"] is not None)
    assert found["login"] == {
        "user": USER,
        "uid": 65534,
        "groups": ["nogroup"],
        "service": "su",
        "tty": "tty2",
        "rhost": "",
        "seat": "seat0",
        "aliases": [],
        "addresses": [],
    }
    assert [(rule["line"], rule["fits"], rule["wins"]) for rule in found["rules"]] == [
        (2, True, True),
        (7, True, True),
        (11, False, False),
    ]
    assert found["source"] == f"{etc}/policy.toml:2"
    assert found["confined"] is True
    assert found["settings"]["scope"] == {"value": "capability", "origin": f"{etc}/policy.toml:4"}
    assert found["settings"]["view"]["value"] == "user"


def test_test_without_a_rule_is_the_built_in_default(tmp_path: Path, capsys: Output) -> None:
    _, lines = run(capsys, "test", USER, "--policy", tmp_path)
    assert lines[1] == "wins  built-in default for users"
    _, lines = run(capsys, "test", "root", "--policy", tmp_path)
    assert lines[1] == "wins  built-in default for root"


def test_test_of_a_broken_policy_names_its_mistakes(etc: Path, capsys: Output) -> None:
    (etc / "policy.toml").write_text("[[rule]]\nscope = 9\n")
    status, (line,) = run(capsys, "test", USER, "--policy", etc)
    assert status == 1
    assert line.startswith(f"{etc}/policy.toml:2: scope = 9")
    assert run_json(capsys, "test", USER, "--policy", etc) == (1, {"errors": [line]})


def test_test_of_a_user_that_is_none_is_refused(etc: Path, capsys: Output) -> None:
    assert main(["policy", "test", "no-such-user", "--policy", str(etc)]) == 125
    assert "'no-such-user': there is no such account" in capsys.readouterr().err


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(), st.text(), st.text())
@example("--", "--", "--")
def test_test_answers_for_any_login(
    etc: Path, capsys: Output, service: str, tty: str, rhost: str
) -> None:
    how = [f"--service={service}", f"--tty={tty}", f"--rhost={rhost}"]
    status, found = run_json(capsys, "test", "root", "--policy", etc, *how)
    assert isinstance(found, dict)
    assert (status, found["source"]) == (0, f"{etc}/policy.toml:11")


def test_show_without_a_service_shows_the_files(
    etc: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={etc}/no-bus")
    status, lines = run(capsys, "show", "--policy", etc)
    assert status == 0
    assert lines[0].startswith("In force: not known: the system bus cannot be reached")
    assert lines[2] == "The files:"
    assert f"{etc}/policy.toml:2: user nobody, service cron or su" in lines
    assert lines[-1] == "built-in default: preset desktop; for root preset open"
    status, found = run_json(capsys, "show", "--policy", etc)
    assert isinstance(found, dict)
    assert set(found) == {"in_force", "files", "same"}
    assert set(found["in_force"]) == {"rules", "unknown"}
    assert set(found["files"]) == {"rules", "errors"}
    assert set(found["files"]["rules"][0]) == {"file", "line", "match", "preset", "settings"}
    assert found["in_force"]["rules"] is found["same"] is None
    assert found["files"]["errors"] == []
    assert [rule["match"] for rule in found["files"]["rules"]] == [
        {"user": ["nobody"], "service": ["cron", "su"]},
        {"user": ["nobody"]},
        {"user": ["root"]},
    ]
    assert found["files"]["rules"][0]["preset"] is None


def test_show_of_broken_files_is_1(etc: Path, capsys: Output) -> None:
    (etc / "policy.toml").write_text("[[rule]]\nscope = 9\n")
    status, lines = run(capsys, "show", "--policy", etc)
    assert status == 1
    assert lines[-2] == "The files, which are wrong:"
    assert lines[-1].startswith(f"{etc}/policy.toml:2: scope = 9")
