"""The plan of a question about passages and queries: the first passages of base + words for every query of a report.

In: documents, prompts and examples. Out: a prompts folder with a row for each pair, the query as a condition, as in the
plan of a judge. The rows of a passage are neighbours, so that its prompt is computed once and comes from the cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from engine.artifacts.pairs import number_pairs, write_pairs
from engine.artifacts.prompts import PromptsFolder, PromptsRecord
from engine.errors import UserError
from engine.search.analyser import make_analyser
from eval.asking.config import PairsConfig
from eval.asking.queries import read_queries
from eval.asking.systems import first_stage
from eval.retrieval.corpus import Corpus, read_corpus
from eval.systems import dense_system

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from engine.search.systems import System


def plan_pairs(config: PairsConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> PromptsRecord:
    """Plans the question about the first passages of every query that the report will search.

    Args:
        config: what is asked, about which queries, and how passages are found.
        inputs: the finished folders `documents`, `prompts` and `examples`.
        output: becomes a prompts folder.
        place: where the step runs; its cache has the passages that were encoded before.

    Raises:
        UserError: there is no query to ask about.
    """
    queries = read_queries(config.asked, inputs)
    if not queries:
        remedy = "leave report.rerank_by out, or raise examples.validation_share so that documents are held out"
        raise UserError("the report has no query to rank passages for", where="report.rerank_by", remedy=remedy)
    corpus = read_corpus(inputs["documents"])
    rows, _ = _first_stage(config, inputs, corpus, place).prepare(queries)(config.depth)
    pairs = number_pairs(rows, np.arange(len(queries)))
    asked, ids = pa.array(queries, pa.large_string()), pa.array(corpus.passage_ids, pa.large_string())
    return write_pairs(PromptsFolder(output), config.task, pairs, asked, ids)


def _first_stage(config: PairsConfig, inputs: Mapping[str, Path], corpus: Corpus, place: Place) -> System:
    from engine.search.bm25_cached import Bm25Parameters, index_words_cached
    from engine.search.systems import Bm25System

    texts = corpus.encoded_texts()
    analyser = make_analyser(config.language, [texts[row] for row in corpus.equal_texts.first])
    bm25 = index_words_cached(inputs["documents"], analyser, place, Bm25Parameters(config.bm25_k1, config.bm25_b))
    base = dense_system("base", config.encoder, inputs["documents"], place)
    return first_stage(Bm25System(bm25), base, corpus.ranks_of_ids)
