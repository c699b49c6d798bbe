"""Line charts: every point is drawn with its interval and name, inside the drawing."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from eval.page.plots import nice_axis
from eval.sweeps.lines import HEIGHT, Ground, Point, Series, line_chart, marker

CORNER = -4
"""The corner of a square marker, in a box of its own."""
POINTS = [Point(at, 0.2 + 0.1 * at, 0.15 + 0.1 * at, 0.25 + 0.1 * at, f"<{at}>") for at in range(4)]


def drawn(limit: float | None = None) -> str:
    ground = Ground(["128", "256", "512", "1,024 tokens"], nice_axis(0.1, 0.6), limit=limit, limit_label="limit & more")
    series = [Series(kind, POINTS) for kind in ("bm25", "base", "base_words", "tuned")]
    return str(line_chart(series, ground, 'quality "by" size'))


def test_every_point_has_a_marker_an_interval_and_its_words() -> None:
    svg = ElementTree.fromstring(drawn())
    assert len(svg.findall("g")) == 4
    for group in svg.findall("g"):
        points = group.findall("g")
        assert [point.findtext("title") for point in points] == ["<0>", "<1>", "<2>", "<3>"]
        assert len(group.findall("line")) == 3, "a line between each two"
    assert drawn().count('class="interval"') == 16
    assert 'aria-label="quality &quot;by&quot; size"' in drawn()


def test_series_differ_in_their_markers() -> None:
    shapes = {
        kind: re.sub(r'class="\w+"|class="\w+ \w+"', "", str(marker(kind)), count=1) for kind in ("bm25", "tuned")
    }
    assert shapes["bm25"] != shapes["tuned"]
    assert "rotate" in str(marker("base_words"))
    assert "ring" in str(marker("base"))


def test_nothing_lies_outside() -> None:
    for name in ("y", "y1", "y2", "cy"):
        values = [float(value) for value in re.findall(rf' {name}="([\d.-]+)"', drawn(1.5))]
        assert all(0 <= value <= HEIGHT + 22 for value in values if value != CORNER)
    percents = [float(value) for value in re.findall(r'"([\d.]+)%"', drawn(1.5))]
    assert all(0 <= value <= 100 for value in percents)


def test_a_limit_stands_between_its_ticks() -> None:
    ground = Ground(["a", "b", "c"], nice_axis(0, 1))
    assert ground.x(0) < ground.x(0.5) < ground.x(1) < ground.x(2)
    assert "limit &amp; more" in drawn(0.5)
    assert "limit" not in drawn()
    assert Ground(["only"], nice_axis(0, 1)).x(0) > 0
