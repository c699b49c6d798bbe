"""The model card: README.md of a tuned model, for whoever finds the folder without the run.

In: what was trained, the training rows and what the workers measured. Out: Markdown with the front matter that the
Hugging Face hub reads. It is written here and not by sentence-transformers, which knows nothing of where the examples
come from; what differs between families is in `card_texts.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from engine.artifacts.forms import PASSAGE
from engine.models.names import public_name
from engine.search.usage import Similarity
from training.card_texts import CARD_TEXTS
from training.origin import Origin

if TYPE_CHECKING:
    import pyarrow as pa

    from training.workers.job import Measured, TrainingJob

_COMPARED_BY = {Similarity.cosine: "cosine", Similarity.dot: "dot product"}

_TAG = {True: ("synthetic-data",), False: ()}
_TEMPLATE = """\
---
library_name: {library}
pipeline_tag: {task}
tags:
{tags}
---

# {title}

`{base}`, tuned by synthmill on {source}. {what}

## Use

```python
{code}
```

{notes}

## Data

{data}

{origin}

## Settings

{settings}

## Licence

The weights are derived from `{base}`, whose licence applies to them. {rights}
"""


def write_card(
    job: TrainingJob, rows: pa.Table, measured: Measured, origin: Origin, notes: Mapping[str, str] | None = None
) -> None:
    """Writes README.md into the folder of the tuned model; see `render_card`."""
    (job.output / "README.md").write_text(render_card(job, rows, measured, origin, notes), encoding="utf-8")


def render_card(
    job: TrainingJob, rows: pa.Table, measured: Measured, origin: Origin, notes: Mapping[str, str] | None = None
) -> str:
    """Renders the card as Markdown.

    Args:
        job: what was trained: the config, with the batch size and the learning rate that were used, and the prefixes.
        rows: the training rows, with a column `passage` unless they are plain or labelled texts.
        measured: what rank 0 measured.
        origin: where the rows came from.
        notes: what a teacher did to the rows, by what it is called.
    """
    text, base = CARD_TEXTS[job.config.family], public_name(job.config.base)
    facts = _facts(job, measured)
    return _TEMPLATE.format(
        title=f"{Path(base.removeprefix('bundled:')).name}, tuned",
        base=base,
        library=text.library,
        task=text.task,
        tags="\n".join(f"- {tag}" for tag in (*text.tags, *_TAG[origin.is_synthetic], "synthmill")),
        what=text.what.format(**facts),
        code=text.code,
        notes=text.notes.format(**facts),
        data=_table(_data(job, rows) | dict(notes or {})),
        settings=_table(_settings(job, measured)),
        source=origin.source,
        origin=origin.origin,
        rights=origin.rights,
    )


def _facts(job: TrainingJob, measured: Measured) -> dict[str, object]:
    """Returns what the texts of families have places for."""
    config, usage, figures = job.config, job.usage, measured.figures
    facts: dict[str, object] = {
        "base": public_name(config.base),
        "dimensions": figures.dimensions,
        "max_tokens": measured.max_tokens,
        "similarity": _COMPARED_BY[usage.similarity],
        "query_prefix": f"`{usage.query_prefix!r}`{_origin(config.query_prefix)}",
        "passage_prefix": f"`{usage.passage_prefix!r}`{_origin(config.passage_prefix)}",
    }
    if labels := job.labels:
        facts |= {
            "labels": ", ".join(f"`{name}`" for name in labels.names),
            "how_many": "any number" if labels.several else "one",
            "activation": "sigmoid" if labels.several else "softmax",
            "axis": "" if labels.several else ", dim=-1",
            "held_out": len(labels.held_out.texts),
            "temperature": f"{figures.temperature:g}",
        }
    return facts


def _data(job: TrainingJob, rows: pa.Table) -> dict[str, object]:
    if PASSAGE not in rows.column_names:
        return {"training texts": f"{rows.num_rows:,}"}
    return {
        "training pairs": f"{rows.num_rows:,}",
        "different passages": f"{len(rows[PASSAGE].unique()):,}",
        "hard negatives per query": job.config.num_hard_negatives,
    }


def _settings(job: TrainingJob, measured: Measured) -> dict[str, object]:
    config = job.config
    named = {"similarity": job.usage.similarity.value, "scale": f"{measured.figures.scale:g}"}
    settings: dict[str, object] = {
        "family": config.family.value,
        "loss": measured.loss.value,
        "share of the base's weights": f"{job.base_share:g}",
        "batch size": config.batch_size,
        "learning_rate": f"{config.learning_rate:.3g}",
        "steps": measured.steps,
        "precision": measured.precision.value,
    }
    for name in CARD_TEXTS[config.family].shown:
        settings[name] = named.get(name) or getattr(config, name)
    if config.lora.rank:
        settings["LoRA"] = f"rank {config.lora.rank}, alpha {config.lora.alpha:g}"
    return settings


def _origin(configured: str | None) -> str:
    return " (the base's own)" if configured is None else ""


def _table(rows: Mapping[str, object]) -> str:
    shown = {name: value.value if isinstance(value, Enum) else value for name, value in rows.items()}
    lines = [f"| {name.replace('_', ' ')} | {value} |" for name, value in shown.items()]
    return "\n".join(["| | |", "|---|---|", *lines])
