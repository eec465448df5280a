"""The rules of the kernel for who sees, reads and traces whom, as a model.

Sources: ``yama_visible()``, ``yama_ptrace_access_check()`` and ``yama_level()``
of the series; ``__ptrace_may_access()``, ``ptrace_attach()`` and
``cap_ptrace_access_check()`` of Linux; ptrace(2), "Ptrace access mode
checking".

No file tells whom a process has named with ``PR_SET_PTRACER``, nor whom it was
granted to, nor what is around its domain: where only that could help, the answer
is unknown. Whoever knows it all, as a test does that has made it so, can say it
in the facts, and gets no unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

from yama_session.levels import Scope, View
from yama_session.reach import capability
from yama_session.reach.answer import Answer, Verdict, all_of, no, unknown, unless, yes
from yama_session.reach.facts import (
    EVERYBODY,
    MAX_GENERATIONS,
    NEW_DOMAIN,
    Enclosure,
    Machine,
    Task,
    Thread,
)

#: init and kthreadd: a set-uid program finds these two whoever runs it.
_FIRST_TASKS = (1, 2)
_GRANT = "'yama-session allow-attach' grants it"
_CAPABLE = "CAP_SYS_PTRACE lifts this: ask as root"
_LESS_VIEW = (
    "start the viewer in no domain or in one around it (the policy's word view), or ask as root"
)


@dataclass(frozen=True)
class Pair:
    """A viewer and its target.

    Args:
        viewer: who looks or traces.
        target: who is looked at or traced.
        machine: what holds for both.
        contained: whether the target's domain is known to be inside the
            viewer's (or all that hide are known to contain it); ``None`` where
            only a process in there could tell.
    """

    viewer: Task
    target: Task
    machine: Machine
    contained: bool | None = None

    @property
    def same_process(self) -> bool:
        """Whether a process is asked about itself."""
        return self.viewer.pid == self.target.pid


def visible(pair: Pair) -> Answer:
    """Return whether the target has a name in the viewer's /proc."""
    return all_of(_pid_namespace(pair), _hidepid(pair), by_view(pair, access=False))


def readable(pair: Pair) -> Answer:
    """Return whether the viewer may look inside: environ, maps, cwd, fd (PTRACE_MODE_READ)."""
    if pair.same_process:
        return yes("same-process", "a process may always look into itself")
    if pair.target.exited:
        return no("exited", f"{pair.target} has exited: there is nothing to read")
    return all_of(
        _pid_namespace(pair),
        _credentials(pair, pair.viewer.uid.fs, pair.viewer.gid.fs),
        _dumpable(pair),
        _capabilities(pair, pair.viewer.effective),
        by_view(pair, access=False),
        by_view(pair, access=True),
        yes("credentials", "uid, gid and capabilities fit, and no view hides it"),
    )


def attachable(pair: Pair) -> Answer:
    """Return whether PTRACE_ATTACH would succeed."""
    viewer, target = pair.viewer, pair.target
    if pair.same_process:
        return no("same-process", "no process traces itself")
    if target.kernel_thread:
        return no("kernel-thread", f"{target} is a thread of the kernel, which nobody traces")
    if target.exited:
        return no("exited", f"{target} has exited")
    if target.tracer:
        who = "this tracer" if target.tracer == viewer.pid else f"pid {target.tracer}"
        return no("traced", f"{target} is traced by {who} already", "end that trace first")
    return all_of(
        _pid_namespace(pair),
        _credentials(pair, viewer.uid.real, viewer.gid.real),
        _dumpable(pair),
        _capabilities(pair, viewer.permitted),
        by_view(pair, access=False),
        by_view(pair, access=True),
        by_level(pair),
    )


@dataclass(frozen=True)
class Level:
    """The level that binds a tracer.

    Args:
        scope: the level.
        rule: what it is from: ``sysctl``, ``scope`` or ``no-yama``.
        source: the same, for a person.
    """

    scope: Scope
    rule: str
    source: str


