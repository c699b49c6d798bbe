"""The examples step: samples -> examples. Every generated sample ends as kept, or as rejected with a reason.

In: documents, samples, and the prompts' demonstrations. Out: `kept.parquet` and `rejected.parquet` (records.EXAMPLES).
Row-wise filters run as Ray Data over batches of samples, cheap to costly; then the filters that look at all rows:
exact duplicates, near duplicates, round trip. Each sees what the ones before it kept. Rows are in `sample_id` order
before anything global looks at them, so the result depends on ids only, never on blocks, workers or order of arrival.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.artifacts.columns import CONDITION_PREFIX
from engine.artifacts.examples import ExamplesRecord
from engine.errors import UserError
from engine.examples.across_rows import reject_duplicates, reject_lost, reject_surplus
from engine.examples.config import ExamplesConfig
from engine.examples.filters.blocks import judge_samples
from engine.examples.filters.chain import prompt_words
from engine.examples.filters.contract import PromptWords
from engine.examples.ledger import Curation
from engine.examples.round_trip import measure_ranks

if TYPE_CHECKING:
    from engine.runtime.place import Place


def curate_examples(config: ExamplesConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> ExamplesRecord:
    """Curates all samples: each is kept, or rejected with the name of the filter that did it.

    Raises:
        UserError: nothing is kept; `output` is left empty.
    """
    seconds: dict[str, float] = {}
    with _timed(seconds, "row_filters"):
        curation = filter_samples(config, inputs, place)
    with _timed(seconds, "duplicates"):
        reject_duplicates(curation, config.dedup, place.num_cpus)
    with _timed(seconds, "round_trip"):
        if config.round_trip.enabled:
            ranks = rank_open(curation, config, inputs["documents"], place)
            reject_lost(curation, ranks, config.round_trip.top_k)
        if config.max_per_passage is not None:
            reject_surplus(curation, config.max_per_passage)
    curation.require_some()
    with _timed(seconds, "write"):
        splits = curation.write(output, config.seed, config.validation_share)
    kept, rejected = splits.total(), curation.counts()
    assert kept + sum(rejected.values()) == len(curation), "generated = kept + rejected"
    return ExamplesRecord(kept, splits["train"], splits["validation"], rejected, seconds)


def rank_open(curation: Curation, config: ExamplesConfig, documents: Path, place: Place) -> npt.NDArray[np.int64]:
    """The round-trip rank of every row that nothing has rejected yet."""
    rows = curation.open()
    if not len(rows):
        return np.empty(0, np.int64)
    queries, passages = (curation.column(name, rows).to_pylist() for name in ("query", "passage_id"))
    return measure_ranks(config.round_trip, config.encoder, queries, passages, documents=documents, place=place)


def filter_samples(config: ExamplesConfig, inputs: Mapping[str, Path], place: Place) -> Curation:
    """Joins generated samples with their passages and judges each by itself."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from engine.artifacts.documents import passage_text
    from engine.artifacts.samples import SamplesFolder

    samples = SamplesFolder(inputs["samples"]).rows()
    errors = samples["error"]
    samples = samples.filter(pc.equal(samples["status"], "generated")).combine_chunks()
    if not len(samples):
        what = f"all {len(errors):,} samples failed, the first with: {errors[0]}"
        raise UserError(what, where="samples", remedy="mend that, then run the same command again")
    passages = pq.read_table(inputs["documents"] / "passages.parquet")
    texts = map(passage_text, passages["title"].to_pylist(), passages["text"].to_pylist())
    texts = pa.array(texts, pa.large_string())  # a string array ends at 2 GiB, a corpus need not
    passage_rows = pc.index_in(samples["passage_id"], passages["passage_id"])
    assert not passage_rows.null_count, "a sample's passage is not among the documents"
    prompt = read_prompt(inputs.get("prompts"))
    judged = judge_samples(samples.append_column("passage_row", passage_rows), texts, prompt, config.filters, place)
    assert judged["sample_id"].equals(samples["sample_id"]), "rows in = rows out"
    columns = {
        "sample_id": samples["sample_id"],
        "passage_id": samples["passage_id"],
        "document_id": passages["document_id"].take(passage_rows),
        "query": judged["query"],
        "passage_row": passage_rows,
        "logprob": samples["logprob"],
        "reason": judged["reason"],
        "detail": judged["detail"],
    }
    conditions = [name for name in samples.column_names if name.startswith(CONDITION_PREFIX)]
    return Curation(pa.table(columns | {name: samples[name] for name in conditions}), texts)


def read_prompt(prompts: Path | None) -> PromptWords:
    """What a model could repeat: the demonstrations' queries and the words of the templates."""
    import pyarrow.parquet as pq

    if prompts is None:
        return PromptWords()
    queries = pq.read_table(prompts / "demonstration_sets.parquet", columns=["query"])["query"].to_pylist()
    task = json.loads((prompts / "task.json").read_text(encoding="utf-8"))
    return prompt_words(queries, [task[name] for name in ("instruction", "demonstration", "prompt")])


@contextlib.contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[phase] = round(time.monotonic() - started, 3)
