"""The rules where everything is known: chains of domains, relations, deputies, threads."""

from dataclasses import replace
from typing import Any

import pytest

from yama_session import DomainInfo, Scope, View
from yama_session.reach import Ids, Machine, Pair, Task, Verdict, rules
from yama_session.reach.facts import (
    CAP_SYS_PTRACE,
    EVERYBODY,
    INITIAL_USER_NS,
    MAX_GENERATIONS,
    NOBODY,
    Enclosure,
    Thread,
    Tracer,
    UserNamespace,
)

pytestmark = pytest.mark.unit

YES, NO, UNKNOWN = Verdict
ALL, USER, DOMAIN, INFERIORS = View
INITIAL = UserNamespace(INITIAL_USER_NS)
CONTAINER = UserNamespace(77, 1000, INITIAL)
CAPABLE = 1 << CAP_SYS_PTRACE


def chain(*views: View, user_ns: UserNamespace = INITIAL) -> Enclosure | None:
    """Domains 1, 2 and so on, the first one outermost."""
    domain: Enclosure | None = None
    for number, view in enumerate(views, 1):
        domain = Enclosure(number, view, user_ns, domain)
    return domain


def task(pid: int, domain: Enclosure | None = None, uid: int = 1000, **facts: Any) -> Task:
    info = None
    if domain:
        around = list(domain.outwards())
        strictest = max(one.view for one in around)
        info = DomainInfo(Scope.CLASSIC, strictest, len(around), domain.id, override=False)
    facts = {
        "user_ns": INITIAL,
        "memory_ns": INITIAL,
        "named": NOBODY,
        "granted": NOBODY,
        "thread_domains": frozenset({info.id if info else 0}),
        **facts,
    }
    return Task(
        pid, "x", Ids(*4 * (uid,)), Ids(*4 * (uid,)), domain=info, enclosure=domain, **facts
    )


def verdicts(viewer: Task, target: Task, level: int = 0) -> tuple[Verdict, ...]:
    asked = Pair(viewer, target, Machine(Scope(level), grants=True))
    answers = rules.visible(asked), rules.readable(asked), rules.attachable(asked)
    return tuple(answer.verdict for answer in answers)


def sees(viewer: Task, target: Task) -> bool:
    answer = rules.visible(Pair(viewer, target, Machine(Scope.CLASSIC, grants=True)))
    assert answer.verdict is not UNKNOWN
    return bool(answer)


OTHERS = Enclosure(9, DOMAIN, INITIAL)


@pytest.mark.parametrize(
    ("views", "inside_first", "own_elsewhere", "others_elsewhere"),
    [
        ((ALL, DOMAIN), False, False, False),
        ((DOMAIN, ALL), True, False, False),
        ((DOMAIN, USER), True, False, False),
        ((USER, DOMAIN), False, False, False),
        ((USER, ALL), True, True, False),
        ((ALL, USER), True, True, False),
        ((ALL, ALL), True, True, True),
        ((ALL, INFERIORS), False, False, False),
    ],
)
def test_each_domain_of_a_chain_judges_by_its_own_view(
    views: tuple[View, ...], inside_first: bool, own_elsewhere: bool, others_elsewhere: bool
) -> None:
    viewer = task(1, chain(*views))
    assert sees(viewer, task(2, chain(views[0]))) is inside_first
    assert sees(viewer, task(2)) is own_elsewhere
    assert sees(viewer, task(2, OTHERS, uid=1001)) is others_elsewhere


def test_what_is_nested_is_inside_whatever_is_between() -> None:
    viewer, deep = task(1, chain(DOMAIN)), task(2, chain(DOMAIN, INFERIORS, DOMAIN), uid=0)
    assert sees(viewer, deep)
    assert not sees(deep, viewer)


def test_a_capability_lifts_only_the_domains_of_creators_that_it_is_over() -> None:
    own = Enclosure(2, DOMAIN, CONTAINER, chain(ALL))
    inside: dict[str, Any] = {"user_ns": CONTAINER, "effective": CAPABLE, "permitted": CAPABLE}
    assert sees(task(1, own, **inside), task(2))
    assert not sees(task(1, own, user_ns=CONTAINER), task(2))
    of_the_machine = Enclosure(2, ALL, CONTAINER, chain(DOMAIN))
    assert not sees(task(1, of_the_machine, **inside), task(2))
    assert sees(task(1, chain(DOMAIN, DOMAIN), effective=CAPABLE), task(2))


def test_a_deputy_finds_no_more_than_who_runs_it_but_init_and_kthreadd() -> None:
    deputy = replace(
        task(5, chain(DOMAIN), effective=CAPABLE, permitted=CAPABLE), uid=Ids(1000, 0, 0, 0)
    )
    assert verdicts(deputy, task(6)) == (NO, NO, NO)
    for first in (1, 2):
        assert verdicts(deputy, task(first, uid=0)) == (YES, YES, YES)
    assert verdicts(replace(deputy, uid=Ids(0, 0, 0, 0)), task(6)) == (YES, YES, YES)
    # What its domain shows it looks into by its capability.
    assert verdicts(deputy, task(6, chain(DOMAIN), uid=1001)) == (YES, YES, YES)


