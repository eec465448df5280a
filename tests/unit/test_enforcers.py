"""The honours table, and what follows from it."""

import os
from dataclasses import dataclass, replace
from typing import Any

import pytest

from yama_session import EnforcerError, Group, Proc, Scope, View
from yama_session.enforcers import (
    ENFORCERS,
    HONOURS,
    Availability,
    BpfEnforcer,
    Honour,
    LandlockEnforcer,
    State,
    by_name,
    honours_markdown,
    shortfalls,
)

pytestmark = pytest.mark.unit


@dataclass(frozen=True)
class Settings:
    scope: Scope = Scope.CLASSIC
    view: View = View.DOMAIN
    group: Group = Group.SESSION
    proc: Proc = Proc.PRIVATE
    override: bool = False


class PresentLandlock(LandlockEnforcer):
    """Landlock on any machine, so that only the table decides."""

    def available(self) -> Availability:
        return Availability(State.AVAILABLE, "for the test")


def test_every_row_answers_for_every_enforcer() -> None:
    names = {enforcer.name for enforcer in ENFORCERS}
    assert [row.word for row in HONOURS if set(row.cells) != names] == []


def test_every_word_of_the_levels_has_a_row() -> None:
    expected = {f"scope={level.word}" for level in Scope}
    expected |= {f"view={level.word}" for level in View}
    expected |= {f"group={group.value}" for group in Group}
    expected |= {f"proc={proc.value}" for proc in Proc}
    assert {row.word for row in HONOURS if row.asked} == expected | {"override"}


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("view", View)
@pytest.mark.parametrize("group", Group)
@pytest.mark.parametrize("proc", Proc)
def test_each_setting_asks_for_exactly_its_own_rows(
    scope: Scope, view: View, group: Group, proc: Proc
) -> None:
    settings = Settings(scope, view, group, proc)
    expected = [f"scope={scope.word}", f"view={view.word}"]
    expected += [f"group={group.value}", f"proc={proc.value}"]
    assert [row.word for row in HONOURS if row.asked and row.asked(settings)] == expected


@pytest.mark.parametrize(
    ("change", "honour", "words"),
    [
        ({}, None, ""),
        ({"scope": Scope.RELATIONAL}, Honour.PARTLY, "scope=relational"),
        ({"scope": Scope.NO_ATTACH}, Honour.PARTLY, "scope=no-attach"),
        ({"override": True}, Honour.PARTLY, "override"),
        ({"proc": Proc.HOST}, Honour.PARTLY, "proc=host"),
        ({"view": View.ALL}, Honour.NO, "view=all"),
        ({"view": View.USER}, Honour.NO, r"view=user \(.* own processes .*: use view=domain\)"),
        ({"view": View.INFERIORS}, Honour.NO, "view=inferiors"),
        ({"group": Group.USER}, Honour.NO, "group=user"),
    ],
)
def test_what_landlock_honours(change: dict[str, Any], honour: Honour | None, words: str) -> None:
    settings = replace(Settings(), **change)
    found = shortfalls("landlock", settings)
    assert [item.cell.honour for item in found] == ([honour] if honour else [])
    landlock = PresentLandlock()
    for named in (False, True):
        if honour is Honour.NO or (honour and not named):
            with pytest.raises(EnforcerError, match=f"landlock .* {words}"):
                landlock.require(settings, named=named)
        else:
            landlock.require(settings, named=named)
    assert shortfalls("yama", settings) == ()


@pytest.mark.parametrize(
    ("change", "honour"),
    [
        ({}, None),
        ({"scope": Scope.NO_ATTACH}, None),
        ({"view": View.ALL}, None),
        ({"view": View.USER}, None),
        ({"view": View.INFERIORS}, None),
        ({"group": Group.USER}, None),
        ({"proc": Proc.HOST}, Honour.PARTLY),
        ({"override": True}, Honour.NO),
    ],
)
def test_what_bpf_honours(change: dict[str, Any], honour: Honour | None) -> None:
    found = shortfalls("bpf", replace(Settings(), **change))
    assert [item.cell.honour for item in found] == ([honour] if honour else [])


def test_bpf_without_its_programs_makes_no_domain() -> None:
    bpf = BpfEnforcer()
    with pytest.raises(EnforcerError, match="session service"):
        bpf.token(Settings())
    with pytest.raises(EnforcerError, match="session service"):
        bpf.domain_of(os.getpid())
    with pytest.raises(EnforcerError, match="sysctl"):
        bpf.token(Settings(override=True))


def test_bpf_is_not_used_by_a_process_that_refuses_it() -> None:
    bpf = BpfEnforcer()
    bpf.refuse("the self test failed")
    assert bpf.available() == Availability(State.DISABLED, "the self test failed")


def test_the_worst_shortfall_comes_first() -> None:
    found = shortfalls("landlock", Settings(Scope.CAPABILITY, View.DOMAIN, Group.USER))
    assert [item.word for item in found] == ["group=user", "scope=capability"]


def test_an_accepted_word_covers_no_other() -> None:
    settings = Settings(scope=Scope.CAPABILITY, proc=Proc.HOST)
    with pytest.raises(EnforcerError, match="scope=capability") as caught:
        PresentLandlock().require(settings, accept=("proc=host",))
    assert "proc=host" not in str(caught.value)


def test_an_unknown_enforcer_is_named_with_the_choices() -> None:
    with pytest.raises(EnforcerError, match="no enforcer 'smack': choose from yama, bpf, landlock"):
        by_name("smack")


def test_the_documented_table_has_a_line_for_each_row() -> None:
    lines = honours_markdown().splitlines()
    assert len(lines) == len(HONOURS) + 2
    group = next(line for line in lines if line.startswith("| `group=user` |"))
    assert group.startswith("| `group=user` | yes | yes | no: a process cannot join a Landlock")
