"""Write the figures down as the tables of a page."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from bench.figures import Figures, Key
from bench.limits import ALIKES, CALLS, COSTS, GROWTHS, Limit, Verdict
from bench.steps import CROWD, DEPTHS, DOMAINS, FEWEST, SESSION, TASKS

# Fewer objects than this are lost among what the kernel makes for itself meanwhile.
ENOUGH = 1000


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table; all but the first column are numbers."""
    return [
        f"| {' | '.join(head)} |",
        f"| --- |{' ---: |' * (len(head) - 1)}",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]


def count(number: float) -> str:
    """Return a number of instructions or bytes for people."""
    return f"{number:,.0f}" if number >= 1000 else f"{number:.1f}"


def page(title: str, stock: Figures, patched: Figures, verdicts: Sequence[Verdict]) -> str:
    """Return the whole page.

    Args:
        title: which kernel this is.
        stock: figures of the stock kernel.
        patched: figures of the kernel with the series.
        verdicts: the comparisons, grouped.
    """
    lines = [
        f"# What the series costs: {title}",
        "",
        "Written by `make bench`; what the words mean stands in [README.md](README.md).",
        "All figures are numbers of instructions, user space's and the kernel's together,",
        "where nothing else is said: the median, and the spread between the quartiles.",
        "",
        *comparisons(_of(COSTS, verdicts), ("stock", "patched")),
        *_lookups(patched, _of(ALIKES, verdicts)),
        *_growth(stock, patched, _of(GROWTHS, verdicts)),
        *_confined(stock, patched),
        *_ps(stock, patched),
        *_domains(patched),
        *_tasks(stock, patched),
        *_depths(patched),
    ]
    return "\n".join(lines).rstrip() + "\n"


def sentence(verdict: Verdict) -> str:
    """Return a comparison in words."""
    limit = verdict.limit
    subject, unit, other = "", "instructions", "stock"
    if limit.fewest:
        subject, unit = "grows to ", "times the cost"
    elif limit.least:
        subject, other = "hidden ", "free"
    return (
        f"{limit.group}: {limit.title}: {subject}{count(verdict.patched)} {unit}, "
        f"{other} {count(verdict.stock)}: {verdict.ratio:.4f} times, {_bounds(limit)}"
    )


def _bounds(limit: Limit) -> str:
    at_most = f"at most {limit.factor:g}"
    return f"at least {limit.least:g} and {at_most}" if limit.least else at_most


def _judged(verdict: Verdict) -> list[str]:
    """The last cells of a row: ratio, limit, verdict and spread."""
    limit = verdict.limit
    return [
        f"{verdict.ratio:.4f}",
        f"{limit.least:g} to {limit.factor:g}" if limit.least else f"{limit.factor:g}",
        "kept" if verdict.kept else "**broken**",
        f"{verdict.spread:.2%}",
    ]


def _row(verdict: Verdict) -> list[str]:
    return [
        verdict.limit.title,
        count(verdict.stock),
        count(verdict.patched),
        *_judged(verdict),
    ]


def _of(limits: Sequence[Limit], verdicts: Sequence[Verdict]) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.limit in limits]


def _by_group(verdicts: Sequence[Verdict]) -> Iterator[tuple[str, list[Verdict]]]:
    for group, members in groupby(verdicts, lambda verdict: verdict.limit.group):
        yield group, list(members)


def comparisons(verdicts: Sequence[Verdict], sides: tuple[str, str]) -> list[str]:
    """Return the lines of a table for each group of comparisons.

    Args:
        verdicts: the comparisons, grouped.
        sides: what is compared with, and what is judged.
    """
    head = ("", *sides, "ratio", "at most", "limit", "spread")
    lines: list[str] = []
    for group, members in _by_group(verdicts):
        lines += [f"## {group}", "", *table(head, map(_row, members))]
    return lines


def _lookups(patched: Figures, verdicts: Sequence[Verdict]) -> list[str]:
    """What tells a hidden number from a free one, and a free one from another."""
    text = [
        "`Alone` is a number that is free as are those around it: the look-up ends sooner",
        "in the tree of numbers, on any kernel and for whoever asks. A name is `cached` if",
        "another viewer of the same procfs has looked at the hidden process.",
        "",
    ]
    head = ("", "free", "hidden", "ratio", "within", "limit", "spread", "alone")
    lines: list[str] = []
    for group, members in _by_group(verdicts):
        rows = []
        for verdict in members:
            free = verdict.limit.stock
            alone = patched[free._replace(what=free.what.replace("-free", "-far"))]
            rows.append([*_row(verdict), count(alone.median)])
        lines += [f"## {group}", "", *text, *table(head, rows)]
        text = []
    return lines


