"""Sets of demonstrations: random, spread out, nearest; with the bundled encoder where likeness counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PASSAGES
from engine.errors import UserError
from engine.prompts.demonstrations.config import DemonstrationsConfig, Selection
from engine.prompts.demonstrations.sets import ShownSets, choose_sets, diverse_sets, nearest_sets, random_sets
from engine.search.encoder import EncoderConfig
from engine.task.render import Demonstration
from tests.support.places import quiet_place

CONFIG = DemonstrationsConfig(per_prompt=4, num_sets=3, seed=0, collection="")
STRATA = [list(range(10)), list(range(10, 20))]


def corners(count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Unit vectors on a circle."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def test_random_sets_are_seeded_subsets_of_their_stratum() -> None:
    sets = random_sets(CONFIG, STRATA)
    assert len(sets) == 6
    for index, rows in enumerate(sets):
        assert len(set(rows)) == 4
        assert set(rows) <= set(STRATA[index // 3])
    assert len({tuple(rows) for rows in sets}) == 6
    assert random_sets(CONFIG, STRATA) == sets
    assert random_sets(replace(CONFIG, num_sets=2), STRATA[:1]) == sets[:2]
    assert random_sets(replace(CONFIG, seed=1), STRATA) != sets


@pytest.mark.parametrize("num_sets", [1, 5, 7, 40])
@pytest.mark.parametrize("least", [0, 1])
def test_random_sets_show_all_equally_often(num_sets: int, least: int) -> None:
    sets = random_sets(replace(CONFIG, num_sets=num_sets, min_per_prompt=least), STRATA)
    for stratum, chosen in zip(STRATA, (sets[:num_sets], sets[num_sets:]), strict=True):
        assert all(len(set(rows)) == len(rows) for rows in chosen), "none twice in a set"
        shown = Counter(row for rows in chosen for row in rows)
        counts = [shown[row] for row in stratum]
        assert sum(counts) == sum(map(len, chosen))
        assert max(counts) - min(counts) <= 1
        last = Counter(rows[-1] for rows in chosen)
        assert max(last.values()) <= num_sets / len(stratum) + 1, "none is last much more often than any other"
        if num_sets == 40:
            assert len({tuple(rows) for rows in chosen if len(rows) == 4}) == sum(len(rows) == 4 for rows in chosen)


def test_a_small_pool_gives_small_sets() -> None:
    assert sorted(random_sets(replace(CONFIG, num_sets=1), [[0, 1, 2]])[0]) == [0, 1, 2]
    assert sorted(diverse_sets(replace(CONFIG, num_sets=1), [[0, 1, 2]], corners(3))[0]) == [0, 1, 2]


def test_the_number_shown_is_drawn_between_its_bounds() -> None:
    sizes = [len(rows) for rows in random_sets(replace(CONFIG, min_per_prompt=2, num_sets=60), STRATA[:1])]
    assert set(sizes) == {2, 3, 4}
    with pytest.raises(UserError, match="5 is more than per_prompt=4"):
        replace(CONFIG, min_per_prompt=5)


def test_diverse_sets_are_spread_out() -> None:
    vectors = corners(20)
    for rows in diverse_sets(replace(CONFIG, per_prompt=2), [list(range(20))], vectors):
        assert abs(rows[0] - rows[1]) == 10, "the second is opposite to the first"

    def nearest_pair(sets: list[list[int]]) -> float:
        pairs = [vectors[rows] @ vectors[rows].T - 2 * np.eye(len(rows)) for rows in sets]
        return float(np.mean([pair.max() for pair in pairs]))

    config = replace(CONFIG, num_sets=20)
    assert nearest_pair(diverse_sets(config, [list(range(20))], vectors)) < nearest_pair(
        random_sets(config, [list(range(20))])
    )


def test_nearest_sets_are_shared_by_passages_with_the_same_neighbours() -> None:
    vectors = corners(20)
    passages = vectors[[0, 0, 5, 15, 15]]
    shown = nearest_sets(replace(CONFIG, per_prompt=3), [list(range(20)), [5, 6, 7, 15]], vectors, passages)
    assert shown.of_passage is not None
    sets = [[shown.members[index] for index in row] for row in shown.of_passage]
    assert sets[0] == [[0, 1, 19], [0, 1, 19], [4, 5, 6], [14, 15, 16], [14, 15, 16]]
    assert all(set(rows) <= {5, 6, 7, 15} for rows in sets[1])
    assert len(shown.members) < 10
    assert shown.ids()[shown.of_passage[0][0]] == "0 1 19"


@pytest.mark.parametrize("select", [Selection.nearest, Selection.diverse])
def test_likeness_is_measured_by_the_encoder(tmp_path: Path, select: Selection) -> None:
    documents = tmp_path / "documents-1"
    documents.mkdir()
    texts = ["Bees dance on the comb to tell where flowers are.", "Interest on the loan is paid every month."]
    rows = [
        {"passage_id": str(i), "document_id": str(i), "title": "", "text": text, "position": 0, "num_tokens": 9}
        for i, text in enumerate(texts)
    ]
    pq.write_table(pa.Table.from_pylist(rows, PASSAGES), documents / "passages.parquet")
    pool = [
        Demonstration("The bank raised the rate of its mortgage.", "rate"),
        Demonstration("Wasps build nests of paper, bees of wax.", "nests"),
        Demonstration("A borrower may repay a loan early.", "repay"),
    ]
    encoder = EncoderConfig("bundled:all-minilm-l6-v2", "", "", 64)
    config = replace(CONFIG, select=select, per_prompt=2 if select is Selection.diverse else 1, encoder=encoder)
    shown = choose_sets(config, pool, [[0, 1, 2]], documents, quiet_place(tmp_path))
    assert isinstance(shown, ShownSets)
    if select is Selection.nearest:
        assert shown.of_passage is not None
        queries = [shown.of(pool)[index][0].query for index in shown.of_passage[0]]
        assert queries[0] == "nests"
        assert queries[1] in {"rate", "repay"}
    else:
        assert all(1 in rows for rows in shown.members), "the bees are farthest from both loans"
