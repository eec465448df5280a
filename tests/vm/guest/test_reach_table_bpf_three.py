# guest: --debian --kernel 6.1 --kernel 7.3 --prepare "reach_table.py bpf 3" --long --timeout 3000
# guest: --debian --kernel 6.12 --prepare "reach_table.py bpf 3" --long --timeout 3000
"""Up to three domains of the BPF programs; else as ``test_reach_table_bpf.py``."""

from collections.abc import Iterator

import pytest
from reach_check import Comparison, bpf_comparison


@pytest.fixture(scope="module")
def comparison() -> Iterator[Comparison]:
    with bpf_comparison(3) as found:
        yield found


@pytest.mark.parametrize("table", ["views", "both", "scopes", "no-attach"])
def test_the_programs_say_what_the_rules_and_the_documented_differences_say(
    comparison: Comparison, table: str
) -> None:
    comparison.compare(table)
