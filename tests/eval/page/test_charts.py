"""Charts on logarithmic scales have round ticks, names that can be read, and every value in its place."""

from __future__ import annotations

import itertools
import re

from eval.page.charts import Curve, Point, curve_names, curves, log_ticks, scatter, spread


def test_ticks_are_round_and_around_the_values() -> None:
    assert log_ticks(0.6, 7) == [0.5, 1, 2, 5, 10]
    assert log_ticks(5, 5) == [5, 10]
    for low, high in ((0.03, 900), (12, 13), (1e6, 1e9)):
        ticks = log_ticks(low, high)
        assert 2 <= len(ticks) <= 6
        assert ticks[0] <= low
        assert ticks[-1] >= high


def test_names_are_moved_apart_and_keep_their_order() -> None:
    assert spread([10, 50], 15) == [10, 50], "far apart, nothing moves"
    moved = spread([50, 52, 10, 51], 15)
    assert moved[2] == 10
    assert moved[1] > moved[3] > moved[0]
    assert sorted(moved) == [10, 36, 51, 66]
    assert spread([], 15) == []


def test_a_scatter_has_a_dot_an_interval_and_a_name_for_each_system() -> None:
    points = [
        Point("bm25", "BM25", 0.6, 0.4, 0.35, 0.45),
        Point("base words", "base + <words>", 6.0, 0.5, 0.45, 0.55),
    ]
    drawn = str(scatter(points, lambda value: f"{value:g} ms", "quality & time"))
    assert drawn.count('class="dot"') == drawn.count('class="interval"') == 2
    assert 'aria-label="quality &amp; time"' in drawn
    assert "base + &lt;words&gt;" in drawn
    assert "<words>" not in drawn
    places = [float(value) for value in re.findall(r'cx="([\d.]+)%" cy="([\d.]+)"', drawn)[0]]
    other = [float(value) for value in re.findall(r'cx="([\d.]+)%" cy="([\d.]+)"', drawn)[1]]
    assert places[0] < other[0], "more time is further right"
    assert places[1] > other[1], "better is higher"
    assert scatter([], str, "") == ""


def test_curves_go_from_the_first_depth_to_the_last() -> None:
    series = [Curve("base", "base", {1: 0.0, 10: 0.5, 100: 1.0}), Curve("bm25", "BM25", {1: 0.0, 10: 0.0, 100: 0.0})]
    drawn = str(curves(series, "recall", height=210))
    assert 'd="M0.00 202.0 L50.00 105.0 L100.00 8.0"' in drawn
    assert 'd="M0.00 202.0 L50.00 202.0 L100.00 202.0"' in drawn
    for nothing in ([], [Curve("base", "base", {10: 0.5})]):
        assert curves(nothing, "recall") == curve_names(nothing) == ""


def test_the_scale_of_curves_ends_above_the_highest_and_not_at_1() -> None:
    drawn = str(curves([Curve("base", "base", {1: 0.1, 10: 0.33})], "recall"))
    assert re.findall(r">(0\.\d+)<", drawn) == ["0.00", "0.10", "0.20", "0.30", "0.40"]
    nothing = str(curves([Curve("base", "base", {1: 0.0, 10: 0.0})], "recall"))
    assert re.findall(r">(0\.\d+)<", nothing)[-1] == "0.10"


def test_names_of_curves_that_end_together_are_apart_and_lead_to_their_ends() -> None:
    series = [Curve(f"k{at}", f"<system> {at}", {1: 0.1, 10: 0.5 + at / 1e4}) for at in range(20)]
    drawn = str(curve_names(series, height=100))
    heights = sorted(float(y) for y in re.findall(r'<text x="\d+" y="([\d.]+)"', drawn))
    assert len(heights) == 20
    assert min(after - before for before, after in itertools.pairwise(heights)) >= 14.9
    box = re.findall(r'<svg class="curves names" width="\d+" height="(\d+)"', drawn)
    assert heights[-1] < int(box[0]) - 22, "as many names make the drawing higher"
    assert box == re.findall(r'<svg class="curves" width="100%" height="(\d+)"', str(curves(series, "", height=100)))
    assert drawn.count('class="leader"') == drawn.count("<path") == 20
    assert "<system>" not in drawn


def test_systems_of_one_cost_stand_side_by_side() -> None:
    points = [Point(f"k{at}", f"{at}", 5e6, 0.5, 0.4, 0.6) for at in range(4)]
    places = [float(x) for x in re.findall(r'cx="([\d.]+)%"', str(scatter(points, str, "size")))]
    assert min(after - before for before, after in itertools.pairwise(places)) >= 0.99
    assert max(places) - min(places) <= 3.01, "and no further apart than that"


def test_names_stay_inside_the_drawing_and_each_on_a_line_of_its_own() -> None:
    assert spread([2, 4, 98], 15, 12, 96) == [12, 27, 96]
    points = [Point(f"k{n}", f"{n} {'long name ' * 9}", 5.0, 0.5 + n / 1e4, 0.4, 0.6) for n in range(30)]
    drawn = str(scatter(points, str, "many"))
    heights = sorted(float(y) for y in re.findall(r'<text x="[\d.]+%" dx="-?8" y="([\d.]+)"', drawn))
    assert len(heights) == 30
    assert min(after - before for before, after in itertools.pairwise(heights)) >= 14.9
    assert heights[0] >= 12
    assert heights[-1] <= int(re.findall(r'height="(\d+)"', drawn)[0]) - 22
    assert max(map(len, re.findall(r">([^<]+)</text></g>", drawn))) <= 28, "long names are cut"
    assert drawn.count('overflow="visible"><line class="leader"') == 30
