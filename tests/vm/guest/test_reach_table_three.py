# guest: --kernel 6.1 --kernel 7.3 --prepare "reach_table.py yama 3" --long --timeout 3000
# guest: --kernel 6.12 --prepare "reach_table.py yama 3" --long --timeout 3000
"""The rules in every case with up to three domains; else as ``test_reach_table.py``."""

import pytest
from reach_check import Comparison

COMPARISON = Comparison("yama", 3)


@pytest.mark.parametrize("table", ["views", "both", "scopes", "no-attach"])
def test_the_kernel_says_what_the_rules_say(table: str) -> None:
    COMPARISON.compare(table)
