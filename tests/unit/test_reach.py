"""The model of the kernel's rules, rule by rule; the kernel itself is asked in the VM."""

from dataclasses import replace
from typing import Any

import pytest

from yama_session import DomainInfo, Scope, View
from yama_session.reach import Ids, Machine, Pair, Task, Verdict, capability, rules
from yama_session.reach import _settled as settle
from yama_session.reach.answer import all_of, no, unknown, yes
from yama_session.reach.facts import CAP_SYS_PTRACE, INITIAL_USER_NS, NEW_DOMAIN, UserNamespace
from yama_session.reach.look import machine

pytestmark = pytest.mark.unit

YES, NO, UNKNOWN = Verdict
INITIAL = UserNamespace(INITIAL_USER_NS)
CONTAINER = UserNamespace(77, 1000, INITIAL)
INNER = UserNamespace(78, 1001, CONTAINER)
CAPABLE = 1 << CAP_SYS_PTRACE


def task(pid: int, uid: int = 1000, **facts: Any) -> Task:
    return Task(pid, "x", Ids(*4 * (uid,)), Ids(*4 * (uid,)), **{"user_ns": INITIAL, **facts})


def domain(
    id_: int = 1, view: View = View.DOMAIN, scope: Scope = Scope.CLASSIC, depth: int = 1
) -> dict[str, Any]:
    return {
        "domain": DomainInfo(scope, view, depth, id_, override=False),
        "thread_domains": frozenset({id_}),
    }


def pair(viewer: Task, target: Task, level: int | None = 0, contained: bool | None = None) -> Pair:
    scope = None if level is None else Scope(level)
    return Pair(viewer, target, Machine(scope, grants=True), contained)


def verdicts(*of: Any, **more: Any) -> tuple[Verdict, ...]:
    asked = pair(*of, **more)
    answers = rules.visible(asked), rules.readable(asked), rules.attachable(asked)
    assert all(answer.reason for answer in answers)
    return tuple(answer.verdict for answer in answers)


def test_one_refusal_is_enough_and_doubt_beats_a_yes() -> None:
    a, b, c = yes("a", "a"), no("b", "b"), unknown("c", "c")
    assert all_of(c, b, a) is b
    assert all_of(a, c) is c
    assert all_of(a, replace(a, rule="z")).rule == "z"
    assert [bool(answer) for answer in (a, b, c)] == [True, False, False]


@pytest.mark.parametrize(
    ("viewer", "target", "expected"),
    [
        (task(1), task(2), (YES, YES, YES)),
        (task(1), task(2, uid=1001), (YES, NO, NO)),
        (task(1, uid=0), task(2), (YES, NO, NO)),
        (task(1, uid=0, effective=CAPABLE, permitted=CAPABLE), task(2), (YES, YES, YES)),
        (task(1), task(2, dumpable=False), (YES, NO, NO)),
        (task(1), task(2, dumpable=None), (YES, UNKNOWN, UNKNOWN)),
        (task(1), task(2, uid=1001, dumpable=None), (YES, NO, NO)),
        (task(1), task(2, permitted=2), (YES, NO, NO)),
        (task(1, effective=0, permitted=2), task(2, permitted=2), (YES, NO, YES)),
        (task(1), task(1), (YES, YES, NO)),
        (task(1), task(2, kernel_thread=True), (YES, YES, NO)),
        (task(1), task(2, state="Z"), (YES, NO, NO)),
        (task(1), task(2, tracer=3), (YES, YES, NO)),
        (task(1), task(2, user_ns=None), (YES, UNKNOWN, UNKNOWN)),
        (task(1, user_ns=None), task(2), (YES, UNKNOWN, UNKNOWN)),
        (task(1), task(2, user_ns=CONTAINER), (YES, YES, YES)),
        (task(1, uid=1002), task(2, uid=1002, user_ns=CONTAINER), (YES, NO, NO)),
    ],
)
def test_credentials(viewer: Task, target: Task, expected: tuple[Verdict, ...]) -> None:
    assert verdicts(viewer, target) == expected


def test_only_one_id_of_the_target_that_differs_is_enough() -> None:
    for ids in (Ids(0, 1000, 1000, 1000), Ids(1000, 0, 1000, 1000), Ids(1000, 1000, 0, 1000)):
        assert verdicts(task(1), replace(task(2), uid=ids)) == (YES, NO, NO)
        assert verdicts(task(1), replace(task(2), gid=ids)) == (YES, NO, NO)
    assert verdicts(task(1), replace(task(2), uid=Ids(1000, 1000, 1000, 0))) == (YES, YES, YES)


