"""Try every channel by which this session could learn of processes outside of it.

Run it inside any session, on any kernel, as anybody. What is looked for is a
second process of the audit's own: where something confines the session, what
looks is confined once more in the same way, so that this process is outside;
where nothing does, it is just another process. --against names another one.

Each channel is open (it tells of the process), closed (it answers for it as for
a number that no process has, and was seen to tell of another one, or is
refused), or unknown: the probe could not tell. Nothing is changed and no signal
sent; calls that set something are asked only of the audit's own processes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence

from yama_session.audit import Channel, Family, Finding, Report, Target, Verdict, audit
from yama_session.cli._exit import ExitCode
from yama_session.cli._table import Colour, coloured, printable, table_blocks, wrapped

HELP = "try what this session can learn of processes outside"

_COLOURS = {
    Verdict.CLOSED: Colour.GOOD,
    Verdict.OPEN: Colour.BAD,
    Verdict.UNKNOWN: Colour.DOUBTFUL,
}
_KINDS = {
    Target.SECOND: "a second process of the audit's own",
    Target.GIVEN: "as asked for",
    Target.INIT: "as no other process is known to be outside",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``audit``."""
    parser.add_argument("--against", type=_pid, metavar="PID", help="look for this process")
    parser.add_argument(
        "--family",
        action="append",
        choices=[family.value for family in Family],
        help="try these channels only; may be given again",
    )
    parser.add_argument("--open", action="store_true", help="print what is open only")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Try the channels, and tell by the exit status if one is open."""
    families = [Family(word) for word in args.family or ()] or list(Family)
    report = audit(args.against, families)
    if args.json:
        print(json.dumps(_plain(report), indent=2))
    else:
        print("\n".join(_lines(report, everything=not args.open)))
    return ExitCode.PROBLEM if report.count(Verdict.OPEN) else ExitCode.OK


def _pid(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a process")
    return int(text)


def _plain(report: Report) -> dict[str, object]:
    return {
        "target": {"pid": report.target, "kind": report.kind.value},
        "confined_by": list(report.confined_by),
        "notes": list(report.notes),
        "counts": {verdict.value: report.count(verdict) for verdict in Verdict},
        "channels": [
            {
                "id": channel.id,
                "family": channel.family.value,
                "name": channel.name,
                "verdict": finding.verdict.value,
                "evidence": finding.evidence,
                "answers": dict(finding.answers) or None,
                "closed_by": channel.closed_by or None,
                "note": channel.note or None,
            }
            for channel, finding in report.findings
        ],
    }


def _lines(report: Report, *, everything: bool) -> Iterator[str]:
    yield f"target:      {report.target}, {_KINDS[report.kind]}"
    yield f"confined by: {' and '.join(report.confined_by) or 'nothing that is known'}"
    for note in report.notes:
        yield from wrapped(f"note:        {note}", 13)
    shown = [
        (channel, finding)
        for channel, finding in report.findings
        if everything or finding.verdict is Verdict.OPEN
    ]
    remedies = list(dict.fromkeys(_remedy(channel) for channel, _ in shown))
    if shown:
        yield ""
        yield from _rows(shown, remedies)
        yield ""
        yield coloured("what closes them", Colour.HEAD)
    for number, text in enumerate(remedies, 1):
        yield from wrapped(f"{number:>2}  {printable(text)}", 4)
    yield ""
    yield ", ".join(f"{report.count(verdict)} {verdict.value}" for verdict in Verdict)


def _rows(shown: Sequence[tuple[Channel, Finding]], remedies: Sequence[str]) -> Iterator[str]:
    cells = [
        (
            finding.verdict.value,
            remedies.index(_remedy(channel)) + 1,
            channel.name,
            finding.evidence,
        )
        for channel, finding in shown
    ]
    head, *rows = table_blocks(("verdict", "by", "channel", "how it is known"), cells)
    yield from head
    for (first, *rest), (_, finding) in zip(rows, shown, strict=True):
        word = finding.verdict.value
        yield first.replace(word, coloured(word, _COLOURS[finding.verdict]), 1)
        yield from rest


def _remedy(channel: Channel) -> str:
    """Return what closes a channel, or why nothing does."""
    if not channel.closed_by:
        return f"nothing: {channel.note}"
    return f"{channel.closed_by} ({channel.note})" if channel.note else channel.closed_by
