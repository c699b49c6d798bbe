"""Charts put values where they belong, keep inside their box, and are well-formed SVG."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import pytest

from eval.page.plots import Axis, Mark, axis_labels, histogram, nice_axis, strip


def percents(svg: str) -> list[float]:
    """Every x position of a drawing."""
    return [float(value) for value in re.findall(r' (?:x|x1|x2|cx)="([\d.-]+)%"', svg)]


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.004, 0.028), (0, 0), (-0.2, -0.1), (-0.03, 0.0), (0.7, 123)])
def test_axes_have_round_ticks_around_both_values(low: float, high: float) -> None:
    axis = nice_axis(low, high)
    assert axis.low <= low <= high <= axis.high
    assert 2 <= len(axis.ticks) <= 7
    assert 2 <= axis.percent(low) <= axis.percent(high) <= 98 + 1e-9
    steps = [b - a for a, b in zip(axis.ticks, axis.ticks[1:], strict=False)]
    assert steps == pytest.approx([steps[0]] * len(steps), abs=1e-9)
    if high > low:
        assert re.fullmatch(r"[125]\.0e[+-]\d+", f"{steps[0]:.1e}")


def test_a_strip_is_well_formed_with_a_lane_per_mark() -> None:
    marks = [
        Mark("bm25", 0.2, 0.1, 0.3, "BM25 <0.2>"),
        Mark("base", 0.5, 0.4, 0.6, "b"),
        Mark("tuned", 1.0, 0.9, 1.0, "t"),
    ]
    svg = strip(marks, nice_axis(0, 1))
    root = ElementTree.fromstring(svg)
    assert [group.get("class") for group in root.findall("g")] == ["bm25", "base", "tuned"]
    heights = [float(line.get("y1", "")) for line in root.findall("g/line")]
    assert heights == sorted(set(heights))
    assert "BM25 &lt;0.2&gt;" in svg
    assert all(2 <= x <= 98 for x in percents(svg))


def test_positions_follow_values() -> None:
    axis = Axis(-1, 1, (-1, 0, 1))
    assert [axis.percent(value) for value in (-2, -1, 0, 1, 2)] == [2, 2, 50, 98, 98]
    svg = strip([Mark("better", 0.5, 0.25, 0.75, "x")], axis, zero=True)
    assert 'class="zero" x1="50.00%"' in svg
    assert 'cx="74.00%"' in svg


def test_zero_is_drawn_once_even_between_ticks() -> None:
    assert strip([], nice_axis(0, 1), zero=True).count('class="zero"') == 1
    assert strip([], Axis(-1, 3, (-1, 1, 3)), zero=True).count('class="zero"') == 1


def test_axis_labels_sign_differences() -> None:
    texts = re.findall(r">([^<]+)</text>", axis_labels(Axis(-0.01, 0.01, (-0.01, 0, 0.01)), 2, signed=True))
    assert texts == ["\u22120.01", "0.00", "+0.01"]


def label_ends(svg: str, pixels: int, digit: float = 7.6) -> list[tuple[float, float]]:
    """Where the labels of an axis begin and end in a column of so many pixels, by the widest of our fonts."""
    ends = []
    for x, anchor, kind, text in re.findall(
        r'x="([\d.]+)%" y="12" text-anchor="(\w+)"( class="between")?>([^<]+)<', svg
    ):
        if not kind or pixels >= 290:
            width = digit * (len(text) - 0.5)
            begin = float(x) * pixels / 100 - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
            ends.append((begin, begin + width))
    return ends


@pytest.mark.parametrize("pixels", [150, 176, 290])
@pytest.mark.parametrize(("low", "high", "digits"), [(-0.02, 0.02, 3), (-0.06, 0.12, 2), (-0.01, 0.04, 3), (0, 0.6, 3)])
def test_labels_of_an_axis_do_not_overlap(low: float, high: float, digits: int, pixels: int) -> None:
    axis = nice_axis(low, high, ticks=3)
    svg = str(axis_labels(axis, digits, signed=True))
    ends = label_ends(svg, pixels)
    assert len(ends) >= 2
    assert all(right < left for (_, right), (left, _) in itertools.pairwise(ends)), svg
    assert ends[0][0] >= 0
    assert ends[-1][1] <= pixels
    assert re.search(rf">0\.{'0' * digits}<", svg), "zero is among them"


def test_shares_of_a_histogram_stand_beside_its_bars() -> None:
    assert set(re.findall(r'<text x="(-?\d+)"[^>]*>[\d.]+ %<', histogram({"kept": {2: 30, 3: 10}}))) == {"-8"}


def test_histogram_scales_each_series_to_its_own_total() -> None:
    svg = histogram({"kept": {2: 30, 3: 10}, "real": {2: 1, 3: 3}}, height=100)
    root = ElementTree.fromstring(svg)
    tall = [float(bar.get("height", "")) for bar in root.findall("rect")]
    assert tall[0] == pytest.approx(3 * tall[1], abs=0.2)
    assert "75.0% kept" in svg
    assert root.find("svg/path") is not None


def test_histogram_gathers_a_long_tail_in_the_last_bin() -> None:
    svg = histogram({"kept": {**dict.fromkeys(range(1, 6), 100), 400: 1}})
    assert len(ElementTree.fromstring(svg).findall("rect")) == 5
    assert "5+" in svg
    assert "5 or more words" in svg


def test_nothing_to_draw_draws_nothing() -> None:
    assert histogram({"kept": {}, "real": {}}) == ""
    assert histogram({"kept": {4: 1}}).count("<rect") == 1
