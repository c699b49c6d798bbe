"""Chooses what validation measures: some queries, the passages that answer them, and others to tell those apart from.

In: the model's config, the finished folders, how long training will be. Out: a ValidationPlan, or None where validation
is off, or could tell nothing. All draws are by hashes of ids, so that a run that goes on measures the same. The figures
are those of a search among the chosen passages alone, so that they are higher than the report's, which searches all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.artifacts.documents import DocumentsFolder, equality_text, passage_text
from engine.artifacts.draws import draw_rows
from engine.artifacts.examples import COUNTED_REASONS, ExamplesFolder
from engine.artifacts.forms import Form
from engine.text.hashes import mix, text_hash, text_hashes
from training.config import SCORERS
from training.validation.config import ValidatedOn
from training.validation.plan import ValidationPlan

if TYPE_CHECKING:
    from engine.artifacts.collection import Collection
    from engine.runtime.place import Place
    from training.config import ModelConfig
    from training.validation.config import ValidationConfig

LEAST_CLUSTERS = 5
"""With queries of fewer documents than this there is no validation: two that agree give an interval of no width."""
_TIMES = 10
"""So often the model is measured after step 0, where the time allows it."""
_TIME = 0.1
"""The share of the time of training that validation may take."""
_TIME_OF_SHORT = 0.5
"""The share that it may take where training is so short that less would buy no validation: that is some seconds."""
_TRAINED_TEXTS = 3.0
"""A trained pair takes the time of so many passages that are only encoded: forward and twice that backward."""
_LEAST_TEXTS = 300
"""A validation on fewer texts than this is not worth its time."""
_QUERIES_OF_TEXTS = 5
"""Every so many texts there is one query, the others are passages."""
_STREAM, _PASSAGES_STREAM = 0x76616C69, 0x76616C70
"""Numbers that keep the draws independent of other draws by the same ids."""
_BATCH_ROWS = 1 << 14
_SEARCHED = (Form.pairs, Form.triplets)
"""The forms whose rows have a query, and a passage that it has to find."""
_COLUMNS = pa.schema(
    [(name, pa.large_string()) for name in ("document_id", "query", "passage")] + [("sample_id", pa.int64())]
)


@dataclass(frozen=True)
class Extent:
    """How often is validated, and on how much at most."""

    every: int
    queries: int
    passages: int


def extent_of(config: ValidationConfig, num_pairs: int, total_steps: int) -> Extent | None:
    """Decides how often the model is measured, and on how much; None where it is not.

    Args:
        config: the settings; `every` settles it, else it goes by the time that training takes.
        num_pairs: the pairs of all steps together.
        total_steps: the steps of all epochs.
    """
    if config.every == 0:
        return None
    if config.every:
        return Extent(config.every, config.max_queries, config.max_passages)
    affordable, least = int(_TIME * _TRAINED_TEXTS * num_pairs), 2 * _LEAST_TEXTS
    if affordable < least <= _TIME_OF_SHORT * _TRAINED_TEXTS * num_pairs:
        affordable = least
    times = min(_TIMES, affordable // _LEAST_TEXTS - 1)  # step 0 is one more
    if times < 1:
        return None
    texts = affordable // (times + 1)
    queries = min(config.max_queries, texts // _QUERIES_OF_TEXTS)
    return Extent(-(-total_steps // times), queries, min(config.max_passages, texts - queries))


def plan_validation(
    config: ModelConfig, inputs: Mapping[str, Path], shape: tuple[int, ...], place: Place, form: Form = Form.pairs
) -> ValidationPlan | None:
    """Plans what is measured while the model trains; None where nothing is, or it could tell nothing.

    Args:
        config: the model's config.
        inputs: the folder "examples", and "documents" where there are any.
        shape: the number of steps, and the pairs of each.
        place: the machine, where it is said that a validation that was asked for can tell nothing.
        form: what the examples are.

    Raises:
        UserError: the judged development queries cannot be read.
    """
    settings, (steps, batch_size) = config.validation, shape
    if config.family in SCORERS or form not in _SEARCHED:
        if settings.is_asked_for:
            place.console.warn(f"no validation: it searches, and this is {config.family.with_article} of {form.value}")
        return None
    extent = extent_of(settings, steps * batch_size, steps)
    if extent is None:
        if settings.is_asked_for:
            place.console.warn("no validation: so short a training leaves no time for it; set model.validation.every")
        return None
    documents = DocumentsFolder(inputs["documents"]) if "documents" in inputs else None
    plan = choose_queries(settings, extent, ExamplesFolder(inputs["examples"]), documents)
    if plan is None and settings.is_asked_for:
        place.console.warn(f"no validation: its queries are of fewer than {LEAST_CLUSTERS} documents")
    return plan


def choose_queries(
    config: ValidationConfig, extent: Extent, examples: ExamplesFolder, documents: DocumentsFolder | None
) -> ValidationPlan | None:
    """Chooses queries and passages; None where the queries are of too few documents.

    Args:
        config: which queries.
        extent: how many.
        examples: the finished folder, whose held-out queries are read from before the round trip.
        documents: the finished folder of the passages; None for a run without one.

    Raises:
        UserError: the judged development queries cannot be read.
    """
    chosen = _Chosen()
    if config.queries is not ValidatedOn.judged:
        _add_held_out(chosen, examples, extent)
    num_held_out = len(chosen.queries)
    if (development := config.development()) and documents:
        _add_judged(chosen, development, documents, extent)
    if len(set(chosen.clusters)) < LEAST_CLUSTERS:
        return None
    for document, text in _drawn_passages(documents, extent.passages):
        if len(chosen.texts) >= extent.passages:
            break
        chosen.add_passage(document, text)
    return ValidationPlan(
        extent.every,
        tuple(chosen.queries),
        tuple(chosen.texts),
        tuple(chosen.documents),
        tuple(chosen.grades),
        tuple(chosen.clusters),
        len(chosen.queries) - num_held_out,
    )


@dataclass
class _Chosen:
    """What is chosen so far; passages of equal text are one, and of the first document that brought it."""

    queries: list[str] = field(default_factory=list)
    grades: list[dict[int, int]] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    documents: list[int] = field(default_factory=list)
    _number_of: dict[str, int] = field(default_factory=dict)
    _document_of: dict[int, int] = field(default_factory=dict)

    def add_passage(self, document: str, text: str) -> int:
        """Adds a passage, unless its text is there; returns the number of the document that the text counts for."""
        key = text_hash(equality_text("", text))
        if key not in self._document_of:
            self._document_of[key] = self._number_of.setdefault(document, len(self._number_of))
            self.texts.append(text)
            self.documents.append(self._document_of[key])
        return self._document_of[key]

    def add_query(self, query: str, grades: dict[int, int], cluster: str) -> None:
        """Adds a query whose relevant documents are there."""
        self.queries.append(query)
        self.grades.append(grades)
        self.clusters.append(cluster)


def _add_held_out(chosen: _Chosen, examples: ExamplesFolder, extent: Extent) -> None:
    """Adds held-out queries with the passages that they were written from."""
    drawn, _ = draw_rows(examples.held_out(_COLUMNS.names, COUNTED_REASONS), extent.queries, _STREAM, _COLUMNS)
    for row in drawn.to_pylist():
        number = chosen.add_passage(row["document_id"], row["passage"])
        chosen.add_query(row["query"], {number: 1}, f"document {number}")


def _add_judged(chosen: _Chosen, development: Collection, documents: DocumentsFolder, extent: Extent) -> None:
    """Adds judged queries with all passages of their relevant documents, as long as there is room for these."""
    answered = [name for name, grades in development.qrels.items() if any(grade > 0 for grade in grades.values())]
    drawn = sorted(answered, key=text_hash)[: extent.queries]
    relevant = {document for name in drawn for document, grade in development.qrels[name].items() if grade > 0}
    texts_of: dict[str, list[str]] = {}
    for document, text in _passages_of(documents, relevant):
        texts_of.setdefault(document, []).append(text)
    for name in drawn:
        grades: dict[int, int] = {}
        for document, grade in development.qrels[name].items():
            for text in texts_of.get(document, ()) if grade > 0 else ():
                number = chosen.add_passage(document, text)
                grades[number] = max(grade, grades.get(number, 0))
        if grades:
            chosen.add_query(development.queries[name], grades, f"query {name}")
        if len(chosen.texts) >= extent.passages:
            break


def _passages_of(documents: DocumentsFolder, names: set[str]) -> Iterator[tuple[str, str]]:
    """Reads the passages of some documents, each with its document's id."""
    wanted = pa.array(sorted(names), pa.string())
    for batch in documents.stream(["document_id", "title", "text"], _BATCH_ROWS):
        yield from _texts(batch.filter(pc.is_in(batch["document_id"], value_set=wanted)))


def _drawn_passages(documents: DocumentsFolder | None, count: int) -> list[tuple[str, str]]:
    """Draws passages by hashes of their ids, each with its document's id; no more than these and a batch are held."""
    columns = ["passage_id", "document_id", "title", "text"]
    taken: list[tuple[int, str, str]] = []
    for batch in documents.stream(columns, _BATCH_ROWS) if documents else ():
        draws = mix(text_hashes(batch["passage_id"].to_pylist()), 0, _PASSAGES_STREAM)
        first = np.argsort(draws)[:count]
        drawn = zip(draws[first].tolist(), _texts(batch.take(pa.array(first))), strict=True)
        taken = sorted([*taken, *((draw, *passage) for draw, passage in drawn)])[:count]
    return [(document, text) for _, document, text in taken]


def _texts(batch: pa.RecordBatch) -> Iterator[tuple[str, str]]:
    columns = (batch[name].to_pylist() for name in ("document_id", "title", "text"))
    for document, title, text in zip(*columns, strict=True):
        yield document, passage_text(title, text)
