"""``yama-session run`` on the running kernel, which has Landlock and no domains."""

import os
import subprocess

import pytest
from conftest import NOBODY, PYTHON, ROOT

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("as_root")]


def run(*args: object, uid: int = 0) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [PYTHON, "-m", "yama_session", "run", *map(str, args)],
        capture_output=True,
        text=True,
        user=uid,
        group=uid,
        extra_groups=(),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd="/",
        timeout=60,
    )


# Root makes the procfs itself; another user needs the service or a pid namespace.
MODES = [
    pytest.param((), 0, id="root"),
    pytest.param(("--pid-namespace",), 0, id="root-pidns"),
    pytest.param(("--pid-namespace",), NOBODY, id="nobody-pidns"),
]


@pytest.mark.parametrize(("options", "uid"), MODES)
@pytest.mark.parametrize(
    "escape",
    [
        "umount /proc",
        "umount -l /proc",
        "unshare -m true",
        "unshare -Urm umount /proc",
        "unshare -Urm umount -l /proc",
        "chroot /",
        "setpriv --reuid 1 true",
        "setpriv --inh-caps +sys_admin --ambient-caps +sys_admin umount /proc",
    ],
)
def test_no_way_out(options: tuple[str, ...], uid: int, escape: str) -> None:
    done = run(*options, "--", "sh", "-c", f"{escape} && echo escaped", uid=uid)
    assert done.stdout == ""
    assert done.returncode != 0


@pytest.mark.parametrize(("options", "uid"), MODES)
def test_the_command_sees_only_itself(options: tuple[str, ...], uid: int, stranger: int) -> None:
    done = run(*options, "--", "sh", "-c", "echo $$ /proc/[0-9]*", uid=uid)
    shell, *listing = done.stdout.split()
    assert listing == [f"/proc/{shell}"]


@pytest.mark.parametrize(("options", "uid"), MODES)
def test_no_capability_and_no_new_privileges_are_left(options: tuple[str, ...], uid: int) -> None:
    done = run(*options, "--", "grep", "-E", "^(Cap|NoNewPrivs)", "/proc/self/status", uid=uid)
    found = dict(line.split(":\t") for line in done.stdout.splitlines())
    none = "0" * 16
    expected = dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), none)
    assert found == expected | {"NoNewPrivs": "1"}


@pytest.mark.parametrize(("options", "uid"), MODES)
def test_the_command_stays_who_it_was(options: tuple[str, ...], uid: int) -> None:
    assert run(*options, "--", "id", "-u", uid=uid).stdout == f"{uid}\n"


@pytest.mark.parametrize(("options", "uid"), MODES)
@pytest.mark.parametrize(
    ("status", "command"),
    [
        (0, ("true",)),
        (7, ("sh", "-c", "exit 7")),
        (126, ("/etc/passwd",)),
        (127, ("/nonexistent",)),
    ],
)
def test_exit_status(
    options: tuple[str, ...], uid: int, status: int, command: tuple[str, ...]
) -> None:
    assert run(*options, "--", *command, uid=uid).returncode == status


def test_a_signal_is_reported_by_the_pid_namespace_as_a_shell_does() -> None:
    assert run("--pid-namespace", "--", "sh", "-c", "kill -TERM $$").returncode == 128 + 15


def test_orphans_end_with_the_pid_namespace() -> None:
    done = run("--quiet", "--pid-namespace", "--", "sh", "-c", "sleep 300 & echo done")
    assert (done.stdout, done.stderr) == ("done\n", "")  # the pipe closes only with the orphan


def test_it_says_which_enforcer_it_used() -> None:
    done = run("--", "true")
    assert done.stderr == "yama-session: enforcer landlock, view=domain, proc=private\n"
    assert run("--quiet", "--", "true").stderr == ""


def test_kill_does_not_reach_outside_even_with_the_host_proc(stranger: int) -> None:
    done = run("--no-proc", "--", "kill", "-0", stranger, uid=NOBODY)
    assert done.returncode == 1
    assert "proc=host" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--scope", "2"), "landlock honours only in part scope=capability"),
        (("--view", "user"), "landlock cannot honour view=user"),
        (("--view", "inferiors"), "landlock cannot honour view=inferiors"),
        (("--view", "all"), "landlock cannot honour view=all"),
        (("--override",), "landlock honours only in part override"),
        (("--enforcer", "yama"), "cannot use the enforcer yama: not built"),
        (("--no-proc", "--pid-namespace"), "exclude each other"),
    ],
)
def test_what_cannot_be_honoured_is_refused(options: tuple[str, ...], words: str) -> None:
    done = run(*options, "--", "echo", "ran")
    assert (done.returncode, done.stdout) == (125, "")
    assert words in done.stderr
