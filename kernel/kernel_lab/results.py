"""What the runs of the lab have shown, rendered as two pages.

A run leaves its record in the cache. `kernel/lab results` takes the records into the
tree: the whole takes longer than one machine may be at hand, and a record holds for as
long as the series is the same.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kernel_lab import channels, numbers, series
from kernel_lab.archive import SUITES
from kernel_lab.cache import cache_root, digest
from kernel_lab.compare import Comparison
from kernel_lab.paths import KERNEL_DIR
from kernel_lab.source import Source
from kernel_lab.tap import Report

RECORDS = KERNEL_DIR / "results.json"  # "6.12 plain" -> its record
RESULTS = KERNEL_DIR / "RESULTS.md"
CHANNELS = KERNEL_DIR / "CHANNELS.md"
CHANNELS_OF = "6.12"  # what the page is about
CHANNELS_TEST = "yama:channels_test"
RUNS = ("check", "plain", "stock", "debug", "kcsan")
Record = dict[str, Any]  # as it stands in the file

_HEAD = """\
# What the kernel lab has shown

Written by `kernel/lab results` from what `kernel/lab check` and `kernel/lab test`
have recorded, here or earlier (results.json); `make test-kernels` makes all of it anew.

*check*: the series applies without fuzz, passes checkpatch with spelling, each
patch builds, numbers.toml lists every place that takes or tells a number,
sparse, W=1 and kernel-doc have nothing new to say of the files it touches, and
the whole builds without Yama, procfs, sysctl, user namespaces and the security
framework. *upstream*: the series was applied to upstream's own source of that
version too, where Debian's archive serves it. *own tests*: the series' selftests
of `yama` and `proc`. *as stock*: the kernel's own selftests, built from the
stock source and run on the stock and on the patched kernel, which must answer
alike, test by test; where they differ both run the program again, up to three
times in all. *debug* and *kcsan*: the own tests on kernels that look for
mistakes; no warning, no leak.

LTP is not among them: Debian packages it in none of its suites.
"""


def record_check(source: Source, patches: Sequence[Path], upstream: str | None) -> None:
    """Keep that a series has passed the check.

    Args:
        source: what it was checked with.
        patches: the series.
        upstream: the version of upstream's source that it applies to as well.
    """
    _write(source, patches, "check", {"upstream": upstream})


def record_own(
    source: Source, patches: Sequence[Path], variant: str, own: Mapping[str, Report]
) -> None:
    """Keep how the series' own tests went on a variant."""
    programs = {name: _counts(report) for name, report in sorted(own.items())}
    wanted = source.kernel == CHANNELS_OF and CHANNELS_TEST in own
    listed = own[CHANNELS_TEST].output if wanted else ""
    _write(source, patches, variant, {"programs": programs, "channels": listed})


def record_comparison(
    source: Source, patches: Sequence[Path], compared: Mapping[str, Comparison]
) -> None:
    """Keep what the stock and the patched kernel made of the kernel's own tests."""
    programs = {
        name: {
            "stock": _counts(one.stock[-1]),
            "differences": one.differences,
            "rounds": one.rounds,
        }
        for name, one in sorted(compared.items())
    }
    _write(source, patches, "stock", {"programs": programs})


def _counts(report: Report) -> Record:
    return {
        "verdict": report.verdict,
        "ok": report.count("ok"),
        "not ok": report.count("not ok"),
        "skip": report.count("skip"),
    }


def _write(source: Source, patches: Sequence[Path], what: str, content: Record) -> None:
    path = _path(source.kernel, what)
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "source": source.version,
        "patches": len(patches),
        "series": _series_digest(patches),
        **content,
    }
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _path(kernel: str, what: str) -> Path:
    return cache_root() / "results" / f"{kernel}-{what}.json"


def _series_digest(patches: Iterable[Path]) -> str:
    return digest(patch.read_bytes() for patch in patches)


def write_pages() -> list[Path]:
    """Write results.json, RESULTS.md, and CHANNELS.md where its test has run.

    Returns:
        The paths of the files.

    Raises:
        LabError: the test has printed something else than channels.
    """
    records = {kernel: _records(kernel) for kernel in SUITES}
    _keep(records)
    RESULTS.write_text(render(records), encoding="utf-8")
    plain = records[CHANNELS_OF].get("plain")
    if not plain or not plain["channels"]:
        return [RECORDS, RESULTS]
    version = plain["source"].partition("-")[0]
    unasked = numbers.unasked(numbers.listed(CHANNELS_OF))
    CHANNELS.write_text(channels.table(plain["channels"], version, unasked), encoding="utf-8")
    return [RECORDS, RESULTS, CHANNELS]


