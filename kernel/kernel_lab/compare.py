"""Run the same programs on two kernels until they agree or have had their chances."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kernel_lab.command import say
from kernel_lab.tap import Report, differences

ROUNDS = 3

Run = Callable[[frozenset[str]], tuple[Mapping[str, Report], Mapping[str, Report]]]


@dataclass(frozen=True)
class Comparison:
    """What two kernels made of one program."""

    stock: tuple[Report, ...] = ()  # one for each round
    patched: tuple[Report, ...] = ()

    @property
    def rounds(self) -> int:
        """How often both ran it: more than once if its results waver."""
        return len(self.stock)

    @property
    def differences(self) -> list[str]:
        """In what they never agreed; empty if they are alike."""
        return differences(self.stock, self.patched)

    def and_then(self, stock: Report, patched: Report) -> "Comparison":
        """Return the comparison with one more round."""
        return Comparison((*self.stock, stock), (*self.patched, patched))


def compare(run: Run, programs: Iterable[str]) -> dict[str, Comparison]:
    """Compare two kernels program by program.

    Tests of time and of races waver on a busy machine: where the kernels differ,
    both run the program again, and what they never agree in is different.

    Args:
        run: runs some programs on the stock and on the patched kernel.
        programs: names of the programs.
    """
    compared = {name: Comparison() for name in programs}
    left = frozenset(compared)
    for number in range(1, ROUNDS + 1):
        if not left:
            break
        stock, patched = run(left)
        for name in left:
            compared[name] = compared[name].and_then(stock[name], patched[name])
        left = frozenset(name for name in left if compared[name].differences)
        for name in sorted(left):
            say(f"round {number} of {name}: {'; '.join(compared[name].differences)}")
    return compared
