"""Looks at what a user gave: at its beginnings before a run has begun, and at documents as soon as they are there.

In: a RunConfig and its steps. Out: refusals in one line, and sentences for the terminal. A mistake that the first lines
of a file show costs a moment here, and later the start of Ray and of engines. Nothing large is read to its end: the
steps do that, and refuse the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.collection import check_against_documents
from engine.artifacts.documents import DocumentsFolder, passage_text
from engine.documents.config import DocumentsConfig
from engine.documents.opening import look_at_documents
from engine.documents.readers.rows import LOOK_CHARACTERS
from engine.documents.readers.source import Reader
from engine.examples.config import ExamplesConfig
from engine.given.config import GivenConfig
from engine.given.opening import open_examples
from engine.given.source import KEY, Kind, Source, look_at_further_files
from engine.pipeline.config import RunConfig
from engine.pipeline.given import check_given
from engine.pipeline.judged_looks import look_at_judgements, remark_on_judged
from engine.prompts.config import PromptsConfig
from engine.prompts.demonstrations.pool import load_pool
from engine.runtime.console import Console
from engine.runtime.place import Place
from engine.runtime.step import Step, is_made
from engine.search.analyser import AUTO, make_analyser
from engine.search.languages import sample_step
from engine.storage.store import Store
from engine.task.turns import resolve_turns, shows_documents
from training.config import SCORERS
from training.teachers.settings import CandidatesConfig

_SAMPLED_GROUPS = 20
"""The row groups of a documents folder that its language is told by, evenly spread."""
_SEARCHING = ("report", "scores", "chunk_sizes")
"""The steps that search documents by words, whatever their settings, by what they make."""


def look_at_inputs(config: RunConfig, chosen: Sequence[Step], tell: Callable[[str], object] = lambda _: None) -> None:
    """Refuses what the beginnings of the files show to be wrong, before anything that costs time has started.

    Args:
        config: the run.
        chosen: its steps.
        tell: is called with a sentence on what is allowed, and may not be meant.

    Raises:
        UserError: a file of documents, queries, judgements, examples, labels or demonstrations is malformed in its
            first lines, lacks a field, or holds nothing; or fewer queries are judged than are to be shown.
    """
    check_given(config)
    seen = set[tuple[str, Reader]]()
    for step in chosen:
        match step.config:
            case DocumentsConfig() as documents if (documents.path, documents.reader) not in seen:
                seen.add((documents.path, documents.reader))
                look_at_documents(documents)
                if step.entry == "documents" and config.collection:
                    look_at_judgements(Path(config.collection).expanduser(), config.report.split)
            case PromptsConfig() as prompts:
                if said := _look_at_demonstrations(prompts, config, chosen):
                    tell(said)
            case GivenConfig() as given:
                source = given.source()
                if given.key != KEY and not _is_read_at_once(source):  # `check_given` opens those of the key
                    open_examples(given)
                look_at_further_files(source)


def _is_read_at_once(source: Source) -> bool:
    """Tells whether a file of examples is long, and of a kind that is read at once: that is done a single time."""
    is_whole = source.kind in {Kind.json, Kind.saved}
    return is_whole and any(file.is_file() and file.stat().st_size > LOOK_CHARACTERS for file in source.files)


def _look_at_demonstrations(prompts: PromptsConfig, config: RunConfig, chosen: Sequence[Step]) -> str:
    """Looks at demonstrations; returns what to tell where judged ones leave none to measure with."""
    shown = prompts.demonstrations
    if shown.self_instruct:
        return ""
    if not shown.from_qrels:
        turns = resolve_turns(prompts.task).values()
        load_pool(shown, {}, with_documents=any(map(shows_documents, turns)))
        return ""
    said = remark_on_judged(shown, config.report.split)
    measures = config.report.benchmark == shown.collection and any(step.noun == "report" for step in chosen)
    return said if measures else ""


def check_documents(config: RunConfig, folder: Path, place: Place, chosen: Sequence[Step]) -> None:
    """Looks at documents once they are there: what judgements are about, and in which languages the texts are.

    Args:
        config: the run.
        folder: the finished documents folder, which need not be on this disk.
        place: who is told, and where folders are fetched from.
        chosen: the steps of the run; languages are told where one that is yet to be made searches.

    Raises:
        UserError: a judgement names a query or document that does not exist.
    """
    if config.collection:
        place.shared.fetch(folder)
        check_judgements(config, folder, place.console)
    if not has_words(config) or not DocumentsFolder(folder).passages_file.is_file():
        return
    store = Store(place.store_dir)
    if any(_searches(step) and not is_made(step, store, place) for step in chosen):
        tell_language(folder, place.console)


def check_judgements(config: RunConfig, documents: Path, console: Console) -> None:
    """Compares the judgements of a collection with its own documents, once those are known, and tells what is unused.

    Raises:
        UserError: a judgement names a query or document that does not exist.
    """
    if not config.collection:
        return
    read = documents if config.documents.path == config.collection else None
    folder = Path(config.collection).expanduser()
    if read is None:
        console.warn(
            f"documents are read from {config.documents.path}; of collection={config.collection} only the queries and "
            f"judgements are used, as far as they are about these documents"
        )
    for remark in check_against_documents(folder, config.report.split, read, config.documents.limit):
        console.warn(remark)


def has_words(config: RunConfig) -> bool:
    """Tells whether BM25 is to find out the language of documents: they are searched, and nobody named it."""
    is_searched = config.documents.reader is not Reader.blank and config.model.family not in SCORERS
    return is_searched and config.report.language == AUTO


def _searches(step: Step) -> bool:
    """Tells whether a step searches documents by words."""
    if isinstance(step.config, ExamplesConfig):
        return step.config.round_trip.enabled and step.config.round_trip.hybrid
    if isinstance(step.config, CandidatesConfig):
        return step.config.words > 0
    return step.noun in _SEARCHING


def tell_language(documents: Path, console: Console) -> None:
    """Warns where texts have several languages, or one that cannot be told; the report, which reads all, says it again.

    Args:
        documents: a finished documents folder on this disk.
        console: who is told.
    """
    texts = list(_spread_texts(DocumentsFolder(documents).passages_file))
    if warning := make_analyser(AUTO, texts).warning:
        console.warn(warning)


def _spread_texts(file: Path) -> Iterator[str]:
    """Gives the texts by which a language is told, from a few row groups of a file of passages."""
    with pq.ParquetFile(file, pre_buffer=False) as passages:
        last = passages.num_row_groups - 1
        groups = sorted({int(group) for group in np.linspace(0, last, _SAMPLED_GROUPS)}) if last >= 0 else []
        count = sum(passages.metadata.row_group(group).num_rows for group in groups)
        step, start = sample_step(count), 0
        for batch in passages.iter_batches(row_groups=groups, columns=["title", "text"]):
            rows = batch.take(pa.array(range(-start % step, batch.num_rows, step), pa.int64()))
            yield from map(passage_text, rows["title"].to_pylist(), rows["text"].to_pylist())
            start += batch.num_rows
