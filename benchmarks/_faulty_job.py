"""The run that `benchmarks/cluster.py` disturbs: its passages, its command, and how far it is.

In: a folder and the size of the run. Out: `synthmill experiment=adapt until=model` with the fake generator, whose texts
follow from the prompts alone, so that any two runs have to keep the same examples; curation is without the round trip,
and two workers train.
"""

from __future__ import annotations

import json
import random
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from engine.storage.store import is_done, work_folder

PER_PASSAGE = 10
"""Samples of each passage."""
_WORDS, _PASSAGE_WORDS = 3_000, 40
_DULL = 3
"""Each passage of so many has two words only, so that its samples are like each other and curation rejects some."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Phase(Enum):
    """How far a run is."""

    start = "start"
    generation = "generation"
    curation = "curation"
    training = "training"
    """There is a checkpoint."""
    other = "other"
    """Between curation and the first checkpoint, and after training."""


@dataclass(frozen=True)
class Job:
    """The run.

    Attributes:
        folder: everything that it reads and writes.
        samples: how many are planned.
        engines: how many engines generate, of one CPU each.
        rate: the samples that each writes in a second.
        epochs: how long is trained.
    """

    folder: Path
    samples: int
    engines: int
    rate: float
    epochs: int

    @property
    def run(self) -> Path:
        """Returns the run folder."""
        return self.folder / "run"

    def prepare(self) -> None:
        """Writes the passages, and the encoder that is trained."""
        from benchmarks.gpu import SMALL, write_base

        write_passages(self.folder / "passages.jsonl", -(-self.samples // PER_PASSAGE))
        write_base(self.folder / "base", SMALL)

    def command(self, address: str) -> list[str]:
        """Returns the command that starts the run, and goes on with it."""
        engines = [f"samples.num_engines={self.engines}", "samples.cpus_per_engine=1", "samples.gpus_per_engine=0"]
        training = [f"model.base={self.folder / 'base' / 'encoder'}", "model.num_workers=2", "model.batch_size=32"]
        training += [f"model.epochs={self.epochs}", "model.max_tokens=64", "model.checkpoint_steps=20"]
        planned = [f"prompts.per_passage={PER_PASSAGE}", f"prompts.max_samples={self.samples}"]
        written = ["samples.part_rows=64", "samples.max_num_seqs=32", "examples.round_trip.enabled=false"]
        where = [f"cluster.address={address}", "cluster.autoscaling=true", "tracking=off", "until=model"]
        where += [f"runs_dir={self.folder}", f"run_dir={self.run}", f"collection={self.folder / 'passages.jsonl'}"]
        command = [sys.executable, "-m", "engine", "experiment=adapt", "samples=fake"]
        return [*command, *planned, *engines, *written, *training, *where]

    def phase(self) -> Phase:
        """Tells how far the run is, by what lies in its folder."""
        if is_done(self.run / "model"):
            return Phase.other
        if is_done(self.run / "examples"):
            listed = work_folder((self.run / "model").resolve()) / "checkpoint_manager_snapshot.json"
            return Phase.training if listed.is_file() and "checkpoint_" in listed.read_text() else Phase.other
        if is_done(self.run / "samples"):
            return Phase.curation
        return Phase.generation if any(self.run.glob("samples/attempt-*/part-*.parquet")) else Phase.start


def write_passages(file: Path, count: int) -> None:
    """Writes passages of random words, the same ones each time."""
    source = random.Random(0)
    words = ["".join(source.choices(_LETTERS, k=7)) for _ in range(_WORDS)]
    with file.open("w", encoding="utf-8") as stream:
        for number in range(count):
            known = words if number % _DULL else source.choices(words, k=2)
            text = " ".join(source.choices(known, k=_PASSAGE_WORDS)) + "."
            stream.write(json.dumps({"_id": f"d{number}", "title": f"document {number}", "text": text}) + "\n")
