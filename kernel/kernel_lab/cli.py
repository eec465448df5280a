"""The command line of `kernel/lab`."""

import argparse
import shlex
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import get_args

from kernel_lab import build, console, results, rootfs, series
from kernel_lab.cache import locked
from kernel_lab.check import check
from kernel_lab.command import say
from kernel_lab.errors import Exit, LabError
from kernel_lab.guest import DEFAULT_TIMEOUT, GuestOptions, prepare, run_guest, to_stdout
from kernel_lab.project import project_image
from kernel_lab.source import fetch
from kernel_lab.trial import test_debug, test_own, test_plain
from kernel_lab.variant import PLAIN, VARIANTS, named

EPILOG = f"""\
`run` ends with the status of COMMAND, or with
  {Exit.GUEST_BROKEN}  the kernel panicked, warned, oopsed or stalled
  {Exit.TIMEOUT}  the guest still ran at the time limit
  {Exit.NO_STATUS}  the guest ended without a status
  {Exit.LAB}  the lab could not do its part (also for the other verbs)

What is dear to make is kept in $YAMA_SESSION_CACHE, else in
$XDG_CACHE_HOME/yama-session, else in ~/.cache/yama-session.
"""


def main(arguments: list[str]) -> int:
    """Run one verb and return the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    try:
        return int(options.verb(options))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return Exit.LAB
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _stop(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kernel/lab",
        description="Fetch, patch, build, check and boot kernels for the project.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    verb = verbs.add_parser("fetch", help="unpack the distribution's kernel source package")
    verb.add_argument("kernel", metavar="KERNEL")
    verb.add_argument("--refresh", action="store_true", help="take the version that apt has now")
    verb.set_defaults(verb=_fetch)

    verb = verbs.add_parser("apply", help="set the lab's source tree to the series, print its path")
    verb.add_argument("kernel", metavar="KERNEL")
    verb.add_argument("--stock", action="store_true", help="without the series")
    verb.set_defaults(verb=_apply)

    verb = verbs.add_parser("build", help="build a kernel, print the path of its image")
    verb.add_argument("kernel", metavar="KERNEL")
    verb.add_argument("--stock", action="store_true", help="without the series")
    _add_variant(verb)
    verb.set_defaults(verb=_build)

    verb = verbs.add_parser(
        "check", help="where the series applies, its style, its warnings, what it builds with"
    )
    verb.add_argument("kernel", metavar="KERNEL")
    verb.add_argument(
        "--quick",
        action="store_true",
        help="only style, that the series builds and each patch compiles where the series"
        " has changes, and that numbers.toml is complete",
    )
    verb.set_defaults(verb=_check)

    verb = verbs.add_parser(
        "test", help="run the series' own selftests, and the kernel's against the stock kernel"
    )
    verb.add_argument("kernel", metavar="KERNEL")
    which = verb.add_mutually_exclusive_group()
    which.add_argument("--own", action="store_true", help="only the series' own")
    which.add_argument(
        "--debug", action="store_true", help="the own ones on the kernels that look for mistakes"
    )
    verb.set_defaults(verb=_test)

    verb = verbs.add_parser(
        "results", help="write what the runs have shown: RESULTS.md and CHANNELS.md in kernel"
    )
    verb.set_defaults(verb=_results)

    verb = verbs.add_parser(
        "root", help="make the Debian root image with the project, print its path"
    )
    _add_suite(verb)
    verb.add_argument("--plain", action="store_true", help="without the project")
    verb.set_defaults(verb=_root)

    verb = verbs.add_parser("run", help="boot a kernel and run a command in the guest as root")
    verb.add_argument("kernel", metavar="KERNEL")
    image = verb.add_mutually_exclusive_group()
    for name, what in (
        ("stock", "the kernel without the series"),
        ("debian", "Debian's own kernel, as it is packaged, with its modules"),
    ):
        image.add_argument(f"--{name}", dest="image", action="store_const", const=name, help=what)
    _add_variant(verb)
    verb.add_argument(
        "--root",
        choices=("debian", "busybox"),
        default="debian",
        help="default: debian, with systemd",
    )
    _add_suite(verb)
    verb.add_argument("--plain", action="store_true", help="a Debian root without the project")
    verb.add_argument(
        "--share",
        type=Path,
        metavar="DIR",
        help="a directory that the guest has at /share, writable",
    )
    verb.add_argument(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT,
        metavar="S",
        help="seconds, default %(default).0f",
    )
    verb.add_argument("--memory", type=int, default=2048, metavar="MIB", help="default %(default)s")
    verb.add_argument("--cmdline", default="", metavar="EXTRA", help="more kernel parameters")
    verb.add_argument(
        "--dry-run",
        action="store_true",
        help="make what is missing, print the QEMU line, do not boot",
    )
    verb.add_argument("command", nargs="+", metavar="COMMAND", help="after `--`")
    verb.set_defaults(verb=_run, image="series")
    return parser


def _add_suite(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--suite", choices=get_args(rootfs.Suite), default="bookworm", help="default: %(default)s"
    )


def _add_variant(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--variant",
        default=PLAIN.name,
        metavar="NAME",
        help=f"how it is configured: {', '.join(VARIANTS)}; default %(default)s",
    )


def _fetch(options: argparse.Namespace) -> int:
    print(fetch(options.kernel, refresh=options.refresh).tree)
    return 0


def _apply(options: argparse.Namespace) -> int:
    workshop = build.Workshop(fetch(options.kernel))
    with locked(workshop.lock):
        workshop.prepare([] if options.stock else series.patches(options.kernel))
    print(workshop.tree.path)
    return 0


def _build(options: argparse.Namespace) -> int:
    print(build.build(options.kernel, stock=options.stock, variant=named(options.variant)).image)
    return 0


def _check(options: argparse.Namespace) -> int:
    check(options.kernel, quick=options.quick)
    return 0


def _test(options: argparse.Namespace) -> int:
    if options.debug:
        test_debug(options.kernel)
    elif options.own:
        test_own(options.kernel)
    else:
        test_plain(options.kernel)
    return 0


def _results(_options: argparse.Namespace) -> int:
    print(*results.write_pages(), sep="\n")
    return 0


def _root(options: argparse.Namespace) -> int:
    suite = options.suite
    print(rootfs.disk_image(suite, "", None) if options.plain else project_image(suite))
    return 0


def _run(options: argparse.Namespace) -> int:
    guest = GuestOptions(
        image=options.image,
        variant=options.variant,
        root=options.root,
        suite=options.suite,
        plain=options.plain,
        share=options.share,
        timeout=options.timeout,
        memory=options.memory,
        cmdline=options.cmdline,
    )
    if options.dry_run:
        with tempfile.TemporaryDirectory(prefix="kernel-lab-") as scratch:
            print(shlex.join(prepare(options.kernel, options.command, guest, Path(scratch)).argv()))
        return 0
    result = run_guest(options.kernel, options.command, guest, on_output=to_stdout)
    if result.problem:
        say(f"{result.problem}; the end of the console:\n{console.tail(result.console)}")
    say(f"guest ended with status {result.exit_status} after {result.seconds:.1f} s")
    return result.exit_status