def level(viewer: Task, machine: Machine) -> Level:
    """Return the level that binds a tracer: ``yama_level()``."""
    if machine.level is None:
        return Level(Scope.CLASSIC, "no-yama", "there is no Yama")
    sysctl, domain = machine.level, viewer.domain
    of_machine = Level(sysctl, "sysctl", f"kernel.yama.ptrace_scope is {sysctl.value}")
    if domain is None or sysctl is Scope.NO_ATTACH:
        return of_machine
    of_domain = f"the scope of the tracer's domain is {domain.scope.value}"
    if domain.override:
        return Level(domain.scope, "scope", f"{of_domain}, in place of the sysctl")
    stricter = domain.scope > sysctl
    if machine.level_is_readers:  # then it may be that very scope
        stricter = domain.scope >= sysctl
    return Level(domain.scope, "scope", of_domain) if stricter else of_machine


def _pid_namespace(pair: Pair) -> Answer:
    viewer, target = pair.viewer, pair.target
    rule = "pid-namespace"
    if viewer.pid_levels == 1 or (viewer.pid_ns and viewer.pid_ns == target.pid_ns):
        return yes(rule, "the target has a number in the viewer's pid namespace")
    if target.pid_levels < viewer.pid_levels:
        return no(rule, f"{target} has no number in the pid namespace of {viewer}")
    return unknown(rule, f"the pid namespaces of {viewer} and {target} cannot be compared")


def _hidepid(pair: Pair) -> Answer:
    option = pair.viewer.hidepid
    if option is None:
        return unknown("hidepid", f"the mounts of {pair.viewer} cannot be read")
    if option in ("off", "noaccess"):
        return yes("hidepid", "its /proc hides nothing by a mount option")
    if readable(pair):
        return yes("hidepid", f"its /proc has hidepid={option}, but it may look inside")
    answer = readable(pair)
    return Answer(
        answer.verdict,
        "hidepid",
        f"its /proc has hidepid={option}, and {answer.reason}",
        answer.change or "a /proc without that option",
    )


def _credentials(pair: Pair, uid: int, gid: int) -> Answer:
    """The first test of every access: all the target's ids are the viewer's, or a capability."""
    target = pair.target
    uids = {target.uid.real, target.uid.effective, target.uid.saved}
    gids = {target.gid.real, target.gid.effective, target.gid.saved}
    if uids == {uid} and gids == {gid}:
        return yes("credentials", "uid and gid are the same")
    capable = capability.over(pair.viewer, target.user_ns)
    if capable is Verdict.YES:
        return yes("capability", "CAP_SYS_PTRACE over the target's user namespace")
    kind, own, others = ("uid", uid, uids) if uids != {uid} else ("gid", gid, gids)
    numbers = " or ".join(str(number) for number in sorted(others))
    reason = f"{target} has {kind} {numbers}, not only the viewer's {own}"
    if capable is Verdict.NO:
        return no("credentials", reason, _CAPABLE)
    return unknown("credentials", f"{reason}, and its user namespace cannot be read", _CAPABLE)


def _dumpable(pair: Pair) -> Answer:
    target = pair.target
    capable = capability.over_memory(pair.viewer, target)
    if target.dumpable or capable is Verdict.YES:
        return yes("dumpable", "it is dumpable, or a capability makes up for it")
    if target.dumpable is False and capable is Verdict.NO:
        return no(
            "dumpable",
            f"{target} is not dumpable: it was set-uid, changed its ids, or asked for it",
            _CAPABLE,
        )
    if target.dumpable is False:
        reason = f"{target} is not dumpable, and who is capable over its memory is not told"
    else:
        reason = f"whether {target} is dumpable cannot be told"
    return unknown("dumpable", reason, _CAPABLE)


def _capabilities(pair: Pair, own: int) -> Answer:
    """Allow no access to a process with more capabilities: ``cap_ptrace_access_check()``."""
    viewer, target = pair.viewer, pair.target
    rule = "capabilities"
    subset = not target.permitted & ~own
    namespaces = (viewer.user_ns, target.user_ns)
    known = None not in namespaces
    same = known and len({namespace.inode for namespace in namespaces if namespace}) == 1
    if subset and same:
        return yes(rule, "it has no capability that the viewer lacks")
    capable = capability.over(viewer, target.user_ns)
    if capable is Verdict.YES:
        return yes(rule, "CAP_SYS_PTRACE over the target's user namespace")
    if capable is Verdict.UNKNOWN or (subset and not known):
        return unknown(rule, f"the user namespace of {viewer} or {target} cannot be read", _CAPABLE)
    if not subset:
        return no(rule, f"{target} has capabilities that the viewer lacks", _CAPABLE)
    return no(rule, f"{target} is in another user namespace", _CAPABLE)