def _records(kernel: str) -> dict[str, Record]:
    """Return the records of a kernel: the cache's, or the tree's where only that fits the series.

    Those of another series than today's are marked.
    """
    today = _series_digest(series.patches(kernel))
    kept = json.loads(RECORDS.read_text(encoding="utf-8")) if RECORDS.exists() else {}
    found = {}
    for what in RUNS:
        path = _path(kernel, what)
        cached = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        both = [record for record in (cached, kept.get(f"{kernel} {what}")) if record]
        if both:
            record = next((one for one in both if one["series"] == today), both[0])
            found[what] = {**record, "stale": record["series"] != today}
    return found


def _keep(records: Mapping[str, Mapping[str, Record]]) -> None:
    """Write the records to the tree, a line each."""
    lines = [
        f"{json.dumps(f'{kernel} {what}')}: {json.dumps(_without_age(record))}"
        for kernel, of_kernel in records.items()
        for what, record in of_kernel.items()
    ]
    RECORDS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _without_age(record: Record) -> Record:
    return {key: value for key, value in record.items() if key != "stale"}


def render(records: Mapping[str, Mapping[str, Record]]) -> str:
    """Return the text of RESULTS.md.

    Args:
        records: kernel -> what was run ("check", "plain", "stock", "debug",
            "kcsan") -> its record.
    """
    rows = [_row(kernel, of_kernel) for kernel, of_kernel in records.items() if of_kernel]
    head = ("kernel", "source", "patches", "check", "upstream")
    parts = [_HEAD, _table((*head, "own tests", "as stock", "debug", "kcsan"), rows)]
    for kernel, of_kernel in records.items():
        own = [of_kernel[what] for what in ("plain", "debug", "kcsan") if what in of_kernel]
        if own:
            parts += [f"## {kernel}: own tests\n", _own_table(of_kernel)]
        if "stock" in of_kernel:
            parts += [f"## {kernel}: the kernel's own tests\n", _stock_table(of_kernel["stock"])]
    return "\n".join(parts)


def _row(kernel: str, of_kernel: Mapping[str, Record]) -> tuple[str, ...]:
    one = min(of_kernel.values(), key=lambda record: bool(record["stale"]))
    check = of_kernel.get("check")
    cells = ["-", "-"]
    if check:
        cells = [_aged("good", check), check["upstream"] or "not to be had"]
    cells += [_own_cell(of_kernel.get("plain")), _stock_cell(of_kernel.get("stock"))]
    cells += [_own_cell(of_kernel.get(variant)) for variant in ("debug", "kcsan")]
    return (kernel, one["source"], str(one["patches"]), *cells)


def _own_cell(record: Record | None) -> str:
    if not record:
        return "-"
    programs = record["programs"].values()
    passed = sum(program["verdict"] == "pass" for program in programs)
    subtests = sum(program["ok"] for program in programs)
    return _aged(f"{passed} of {len(programs)} programs, {subtests} tests", record)


def _stock_cell(record: Record | None) -> str:
    if not record:
        return "-"
    programs = record["programs"].values()
    same = sum(not program["differences"] for program in programs)
    return _aged(f"{same} of {len(programs)} programs", record)


def _aged(text: str, record: Record) -> str:
    return f"{text} (of an earlier series)" if record["stale"] else text


def _own_table(of_kernel: Mapping[str, Record]) -> str:
    variants = [what for what in ("plain", "debug", "kcsan") if what in of_kernel]
    names = sorted({name for what in variants for name in of_kernel[what]["programs"]})
    rows = [
        (name, *(_outcome(of_kernel[what]["programs"].get(name)) for what in variants))
        for name in names
    ]
    return _table(("program", *variants), rows)


def _stock_table(record: Record) -> str:
    rows = []
    for name, program in record["programs"].items():
        verdict = "; ".join(program["differences"]) or "same"
        if program["rounds"] > 1:
            verdict += f" (round {program['rounds']})"
        rows.append((name, _outcome(program["stock"]), verdict))
    return _table(("program", "stock", "patched"), rows)


def _outcome(program: Record | None) -> str:
    """Return "pass", or "fail: 3 ok, 1 not ok", and the like."""
    if not program:
        return "-"
    counts = ", ".join(
        f"{program[outcome]} {outcome}" for outcome in ("ok", "not ok", "skip") if program[outcome]
    )
    return f"{program['verdict']}: {counts}" if counts else str(program["verdict"])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
