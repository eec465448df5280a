"""The command line: usage, exit codes, status."""

import json

import pytest

from yama_session import __version__
from yama_session.cli import main, make_parser, verbs
from yama_session.cli.debug import named

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "VERB"),
        (["fly"], "'fly'"),
        (["run"], "CMD"),
        (["run", "--scope", "9", "true"], "'9' is not a scope: choose from 0 (classic)"),
        (["run", "--view", "half", "true"], "'half' is not a view: choose from all, user, domain"),
        (["run", "--enforcer", "smack", "true"], "'smack'"),
        (["status", "--yaml"], "--yaml"),
    ],
)
def test_a_usage_error_names_the_value_and_exits_2(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    output = capsys.readouterr()
    assert caught.value.code == 2
    assert output.out == ""
    assert words in output.err
    assert "--help" in output.err
    assert "usage:" not in output.err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert (caught.value.code, capsys.readouterr().out) == (0, f"yama-session {__version__}\n")


@pytest.mark.parametrize("argv", [["--help"], ["run", "--help"], ["status", "--help"]])
def test_help_documents_the_exit_status(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 0
    assert "125  the kernel, the service or the policy refused" in capsys.readouterr().out


def test_every_verb_has_a_line_of_help() -> None:
    found = dict(verbs())
    assert {"run", "status"} <= set(found)
    assert [name for name, verb in found.items() if not verb.HELP or "\n" in verb.HELP] == []


def test_status_in_json_has_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert set(status) == {"enforcers", "kernel_abi", "domain", "ptrace_scope", "service"}
    assert set(status["enforcers"]) == {"yama", "bpf", "landlock"}
    assert all(state["reason"] for state in status["enforcers"].values())


def test_status_for_people_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("enforcer yama: ")
    assert lines[2].startswith("enforcer landlock: ")
    assert any(line.startswith("service") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "pids"),
    [
        ("-p 12", [12]),
        ("-p12", [12]),
        ("-nx --pid=12 -batch", [12]),
        ("-pid 12", [12]),
        ("-f -p 12 -p 13", [12, 13]),
        ("record -p 12,13", [12, 13]),
        ("--attach 12", [12]),
        ("prog 12", []),
        ("-p prog", []),
        ("--args prog -p 12", []),
        ("-- -p 12", []),
    ],
)
def test_debug_finds_the_process_in_the_debugger_s_arguments(
    arguments: str, pids: list[int]
) -> None:
    assert pids == list(named(arguments.split()))


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200)])
def test_time_of_a_permission(text: str, seconds: int) -> None:
    assert make_parser().parse_args(["allow-attach", "--for", text, "1"]).seconds == seconds


@pytest.mark.parametrize(
    "argv",
    [
        ["allow-attach"],
        ["allow-attach", "1", "--list"],
        ["allow-attach", "--for", "0", "1"],
        ["allow-attach", "--for", "1d", "1"],
        ["debug"],
    ],
)
def test_permission_without_sense_is_a_usage_error(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
