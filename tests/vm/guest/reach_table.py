"""Every case that the rules are compared with the kernel in, and what the rules say of each.

A *case* is one process, the viewer, that asks one question about another one,
the target. The families that they are part of are made by ``scenes.c``; here
they are described, once for that program and once as facts for
:mod:`yama_session.reach.rules`. Nothing is read from /proc for it.

There are five tables, each the full product of what its docstring lists. A
scene is a line for the program, and has many cases: all its targets, in one
identity and relation after the other, for a viewer in one identity after the
other.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from hashlib import sha256
from itertools import product
from pathlib import Path

from yama_session.levels import Scope, View
from yama_session.reach import rules
from yama_session.reach.answer import Verdict
from yama_session.reach.facts import (
    CAP_SYS_PTRACE,
    EVERYBODY,
    INITIAL_USER_NS,
    MAX_GENERATIONS,
    NOBODY,
    Enclosure,
    Ids,
    Machine,
    Task,
    Thread,
    Tracer,
    UserNamespace,
)
from yama_session.reach.rules import Pair
from yama_session.scope import DomainInfo

#: The bits of a digit; ``scenes.c``.
SEEN, READ, ATTACHED, FOUND = 1, 2, 4, 8
QUESTIONS = {"visible": SEEN, "readable": READ, "attachable": ATTACHED, "found": FOUND}

A, B = 1000, 1001
INITIAL = UserNamespace(INITIAL_USER_NS)

# Numbers of processes. What is of no importance for a case is the same in all of
# them, so that the rules need to be asked only once for cases that are alike.
INIT, KTHREADD, GONE, EXTRA, COORDINATOR = 1, 2, 97, 98, 99
LINEAGE, VIEWER, MIDDLE, TARGET = 100, 200, 300, 400

ALL_CAPS = (1 << 41) - 1
PTRACE_CAP = 1 << CAP_SYS_PTRACE
ID_CAPS = 1 << 6 | 1 << 7  # CAP_SETGID, CAP_SETUID


@dataclass(frozen=True)
class Identity:
    """Who one is; ``identities[]`` of ``scenes.c``."""

    uid: tuple[int, int, int]
    gid: tuple[int, int, int]
    effective: int
    permitted: int
    dumpable: bool
    own_namespace: bool = False


IDENTITIES = {
    ".": Identity((0, 0, 0), (0, 0, 0), ALL_CAPS, ALL_CAPS, True),
    "r": Identity((0, 0, 0), (0, 0, 0), ALL_CAPS & ~PTRACE_CAP, ALL_CAPS & ~PTRACE_CAP, True),
    "e": Identity((0, 0, 0), (0, 0, 0), 0, ALL_CAPS, True),
    "s": Identity((A, 0, 0), (A, A, A), ALL_CAPS, ALL_CAPS, False),
    "S": Identity((B, 0, 0), (B, B, B), ALL_CAPS, ALL_CAPS, False),
    "D": Identity((A, B, B), (A, B, B), 0, 0, False),
    "g": Identity((B, A, A), (B, A, A), 0, 0, False),
    "k": Identity((A, A, A), (A, A, A), PTRACE_CAP, PTRACE_CAP, True),
    "b": Identity((B, B, B), (B, B, B), 0, ID_CAPS, True),
    "f": Identity((A, A, A), (A, A, A), 0, ID_CAPS, True),
    "B": Identity((B, B, B), (B, B, B), 0, 0, True),
    "n": Identity((A, A, A), (A, A, A), 0, 0, False),
    "a": Identity((A, A, A), (A, A, A), 0, 0, True),
    "c": Identity((A, A, A), (A, A, A), ALL_CAPS, ALL_CAPS, True, own_namespace=True),
    "C": Identity((A, A, A), (A, A, A), ALL_CAPS, ALL_CAPS, False, own_namespace=True),
}

#: In the order in which a target can take them on. In a user namespace there
#: is only the uid A, so that the first ones do not exist for who is in one.
TARGET_IDENTITIES = ("sSbf", "nacC")
VIEWER_IDENTITIES = (".ersDgkBa", ".a")

#: Of the identities of a target those in which every relation is tried: one
#: that only a relation makes visible, and one that it makes accessible.
RELATED_IDENTITIES = "sa"

#: What of the identities matters to a scope: the capability, and over what.
SCOPE_IDENTITIES = ("", "ac")
SCOPE_VIEWERS = (".rka", ".a")


#: Of a process of two threads, which are in the viewer's domain.
PLACES = ("leader in", "other in", "both in", "other deeper", "none in")


@dataclass
class Member:
    """A process or thread of a scene, as the script has made it."""

    number: int
    pid: int
    parent: Member | None
    born_of: Member | None
    enclosure: Enclosure | None = None
    info: DomainInfo | None = None
    user_ns: UserNamespace = INITIAL
    subreaper: bool = False
    threads: list[Member] = field(default_factory=list)

    @property
    def in_namespace(self) -> bool:
        """Whether it is in a user namespace of A's."""
        return self.user_ns is not INITIAL

    def ancestors(self) -> tuple[int, ...]:
        """Return its parents now, the nearest first."""
        found, parent = [], self.parent
        while parent:
            found.append(parent.pid)
            parent = parent.parent
        return (*found, COORDINATOR, INIT)

    def task(
        self, identity: str, named: Tracer, granted: Tracer, tracer: int, others: str = ""
    ) -> Task:
        """Return it as the rules know it.

        Args:
            identity: who it is; in a user namespace it begins as A with every
                capability there.
            named: whom it has named as its tracer.
            granted: whom it was granted to.
            tracer: who traces it.
            others: who its other threads are, if not the same.
        """
        who = IDENTITIES["c" if identity == "." and self.in_namespace else identity]
        user_ns = self.user_ns
        if who.own_namespace and identity != ".":
            user_ns = UserNamespace(6000, A, user_ns)
        return Task(
            self.pid,
            "it",
            Ids(*who.uid, who.uid[1]),
            Ids(*who.gid, who.gid[1]),
            who.effective,
            who.permitted,
            user_ns,
            who.dumpable,
            self.info,
            frozenset(place.info.id if place.info else 0 for place in (self, *self.threads)),
            self.ancestors(),
            tracer=tracer,
            enclosure=self.enclosure,
            threads=(
                Thread(who.uid[0], self.enclosure),
                *(
                    Thread(IDENTITIES[others or identity].uid[0], thread.enclosure)
                    for thread in self.threads
                ),
            ),
            named=named,
            granted=granted,
            memory_ns=INITIAL,
        )