@pytest.mark.parametrize(
    ("viewer", "namespace", "expected"),
    [
        (task(1, effective=CAPABLE), INITIAL, YES),
        (task(1, effective=CAPABLE), INNER, YES),
        (task(1, effective=CAPABLE), None, YES),
        (task(1), INITIAL, NO),
        (task(1), CONTAINER, YES),  # its own
        (task(1), INNER, YES),
        (task(1, uid=1001), CONTAINER, NO),
        (task(1, uid=1001), INNER, NO),  # it owns that, but from outside of its parent
        (task(1), None, UNKNOWN),
        (task(1, user_ns=CONTAINER, effective=CAPABLE), CONTAINER, YES),
        (task(1, user_ns=CONTAINER), CONTAINER, NO),
        (task(1, user_ns=CONTAINER, effective=CAPABLE), INITIAL, NO),
        (task(1, user_ns=CONTAINER, effective=CAPABLE), INNER, YES),
        (task(1, user_ns=CONTAINER, uid=1001), INNER, YES),
        (task(1, user_ns=None, effective=CAPABLE), INITIAL, UNKNOWN),
        (task(1, user_ns=None), INITIAL, NO),
    ],
)
def test_capability_over_a_user_namespace(
    viewer: Task, namespace: UserNamespace | None, expected: Verdict
) -> None:
    assert capability.over(viewer, namespace) is expected


@pytest.mark.parametrize(
    ("viewer", "target", "contained", "expected"),
    [
        (domain(1), domain(1), None, YES),
        (domain(1), {}, None, UNKNOWN),
        (domain(1), domain(2), None, UNKNOWN),
        (domain(1, View.ALL), {}, None, YES),
        ({}, domain(1), None, YES),
        (domain(1), domain(2, depth=2), None, UNKNOWN),
        (domain(1), domain(2, depth=2), True, YES),
        (domain(1), domain(2, depth=2), False, UNKNOWN),
        (domain(1, depth=2), domain(2), None, UNKNOWN),
        (domain(NEW_DOMAIN), domain(2, depth=2), None, UNKNOWN),
        ({**domain(1), "effective": CAPABLE}, {}, None, YES),
        ({**domain(1), "effective": CAPABLE, "user_ns": CONTAINER}, {}, None, UNKNOWN),
        (domain(1), {"tracer": 1}, None, YES),
        (domain(1, View.USER), {}, None, YES),
        (domain(1, View.USER), {"uid": 1001}, None, UNKNOWN),
        (domain(1, View.USER), {**domain(1), "uid": 1001}, None, YES),
        (domain(1, View.USER), {**domain(2), "uid": 1001}, None, UNKNOWN),
        (domain(1, View.USER), {**domain(2, depth=2), "uid": 1001}, True, YES),
        (domain(1, View.USER), domain(2, depth=2), None, YES),
        ({**domain(1, View.USER), "uid": 0}, {"uid": 0, "kernel_thread": True}, None, UNKNOWN),
        (domain(1, depth=2), domain(2), True, YES),
        (domain(1, View.INFERIORS), domain(1), None, UNKNOWN),
        (domain(1, View.INFERIORS), {**domain(1), "ancestors": (5, 1)}, None, YES),
    ],
)
def test_view(
    viewer: dict[str, Any], target: dict[str, Any], contained: bool | None, expected: Verdict
) -> None:
    asked = pair(task(1, **viewer), task(2, **target), contained=contained)
    assert rules.visible(asked).verdict is expected


def test_only_the_real_uid_is_what_the_view_user_asks_for() -> None:
    viewer = task(1, **domain(1, View.USER))
    set_uid = replace(task(2), uid=Ids(1000, 0, 0, 0))
    assert rules.visible(pair(viewer, set_uid)).verdict is YES
    others = replace(task(2, uid=1001), uid=Ids(1001, 1000, 1000, 1000))
    assert rules.visible(pair(viewer, others)).verdict is UNKNOWN
    daemon = replace(viewer, uid=Ids(1001, 1000, 1000, 1000))
    assert rules.visible(pair(daemon, task(2))).verdict is UNKNOWN


def test_what_the_view_user_hides_says_why() -> None:
    login = task(0, **domain(NEW_DOMAIN, View.USER))
    answer = rules.visible(pair(login, task(2, uid=1001)))
    assert answer.verdict is NO
    assert answer.reason.endswith("is in no domain and not of the viewer's real uid")


def test_own_threads_elsewhere_close_nothing_under_the_view_user() -> None:
    viewer = task(1, **domain(1, View.USER))
    target = task(2, **{**domain(1), "thread_domains": frozenset({0, 1})})
    assert verdicts(viewer, target) == (YES, YES, YES)