def by_view(pair: Pair, *, access: bool) -> Answer:
    """Tell if the target exists for the viewer: ``yama_visible()``.

    Whoever looks into a process or attaches to it names it first: there both
    must be a yes.

    Args:
        pair: the two.
        access: whether it is looked into, not just named.
    """
    viewer, target = pair.viewer, pair.target
    domain = viewer.domain
    if pair.same_process:
        return yes("same-process", "a process always sees itself")
    if not access and not pair.machine.hides_names:
        return yes("view", "no view hides names here")
    if domain is None:
        return yes("no-domain", "the viewer is in no domain: no view hides anything from it")
    if domain.view is View.ALL:
        return yes("view", "the view of its domain is all")
    if viewer.pid and target.tracer == viewer.pid:
        return yes("traced", "the viewer traces it")
    if viewer.enclosure and target.is_placed:
        return _view_of_each(pair, viewer.enclosure, access=access)
    hidden = _hidden(pair, access=access)
    if hidden.verdict is Verdict.YES:
        return hidden
    exempt = Verdict.NO if _is_named_by_deputy(pair, access) else capability.over_domain(viewer)
    if exempt is Verdict.YES:
        return yes("capability", "CAP_SYS_PTRACE over the domain's creator lifts the view")
    if exempt is Verdict.UNKNOWN:
        doubt = "whether the viewer is capable over the creator of its domain is not told"
        return unknown("view", f"{hidden.reason}; {doubt}", hidden.change)
    if hidden.verdict is Verdict.UNKNOWN:
        return hidden
    return _unless_related(pair, hidden)


def _is_named_by_deputy(pair: Pair, access: bool) -> bool:
    """Tell if a set-uid program looks up a name: its capability does not count then.

    The name came from whoever runs it.
    """
    return not access and pair.viewer.is_deputy and pair.target.pid not in _FIRST_TASKS


def _view_of_each(pair: Pair, innermost: Enclosure, *, access: bool) -> Answer:
    """Ask each domain that the viewer is in: the capability counts over its creator."""
    viewer = pair.viewer
    for domain in innermost.outwards():
        refusal = _refusal(pair, domain, access=access)
        if refusal is None:
            continue
        if _is_named_by_deputy(pair, access):
            return _unless_related(pair, refusal)
        exempt = capability.over(viewer, domain.user_ns)
        if exempt is Verdict.UNKNOWN:
            doubt = f"whether the viewer is capable over the creator of {domain.id} is not told"
            return unknown("view", f"{refusal.reason}; {doubt}", refusal.change)
        if exempt is Verdict.NO:
            return _unless_related(pair, refusal)
    return yes("view", "no domain of the viewer hides it, or a capability lifts that")


def _refusal(pair: Pair, domain: Enclosure, *, access: bool) -> Answer | None:
    """Return why one of the viewer's domains hides the target, ``None`` if it does not.

    Access to one thread is access to the memory of all. So where one of them
    has gone into a domain alone, it must show each for that.
    """
    viewer, target = pair.viewer, pair.target
    if domain.view is View.ALL:
        return None

    def shows(thread: Thread) -> bool:
        own = thread.uid == viewer.uid.real and not target.kernel_thread
        return (domain.view is View.USER and own) or domain.contains(thread.enclosure)

    main = Thread(target.uid.real, target.enclosure)
    reason = f"the view of domain {domain.id} is {domain.view.word}, and {target}"
    if not shows(main):
        return no("view", f"{reason} is {_whereabouts(target)}", _LESS_VIEW)
    threads = target.threads or ()
    differ = len({thread.enclosure for thread in threads}) > 1
    if access and differ and not all(map(shows, threads)):
        return no("view", f"{reason} has a thread that it does not show", _LESS_VIEW)
    if domain.view is View.INFERIORS and _descends(pair, view=True) is not Verdict.YES:
        return no("view", f"{reason} does not descend from the viewer", _LESS_VIEW)
    return None