def test_a_deputy_is_doubted_no_less_where_less_is_known() -> None:
    deputy = replace(task(5, chain(DOMAIN), effective=CAPABLE), uid=Ids(1000, 0, 0, 0))
    deputy = replace(deputy, enclosure=None)
    asked = Pair(deputy, replace(task(6), named=None), Machine(Scope.CLASSIC, grants=True))
    assert rules.visible(asked).verdict is UNKNOWN
    assert rules.visible(asked).reason.startswith("no, unless")


@pytest.mark.parametrize(
    ("named", "level_0", "level_1", "level_2"),
    [
        (NOBODY, NO, NO, NO),
        (EVERYBODY, NO, NO, NO),
        (Tracer(5, chain(DOMAIN)), YES, YES, NO),
        (Tracer(4, chain(DOMAIN)), YES, YES, NO),  # an ancestor of the viewer in its domain
        (Tracer(3, None), NO, NO, NO),  # an ancestor outside
        (Tracer(8, chain(DOMAIN)), NO, NO, NO),
    ],
)
def test_who_is_named_sees_and_traces(
    named: Tracer, level_0: Verdict, level_1: Verdict, level_2: Verdict
) -> None:
    viewer = task(5, chain(DOMAIN), ancestors=(4, 3, 1))
    answers = [verdicts(viewer, task(2, named=named), level) for level in range(3)]
    assert [answer[2] for answer in answers] == [level_0, level_1, level_2]
    assert {answer[0] for answer in answers} == {level_0}


def test_at_level_1_it_counts_that_everybody_or_an_ancestor_was_named() -> None:
    viewer = task(5, ancestors=(4, 1))
    for named, expected in ((EVERYBODY, YES), (Tracer(4), YES), (Tracer(8), NO), (NOBODY, NO)):
        assert verdicts(viewer, task(2, named=named), 1)[2] is expected


def test_a_grant_counts_at_each_level_in_the_domain_that_it_was_made_for() -> None:
    viewer = task(5, chain(DOMAIN))
    for level in range(3):
        granted = task(2, granted=Tracer(5, chain(DOMAIN)))
        assert verdicts(viewer, granted, level) == (YES, YES, YES)
        assert verdicts(viewer, task(2, granted=Tracer(5)), level) == (NO, NO, NO)
        assert verdicts(viewer, task(2, granted=Tracer(6, chain(DOMAIN))), level) == (NO, NO, NO)


def test_one_thread_outside_closes_the_memory_but_not_the_name() -> None:
    viewer = task(1, chain(DOMAIN))
    main = Thread(1000, chain(DOMAIN))
    split = task(2, chain(DOMAIN), threads=(main, Thread(1000)))
    assert verdicts(viewer, split) == (YES, NO, NO)
    deeper = replace(split, threads=(main, Thread(1000, chain(DOMAIN, ALL))))
    assert verdicts(viewer, deeper) == (YES, YES, YES)
    assert verdicts(task(1, chain(USER)), split) == (YES, YES, YES)
    others = replace(split, threads=(main, Thread(0)))
    assert verdicts(task(1, chain(USER)), others) == (YES, NO, NO)
    together = task(2, threads=(Thread(1000), Thread(0)))
    assert verdicts(task(1, chain(USER)), together) == (YES, YES, YES)


def test_a_view_follows_parents_only_so_far_but_a_level_all_the_way() -> None:
    ancestors = (*range(1000, 1000 + MAX_GENERATIONS - 2), 5, 1)
    viewer = task(5, chain(INFERIORS))
    assert sees(viewer, task(2, chain(INFERIORS), ancestors=ancestors))
    assert not sees(viewer, task(2, chain(INFERIORS), ancestors=(999, *ancestors)))
    assert verdicts(task(5), task(2, ancestors=(999, *ancestors)), 1)[2] is YES


def test_without_names_to_hide_only_what_is_behind_them_is_hidden() -> None:
    machine = Machine(Scope.CLASSIC, grants=False, hides_names=False)
    asked = Pair(task(1, chain(DOMAIN)), task(2), machine)
    assert rules.visible(asked)
    assert rules.readable(asked).verdict is NO


def test_a_level_that_is_the_reader_s_own_is_doubted_for_others() -> None:
    told = Machine(Scope.RELATIONAL, grants=True, level_is_readers=True)
    assert rules.attachable(Pair(task(1), task(2), told)).verdict is UNKNOWN
    inside = DomainInfo(Scope.RELATIONAL, ALL, 1, 1, override=False)
    viewer = replace(task(1, chain(ALL)), domain=inside)
    assert rules.attachable(Pair(viewer, task(2), told)).verdict is NO
    assert rules.level(viewer, told).rule == "scope"
