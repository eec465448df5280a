"""A new service goes on with what one of the release before has left, file by file."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from service_bench import ServiceBench, service_bench

from yama_session.service import leader

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("as_root")]

LEFT = Path(__file__).with_name("release-0.1")


@pytest.fixture
def bench() -> Iterator[ServiceBench]:
    with service_bench() as made:
        for kind in ("sessions", "grants"):
            (made.run / kind).mkdir(mode=0o700, parents=True)
        for name in ("policy", "floor", "exempt"):
            shutil.copy(LEFT / name, made.run)
        yield made


@pytest.fixture
def process() -> Iterator[int]:
    with subprocess.Popen(["sleep", "infinity"]) as made:
        yield made.pid
        made.kill()


def record(file: str, **changes: object) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((LEFT / file).read_text())
    assert changes.keys() <= document.keys()
    return {**document, **changes}


def test_sessions_and_policy_go_on(bench: ServiceBench, process: int) -> None:
    session = record("session.json", pid=process, start=leader.start_time(process))
    (bench.run / "sessions" / f"{session['id']}.json").write_text(json.dumps(session))
    bench.set_policy("[[rule]]\nscope = 9\n")  # so that what was in force counts
    state = bench.directory / "state"
    bench.start("--state", str(state))
    (found,) = bench.sessions()
    del session["version"]
    assert found == {**session, "would": ""}
    with bench.login() as alice, bench.login("bob", 1001) as bob:
        assert (alice["body"][2], bob["body"][2]) == ("landlock", "")
        sources = {s["user"]: s["source"] for s in bench.sessions()}
    assert sources["bob"] == "/etc/yama-session/policy.toml:2"
    # What the fallback reads is written anew, where the new module looks first.
    assert (state / "exempt").exists()
    assert (state / "floor").read_text().startswith("yama-session floor 3\n")


def test_grant_is_not_lost(bench: ServiceBench, process: int) -> None:
    start = leader.start_time(process)
    grant = record(
        "grant.json", tracee=process, tracee_start=start, tracer=process, tracer_start=start
    )
    file = bench.run / "grants" / f"{grant['id']}.json"
    file.write_text(json.dumps(grant))
    bench.start()
    done = bench.ask("ListGrants")
    (listed,) = json.loads(done.stdout)["data"][0]
    assert listed["id"]["data"] == grant["id"]
    assert file.exists()