def _hidden(pair: Pair, *, access: bool) -> Answer:
    """Return yes if no domain of the viewer hides the target, capability and relations aside."""
    viewer, target = pair.viewer, pair.target
    domain = viewer.domain
    assert domain is not None  # asked by by_view()
    where = _whereabouts(target)
    if domain.view is View.USER:
        where += " and not of the viewer's real uid"
    if domain.view is View.INFERIORS:
        descends = _descends(pair, view=True)
        if descends is not Verdict.YES:
            reason = f"the view is inferiors, and {target} does not descend from the viewer"
            if descends is Verdict.NO:
                return no("view", reason, _LESS_VIEW)
            return unknown("view", f"whether {target} descends from the viewer cannot be told")
    if domain.view is View.USER and _same_user(pair):
        return yes("view", f"the view is user, and {target} has the viewer's real uid")
    inside = _inside(pair, target.domain.id if target.domain else 0)
    if access and inside is Verdict.YES:
        others = target.thread_domains - {target.domain.id if target.domain else 0}
        if any(_inside(pair, other) is Verdict.NO for other in others):
            return no("view", f"a thread of {target} is outside the viewer's domain", _LESS_VIEW)
        if others:
            return unknown("view", f"threads of {target} are in other domains")
    if inside is Verdict.YES:
        return yes("view", f"{target} is in the viewer's domain or nested in it")
    if inside is Verdict.NO:
        return no(
            "view",
            f"the view of domain {domain.id} is {domain.view.word}, and {target} is {where}",
            _LESS_VIEW,
        )
    return unknown("view", f"whether {where} is inside domain {domain.id} cannot be told")


def _whereabouts(task: Task) -> str:
    return f"in domain {task.domain.id}" if task.domain else "in no domain"


def _same_user(pair: Pair) -> bool:
    """Tell if the target is the viewer's own by its real uid; the kernel's threads are nobody's."""
    viewer, target = pair.viewer, pair.target
    return viewer.uid.real == target.uid.real and not target.kernel_thread


def _inside(pair: Pair, other: int) -> Verdict:
    """Return whether a domain is inside all of the viewer's domains that hide something."""
    domain, target = pair.viewer.domain, pair.target
    assert domain is not None  # asked by by_view()
    if other == domain.id:
        return Verdict.YES
    if not other or domain.id == NEW_DOMAIN:
        return Verdict.NO
    if pair.contained is not None and target.domain and other == target.domain.id:
        return Verdict.YES if pair.contained else Verdict.NO
    # Of a chain of one the view is its own, and another top level is outside.
    if domain.depth == 1 and target.domain and target.domain.depth == 1:
        return Verdict.NO
    return Verdict.UNKNOWN


def _descends(pair: Pair, *, view: bool = False) -> Verdict:
    """Tell if the target descends from the viewer; a view does not follow that for ever."""
    ancestors = pair.target.ancestors
    if pair.viewer.pid in (ancestors[: MAX_GENERATIONS - 1] if view else ancestors):
        return Verdict.YES
    if not pair.viewer.pid or pair.target.lineage_known:
        return Verdict.NO
    return Verdict.UNKNOWN


def _named(pair: Pair, *, view: bool) -> Verdict:
    """Tell if the target has named the viewer, or a process that it descends from, as tracer.

    To lift a view an ancestor must be in the viewer's domain, since all descend
    from init; and who has named everybody did not mean other domains.
    """
    viewer, named = pair.viewer, pair.target.named
    if named is None:
        return Verdict.UNKNOWN
    if named.pid == viewer.pid:
        return Verdict.YES
    if view and not (viewer.enclosure and viewer.enclosure.contains(named.enclosure)):
        return Verdict.NO
    ancestors = viewer.ancestors[: MAX_GENERATIONS - 1] if view else viewer.ancestors
    yes_ = named == EVERYBODY or named.pid in ancestors
    return Verdict.YES if yes_ else Verdict.NO


