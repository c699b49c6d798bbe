"""Times in words."""

import pytest

from engine.text.durations import format_seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (12.4, "12 s"),
        (59.4, "59 s"),
        (59.7, "1 min 0 s"),
        (75.2, "1 min 15 s"),
        (3599.6, "1 h 0 min"),
        (7384, "2 h 3 min"),
    ],
)
def test_times_read_like_times(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
