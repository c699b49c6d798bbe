"""Conditions: what samples are drawn under, as declared in conf/task/*.yaml, and the values that each sample gets.

In: `task.attributes`. Out: one or two columns of drawn values per attribute. A draw comes from a hash of (run seed,
passage, slot, attribute's name), so neither another document nor another attribute moves it, and a value added to
the end of a list moves only the samples that now draw it (`engine/prompts/conditions/draws.py` says where that holds). The product of
the attributes is never enumerated: three lists of 1,500 words are as cheap as three of two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from engine.prompts.conditions.draws import Choice, Drawn
from engine.text.hashes import Hashes, Integers, mix, text_hash

PATH_SUFFIX = "_path"
"""A taxonomy `topic` has a second column, `topic_path`."""


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
