"""The run that `benchmarks/cluster.py` disturbs: its passages, its command, and how far it is.

In: a folder and the size of the run. Out: `synthmill experiment=adapt until=model`; curation is without the round trip,
and two workers train. With the fake generator, whose texts follow from the prompts alone, passages are random words,
and any two runs have to keep the same examples. With the bundled model they are paragraphs of Python's reference; it
draws, and engines that start again draw anew.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from pydoc_data.topics import topics

from engine.storage.store import is_done, work_folder

PER_PASSAGE = 10
"""Samples of each passage."""
_WORDS, _PASSAGE_WORDS = 3_000, 40
_DULL = 3
"""Each passage of so many has two words only, so that its samples are like each other and curation rejects some."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_FEWEST_WORDS = 25
"""Paragraphs of fewer words are no passages."""
_ENGINE = {
    "fake": ["samples=fake", "samples.max_num_seqs=32", "samples.part_rows=64"],
    "bundled": [
        "samples=smollm2",
        "samples.max_num_seqs=16",
        "samples.context_tokens=1024",
        "samples.max_tokens=24",
        "samples.part_rows=16",
    ],
}
"""The settings of each generator."""
GENERATORS = tuple(_ENGINE)


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
        generator: who writes, one of GENERATORS.
    """

    folder: Path
    samples: int
    engines: int
    rate: float
    epochs: int
    generator: str = "fake"

    @property
    def run(self) -> Path:
        """Returns the run folder."""
        return self.folder / "run"

    def prepare(self) -> None:
        """Writes the passages, and the encoder that is trained."""
        from benchmarks.gpu import SMALL, write_base

        write = write_paragraphs if self.draws else write_passages
        write(self.folder / "passages.jsonl", -(-self.samples // PER_PASSAGE))
        write_base(self.folder / "base", SMALL)

    @property
    def draws(self) -> bool:
        """Tells whether two runs have different texts."""
        return self.generator != "fake"

    def command(self, address: str, until: str) -> list[str]:
        """Returns the command that starts the run, and goes on with it, up to a step."""
        engines = [f"samples.num_engines={self.engines}", "samples.cpus_per_engine=1", "samples.gpus_per_engine=0"]
        training = [f"model.base={self.folder / 'base' / 'encoder'}", "model.num_workers=2", "model.batch_size=32"]
        training += [f"model.epochs={self.epochs}", "model.max_tokens=64", "model.checkpoint_steps=20"]
        planned = [f"prompts.per_passage={PER_PASSAGE}", f"prompts.max_samples={self.samples}"]
        written = [*_ENGINE[self.generator], "examples.round_trip.enabled=false"]
        where = [f"cluster.address={address}", "cluster.autoscaling=true", "tracking=off", f"until={until}"]
        where += [f"runs_dir={self.folder}", f"run_dir={self.run}", f"collection={self.folder / 'passages.jsonl'}"]
        command = [sys.executable, "-m", "engine", "experiment=adapt"]
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
    texts = []
    for number in range(count):
        known = words if number % _DULL else source.choices(words, k=2)
        texts.append(" ".join(source.choices(known, k=_PASSAGE_WORDS)) + ".")
    _write(file, [(f"document {number}", text) for number, text in enumerate(texts)])


def write_paragraphs(file: Path, count: int) -> None:
    """Writes paragraphs of Python's own reference, the same ones each time.

    Raises:
        ValueError: it has fewer than that.
    """
    paragraphs = {
        " ".join(paragraph.split()): topic for topic, text in sorted(topics.items()) for paragraph in text.split("\n\n")
    }
    found = [(topic, text) for text, topic in paragraphs.items() if len(text.split()) >= _FEWEST_WORDS]
    if len(found) < count:
        raise ValueError(f"{count * PER_PASSAGE} samples need {count} paragraphs, and Python has {len(found)} of them")
    _write(file, found[:count])


def _write(file: Path, passages: Sequence[tuple[str, str]]) -> None:
    lines = [
        json.dumps({"_id": f"d{number}", "title": title, "text": text}) for number, (title, text) in enumerate(passages)
    ]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