class Script:
    """What is done to make a scene, and the facts that follow from it."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._stack = [Member(0, LINEAGE, None, None)]
        self.members = [*self._stack]

    @property
    def me(self) -> Member:
        """Who does what comes next."""
        return self._stack[-1]

    @property
    def text(self) -> str:
        """The script for the program."""
        return "".join(self._words)

    @contextmanager
    def fork(self, pid: int) -> Iterator[Member]:
        """Make a child that does what is inside."""
        parent = self.me
        number = len(self.members)
        child = Member(number, pid, parent, parent, parent.enclosure, parent.info, parent.user_ns)
        self.members.append(child)
        self._words.append("(")
        self._stack.append(child)
        yield child
        self._words.append(")")
        self._stack.pop()

    @contextmanager
    def thread(self) -> Iterator[Member]:
        """Make a thread that does what is inside; what it forks is its process's child."""
        leader = self.me
        thread = Member(
            len(self.members),
            leader.pid,
            leader.parent,
            leader.born_of,
            leader.enclosure,
            leader.info,
            leader.user_ns,
        )
        leader.threads.append(thread)
        self.members.append(thread)
        self._words.append("[")
        self._stack.append(thread)
        yield thread
        self._words.append("]")
        self._stack.pop()

    def enter(
        self, id_: int, scope: Scope, view: View, *, override: bool = False, thread: bool = False
    ) -> None:
        """Enter a domain, nested in where one is."""
        me, outer = self.me, self.me.info
        word = "O" if override else "T" if thread else "E"
        self._words.append(f"{word}{scope.value}{view.value}")
        me.enclosure = Enclosure(id_, view, me.user_ns, me.enclosure)
        me.info = DomainInfo(
            max(scope, outer.scope) if outer else scope,
            max(view, outer.view) if outer else view,
            outer.depth + 1 if outer else 1,
            id_,
            outer.override if outer else override,
        )

    def enter_more(self, levels: int) -> None:
        """Enter as many domains as strict as can be: what is around a target restricts it alone."""
        for _ in range(levels):
            depth = self.me.info.depth if self.me.info else 0
            self.enter(10 + depth, Scope.CLASSIC, View.INFERIORS)

    def unshare(self) -> None:
        """Become A in a user namespace of one's own."""
        self._words.append("N")
        self.me.user_ns = UserNamespace(5000, A, INITIAL)

    def subreaper(self, on: bool) -> None:
        """Adopt the children of descendants that exit, or no longer do."""
        self._words.append("R" if on else "r")
        self.me.subreaper = on

    def exit(self, children: Sequence[Member] = ()) -> None:
        """Exit at the end of what is inside, so that children are adopted."""
        self._words.append("X")
        around: Member | None = self.me.parent
        while around and not around.subreaper:
            around = around.parent
        for child in children:
            child.parent = around


@dataclass(frozen=True)
class Case:
    """A question: a viewer, its target, and whether one of them has forked the other."""

    viewer: Task
    target: Task
    level: Scope
    kin: bool
    about: str


@dataclass
class Scene:
    """A line for the program, and the cases that its answer has, in their order."""

    name: str
    line: str
    cases: list[Case]


@dataclass
class Target:
    """A target with what is true of it now."""

    member: Member
    word: str
    identity: str = "."
    named: Tracer = NOBODY
    granted: Tracer = NOBODY
    tracer: int = 0
    others: str = ""


