"""The model card: README.md of a tuned model, for whoever finds the folder without the run.

In: plain facts. Out: Markdown with the front matter that the Hugging Face hub reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
and passages into vectors of {dimensions} dimensions, to be compared by cosine.

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


@dataclass(frozen=True)
class CardFacts:
    """What a card says; `data` and `settings` become tables."""

    title: str
    base: str
    dimensions: int
    max_tokens: int
    query_prefix: str
    passage_prefix: str
    data: Mapping[str, object]
    settings: Mapping[str, object]


def render_card(facts: CardFacts) -> str:
    """The card as Markdown."""
    return _TEMPLATE.format(
        title=facts.title,
        base=facts.base,
        dimensions=facts.dimensions,
        max_tokens=facts.max_tokens,
        query_prefix=f"`{facts.query_prefix!r}`",
        passage_prefix=f"`{facts.passage_prefix!r}`",
        data=_table(facts.data),
        settings=_table(facts.settings),
    )


def _table(rows: Mapping[str, object]) -> str:
    lines = [f"| {name.replace('_', ' ')} | {value} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])
