"""What the labs of one cache share."""

import threading
from pathlib import Path

import pytest
from kernel_lab import cache


@pytest.fixture(autouse=True)
def _two_processors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("YAMA_SESSION_CACHE", str(tmp_path))
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def test_third_waits_until_one_of_two_processors_is_free() -> None:
    got = threading.Event()

    def third() -> None:
        with cache.processor():
            got.set()

    with cache.processor():
        with cache.processor():
            thread = threading.Thread(target=third)
            thread.start()
            assert not got.wait(1.0)
        assert got.wait(10.0)
    thread.join()


def test_who_is_stopped_waits_no_more() -> None:
    stop = threading.Event()

    def third() -> None:
        with cache.processor(stop):
            pass

    with cache.processor(), cache.processor():
        thread = threading.Thread(target=third)
        thread.start()
        stop.set()
        thread.join(10.0)
        assert not thread.is_alive()
