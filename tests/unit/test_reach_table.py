"""The cases in which a guest compares the rules with its kernel are all there."""

import re
import sys
from pathlib import Path

import pytest

from yama_session.enforcers import HONOURS
from yama_session.enforcers._honours import Honour

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/vm/guest"))

import reach_table  # noqa: E402

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("enforcer", "domains"), [("yama", 1), ("bpf", 0)])
def test_there_are_as_many_as_the_formulas_say(enforcer: str, domains: int) -> None:
    formulas = reach_table.counts(enforcer, domains)
    found = {
        table.name: sum(len(scene.cases) for scene in table.scenes())
        for table in reach_table.tables(enforcer, domains)
    }
    assert found == formulas


def test_every_identity_is_the_program_s() -> None:
    text = (ROOT / "tests/vm/guest/scenes.c").read_text(encoding="utf-8")
    names = set(re.findall(r"^\t\{ '(\w)', \{", text, re.MULTILINE))
    assert names | {"."} == set(reach_table.IDENTITIES)


def test_each_difference_of_the_programs_is_documented() -> None:
    rows = {row.word for row in HONOURS if row.cells["bpf"].honour is not Honour.YES}
    rows |= {row.word for row in HONOURS if row.cells["bpf"].note}
    limits = " ".join((ROOT / "docs/bpf.md").read_text(encoding="utf-8").split())
    for deviation in reach_table.Deviation:
        assert deviation.value in rows or deviation.value in limits
