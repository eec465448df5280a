"""The bus interface of the real service: properties, signals, errors, polkit."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from service_bench import LIMIT, POLICY, PYTHON, ROOT, ServiceBench, service_bench, wait_for

from yama_session import __version__, supported
from yama_session.service import actions
from yama_session.service.subscribers import PER_USER

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("as_root")]

NOBODY = 65534
MANAGER = "org.yama.Session1.Manager"
PROPERTIES = "org.freedesktop.DBus.Properties"


@pytest.fixture
def service() -> Iterator[ServiceBench]:
    with service_bench() as bench:
        bench.start()
        yield bench


class Script:
    """A script of the tests on the bench's bus, which prints JSON lines."""

    def __init__(self, bench: ServiceBench, name: str, *args: str, uid: int = 0) -> None:
        self.process = subprocess.Popen(
            [PYTHON, str(ROOT / "tests/host" / name), *args],
            bufsize=0,  # a line in a buffer is none for select
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=bench.environ,
            user=uid,
            cwd="/",
        )

    def fileno(self) -> int:
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def line(self) -> Any:
        assert self.process.stdout is not None
        assert select.select([self], [], [], LIMIT)[0], "it says nothing"
        return json.loads(self.process.stdout.readline())

    def poke(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def script(bench: ServiceBench, name: str, *args: str, uid: int = 0) -> Iterator[Script]:
    made = Script(bench, name, *args, uid=uid)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def listener(bench: ServiceBench, uid: int = 0) -> Iterator[Script]:
    with script(bench, "service_listener.py", uid=uid) as made:
        assert made.line() is True
        yield made


@contextmanager
def authority(bench: ServiceBench, answer: str) -> Iterator[Script]:
    with script(bench, "service_authority.py", answer) as made:
        assert made.line() == "ready"
        yield made


def busctl(bench: ServiceBench, *args: str, uid: int = 0) -> subprocess.CompletedProcess[str]:
    command = ["busctl", f"--address=unix:path={bench.directory}/bus", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, user=uid)


def command(bench: ServiceBench, *argv: str, uid: int = 0) -> subprocess.CompletedProcess[str]:
    """Run ``yama-session`` on the bench's bus."""
    code = "import sys; from yama_session.cli import main; sys.exit(main())"
    return subprocess.run(
        [PYTHON, "-c", code, *argv],
        env=bench.environ,
        capture_output=True,
        text=True,
        cwd="/",
        timeout=LIMIT,
        user=uid,
    )


def properties(bench: ServiceBench, uid: int) -> dict[str, Any]:
    done = bench.ask("GetAll", "s", MANAGER, interface=PROPERTIES, uid=uid)
    assert done.returncode == 0, done.stderr
    return {key: value["data"] for key, value in json.loads(done.stdout)["data"][0].items()}


def test_properties_are_told_to_everyone_and_count_what_is_theirs(service: ServiceBench) -> None:
    with service.login(), service.login("nobody", NOBODY):
        root, nobody, other = (properties(service, uid) for uid in (0, NOBODY, 1))
    assert [item["NSessions"] for item in (root, nobody, other)] == [2, 1, 0]
    assert root["Version"] == __version__
    assert root["PolicyState"] == "loaded"
    assert set(root["Enforcers"]) == {"yama", "bpf", "landlock"}
    assert {**root, "NSessions": 1} == nobody


def test_busctl_shows_the_interface_to_everyone(service: ServiceBench) -> None:
    names = ["org.yama.Session1", "/org/yama/Session1"]
    shown = busctl(service, "introspect", *names, uid=NOBODY)
    assert shown.returncode == 0, shown.stderr
    lines = {words[0]: words[1:] for words in map(str.split, shown.stdout.splitlines()) if words}
    assert lines[".PolicyState"] == ["property", "s", '"loaded"', "emits-change"]
    assert lines[".Version"][3] == "const"
    assert lines[".AllowAttach"][:3] == ["method", "hhu", "s"]
    assert lines[".SessionNew"][:2] == ["signal", "sa{sv}"]
    tree = busctl(service, "--list", "tree", names[0], uid=NOBODY)
    assert tree.stdout.split()[-1] == names[1]
    got = busctl(service, "get-property", *names, MANAGER, "NSessions", uid=NOBODY)
    assert got.stdout == "u 0\n"


@pytest.mark.parametrize(
    ("args", "error", "words"),
    [
        (("Get", "ss", MANAGER, "Colour"), "UnknownProperty", "'Colour'"),
        (("Get", "ss", "org.example", "Version"), "UnknownInterface", "'org.example'"),
        (("GetAll", "s", "org.example"), "UnknownInterface", "'org.example'"),
        (("Set", "ssv", MANAGER, "Version", "s", "0"), "PropertyReadOnly", "Version"),
        (("Set", "ssv", MANAGER, "Colour", "s", "0"), "UnknownProperty", "'Colour'"),
        (("Forget",), "UnknownMethod", "Forget"),
    ],
)
def test_property_that_is_none_is_named(
    service: ServiceBench, args: tuple[str, ...], error: str, words: str
) -> None:
    with script(service, "service_call.py", PROPERTIES, *args, uid=NOBODY) as call:
        name, text = call.line()
    assert name == f"org.freedesktop.DBus.Error.{error}"
    assert words in text


def test_every_path_answers_as_an_object_does(service: ServiceBench) -> None:
    peer = "org.freedesktop.DBus.Peer"
    told = json.loads(service.ask("GetMachineId", interface=peer, uid=NOBODY).stdout)["data"]
    assert told == [Path("/etc/machine-id").read_text().strip()]
    assert service.ask("Ping", interface=peer, uid=NOBODY).returncode == 0
    elsewhere = busctl(service, "call", "org.yama.Session1", "/elsewhere", MANAGER, "Status")
    assert "there is no object /elsewhere" in elsewhere.stderr
    assert "there is no org.yama.Session1.Manager.Fly" in service.ask("Fly").stderr


def test_subscriber_is_told_of_what_is_theirs_only(service: ServiceBench) -> None:
    with listener(service) as root, listener(service, NOBODY) as nobody:
        with service.login() as alice, service.login("nobody", NOBODY) as own:
            ids = [alice["body"][0], own["body"][0]]
            told = [root.line() for _ in ids]
            assert [line[:2] for line in told] == [["SessionNew", id_] for id_ in ids]
            assert [line[2] for line in told] == service.sessions()
            first = nobody.line()
            assert first == told[1]
        assert sorted(root.line() for _ in ids) == sorted(["SessionRemoved", id_] for id_ in ids)
        # Had it been told of the other's, that had come before.
        assert nobody.line() == ["SessionRemoved", ids[1]]


def test_subscriber_is_told_when_the_policy_changes(service: ServiceBench) -> None:
    with listener(service, NOBODY) as nobody:
        service.set_policy("[[rule]]\nscope = 9\n")
        service.ask("Reload")
        name, interface, changed, invalidated = nobody.line()
        assert (name, interface, invalidated) == ("PropertiesChanged", MANAGER, [])
        assert changed["PolicyState"] == "last-good"
        assert ":2: scope = 9" in changed["PolicyErrors"][0]
        assert set(changed) == {"PolicyState", "PolicyErrors"}
        service.set_policy(POLICY)
        service.ask("Reload")
        assert nobody.line()[2] == {"PolicyState": "loaded", "PolicyErrors": []}


def test_who_unsubscribes_is_told_no_more(service: ServiceBench) -> None:
    with listener(service) as root, listener(service) as other:
        root.poke()
        assert root.line() is True
        with service.login() as reply:
            assert other.line()[:2] == ["SessionNew", reply["body"][0]]
        root.poke()  # again is no error, and its answer comes after what was sent before
        assert root.line() is True


def test_subscribers_are_limited_and_dropped_when_they_end(service: ServiceBench) -> None:
    with ExitStack() as stack:
        for _ in range(PER_USER - 1):
            stack.enter_context(listener(service, NOBODY))
        last = Script(service, "service_listener.py", uid=NOBODY)
        assert last.line() is True
        with script(service, "service_listener.py", uid=NOBODY) as refused:
            assert refused.line() == "org.yama.Session1.Error.LimitExceeded"
        stack.enter_context(listener(service))
        last.close()

        def subscribes() -> bool:
            with script(service, "service_listener.py", uid=NOBODY) as again:
                return again.line() is True

        wait_for(subscribes, "a subscriber that has ended still counts")


@pytest.mark.parametrize("member", ["Reload", "ListAllSessions"])
def test_without_polkit_nobody_is_an_administrator_but_root(
    service: ServiceBench, member: str
) -> None:
    refused = service.ask(member, uid=NOBODY)
    assert refused.returncode != 0
    assert "polkit cannot be asked" in refused.stderr
    assert service.ask(member).returncode == 0


def test_polkit_decides_who_may_reload(service: ServiceBench) -> None:
    service.set_policy("[[rule]]\npreset = 'open'\n")
    with authority(service, "no") as polkit:
        assert "not authorized" in service.ask("Reload", uid=NOBODY).stderr
        _, subject, action, details, flags, _ = polkit.line()
        assert subject[0] == "system-bus-name"
        assert subject[1]["name"].startswith(":")
        assert (action, details, flags) == ("org.yama.session1.reload", {}, 1)
    with service.login() as reply:
        assert reply["body"][2] == "landlock"
    with authority(service, "yes"):
        assert service.ask("Reload", uid=NOBODY).returncode == 0
    with service.login() as reply:
        assert reply["body"][2] == ""


def test_polkit_decides_who_sees_all_sessions(service: ServiceBench) -> None:
    with service.login() as alice, authority(service, "yes"):
        done = service.ask("ListAllSessions", uid=NOBODY)
        (session,) = json.loads(done.stdout)["data"][0]
        assert session["id"]["data"] == alice["body"][0]
        assert service.sessions(NOBODY) == []
        listed = command(service, "list", "--all", uid=NOBODY)
        assert listed.stdout.splitlines()[1].split()[:2] == [alice["body"][0], "alice"]


def test_who_could_prove_themselves_is_told_so(service: ServiceBench) -> None:
    with (
        authority(service, "challenge"),
        script(service, "service_call.py", MANAGER, "Reload", uid=NOBODY) as call,
    ):
        name, text = call.line()
    assert name == "org.yama.Session1.Error.AuthenticationRequired"
    assert "org.yama.session1.reload" in text


def test_polkit_that_hangs_holds_up_nobody_else() -> None:
    with service_bench() as service, ExitStack() as stack:
        service.start("--polkit-limit", "4")
        polkit = stack.enter_context(authority(service, "hang"))
        waiting = [
            stack.enter_context(script(service, "service_call.py", MANAGER, "Reload", uid=NOBODY))
            for _ in range(5)
        ]
        (refused,), _, _ = select.select(waiting, [], [], LIMIT)
        assert refused.line()[0] == "org.yama.Session1.Error.LimitExceeded"
        waiting.remove(refused)
        with service.login("nobody", NOBODY) as reply:
            assert reply["error"] is None
        assert service.sessions(NOBODY) == []
        assert select.select(waiting, [], [], 0)[0] == [], "polkit's limit was waited for"
        # Another user has places of their own.
        waiting.append(
            stack.enter_context(script(service, "service_call.py", MANAGER, "Reload", uid=1))
        )
        for call in waiting:
            name, text = call.line()
            assert name == "org.yama.Session1.Error.AccessDenied"
            assert "polkit did not answer within 4 s" in text
        told = [polkit.line() for _ in range(10)]
        asked, cancelled = (
            {line[-1] for line in told if line[0] == f"{word}CheckAuthorization"}
            for word in ("", "Cancel")
        )
        assert len(asked) == 5
        assert asked == cancelled


def test_kernel_without_grants_says_so(service: ServiceBench) -> None:
    assert not supported(), "a kernel with grants is for the guests"
    done = command(service, "allow-attach", str(os.getpid()))
    assert done.returncode == 125
    assert "it needs the enforcer yama, which this kernel does not have" in done.stderr
    assert service.ask("ListGrants", uid=NOBODY).stdout == '{"type":"aa{sv}","data":[[]]}\n'
    assert "there is no grant 'x'" in service.ask("RevokeAttach", "s", "x", uid=NOBODY).stderr


def test_call_without_its_descriptors_is_refused(service: ServiceBench) -> None:
    with script(service, "service_call.py", MANAGER, "AllowAttach", uid=NOBODY) as call:
        assert call.line() == [
            "org.yama.Session1.Error.InvalidArgument",
            "AllowAttach takes 'hhu', not ''",
        ]


def test_actions_are_those_of_the_polkit_file() -> None:
    text = (ROOT / "data/org.yama.session1.policy").read_text()
    assert set(re.findall(r'action id="(.*?)"', text)) == {
        value for name, value in vars(actions).items() if name.isupper()
    }
