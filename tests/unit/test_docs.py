"""The pages in docs/ say what the tests try."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_logins_has_a_row_for_every_stack() -> None:
    stacks = (ROOT / "tests/vm/guest/stacks.py").read_text(encoding="utf-8")
    tried = re.findall(r'Stack\(\s*"([^"]+)",\s*"([^"]*)"', stacks)
    page = (ROOT / "docs/logins.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| (yes|no) \|", page, re.MULTILINE)
    assert tried
    assert rows == [(name, service or "-", "yes" if service else "no") for name, service in tried]


def test_deputies_is_made_from_the_table_of_the_tests() -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "tests/vm/guest/deputies.py"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert (ROOT / "docs/deputies.md").read_text(encoding="utf-8") == made.stdout
