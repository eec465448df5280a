"""What the README tells of the code is what the code says."""

from pathlib import Path

import pytest

from yama_session.enforcers import honours_markdown
from yama_session.policy import PRESETS

pytestmark = pytest.mark.unit

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_honours_table_is_the_code_s() -> None:
    start = README.index("<!-- honours:")
    table = README[README.index("\n", start) + 1 : README.index("<!-- /honours -->")]
    assert table == honours_markdown()


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
