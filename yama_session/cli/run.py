"""Run a command that sees and may trace only itself and what it starts.

No privilege is needed. The command gets no_new_privs: sudo and other set-uid
programs do nothing inside. With the enforcers bpf and landlock it also gets a user and
a mount namespace of its own and no capability, and /proc comes from the
session service; without the service the names of other processes stay
visible, unless --pid-namespace asks for a /proc of its own.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import prctl

from yama_session import Group, Proc, Scope, ServiceError, View
from yama_session.cli import _isolate
from yama_session.cli._become import become, say
from yama_session.enforcers import (
    ENFORCERS,
    DomainEnforcer,
    Enforcer,
    YamaEnforcer,
    best,
    by_name,
)
from yama_session.errors import EnforcerError
from yama_session.reach.domains import processes

HELP = "run a command that sees only its own processes"

_Level = TypeVar("_Level", Scope, View)


@dataclass(frozen=True)
class _Settings:
    scope: Scope
    view: View
    proc: Proc
    override: bool
    group: Group = Group.SESSION


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``run``."""
    parser.add_argument(
        "--scope",
        type=_level(Scope),
        metavar="LEVEL",
        help=f"what may be traced: {_words(Scope)} (default: 1; landlock has no levels)",
    )
    parser.add_argument(
        "--view",
        type=_level(View),
        default=View.DOMAIN,
        metavar="LEVEL",
        help=f"what may be seen: {_words(View)} (default: domain)",
    )
    parser.add_argument(
        "--override",
        action="store_true",
        help="let the scope stand in place of the sysctl (needs CAP_SYS_PTRACE)",
    )
    parser.add_argument(
        "--no-proc",
        action="store_true",
        help="leave /proc as it is: without yama all names stay visible",
    )
    parser.add_argument(
        "--pid-namespace",
        action="store_true",
        help="make a pid namespace with a /proc of its own (not needed with yama)",
    )
    parser.add_argument(
        "--enforcer",
        choices=[enforcer.name for enforcer in ENFORCERS],
        help="use this one (default: the strongest that the kernel has)",
    )
    parser.add_argument("--quiet", action="store_true", help="do not say what is enforced")
    parser.add_argument("command", metavar="CMD", help="the program to run")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARG", help="its arguments")


def run(args: argparse.Namespace) -> int:
    """Confine this process and become the command."""
    enforcer = by_name(args.enforcer) if args.enforcer else best()
    settings = _settings(args, enforcer)
    enforcer.require(settings, accept=("proc=host",))
    prctl.set_no_new_privs(1)
    outside = os.getppid() if settings.view is not View.USER else _stranger()
    if args.pid_namespace:
        _isolate.enter_user_namespace(pid_namespace=True)
        _isolate.become_init()
        outside = 0  # has no pid here
    elif settings.proc is Proc.PRIVATE and not isinstance(enforcer, YamaEnforcer):
        settings = _private_proc(settings)
    enforcer.confine(settings)
    enforcer.verify(settings, outside=outside)
    if not args.quiet:
        say(_summary(enforcer, settings))
    return become([args.command, *args.arguments])


def _stranger() -> int:
    """Return a process of another user, 0 if none is seen: the view user hides no other."""
    return next((item.pid for item in processes() if item.uid != os.getuid()), 0)


def _settings(args: argparse.Namespace, enforcer: Enforcer) -> _Settings:
    if args.no_proc and args.pid_namespace:
        raise EnforcerError("--no-proc and --pid-namespace exclude each other")
    default = Scope.RELATIONAL if isinstance(enforcer, DomainEnforcer) else Scope.CLASSIC
    return _Settings(
        scope=default if args.scope is None else args.scope,
        view=args.view,
        proc=Proc.HOST if args.no_proc else Proc.PRIVATE,
        override=args.override,
    )


def _private_proc(settings: _Settings) -> _Settings:
    """Put a private procfs on /proc, or say why the names stay visible."""
    try:
        procfs = _isolate.detached_procfs()
    except ServiceError as error:
        say(f"the names of other processes stay visible: {error} (see --pid-namespace)")
        return replace(settings, proc=Proc.HOST)
    with procfs:
        _isolate.enter_user_namespace()
        procfs.attach(strict=True)
    _isolate.drop_capabilities()
    return settings


def _summary(enforcer: Enforcer, settings: _Settings) -> str:
    view = f"enforcer {enforcer.name}, view={settings.view.word}"
    scope = f", scope={settings.scope.word}" if isinstance(enforcer, DomainEnforcer) else ""
    proc = "" if isinstance(enforcer, YamaEnforcer) else f", proc={settings.proc.value}"
    return f"{view}{scope}{proc}"


def _level(kind: type[_Level]) -> Callable[[str], _Level]:
    def parse(text: str) -> _Level:
        try:
            return kind.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse


def _words(kind: type[Scope] | type[View]) -> str:
    words = (f"{level.value} {level.word}" if kind.numbered() else level.word for level in kind)
    return ", ".join(words)