class Steps:
    """The questions of a scene."""

    def __init__(
        self,
        script: Script,
        viewer: Member,
        targets: Sequence[Target],
        viewers: tuple[str, str] = VIEWER_IDENTITIES,
    ) -> None:
        self._words = [f"{script.text}|v{viewer.number};"]
        self._viewer = viewer
        self._cases: list[Case] = []
        self._level = Scope.CLASSIC
        self._identities = viewers[viewer.in_namespace]
        self._chosen: list[Target] = []
        self.choose(targets)

    def scene(self, name: str) -> Scene:
        return Scene(name, "".join(self._words), self._cases)

    def choose(self, targets: Sequence[Target]) -> None:
        """Go on with these targets."""
        if targets != self._chosen:
            numbers = ",".join(str(target.member.number) for target in targets)
            self._words.append(f"t{numbers};")
        self._chosen = list(targets)

    def level(self, level: Scope) -> None:
        self._words.append(f"l{level.value}")
        self._level = level

    def become(self, identity: str) -> None:
        threads = [
            str(thread.number)
            for target in self._chosen
            for thread in target.member.threads
            if not target.others
        ]
        if threads:
            numbers = ",".join(str(target.member.number) for target in self._chosen)
            self._words.append(f"t{','.join(threads)};c{identity}t{numbers};")
        self._words.append(f"c{identity}")
        for target in self._chosen:
            target.identity = identity

    def name(self, word: str, tracer: Tracer) -> None:
        self._words.append(f"n{word};")
        for target in self._chosen:
            target.named = tracer

    def end_extra(self) -> None:
        self._words.append("y")
        for target in self._chosen:
            if target.named.pid == EXTRA:
                target.named = Tracer(GONE)

    def grant(self, word: str, tracer: Tracer) -> None:
        self._words.append(f"g{word};")
        for target in self._chosen:
            target.granted = tracer

    def trace(self, word: str, tracer: int) -> None:
        self._words.append(f"s{word};")
        for target in self._chosen:
            target.tracer = tracer

    def untrace(self, word: str) -> None:
        self._words.append(f"d{word};")
        for target in self._chosen:
            target.tracer = 0

    def ask(self, identities: str = "") -> None:
        """Ask about all chosen, in all of the viewer's identities or in these."""
        identities = identities or self._identities
        self._words.append(f"q{identities};")
        targets = [(target, self._task(target)) for target in self._chosen]
        for identity in identities:
            viewer = self._viewer_task(identity)
            self._cases += [self._case(viewer, identity, task, target) for target, task in targets]

    def ask_traced(self) -> None:
        """The same, while the target traces the viewer; at first it has the right to."""
        self._words.append(f"u{self._identities};")
        for target in self._chosen:
            task = self._task(target)
            for identity in self._identities:
                viewer = replace(self._viewer_task(identity), tracer=target.member.pid)
                self._cases.append(self._case(viewer, identity, task, target))

    def hold(self) -> None:
        """Let somebody else look at all."""
        self._words.append("h")

    def ask_about_kernel(self) -> None:
        """Ask about init and a thread of the kernel."""
        self._words.append(f"p{self._identities};")
        for identity in self._identities:
            viewer = self._viewer_task(identity)
            for pid in (INIT, KTHREADD):
                self._cases.append(
                    Case(viewer, _of_kernel(pid), self._level, False, f"{identity} -> {pid}")
                )

    def _task(self, target: Target) -> Task:
        return target.member.task(
            target.identity, target.named, target.granted, target.tracer, target.others
        )

    def _viewer_task(self, identity: str) -> Task:
        return self._viewer.task(identity, NOBODY, NOBODY, 0)

    def _case(self, viewer: Task, identity: str, task: Task, target: Target) -> Case:
        one, other = self._viewer, target.member
        kin = _is_child(one, other) or _is_child(other, one)
        state = f"as {target.identity}, names {target.named.pid}"
        state += f", granted to {target.granted.pid}, traced by {target.tracer}"
        return Case(viewer, task, self._level, kin, f"{identity} -> {target.word} {state}")


def _is_child(parent: Member, child: Member) -> bool:
    """Tell if it is a child that it has forked itself."""
    leader = child.parent
    return child.born_of is leader and leader is not None and leader.pid == parent.pid


def _of_kernel(pid: int) -> Task:
    return Task(
        pid,
        "it",
        Ids(0, 0, 0, 0),
        Ids(0, 0, 0, 0),
        ALL_CAPS,
        ALL_CAPS,
        INITIAL,
        kernel_thread=pid == KTHREADD,
        threads=(Thread(0),),
        named=NOBODY,
        granted=NOBODY,
        memory_ns=INITIAL,
    )


# Relations


def ask_in_all_relations(
    steps: Steps,
    viewer: Member,
    targets: Sequence[Target],
    lineage: Sequence[Member],
    *,
    grants: bool,
    traces: bool,
    level: Scope,
) -> None:
    """Ask while the targets stand in each relation to the viewer.

    They name the viewer, each of its ancestors, a stranger, one that has gone,
    everybody; are granted to the viewer, to another one; are traced by the
    viewer, by another one.

    Args:
        steps: the questions.
        viewer: the viewer.
        targets: the targets, all in one identity.
        lineage: the viewer's ancestors, or who else of them can be named.
        grants: whether it is the series: it knows grants, and who is named sees.
        traces: whether a level leaves the viewer the right to trace.
        level: the level of the machine.
    """
    steps.choose(targets)
    if not targets:
        return
    for tracer in (viewer, *lineage):
        steps.name(str(tracer.number), Tracer(tracer.pid, tracer.enclosure))
        steps.ask()
    steps.name("^", Tracer(EXTRA))
    steps.ask()
    steps.end_extra()
    steps.ask()
    steps.name("*", EVERYBODY)
    steps.ask()
    steps.name("-", NOBODY)
    if grants:
        for tracer in (viewer, lineage[0]):
            steps.grant(str(tracer.number), Tracer(tracer.pid, tracer.enclosure))
            steps.ask()
        steps.grant("-", NOBODY)
    if level is not Scope.NO_ATTACH:  # nobody can be traced by who has not begun before
        steps.trace("!", COORDINATOR)
        steps.ask()
        steps.untrace("!")
    if not traces:
        return
    traced = targets
    if viewer.in_namespace:  # it has the right only to those that it sees, being named
        traced = [target for target in targets if target.member.in_namespace and grants]
    if traced:
        steps.choose(traced)
        # Where the viewer has no privilege it sees them only by that.
        steps.name(str(viewer.number), Tracer(viewer.pid, viewer.enclosure))
        steps.trace(str(viewer.number), viewer.pid)
        steps.name("-", NOBODY)
        steps.ask()
        steps.untrace(str(viewer.number))


