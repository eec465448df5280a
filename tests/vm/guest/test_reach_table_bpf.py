# guest: --debian --kernel 6.12 --prepare "reach_table.py bpf 2"
# guest: --debian --kernel 6.1 --kernel 7.3 --prepare "reach_table.py bpf 2" --long --timeout 1200
"""The same cases for the BPF programs: each difference is one that the documentation names."""

from collections.abc import Iterator

import pytest
from reach_check import SHARE, Comparison, bpf_comparison
from reach_table import Deviation


@pytest.fixture(scope="module")
def comparison() -> Iterator[Comparison]:
    with bpf_comparison(2) as found:
        yield found


@pytest.mark.parametrize("table", ["views", "both", "threads", "depth", "scopes", "no-attach"])
def test_the_programs_say_what_the_rules_and_the_documented_differences_say(
    comparison: Comparison, table: str
) -> None:
    comparison.compare(table)


def test_each_documented_difference_is_in_some_case() -> None:
    used = (SHARE / "cases/deviations").read_text(encoding="ascii").split()
    assert used == sorted(deviation.name for deviation in Deviation)
