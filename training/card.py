"""The model card: README.md of a tuned model, for whoever finds the folder without the run.

In: what was trained, the training rows and what the workers measured. Out: Markdown with the front matter that the
Hugging Face hub reads. It is written here and not by sentence-transformers, which knows nothing of where the pairs come
from.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engine.search.usage import Similarity

if TYPE_CHECKING:
    import pyarrow as pa

    from training.workers.job import Measured, TrainingJob

_SHOWN_SETTINGS = ("epochs", "warmup_share", "weight_decay", "symmetric", "train_max_tokens")

_COMPARED_BY = {Similarity.cosine: "cosine", Similarity.dot: "dot product"}

_TEMPLATE = """\
---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags:
- sentence-transformers
- sentence-similarity
- feature-extraction
- synthetic-data
- synthmill
---

# {title}

`{base}`, tuned by synthmill on queries that a language model wrote for the passages of one collection. It turns queries
and passages into vectors of {dimensions} dimensions, to be compared by {similarity}.

## Use

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder")
scores = model.similarity(model.encode_query(["a question"]), model.encode_document(["a passage"]))
```

`encode_query` and `encode_document` add the prefixes {query_prefix} and {passage_prefix}. Of a text the first
{max_tokens} tokens are read.

## Data

{data}

The queries are synthetic: they can be wrong, and they are of the kinds that were asked for. How good the model is on
the collection, beside its base, is in the run's report.

## Settings

{settings}

## Licence

The weights are derived from `{base}`, whose licence applies to them. The terms of the language model that wrote the
queries, and the rights in the documents, may apply as well.
"""


def write_card(job: TrainingJob, rows: pa.Table, measured: Measured) -> None:
    """Writes README.md into the folder of the tuned model."""
    (job.output / "README.md").write_text(render_card(job, rows, measured), encoding="utf-8")


def render_card(job: TrainingJob, rows: pa.Table, measured: Measured) -> str:
    """Renders the card as Markdown.

    Args:
        job: what was trained: the config, with the batch size and the learning rate that were used, and the prefixes.
        rows: the training rows, with a column `passage`.
        measured: what rank 0 measured.
    """
    config, usage = job.config, job.usage
    data = {
        "training pairs": f"{rows.num_rows:,}",
        "different passages": f"{len(rows['passage'].unique()):,}",
        "hard negatives per query": config.num_hard_negatives,
    }
    settings = {
        "loss": measured.loss.value,
        "share of the base's weights": f"{job.base_share:g}",
        "batch size": config.batch_size,
        "learning_rate": f"{config.learning_rate:.3g}",
        "steps": measured.steps,
        "precision": measured.precision.value,
        "similarity": usage.similarity.value,
        "scale": f"{measured.scale:g}",
        **{name: getattr(config, name) for name in _SHOWN_SETTINGS},
    }
    return _TEMPLATE.format(
        title=f"{Path(config.base.removeprefix('bundled:')).name}, tuned",
        base=config.base,
        dimensions=measured.dimensions,
        max_tokens=measured.max_tokens,
        similarity=_COMPARED_BY[usage.similarity],
        query_prefix=f"`{usage.query_prefix!r}`{_origin(config.query_prefix)}",
        passage_prefix=f"`{usage.passage_prefix!r}`{_origin(config.passage_prefix)}",
        data=_table(data),
        settings=_table(settings),
    )


def _origin(configured: str | None) -> str:
    return " (the base's own)" if configured is None else ""


def _table(rows: Mapping[str, object]) -> str:
    lines = [f"| {name.replace('_', ' ')} | {value} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])