def ask_everything(
    script: Script,
    viewer: Member,
    targets: Sequence[Target],
    lineage: Sequence[Member],
    *,
    grants: bool,
    levels: Sequence[Scope] = (Scope.CLASSIC,),
    identities: tuple[str, str] = TARGET_IDENTITIES,
    related: str = RELATED_IDENTITIES,
    viewers: tuple[str, str] = VIEWER_IDENTITIES,
) -> Steps:
    """Ask in every identity of the targets, and in some of them in every relation."""
    steps = Steps(script, viewer, targets, viewers)
    outside = [target for target in targets if not target.member.in_namespace]

    def ask(those: Sequence[Target]) -> None:
        steps.choose(those)
        for level in levels:
            if levels != (Scope.CLASSIC,):
                steps.level(level)
            steps.ask()
            if those and those[0].identity in related:
                ask_in_all_relations(
                    steps,
                    viewer,
                    those,
                    lineage,
                    grants=grants,
                    traces=level is Scope.CLASSIC and len(levels) == 1,
                    level=level,
                )

    ask(targets)
    if levels == (Scope.CLASSIC,):
        steps.choose(outside)
        steps.ask_traced()
    for identity in identities[0]:
        steps.choose(outside)
        steps.become(identity)
        ask(outside)
    for identity in identities[1]:
        steps.choose(targets)
        steps.become(identity)
        ask(targets)
    steps.ask_about_kernel()
    return steps


# Families


@dataclass(frozen=True)
class Family:
    """How the processes of a scene are related and placed.

    Args:
        chain: the viewer's domains, the outermost first, as scope and view.
        origin: how many of them the viewer is born into; it enters the rest.
        namespace: how many of them are entered before the viewer, or an
            ancestor of it, makes a user namespace of its own; ``None``: nobody does.
        by_viewer: whether it is the viewer who makes it.
        more: how many domains there may be in all.
        override: whether the scope of the first replaces the sysctl.
    """

    chain: tuple[tuple[Scope, View], ...]
    origin: int
    namespace: int | None = None
    by_viewer: bool = False
    more: int = 0
    override: bool = False

    def descend(self, script: Script, depth: int, *, by_viewer: bool) -> Iterator[int]:
        """Go on from the depth of a process, and stop at each place where others may be left."""
        end = len(self.chain) if by_viewer else self.origin
        here = self.by_viewer == by_viewer
        while True:
            yield depth
            if here and depth == self.namespace:
                script.unshare()
                yield depth
            if depth == end:
                return
            self.step(script, depth)
            depth += 1

    def step(self, script: Script, depth: int) -> None:
        """Enter the next domain of the chain."""
        scope, view = self.chain[depth]
        script.enter(1 + depth, scope, view, override=self.override and not depth)

    @property
    def extras(self) -> range:
        """How many domains of its own a target may have."""
        return range(self.more - len(self.chain) + 1)


def _leave(script: Script, family: Family, targets: list[Target], word: str) -> None:
    """Leave children in all places that can be reached from here."""
    for extra in family.extras:
        with script.fork(TARGET) as child:
            script.enter_more(extra)
        targets.append(Target(child, word))


def _viewer(script: Script, family: Family, depth: int) -> Iterator[None]:
    """Be the viewer, and stop at each place where children may be left."""
    for _ in family.descend(script, depth, by_viewer=True):
        yield


def _leave_descendants(script: Script, family: Family, targets: list[Target]) -> None:
    """Leave children, grandchildren, and those of a child that exits, which are adopted."""
    _leave(script, family, targets, "child")
    with script.fork(MIDDLE):
        _leave(script, family, targets, "grandchild")
    with script.fork(MIDDLE):
        before = len(targets)
        _leave(script, family, targets, "grandchild, adopted by an ancestor")
        script.exit([target.member for target in targets[before:]])
    script.subreaper(True)
    with script.fork(MIDDLE):
        before = len(targets)
        _leave(script, family, targets, "grandchild, adopted by the viewer")
        script.exit([target.member for target in targets[before:]])
    script.subreaper(False)


def among_all(family: Family) -> tuple[Script, Member, list[Target], list[Member]]:
    """The viewer among strangers, ancestors and descendants, each in all places."""
    script = Script()
    targets: list[Target] = []
    lineage = [script.me]
    script.subreaper(True)

    def strangers() -> None:
        with script.fork(MIDDLE):
            _leave(script, family, targets, "stranger")

    def generation(depth: int) -> Member:
        targets.append(Target(script.me, "ancestor"))
        strangers()
        if not family.by_viewer and depth == family.namespace:
            script.unshare()
            strangers()
        if depth < family.origin:
            with script.fork(LINEAGE + depth + 1) as next_one:
                lineage.append(next_one)
                family.step(script, depth)
                return generation(depth + 1)
        with script.fork(VIEWER) as viewer:
            for _ in _viewer(script, family, depth):
                _leave_descendants(script, family, targets)
        return viewer

    return script, generation(0), targets, lineage


