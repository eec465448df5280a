"""The command line of `bench/run`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from kernel_lab import GuestOptions, run_guest
from kernel_lab.command import say
from kernel_lab.errors import Exit, LabError
from kernel_lab.source import fetch

from bench.figures import Figure, Key, parse
from bench.limits import Verdict, judge
from bench.programs import compile_into
from bench.report import page, sentence
from bench.steps import GUESTS, Guest, script

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
BROKEN = 1
TIMEOUT = 1800.0  # seconds a guest

EPILOG = f"""\
Ends with
  0  every limit is kept
  {BROKEN}  one is broken
  {Exit.LAB}  nothing could be measured
"""


def main(arguments: Sequence[str]) -> int:
    """Measure, write the page, and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        stock, patched = measure(options.kernel)
        verdicts = judge(stock, patched)
    except (LabError, ValueError, KeyError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return Exit.LAB
    title = f"Linux {fetch(options.kernel).version}"
    options.output.write_text(page(title, stock, patched, verdicts), encoding="utf-8")
    print(f"bench: the figures are in {options.output}")
    return report_broken(verdicts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench/run",
        description="Count the instructions that the kernel series costs, and judge them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kernel", default="6.12", help="default: %(default)s")
    parser.add_argument(
        "--output", type=Path, default=RESULTS, metavar="FILE", help="default: bench/RESULTS.md"
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
    with TemporaryDirectory(prefix="bench-") as scratch:
        share = Path(scratch)
        share.chmod(0o755)
        compile_into(share)
        for guest in GUESTS:
            (stock if guest.stock else patched).update(_run(kernel, guest, share))
    return stock, patched


def _run(kernel: str, guest: Guest, share: Path) -> dict[Key, Figure]:
    options = GuestOptions(
        image="stock" if guest.stock else "series",
        root=guest.root,
        plain=True,
        share=share,
        timeout=TIMEOUT,
        memory=3072,
        cpus=1,
        icount=True,
        # Where the stack lies decides how many page tables a fork copies.
        cmdline="norandmaps nokaslr",
    )
    say(f"measuring {'stock' if guest.stock else 'patched'} {kernel} ({guest.root})")
    result = run_guest(kernel, ["sh", "-c", script(guest.steps)], options)
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
