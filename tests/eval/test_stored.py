"""The kept queries of a run lead to the passages that they were written from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from engine.search.dense import DenseIndex
from engine.search.systems import DenseSystem
from eval.retrieval.corpus import read_corpus
from eval.stored import QUERIES, QUERIES_SUM, stored_queries
from eval.synthetic import held_out_queries
from tests.support.places import quiet_place
from tests.support.small_run import build_run


def letters(texts: list[str], *_: object) -> Any:
    """Encodes a text by how often it has each letter."""
    counts = [[text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]
    vectors = np.array(counts, np.float32).reshape(len(texts), 26)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1)


def test_kept_queries_lead_to_their_passages_and_not_to_their_own(tmp_path: Path) -> None:
    folders = build_run(tmp_path / "run")
    corpus, encoder = read_corpus(folders["documents"]), SimpleNamespace(encode_queries=letters)
    base = DenseSystem("base", encoder, DenseIndex([], np.empty((0, 26), np.float32)))  # type: ignore[arg-type]
    systems = stored_queries(folders["examples"], corpus, base, 0, quiet_place(tmp_path))
    assert list(systems) == [QUERIES, QUERIES_SUM]
    stored = systems[QUERIES]
    assert len(stored.texts) == 15, "rejected queries are not stored"
    for text, row in zip(stored.texts, stored.passage_of.tolist(), strict=True):
        found = stored.prepare([f"{text} again"])(3)[0][0].tolist()
        assert found[0] == row, "a query like it leads to its passage"
    # Of tea there is one kept query; what is measured by it must not find it.
    tea = corpus.passage_ids.index("tea")
    [own] = [text for text, row in zip(stored.texts, stored.passage_of, strict=True) if row == tea]
    assert own in held_out_queries(folders["examples"], 0).queries.values()
    for system in systems.values():
        assert tea not in system.prepare([own.upper()])(30)[0][0].tolist()
    few = stored_queries(folders["examples"], corpus, base, 5, quiet_place(tmp_path))
    assert len(few[QUERIES].texts) == 5
