"""What the README tells of the code is what the code says."""

import re
from pathlib import Path

import pytest

from yama_session.enforcers import honours_markdown
from yama_session.policy import PRESETS, check

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_honours_table_is_the_code_s() -> None:
    start = README.index("<!-- honours:")
    table = README[README.index("\n", start) + 1 : README.index("<!-- /honours -->")]
    assert table == honours_markdown()


def examples(text: str, mark: str) -> list[str]:
    """Return the policies that stand in a text, each line after ``mark``."""
    blocks = re.findall(rf"(?:^{mark}.*\n|^#?\n)+", text, re.MULTILINE)
    plain = [re.sub(rf"^(?:{mark}|#$)", "", block, flags=re.MULTILINE) for block in blocks]
    return [block for block in plain if "[[rule]]" in block]


@pytest.mark.parametrize(
    ("file", "mark", "count"), [("README.md", "    ", 3), ("data/policy.toml", "#\t", 2)]
)
def test_policy_that_is_shown_is_one(file: str, mark: str, count: int) -> None:
    found = examples((ROOT / file).read_text(encoding="utf-8"), mark)
    assert len(found) == count
    for text in found:
        rules, errors = check(text, ROOT / file)
        assert rules
        assert errors == ()


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_preset_is_as_the_readme_says(name: str) -> None:
    settings = PRESETS[name]
    row = next(line for line in README.splitlines() if line.startswith(f"| `{name}` |"))
    _, scope, view, override, group = (cell.strip() for cell in row.strip("|").split("|"))
    assert int(scope) == settings.scope
    assert view == settings.view.name.lower()
    assert (override == "yes") == settings.override
    if settings.view:
        assert group == settings.group.value
    else:
        assert group == "none"
