"""The man pages say what the programs do, and are well formed."""

import re
import runpy
import subprocess
from pathlib import Path

import pytest

from yama_session.policy.parse import _TOP_KEYS, parse
from yama_session.policy.words import MATCH_KEYS, PRESETS, SETTING_KEYS
from yama_session.service.interface import METHODS, PROPERTIES, SIGNALS

ROOT = Path(__file__).parents[2]
MAN = ROOT / "man"
PAGES = [*sorted(MAN.glob("*.[1-8]")), ROOT / "pam/pam_yama_session.8"]


def shown(page: str) -> str:
    """Return a page of ours as a reader sees it, in one line of unformatted words."""
    done = subprocess.run(
        ["mandoc", "-Tascii", MAN / page], check=True, capture_output=True, text=True
    )
    return " ".join(re.sub(".\b", "", done.stdout).split())


def test_pages_of_verbs_are_what_help_prints() -> None:
    for name, text in runpy.run_path(str(MAN / "verbs.py"))["pages"]().items():
        assert (MAN / name).read_text(encoding="utf-8") == text, f"{name}: run man/verbs.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_is_well_formed(page: Path) -> None:
    done = subprocess.run(["mandoc", "-Tlint", "-Wstyle", page], capture_output=True, text=True)
    # Whether there are other pages depends on what is installed.
    wrong = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_refers_to_pages_of_ours_that_exist(page: Path) -> None:
    for name, section in re.findall(r"^\.Xr (\S+) (\d)", page.read_text(), re.MULTILINE):
        if "yama" in name or name == "policy.toml":
            assert f"{name}.{section}" in {other.name for other in PAGES}


def test_page_of_the_policy_has_every_word() -> None:
    text = shown("policy.toml.5")
    for word in (*MATCH_KEYS, *SETTING_KEYS, *PRESETS, *_TOP_KEYS):
        assert re.search(rf"\b{word}\b", text), word


def test_examples_of_the_policy_page_are_policies() -> None:
    examples = (MAN / "policy.toml.5").read_text().partition(".Sh EXAMPLES")[2]
    found = re.findall(r"^\.Bd [^\n]*\n(.*?)^\.Ed", examples, re.MULTILINE | re.DOTALL)
    assert found
    for text in found:
        assert parse(text, Path("policy.toml"))


def test_page_of_the_bus_has_every_member() -> None:
    text = (MAN / "org.yama.Session1.5").read_text()
    for name in (*METHODS, *SIGNALS):
        assert re.search(rf"Fn {name}\b", text), name
    for name in PROPERTIES:
        assert re.search(rf"Va {name}\b", text), name


def test_page_of_the_service_has_its_options_and_no_other() -> None:
    done = subprocess.run(
        ["/usr/bin/python3", "-m", "yama_session.service", "--help"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    told = set(re.findall(r"^  (--[\w-]+)", done.stdout, re.MULTILINE))
    page = (MAN / "yama-sessiond.8").read_text()
    assert {f"--{flag}" for flag in re.findall(r"^\.It Fl -([\w-]+)", page, re.MULTILINE)} == told
