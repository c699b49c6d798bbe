"""Agreement with grades is a row for each model, and their difference."""

from __future__ import annotations

from eval.page.similarity import level, pairs_of, similarity_parts
from tests.support.given_report import made_similarity


def test_a_part_for_each_set() -> None:
    [part] = similarity_parts({"similarity": made_similarity()})
    assert part.title == "80 graded pairs of the file"
    assert [name for name, _ in part.rows] == ["base", "tuned"]
    assert [trend for _, trend in part.differences] == ["better", "better"]
    assert pairs_of(made_similarity(), "held_out") == "80 held-out graded pairs"
    assert level(-0.25, (-0.5, 0.1)) == "\u22120.250 [\u22120.500, 0.100]"
    assert similarity_parts({}) == []
