"""The step that puts given pairs and generated ones into one examples folder, which the model is trained on.

In: the folders of documents, of generated examples and of given ones. Out: an examples folder of pairs. Every row that
is trained on is in it at least once; where a weight is asked for, the rows of the side that has too few come several
times. Held out are the generated rows of held-out documents, which the report measures on. Given rows about these
documents are left out, by the id of the document or by the text of the passage, and those that ask a held-out query;
likewise given rows that their own file holds out. Every row gets a number of its own, kept or not. Rows are streamed;
in memory are hashes of held-out passages and queries.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.artifacts.documents import DocumentsFolder, equality_text
from engine.artifacts.examples import COUNTED_REASONS, KEPT_FILE, REJECTED_FILE, ExamplesFolder, ExamplesRecord
from engine.artifacts.forms import Form, given_schema
from engine.errors import UserError
from engine.given.mix.config import MixConfig
from engine.text.groups import Booleans
from engine.text.hashes import Hashes, Integers, mix, query_key, text_hashes, uniform

if TYPE_CHECKING:
    from engine.runtime.place import Place

_SCHEMA = given_schema(Form.pairs)
_STREAM = 0x6D6978
"""Keeps the draw of repeated rows independent of every other draw."""
_MANY = 10
"""Rows that come more often than this are said to the person at the terminal."""
_DOCUMENTS_AT_ONCE = 50_000
MEASURED = "of a held-out document, or with its query"
"""Why a given row is left out."""


def mix_examples(config: MixConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> ExamplesRecord:
    """Writes all examples to train on, and those that are held out, into one folder.

    Args:
        config: how much given examples count.
        inputs: the finished folders `documents`, `examples` (generated) and `given`.
        output: becomes an examples folder; its sample ids are numbers of its own.
        place: where a person is told how many rows come how often.

    Raises:
        UserError: all given rows are of documents that are held out.
    """
    started = time.monotonic()
    generated, given = ExamplesFolder(inputs["examples"]), ExamplesFolder(inputs["given"])
    measured = _held_out(generated, DocumentsFolder(inputs["documents"]))
    open_rows = sum(int((~measured.holds(batch)).sum()) for batch in _batches(given, "train"))
    if not open_rows:
        raise UserError(
            "all given examples are about documents that the report measures on",
            where="examples.path",
            remedy="give examples of more documents, or lower examples.validation_share",
        )
    counts = {"generated": generated.record().train, "given": open_rows}
    repeats = dict(zip(counts, _repeats(config.weight, *counts.values()), strict=True))
    shown = " and ".join(f"{counts[name]:,} {name} ones {_often(repeats[name])}" for name in counts)
    place.console.step("examples", f"trained on are {shown}")
    if most := next((name for name in counts if repeats[name] > _MANY), ""):
        place.console.warn(f"{most} examples come {repeats[most]:.0f} times: examples.weight asks for many of few rows")
    rejected: Counter[str] = Counter()
    splits: Counter[str] = Counter()
    numbers = itertools.count()
    with (
        pq.ParquetWriter(output / KEPT_FILE, _SCHEMA) as kept,
        pq.ParquetWriter(output / REJECTED_FILE, _SCHEMA) as not_kept,
    ):
        for name, folder in (("generated", generated), ("given", given)):
            for batch in _batches(folder, "train" if name == "given" else ""):
                leaks = measured.holds(batch) if name == "given" else np.zeros(len(batch), np.bool_)
                left_out = batch.filter(pa.array(leaks))
                not_kept.write_batch(_numbered(_with_reason(left_out), numbers))
                rejected[MEASURED] += len(left_out)
                for rows in _times(batch.filter(pa.array(~leaks)), repeats[name], config.seed):
                    kept.write_batch(_numbered(rows, numbers))
                    splits.update(rows["split"].to_pylist())
        for batch in generated.rejected_batches(_SCHEMA.names):
            not_kept.write_batch(_numbered(batch.cast(_SCHEMA), numbers))
            rejected.update(batch["reason"].to_pylist())
    return ExamplesRecord(
        kept=splits.total(),
        train=splits["train"],
        validation=splits["validation"],
        rejected={reason: count for reason, count in rejected.most_common() if count},
        seconds={"mix": round(time.monotonic() - started, 3)},
    )


class _Measured:
    """What the report measures on, as hashes of the ids of documents, the texts of passages, and queries."""

    def __init__(self, documents: Hashes, texts: Hashes, queries: Hashes) -> None:
        self._documents, self._texts, self._queries = documents, texts, queries

    def holds(self, batch: pa.RecordBatch) -> Booleans:
        """Tells of each row whether its document is held out, its passage has the text of one that is, or its query."""
        texts = text_hashes([equality_text("", text) for text in batch["passage"].to_pylist()])
        documents = text_hashes(batch["document_id"].to_pylist())
        is_asked = np.isin(_query_hashes(batch), self._queries)
        return np.asarray(np.isin(texts, self._texts) | np.isin(documents, self._documents) | is_asked)


def _query_hashes(batch: pa.RecordBatch) -> Hashes:
    """Hashes queries, equal ones alike."""
    return text_hashes(list(map(query_key, batch["query"].to_pylist())))


def _held_out(examples: ExamplesFolder, documents: DocumentsFolder) -> _Measured:
    """Returns the held-out documents of generated examples, rejected ones too, their queries, and their passages.

    A passage counts with and without its title, since whoever gave a pair may have left the title out.
    """
    both = (
        examples.kept_batches(["document_id"], "validation"),
        examples.rejected_batches(["document_id"], "validation"),
    )
    names = {name for batches in both for batch in batches for name in batch["document_id"].unique().to_pylist()}
    held_out = pa.array(sorted(names), pa.string())
    texts = [np.empty(0, np.uint64)]
    for batch in documents.stream(["document_id", "title", "text"], _DOCUMENTS_AT_ONCE):
        rows = batch.filter(pc.is_in(batch["document_id"], value_set=held_out))
        titled = list(zip(rows["title"].to_pylist(), rows["text"].to_pylist(), strict=True))
        texts.append(text_hashes([equality_text(title, text) for title, text in titled]))
        texts.append(text_hashes([equality_text("", text) for _, text in titled]))
    asked = [_query_hashes(batch) for batch in examples.held_out(["query"], COUNTED_REASONS)]
    queries = np.unique(np.concatenate([np.empty(0, np.uint64), *asked]))
    return _Measured(text_hashes(held_out.to_pylist()), np.unique(np.concatenate(texts)), queries)


def _batches(folder: ExamplesFolder, split: str) -> Iterator[pa.RecordBatch]:
    """Reads kept examples with the columns that are written."""
    return (batch.cast(_SCHEMA) for batch in folder.kept_batches(_SCHEMA.names, split))


def _repeats(weight: float | None, generated: int, given: int) -> tuple[float, float]:
    """Returns how often generated and given rows come, at least once each: the scarce side comes more often."""
    if weight is None or not generated:
        return 1.0, 1.0
    share = weight / (1 - weight)  # given rows for each generated one
    wanted = share * generated / given
    return (1.0, wanted) if wanted >= 1 else (1 / wanted, 1.0)


def _often(repeats: float) -> str:
    return "once" if repeats == 1 else f"{repeats:.3g} times"


def _times(batch: pa.RecordBatch, repeats: float, seed: int) -> Iterable[pa.RecordBatch]:
    """Gives rows as often as they come: the whole number of times, and some of them, drawn by hashes, once more.

    Held-out rows come once.
    """
    whole = int(repeats)
    draws = uniform(mix(text_hashes(batch["query"].to_pylist()), seed, _STREAM, _numbers(batch)))
    trained_on = pc.equal(batch["split"], "train")
    yield batch
    for _ in range(1, whole):
        yield batch.filter(trained_on)
    yield batch.filter(pc.and_(trained_on, pa.array(draws < repeats - whole)))


def _numbers(batch: pa.RecordBatch) -> Integers:
    return np.asarray(batch["sample_id"].to_numpy(), np.int64)


def _numbered(batch: pa.RecordBatch, numbers: Iterator[int]) -> pa.RecordBatch:
    """Gives rows the next numbers in place of their sample ids, which come from two folders."""
    taken = pa.array(itertools.islice(numbers, len(batch)), pa.int64())
    return batch.set_column(_SCHEMA.get_field_index("sample_id"), _SCHEMA.field("sample_id"), taken)


def _with_reason(batch: pa.RecordBatch) -> pa.RecordBatch:
    reasons = pa.array([MEASURED] * len(batch), pa.string())
    return batch.set_column(_SCHEMA.get_field_index("reason"), _SCHEMA.field("reason"), reasons)
