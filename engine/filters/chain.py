"""The chain of row filters: which there are, in which order they run, and their verdict on a batch of samples.

In: a batch of samples with their passages. Out: cleaned queries, each kept or rejected by the first filter that refuses
it, which gives the reason. The order is from cheap to costly, so that most of what is rejected costs next to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.errors import UserError, check_setting, suggest
from engine.filters.checks import (
    check_copy,
    check_cut_off,
    check_format,
    check_length,
    check_logprob,
    check_prompt_leak,
    check_refusal,
    check_repetition,
)
from engine.filters.contract import KEEP, PromptWords, Row, RowFilter, Thresholds, Verdict
from engine.runtime.identity import fields_of
from engine.text.queries import clean_query

if TYPE_CHECKING:
    import pyarrow as pa

FILTERS = (
    RowFilter("format", check_format, "examples.filters.use (leave out 'format')"),
    RowFilter("length", check_length, "examples.filters.min_words, max_words, min_characters or max_characters"),
    RowFilter("cut_off", check_cut_off, "samples.max_tokens (a larger one)"),
    RowFilter("logprob", check_logprob, "examples.filters.min_logprob"),
    RowFilter("refusal", check_refusal, "examples.filters.use (leave out 'refusal')"),
    RowFilter("repetition", check_repetition, "examples.filters.max_repeated_share"),
    RowFilter("prompt_leak", check_prompt_leak, "examples.filters.use (leave out 'prompt_leak')"),
    RowFilter("copy", check_copy, "examples.filters.max_copied_share"),
)
"""Every row filter, cheap to costly."""
FILTER_NAMES = tuple(row_filter.name for row_filter in FILTERS)


@dataclass(frozen=True)
class FiltersConfig(Thresholds):
    """The settings of the row filters: which of them run, and where they draw the line."""

    use: list[str] = field(default_factory=lambda: list(FILTER_NAMES))
    """The names of the filters that run; whatever their order here, they run from cheap to costly."""
    judge: Any = field(default_factory=list)
    """A rubric of conf/judge/, or a list of them, cheap to costly: a sample must pass the judge by each (`judge.*`)."""
    min_information: float | None = None
    """The least that the passage tells about the query, in nats per token of the query: log P(query | passage) less
    log P(query) by the judge's model. About 0 where a query is not about its passage; null: not measured."""

    def __post_init__(self) -> None:
        """Refuses names that are no filter, names listed twice, and bounds that let nothing through."""
        for name in self.use:
            if name not in FILTER_NAMES:
                remedy = suggest(name, FILTER_NAMES)
                raise UserError(f"{name!r} is no filter", where="examples.filters.use", remedy=remedy)
        self._check_names("use", self.use)
        self._check_names("judge", self.rubrics())
        if (least := self.min_information) is not None:
            check_setting(math.isfinite(least), "examples.filters.min_information", least, "a number of nats, or null")
        super().__post_init__()

    def _check_names(self, setting: str, names: Sequence[object]) -> None:
        where = f"examples.filters.{setting}"
        for name in names:
            if not isinstance(name, str):
                raise UserError(f"{name!r} is no name", where=where, remedy="write a name, or a list of names")
            if names.count(name) > 1:
                raise UserError(f"{name!r} is listed twice", where=where, remedy="list it once")

    def identity(self) -> dict[str, object]:
        """Returns what decides here: what a judge is asked is told by `examples.judged`, with its thresholds."""
        return fields_of(self, without=("judge", "min_information"))

    def rubrics(self) -> tuple[str, ...]:
        """Returns the rubrics that a judge is asked, in order."""
        return tuple(self.judge) if isinstance(self.judge, list | tuple) else (self.judge,) if self.judge else ()

    def chain(self) -> tuple[RowFilter, ...]:
        """Returns the filters that run, cheap to costly."""
        return tuple(row_filter for row_filter in FILTERS if row_filter.name in self.use)


def judge(row: Row, filters: Sequence[RowFilter] = FILTERS) -> Verdict:
    """Gives the verdict of the first of `filters` that rejects the row, or KEEP."""
    for row_filter in filters:
        if (verdict := row_filter.check(row)) is not KEEP:
            return verdict
    return KEEP


def filter_batch(samples: pa.Table, passages: Sequence[str], prompt: PromptWords, config: FiltersConfig) -> pa.Table:
    """Cleans and judges a batch of generated samples.

    Args:
        samples: any slice, with the columns sample_id, text, logprob and finish_reason of `columns.SAMPLES`.
        passages: the text of every row's passage, as encoders read it.
        prompt: what must not come back.
        config: which filters run, and their thresholds.

    Returns:
        Columns `sample_id`, `query` (cleaned), `reason` ("" when kept), `detail`; one row per row of `samples`.
    """
    import pyarrow as pa

    filters, queries, verdicts = config.chain(), [], []
    columns = (samples[name].to_pylist() for name in ("text", "logprob", "finish_reason"))
    for raw, logprob, finish_reason, passage in zip(*columns, passages, strict=True):
        cut_off = finish_reason == "length" and "\n" not in raw.strip()
        row = Row(clean_query(raw), passage, math.nan if logprob is None else logprob, cut_off, config, prompt)
        queries.append(row.query)
        verdicts.append(judge(row, filters))
    return pa.table(
        {
            "sample_id": samples["sample_id"],
            "query": pa.array(queries, pa.string()),
            "reason": pa.array([verdict.reason for verdict in verdicts], pa.string()),
            "detail": pa.array([verdict.detail for verdict in verdicts], pa.string()),
        }
    )
