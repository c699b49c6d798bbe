"""Conditions: what samples are drawn under, as declared in conf/task/*.yaml, and the values that each sample gets.

In: `task.attributes`. Out: one or two columns of drawn values per attribute. A draw comes from a hash of (run seed,
passage, slot, attribute's name), so neither another document nor another attribute moves it, and a value added to
the end of a list moves only the samples that now draw it (`engine/draws.py` says where that holds). The product of
the attributes is never enumerated: three lists of 1,500 words are as cheap as three of two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from engine.digests import content_digest
from engine.draws import Choice, Drawn, Hashes, Integers, mix, text_hash
from engine.identity import fields_of

DATA = Path(__file__).parent / "data"
PACKAGE_FILE = "package:"
PATH_SUFFIX = "_path"
"""A taxonomy `topic` has a second column, `topic_path`."""


@dataclass
class RangeConfig:
    """Numbers, both ends included, drawn evenly."""

    low: float
    high: float
    step: float = 1.0


@dataclass
class WrittenConfig:
    """Values that the generator writes in round 0, once, before anything is planned."""

    prompt: str = ""
    """Asks for a list, one item per line."""
    count: int = 20
    """Distinct values to keep: those that were written most often."""
    temperature: float = 0.9
    max_tokens: int = 160


@dataclass  # not frozen: OmegaConf cannot fill a read-only dataclass that is a value of a mapping
class AttributeConfig:
    """One condition that samples are drawn under: one of `values`, `file`, `range`, `taxonomy`, `depends_on`."""

    values: Any = None  # not {}: OmegaConf lets no list take the place of a mapping
    """A list, or a mapping value -> weight; weights are relative, so shares are weights."""
    from_demonstrations: bool = False
    """Only values that demonstrations carry are drawn, and a sample is shown demonstrations of its own value;
    where no demonstration carries one, the condition is the empty string."""
    file: str = ""
    """A word list: one value per line, `#` comments, a weight after a tab; `package:words/nouns.txt` ships."""
    range: RangeConfig | None = None
    """`{low: 1, high: 10}`, with `step: 0.5` for fractions."""
    written: WrittenConfig | None = None
    """`{prompt: "...", count: 20}`: values that the generator writes itself."""
    taxonomy: Any = None
    """A tree, as nested mappings with lists at the ends, drawn branch by branch, each level evenly. The value is the
    leaf; `NAME_path` is the way to it, as in `science/physics`."""
    depends_on: str = ""
    """The attribute whose value decides what this one is drawn from."""
    by: Any = None
    """For `depends_on`: its value -> a list or a mapping with weights; `values` are the default."""
    pick: Any = 0
    """With `values` or `file`: a random subset of this size, or of `[MIN, MAX]`, joined in the listed order."""

    def __post_init__(self) -> None:
        # Whatever is wrong with the values is refused by `make_conditions`, which knows the attribute's name.
        self.values, self.by = ({} if raw is None else raw for raw in (self.values, self.by))
        if isinstance(self.values, Sequence) and not isinstance(self.values, str):
            texts = [_plain(value) for value in self.values]
            if len(set(texts)) == len(texts) and None not in texts:
                self.values = dict.fromkeys(texts, 1.0)
        if isinstance(self.range, Mapping):  # as stored in task.json
            self.range = RangeConfig(**self.range)
        if isinstance(self.written, Mapping):
            self.written = WrittenConfig(**self.written)

    def identity(self) -> dict[str, object]:
        """The content of a word list in place of its path."""
        return fields_of(self) | ({"file": content_digest(word_file(self.file))} if self.file else {})


@dataclass(frozen=True)
class Rows:
    """Planned samples, as what their draws come from."""

    passages: Hashes  # (n,) hashes of passage ids
    slots: Integers  # (n,) how many earlier samples their passages have
    attempts: Integers  # (n,) how many draws were refused before
    seed: int

    def keys(self, name: str) -> Hashes:
        """(n,) keys of the draws of one attribute."""
        return mix(mix(self.passages, self.seed, text_hash(name), self.slots), 0, 0, self.attempts)

    def take(self, rows: Integers) -> Rows:
        """Some of the rows."""
        return Rows(self.passages[rows], self.slots[rows], self.attempts[rows], self.seed)


Columns = dict[str, Drawn]


class Attribute(Protocol):
    """A declared attribute, ready to draw."""

    @property
    def columns(self) -> Sequence[str]:
        """Names of its columns."""
        ...

    def draw(self, keys: Hashes, earlier: Columns) -> Columns:
        """Its columns for these keys; `earlier` holds those of the attributes that it depends on."""
        ...

    def possible(self) -> list[list[str]]:
        """For each column what it can hold; of a `pick` the values that it is joined from."""
        ...


@dataclass(frozen=True, eq=False)
class Listed:
    """Values of a list, a file or a range; or subsets of them."""

    columns: Sequence[str]
    choice: Choice
    pick: tuple[int, int] | None = None

    def draw(self, keys: Hashes, earlier: Columns) -> Columns:  # noqa: ARG002  # depends on nothing
        """See Attribute."""
        return {self.columns[0]: draw_one(self.choice, self.pick, keys)}

    def possible(self) -> list[list[str]]:
        """See Attribute."""
        return [list(self.choice.values)]


@dataclass(frozen=True, eq=False)
class Tree:
    """Leaves of a taxonomy."""

    columns: Sequence[str]
    nodes: Mapping[str, Choice]  # path of an inner node -> its children; "" is the root
    leaves: Mapping[str, int]  # path of a leaf -> its index
    texts: tuple[pa.Array, pa.Array]  # per leaf: its name, the path to it
    hashes: tuple[Hashes, Hashes]

    def draw(self, keys: Hashes, earlier: Columns) -> Columns:  # noqa: ARG002  # depends on nothing
        """See Attribute."""
        codes = np.zeros(len(keys), np.int64)
        waiting = [("", np.arange(len(keys)))]
        while waiting:
            path, rows = waiting.pop()
            if path in self.leaves:
                codes[rows] = self.leaves[path]
                continue
            children = self.nodes[path]
            drawn = children.indices(mix(keys[rows], 0, text_hash(path)))
            taken = [(children.values[child], rows[drawn == child]) for child in np.unique(drawn)]
            waiting += [(f"{path}/{child}" if path else child, own) for child, own in taken]
        return {
            name: Drawn(texts, codes, hashes)
            for name, texts, hashes in zip(self.columns, self.texts, self.hashes, strict=True)
        }

    def possible(self) -> list[list[str]]:
        """See Attribute."""
        return [list(dict.fromkeys(texts.to_pylist())) for texts in self.texts]


@dataclass(frozen=True, eq=False)
class Dependent:
    """Values from a list that another attribute's value chooses."""

    columns: Sequence[str]
    parent: str
    by: Mapping[str, Choice]
    default: Choice | None
    pick: tuple[int, int] | None = None

    def draw(self, keys: Hashes, earlier: Columns) -> Columns:
        """See Attribute."""
        parent = earlier[self.parent]
        known = parent.texts.to_pylist()
        choices = [self.by.get(value, self.default) for value in known]
        whole = Drawn(pa.array([], pa.string()), np.zeros(len(keys), np.int64), np.array([], np.uint64))
        for choice in dict.fromkeys(choices[code] for code in np.unique(parent.codes)):
            assert choice is not None, f"every value of {self.parent} was checked to have an entry"
            mine = np.array([other is choice for other in choices])
            rows = np.flatnonzero(mine[parent.codes])
            whole = whole.replaced(rows, draw_one(choice, self.pick, keys[rows]))
        return {self.columns[0]: whole}

    def possible(self) -> list[list[str]]:
        """See Attribute."""
        choices = [*self.by.values(), *([self.default] if self.default else [])]
        return [list(dict.fromkeys(value for choice in choices for value in choice.values))]