def _granted(pair: Pair) -> Verdict:
    """Tell if the target has been granted to the viewer, in the domain that this is in now."""
    granted, domain = pair.target.granted, pair.viewer.domain
    if not pair.machine.grants:
        return Verdict.NO
    if granted is None:
        return Verdict.UNKNOWN
    there = granted.enclosure.id if granted.enclosure else 0
    yes_ = granted.pid == pair.viewer.pid and there == (domain.id if domain else 0)
    return Verdict.YES if yes_ else Verdict.NO


def _unless_related(pair: Pair, refusal: Answer, *, by_descent: bool = False) -> Answer:
    """Turn a refusal into what can be known of it: a relation that nobody tells may lift it.

    Args:
        pair: the two.
        refusal: of a view, or of level 1.
        by_descent: whether it is that of level 1.
    """
    if not pair.viewer.pid:  # nobody can have named a process that is yet to come
        return refusal
    relations = {_named(pair, view=not by_descent), _granted(pair)}
    if Verdict.YES in relations:
        return yes("relation", f"{pair.target} has named it as its tracer, or was granted to it")
    if relations == {Verdict.NO} and not (by_descent and _descends(pair) is Verdict.UNKNOWN):
        return refusal
    named = f"{pair.target} has named it with PR_SET_PTRACER"
    if by_descent and _descends(pair) is Verdict.UNKNOWN:
        named = f"{pair.target} descends from it by a hidden process, or {named}"
    change = "the target names it with PR_SET_PTRACER"
    if pair.machine.grants:
        return unless(refusal, f"{named} or been granted to it", f"{change}; or {_GRANT}")
    return unless(refusal, named, change)


def by_level(pair: Pair) -> Answer:
    """Apply the level's own test: ``yama_attach_permitted()``."""
    binding = level(pair.viewer, pair.machine)
    answer = _attach_permitted(pair, binding)
    if binding.rule == "sysctl" and pair.machine.level_is_readers:
        doubt = "the sysctl reads as the level of the domain of who asks"
        return unknown(binding.rule, f"{answer.reason}; {doubt}", answer.change)
    return answer


def _attach_permitted(pair: Pair, binding: Level) -> Answer:
    viewer, target = pair.viewer, pair.target
    scope, rule, source = binding.scope, binding.rule, binding.source
    if scope is Scope.CLASSIC:
        return yes(rule, f"no level forbids it: {source}")
    lower = "a lower scope in the policy" if rule == "scope" else "a lower sysctl"
    if scope is Scope.NO_ATTACH:
        change = "a lower scope in the policy" if rule == "scope" else "a reboot: 3 is for good"
        return no(rule, f"level 3 lets nobody attach: {source}", change)
    if scope is Scope.RELATIONAL and _descends(pair) is Verdict.YES:
        return yes("descendant", "it descends from the tracer, as level 1 asks")
    capable = capability.over(viewer, target.user_ns)
    if capable is Verdict.YES:
        return yes("capability", f"CAP_SYS_PTRACE, at level {scope.value}")
    if capable is Verdict.UNKNOWN:
        reason = f"level {scope.value} ({source}), and the target's user namespace cannot be read"
        return unknown(rule, reason, _CAPABLE)
    if scope is Scope.CAPABILITY:
        change = f"CAP_SYS_PTRACE, or {lower}"
        return _unless_granted(pair, no(rule, f"level 2 asks for CAP_SYS_PTRACE: {source}", change))
    change = f"start it from the debugger, have CAP_SYS_PTRACE, or {lower}"
    refusal = no(rule, f"level 1 asks for a descendant: {source}", change)
    return _unless_related(pair, refusal, by_descent=True)


def _unless_granted(pair: Pair, refusal: Answer) -> Answer:
    """Turn a refusal into what can be known where a grant alone would lift it."""
    granted = _granted(pair)
    if granted is Verdict.YES:
        return yes("relation", f"{pair.target} was granted to the tracer")
    if granted is Verdict.NO or not pair.viewer.pid:
        return refusal
    return unless(refusal, f"{pair.target} has been granted to the tracer", _GRANT)
