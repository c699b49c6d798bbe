"""The examples step: samples -> examples. Every generated sample ends as kept, or as rejected with a reason.

In: documents, samples, and what their prompts said. Out: `kept.parquet` and `rejected.parquet` (`columns.EXAMPLES`).
`curate_examples` is the list of the filters in their order: those that judge one sample at a time run as Ray Data, then
comes what a judge thought of samples, where one was asked, and then those that compare all samples, the costliest last.
Each sees what the ones before it left open. What was worked out while samples were generated (following/) is not worked
out again.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.examples import ExamplesRecord
from engine.artifacts.judged import read_judged
from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.samples import SamplesFolder
from engine.errors import BrokenInvariantError
from engine.examples.across_rows import (
    reject_by_row,
    reject_exact_duplicates,
    reject_judged,
    reject_lost,
    reject_near_duplicates,
    reject_surplus,
)
from engine.examples.config import ExamplesConfig
from engine.examples.following.results import Results, reading_results
from engine.examples.join import Joined, join_samples
from engine.examples.ledger import Ledger, Rows, write_examples
from engine.examples.round_trip import measure_ranks
from engine.examples.split import draw_split
from engine.filters.blocks import judge_here, judge_samples
from engine.filters.contract import PromptWords
from engine.filters.plans import words_of_plan

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.runtime.place import Place


def curate_examples(config: ExamplesConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> ExamplesRecord:
    """Curates all samples: each is kept, or rejected with the name of the filter that did it.

    Raises:
        UserError: nothing is kept; `output` is left empty.
    """
    with (
        reading_results(place.store_dir, inputs["samples"], config) as followed,
        tempfile.TemporaryDirectory(prefix=".texts-", dir=output) as scratch,
    ):
        return _curate(config, inputs, output, place, scratch=Path(scratch), followed=followed)


def _curate(
    config: ExamplesConfig, inputs: Mapping[str, Path], output: Path, place: Place, *, scratch: Path, followed: Results
) -> ExamplesRecord:
    """Does the same, with the texts that are compared in a folder that ends with the step."""
    documents = DocumentsFolder(inputs["documents"])
    seconds: dict[str, float] = {}
    analyser = ""
    with _timed(seconds, "row_filters"):
        joined = join_samples(SamplesFolder(inputs["samples"]), documents, scratch)
        ledger = joined.ledger
        shown = words_of_plan(PromptsFolder(inputs["prompts"])) if "prompts" in inputs else PromptWords()
        reject_by_row(ledger, _verdicts(joined, followed, shown, config, place), scratch / "queries")
    for criterion in config.judged:
        reject_judged(ledger, read_judged(inputs[criterion.judged], criterion), criterion)
    with _timed(seconds, "duplicates"):
        if config.dedup.exact:
            reject_exact_duplicates(ledger, followed.hashes())
        if config.dedup.near:
            reject_near_duplicates(ledger, config.dedup, place.num_cpus, followed.signatures(config.dedup))
    with _timed(seconds, "round_trip"):
        if config.round_trip.enabled:
            ranks, analyser = _rank_open_rows(ledger, config, documents, place)
            reject_lost(ledger, ranks, config.round_trip.top_k)
        if config.max_per_passage is not None:
            reject_surplus(ledger, config.max_per_passage)
    ledger.require_some()
    with _timed(seconds, "write"):
        splits = write_examples(ledger, output, draw_split(documents, config.seed, config.validation_share))
    kept, rejected = splits.total(), ledger.rejected()
    if kept + sum(rejected.values()) != len(ledger):
        raise BrokenInvariantError(f"of {len(ledger)} samples {kept} are kept and {rejected} rejected")
    return ExamplesRecord(kept, splits["train"], splits["validation"], rejected, seconds, analyser)


def _verdicts(
    joined: Joined, followed: Results, shown: PromptWords, config: ExamplesConfig, place: Place
) -> Iterator[pa.Table]:
    """Yields the verdicts on all samples: those that were given while others were generated, then the rest.

    A few are judged in this process: workers cost more to start than that.
    """
    rest = replace(joined.blocks, judged_before=followed.ids())
    if before := len(joined.ledger) - len(rest):
        place.console.step(
            "examples", f"{before:,} of {len(joined.ledger):,} samples were judged while others were generated"
        )
    yield from followed.verdicts()
    if rest.are_few:
        yield from judge_here(rest, shown, config.filters)
    else:
        yield from judge_samples(rest, shown, config.filters, place)


def _rank_open_rows(
    ledger: Ledger, config: ExamplesConfig, documents: DocumentsFolder, place: Place
) -> tuple[Rows, str]:
    """Measures the round-trip rank of every row that nothing has rejected yet, (open rows,); see `measure_ranks`."""
    rows = ledger.open()
    if not len(rows):
        return rows, ""
    queries, passage_ids = ledger.queries(rows), ledger.passage_ids(rows)
    return measure_ranks(config.round_trip, config.encoder, queries, passage_ids, documents=documents, place=place)


@contextlib.contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    """Notes how long a phase took; a phase that raises ends the step, so nobody would read its time."""
    started = time.monotonic()
    yield
    seconds[phase] = round(time.monotonic() - started, 3)
