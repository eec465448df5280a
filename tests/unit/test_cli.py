"""The command line: usage, exit codes, status."""

import json
import socket
import threading
from pathlib import Path

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


@pytest.mark.parametrize(
    "argv",
    [[], ["run"], ["status"], ["policy", "check"], ["policy", "show"], ["policy", "test"]],
)
def test_help_documents_the_exit_status(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*argv, "--help"])
    assert caught.value.code == 0
    assert "125  the kernel, the service or the policy refused" in capsys.readouterr().out


def test_every_verb_has_a_line_of_help() -> None:
    found = dict(verbs())
    assert {"run", "status"} <= set(found)
    assert [name for name, verb in found.items() if not verb.HELP or "\n" in verb.HELP] == []


def test_status_in_json_has_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json"]) == 1  # no service is running here
    status = json.loads(capsys.readouterr().out)
    assert set(status) == {"enforcers", "kernel_abi", "domain", "ptrace_scope", "service"}
    assert set(status["enforcers"]) == {"yama", "bpf", "landlock"}
    assert all(state["reason"] for state in status["enforcers"].values())


def test_status_for_people_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 1
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


TOO_LARGE = "99999999999"


@pytest.mark.parametrize(
    "argv",
    [
        ["allow-attach", TOO_LARGE],
        ["allow-attach", "1", "--tracer", TOO_LARGE],
        ["debug", "--pid", TOO_LARGE, "--", "gdb"],
        ["explain", TOO_LARGE],
        ["can-attach", TOO_LARGE],
        ["can-attach", "0"],
        ["can-attach", "-1"],
        ["can-attach", "\u0663"],
    ],
)
def test_number_that_no_process_has_is_a_wrong_argument(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    "argv", [["debug", "--", "gdb", "-p", TOO_LARGE], ["explain", "1", "--as", TOO_LARGE]]
)
def test_number_in_another_form_is_refused(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 125
    assert TOO_LARGE in capsys.readouterr().err


def _mute(server: socket.socket) -> None:
    """Take connections and say nothing that a bus says."""
    while True:
        try:
            peer, _ = server.accept()
        except OSError:
            return
        with peer:
            peer.recv(1)
            peer.sendall(b"REJECTED nothing\r\n")


@pytest.mark.parametrize("address", ["", "nonsense", "unix:", "tcp:host=x", "unix:path=/", "mute"])
@pytest.mark.parametrize("argv", [["list"], ["allow-attach", "--list"], ["policy", "show"]])
def test_bus_that_is_none_is_said_so(
    address: str,
    argv: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "bus"))
        server.listen()
        thread = threading.Thread(target=_mute, args=(server,))
        thread.start()
        address = f"unix:path={tmp_path}/bus" if address == "mute" else address
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address or f"unix:path={tmp_path}/none")
        try:
            main([*argv, "--policy", str(tmp_path)] if argv[0] == "policy" else argv)
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
    said = capsys.readouterr()
    assert "the system bus cannot be reached: " in said.err + said.out
