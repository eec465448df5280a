"""The daemon: ``python3 -m yama_session.service``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path

from yama_session.errors import YamaSessionError
from yama_session.native import OwnedFd
from yama_session.policy import POLICY_DIR
from yama_session.service import programs
from yama_session.service.accounts import Accounts
from yama_session.service.alive import hold
from yama_session.service.bus import Service
from yama_session.service.connection import POLKIT_LIMIT
from yama_session.service.grants import Grants
from yama_session.service.handler import Handler
from yama_session.service.manager import Manager
from yama_session.service.notify import Notifier, stored_fds
from yama_session.service.records import Grant, Records, Session
from yama_session.service.refusal import Refusal
from yama_session.service.state import PolicyState

_log = logging.getLogger("yama_session.service")


class JournalFormatter(logging.Formatter):
    """Lines as the journal takes them from standard error, with their priority: sd-daemon(3)."""

    _PRIORITIES = (
        (logging.CRITICAL, 2),
        (logging.ERROR, 3),
        (logging.WARNING, 4),
        (logging.INFO, 6),
    )

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record, whose every line is one in the journal."""
        priority = next(
            (number for level, number in self._PRIORITIES if record.levelno >= level), 7
        )
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


async def _serve(options: argparse.Namespace, stored: dict[str, OwnedFd]) -> None:
    """Answer until the bus goes or a signal comes."""
    notifier = Notifier(os.environ.get("NOTIFY_SOCKET", ""))
    with programs.loaded(stored, notifier):
        await _answer(options, stored, notifier)


async def _answer(
    options: argparse.Namespace, stored: dict[str, OwnedFd], notifier: Notifier
) -> None:
    records = Records(options.run / "sessions", Session)
    options.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    policy = PolicyState(options.policy, options.state, Accounts(), options.run / "policy")
    # What is wrong is in the journal. Answer all the same: by the last good
    # policy, or logins go by their fallback; `status` says why.
    with contextlib.suppress(Refusal):
        await policy.start()
    manager = Manager(policy, records, notifier)
    manager.recover(stored)
    grants = Grants(Records(options.run / "grants", Grant))
    grants.recover()
    service = Service(Handler(manager, policy, grants), options.polkit_limit)
    await service.connect()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    notifier.ready()
    _log.info("ready with %d sessions", len(manager.sessions))
    watching = loop.create_task(programs.watch())
    lost = loop.create_task(service.wait())
    stopped = loop.create_task(stop.wait())
    await asyncio.wait({lost, stopped}, return_when=asyncio.FIRST_COMPLETED)
    watching.cancel()
    if not stop.is_set():
        raise ConnectionError("the bus has closed the connection")


async def _withdraw(run_dir: Path) -> None:
    """Take back what a service that does not come back has granted."""
    await Grants(Records(run_dir / "grants", Grant)).withdraw()


def main() -> int:
    """Run the daemon; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="yama-sessiond", description="answers logins for pam_yama_session on the system bus"
    )
    parser.add_argument("--policy", type=Path, default=POLICY_DIR, help="the policy's directory")
    parser.add_argument(
        "--run", type=Path, default=Path("/run/yama-session"), help="where sessions are recorded"
    )
    parser.add_argument(
        "--state",
        type=Path,
        default=Path("/var/lib/yama-session"),
        help="where the policy in force is kept, over a boot as well",
    )
    parser.add_argument(
        "--polkit-limit",
        type=float,
        default=POLKIT_LIMIT,
        metavar="SECONDS",
        help="how long polkit may take to answer where nobody is asked (default: %(default)g)",
    )
    parser.add_argument(
        "--withdraw",
        action="store_true",
        help="instead, take back what a service that is gone has let processes trace",
    )
    options = parser.parse_args()
    # The journal adds time and name.
    handler = logging.StreamHandler(sys.stderr)
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(JournalFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    os.umask(0o077)
    try:
        if options.withdraw:
            asyncio.run(_withdraw(options.run))
        else:
            with hold(options.run / "alive"):
                asyncio.run(_serve(options, stored_fds(os.environ)))
    except (OSError, YamaSessionError) as error:
        _log.error("stopping: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
