"""A small corpus, a task and a config with the bundled generator's own tokenizer, for tests that plan prompts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.columns import PASSAGES
from engine.artifacts.documents import PASSAGES_FILE
from engine.artifacts.prompts import PromptsFolder, PromptsRecord
from engine.prompts.config import PromptsConfig
from engine.prompts.demonstrations.config import DemonstrationsConfig
from engine.task.config import AttributeConfig, RangeConfig, TaskConfig

Plan = Callable[[PromptsConfig], tuple[PromptsFolder, PromptsRecord]]
"""Plans a first round into a fresh folder."""

MODEL = "bundled:smollm2-135m-instruct"
WORDS = AttributeConfig(file="package:words/nouns.txt")
SIZES = AttributeConfig(range=RangeConfig(1, 3))
_TASK = {
    "demonstration": "Passage: {{ demonstration.document }}\nQuery: {{ demonstration.query }}\n\n",
    "prompt": "Passage: {{ passage.title }} {{ passage.text }}\nQuery:",
    "attributes": {"form": AttributeConfig({"question": 3.0, "keywords": 1.0}, from_demonstrations=True)},
}
_DEMONSTRATIONS = {"collection": "", "seed": 0, "num_sets": 3, "per_prompt": 2}
_FIXED = {"model": MODEL, "context_tokens": 2048, "max_tokens": 48, "seed": 0, "rounds": 1}


def prompts_config(
    task: Mapping[str, object] | None = None, shown: Mapping[str, object] | None = None, **changes: object
) -> PromptsConfig:
    """A config that plans one sample for each passage, with questions and keywords by demonstrations.

    Args:
        task: fields of the task to change.
        shown: fields of the demonstrations to change.
        changes: fields of the config itself to change.
    """
    parts = {
        "task": TaskConfig(**{**_TASK, **(task or {})}),  # type: ignore[arg-type]
        "demonstrations": DemonstrationsConfig(**{**_DEMONSTRATIONS, **(shown or {})}),  # type: ignore[arg-type]
    }
    return PromptsConfig(**{**_FIXED, **parts, **changes})  # type: ignore[arg-type]


def passage_text(number: int) -> str:
    """The text of a passage of `write_documents`, which is the longer the larger its number is."""
    return f"Some text number {number} " * (number + 1)


def write_documents(folder: Path, count: int = 30) -> Path:
    """Writes a documents folder whose passages are d0, d1 and so on, entitled `Title 0`, `Title 1` and so on."""
    folder.mkdir()
    rows = [
        {
            "passage_id": f"d{number}",
            "document_id": f"d{number}",
            "title": f"Title {number}",
            "text": passage_text(number),
            "position": 0,
            "num_tokens": 4,
        }
        for number in range(count)
    ]
    pq.write_table(pa.Table.from_pylist(rows, PASSAGES), folder / PASSAGES_FILE)
    return folder
