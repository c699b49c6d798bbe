"""Demonstrations: worked (document, query) examples that the model imitates, and the seeded sets that prompts show.

In: a JSONL file, judged queries of the collection, or the built-in general pool. Out: a pool, and ordered sets
drawn from it. All prompts of one set share their first tokens, so a set is computed once by each engine; the
number of sets trades that speed against variety.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from engine.errors import UserError
from engine.prompts.demonstrations.config import BUNDLED, DemonstrationsConfig, Selection
from engine.storage.digests import digest
from engine.storage.lines import read_objects
from engine.task.config import AttributeConfig
from engine.task.render import Demonstration
from engine.task.templates import names_used


class Titled(NamedTuple):
    """A document as demonstrations show it."""

    title: str
    text: str
    """After the title, unless the text begins with it."""


def load_pool(
    config: DemonstrationsConfig, documents: Mapping[str, Titled], *, with_documents: bool = True
) -> list[Demonstration]:
    """The demonstrations that prompts may show.

    Args:
        config: where from.
        documents: document id -> title and text, read only for `from_qrels`.
        with_documents: whether prompts show the documents of demonstrations, so that each must have one.
    """
    if config.from_qrels:
        return _from_judgements(config, documents)
    needed = ("document", "query") if with_documents or config.select is not Selection.random else ("query",)
    return list(_from_file(config._file(), needed))


_KNOWN = ("document", "query", "title")


def _from_file(file: Path, needed: Sequence[str] = ("document", "query")) -> Iterator[Demonstration]:
    found = 0
    for line in read_objects(file):
        row = _checked(line.values, f"{file}:{line.line}", needed)
        found += 1
        document, query, title = (row.get(name, "").strip() for name in _KNOWN)
        conditions = {name: value for name, value in row.items() if name not in _KNOWN}
        yield Demonstration(document, query, conditions=conditions, title=title)
    if not found:
        raise UserError(
            "holds no demonstration", where=str(file), remedy="add rows, or leave demonstrations.path empty"
        )


def _checked(row: Mapping[str, object], where: str, needed: Sequence[str]) -> dict[str, str]:
    remedy = f"write one JSON object per line: {json.dumps(dict.fromkeys(needed, '...'))}"
    for name in needed:
        value = row.get(name)
        if not isinstance(value, str) or not value.strip():
            raise UserError(f"the row has no text in {name!r}", where=where, remedy=remedy)
    for name, value in row.items():
        if isinstance(value, list | dict):
            raise UserError(f"{name!r} holds a JSON {type(value).__name__}, not text", where=where, remedy=remedy)
        if not _is_encodable(str(value)):
            raise UserError(f"{name!r} holds half a surrogate pair", where=where, remedy="write whole characters")
    return {name: str(value) for name, value in row.items() if value is not None}


def _is_encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _from_judgements(config: DemonstrationsConfig, documents: Mapping[str, Titled]) -> list[Demonstration]:
    from engine.artifacts.collection import list_splits, read_qrels, read_queries

    folder = Path(config.collection).expanduser()
    if not config.collection or not (folder / "queries.jsonl").exists():
        raise UserError(
            f"{config.from_qrels} judged queries wanted, but there is no collection with queries",
            where="demonstrations.from_qrels",
            remedy="set collection to a folder with queries.jsonl and qrels/, or set demonstrations.from_qrels=0",
        )
    queries = read_queries(folder)
    qrels = {query: judged for split in list_splits(folder) for query, judged in read_qrels(folder, split).items()}
    usable = {query: best for query, judged in qrels.items() if query in queries and (best := _best(judged, documents))}
    if len(usable) < config.from_qrels:
        raise UserError(
            f"only {len(usable)} judged queries have a relevant document",
            where=f"demonstrations.from_qrels={config.from_qrels}",
            remedy=f"set it to {len(usable)} or fewer",
        )
    order = sorted(usable, key=lambda query: digest([config.seed, query]))
    shown = [(query, documents[usable[query]]) for query in order[: config.from_qrels]]
    return [Demonstration(own.text, queries[query], query_id=query, title=own.title) for query, own in shown]


def _best(judged: Mapping[str, int], documents: Collection[str]) -> str:
    """The best judged document that exists; the lowest id among equals; "" when none is relevant."""
    relevant = [(-grade, document) for document, grade in judged.items() if grade > 0 and document in documents]
    return min(relevant)[1] if relevant else ""


def complete(pool: Sequence[Demonstration], attributes: Mapping[str, AttributeConfig]) -> list[Demonstration]:
    """Judged queries as demonstrations of the first value of the condition that chooses, general ones of the others.

    A few queries of one form would be imitated so closely that samples repeat each other.

    Args:
        pool: demonstrations without conditions.
        attributes: of the task; without one that chooses by demonstrations the pool stays as it is.
    """
    choosing = [(name, own) for name, own in attributes.items() if own.from_demonstrations]
    if len(choosing) != 1:
        return list(pool)
    [(name, attribute)] = choosing
    values = [value for value, weight in attribute.values.items() if weight > 0]
    first, others = values[:1], values[1:]
    general = [d for d in _from_file(BUNDLED["bundled:general"]) if d.conditions.get(name) in others]
    if not general:
        return list(pool)
    return [*(replace(d, conditions={**d.conditions, name: first[0]}) for d in pool), *general]


def strata(pool: Sequence[Demonstration], attributes: Mapping[str, AttributeConfig]) -> tuple[str, list[str]]:
    """The condition that demonstrations are chosen by, and its values that they carry; ("", [""]) without one.

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
    carried = {demonstration.conditions.get(names[0], "") for demonstration in pool} - {""}
    values = [value for value, weight in attributes[names[0]].values.items() if weight > 0 and value in carried]
    if carried and not values:
        raise UserError(
            f"demonstrations carry {sorted(carried)}, the grid draws {sorted(attributes[names[0]].values)}",
            where=f"task.attributes.{names[0]}",
            remedy="give at least one carried value a positive weight",
        )
    return names[0], values or [""]


def stratify(pool: Sequence[Demonstration], attribute: str, values: Sequence[str]) -> list[list[int]]:
    """Rows of the pool for each value of the condition that demonstrations are chosen by (see `strata`)."""
    return [
        [row for row, shown in enumerate(pool) if not value or shown.conditions.get(attribute) == value]
        for value in values
    ]


def slips(
    pool: Sequence[Demonstration], templates: Iterable[str], possible: Mapping[str, Collection[str]]
) -> Iterator[str]:
    """What in a pool is allowed and yet may be a slip, one sentence each: prompts would show it without a word.

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
        if close := difflib.get_close_matches(name, possible, n=1, cutoff=0.7):
            yield f"demonstrations have the field {name!r}, which is no condition; did you mean {close[0]!r}?"
    for name, value in sorted(carried):
        if name in possible and set(value.split(", ")) - set(possible[name]) and value not in possible[name]:
            yield f"demonstrations have {name}={value!r}, which is never drawn"


def _conditions_of(template: str) -> set[str]:
    try:
        return names_used(template, "condition")
    except LookupError:
        return set()  # used as a whole


def shorten(demonstration: Demonstration, ends: Sequence[int], max_tokens: int) -> Demonstration:
    """Cuts a demonstration's document after `max_tokens` tokens; `ends` are the tokens' end offsets in it."""
    if len(ends) <= max_tokens:
        return demonstration
    return replace(demonstration, document=demonstration.document[: ends[max_tokens - 1]].rstrip() + " ...")
