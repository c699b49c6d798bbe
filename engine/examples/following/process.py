"""A process that works beside generation.

In: a job, a line on its standard input. Out: what the job makes, in the store. The process ends when its standard
input does, that is with the driver, however that ends; files that it leaves are whole or absent, so that nobody has to
wait for it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.prompts import PromptsFolder, size_of
from engine.errors import BrokenInvariantError
from engine.examples.config import ExamplesConfig
from engine.examples.following.holding import using_results
from engine.examples.following.results import FREE_SPACE_SETTING, Results, work_out
from engine.examples.join import write_passage_texts
from engine.examples.round_trip import prepare_search
from engine.filters.plans import words_of_plan
from engine.generation.pools import EnginePools
from engine.runtime.cluster import ClusterConfig
from engine.runtime.console import Console
from engine.runtime.memory import MemorySampler
from engine.runtime.place import Place
from engine.runtime.terminal import Terminal
from engine.runtime.tracking import NoTracker
from engine.storage.files import locked, require_space
from engine.storage.manifest import Manifest
from engine.storage.parts import Pieces
from engine.storage.texts import Texts
from engine.storage.typed import from_json_values, to_json_values

_COLUMNS = ["sample_id", "passage_id", "status", "text", "logprob", "finish_reason"]
_ROWS_AT_ONCE = 20_000
"""The samples that are worked out together and kept in one file, where so many are there."""
_LOOK_SECONDS = 2.0
"""How often the manifest is read, which the driver writes every five seconds at most."""


class Job(Protocol):
    """What a process is to do, a dataclass of JSON values and paths."""

    def run(self) -> None:
        """Does it, for as long as that takes."""


@dataclass(frozen=True)
class RowsJob:
    """Works out what single samples decide, part by part, until the process is ended."""

    samples: Path
    documents: Path
    prompts: Path
    results: Path
    """The folder for the results; see results.py."""
    config: ExamplesConfig
    free_bytes: int
    """What has to stay free on the disk: who generates needs it more."""

    def run(self) -> None:
        """Looks again and again for parts that count; one process at a time does so for a folder of results."""
        with using_results(self.results):
            self.results.mkdir(exist_ok=True)
            self._follow()

    def _follow(self) -> None:
        with locked(self.results / ".lock", wait=True):
            rows = FollowedRows(self)
            while True:
                rows.look()
                time.sleep(_LOOK_SECONDS)


@dataclass(frozen=True)
class SearchJob:
    """Makes what the round trip searches in, as far as that is the same as the examples step would make."""

    documents: Path
    config: ExamplesConfig
    run_dir: Path
    store_dir: Path
    cluster: ClusterConfig

    def run(self) -> None:
        """Makes the index of words, and the vectors of passages where the step will encode on the CPU as well.

        A GPU belongs to the engines now, and rounds otherwise.
        """
        import torch

        console, no_engines = Console(Terminal(file=sys.stdout)), EnginePools()
        place = Place(self.run_dir, self.store_dir, self.cluster, console, NoTracker(), MemorySampler(), no_engines)
        encodes, documents = not torch.cuda.is_available(), DocumentsFolder(self.documents)
        prepare_search(self.config.round_trip, self.config.encoder, documents, place, encodes=encodes)


class FollowedRows:
    """Works out what the samples of a folder decide alone, each once, in whatever order they are committed.

    Args:
        job: the folders; this process is the only one that follows them.
    """

    def __init__(self, job: RowsJob) -> None:
        prompts, documents = PromptsFolder(job.prompts), DocumentsFolder(job.documents)
        self._samples, self._config, self._free_bytes = job.samples, job.config, job.free_bytes
        self._results = Results(job.results)
        self._done = self._results.covered(size_of(prompts.plan_files()))
        self._seen: set[str] = set()
        self._prompt_words = words_of_plan(prompts)
        self._passage_ids = documents.passages(["passage_id"])["passage_id"].combine_chunks()
        texts = job.results / "passages"
        require_space(job.results, job.free_bytes + _text_bytes(documents), FREE_SPACE_SETTING)
        write_passage_texts(documents, texts)
        self._passages = Texts(texts)

    def look(self) -> int:
        """Works out what was committed since the last look; returns the number of samples."""
        before, pieces = len(self._done), Pieces(_ROWS_AT_ONCE)
        for table in self._fresh():
            for piece in pieces.add(table):
                self._follow(piece)
        for piece in pieces.rest():
            self._follow(piece)
        return len(self._done) - before

    def _fresh(self) -> Iterator[pa.Table]:
        """Yields the rows that count and were not looked at yet."""
        for name in Manifest(self._samples).read().parts.keys() - self._seen:
            try:
                file = pq.ParquetFile(self._samples / name, pre_buffer=False)
            except FileNotFoundError:  # merged with others since, or not on this disk yet
                continue
            with file:
                for batch in file.iter_batches(_ROWS_AT_ONCE, columns=_COLUMNS):
                    table = pa.Table.from_batches([batch])
                    yield table.filter(pa.array(~self._done.contains(table["sample_id"].to_numpy())))
            self._seen.add(name)

    def _follow(self, rows: pa.Table) -> None:
        if not len(rows):
            return
        generated = rows.filter(pc.equal(rows["status"], "generated"))
        numbers = pc.index_in(generated["passage_id"], value_set=self._passage_ids).combine_chunks()
        if numbers.null_count:
            raise BrokenInvariantError("a sample's passage is not among the documents")
        passages = self._passages.take(numbers).to_pylist()
        looked_at = rows["sample_id"].to_numpy()
        results = work_out(generated, passages, self._prompt_words, self._config)
        self._results.add(results, looked_at, free_bytes=self._free_bytes)
        self._done.include(looked_at[looked_at.argsort()])


def _text_bytes(documents: DocumentsFolder) -> int:
    """Returns about how large the texts of all passages are, by what their file says of itself."""
    with pq.ParquetFile(documents.passages_file, pre_buffer=False) as file:
        groups = (file.metadata.row_group(number) for number in range(file.num_row_groups))
        columns = [group.column(number) for group in groups for number in range(group.num_columns)]
        return sum(each.total_uncompressed_size for each in columns if each.path_in_schema in {"title", "text"})


_JOBS: Mapping[str, type[RowsJob] | type[SearchJob]] = {kind.__name__: kind for kind in (RowsJob, SearchJob)}


def write_job(job: Job) -> str:
    """Writes a job as a line."""
    return json.dumps([type(job).__name__, to_json_values(job)], default=str) + "\n"


def read_job(line: str) -> Job:
    """Reads a job: the inverse of `write_job`, but for where settings were written, which messages name."""
    name, values = json.loads(line)
    return from_json_values(_JOBS[name], values)


def main() -> None:
    """Reads a job and does it."""
    job = read_job(sys.stdin.readline())
    threading.Thread(target=_end_with_input, name="end-with-driver", daemon=True).start()
    job.run()


def _end_with_input() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing follows the job
    os._exit(0)


if __name__ == "__main__":
    main()
