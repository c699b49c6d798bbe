"""The plan of a judge: samples -> a row for each that is to be judged, which the samples step then has answered.

In: passages, plan and samples of a run, and what earlier judges thought. Out: a prompts folder whose rows have the ids
and passages of the samples, and the sample's cleaned text as a condition. A sample that a row filter of curation
rejects, that an earlier judge has settled, or that has no text, has no row. In memory are the passages and a few dozen
bytes a sample; the samples' texts go through a file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.artifacts.columns import CONDITION_PREFIX
from engine.artifacts.documents import DocumentsFolder, Passages, passage_text
from engine.artifacts.judged import QUERY, Ids, read_judged, rows_with, settled_ids
from engine.artifacts.prompts import PromptsFolder, PromptsRecord
from engine.artifacts.samples import SamplesFolder
from engine.filters.chain import filter_batch
from engine.filters.plans import words_of_plan
from engine.judge.config import JudgementsConfig
from engine.storage.texts import Texts, TextWriter
from engine.text.hashes import text_hashes

if TYPE_CHECKING:
    from engine.filters.chain import FiltersConfig
    from engine.filters.contract import PromptWords
    from engine.runtime.place import Place

_ROWS_AT_ONCE = 1 << 14
"""Samples that are filtered at a time, each beside its passage."""


def plan_judgements(
    config: JudgementsConfig,
    inputs: Mapping[str, Path],
    output: Path,
    place: Place,  # noqa: ARG001 (every step is given one)
) -> PromptsRecord:
    """Plans one question about every sample that the row filters let pass and that is not settled.

    Args:
        config: what is asked, what is filtered, and what was asked before.
        inputs: the documents, the prompts and the samples that are judged, and the judgements of earlier models.
        output: becomes a prompts folder.
        place: where the step runs.
    """
    folder = PromptsFolder(output)
    folder.write_basis(config.task, [], [])
    earlier = [(criterion, read_judged(inputs[criterion.judged], criterion)) for criterion in config.earlier]
    settled = settled_ids(earlier, config.rubric)
    prompts, passages = PromptsFolder(inputs["prompts"]), DocumentsFolder(inputs["documents"]).joinable()
    passing = _Passing(passages, words_of_plan(prompts), config.filters)
    planned = 0
    with tempfile.TemporaryDirectory(prefix=".texts-", dir=output) as scratch:
        file = Path(scratch) / "queries"
        ids = _write_queries(SamplesFolder(inputs["samples"]), passing, file)
        for number, rows in enumerate(_rows(prompts, ids, Texts(file), settled)):
            folder.write_chunk(number, rows)
            planned += rows.num_rows
    return PromptsRecord(
        planned=planned,
        prefixes=1,
        prompt_tokens=0,
        num_values={},
        distribution={},
        ended_early="",
        demonstrations=0,
        demonstration_sets=0,
    )


@dataclass(frozen=True, eq=False)
class _Passing:
    """The row filters, with what they see beside a sample."""

    passages: Passages
    shown: PromptWords
    config: FiltersConfig

    def queries(self, samples: pa.Table) -> pa.Table:
        """Returns ids and cleaned texts of those of some samples that say something and pass, in their order."""
        about = self.passages.join(samples.select(["passage_id"]))
        texts = list(map(passage_text, about["title"].to_pylist(), about["text"].to_pylist()))
        judged = filter_batch(samples, texts, self.shown, self.config)
        passes = pc.and_(pc.equal(judged["reason"], ""), pc.not_equal(judged["query"], ""))
        return judged.select(["sample_id", "query"]).filter(passes)


def _write_queries(samples: SamplesFolder, passing: _Passing, file: Path) -> Ids:
    """Writes the cleaned texts of samples that pass; returns their ids, in the order written."""
    ids = [np.empty(0, np.int64)]
    columns = ["sample_id", "passage_id", "status", "text", "logprob", "finish_reason"]
    with TextWriter(file) as writer:
        for part in samples.parts():
            with pq.ParquetFile(part, pre_buffer=False) as parquet:
                for batch in parquet.iter_batches(_ROWS_AT_ONCE, columns=columns):
                    generated = pa.Table.from_batches([batch]).filter(pc.equal(batch["status"], "generated"))
                    queries = passing.queries(generated)
                    writer.add(queries["query"].combine_chunks())
                    ids.append(queries["sample_id"].to_numpy())
    return np.concatenate(ids)


def _rows(prompts: PromptsFolder, ids: Ids, queries: Texts, settled: Ids) -> Iterator[pa.Table]:
    """Yields the rows of the judge's plan, by `sample_id`; at least one table, which may have no rows.

    Args:
        prompts: the plan of the samples.
        ids: of the samples that are asked about.
        queries: their texts, in the same order.
        settled: ids of samples that are not asked about, sorted.
    """
    order = np.argsort(ids)
    in_order, rows, planned = ids[order], None, 0
    for plan in prompts.stream():
        wanted = plan["sample_id"].to_numpy()
        places, is_open = rows_with(in_order, wanted)
        is_open &= ~rows_with(settled, wanted)[1]
        texts = queries.take(pa.array(order[places[is_open]]))
        rows = _with_queries(plan.filter(pa.array(is_open)), texts)
        planned += rows.num_rows
        if rows.num_rows:
            yield rows
    if rows is not None and not planned:
        yield rows  # says which columns there are


def _with_queries(plan: pa.Table, queries: pa.Array) -> pa.Table:
    """Makes rows of a judge's plan of those of the samples: the query is part of their key."""
    count = plan.num_rows
    hashes = text_hashes(queries.to_pylist())
    cells = [f"{cell}|{number:016x}" for cell, number in zip(plan["cell"].to_pylist(), hashes.tolist(), strict=True)]
    columns: dict[str, object] = {name: plan[name] for name in plan.column_names}
    columns |= dict.fromkeys(("demonstration_set", "prefix", "prompt_tokens"), np.zeros(count, np.int64))
    columns |= {"cell": cells, "demonstrations": [""] * count}
    schema = plan.schema.remove_metadata().append(pa.field(f"{CONDITION_PREFIX}{QUERY}", pa.string()))
    columns[f"{CONDITION_PREFIX}{QUERY}"] = queries.cast(pa.string())
    return pa.table(columns).cast(schema)
