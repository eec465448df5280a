"""Compares what the kernel answers in every case with what the rules say."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from logins import set_sysctl, sh
from reach_table import QUESTIONS, Scene, Table, counts, tables

from yama_session.enforcers.bpf.loader import Programs
from yama_session.procfs import HidePid, Procfs

SHARE = Path("/share")
COUNTED = SHARE / "counted"
SHOWN = 30


class Comparison:
    """The cases of a guest, table by table.

    Args:
        enforcer: `yama` or `bpf`.
        domains: how many domains a scene may have.
        proc: a descriptor of the procfs that is asked; default: the host's.
    """

    def __init__(self, enforcer: str, domains: int, proc: int | None = None) -> None:
        self._tables = {table.name: table for table in tables(enforcer, domains)}
        self._expected = counts(enforcer, domains)
        self._proc = proc
        self._cases = 0

    def compare(self, name: str) -> None:
        """Ask the kernel all cases of a table, and tell all that it answers differently."""
        if name != "no-attach":
            set_sysctl(0)
        table, place = self._tables[name], SHARE / "cases"
        found = SHARE / f"{name}.found"
        with (place / f"{name}.scenes").open("rb") as scenes, found.open("wb") as answers:
            fds = () if self._proc is None else (self._proc,)
            command = [str(SHARE / "scenes"), *(f"/proc/self/fd/{fd}" for fd in fds)]
            done = subprocess.run(command, stdin=scenes, stdout=answers, pass_fds=fds)
        got = found.read_text(encoding="ascii").split("\n")[:-1]
        expected = (place / f"{name}.answers").read_text(encoding="ascii").split("\n")[:-1]
        assert done.returncode == 0, f"{got[-1]} in scene {_nth(table, len(got) - 1).name}"
        assert len(got) == len(expected)
        different = [
            i for i, pair in enumerate(zip(got, expected, strict=True)) if len(set(pair)) > 1
        ]
        rows = list(_explained(table, different, got, expected)) if different else []
        assert not rows, f"{len(rows)} differences in {len(different)} scenes\n" + "\n".join(
            rows[:SHOWN]
        )
        assert sum(map(len, expected)) == self._expected[name]
        self._cases += self._expected[name]
        COUNTED.write_text(f"{self._cases:,} cases, {len(QUESTIONS)} questions each\n")


def _nth(table: Table, number: int) -> Scene:
    return next(scene for i, scene in enumerate(table.scenes()) if i == number)


def _explained(
    table: Table, numbers: list[int], got: list[str], expected: list[str]
) -> Iterator[str]:
    wanted = set(numbers)
    for i, scene in enumerate(table.scenes()):
        if i not in wanted:
            continue
        assert len(got[i]) == len(expected[i]) == len(scene.cases), scene.name
        for case, really, said in zip(scene.cases, got[i], expected[i], strict=True):
            for question, bit in QUESTIONS.items():
                if (int(really, 16) ^ int(said, 16)) & bit:
                    yes = bool(int(really, 16) & bit)
                    yield (
                        f"{scene.name}; sysctl {case.level.value}; {case.about}: "
                        f"{question}: the rules say {not yes}, really {yes}"
                    )


@contextmanager
def bpf_comparison(domains: int) -> Iterator[Comparison]:
    """Compare with nothing but the BPF programs, and a /proc as sessions get it."""
    assert sh("systemctl stop yama-session").status == 0
    Programs.load().unload()
    with Programs.load(), Procfs.new(HidePid.PTRACEABLE) as procfs:
        yield Comparison("bpf", domains, procfs.fileno())
