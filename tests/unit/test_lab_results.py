"""The table of what the lab has shown."""

from pathlib import Path

import pytest
from kernel_lab import numbers, results
from kernel_lab.compare import Comparison
from kernel_lab.results import render
from kernel_lab.source import Source
from kernel_lab.tap import Report, Subtest

SERIES_ROW = "| 6.12 | 6.12.117-1 | 2 | good | 6.12.117 | 1 of 2 programs, 3 tests |"


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, results.Record]:
    """What one run of everything leaves behind."""
    monkeypatch.setenv("YAMA_SESSION_CACHE", str(tmp_path / "cache"))
    for page in ("RECORDS", "RESULTS", "CHANNELS"):
        monkeypatch.setattr(results, page, tmp_path / page)
    patches = [tmp_path / "0001-a.patch", tmp_path / "0002-b.patch"]
    for patch in patches:
        patch.write_text(patch.name)
    monkeypatch.setattr("kernel_lab.series.patches", lambda kernel: patches)
    source = Source("6.12", "6.12.117-1", tmp_path)
    results.record_check(source, patches, "6.12.117")
    good = Report("pass", tuple(Subtest(name, "ok") for name in "abc"))
    results.record_own(source, patches, "plain", {"yama:a": good, "proc:b": Report("skip")})
    bad = Report("fail", (*good.subtests[:2], Subtest("c", "not ok")))
    wavering = Comparison((good, good), (bad, good))
    worse = Comparison((good,) * 3, (bad,) * 3)
    results.record_comparison(source, patches, {"proc:x": wavering, "timers:y": worse})
    return results._records("6.12")


def test_the_first_table_has_a_row_for_each_kernel(records: dict[str, results.Record]) -> None:
    text = render({"6.1": {}, "6.12": records})
    assert f"{SERIES_ROW} 1 of 2 programs | - | - |" in text
    assert "| 6.1 |" not in text


def test_each_program_has_its_outcome(records: dict[str, results.Record]) -> None:
    text = render({"6.12": records})
    assert "| yama:a | pass: 3 ok |" in text
    assert "| proc:b | skip |" in text
    assert "| proc:x | pass: 3 ok | same (round 2) |" in text
    worse = "pass on stock, fail here; c: ok on stock, not ok here (round 3)"
    assert f"| timers:y | pass: 3 ok | {worse} |" in text


def test_a_result_of_another_series_says_so(
    records: dict[str, results.Record], tmp_path: Path
) -> None:
    (tmp_path / "0002-b.patch").write_text("changed")
    assert "| good (of an earlier series) |" in render({"6.12": results._records("6.12")})


def test_a_result_outlives_the_cache_while_the_series_is_the_same(
    records: dict[str, results.Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results.write_pages()
    page = (tmp_path / "RESULTS").read_text()
    assert f"{SERIES_ROW} 1 of 2 programs | - | - |" in page
    monkeypatch.setenv("YAMA_SESSION_CACHE", str(tmp_path / "another cache"))
    results.write_pages()
    assert (tmp_path / "RESULTS").read_text() == page
    patches = [tmp_path / "0003-c.patch"]
    patches[0].write_text("another series")
    results.record_check(Source("6.12", "6.12.118-1", tmp_path), patches, None)
    assert results._records("6.12") == records
    monkeypatch.setattr("kernel_lab.series.patches", lambda kernel: patches)
    results.write_pages()
    page = (tmp_path / "RESULTS").read_text()
    assert "| 6.12 | 6.12.118-1 | 1 | good | not to be had |" in page
    assert "| 1 of 2 programs, 3 tests (of an earlier series) |" in page


def test_both_pages_are_written(records: dict[str, results.Record], tmp_path: Path) -> None:
    assert records
    assert results.write_pages() == [tmp_path / "RECORDS", tmp_path / "RESULTS"]
    line = "# channel: kill(pid) | call | closed | 0 -> ESRCH | ESRCH | ESRCH | signal: hide\n"
    listed = Report("pass", output=line)
    patches = [tmp_path / "0001-a.patch", tmp_path / "0002-b.patch"]
    source = Source("6.12", "6.12.117-1", tmp_path)
    results.record_own(source, patches, "plain", {results.CHANNELS_TEST: listed})
    assert results.write_pages() == [tmp_path / page for page in ("RECORDS", "RESULTS", "CHANNELS")]
    total = 1 + len(numbers.unasked(numbers.listed("6.12")))
    page = (tmp_path / "CHANNELS").read_text(encoding="utf-8")
    assert f"Kernel 6.12.117: {total} channels, 1 of them asked" in page
