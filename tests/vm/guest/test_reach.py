# guest: --long --timeout 1500
"""The rules of who sees, reads and traces whom are the kernel's."""

import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from logins import set_sysctl

from yama_session import Domain, Scope, Verdict, View
from yama_session.reach import reach

SUBJECT = Path(__file__).with_name("subject.py")
WHAT = ("visible", "readable", "attachable")
ALICE, BOB = 1000, 1001

CLASSIC, RELATIONAL, CAPABILITY, NO_ATTACH = Scope
ALL, USER, DOMAIN, INFERIORS = View


@dataclass
class Subject:
    """A process in its place."""

    name: str
    process: "subprocess.Popen[str]"
    children: dict[str, int] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        return self.process.pid

    def tell(self, words: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(words, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


def start(name: str, domains: dict[str, Domain], spec: dict[str, Any]) -> Subject:
    spec = dict(spec)
    fds = []
    if "domain" in spec:
        fds = [domains[spec["domain"]].fileno()]
        spec["domain"] = fds[0]
    process = subprocess.Popen(
        ["/usr/bin/python3", str(SUBJECT), json.dumps(spec)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=fds,
    )
    subject = Subject(name, process)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", name
    return subject


DOMAINS = {
    "plain": (RELATIONAL, DOMAIN, False),
    "other": (RELATIONAL, DOMAIN, False),
    "classic": (CLASSIC, DOMAIN, False),
    "developer": (CLASSIC, DOMAIN, True),
    "strict": (CAPABILITY, ALL, False),
    "kiosk": (NO_ATTACH, DOMAIN, False),
    "user": (CLASSIC, USER, False),
    "inferiors": (CLASSIC, INFERIORS, False),
}

SUBJECTS: dict[str, dict[str, Any]] = {
    "root": {},
    "root without capability": {"no_ptrace_capability": True},
    "alice": {"uid": ALICE},
    "bob": {"uid": BOB},
    "alice not dumpable": {"uid": ALICE, "dumpable": False},
    "alice who names everybody": {"uid": ALICE, "ptracer": -1},
    "alice in a user namespace": {"uid": ALICE, "userns": True},
    "alice under hidepid": {"uid": ALICE, "hidepid": "ptraceable"},
    "alice, domain": {"uid": ALICE, "domain": "plain"},
    "alice, same domain": {"uid": ALICE, "domain": "plain"},
    "alice, other domain": {"uid": ALICE, "domain": "other"},
    "bob, domain": {"uid": BOB, "domain": "plain"},
    "root, domain": {"domain": "plain"},
    "root without capability, domain": {"domain": "plain", "no_ptrace_capability": True},
    "alice, nested": {"uid": ALICE, "domain": "plain", "enter": [[CLASSIC, DOMAIN]]},
    "alice, nested all": {"uid": ALICE, "domain": "plain", "enter": [[CLASSIC, ALL]]},
    "alice, nested user": {"uid": ALICE, "domain": "plain", "enter": [[CLASSIC, USER]]},
    "alice, nested inferiors": {"uid": ALICE, "domain": "plain", "enter": [[CLASSIC, INFERIORS]]},
    "alice, user namespace in domain": {"uid": ALICE, "domain": "plain", "userns": True},
    "alice, classic": {"uid": ALICE, "domain": "classic"},
    "alice, developer": {"uid": ALICE, "domain": "developer"},
    "alice, strict": {"uid": ALICE, "domain": "strict"},
    "alice, kiosk": {"uid": ALICE, "domain": "kiosk"},
    "root, kiosk": {"domain": "kiosk"},
    "alice, inferiors": {"uid": ALICE, "domain": "inferiors"},
    "alice, user": {"uid": ALICE, "domain": "user"},
    "bob, user": {"uid": BOB, "domain": "user"},
    "root without capability, user": {"domain": "user", "no_ptrace_capability": True},
    "alice, user, nested domain": {"uid": ALICE, "domain": "user", "enter": [[CLASSIC, DOMAIN]]},
}

#: Who also has children, for the relation: one as itself, one in a nested domain.
PARENTS = (
    "alice",
    "alice, domain",
    "alice, developer",
    "alice, kiosk",
    "alice, inferiors",
    "alice, user",
)


WHO_NAME_A_TRACER = {
    "alice who names everybody",
    "alice, other domain, who names alice, domain",
}


@dataclass
class Place:
    """All subjects, and all that can be looked at."""

    subjects: dict[str, Subject]
    targets: dict[str, int]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with contextlib.ExitStack() as stack:
        domains = {
            name: stack.enter_context(Domain.create(scope, view, toplevel=True, override=override))
            for name, (scope, view, override) in DOMAINS.items()
        }
        subjects = {}
        for name, spec in SUBJECTS.items():
            subjects[name] = start(name, domains, spec)
            stack.callback(subjects[name].process.kill)
        targets = {name: subject.pid for name, subject in subjects.items()}
        for name in PARENTS:
            tell = subjects[name].tell
            targets[f"child of {name}"] = tell("child {}")
        named = {"uid": ALICE, "domain": "other", "ptracer": subjects["alice, domain"].pid}
        targets["alice, other domain, who names alice, domain"] = start("named", domains, named).pid
        traced = start("traced", domains, {"uid": ALICE, "domain": "other"}).pid
        assert subjects["root"].tell(f"trace {traced}") == 0
        targets["traced by root"] = traced
        targets["thread of the kernel"] = 2
        yield Place(subjects, targets)


def disagreement(said: Verdict, is_so: bool) -> bool:
    return said is not Verdict.UNKNOWN and (said is Verdict.YES) != is_so


#: The only things that the rules may leave open.
OPEN = (
    "has named it with PR_SET_PTRACER",
    "has been granted to the tracer",
    "is dumpable cannot be told",
    "who is capable over its memory is not told",
    "capable over the creator of its domain is not told",
)


@pytest.mark.parametrize("sysctl", [0, 1, 2])
def test_rules_agree_with_the_kernel(place: Place, sysctl: int) -> None:
    set_sysctl(sysctl)
    wrong, counts, vague = [], Counter[str](), Counter[str]()
    related = set()
    for viewer, subject in place.subjects.items():
        for target, pid in place.targets.items():
            if pid == subject.pid:
                continue
            really = subject.tell(f"look {pid}")
            found = reach(pid, subject.pid)
            for what in WHAT:
                answer = getattr(found, what)
                counts[answer.verdict.value] += 1
                row = f"{viewer} -> {target}: {what}: {answer}, really {really[what]}"
                if disagreement(answer.verdict, really[what]):
                    wrong.append(row)
                if answer.verdict is Verdict.UNKNOWN:
                    vague[answer.rule] += 1
                    if not any(words in answer.reason for words in OPEN):
                        wrong.append(f"vague: {row}")
                    elif answer.reason.startswith("no, unless") and really[what]:
                        related.add((viewer, target))
    print(f"sysctl {sysctl}: {dict(counts)}, unknown by rule: {dict(vague)}", file=sys.stderr)
    assert not wrong, "\n".join(wrong)
    # What it says of the unknown is so: only a relation makes a yes of it.
    assert {target for _, target in related} <= WHO_NAME_A_TRACER
    assert ("alice, domain", "alice, other domain, who names alice, domain") in related
    assert counts["yes"] > 200
    assert counts["no"] > 200


@pytest.mark.parametrize("sysctl", [0, 1, 2])
def test_a_process_that_asks_for_itself_is_told_the_truth(place: Place, sysctl: int) -> None:
    set_sysctl(sysctl)
    wrong = []
    for viewer, subject in place.subjects.items():
        for target, pid in place.targets.items():
            if pid == subject.pid:
                continue
            really, said = subject.tell(f"look {pid}"), subject.tell(f"ask {pid}")
            wrong += [
                f"{viewer} -> {target}: {what}: {said[what]}, really {really[what]}"
                for what in WHAT
                if said[what]["verdict"] != ("yes" if really[what] else "no")
            ]
    assert not wrong, "\n".join(wrong)
