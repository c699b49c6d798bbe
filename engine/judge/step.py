"""The plan of a judge: samples -> a row for each that is to be judged, which the samples step then has answered.

In: the plan and the samples of a run, and what earlier judges thought. Out: a prompts folder whose rows have the ids
and passages of the samples, and the sample's cleaned text as a condition. A sample that an earlier judge has settled,
or that has no text, has no row. In memory are a few dozen bytes a sample; texts go through a file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.artifacts.columns import CONDITION_PREFIX
from engine.artifacts.judged import Ids, read_judged, rows_with, settled_ids
from engine.artifacts.prompts import PromptsFolder, PromptsRecord
from engine.artifacts.samples import SamplesFolder
from engine.judge.config import JudgementsConfig
from engine.judge.rubric import QUERY
from engine.storage.texts import Texts, TextWriter
from engine.text.hashes import text_hashes
from engine.text.queries import clean_query

if TYPE_CHECKING:
    from engine.runtime.place import Place

_ROWS_AT_ONCE = 1 << 16


def plan_judgements(
    config: JudgementsConfig,
    inputs: Mapping[str, Path],
    output: Path,
    place: Place,  # noqa: ARG001 (every step is given one)
) -> PromptsRecord:
    """Plans one question about every sample that is not settled.

    Args:
        config: what is asked, and what was asked before.
        inputs: the prompts and the samples that are judged, and the judgements of earlier models.
        output: becomes a prompts folder.
        place: where the step runs.
    """
    folder = PromptsFolder(output)
    folder.write_basis(config.task, [], [])
    earlier = [(criterion, read_judged(inputs[criterion.judged], criterion)) for criterion in config.earlier]
    settled = settled_ids(earlier, config.rubric)
    planned = 0
    with tempfile.TemporaryDirectory(prefix=".texts-", dir=output) as scratch:
        file = Path(scratch) / "queries"
        ids = _write_queries(SamplesFolder(inputs["samples"]), file)
        for number, rows in enumerate(_rows(PromptsFolder(inputs["prompts"]), ids, Texts(file), settled)):
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


def _write_queries(samples: SamplesFolder, file: Path) -> Ids:
    """Writes the cleaned texts of generated samples, but for empty ones; returns their ids, in the order written."""
    ids = [np.empty(0, np.int64)]
    with TextWriter(file) as writer:
        for part in samples.parts():
            with pq.ParquetFile(part, pre_buffer=False) as parquet:
                for batch in parquet.iter_batches(_ROWS_AT_ONCE, columns=["sample_id", "status", "text"]):
                    generated = batch.filter(pc.equal(batch["status"], "generated"))
                    queries = pa.array(map(clean_query, generated["text"].to_pylist()), pa.large_string())
                    says_something = pc.not_equal(queries, "")
                    writer.add(queries.filter(says_something))
                    ids.append(generated["sample_id"].filter(says_something).to_numpy())
    return np.concatenate(ids)


def _rows(prompts: PromptsFolder, ids: Ids, queries: Texts, settled: Ids) -> Iterator[pa.Table]:
    """Yields the rows of the judge's plan, by `sample_id`; at least one table, which may have no rows.

    Args:
        prompts: the plan of the samples.
        ids: of the samples with a text.
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
