"""BM25 against its formula, ties and texts without words included."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from engine.search.analyser import Analyser
from engine.search.bm25 import Bm25Index
from engine.text.words import words


def lucene_bm25(texts: Sequence[str], query: str, k1: float, b: float) -> list[float]:
    """The score of each text by Lucene's BM25, written out."""
    counts = [Counter(words(text)) for text in texts]
    lengths = [sum(count.values()) for count in counts]
    mean = sum(lengths) / len(lengths)
    scores = [0.0] * len(texts)
    for word in words(query):
        holders = sum(word in count for count in counts)
        weight = math.log(1 + (len(texts) - holders + 0.5) / (holders + 0.5))
        for row, count in enumerate(counts):
            scores[row] += weight * count[word] / (count[word] + k1 * (1 - b + b * lengths[row] / mean))
    return scores


@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (0.9, 0.4), (2.0, 0.0)])
def test_scores_and_order_are_those_of_the_formula(k1: float, b: float) -> None:
    rng = np.random.default_rng(7)
    vocabulary = [f"word{number}" for number in range(30)]
    texts = [" ".join(rng.choice(vocabulary, rng.integers(0, 25))) for _ in range(60)]
    ids = [f"d{number}" for number in rng.permutation(60)]
    queries = [" ".join(rng.choice([*vocabulary, "unknown"], 4)) for _ in range(20)]
    rows, scores = Bm25Index(ids, texts, k1=k1, b=b).search(queries, 100)
    by_id = sorted(range(60), key=ids.__getitem__, reverse=True)
    for query, query_rows, query_scores in zip(queries, rows, scores, strict=True):
        expected = np.array(lucene_bm25(texts, query, k1, b))
        np.testing.assert_allclose(query_scores, expected[query_rows], rtol=1e-5, atol=1e-6)
        score_of = dict(zip(query_rows.tolist(), query_scores.tolist(), strict=True))
        assert query_rows.tolist() == sorted(by_id, key=lambda row: -score_of[row])


def test_an_analyser_reads_texts_and_queries() -> None:
    texts = ["the heap of the heaps", "the list"]
    assert Bm25Index(["a", "b"], texts).scores("the heap").all()
    read = Bm25Index(["a", "b"], texts, terms_of=Analyser("english").terms)
    assert read.scores("the heap").tolist() == Bm25Index(["a", "b"], ["heap heap", "list"]).scores("heap").tolist()


@pytest.mark.parametrize("query", ["", "...", "nowhere", "\x00"])
def test_a_query_without_a_known_word_gives_zeros_in_id_order(query: str) -> None:
    rows, scores = Bm25Index(["a", "c", "b"], ["one", "two", "three"]).search([query], 2)
    assert rows.tolist() == [[1, 2]]
    assert scores.tolist() == [[0.0, 0.0]]


def test_texts_may_have_no_words() -> None:
    rows, scores = Bm25Index(["a", "b"], ["", "?!"]).search(["word"], 5)
    assert rows.tolist() == [[1, 0]]
    assert not scores.any()


def test_nothing_to_search() -> None:
    assert Bm25Index([], []).search(["word"], 5)[0].shape == (1, 0)
    assert Bm25Index(["a"], ["text"]).search([], 5)[0].shape == (0, 1)


def test_a_query_in_other_characters_finds_the_same_word() -> None:
    index = Bm25Index(["a", "b"], ["cafe\u0301 STRASSE", "हिन्दी में"])
    assert index.search(["CAFÉ"], 1)[0].tolist() == index.search(["straße"], 1)[0].tolist() == [[0]]
    assert index.scores("हिन्दी").tolist()[0] == 0 < index.scores("हिन्दी").tolist()[1]
    assert not index.scores("हिन्द").any()


def test_a_saved_index_is_the_same_when_it_is_loaded(tmp_path: Path) -> None:
    ids, texts = ["a", "c", "b"], ["one fish", "two fish", "red \u00e9t\u00e9"]
    index = Bm25Index(ids, texts, k1=0.9, b=0.4)
    index.save(tmp_path / "index")
    loaded = Bm25Index.load(tmp_path / "index", ids)
    for query in ("fish two", "\u00e9t\u00e9", "nowhere"):
        for one, other in zip(loaded.search([query], 3), index.search([query], 3), strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(AssertionError, match="2 ids for 3"):
        Bm25Index.load(tmp_path / "index", ids[:2])


def test_an_index_in_another_order_gives_every_text_its_score(tmp_path: Path) -> None:
    ids, texts = ["a", "c", "b", "d"], ["one fish", "two fish", "red \u00e9t\u00e9", "fish fish"]
    index = Bm25Index(ids, texts)
    rows = np.array([3, 1, 2, 0])
    moved = index.reordered(rows)
    moved.save(tmp_path / "moved")
    loaded = Bm25Index.load(tmp_path / "moved", moved.ids)
    for query in ("fish two", "\u00e9t\u00e9 one", "nowhere"):
        assert moved.scores(query).tolist() == loaded.scores(query).tolist() == index.scores(query)[rows].tolist()
        assert loaded.reordered(np.argsort(rows)).scores(query).tolist() == index.scores(query).tolist()
    assert moved.ids == ["d", "c", "b", "a"]
    assert Bm25Index(["a", "b"], ["", ""]).reordered(np.array([1, 0])).ids == ["b", "a"], "without a word too"


def test_an_index_on_the_disk_is_seen_in_another_order_without_a_copy(tmp_path: Path) -> None:
    ids, texts = ["a", "c", "b", "d"], ["one fish", "two fish", "red \u00e9t\u00e9", "fish fish"]
    index, rows = Bm25Index(ids, texts), np.array([2, 0, 3, 1])
    index.save(tmp_path / "index")
    loaded = Bm25Index.load(tmp_path / "index", ids)
    seen, moved = loaded.seen_as(rows), loaded.reordered(rows)
    for query in ("fish two", "\u00e9t\u00e9 one", "nowhere"):
        assert seen.scores(query).tolist() == index.scores(query)[rows].tolist()
        for one, other in zip(seen.search([query], 3), moved.search([query], 3), strict=True):
            np.testing.assert_array_equal(one, other)
    assert seen.ids == moved.ids == ["b", "a", "d", "c"]
    assert seen._index is loaded._index, "postings stay where they are"
    with pytest.raises(AssertionError, match="not saved"):
        seen.save(tmp_path / "seen")
    assert Bm25Index(["a", "b"], ["", ""]).seen_as(np.array([1, 0])).search(["x"], 1)[0].tolist() == [[0]]


def test_an_index_without_words_is_saved_too(tmp_path: Path) -> None:
    Bm25Index(["a", "b"], ["", "?!"]).save(tmp_path)
    assert Bm25Index.load(tmp_path, ["a", "b"]).search(["word"], 5)[0].tolist() == [[1, 0]]


@pytest.mark.parametrize("k", [1, 3, 10, 40])
def test_of_many_that_match_equally_the_later_ids_are_first(k: int) -> None:
    ids = [f"d{number}" for number in np.random.default_rng(0).permutation(40)]
    index = Bm25Index(ids, ["the word"] * 20 + ["the word"] * 10 + ["another"] * 10)
    rows, scores = index.search(["word"], k)
    expected = sorted(ids[:30], reverse=True) + sorted(ids[30:], reverse=True)
    assert [ids[row] for row in rows[0]] == expected[:k]
    assert (scores[0] > 0).tolist() == [number < 30 for number in range(k)]