def among_siblings(family: Family) -> tuple[Script, Member, list[Target], list[Member]]:
    """The viewer among its siblings, in all places, and itself."""
    script = Script()
    targets: list[Target] = []
    for _ in family.descend(script, 0, by_viewer=False):
        _leave(script, family, targets, "sibling")
    with script.fork(VIEWER) as viewer:
        for _ in _viewer(script, family, family.origin):
            pass
    return script, viewer, targets, [script.me]


def below_ancestors(
    family: Family, extra: int, birth: str
) -> tuple[Script, Member, list[Target], list[Member]]:
    """The viewer below its ancestors, which enter more domains after that.

    Args:
        family: what is between them.
        extra: how many domains each ancestor enters after that.
        birth: `forked` by the last of them; `adopted` by it, or by the first
            of them, from a child of the last.
    """
    script = Script()
    targets: list[Target] = []
    lineage = [script.me]
    script.subreaper(True)

    def generation(depth: int) -> Member:
        targets.append(Target(script.me, "ancestor"))
        if not family.by_viewer and depth == family.namespace:
            script.unshare()
        if depth < family.origin:
            with script.fork(LINEAGE + depth + 1) as next_one:
                lineage.append(next_one)
                family.step(script, depth)
                viewer = generation(depth + 1)
        elif birth == "forked":
            viewer = last()
        else:
            if birth == "adopted":
                script.subreaper(True)
            with script.fork(MIDDLE):
                viewer = last()
                script.exit([viewer])
        script.enter_more(extra)
        return viewer

    def last() -> Member:
        with script.fork(VIEWER) as viewer:
            for _ in _viewer(script, family, family.origin):
                pass
        return viewer

    return script, generation(0), targets, lineage


# Tables


def _namespaces(depth: int, origin: int) -> list[tuple[int | None, bool]]:
    """Where a user namespace can be made: nowhere, by ancestors, by the viewer."""
    return [
        (None, False),
        *((level, False) for level in range(origin + 1)),
        *((level, True) for level in range(origin, depth + 1)),
    ]


def views_table(domains: int, views: Sequence[View], *, grants: bool) -> Iterator[Scene]:
    """Every chain of views, for every family, identity and relation, at scope 0 and sysctl 0.

    Args:
        domains: how many domains a scene may have.
        views: the views that there are.
        grants: whether it is the series: it knows grants, and who is named sees.
    """
    for depth in range(domains + 1):
        for chain in product(views, repeat=depth):
            levels = tuple((Scope.CLASSIC, view) for view in chain)
            for origin in range(depth + 1):
                yield from _views_scenes(levels, origin, domains, grants)


def _views_scenes(
    chain: tuple[tuple[Scope, View], ...], origin: int, domains: int, grants: bool
) -> Iterator[Scene]:
    words = " ".join(view.word for _, view in chain)
    for namespace, by_viewer in _namespaces(len(chain), origin):
        family = Family(chain, origin, namespace, by_viewer, domains)
        name = f"views [{words}], born into {origin}"
        if namespace is not None:
            name += f", user namespace of {'the viewer' if by_viewer else 'an ancestor'}"
            name += f" after {namespace}"
        made = [("all", among_all(family)), ("siblings", among_siblings(family))]
        made += [
            (f"ancestors {extra} deeper", below_ancestors(family, extra, "forked"))
            for extra in family.extras
            if extra
        ]
        if namespace is None:
            made.append(("adopted by parent", below_ancestors(family, 0, "adopted")))
            if origin:
                made.append(("adopted by first", below_ancestors(family, 0, "orphaned")))
        for word, (script, viewer, targets, lineage) in made:
            steps = ask_everything(script, viewer, targets, lineage, grants=grants)
            if word == "siblings":
                steps.choose([Target(viewer, "itself")])
                # In no identity but its own: others are those of a thread.
                steps.ask(".")
            yield steps.scene(f"{name}; {word}")


def scopes_table(
    domains: int, sysctls: Sequence[Scope], *, grants: bool, overrides: bool
) -> Iterator[Scene]:
    """Every chain of scopes, with and without override, under every sysctl; nothing is hidden.

    Args:
        domains: how many domains a scene may have.
        sysctls: the levels that the machine is set to.
        grants: whether it is the series: it knows grants, and who is named sees.
        overrides: whether a scope can replace the sysctl.
    """
    for depth in range(domains + 1):
        for chain in product(Scope, repeat=depth):
            levels = tuple((scope, View.ALL) for scope in chain)
            for override in (False, True)[: 1 + (overrides and depth > 0)]:
                for origin in range(depth + 1):
                    for by_viewer in (False, True):
                        # By root, so before there is a user namespace.
                        if override and by_viewer and not origin:
                            continue
                        namespace = origin if by_viewer else None
                        family = Family(levels, origin, namespace, by_viewer, depth, override)
                        script, viewer, targets, lineage = among_all(family)
                        steps = ask_everything(
                            script,
                            viewer,
                            targets,
                            lineage,
                            grants=grants,
                            levels=sysctls,
                            identities=SCOPE_IDENTITIES,
                            viewers=SCOPE_VIEWERS,
                        )
                        words = " ".join(str(scope.value) for scope in chain)
                        yield steps.scene(
                            f"scopes [{words}]{' override' * override}, born into {origin}"
                            f"{', user namespace' * by_viewer}"
                        )


