"""Demonstrations: worked (document, query) examples that the model imitates, and the seeded sets that prompts show.

In: a JSONL file, judged queries of the collection, or the built-in general pool. Out: a pool, and ordered sets
drawn from it. All prompts of one set share their first tokens, so a set is computed once by each engine; the
number of sets trades that speed against variety.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from omegaconf import II

from engine.conditions import AttributeConfig
from engine.digests import content_digest
from engine.encoder import EncoderConfig
from engine.errors import UserError
from engine.identity import digest, fields_of
from engine.lines import read_objects
from engine.task import Demonstration
from engine.templates import names_used


class Selection(Enum):
    """How a prompt's demonstrations are chosen."""

    random = "random"
    """Seeded random sets."""
    diverse = "diverse"
    """Sets spread out over the pool: each next one is farthest from those chosen."""
    nearest = "nearest"
    """Those whose documents are most like the passage; more prefixes, so fewer cache hits."""


BUNDLED = {
    f"bundled:{name}": Path(__file__).parent / "data" / f"{name}_demonstrations.jsonl" for name in ("general", "python")
}
"""Pools that ship, each passage with a question and a keyword query, written for this project: everyday subjects,
and Python's own documentation."""


@dataclass(frozen=True)
class DemonstrationsConfig:
    """Where demonstrations come from and how many a prompt shows."""

    path: str = ""
    """JSONL with `document`, `query` and, where there is one, `title` of the document; further string fields are
    condition values. `bundled:general` and `bundled:python` ship; empty is `bundled:general`."""
    from_qrels: int = 0
    """Take this many judged queries of the collection instead; they are left out of the evaluation."""
    complete: bool = True
    """Judged queries do not say what form they have: they are shown for the first value of the condition that chooses
    demonstrations (questions), and the general set shows the others (keywords). false: judged queries alone."""
    self_instruct: int = 0
    """Have the generator write this many in round 0 instead: zero-shot samples that pass the row filters."""
    collection: str = II("collection")
    select: Selection = Selection.random
    per_prompt: int = 3
    """Demonstrations in each prompt; fewer where the pool holds fewer."""
    min_per_prompt: int = 0
    """With a value, each set shows a random number from this to `per_prompt`."""
    num_sets: int = 8
    """Sets drawn for each value of a condition that comes from demonstrations. More of them make samples more varied,
    and each costs its prefix once: at ten samples a set no variety was lost (benchmarks/RESULTS.md)."""
    max_document_tokens: int = 160
    """Longer documents of demonstrations are cut, at the tokens of the generator's tokenizer."""
    cache_block: int = 128
    """A set's longest documents are cut so that its prefix fills whole blocks of the KV cache (engine/prefix_fit.py):
    128 tokens on CPU, and so whole ones of 16 on GPU; 1 cuts nothing."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """Measures likeness, for `diverse` and `nearest`."""
    seed: int = II("seed")

    def __post_init__(self) -> None:
        if self.min_per_prompt > self.per_prompt:
            raise UserError(
                f"{self.min_per_prompt} is more than per_prompt={self.per_prompt}",
                place="demonstrations.min_per_prompt",
                remedy=f"set it to at most {self.per_prompt}",
            )
        sources = {"path": self.path, "from_qrels": self.from_qrels, "self_instruct": self.self_instruct}
        given = [f"demonstrations.{name}" for name, value in sources.items() if value]
        if len(given) > 1:
            raise UserError(
                f"two sources of demonstrations: {given[0]}={sources[given[0].partition('.')[2]]} and {given[1]}",
                place=given[1],
                remedy=f"set only one of {' and '.join(given)}",
            )
        for name, least in (
            ("from_qrels", 0),
            ("min_per_prompt", 0),
            ("per_prompt", 1),
            ("num_sets", 1),
            ("max_document_tokens", 1),
            ("cache_block", 1),
        ):
            value = getattr(self, name)
            if value < least:
                raise UserError(
                    f"{value} is too small", place=f"demonstrations.{name}", remedy=f"set it to {least} or more"
                )

    def identity(self) -> dict[str, object]:
        """The content of the source in place of its path."""
        unused = ["encoder"] if self.select is Selection.random else []
        own = fields_of(self, without=unused) | {"path": content_digest(self._file()), "collection": ""}
        if self.from_qrels:
            folder = Path(self.collection).expanduser()
            own["collection"] = [
                content_digest(folder / name) for name in ("queries.jsonl", "qrels") if (folder / name).exists()
            ]
        return own

    def _file(self) -> Path:
        name = self.path or "bundled:general"
        file = BUNDLED.get(name, Path(name).expanduser())
        if not file.is_file():
            raise UserError(
                f"no such file: {self.path}",
                place="demonstrations.path",
                remedy=f"name a JSONL file of rows with `document` and `query`, or one of {', '.join(BUNDLED)}",
            )
        return file


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
            "holds no demonstration", place=str(file), remedy="add rows, or leave demonstrations.path empty"
        )


def _checked(row: Mapping[str, object], place: str, needed: Sequence[str]) -> dict[str, str]:
    remedy = f"write one JSON object per line: {json.dumps(dict.fromkeys(needed, '...'))}"
    for name in needed:
        value = row.get(name)
        if not isinstance(value, str) or not value.strip():
            raise UserError(f"the row has no text in {name!r}", place=place, remedy=remedy)
    for name, value in row.items():
        if isinstance(value, list | dict):
            raise UserError(f"{name!r} holds a JSON {type(value).__name__}, not text", place=place, remedy=remedy)
        if not _is_encodable(str(value)):
            raise UserError(f"{name!r} holds half a surrogate pair", place=place, remedy="write whole characters")
    return {name: str(value) for name, value in row.items() if value is not None}


def _is_encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _from_judgements(config: DemonstrationsConfig, documents: Mapping[str, Titled]) -> list[Demonstration]:
    from engine.collection import list_splits, read_qrels, read_queries

    folder = Path(config.collection).expanduser()
    if not config.collection or not (folder / "queries.jsonl").exists():
        raise UserError(
            f"{config.from_qrels} judged queries wanted, but there is no collection with queries",
            place="demonstrations.from_qrels",
            remedy="set collection to a folder with queries.jsonl and qrels/, or set demonstrations.from_qrels=0",
        )
    queries = read_queries(folder)
    qrels = {query: judged for split in list_splits(folder) for query, judged in read_qrels(folder, split).items()}
    usable = {query: best for query, judged in qrels.items() if query in queries and (best := _best(judged, documents))}
    if len(usable) < config.from_qrels:
        raise UserError(
            f"only {len(usable)} judged queries have a relevant document",
            place=f"demonstrations.from_qrels={config.from_qrels}",
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
            place=f"task.attributes.{names[1]}.from_demonstrations",
            remedy="set it to false for all but one",
        )
    carried = {demonstration.conditions.get(names[0], "") for demonstration in pool} - {""}
    values = [value for value, weight in attributes[names[0]].values.items() if weight > 0 and value in carried]
    if carried and not values:
        raise UserError(
            f"demonstrations carry {sorted(carried)}, the grid draws {sorted(attributes[names[0]].values)}",
            place=f"task.attributes.{names[0]}",
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
