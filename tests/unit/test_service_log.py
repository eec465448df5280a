"""What the service writes to the journal has a priority."""

import logging

import pytest

from yama_session.service.__main__ import JournalFormatter

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.CRITICAL, 2),
        (logging.ERROR, 3),
        (logging.WARNING, 4),
        (logging.INFO, 6),
        (logging.DEBUG, 7),
    ],
)
def test_each_line_has_the_priority_of_its_record(level: int, priority: int) -> None:
    record = logging.LogRecord("", level, "", 0, "policy: %s", ("a\nb",), None)
    assert JournalFormatter().format(record) == f"<{priority}>policy: a\n<{priority}>b"
