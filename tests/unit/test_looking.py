"""What the looking commands print: tables, colours, JSON as documented."""

import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from yama_session import ServiceError
from yama_session.cli import main
from yama_session.cli._table import Colour, coloured, printable, table, width, wrapped
from yama_session.cli.list import Drawing, EventLines, sessions_table
from yama_session.doctor.processes import account_range
from yama_session.levels import View

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/json.md").read_text(encoding="utf-8")


def schema() -> Any:
    """The module with which the guests compare documents, too."""
    file = ROOT / "tests/vm/guest/schema.py"
    spec = importlib.util.spec_from_file_location("schema", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["schema"] = module
    spec.loader.exec_module(module)
    return module


SCHEMA = schema()

#: As the service tells it.
SESSION = {
    "id": "3",
    "uid": 1000,
    "user": "alice",
    "service": "sshd",
    "tty": "ssh",
    "rhost": "",
    "pid": 77,
    "start": 5,
    "since": 1.5,
    "action": "open",
    "parent": "",
    "enforcer": "yama",
    "scope": 1,
    "view": View.DOMAIN,
    "proc": "private",
    "group": "user",
    "domain": 9,
    "source": "policy.toml:3",
    "would": "",
}


def wrong(verb: str, document: object) -> list[str]:
    return list(SCHEMA.violations(SCHEMA.section(PAGE, verb), document))


@pytest.mark.parametrize(
    "argv",
    [
        ["status"],
        ["can-attach", "1"],
        ["can-attach", "4194303"],
        ["explain", str(os.getpid())],
        ["explain", str(os.getppid())],
        ["explain", "1", "--as", str(os.getpid())],
        ["audit"],
    ],
    ids=" ".join,
)
def test_json_is_as_documented(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main([*argv, "--json"])
    assert wrong(argv[0], json.loads(capsys.readouterr().out)) == []


POLICY = """
[[rule]]
match = { group = "wheel", remote = true }
preset = "open"
group = "session"

[[rule]]
preset = "kiosk"
override = true
"""


@pytest.mark.parametrize("text", [POLICY, "[[rule]]\nscope = 9\n", ""])
@pytest.mark.parametrize("what", ["check", "show", "test"])
def test_json_of_policy_is_as_documented(
    what: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "policy.toml").write_text(text)
    where = {"check": [str(tmp_path)], "show": ["--policy", str(tmp_path)]}
    argv = where.get(what, ["root", "--policy", str(tmp_path)])
    main(["policy", what, *argv, "--json"])
    assert wrong(f"policy {what}", json.loads(capsys.readouterr().out)) == []


def test_a_document_that_differs_is_found() -> None:
    printed = {**SESSION, "scope": "relational", "view": "domain", "domain": "9"}
    assert wrong("list", [printed]) == []
    assert wrong("list", [{**printed, "more": 1}]) == ["[].more is not documented"]
    assert wrong("list", [{**printed, "uid": "x"}]) == ["[].uid is 'x', not integer"]
    assert wrong("list", [{**printed, "uid": True}]) == ["[].uid is True, not integer"]
    lacking = {key: value for key, value in printed.items() if key != "tty"}
    assert wrong("list", [lacking]) == ["[].tty is missing"]


def test_can_attach_is_quiet_but_for_a_reason_on_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["can-attach", str(os.getpid())]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == (
        f"yama-session: cannot attach to {os.getpid()}: no process traces itself\n"
    )
    assert main(["can-attach", "4194303"]) == 1
    assert "or it is hidden" in capsys.readouterr().err


def test_explain_of_nobody_says_that_hidden_looks_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["explain", "4194303"]) == 125
    assert "there is no process 4194303, or it is hidden" in capsys.readouterr().err


def test_events_tell_what_changed_and_only_once() -> None:
    report = EventLines()
    other = {**SESSION, "id": "4"}

    def update(now: Any) -> list[Any]:
        lines = [json.loads(line) for line in report.update(now)]
        assert [wrong("list --watch", line) for line in lines] == [[]] * len(lines)
        words = {line["session"]["view"] for line in lines if "session" in line}
        assert words <= {"domain", "inferiors"}
        return [(line["event"], line.get("session", {}).get("id")) for line in lines]

    assert update([SESSION]) == [("new", "3")]
    assert update([SESSION]) == []
    assert update([SESSION, other]) == [("new", "4")]
    assert update([{**SESSION, "view": View.INFERIORS}, other]) == [("changed", "3")]
    assert update(ServiceError("gone")) == [("unreachable", None)]
    assert update(ServiceError("gone")) == []
    assert update([other]) == [("removed", "3")]


def test_a_list_is_drawn_again_only_if_it_has_changed() -> None:
    drawing = Drawing()
    assert list(drawing.update([SESSION])) == [sessions_table([SESSION])]
    assert list(drawing.update([SESSION])) == []
    assert list(drawing.update(ServiceError("it is away"))) == ["it is away"]


def test_no_session_s_text_moves_the_cursor() -> None:
    text = sessions_table([{**SESSION, "rhost": "\x1b[2J\n\u202e"}])
    assert len(text.splitlines()) == 2
    assert "\x1b" not in text
    assert "?[2J??" in text


def terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert coloured("x", Colour.BAD) == "x"
    terminal(monkeypatch, 80)
    assert coloured("x", Colour.BAD) == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured("x", Colour.BAD) == "x"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert coloured("x", Colour.BAD) == "x"


def test_a_table_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["1", "a" * 60, "b" * 40], ["22", "short", ""]]
    assert max(map(len, table(["ID", "A", "B"], rows).splitlines())) == 2 + 2 + 60 + 2 + 40
    terminal(monkeypatch, 50)
    monkeypatch.setenv("NO_COLOR", "1")
    lines = table(["ID", "A", "B"], rows).splitlines()
    assert max(map(width, lines)) <= 50
    # Nothing is cut: it goes on in the next line.
    assert "".join(lines).count("a") == 60
    assert "".join(lines).count("b") == 40
    assert lines[-1].split() == ["22", "short", "-"]


def test_a_table_that_cannot_fit_has_a_line_for_each_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch, 60)
    monkeypatch.setenv("NO_COLOR", "1")
    text = sessions_table([{**SESSION, "id": "0123abcd", "rhost": "2001:db8::1234:5678"}])
    assert max(map(width, text.splitlines())) <= 60
    assert "ID        0123abcd" in text
    assert "RHOST     2001:db8::1234:5678" in text
    assert text.count("\n") == 10


def test_a_text_goes_on_in_the_next_line_and_is_cut_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "problem  " + "pam: ".join(["word"] * 20) + " /a/path/" + "x" * 90
    assert wrapped(text, 9) == [text]
    terminal(monkeypatch, 60)
    for colour in (text, text.replace("problem", coloured("problem", Colour.BAD))):
        lines = wrapped(colour, 9)
        plain = [re.sub("\x1b.*?m", "", line) for line in lines]
        assert max(map(len, plain)) <= 60
        assert all(line.startswith(" " * 9) for line in plain[1:])
        assert "".join(plain).replace(" ", "") == text.replace(" ", "")


def test_width_counts_columns_not_characters() -> None:
    assert width("漢字") == 4
    assert width("e\u0301") == 1
    assert printable("a\tb\x07") == "a?b?"


def test_the_range_of_people_s_uids_is_login_defs_s() -> None:
    assert account_range("") == (1000, 60000)
    assert account_range("# UID_MIN 1\nUID_MIN\t\t 500\n UID_MAX 70000\n") == (500, 70000)
