"""Each file in the folders here runs in a guest with a kernel of its own, as root.

What a test in the guest proves is told there; here only the guest is judged:
its kernel must not complain, and tests must have run and passed. What a file
asks for, and with whom it shares a guest, is told in `running/wanted.py`.
"""

import faulthandler
from collections.abc import Iterator

import page
import pytest
from _pytest.mark import ParameterSet
from boots import Said, problem, said
from crew import FOLDERS, Crew
from kernel_lab.console import tail
from wanted import Wanted, guests

pytestmark = pytest.mark.vm


def parameters() -> Iterator[ParameterSet]:
    """Yield one parameter for each machine that a test file asks for."""
    for module in sorted(file for folder in FOLDERS for file in folder.glob("test_*.py")):
        for wanted in guests(module):
            marks = [pytest.mark.long] if wanted.long else []
            yield pytest.param(wanted, id=wanted.name, marks=marks)


@pytest.mark.parametrize("wanted", list(parameters()))
def test_guest(wanted: Wanted, crew: Crew, rows: list[page.Row]) -> None:
    """Every test of the module passes in a guest that stays healthy."""
    faulthandler.cancel_dump_traceback_later()  # guests have limits of their own
    result = crew.result(wanted)
    wrong = problem(wanted, result)
    own = said(result.output).get(wanted.module.name, Said("", None))
    rows.append((*wanted.row, wrong or own.last + own.counted))
    console = tail(result.console) if result.problem else "(nothing is wrong with it)"
    assert wrong is None, f"{wrong}\n--- output\n{own.output}\n--- console\n{console}"
    assert own.status == 0, f"status {own.status}\n--- output\n{own.output}"
    assert " passed" in own.last
    assert " skipped" not in own.last
