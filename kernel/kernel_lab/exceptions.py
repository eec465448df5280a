"""What the tools say that is known and stays, each with its reason in a file of the tree."""

from pathlib import Path

from kernel_lab.paths import KERNEL_DIR

# One type of message, one warning or one race, a line; `#` starts the reason.
STYLE = KERNEL_DIR / "checkpatch.exceptions"
WARNINGS = KERNEL_DIR / "warnings.exceptions"
RACES = KERNEL_DIR / "races.exceptions"


def read(file: Path) -> list[str]:
    """Return what a file lists, one a line, without the reasons."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [words for line in lines if (words := line.partition("#")[0].strip())]