def draw_one(choice: Choice, pick: tuple[int, int] | None, keys: Hashes) -> Drawn:
    """A value, or a subset, for each key."""
    return choice.draw_subset(keys, *pick) if pick else choice.draw(keys)


@dataclass(frozen=True, eq=False)
class Conditions:
    """All attributes of a task, ready to draw."""

    attributes: Mapping[str, Attribute]  # in an order in which each comes after what it depends on
    names: Sequence[str]  # columns, in the order of declaration
    stratum: str = ""
    """The attribute that demonstrations are chosen by."""

    def draw(self, rows: Rows) -> Columns:
        """The conditions of these samples, by name."""
        drawn: Columns = {}
        for name, attribute in self.attributes.items():
            drawn |= attribute.draw(rows.keys(name), drawn)
        return {name: drawn[name] for name in self.names}

    def probe(self) -> dict[str, str]:
        """One combination to try templates with: the same for all documents and seeds."""
        rows = Rows(np.zeros(1, np.uint64), np.zeros(1, np.int64), np.zeros(1, np.int64), 0)
        return {name: drawn.column()[0].as_py() for name, drawn in self.draw(rows).items()}

    def possible(self) -> dict[str, list[str]]:
        """What each column can hold; of a `pick` the values that it is joined from."""
        columns = [zip(one.columns, one.possible(), strict=True) for one in self.attributes.values()]
        return dict(pair for pairs in columns for pair in pairs)

    def picks(self) -> set[str]:
        """The columns that hold several values, joined."""
        return {one.columns[0] for one in self.attributes.values() if getattr(one, "pick", None)}


def word_file(name: str) -> Path:
    """The path of a word list; `package:words/nouns.txt` is a list that ships."""
    packaged = name.startswith(PACKAGE_FILE)
    return DATA / name.removeprefix(PACKAGE_FILE) if packaged else Path(name).expanduser()


def _plain(value: object) -> str | None:
    """A YAML value as text; None for what is not written as it is read (`yes` is a truth value, `~` nothing)."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
