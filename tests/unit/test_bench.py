"""How the benchmark reads and judges; what it measures needs a guest."""

import re
from pathlib import Path

import pytest

from bench.figures import Figure, Key, figure, parse
from bench.limits import ALIKES, COSTS, GROWTHS, LIMITS, LOOKUPS, Limit, judge
from bench.programs_cost import LIMITS as PROGRAM_LIMITS
from bench.programs_cost import LISTED, STEPS, judge_programs
from bench.programs_cost import page as programs_page
from bench.report import page, sentence
from bench.sessions import COUNTED, HELD, NOT_COUNTED, judge_sessions
from bench.sessions import LIMITS as SESSION_LIMITS
from bench.sessions import page as sessions_page
from bench.steps import FEWEST, GUESTS, MORE, Step, script

pytestmark = pytest.mark.unit

GUEST = Path(__file__).resolve().parents[2] / "bench" / "guest"


def test_a_figure_is_the_median_with_the_spread_of_the_quartiles() -> None:
    assert figure([10.0, 10.0, 10.0, 10.0, 500.0]).median == 10.0
    assert figure([99.0, 100.0, 101.0]).spread == pytest.approx(0.02)
    assert figure([7.0]) == Figure(7.0, 0.0, 1)


def test_output_is_read_by_step_and_name() -> None:
    figures = parse("# calls\nkill 700.00 701.00 702.00\n# list\nprocesses 12.00\n")
    assert figures[Key("calls", "kill")].median == 701.0
    assert figures[Key("list", "processes")].median == 12.0


@pytest.mark.parametrize("output", ["kill 1.0", "# calls\nkill", "# calls\nkill 1\nkill 2"])
def test_unexpected_output_is_refused(output: str) -> None:
    with pytest.raises(ValueError, match="not expected"):
        parse(output)


def keys_of(limit: Limit) -> tuple[Key, ...]:
    return (limit.stock, limit.patched, *(limit.fewest or ()))


def flat(value: float) -> dict[Key, Figure]:
    keys = [key for limit in LIMITS for key in keys_of(limit)]
    return {
        key: Figure(value, 0.0, 3)
        for named in keys
        for key in (named, named._replace(what="processes"))
    }


def test_a_limit_is_broken_only_above_it() -> None:
    verdicts = judge(flat(1000.0), flat(1000.0))
    assert all(verdict.kept for verdict in verdicts)
    worse = flat(1000.0) | {Key("calls", "kill"): Figure(1002.1, 0.0, 3)}
    broken = [verdict.limit.title for verdict in judge(flat(1000.0), worse) if not verdict.kept]
    assert broken == ["kill"]


@pytest.mark.parametrize(
    ("hidden", "kept"), [(949.0, False), (951.0, True), (1049.0, True), (1051.0, False)]
)
def test_a_hidden_number_may_be_neither_dearer_nor_cheaper_than_a_free_one(
    hidden: float, kept: bool
) -> None:
    patched = flat(1000.0) | {Key("lookup user", "getpgid-hidden"): Figure(hidden, 0.0, 3)}
    broken = [verdict for verdict in judge(flat(1000.0), patched) if not verdict.kept]
    assert [verdict.limit.title for verdict in broken] == ([] if kept else ["getpgid(n)"])
    assert all("free 1,000" in sentence(verdict) for verdict in broken)


def test_a_hidden_number_is_compared_with_a_free_one_of_the_same_kernel() -> None:
    stock = {key: figure for key, figure in flat(500.0).items() if "lookup" not in key.step}
    patched = flat(500.0) | {Key("lookup domain", "kill-free"): Figure(510.0, 0.0, 3)}
    [verdict] = [verdict for verdict in judge(stock, patched) if verdict.ratio < 1]
    assert (verdict.stock, verdict.patched, verdict.kept) == (510.0, 500.0, True)


def test_what_is_compared_of_growth_is_how_it_grows() -> None:
    stock = flat(1000.0) | {Key("chain", "beside-setpgid-10000"): Figure(50_000.0, 0.0, 3)}
    patched = flat(1000.0) | {
        Key("chain", "beside-setpgid-1000"): Figure(4000.0, 0.0, 3),
        Key("chain", "beside-setpgid-10000"): Figure(220_400.0, 0.0, 3),
    }
    [verdict] = [verdict for verdict in judge(stock, patched) if not verdict.kept]
    assert verdict.limit.title == "setpgid(0, group), 10,000"
    assert (verdict.stock, verdict.patched) == (50.0, 55.1)
    assert "grows to 55.1 times the cost, stock 50.0: 1.1020 times" in sentence(verdict)
    figures = Everything(patched)
    assert "| 1,000 | 50,000 | 4,000 | 220,400 | 1.1020 | 1.1 | **broken** |" in page(
        "Linux", Everything(stock), figures, [verdict]
    )


def test_what_has_grown_is_measured_with_the_fewest_and_with_more() -> None:
    source = (GUEST / "growth.c").read_text(encoding="utf-8")
    assert FEWEST["threads"] == FEWEST["group"]
    sizes = ", ".join(map(str, (FEWEST["group"], *MORE)))
    assert f"int sizes[] = {{ {sizes} }};" in source
    assert f"#define SHORTEST_CHAIN\t{FEWEST['chain']}\n" in source


