# guest: --prepare "reach_table.py yama 2"
# guest: --kernel 6.1 --kernel 7.3 --prepare "reach_table.py yama 2" --long --timeout 1200
"""The rules in every case with up to two domains: not one in which the kernel says something else.

``reach_table.py`` says what the cases are, and ``scenes.c`` makes them.
"""

import subprocess

import pytest
from reach_check import SHARE, Comparison
from reach_table import Family, Member, Steps, Target, among_all

from yama_session import Scope, View
from yama_session.reach import look
from yama_session.reach.facts import NOBODY, Task, UserNamespace

COMPARISON = Comparison("yama", 2)

CLASSIC, RELATIONAL, CAPABILITY, _ = Scope
ALL, USER, DOMAIN, INFERIORS = View

FAMILIES = {
    "no domain": Family((), 0),
    "nested": Family(((RELATIONAL, DOMAIN), (CLASSIC, INFERIORS)), 1, more=2),
    "override": Family(((CLASSIC, USER), (CAPABILITY, ALL)), 0, more=2, override=True),
    "user namespace": Family(((CLASSIC, ALL), (CLASSIC, USER)), 2, 1, more=2),
    "user namespace of the viewer": Family(((CLASSIC, DOMAIN),), 0, 1, True, 1),
}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_what_is_read_of_a_process_is_what_was_made_of_it(family: Family) -> None:
    script, viewer, targets, _lineage = among_all(family)
    outside = [target for target in targets if not target.member.in_namespace]
    steps = Steps(script, viewer, targets)
    steps.hold()
    for identity in "sbfnac":
        steps.choose(outside if identity in "sb" else targets)
        steps.become(identity)
        steps.hold()
    wrong = []
    with subprocess.Popen(
        [SHARE / "scenes"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        print(steps.scene("").line, file=program.stdin, flush=True)
        for identity in ".sbfnac":
            held = program.stdout.readline()
            pids = [int(word) for word in held.split()]
            assert len(pids) == len(script.members), held
            for target in outside if identity in "sb" else targets:
                target.identity = identity
                read = look.task(pids[target.member.number])
                wrong += [
                    f"{target.word} as {identity}: {what}"
                    for what in differences(target, read, pids)
                ]
            print(file=program.stdin, flush=True)
        program.communicate()
    assert program.returncode == 0
    assert not wrong, "\n".join(wrong)
    assert targets


def differences(target: Target, read: Task, pids: list[int]) -> list[str]:
    """What is read of a target is compared with what it was made as."""
    made = target.member.task(target.identity, NOBODY, NOBODY, 0)
    pairs = {
        "uid": (made.uid, read.uid),
        "gid": (made.gid, read.gid),
        "effective": (made.effective, read.effective),
        "permitted": (made.permitted, read.permitted),
        "user namespace": (owners(made.user_ns), owners(read.user_ns)),
        "domain": (
            made.domain and (made.domain.scope, made.domain.view, made.domain.depth),
            read.domain and (read.domain.scope, read.domain.view, read.domain.depth),
        ),
        "override": (
            made.domain and made.domain.override,
            read.domain and read.domain.override,
        ),
        "parents": (parents(target.member, pids), read.ancestors[: len(made.ancestors) - 2]),
        "threads": (len(made.thread_domains), len(read.thread_domains)),
        "tracer": (made.tracer, read.tracer),
    }
    if read.dumpable is not None:
        pairs["dumpable"] = (made.dumpable, read.dumpable)
    return [f"{what} {one}, read {other}" for what, (one, other) in pairs.items() if one != other]


def owners(namespace: UserNamespace | None) -> list[int]:
    """Who has made a user namespace and those around it, without the initial one."""
    assert namespace is not None
    return [around.owner for around in namespace.outwards() if not around.initial]


def parents(member: Member, pids: list[int]) -> tuple[int, ...]:
    found, parent = [], member.parent
    while parent:
        found.append(pids[parent.number])
        parent = parent.parent
    return tuple(found)


@pytest.mark.parametrize("table", ["views", "both", "threads", "depth", "scopes", "no-attach"])
def test_the_kernel_says_what_the_rules_say(table: str) -> None:
    COMPARISON.compare(table)
