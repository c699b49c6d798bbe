"""The plan of a question about every training query and each of its candidates, which the samples step then answers.

In: documents, examples and the candidates. Out: a prompts folder with a row for each pair of a query and a passage.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.pairs import number_pairs, write_pairs
from engine.artifacts.prompts import PromptsFolder, PromptsRecord
from engine.artifacts.teacher import TeacherFolder
from training.teachers.queries import distinct_queries
from training.teachers.settings import CANDIDATES, QuestionConfig

if TYPE_CHECKING:
    from engine.runtime.place import Place


def plan_questions(
    config: QuestionConfig,
    inputs: Mapping[str, Path],
    output: Path,
    place: Place,  # noqa: ARG001 (every step is given one)
) -> PromptsRecord:
    """Plans the question about each candidate of every training query.

    Args:
        config: what is asked, and which queries are trained on.
        inputs: the finished folders `documents`, `examples` and `candidates`.
        output: becomes a prompts folder.
        place: where the step runs.
    """
    examples = ExamplesFolder(inputs["examples"])
    query_of, first = distinct_queries(examples, config.reasons)
    pairs = number_pairs(TeacherFolder(inputs[CANDIDATES]).read().candidates.astype(np.int64), query_of)
    texts = [batch["query"].cast(pa.large_string()) for batch in examples.training(["query"], config.reasons)]
    queries = pa.chunked_array(texts, pa.large_string()).take(pa.array(first)).combine_chunks()
    ids = DocumentsFolder(inputs["documents"]).passages(["passage_id"])["passage_id"].combine_chunks()
    return write_pairs(PromptsFolder(output), config.task, pairs, queries, ids)