def both_table(
    domains: int, views: Sequence[View], sysctls: Sequence[Scope], *, grants: bool
) -> Iterator[Scene]:
    """Every chain of scope and view together, for A, under every sysctl."""
    for depth in range(domains + 1):
        for chain in product(product(Scope, views), repeat=depth):
            family = Family(chain, depth, more=domains)
            script, viewer, targets, lineage = among_all(family)
            steps = Steps(script, viewer, targets)
            steps.become("a")
            for level in sysctls:
                steps.level(level)
                steps.ask(".a")
                for tracer in (viewer, lineage[-1]):
                    steps.name(str(tracer.number), Tracer(tracer.pid, tracer.enclosure))
                    steps.ask("a")
                if grants:
                    steps.grant(str(viewer.number), Tracer(viewer.pid, viewer.enclosure))
                    steps.ask("a")
                    steps.grant("-", NOBODY)
                steps.name("-", NOBODY)
            words = " ".join(f"{scope.value}/{view.word}" for scope, view in chain)
            yield steps.scene(f"both [{words}]")


def threads_table(views: Sequence[View], *, grants: bool) -> Iterator[Scene]:
    """A target with two threads, each in or outside of the viewer's domain, or deeper in it.

    The other thread is of the same uid, or stays root's, which matters to the
    view `user` alone.
    """
    for view, inner, related, others in product(views, (None, *views), (True, False), ("", ".")):
        for place in PLACES:
            if others and View.USER not in (view, inner):
                continue
            script, viewer, target, lineage = _with_threads(view, inner, related, place)
            target.others = others
            steps = ask_everything(
                script, viewer, [target], lineage, grants=grants, identities=("sSbf", "na")
            )
            words = view.word if inner is None else f"{view.word} {inner.word}"
            relation = "parent" if related else "stranger"
            also = ", the other is root's" if others else ""
            yield steps.scene(f"threads [{words}], {relation}, {place}{also}")


def _with_threads(
    view: View, inner: View | None, related: bool, place: str
) -> tuple[Script, Member, Target, list[Member]]:
    script = Script()
    script.subreaper(True)

    def viewer() -> Member:
        if related:
            return itself()
        with script.fork(MIDDLE):
            found = itself()
            script.exit([found])
        return found

    def itself() -> Member:
        with script.fork(VIEWER) as found:
            if place == "none in":
                script.enter(1, Scope.CLASSIC, view)
            if inner is not None:
                script.enter(2, Scope.CLASSIC, inner)
        return found

    def enter(*, thread: bool = True) -> None:
        script.enter(1, Scope.CLASSIC, view, thread=thread)

    with script.fork(LINEAGE + 1) as leader:
        if place == "leader in":
            with script.thread():
                pass
            enter()
            found = viewer()
        elif place == "other in":
            with script.thread():
                enter()
                found = viewer()
        elif place == "none in":
            with script.thread():
                pass
            found = viewer()
        else:
            enter(thread=False)
            with script.thread():
                if place == "other deeper":
                    script.enter(11, Scope.CLASSIC, View.INFERIORS, thread=True)
            found = viewer()
    return script, found, Target(leader, "process of two threads"), [leader]


def depth_table(views: Sequence[View]) -> Iterator[Scene]:
    """Descendants as far away as a view follows parents, and one generation more."""
    for view, generations in product(views, (MAX_GENERATIONS - 1, MAX_GENERATIONS)):
        script = Script()
        script.enter(1, Scope.RELATIONAL, view)
        targets: list[Target] = []

        def descend(script: Script, left: int, targets: list[Target]) -> None:
            with script.fork(TARGET + left) as child:
                if left > 1:
                    descend(script, left - 1, targets)
                else:
                    targets.append(Target(child, "descendant"))

        viewer = script.me
        descend(script, generations, targets)
        steps = Steps(script, viewer, targets)
        steps.become("a")
        steps.ask("ra")
        yield steps.scene(f"depth {generations}, {view.word}")


# What the rules say


class Deviation(Enum):
    """Where the BPF programs differ from the series; the words are of the honours table.

    Each is a row of it, or of the limits in ``docs/bpf.md``. Nothing else may
    be different, and each of these must be in some case.
    """

    NAMES = "a hidden name answers as a missing one"
    PRIVATE = "proc=private"
    TRACER = "PR_SET_PTRACER across domains"
    THREADS = "that all other threads are inside, too, is not asked"
    OWNER = "less than the kernel gives a namespace's owner"
    GENERATIONS = "An ancestor that is 128 or more generations away is none"


def digit(case: Case) -> int:
    """Return what the rules expect the program to say of a case, on the series' kernel."""
    machine = Machine(case.level, grants=True)
    answers = _ask(Pair(case.viewer, case.target, machine))
    return answers | FOUND * (bool(answers & SEEN) or case.kin)


def _ask(pair: Pair) -> int:
    found = 0
    for bit, rule in (
        (SEEN, rules.visible),
        (READ, rules.readable),
        (ATTACHED, rules.attachable),
    ):
        answer = rule(pair)
        assert answer.verdict is not Verdict.UNKNOWN, (pair, answer)
        found |= bit * bool(answer)
    return found


