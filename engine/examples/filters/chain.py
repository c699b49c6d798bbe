"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from engine.examples.filters.contract import KEEP, REGISTRY, FiltersConfig, PromptWords, Row, Verdict
from engine.text.words import clean_query, fold, tokenize

if TYPE_CHECKING:
    import pyarrow as pa


_PLACEHOLDER = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


def prompt_words(demonstration_queries: Iterable[str], templates: Iterable[str] = ()) -> PromptWords:
    """What the prompt-leak filter looks for. Demonstrations of fewer than three words could be anybody's query."""
    queries = {query for query in demonstration_queries if len(tokenize(query)) >= 3}
    return PromptWords(tuple(sorted(map(fold, queries))), fold(_PLACEHOLDER.sub("\n", "\n".join(templates))))


def judge(row: Row) -> Verdict:
    """The verdict of the first filter that rejects, or KEEP."""
    for name, entry in REGISTRY.items():
        if name in row.config.use and (verdict := entry.check(row)) is not KEEP:
            return verdict
    return KEEP


def filter_batch(samples: pa.Table, passages: Sequence[str], prompt: PromptWords, config: FiltersConfig) -> pa.Table:
    """Judges a batch of generated samples.

    Args:
        samples: any slice, with the columns of `records.SAMPLES`.
        passages: the text of every row's passage, as encoders read it.
        prompt: what must not come back.
        config: thresholds.

    Returns:
        Columns `sample_id`, `query` (cleaned), `reason` ("" when kept), `detail`; one row per row of `samples`.
    """
    import pyarrow as pa

    queries, verdicts = [], []
    columns = (samples[name].to_pylist() for name in ("text", "logprob", "finish_reason"))
    for raw, logprob, finish, passage in zip(*columns, passages, strict=True):
        cut_off = finish == "length" and "\n" not in raw.strip()
        row = Row(clean_query(raw), passage, math.nan if logprob is None else logprob, cut_off, config, prompt)
        queries.append(row.query)
        verdicts.append(judge(row))
    reasons, details = ([verdict[part] for verdict in verdicts] for part in (0, 1))
    text = pa.string()
    return pa.table(
        {
            "sample_id": samples["sample_id"],
            "query": pa.array(queries, text),
            "reason": pa.array(reasons, text),
            "detail": pa.array(details, text),
        }
    )
