"""Reads the policy's directory: drop-ins in the order of their names, then the main file."""

from __future__ import annotations

from pathlib import Path

from yama_session.errors import PolicyError
from yama_session.policy.parse import parse
from yama_session.policy.rules import Policy, Rule

#: Where the policy is installed.
POLICY_DIR = Path("/etc/yama-session")

#: No policy is larger; a larger file is an accident or an attack.
MAX_BYTES = 1 << 20


def load(directory: Path = POLICY_DIR) -> Policy:
    """Return the policy of a directory.

    ``policy.d/*.toml`` come first, in the order of their names, then
    ``policy.toml``, so that a drop-in wins. What is not there has no rules.

    Raises:
        PolicyError: a file cannot be read, or is wrong.
    """
    rules: list[Rule] = []
    for file in [*_drop_ins(directory / "policy.d"), directory / "policy.toml"]:
        rules.extend(parse(_read(file), file))
    return Policy(tuple(rules))


def _drop_ins(directory: Path) -> list[Path]:
    try:
        return sorted(file for file in directory.iterdir() if file.name.endswith(".toml"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise PolicyError(directory, None, f"cannot be listed: {error.strerror}") from None


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise PolicyError(file, None, f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise PolicyError(file, None, f"larger than {MAX_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PolicyError(file, line, f"byte {data[error.start]:#x} is not UTF-8") from None