def test_what_is_hidden_is_no_more_than_unknown_since_it_may_have_named_its_tracer() -> None:
    answer = rules.visible(pair(task(1, **domain(1)), task(2)))
    assert answer.verdict is UNKNOWN
    assert answer.reason.startswith("no, unless 2 (x) has named it with PR_SET_PTRACER")


def test_a_login_to_come_has_been_named_by_nobody() -> None:
    login = task(0, **domain(NEW_DOMAIN))
    assert verdicts(login, task(2)) == (NO, NO, NO)
    assert verdicts(login, task(2, **domain(7))) == (NO, NO, NO)
    assert verdicts(login, task(2, **domain(7, depth=3))) == (NO, NO, NO)


def test_a_thread_elsewhere_closes_the_memory_of_all() -> None:
    target = task(2, **{**domain(1), "thread_domains": frozenset({0, 1})})
    asked = pair(task(1, **domain(1)), target)
    assert rules.visible(asked).verdict is YES
    assert rules.readable(asked).verdict is UNKNOWN
    assert "a thread of 2 (x) is outside" in rules.readable(asked).reason


@pytest.mark.parametrize(
    ("level", "viewer", "target", "expected"),
    [
        (None, {}, {}, YES),
        (0, {}, {}, YES),
        (1, {}, {}, UNKNOWN),
        (1, {}, {"ancestors": (1,)}, YES),
        (1, {}, {"lineage_known": False}, UNKNOWN),
        (2, {}, {"ancestors": (1,)}, UNKNOWN),  # granted?
        (3, {}, {}, NO),
        (3, {"effective": CAPABLE, "permitted": CAPABLE}, {}, NO),
        (2, {"effective": CAPABLE, "permitted": CAPABLE}, {}, YES),
        (0, domain(1, View.ALL, Scope.NO_ATTACH), {}, NO),
        (1, domain(1, View.ALL, Scope.CLASSIC), {}, UNKNOWN),
    ],
)
def test_level(
    level: int | None, viewer: dict[str, Any], target: dict[str, Any], expected: Verdict
) -> None:
    answer = rules.attachable(pair(task(1, **viewer), task(2, **target), level))
    assert answer.verdict is expected
    assert answer or answer.change or "cannot be told" in answer.reason


def test_a_lineage_that_ends_at_a_hidden_process_leaves_a_doubt() -> None:
    answer = rules.attachable(pair(task(1), task(2, lineage_known=False), 1))
    assert "unless 2 (x) descends from it by a hidden process" in answer.reason
    assert answer.refusal is not None
    assert answer.refusal.reason.startswith("level 1 asks for a descendant")
    settled = settle(pair(task(1), task(2)), answer, lambda: False)
    assert (settled.verdict, settled.reason) == (NO, answer.refusal.reason)
    assert settle(pair(task(1), task(2)), answer, lambda: True).rule == "relation"


def test_override_replaces_the_sysctl_but_not_its_last_level() -> None:
    own = replace(task(1), domain=DomainInfo(Scope.CLASSIC, View.ALL, 1, 1, override=True))
    assert rules.attachable(pair(own, task(2), 2)).verdict is YES
    assert rules.level(own, Machine(Scope.CAPABILITY, grants=True)).rule == "scope"
    assert rules.attachable(pair(own, task(2), 3)).verdict is NO


def test_without_grants_level_2_leaves_no_doubt() -> None:
    asked = Pair(task(1), task(2), Machine(Scope.CAPABILITY, grants=False))
    assert rules.attachable(asked).verdict is NO


@pytest.mark.parametrize(
    ("option", "target", "expected"),
    [
        ("off", task(2, uid=1001), YES),
        ("noaccess", task(2, uid=1001), YES),
        ("invisible", task(2, uid=1001), NO),
        ("ptraceable", task(2, uid=1001), NO),
        ("ptraceable", task(2), YES),
        (None, task(2), UNKNOWN),
    ],
)
def test_hidepid(option: str | None, target: Task, expected: Verdict) -> None:
    assert rules.visible(pair(task(1, hidepid=option), target)).verdict is expected


@pytest.mark.parametrize(
    ("viewer", "target", "expected"),
    [
        ({}, {"pid_levels": 2}, YES),
        ({"pid_levels": 2}, {}, NO),
        ({"pid_levels": 2, "pid_ns": 5}, {"pid_levels": 2, "pid_ns": 5}, YES),
        ({"pid_levels": 2, "pid_ns": 5}, {"pid_levels": 2, "pid_ns": 6}, UNKNOWN),
    ],
)
def test_pid_namespace(viewer: dict[str, Any], target: dict[str, Any], expected: Verdict) -> None:
    assert rules.visible(pair(task(1, **viewer), task(2, **target))).verdict is expected


def test_modules_with_rules_of_their_own_are_named() -> None:
    assert not {"capability", "yama"} & set(machine().unjudged)
