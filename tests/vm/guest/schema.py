"""JSON documents against `docs/json.md`: what is documented is there, and nothing else."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_ROW = re.compile(r"^\| `(?P<path>[^`]*)` \| (?P<types>[^|]*?)(?P<optional>, optional)? \|", re.M)
_TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
    "array": list,
    "object": dict,
}


@dataclass(frozen=True)
class Row:
    """One key, as the page describes it."""

    types: tuple[str, ...]
    optional: bool


def section(page: str, verb: str) -> dict[str, Row]:
    """Return the keys that the section of a verb describes."""
    text = re.split(r"^## ", page.split(f"\n## {verb}\n", 1)[1], maxsplit=1, flags=re.M)[0]
    return {
        row["path"]: Row(tuple(row["types"].split(" or ")), bool(row["optional"]))
        for row in _ROW.finditer(text)
        if set(row["types"].split(" or ")) <= _TYPES.keys()
    }


def violations(rows: dict[str, Row], value: Any, path: str = "") -> Iterator[str]:
    """Yield where a document differs from its description."""
    if isinstance(value, list):
        for item in value:
            yield from _item(rows, item, f"{path}[]")
    elif isinstance(value, dict):
        open_keys = _under(path, "*") in rows
        for key, item in value.items():
            yield from _item(rows, item, _under(path, "*" if open_keys else key))
        for other, row in rows.items():
            parent, _, key = other.rpartition(".")
            missing = parent == path and key not in value and key != "*"
            if missing and not row.optional and not key.endswith("[]"):
                yield f"{other} is missing"


def _item(rows: dict[str, Row], item: Any, path: str) -> Iterator[str]:
    if path not in rows:
        yield f"{path} is not documented"
        return
    kinds = rows[path].types
    if isinstance(item, bool):
        fits = "boolean" in kinds
    else:
        fits = any(isinstance(item, _TYPES[kind]) for kind in kinds)  # type: ignore[arg-type]
    if not fits:
        yield f"{path} is {item!r}, not {' or '.join(kinds)}"
    # What is a whole document of another section is described there.
    if any(other.startswith((f"{path}.", f"{path}[")) for other in rows):
        yield from violations(rows, item, path)


def _under(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
