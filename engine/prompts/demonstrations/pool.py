"""Reads the pool of demonstrations: pairs of a document and a query that the model imitates.

In: a file (`file.py`), judged queries of the collection (`judged.py`), or a pool that ships. Out: a list of
demonstrations, and which of its rows each value of a condition may show. What may be a mistake is told, since prompts
would show it without a word.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from engine.errors import UserError
from engine.prompts.conditions.draws import SEPARATOR
from engine.prompts.demonstrations.config import BUNDLED, DemonstrationsConfig, Selection
from engine.prompts.demonstrations.file import read_demonstration_file
from engine.prompts.demonstrations.judged import Titled, judged_demonstrations
from engine.task.config import AttributeConfig
from engine.task.render import Demonstration
from engine.task.templates import names_used

_CLOSE_NAME = 0.7
"""The likeness of two names, from 0 to 1, from which a field is taken to be a misspelt condition."""


def load_pool(
    config: DemonstrationsConfig, documents: Mapping[str, Titled], *, with_documents: bool = True
) -> list[Demonstration]:
    """Reads the demonstrations that prompts may show.

    Args:
        config: where they come from.
        documents: document id -> title and text, read only for `from_qrels`.
        with_documents: whether prompts show the documents of demonstrations, so that each must have one.

    Raises:
        UserError: the file is missing, empty or wrong in a line, or too few queries have a relevant document.
    """
    if config.from_qrels:
        return judged_demonstrations(config, documents)
    return list(read_demonstration_file(config.pool_file(), needed_columns(config, with_documents=with_documents)))


def needed_columns(config: DemonstrationsConfig, *, with_documents: bool) -> tuple[str, ...]:
    """Returns the columns in which every row of a file must have a text.

    Args:
        config: how demonstrations are chosen, which may go by their documents.
        with_documents: whether prompts show these.
    """
    return ("document", "query") if with_documents or config.select is not Selection.random else ("query",)


def complete(pool: Sequence[Demonstration], attributes: Mapping[str, AttributeConfig]) -> list[Demonstration]:
    """Adds general demonstrations to judged queries, which all show the first value of the condition that chooses.

    The general ones show its other values. A few queries of one form would be imitated so closely that samples repeat
    each other.

    Args:
        pool: demonstrations without conditions.
        attributes: of the task; without one that chooses by demonstrations the pool stays as it is.
    """
    choosing = [name for name, attribute in attributes.items() if attribute.from_demonstrations]
    if len(choosing) != 1:
        return list(pool)
    [name] = choosing
    values = [value for value, weight in attributes[name].values.items() if weight > 0]
    first, others = values[:1], values[1:]
    general = [
        shown for shown in read_demonstration_file(BUNDLED["bundled:general"]) if shown.conditions.get(name) in others
    ]
    if not general:
        return list(pool)
    judged = [replace(shown, conditions={**shown.conditions, name: first[0]}) for shown in pool]
    return [*judged, *general]


def strata(pool: Sequence[Demonstration], attributes: Mapping[str, AttributeConfig]) -> tuple[str, list[str]]:
    """Finds the condition that demonstrations are chosen by, and which of its values they carry.

    Args:
        pool: all demonstrations.
        attributes: of the task.

    Returns:
        Its name and those values, which are the empty one alone where they carry none. Without such a condition it is
        ("", [""]).

    Raises:
        UserError: the grid gives no weight to any value that the demonstrations carry, or two conditions choose.
    """
    names = [name for name, attribute in attributes.items() if attribute.from_demonstrations]
    if not names:
        return "", [""]
    if len(names) > 1:
        raise UserError(
            f"demonstrations can be chosen by one condition, not by {' and '.join(names)}",
            where=f"task.attributes.{names[1]}.from_demonstrations",
            remedy="set it to false for all but one",
        )
    carried = {shown.conditions.get(names[0], "") for shown in pool} - {""}
    values = [value for value, weight in attributes[names[0]].values.items() if weight > 0 and value in carried]
    if carried and not values:
        raise UserError(
            f"demonstrations carry {sorted(carried)}, the grid draws {sorted(attributes[names[0]].values)}",
            where=f"task.attributes.{names[0]}",
            remedy="give at least one carried value a positive weight",
        )
    return names[0], values or [""]


def stratify(pool: Sequence[Demonstration], attribute: str, values: Sequence[str]) -> list[list[int]]:
    """Groups the rows of a pool by the values of a condition.

    Args:
        pool: all demonstrations.
        attribute: the condition that demonstrations are chosen by, as `strata` finds it.
        values: the values that they carry; every row belongs to the empty one.

    Returns:
        Rows of the pool, for each value.
    """
    return [
        [row for row, shown in enumerate(pool) if not value or shown.conditions.get(attribute) == value]
        for value in values
    ]


def slips(
    pool: Sequence[Demonstration], templates: Iterable[str], possible: Mapping[str, Collection[str]]
) -> Iterator[str]:
    """Gives a sentence for each thing in a pool that is allowed but may be a mistake.

    Args:
        pool: the demonstrations.
        templates: the `demonstration` templates that show them.
        possible: values of each condition that demonstrations are not chosen by.
    """
    for name in sorted(set().union(*map(_conditions_of, templates))):
        if lacking := sum(not shown.conditions.get(name) for shown in pool):
            yield f"{lacking} of {len(pool)} demonstrations have no {name!r}, which the template writes: it stays empty"
    carried = {(name, value) for shown in pool for name, value in shown.conditions.items()}
    for name in sorted({name for name, _ in carried} - possible.keys()):
        if close := difflib.get_close_matches(name, possible, n=1, cutoff=_CLOSE_NAME):
            yield f"demonstrations have the field {name!r}, which is no condition; did you mean {close[0]!r}?"
    for name, value in sorted(carried):
        if name in possible and value not in possible[name] and set(value.split(SEPARATOR)) - set(possible[name]):
            yield f"demonstrations have {name}={value!r}, which is never drawn"


def _conditions_of(template: str) -> set[str]:
    try:
        return names_used(template, "condition")
    except LookupError:
        return set()  # the variable is used as a whole


def shorten(demonstration: Demonstration, ends: Sequence[int], max_tokens: int) -> Demonstration:
    """Cuts a demonstration's document after `max_tokens` tokens.

    Args:
        demonstration: what is cut.
        ends: where each token of its document ends, as an offset in characters.
        max_tokens: how many tokens may stay, at least 1.
    """
    if len(ends) <= max_tokens:
        return demonstration
    return replace(demonstration, document=demonstration.document[: ends[max_tokens - 1]].rstrip() + " ...")
