"""What tests of teachers share: documents, examples, and their candidates as the real step finds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.artifacts.teacher import TeacherRecord
from engine.search.encoder import EncoderConfig
from engine.storage.store import StepRecord, finish
from engine.storage.typed import to_json_values
from tests.support.places import quiet_place
from tests.support.training import write_documents, write_examples
from training.teachers.config import TeacherConfig
from training.teachers.settings import CandidatesConfig
from training.teachers.step import find_candidates


def write_folders(folder: Path, *, documents: int = 20, examples: int = 40) -> dict[str, Path]:
    """The folders of documents and examples; the first example is held out, with its document."""
    return {
        "documents": write_documents(folder / "documents", documents=documents),
        "examples": write_examples(folder / "examples", count=examples, documents=documents),
    }


def candidates_config(base: Path, **settings: Any) -> CandidatesConfig:
    """Five candidates a query: two of the top, two of ranks 4 to 12."""
    teacher = TeacherConfig("fused", **{"top": 2, "deeper": 2, "first_rank": 4, "last_rank": 12, **settings})
    return CandidatesConfig.of(teacher, EncoderConfig(str(base), "", "", 48), "none", 0)


def write_candidates(folder: Path, inputs: dict[str, Path], config: CandidatesConfig) -> TeacherRecord:
    """Finds candidates, and finishes their folder as a run does."""
    folder.mkdir(exist_ok=True)
    record = find_candidates(config, inputs, folder, quiet_place(folder.parent))
    finish(folder, StepRecord("teacher", "f", {}, {}, 0.0, 0, to_json_values(record)))
    return record
