"""The columns of a training batch: which are texts, which hold labels, and what goes before the texts of each.

In: the names of a training table's columns. Out: names in the order in which a loss reads them, and prefixes. Forms of
examples are in `engine.artifacts.forms`; what is added to them for training is named here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from engine.artifacts.forms import LABELS, QUERY, SCORE, TEXT
from engine.search.usage import Usage

DAMAGED = "damaged"
"""A text of which words were left out; it comes before the text itself."""
TEACHER_SCORES = "teacher_scores"
"""What a teacher thinks of each of a query's candidates, a list of numbers."""
LABEL_COLUMNS = (SCORE, LABELS, TEACHER_SCORES)
"""The columns that are no texts; a batch has one of them at most."""
_CANDIDATE = re.compile(r"candidate_(\d+)")


def candidate_columns(names: Iterable[str]) -> list[str]:
    """Returns the columns `candidate_0`, `candidate_1` ... of those named, by number; the first holds the positives."""
    numbers = sorted(int(match[1]) for name in names if (match := _CANDIDATE.fullmatch(name)))
    return [f"candidate_{number}" for number in numbers]


def prefixes(names: Iterable[str], usage: Usage) -> dict[str, str]:
    """Returns what goes before the texts of each column: every text but a query is a passage.

    A text that a decoder is to write has nothing before it.

    Args:
        names: the columns of the training table.
        usage: the prefixes of the model.
    """
    texts = [name for name in names if name not in LABEL_COLUMNS]
    before = {name: usage.query_prefix if name == QUERY else usage.passage_prefix for name in texts}
    return {DAMAGED: usage.passage_prefix, TEXT: ""} if texts == [TEXT] else before
