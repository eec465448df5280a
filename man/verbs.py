#!/usr/bin/python3
"""Write the pages of yama-session(1) and of its verbs, from what `--help` prints.

One source for both: an option cannot be in the one and not in the other. The pages
stand in the tree, so that a package can be built for a machine that cannot run it.
"""

import argparse
import re
import sys
import textwrap
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from yama_session.cli import PROG, make_parser
from yama_session.cli._exit import CODES

HERE = Path(__file__).parent
DATE = "December 1, 2026"
SEE_ALSO = ("yama-session(1)", "policy.toml(5)", "yama-session(7)")


def pages() -> dict[str, str]:
    """Return the text of each page by the name of its file."""
    parser = make_parser()
    found = {f"{PROG}.1": _command(parser)}
    for name, summary, verb in _verbs(parser):
        found[f"{PROG}-{name}.1"] = _verb(name, summary, verb)
    return found


def _verbs(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Yield name, one line and parser of what follows a command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                yield choice.dest, choice.help or "", action.choices[choice.dest]


def _command(parser: argparse.ArgumentParser) -> str:
    lines = [*_head(PROG, "see and trace only one's own processes"), ".Sh SYNOPSIS"]
    lines += [f".Nm {PROG}", ".Ar verb", ".Op Ar argument ...", ".Sh DESCRIPTION"]
    lines += [*_paragraphs(parser.description or ""), "The verbs are:", ".Bl -tag -width Ds"]
    for name, summary, _ in _verbs(parser):
        lines += [f".It Xr {PROG}-{name} 1", *_words(_sentence(summary))]
    lines += [".El", *_options(parser), *_exit_status(PROG)]
    return _end(lines, (*SEE_ALSO[1:], "pam_yama_session(8)"))


def _verb(name: str, summary: str, verb: argparse.ArgumentParser) -> str:
    page = f"{PROG}-{name}"
    parts = list(_verbs(verb)) or [("", "", verb)]
    lines = [*_head(page, summary), ".Sh SYNOPSIS"]
    for part, _, parser in parts:
        lines += _synopsis(f"{PROG} {name} {part}".strip(), parser)
    lines += [".Sh DESCRIPTION", *_paragraphs(verb.description or "")]
    for part, about, parser in parts:
        if part:
            lines += [f".Ss {part}", *_words(_sentence(about)), *_paragraphs(parser.description)]
        lines += _options(parser)
    lines += _exit_status(name)
    return _end(lines, SEE_ALSO)


def _head(page: str, summary: str) -> list[str]:
    return [
        '.\\" Written by man/verbs.py from what --help prints',
        f".Dd {DATE}",
        f".Dt {page.upper()} 1",
        ".Os yama-session",
        ".Sh NAME",
        f".Nm {page}",
        f".Nd {_text(summary)}",
    ]


def _synopsis(command: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f".Nm {command}"
    for action in _actions(parser):
        what = _argument(action)
        if action.option_strings:
            flag = f"Fl {_text(action.option_strings[0][1:])}" + (f" Ar {what}" if what else "")
            yield f".{flag}" if action.required else f".Op {flag}"
        else:
            yield f".Op Ar {what}" if action.nargs in ("?", "*", "...") else f".Ar {what}"


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield options and arguments, except --help and --version, which each has."""
    for action in parser._actions:
        if not isinstance(
            action,
            argparse._HelpAction | argparse._VersionAction | argparse._SubParsersAction,
        ):
            yield action


def _argument(action: argparse.Action) -> str:
    """Return what stands for the value of an option, "" if it takes none."""
    if action.nargs == 0:
        return ""
    if action.metavar:
        return str(action.metavar)
    return "|".join(map(str, action.choices)) if action.choices else action.dest.upper()


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    actions = list(_actions(parser))
    if actions:
        yield ".Bl -tag -width Ds"
        for action in actions:
            what = _argument(action)
            flags = " , ".join(f"Fl {_text(flag[1:])}" for flag in action.option_strings)
            yield f".It {flags}{f' Ar {what}' if what else ''}".replace(".It  Ar", ".It Ar")
            help_text = (action.help or "") % {"default": action.default, "prog": parser.prog}
            yield from _words(_sentence(help_text))
        yield ".El"


def _exit_status(name: str) -> Iterator[str]:
    yield from (".Sh EXIT STATUS", ".Bl -tag -width Ds")
    for code, text in CODES.items():
        yield f".It {code.value}"
        yield from _words(f"{text}.")
    yield ".El"


def _end(lines: list[str], also: tuple[str, ...]) -> str:
    pages = [".Xr {} {}".format(*name.rstrip(")").split("(")) for name in also]
    return "\n".join([*lines, ".Sh SEE ALSO", *[f"{page} ," for page in pages[:-1]], pages[-1], ""])


def _paragraphs(text: str | None) -> Iterator[str]:
    """Yield mdoc for plain text: indented lines are shown as they are."""
    blocks = (text or "").strip().splitlines()
    for number, (shown, lines) in enumerate(groupby(blocks, lambda line: line.startswith("  "))):
        if shown:
            yield from (".Bd -literal -offset indent", *(_text(line.strip()) for line in lines))
            yield ".Ed"
            continue
        for part in re.split(r"\n\n+", "\n".join(lines).strip("\n")):
            if number:
                yield ".Pp"
            number += 1
            yield from _words(part.replace("\n", " "))


def _words(text: str) -> Iterator[str]:
    """Yield lines, each sentence on one of its own as mdoc(7) asks for."""
    for sentence in re.split(r"(?<=[.:;?!]) (?=[A-Z])", text):
        for line in textwrap.wrap(sentence, 72, break_on_hyphens=False, break_long_words=False):
            yield _text(line)


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _text(text: str) -> str:
    """Return text of which nothing is taken for a request or an escape."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    for file, content in pages().items():
        (HERE / file).write_text(content, encoding="utf-8")
