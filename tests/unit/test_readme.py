"""What the pages tell of the code is what the code says."""

import re
import runpy
from pathlib import Path

import pytest

from yama_session.cli import verbs
from yama_session.enforcers import honours_markdown
from yama_session.policy import PRESETS, check

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
ENFORCERS, POLICY = ((ROOT / "docs" / f"{page}.md").read_text() for page in ("enforcers", "policy"))


def test_honours_table_is_the_code_s() -> None:
    start = ENFORCERS.index("<!-- honours:")
    table = ENFORCERS[ENFORCERS.index("\n", start) + 1 : ENFORCERS.index("<!-- /honours -->")]
    assert table == honours_markdown()


def examples(text: str, mark: str) -> list[str]:
    """Return the policies that stand in a text, each line after ``mark``."""
    blocks = re.findall(rf"(?:^{mark}.*\n|^#?\n)+", text, re.MULTILINE)
    plain = [re.sub(rf"^(?:{mark}|#$)", "", block, flags=re.MULTILINE) for block in blocks]
    return [block for block in plain if "[[rule]]" in block]


@pytest.mark.parametrize(
    ("file", "mark"), [*((page, "    ") for page in PAGES), (ROOT / "data/policy.toml", "#\t")]
)
def test_policy_that_is_shown_is_one(file: Path, mark: str) -> None:
    for text in examples(file.read_text(encoding="utf-8"), mark):
        rules, errors = check(text, file)
        assert rules
        assert errors == ()


def test_policies_are_shown() -> None:
    shown = {page.name for page in PAGES if examples(page.read_text(encoding="utf-8"), "    ")}
    assert shown >= {"README.md", "policy.md", "enforcers.md", "shared-host.md", "hpc.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(#[^)]*)?\)", page.read_text()):
        file = page.parent / target if target else page
        assert file.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            plain = [re.sub(r"[^\w -]", "", title.lower()) for title in titles]
            ids = {"#" + title.replace(" ", "-") for title in plain}
            assert anchor in ids, anchor


def test_readme_is_short() -> None:
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\n") <= 150


def test_verbs_that_pages_name_are_verbs() -> None:
    names = {name for name, _ in verbs()}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        told = re.findall(r"^    (?:alice\$ )?yama-session ([a-z-]+)", text, re.MULTILINE)
        assert set(told) <= names | {"policy"}, page


def test_picture_is_what_its_program_draws() -> None:
    drawn = runpy.run_path(str(ROOT / "docs/picture.py"))["picture"]()
    assert (ROOT / "docs/sessions.svg").read_text(encoding="utf-8") == drawn


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_preset_is_as_the_page_says(name: str) -> None:
    settings = PRESETS[name]
    row = next(line for line in POLICY.splitlines() if line.startswith(f"| `{name}` |"))
    _, scope, view, override, group = (cell.strip() for cell in row.strip("|").split("|"))
    assert int(scope) == settings.scope
    assert view == settings.view.name.lower()
    assert (override == "yes") == settings.override
    if settings.view:
        assert group == settings.group.value
    else:
        assert group == "none"