def bpf_digit(case: Case, used: set[Deviation]) -> int:
    """Return the same for the BPF programs, with a private /proc.

    Args:
        case: the case.
        used: gets the deviations without which the answer would be another one.
    """
    pair = Pair(case.viewer, case.target, Machine(case.level, grants=False))
    answers = _ask(pair)
    found = answers | FOUND * (bool(answers & SEEN) or case.kin)

    def differ(deviation: Deviation, now: int) -> None:
        nonlocal found
        if now != found:
            used.add(deviation)
        found = now

    if case.target.named not in (None, NOBODY):
        # It counts for the scope where no view hides the target, of a set-uid program by name.
        unnamed = replace(pair, target=replace(pair.target, named=NOBODY))
        if not all(rules.by_view(unnamed, access=access) for access in (True, False)):
            pair = unnamed
            differ(Deviation.TRACER, _ask(pair) | found & FOUND)
    if case.target.threads and len(case.target.threads) > 1:
        target = replace(
            pair.target,
            threads=None,
            thread_domains=frozenset({pair.target.domain.id if pair.target.domain else 0}),
        )
        pair = replace(pair, target=target)
        differ(Deviation.THREADS, _ask(pair) | found & FOUND)
    if found & ATTACHED and not _bpf_level(pair):
        far = case.target.ancestors[MAX_GENERATIONS - 1 :]
        differ(
            Deviation.GENERATIONS if case.viewer.pid in far else Deviation.OWNER,
            found & ~ATTACHED,
        )
    private = replace(pair, viewer=replace(pair.viewer, hidepid="ptraceable"))
    differ(Deviation.PRIVATE, _ask(private) & ~ATTACHED | found & (ATTACHED | FOUND))
    differ(Deviation.NAMES, found | FOUND)
    return found


def _bpf_level(pair: Pair) -> bool:
    """Apply the scope of a domain as the programs do.

    The capability counts in the target's very namespace and in the initial one,
    and nobody's parents are followed further than for a view.
    """
    viewer, target = pair.viewer, pair.target
    own = viewer.user_ns
    assert own
    assert target.user_ns
    if viewer.has_ptrace_capability and own in (INITIAL, target.user_ns):
        return True
    elsewhere = replace(
        target,
        user_ns=UserNamespace(1, 0, UserNamespace(2)),
        ancestors=target.ancestors[: MAX_GENERATIONS - 1],
    )
    machine = replace(pair.machine, level=Scope.CLASSIC)
    return bool(rules.by_level(replace(pair, target=elsewhere, machine=machine)))


class Expectation:
    """Asks the rules, once for cases that are alike.

    Args:
        ask: says what is expected of one.
    """

    def __init__(self, ask: Callable[[Case], int] = digit) -> None:
        self._ask = ask
        self._tasks: dict[Task, int] = {}
        self._known: dict[tuple[int, int, Scope, bool], int] = {}

    def line(self, scene: Scene) -> str:
        """Return what the program is expected to answer to a scene."""
        numbers: dict[int, int] = {}

        def number(task: Task) -> int:
            found = numbers.get(id(task))
            if found is None:
                found = numbers[id(task)] = self._tasks.setdefault(task, len(self._tasks))
            return found

        digits = []
        for case in scene.cases:
            key = number(case.viewer), number(case.target), case.level, case.kin
            known = self._known.get(key)
            if known is None:
                known = self._known[key] = self._ask(case)
            digits.append(f"{known:x}")
        return "".join(digits)


# How many cases there are


@dataclass(frozen=True)
class Crowd:
    """How many targets a scene has.

    Args:
        outside: those in the initial user namespace.
        inside: those in another one.
        lineage: how many ancestors of the viewer can be named.
    """

    outside: int
    inside: int
    lineage: int

    @property
    def all(self) -> int:
        """All of them."""
        return self.outside + self.inside

    def related(self, size: int, grants: bool) -> int:
        """Return how many cases some of them are in, in each relation but traced by the viewer.

        They name the viewer, its ancestors, a stranger, one that is gone and
        everybody, are granted to two, and traced by another one.
        """
        return size * (1 + self.lineage + 3 + 2 * grants + 1)


def _crowd(depth: int, origin: int, more: int, namespace: int | None, by_viewer: bool) -> Crowd:
    """The targets of :func:`among_all`: ancestors, strangers, and four kinds of descendants."""
    generations, own = origin + 1, depth - origin + 1
    if namespace is None:
        return Crowd(generations + more * generations + 4 * more * own, 0, generations)
    if by_viewer:
        before, after = namespace - origin + 1, depth - namespace + 1
        outside = generations + more * generations + 4 * more * before
        return Crowd(outside, 4 * more * after, generations)
    before, after = namespace, origin - namespace + 1
    outside = before + more * (before + 1)
    return Crowd(outside, after + more * after + 4 * more * own, generations)


def _of_everything(crowd: Crowd, viewers: int, grants: bool, viewer_inside: bool) -> int:
    """The cases of :func:`ask_everything` at sysctl 0."""
    early, late = map(len, TARGET_IDENTITIES)
    cases = crowd.all * (1 + late) + crowd.outside * (1 + early)
    cases += crowd.related(crowd.outside, grants) + crowd.related(crowd.all, grants)
    # Those that the viewer may trace: all of them, or, if that makes it see them, those in
    # its namespace when they are A.
    cases += crowd.inside * grants if viewer_inside else crowd.outside + crowd.all
    return viewers * (cases + 2)


def _views_count(domains: int, grants: bool) -> int:
    total = 0
    for depth in range(domains + 1):
        more = domains - depth + 1
        for origin in range(depth + 1):
            cases = 0
            generations = origin + 1
            for namespace, by_viewer in _namespaces(depth, origin):
                inside = namespace is not None
                viewers = len(VIEWER_IDENTITIES[inside])
                crowds = [_crowd(depth, origin, more, namespace, by_viewer)]
                before = generations if by_viewer or namespace is None else namespace
                ancestors = Crowd(before, generations - before, generations)
                crowds += [ancestors] * (more - 1)
                if not inside:
                    crowds += [ancestors] * (2 if origin else 1)
                after = 0 if by_viewer or namespace is None else origin - namespace + 1
                stops = generations if namespace is None or not after else namespace + 1
                crowds.append(Crowd(more * stops, more * after, 1))
                cases += sum(_of_everything(crowd, viewers, grants, inside) for crowd in crowds)
                cases += 1  # it looks at itself
            total += len(View) ** depth * cases
    return total


