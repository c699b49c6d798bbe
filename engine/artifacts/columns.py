"""The rows that steps hand to each other, as Arrow schemas: one per file a step writes.

Every row has an id from birth: documents and passages by name, everything after planning by `sample_id`.
Columns are documented here once; `tests/artifacts/test_columns.py` holds the writers to them.
"""

from __future__ import annotations

import pyarrow as pa

CONDITION_PREFIX = "condition_"
"""A drawn value of attribute `form` is the column `condition_form` of prompts, samples and examples."""
FIELD_PREFIX = "field_"
"""A field `date` of documents that is kept is the column `field_date` of their passages, null where there is none."""


PASSAGES = pa.schema(
    [
        ("passage_id", pa.string()),  # unique; the document's id, with "#2" appended from the second chunk on
        ("document_id", pa.string()),  # the source document
        ("title", pa.string()),
        ("text", pa.string()),
        ("position", pa.int32()),  # index of the chunk in its document
        ("num_tokens", pa.int32()),  # of `text`, by the tokenizer of `documents.tokenizer`
    ]
)
"""documents/passages.parquet, followed by one `field_*` column per name of `documents.keep_fields`: boolean, int64,
double, date32, timestamp (UTC, microseconds) or string, whichever fits all its values."""


FAILED_DOCUMENTS = pa.schema([("document_id", pa.string()), ("reason", pa.string())])
"""documents/failed.parquet: documents that gave no passage, with the reason."""


PROMPTS = pa.schema(
    [
        ("sample_id", pa.int64()),  # 0, 1, 2, ... in plan order
        ("passage_id", pa.string()),
        ("cell", pa.string()),  # the condition values, joined: "form=question|length=short"
        ("replicate", pa.int32()),
        ("round", pa.int32()),
        ("demonstration_set", pa.int32()),  # index into demonstration_sets.parquet
        ("prefix", pa.int64()),  # prompts of one prefix share their first tokens; a name, not an index
        ("prompt_tokens", pa.int32()),  # forecast: sums of the parts' counts
        ("demonstrations", pa.string()),  # rows of demonstration_pool.parquet, in the order shown: "4 17 2"
    ]
)
"""prompts/plan-*.parquet, followed by one `condition_*` string column per attribute."""


SAMPLES = pa.schema(
    [
        ("sample_id", pa.int64()),
        ("passage_id", pa.string()),
        ("cell", pa.string()),  # cell, replicate and round as planned: with the passage they are the sample's key
        ("replicate", pa.int32()),
        ("round", pa.int32()),
        ("status", pa.string()),  # "generated" or "failed"
        ("error", pa.string()),  # why it failed; "" when generated
        ("text", pa.string()),  # what the model wrote, stripped of nothing
        ("prompt_hash", pa.string()),  # 16 hex digits of the rendered prompt
        (
            "input_hash",
            pa.string(),
        ),  # of all that prompts are made from (engine.task.render.input_hash); "" when failed
        ("prompt_tokens", pa.int32()),
        ("output_tokens", pa.int32()),
        ("cached_tokens", pa.int32()),  # prompt tokens that the engine took from its prefix cache
        ("logprob", pa.float32()),  # mean log-probability per output token; NaN when not asked for
        ("finish_reason", pa.string()),  # "stop", "length", or "" when failed
        ("demonstration_set", pa.int32()),
        ("demonstrations", pa.string()),  # rows of prompts/demonstration_pool.parquet, in the order shown
        ("engine", pa.int32()),  # which engine of the attempt
        ("attempt", pa.int32()),  # which start of the driver; 0: taken over from an earlier samples folder
        ("model", pa.string()),
    ]
)
"""Parts of samples (engine/storage/parts.py), followed by the plan's `condition_*` columns."""


EXAMPLES = pa.schema(
    [
        ("sample_id", pa.int64()),
        ("passage_id", pa.string()),
        ("document_id", pa.string()),
        ("query", pa.string()),  # cleaned
        ("passage", pa.string()),  # title and text as the encoder reads them
        ("split", pa.string()),  # "train" or "validation", by document
        ("reason", pa.string()),  # "" when kept, else the name of the filter that rejected it
        ("detail", pa.string()),  # the figure behind the verdict, for people
        ("round_trip_rank", pa.int32()),  # 1-based rank of the passage for this query; 0 when not measured
        ("logprob", pa.float32()),
    ]
)
"""examples/kept.parquet and examples/rejected.parquet, followed by the `condition_*` columns."""


def condition_names(plan: pa.Table | pa.Schema) -> list[str]:
    """Names of the conditions that a plan's rows carry."""
    names = plan.column_names if isinstance(plan, pa.Table) else plan.names
    return [name.removeprefix(CONDITION_PREFIX) for name in names if name.startswith(CONDITION_PREFIX)]