def test_each_call_that_is_looked_at_is_made() -> None:
    source = (GUEST / "lookup.c").read_text(encoding="utf-8")
    assert sorted(re.findall(r'\{ "(\S+)", call_', source)) == sorted(LOOKUPS)


def test_listings_of_different_processes_are_not_compared() -> None:
    other = flat(1000.0) | {Key("list 1000 1% domain", "processes"): Figure(13.0, 0.0, 1)}
    with pytest.raises(ValueError, match="patched 13"):
        judge(flat(1000.0), other)


def test_a_missing_figure_is_no_kept_limit() -> None:
    with pytest.raises(KeyError):
        judge(flat(1000.0), {})


def test_each_limit_is_measured_by_a_step_of_its_kernel() -> None:
    for stock in (True, False):
        steps = {step.name for guest in GUESTS if guest.stock is stock for step in guest.steps}
        keys = {limit.stock if stock else limit.patched for limit in (*COSTS, *GROWTHS)}
        if not stock:
            keys |= {key for limit in ALIKES for key in keys_of(limit)}
        assert {key.step for key in keys} <= steps


def test_no_domain_exists_before_the_steps_that_say_so() -> None:
    for guest in GUESTS:
        names = [step.name for step in guest.steps]
        if "calls" in names:
            before = [step.command for step in guest.steps[: names.index("list none") + 1]]
            assert before == ["calls", "crowd none 2000 10 listing"]


def test_the_script_names_each_step_before_it_runs() -> None:
    lines = script([Step("a name", "calls")]).splitlines()
    assert lines[0] == "set -e"
    assert lines[lines.index("echo '# a name'") + 2] == "calls"


class Everything(dict[Key, Figure]):
    def __missing__(self, key: Key) -> Figure:
        return Figure(1234.0, 0.001, 3)


HAD = {Key(f"held {n}", "sessions"): Figure(float(n), 0.0, 1) for n in HELD}


def test_the_service_s_memory_has_a_limit_of_its_own() -> None:
    figures = {**HAD, Key("held 1000", "resident"): Figure(64 * 1024 + 1.0, 0.0, 1)}
    others = {
        key: Figure(1.0, 0.0, 1) for limit in SESSION_LIMITS for key in (limit.stock, limit.patched)
    }
    with_all = judge_sessions({**others, **figures})
    broken = [verdict.limit.title for verdict in with_all if verdict.ratio > 1]
    assert broken == ["with 1,000 sessions"]


def test_memory_of_fewer_sessions_is_not_judged() -> None:
    keys = [key for limit in SESSION_LIMITS for key in (limit.stock, limit.patched)]
    figures = {**HAD, **{key: Figure(1.0, 0.0, 1) for key in keys}}
    figures[Key("held 1000", "sessions")] = Figure(991.0, 0.0, 1)
    with pytest.raises(ValueError, match="991 sessions where 1000"):
        judge_sessions(figures)


def test_each_limit_of_a_session_is_measured_by_a_step() -> None:
    names = {step.name for step in (*COUNTED, *NOT_COUNTED)} | {"goal"}
    assert {key.step for limit in SESSION_LIMITS for key in (limit.stock, limit.patched)} <= names


def test_the_page_of_sessions_has_a_row_for_each_limit() -> None:
    keys = [key for limit in SESSION_LIMITS for key in (limit.stock, limit.patched)]
    judged = judge_sessions({**HAD, **{key: Figure(1000.0, 0.0, 3) for key in keys}})
    text = sessions_page("Linux 6.12", Everything(), judged)
    assert text.count("| kept |") + text.count("| **broken** |") == len(SESSION_LIMITS)


def test_the_page_has_a_row_for_each_limit() -> None:
    figures = Everything(flat(1000.0))
    text = page("Linux 6.12", figures, figures, judge(figures, figures))
    assert text.count("| kept |") == len(LIMITS)
    assert "**broken**" not in text


def programs_cost(value: float) -> dict[Key, Figure]:
    keys = {key for limit in PROGRAM_LIMITS for key in (limit.stock, limit.patched)}
    keys |= {
        Key(f"{state} list {number}", "processes")
        for state in ("off", "domain")
        for number in LISTED
    }
    keys |= {
        Key(f"{state} access", f"{what}-hidden")
        for state in ("off", "domain")
        for what in ("access", "number", "stat")
    }
    return dict.fromkeys(keys, Figure(value, 0.0, 3))


def test_what_programs_cost_is_judged_and_written() -> None:
    figures = programs_cost(1000.0)
    assert all(verdict.kept for verdict in judge_programs(figures))
    assert "| kill | 1,000 | 1,000 |" in programs_page("Debian's", figures, judge_programs(figures))
    dearer = figures | {Key("none calls", "fork+exit"): Figure(1021.0, 0.0, 3)}
    broken = [verdict.limit.title for verdict in judge_programs(dearer) if not verdict.kept]
    assert broken == ["fork+exit"]


def test_every_step_of_the_programs_is_one_that_a_limit_needs() -> None:
    named = {key.step for limit in PROGRAM_LIMITS for key in (limit.stock, limit.patched)}
    assert {step.name for step in STEPS} - named == {"prepare", "load"}


def test_listings_that_do_not_show_the_same_are_refused() -> None:
    figures = programs_cost(1000.0) | {Key("off list 300", "processes"): Figure(999.0, 0.0, 3)}
    with pytest.raises(ValueError, match="different numbers"):
        judge_programs(figures)
