"""What the shells offer at the Tab key, each asked as it is."""

import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.host

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make install` installs, with a command of this checkout."""
    stage = tmp_path_factory.mktemp("stage")
    subprocess.run(
        ["make", "install-data", f"DESTDIR={stage}"], cwd=ROOT, check=True, capture_output=True
    )
    command = stage / "bin/yama-session"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec python3 -m yama_session "$@"\n')
    command.chmod(0o755)
    return stage


def shell(stage: Path, *argv: str) -> list[str]:
    path = f"{stage}/bin:/usr/bin:/bin"
    done = subprocess.run(
        argv,
        env={"PATH": path, "HOME": str(stage), "TERM": "dumb"},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split()


def bash(stage: Path, line: str) -> list[str]:
    file = stage / "usr/share/bash-completion/completions/yama-session"
    words = line.split(" ")
    script = f"""
        source {file}
        COMP_LINE={line!r} COMP_POINT={len(line)} COMP_TYPE=9
        COMP_WORDS=({line}) COMP_CWORD={len(words) - 1}
        _python_argcomplete yama-session
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return shell(stage, "bash", "-c", script)


def fish(stage: Path, line: str) -> list[str]:
    file = stage / "usr/share/fish/vendor_completions.d/yama-session.fish"
    out = shell(stage, "fish", "--no-config", "-c", f"source {file}; complete -C {line!r}")
    return [word for word in out if word]


@pytest.mark.parametrize("ask", [bash, fish])
def test_verbs_and_options_are_offered(ask: object, stage: Path) -> None:
    assert callable(ask)
    assert {"policy", "pilot"} <= set(ask(stage, "yama-session p"))
    assert "--dry-run" in ask(stage, "yama-session off --d")
    assert "landlock" in ask(stage, "yama-session run --enforcer l")


@pytest.mark.parametrize("ask", [bash, fish])
def test_processes_and_users_are_offered(ask: object, stage: Path) -> None:
    assert callable(ask)
    assert str(os.getpid()) in ask(stage, f"yama-session explain {str(os.getpid())[:-1]}")
    assert "root" in ask(stage, "yama-session policy test ro")
    assert "root" in ask(stage, "yama-session explain 1 --as ro")


def wait_for(terminal: int, text: bytes) -> None:
    """Read what a terminal shows until a text is among it."""
    seen, end = b"", time.monotonic() + 30
    while text not in seen:
        assert time.monotonic() < end, seen
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 4096)


def test_zsh_completes_a_verb(stage: Path) -> None:
    functions = stage / "usr/share/zsh/vendor-completions"
    script = f"fpath=({functions} $fpath); autoload -Uz compinit; compinit -u -D; print 're'ady\n"
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {"PATH": f"{stage}/bin:/usr/bin:/bin", "HOME": str(stage), "TERM": "dumb"}
        os.execvpe("zsh", ["zsh", "-f", "-i"], environment)
    try:
        os.write(terminal, script.encode())
        wait_for(terminal, b"ready")
        os.write(terminal, b"yama-session expl\t")
        wait_for(terminal, b"yama-session explain")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
