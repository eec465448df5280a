"""Finds the line of a rule or key in a policy file, for error messages.

``tomllib`` gives no positions. This is no second parser: it walks over a text
that ``tomllib`` has already accepted and notes where table headers and keys
begin, skipping what stands inside strings and brackets. What it cannot find
(a rule written in a way that nobody writes) gets the line of what is round it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]*?)\s*\]")
_KEY = re.compile(r"""\s*([\w.\s"'-]+?)\s*=""", re.ASCII)
_INLINE_KEY = re.compile(r"""[{,]\s*["']?([\w-]+)["']?\s*=""", re.ASCII)
_TOKEN = re.compile(r"\"\"\"|'''|\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'|#[^\n]*|[\[\]{}\n]")


def _bare(key: str) -> str:
    """``a . "b"`` as ``a.b``."""
    return ".".join(part.strip().strip("\"'") for part in key.split("."))


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line number and the text of each header or assignment."""
    start = position = depth = 0
    line = 1
    while start < len(text):
        token = _TOKEN.search(text, position)
        if token is None:
            end = position = len(text)
        elif token.group() in ('"""', "'''"):
            end = -1
            close = _close(text, token.end(), token.group())
            position = close
        else:
            mark = token.group()
            position = token.end()
            depth += (mark in "[{") - (mark in "]}")
            end = position if mark == "\n" and depth <= 0 else -1
        if end < 0:
            continue
        statement = text[start:end]
        if statement.strip() and not statement.lstrip().startswith("#"):
            yield line, statement
        line += statement.count("\n")
        start, depth = end, 0


def _close(text: str, position: int, quotes: str) -> int:
    """Return where the multi-line string that is open at ``position`` ends."""
    while True:
        end = text.find(quotes, position)
        if end < 0:
            return len(text)
        backslashes = len(text[:end]) - len(text[:end].rstrip("\\"))
        if quotes == "'''" or backslashes % 2 == 0:
            return end + 3
        position = end + 1


class Locator:
    """The lines of the rules and keys of one policy file.

    Args:
        text: the file's text; ``tomllib`` has accepted it.
    """

    def __init__(self, text: str) -> None:
        self._top: dict[str, int] = {}
        self._rules: list[dict[str, int]] = []
        table = ""
        for line, statement in _statements(text):
            header = _HEADER.match(statement)
            if header:
                table = _bare(header.group(2))
                if header.group(1) == "[[" and table == "rule":
                    self._rules.append({"": line})
                else:
                    self._note(table, line)
                continue
            key = _KEY.match(statement)
            if key is None:
                continue
            path = ".".join(filter(None, (table, _bare(key.group(1)))))
            self._note(path, line)
            for inner in _INLINE_KEY.finditer(statement, key.end()):
                self._note(
                    f"{path}.{inner.group(1)}", line + statement.count("\n", 0, inner.start(1))
                )

    def _note(self, path: str, line: int) -> None:
        if path.startswith("rule.") and self._rules:
            self._rules[-1].setdefault(path.removeprefix("rule."), line)
        else:
            self._top.setdefault(path, line)

    def top(self, key: str) -> int:
        """Return the line of a top-level key or table, 1 if it is not found."""
        return self._top.get(key, 1)

    def rule(self, index: int, *path: str) -> int:
        """Return the line of a key in the rule number ``index``, or of what is round it."""
        if index >= len(self._rules):
            return self.top("rule")
        lines = self._rules[index]
        for length in range(len(path), 0, -1):
            line = lines.get(".".join(path[:length]))
            if line is not None:
                return line
        return lines[""]