def _scopes_count(
    domains: int, levels: int, grants: bool, overrides: bool, *, traced: bool = True
) -> int:
    total = 0
    for depth in range(domains + 1):
        for origin in range(depth + 1):
            for inside in (False, True):
                viewers = len(SCOPE_VIEWERS[inside])
                crowd = _crowd(depth, origin, 1, origin if inside else None, inside)
                asked = crowd.all * (1 + len(SCOPE_IDENTITIES[1]))
                asked += crowd.related(crowd.all, grants) - (not traced) * crowd.all
                chains = 1 + (overrides and depth > 0 and not (inside and not origin))
                total += len(Scope) ** depth * chains * viewers * (levels * asked + 2)
    return total


def _both_count(domains: int, levels: int, grants: bool) -> int:
    kinds = len(Scope) * len(View)
    return sum(
        kinds**depth
        * levels
        * (4 + grants)
        * _crowd(depth, depth, domains - depth + 1, None, False).all
        for depth in range(domains + 1)
    )


def _threads_count(grants: bool) -> int:
    # Of the pairs of views those with the view user have another variant.
    views = len(View) * (1 + len(View)) + (1 + len(View)) + (len(View) - 1)
    scenes = views * 2 * len(PLACES)
    crowd = Crowd(1, 0, 1)
    asked = 1 + 1 + len("sSbfna") + 2 * (crowd.related(1, grants) + 1)
    return scenes * len(VIEWER_IDENTITIES[False]) * (asked + 2)


def counts(enforcer: str, domains: int) -> dict[str, int]:
    """Return how many cases each table must have, by formula."""
    yama = enforcer == "yama"
    levels = len(Scope) - 1
    return {
        "views": _views_count(domains, yama),
        "both": _both_count(domains, levels, yama),
        "threads": _threads_count(yama),
        "depth": len(View) * 2 * 2,
        "scopes": _scopes_count(domains, levels, yama, yama),
        "no-attach": _scopes_count(domains, 1, yama, yama, traced=False),
    }


# Files for the guest


@dataclass(frozen=True)
class Table:
    """One table as a guest gets it: scenes, expected answers and how many cases there are."""

    name: str
    scenes: Callable[[], Iterator[Scene]]


def tables(enforcer: str, domains: int) -> list[Table]:
    """Return all tables.

    Args:
        enforcer: `yama` or `bpf`.
        domains: how many domains a scene may have.
    """
    yama = enforcer == "yama"
    views, sysctls, last = list(View), list(Scope)[:-1], list(Scope)[-1:]
    return [
        Table("views", lambda: views_table(domains, views, grants=yama)),
        Table("both", lambda: both_table(domains, views, sysctls, grants=yama)),
        Table("threads", lambda: threads_table(views, grants=yama)),
        Table("depth", lambda: depth_table(views)),
        Table("scopes", lambda: scopes_table(domains, sysctls, grants=yama, overrides=yama)),
        # Nobody can undo that level, so it comes last.
        Table("no-attach", lambda: scopes_table(domains, last, grants=yama, overrides=yama)),
    ]


def write(enforcer: str, domains: int, to: Path) -> None:
    """Write for each table what the program is told and what it must answer.

    Args:
        enforcer: as for :func:`tables`.
        domains: likewise.
        to: a directory.
    """
    used: set[Deviation] = set()
    ask = digit if enforcer == "yama" else partial(bpf_digit, used=used)
    expectation = Expectation(ask)
    to.mkdir(parents=True, exist_ok=True)
    for table in tables(enforcer, domains):
        with (
            (to / f"{table.name}.scenes").open("w", encoding="ascii") as lines,
            (to / f"{table.name}.answers").open("w", encoding="ascii") as answers,
        ):
            for scene in table.scenes():
                print(scene.line, file=lines)
                print(expectation.line(scene), file=answers)
    names = sorted(deviation.name for deviation in used)
    (to / "deviations").write_text("".join(f"{name}\n" for name in names), encoding="ascii")


def prepare(enforcer: str, domains: int, share: Path) -> None:
    """Put the program and the tables where a guest finds them.

    Tables are kept in `build`, by what they follow from.
    """
    here = Path(__file__)
    root = here.parents[3]
    subprocess.run(
        ["gcc", "-O2", "-Wall", "-static", "-o", share / "scenes", here.with_name("scenes.c")],
        check=True,
    )
    parts = [here, *sorted((root / "yama_session/reach").glob("*.py"))]
    parts += [root / "yama_session/levels.py", root / "yama_session/scope.py"]
    digest = sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()[:16]
    kept = root / "build/reach" / f"{enforcer}-{domains}-{digest}"
    if not kept.exists():
        made = kept.with_name(f"{kept.name}.{os.getpid()}")
        write(enforcer, domains, made)
        # Another one may have been faster, with the same.
        with suppress(OSError):
            made.rename(kept)
    shutil.copytree(kept, share / "cases")


if __name__ == "__main__":
    prepare(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
