"""What a login session costs: what is measured, what it may cost, and the page of it."""

from collections.abc import Iterator, Sequence

from bench.figures import Figure, Figures, Key, figure
from bench.limits import Limit, Verdict, verdicts
from bench.report import comparisons, count, table
from bench.steps import Step

HELD = (0, 100, 1000)  # sessions that are open
USERS = 100  # whose they are
MANY = 1000  # namespaces beside the host's
PROPAGATIONS = ("shared", "slave", "private")
ROOM = 64 * 1024  # KiB for the service

ALONE = "opening yama_session, no service"
MODULES = {
    "pam_unix": "opening unix",
    "pam_yama_session, with the service": "opening yama_session",
    "pam_yama_session, without it": ALONE,
    "pam_namespace, one directory": "opening namespace",
    "pam_systemd": "opening systemd",
}

COUNTED = [
    Step("prepare", "prepare 0 >/dev/null; loginctl enable-linger alice; sleep 20"),
    Step("start", "starting"),
    Step("opening unix", "opening bench-unix alice"),
    Step("opening yama_session", "opening bench-yama_session alice"),
    Step("opening namespace", "opening bench-namespace alice"),
    Step("opening systemd", "opening bench-systemd alice"),
    Step(ALONE, "systemctl stop yama-session; opening bench-yama_session alice"),
    Step("mount", "mounting"),
    *(
        Step(f"mount {propagation}", f"namespaces {MANY} {propagation} own mounting")
        for propagation in ("none", *PROPAGATIONS)
    ),
    Step("one procfs", f"namespaces {MANY} shared one mounting"),
]

# Bytes are bytes in any guest, and counting instructions makes it slow.
NOT_COUNTED = [
    Step("prepare", f"prepare {USERS} >/dev/null"),
    *(
        Step(
            f"held {n}",
            f"systemctl restart yama-session; holding {n} bench-yama_session {USERS} resident",
        )
        for n in HELD
    ),
]

_GOAL = Key("goal", "resident")
_OPEN = "Opening a session"
LIMITS = (
    Limit(
        _OPEN,
        "with the service, against pam_systemd",
        Key("opening yama_session", "open"),
        Key("opening systemd", "open"),
        0.2,
    ),
    Limit(
        _OPEN,
        "without the service, against pam_unix",
        Key(ALONE, "open"),
        Key("opening unix", "open"),
        2.0,
    ),
    Limit(
        "The service's memory, in KiB",
        f"with {MANY:,} sessions",
        Key(f"held {MANY}", "resident"),
        _GOAL,
        1.0,
    ),
)


def judge_sessions(figures: Figures) -> list[Verdict]:
    """Apply every limit.

    Raises:
        KeyError: a figure is missing.
        ValueError: the service did not have the sessions that it was to have.
    """
    for n in HELD:
        had = figures[Key(f"held {n}", "sessions")].median
        if had != n:
            raise ValueError(f"the service had {had:.0f} sessions where {n} were opened")
    known: dict[Key, Figure] = {**figures, _GOAL: figure([ROOM])}
    return verdicts(LIMITS, known, known)


def page(title: str, figures: Figures, judged: Sequence[Verdict]) -> str:
    """Return the whole page.

    Args:
        title: which kernel this is.
        figures: those of the steps.
        judged: the comparisons, grouped.
    """
    lines = [
        f"# What a session costs: {title}",
        "",
        "Written by `make bench`; what the words mean stands in [README.md](README.md).",
        "All figures are numbers of instructions where nothing else is said, those of every",
        "process and of the kernel together, in one boot with systemd and one CPU: the",
        "median, and the spread between the quartiles.",
        "",
        *comparisons(judged, ("limit is set by", "ours")),
        *_modules(figures),
        *_service(figures),
        *_mounts(figures),
        *_procfs(figures),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _modules(figures: Figures) -> Iterator[str]:
    base = figures[Key("opening unix", "open")].median
    yield from (
        "## A session by each module alone",
        "",
        "`open` is pam_open_session(3) with this one module in the service's file. The user",
        "lingers, so that pam_systemd waits for no user manager to start.",
        "",
    )
    rows = []
    for name, step in MODULES.items():
        opened, closed = figures[Key(step, "open")], figures[Key(step, "close")]
        rows.append(
            [
                name,
                count(opened.median),
                f"{opened.spread:.1%}",
                f"{opened.median / base:.2f}",
                count(closed.median),
            ]
        )
    yield from table(("", "open", "spread", "of pam_unix", "close"), rows)


def _service(figures: Figures) -> Iterator[str]:
    ready = figures[Key("start", "ready")]
    yield from (
        "## The service",
        "",
        f"From its start to ready: {count(ready.median)} instructions, spread {ready.spread:.1%}.",
        f"Its resident memory while sessions of {USERS} users are open:",
        "",
    )
    rows = [[f"{n:,}", count(figures[Key(f"held {n}", "resident")].median)] for n in HELD]
    yield from table(("sessions", "KiB"), rows)


def _mounts(figures: Figures) -> Iterator[str]:
    yield from (
        f"## A mount of the host while there are {MANY:,} sessions",
        "",
        "Each session has a mount namespace. *shared*: /proc alone has left propagation, which",
        "is what the module does; *slave*, *private*: all mounts have.",
        "",
    )
    none = figures[Key("mount", "mount+umount")].median
    rows = [["no session", count(none), "1.0", "", ""]]
    idle = figures[Key("mount none", "new")].median
    for propagation in PROPAGATIONS:
        step = f"mount {propagation}"
        cost = figures[Key(step, "mount+umount")].median
        rows.append(
            [
                propagation,
                count(cost),
                f"{cost / none:.1f}",
                count(figures[Key(step, "make")].median),
                count(figures[Key(step, "new")].median - idle),
            ]
        )
    yield from table(("", "mount+umount", "ratio", "to make a session", "its bytes"), rows)


def _procfs(figures: Figures) -> Iterator[str]:
    yield from (
        f"## One private procfs for all of {MANY:,} sessions, or one for each",
        "",
        "Bytes of kernel objects a session, without those of its process: when it is new,",
        "and when it has listed its /proc and looked at eight files.",
        "",
    )
    idle_new, idle_used = (figures[Key("mount none", what)].median for what in ("new", "used"))
    rows = []
    for title, step in (("one for each", "mount shared"), ("one for all", "one procfs")):
        new, used = (figures[Key(step, what)].median for what in ("new", "used"))
        rows.append(
            [
                title,
                count(figures[Key(step, "make")].median),
                count(new - idle_new),
                count(used - idle_used),
            ]
        )
    yield from table(("", "to make a session", "bytes, new", "bytes, used"), rows)
