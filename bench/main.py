"""The command line of `bench/run`."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from kernel_lab import GuestOptions, run_guest
from kernel_lab.command import say
from kernel_lab.errors import Exit, LabError
from kernel_lab.guest import Image
from kernel_lab.source import fetch

from bench.figures import Figure, Key, parse
from bench.limits import Verdict, judge
from bench.programs import compile_into, login_programs_into
from bench.programs_cost import STEPS, judge_programs
from bench.programs_cost import page as programs_page
from bench.report import page, sentence
from bench.sessions import COUNTED, NOT_COUNTED, judge_sessions
from bench.sessions import page as sessions_page
from bench.steps import GUESTS, Guest, Step, script

HERE = Path(__file__).resolve().parent
BROKEN = 1
MEASURED = GuestOptions(
    timeout=1800.0,
    memory=3072,
    cpus=1,
    icount=True,
    # Where the stack lies decides how many page tables a fork copies.
    cmdline="norandmaps nokaslr",
)

EPILOG = f"""\
Ends with
  0  every limit is kept
  {BROKEN}  one is broken
  {Exit.LAB}  nothing could be measured
"""


def main(arguments: Sequence[str]) -> int:
    """Measure, write the page, and return the exit status."""
    options = _parser().parse_args(arguments)
    verdicts: list[Verdict] = []
    try:
        for subject in [options.only] if options.only else SUBJECTS:
            text, judged = SUBJECTS[subject](options.kernel)
            output = options.output / PAGES[subject].format(options.kernel)
            output.write_text(text, encoding="utf-8")
            print(f"bench: the figures are in {output}")
            verdicts += judged
    except (LabError, ValueError, KeyError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return Exit.LAB
    return report_broken(verdicts)


def _series(kernel: str) -> tuple[str, list[Verdict]]:
    stock, patched = measure(kernel)
    verdicts = judge(stock, patched)
    return page(_title(kernel), stock, patched, verdicts), verdicts


def _sessions(kernel: str) -> tuple[str, list[Verdict]]:
    figures = measure_sessions(kernel)
    verdicts = judge_sessions(figures)
    return sessions_page(_title(kernel), figures, verdicts), verdicts


def _programs(kernel: str) -> tuple[str, list[Verdict]]:
    figures = measure_programs(kernel)
    verdicts = judge_programs(figures)
    return programs_page(f"Debian's {kernel}", figures, verdicts), verdicts


def _title(kernel: str) -> str:
    return f"Linux {fetch(kernel).version}"


SUBJECTS = {"series": _series, "sessions": _sessions, "programs": _programs}
PAGES = {"series": "RESULTS.md", "sessions": "SESSIONS.md", "programs": "PROGRAMS-{}.md"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench/run",
        description="Count the instructions that series, sessions and programs cost, and judge.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=PAGES, help="leave the other subject's page as it is")
    parser.add_argument("--kernel", default="6.12", help="default: %(default)s")
    parser.add_argument(
        "--output", type=Path, default=HERE, metavar="DIR", help="for the pages; default: bench"
    )
    return parser


def measure(kernel: str) -> tuple[dict[Key, Figure], dict[Key, Figure]]:
    """Return the figures of the stock and of the patched kernel.

    Raises:
        LabError: a guest did not end well.
        ValueError: a program printed what is not expected.
    """
    stock: dict[Key, Figure] = {}
    patched: dict[Key, Figure] = {}
    with _share() as share:
        for guest in GUESTS:
            (stock if guest.stock else patched).update(_run(kernel, guest, share))
    return stock, patched


def measure_sessions(kernel: str) -> dict[Key, Figure]:
    """Return the figures of sessions on the kernel with the series.

    Raises:
        LabError: the guest did not end well.
        ValueError: a program printed what is not expected.
    """
    with _share() as share:
        login_programs_into(share)
        say(f"measuring sessions on {kernel}")
        counted = replace(MEASURED, share=share)
        return {
            **_figures(kernel, COUNTED, counted),
            **_figures(kernel, NOT_COUNTED, replace(counted, icount=False)),
        }


def measure_programs(kernel: str) -> dict[Key, Figure]:
    """Return the figures of the BPF programs on Debian's own kernel.

    Raises:
        LabError: the guest did not end well.
        ValueError: a program printed what is not expected.
    """
    with _share() as share:
        say(f"measuring the BPF programs on Debian's {kernel}")
        return _figures(kernel, STEPS, replace(MEASURED, image="debian", share=share))


@contextmanager
def _share() -> Iterator[Path]:
    with TemporaryDirectory(prefix="bench-") as scratch:
        share = Path(scratch)
        share.chmod(0o755)
        compile_into(share)
        yield share


def _run(kernel: str, guest: Guest, share: Path) -> dict[Key, Figure]:
    image: Image = "stock" if guest.stock else "series"
    say(f"measuring {'stock' if guest.stock else 'patched'} {kernel} ({guest.root})")
    options = replace(MEASURED, image=image, root=guest.root, plain=True, share=share)
    return _figures(kernel, guest.steps, options)


def _figures(kernel: str, steps: Sequence[Step], options: GuestOptions) -> dict[Key, Figure]:
    result = run_guest(kernel, ["sh", "-c", script(steps)], options)
    if not result.ok:
        raise LabError(result.explain())
    return parse(result.output)


def report_broken(verdicts: Sequence[Verdict]) -> int:
    """Name the limits that are broken and return the exit status."""
    broken = [verdict for verdict in verdicts if not verdict.kept]
    for verdict in broken:
        print(f"bench: limit broken: {sentence(verdict)}")
    if broken:
        return BROKEN
    print(f"bench: all {len(verdicts)} limits are kept")
    return 0
