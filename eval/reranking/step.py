"""The plan of a question about passages and queries: the first passages of base + words for every query of a report.

In: documents, prompts and examples. Out: a prompts folder with a row for each pair, the query as a condition, as in the
plan of a judge. The rows of a passage are neighbours, so that its prompt is computed once and comes from the cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from engine.artifacts.columns import CONDITION_PREFIX, PROMPTS
from engine.artifacts.judged import QUERY
from engine.artifacts.prompts import PromptsFolder, PromptsRecord
from engine.errors import UserError
from engine.search.analyser import make_analyser
from eval.asking.config import PairsConfig
from eval.asking.queries import query_id, read_queries
from eval.asking.systems import first_stage
from eval.retrieval.corpus import Corpus, read_corpus
from eval.systems import dense_system

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from engine.search.order import Rows
    from engine.search.systems import System

_FILE_ROWS = 1 << 16
"""Rows of one file of a plan."""


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
    folder = PromptsFolder(output)
    folder.write_basis(config.task, [], [])
    plan = _planned_pairs(queries, rows, corpus.passage_ids)
    for number, first in enumerate(range(0, plan.num_rows, _FILE_ROWS)):
        folder.write_chunk(number, plan.slice(first, _FILE_ROWS))
    return PromptsRecord(
        planned=plan.num_rows,
        prefixes=len(np.unique(rows[rows >= 0])),
        prompt_tokens=0,
        num_values={},
        distribution={},
        ended_early="",
        demonstrations=0,
        demonstration_sets=0,
    )


def _first_stage(config: PairsConfig, inputs: Mapping[str, Path], corpus: Corpus, place: Place) -> System:
    from engine.search.bm25_cached import Bm25Parameters, index_words_cached
    from engine.search.systems import Bm25System

    texts = corpus.encoded_texts()
    analyser = make_analyser(config.language, [texts[row] for row in corpus.equal_texts.first])
    bm25 = index_words_cached(inputs["documents"], analyser, place, Bm25Parameters(config.bm25_k1, config.bm25_b))
    base = dense_system("base", config.encoder, inputs["documents"], place)
    return first_stage(Bm25System(bm25), base, corpus.ranks_of_ids)


def _planned_pairs(queries: Sequence[str], rows: Rows, passage_ids: Sequence[str]) -> pa.Table:
    """Makes the rows of the plan, passage by passage; the query is part of their key.

    Args:
        queries: texts, (queries,).
        rows: the passages that are asked about, (queries, depth); -1 where there are fewer.
        passage_ids: by row.
    """
    numbers, places = np.nonzero(rows >= 0)
    found = rows[numbers, places]
    order = np.lexsort((numbers, found))
    numbers, found, count = numbers[order], found[order], len(found)
    names = np.array(list(map(query_id, queries)))
    zeros = np.zeros(count, np.int64)
    columns: dict[str, object] = dict.fromkeys(PROMPTS.names, zeros)
    columns |= {"sample_id": np.arange(count), "passage_id": [passage_ids[row] for row in found]}
    columns |= {"cell": names[numbers], "demonstrations": [""] * count}
    asked = f"{CONDITION_PREFIX}{QUERY}"
    columns[asked] = [queries[number] for number in numbers]
    return pa.table(columns).cast(PROMPTS.append(pa.field(asked, pa.string())))
