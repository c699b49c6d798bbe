"""Candidates: the own passage, the top, draws of deeper ranks, and never what may not be a negative."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.errors import UserError
from engine.search.encoder import EncoderConfig
from engine.search.equal_texts import find_equal_texts
from training.teachers.candidates import Asked, Pool, choose_candidates
from training.teachers.config import TeacherConfig
from training.teachers.settings import CandidatesConfig

DOCUMENTS = np.array([0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
"""Twelve texts; the first two are of one document."""
RANKED = np.array([[2, 0, 3, 1, 4, 5, 6, 7, 8, 9]])
SCORES = np.array([[9, 8, 7, 6, 5, 4, 3, 2, 1, 0.5]], np.float32)
ASKED = Asked(texts=np.array([0]), documents=np.array([0]), keys=np.array([7], np.uint64))


def make_pool(held_out: tuple[int, ...] = ()) -> Pool:
    is_free = ~np.isin(np.arange(len(DOCUMENTS)), held_out)
    return Pool(find_equal_texts(np.arange(len(DOCUMENTS), dtype=np.uint64), DOCUMENTS), is_free)


def make_config(**settings: Any) -> CandidatesConfig:
    teacher = TeacherConfig("fused", **{"top": 2, "deeper": 2, "first_rank": 4, "last_rank": 6, **settings})
    return CandidatesConfig.of(teacher, EncoderConfig("m", None, None, 64), "none", 0)


def test_the_own_text_is_first_and_nothing_of_its_document_follows() -> None:
    chosen = choose_candidates(make_config(deeper=3), make_pool(), ASKED, (RANKED, SCORES))
    assert chosen.texts[0, :3].tolist() == [0, 2, 3]
    assert sorted(chosen.texts[0, 3:].tolist()) == [5, 6, 7], "ranks 4 to 6 without the own document"
    score_of = dict(zip(RANKED[0].tolist(), SCORES[0].tolist(), strict=True))
    assert chosen.scores[0].tolist() == [score_of[text] for text in chosen.texts[0].tolist()]
    assert chosen.drawn == 0


def test_texts_of_held_out_documents_are_no_candidates() -> None:
    chosen = choose_candidates(make_config(deeper=3), make_pool((2, 5)), ASKED, (RANKED, SCORES))
    assert chosen.texts[0, :3].tolist() == [0, 3, 4]
    assert {2, 5}.isdisjoint(chosen.texts[0].tolist())


def test_a_draw_belongs_to_its_query_and_the_seed() -> None:
    queries = 64
    many = Asked(np.zeros(queries, np.int64), np.zeros(queries, np.int64), np.arange(queries, dtype=np.uint64))
    found = np.repeat(RANKED, queries, 0), np.repeat(SCORES, queries, 0)
    config = make_config(deeper=1)
    chosen = choose_candidates(config, make_pool(), many, found).texts[:, 3]
    assert set(chosen.tolist()) == {5, 6, 7}
    part = slice(40, 50)
    some = Asked(many.texts[part], many.documents[part], many.keys[part])
    alone = choose_candidates(config, make_pool(), some, (found[0][part], found[1][part])).texts[:, 3]
    assert alone.tolist() == chosen[part].tolist()
    other = choose_candidates(replace(config, seed=1), make_pool(), many, found).texts[:, 3]
    assert other.tolist() != chosen.tolist()


def test_what_search_found_at_other_ranks_comes_before_what_it_did_not_find() -> None:
    chosen = choose_candidates(make_config(deeper=6), make_pool(), ASKED, (RANKED, SCORES))
    assert set(chosen.texts[0, :9].tolist()) == {0, 2, 3, 4, 5, 6, 7, 8, 9}
    assert chosen.drawn == 0


def test_too_few_that_were_found_are_filled_up_with_others_that_score_nothing() -> None:
    ranked, scores = np.array([[2, 0, -1, -1]]), np.array([[5, 4, 0, 0]], np.float32)
    chosen = choose_candidates(make_config(deeper=7), make_pool((4,)), ASKED, (ranked, scores))
    texts = chosen.texts[0].tolist()
    assert texts[:2] == [0, 2]
    assert sorted(texts) == [0, 2, 3, 5, 6, 7, 8, 9, 10, 11], "each once, none held out, none of the own document"
    assert chosen.drawn == 8
    assert chosen.scores[0].tolist() == [4, 5, *[0] * 8]


def test_an_own_passage_that_search_does_not_find_scores_nothing() -> None:
    ranked, scores = np.array([[2, 3, 4, 5]]), np.array([[5, 4, 3, 2]], np.float32)
    chosen = choose_candidates(make_config(top=1, deeper=1), make_pool(), ASKED, (ranked, scores))
    assert chosen.texts[0].tolist() == [0, 2, 5]
    assert chosen.scores[0].tolist() == [0, 5, 2]


def test_a_document_that_holds_all_that_may_be_taken_is_refused() -> None:
    assert make_pool().fewest_others() == 10
    assert make_pool(tuple(range(3, 12))).fewest_others() == 1
    with pytest.raises(UserError, match="no other text is left"):
        make_pool(tuple(range(2, 12))).fewest_others()
