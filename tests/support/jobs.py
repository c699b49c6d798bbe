"""Planned rows, units and jobs for tests of the engines, and the config of a generator that needs no model."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa

from engine.artifacts.columns import PROMPTS
from engine.generation.config import GeneratorKind
from engine.generation.jobs import GenerationJob, Unit
from engine.runtime.place import Place
from engine.samples.config import SamplesConfig
from engine.storage.parts_log import PartsLog
from engine.task.compiled import Prompts
from engine.task.config import TaskConfig
from tests.support.committed import begin

TASK = TaskConfig(prompt="Passage: {{ passage.text }}\nQuery:", stop=["\n"])
FAKE = SamplesConfig(generator=GeneratorKind.fake, seed=0, part_rows=20, max_num_seqs=8, cpus_per_engine=1)


def rows(count: int, prefix: int = 0, first: int = 0) -> pa.Table:
    """Planned rows of one prefix with passages of their own, numbered from `first` on."""
    table = pa.table(
        {
            "sample_id": range(first, first + count),
            "passage_id": [f"p{i}" for i in range(first, first + count)],
            "cell": [""] * count,
            "replicate": [0] * count,
            "round": [0] * count,
            "demonstration_set": [0] * count,
            "prefix": [prefix] * count,
            "prompt_tokens": [20] * count,
            "demonstrations": [""] * count,
        },
        schema=PROMPTS,
    )
    texts = [f"passage number {i} about apples and oranges" for i in range(first, first + count)]
    return table.append_column("title", pa.array([""] * count)).append_column("text", pa.array(texts))


def units(total: int, size: int) -> list[Unit]:
    """Units of three prefixes in turn."""
    return [Unit(start // size % 3, rows(size, start // size % 3, start)) for start in range(0, total, size)]


def job_at(folder: Path, prompts: Prompts | None = None) -> tuple[GenerationJob, PartsLog]:
    """A job of a new start on a samples folder, which is made, and the list of its parts."""
    parts = begin(folder)
    return GenerationJob(prompts or Prompts(TASK, []), parts.start, parts.attempt_folder, []), parts


def written(place: Place) -> str:
    """What the person at the terminal saw."""
    file = place.console.rich.file
    assert isinstance(file, io.StringIO), "the place fixture writes to memory"
    return file.getvalue()