def _growth(stock: Figures, patched: Figures, verdicts: Sequence[Verdict]) -> list[str]:
    """How costs grow, with the costs themselves."""
    lines: list[str] = []
    for group, members in _by_group(verdicts):
        rows = []
        for verdict in members:
            limit = verdict.limit
            assert limit.fewest
            few_patched, few_stock = limit.fewest
            rows.append(
                [
                    limit.title,
                    count(stock[few_stock].median),
                    count(stock[limit.stock].median),
                    count(patched[few_patched].median),
                    count(patched[limit.patched].median),
                    *_judged(verdict),
                ]
            )
        fewest = FEWEST[members[0].limit.patched.step]
        head = (
            "",
            f"stock, {fewest}",
            "stock, as many",
            f"patched, {fewest}",
            "patched, as many",
            "ratio",
            "at most",
            "limit",
            "spread",
        )
        lines += [f"## {group}", "", *table(head, rows)]
    return lines


def _confined(stock: Figures, patched: Figures) -> list[str]:
    """What a confined task pays where no limit is set."""
    rows = []
    for title, key in (
        *((f"{call}, of oneself", Key("calls user", call)) for call in CALLS),
        ("get_robust_list of a visible process", Key("access", "number-visible")),
        ("get_robust_list of a hidden process", Key("access", "number-hidden")),
    ):
        before, after = stock[key].median, patched[key].median
        rows.append([title, count(before), count(after), f"{after / before:.4f}"])
    text = [
        "## In a domain, other calls",
        "",
        "A call that is given a number asks twice: whether the process exists, and whether",
        "one may look inside. get_robust_list(2) is the thinnest call of this kind.",
        "",
    ]
    return [*text, *table(("", "stock", "in a domain", "ratio"), rows)]


def _ps(stock: Figures, patched: Figures) -> list[str]:
    text = [
        f"## `ps ax`: {CROWD:,} processes on the machine, {SESSION} in the session",
        "",
        "The stand-in reads what procps reads, with no start of a program and no output.",
        "",
    ]
    rows = [
        ("unconfined, stock", stock, "none"),
        ("unconfined, patched", patched, "none"),
        ("hidepid=ptraceable, stock", stock, "ptraceable"),
        ("in a domain", patched, "domain"),
        ("in a pid namespace, stock", stock, "pidns"),
        ("in a pid namespace, patched", patched, "pidns"),
    ]
    cells = []
    for title, figures, view in rows:
        procps = figures.get(Key(f"procps {view}", "run"))
        cells.append(
            [
                title,
                f"{figures[Key(f'ps {view}', 'processes')].median:.0f}",
                count(figures[Key(f"ps {view}", "ps")].median),
                count(procps.median) if procps else "",
            ]
        )
    return [*text, *table(("", "seen", "stand-in", "procps"), cells)]


def _domains(patched: Figures) -> list[str]:
    rows = [
        [
            f"{n:,}",
            count(patched[Key(f"domains {n}", "create+close")].median),
            count(patched[Key(f"domains {n}", "bytes")].median) if n >= ENOUGH else "",
            count(patched[Key(f"domains {n} calls", "fork+exit")].median),
            count(patched[Key(f"domains {n}", "readdir")].median),
        ]
        for n in DOMAINS
    ]
    head = (
        "domains",
        "create+close",
        "bytes a domain, with its descriptor",
        "fork+exit in one",
        "readdir of 1,000, 10 visible",
    )
    return ["## Many domains", "", *table(head, rows)]


def _tasks(stock: Figures, patched: Figures) -> list[str]:
    rows = [
        [
            f"{n:,}",
            count(stock[Key(f"tasks {n} none", "bytes")].median),
            *(
                count(patched[Key(f"tasks {n} {how}", "bytes")].median)
                for how in ("none", "shared", "own")
            ),
        ]
        for n in TASKS
    ]
    head = ("processes", "stock", "no domain", "one domain for all", "each its own")
    return ["## Bytes of kernel objects a process", "", *table(head, rows)]


def _depths(patched: Figures) -> list[str]:
    rows = [
        [
            str(d),
            count(patched[Key(f"depth {d}", "enter")].median),
            count(patched[Key(f"depth {d}", "fork+exit")].median),
            count(patched[Key(f"depth {d} access", "number-visible")].median),
            count(patched[Key(f"depth {d} access", "number-hidden")].median),
            count(patched[Key(f"depth {d} list", "readdir")].median),
        ]
        for d in DEPTHS
    ]
    head = (
        "depth",
        "enter",
        "fork+exit",
        "get_robust_list, visible",
        "get_robust_list, hidden",
        "readdir of 1,000, 500 visible",
    )
    return ["## Nested domains", "", *table(head, rows)]
