"""Each file in the folders here boots a kernel of its own and runs there, as root.

What a test in the guest proves is told there; here only the guest is judged:
its kernel must not complain, and tests must have run and passed. What a file
asks for is told in `running/wanted.py`.
"""

from collections.abc import Iterator

import page
import pytest
from _pytest.mark import ParameterSet
from crew import FOLDERS, Crew
from wanted import Wanted, guests

pytestmark = pytest.mark.vm


def parameters() -> Iterator[ParameterSet]:
    """Yield one parameter for each guest that a test file asks for."""
    for module in sorted(file for folder in FOLDERS for file in folder.glob("test_*.py")):
        for wanted in guests(module):
            marks = [pytest.mark.long] if wanted.long else []
            yield pytest.param(wanted, id=wanted.name, marks=marks)


@pytest.mark.parametrize("wanted", list(parameters()))
def test_guest(wanted: Wanted, crew: Crew, rows: list[page.Row]) -> None:
    """Every test of the module passes in a guest that stays healthy."""
    result = crew.result(wanted)
    last = result.output.rstrip().rpartition("\n")[2].strip("= ")
    rows.append((*wanted.row, result.problem or last))
    assert result.ok, result.explain()
    assert " passed" in last
    assert " skipped" not in last
