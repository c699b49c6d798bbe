"""The model step alone, on examples that a benchmark made: what scripts that time training share.

In: pairs of texts and a model's config. Out: the folder of examples that the step reads, and its record.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.artifacts.model import ModelRecord
    from training.config import ModelConfig


def write_examples(folder: Path, pairs: Sequence[tuple[str, str]]) -> None:
    """Writes the files of examples: pairs of query and passage, each of a document of its own, none rejected."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from engine.artifacts.columns import EXAMPLES
    from engine.artifacts.examples import KEPT_FILE, REJECTED_FILE

    rows = [
        {
            "sample_id": number,
            "passage_id": f"p{number}",
            "document_id": f"d{number}",
            "query": query,
            "passage": passage,
            "split": "train",
        }
        for number, (query, passage) in enumerate(pairs)
    ]
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, EXAMPLES), folder / KEPT_FILE)
    pq.write_table(EXAMPLES.empty_table(), folder / REJECTED_FILE)


def run_model_step(config: ModelConfig, examples: Path, folder: Path) -> ModelRecord:
    """Trains as a run does, without its other steps, in a folder that is made here."""
    from engine.runtime.cluster import ClusterConfig
    from engine.runtime.console import Console
    from engine.runtime.memory import MemorySampler
    from engine.runtime.place import Place
    from engine.runtime.tracking import NoTracker
    from training.step import train_model

    output = folder / "model"
    output.mkdir(parents=True)
    cluster = ClusterConfig()
    place = Place(folder / "run", folder / "store", cluster, Console(), NoTracker(), MemorySampler(), NoEngines())
    return train_model(config, {"examples": examples, "documents": folder}, output, place)


class NoEngines:
    """The engines of a machine that generates nothing."""

    def start(self, config: Any, place: Any, salt: str = "") -> Any:
        """Fails: training starts no engine."""
        raise AssertionError(f"no engine is wanted in {place} for {config}{salt}")

    def stop(self) -> None:
        """Does nothing."""

    def release(self, place: Any, purpose: str) -> None:
        """Does nothing."""

    def leave_gpu(self, place: Any) -> bool:  # noqa: ARG002  # there is none to leave
        """No engine holds one."""
        return True
