"""Draws the conditions of samples, which conf/task/*.yaml declares.

In: what the attributes of a task can be drawn from, and keys, one per planned sample. Out: one or two columns of drawn
values per attribute. A draw comes from a hash of (run seed, passage, slot, attribute's name), so neither another
document nor another attribute moves it, and a value added to the end of a list moves only the samples that now draw it
(`engine/prompts/conditions/draws.py` says where that holds). The product of the attributes is never enumerated: three
lists of 1,500 words are as cheap as three of two.
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
"""The end of the name of a taxonomy's second column: `topic` has `topic_path` beside it."""

Columns = dict[str, Drawn]
"""The values of planned samples, by the name of the condition."""


@dataclass(frozen=True)
class RowKeys:
    """The keys that draws are made from, one per planned sample."""

    passages: Hashes
    """(n,) hashes of passage ids."""
    slots: Integers
    """(n,) how many earlier samples their passages have."""
    attempts: Integers
    """(n,) how many draws of the sample were refused before."""
    seed: int

    def of_attribute(self, name: str) -> Hashes:
        """The keys of the draws of one attribute, (n,)."""
        return mix(mix(self.passages, self.seed, text_hash(name), self.slots), 0, 0, self.attempts)

    def take(self, rows: Integers) -> RowKeys:
        """The keys of some of the samples, in the order in which their numbers are given."""
        return RowKeys(self.passages[rows], self.slots[rows], self.attempts[rows], self.seed)


class Attribute(Protocol):
    """A declared attribute, ready to draw."""

    @property
    def columns(self) -> Sequence[str]:
        """The names of its columns."""
        ...

    @property
    def pick(self) -> tuple[int, int] | None:
        """The smallest and the largest number of values that a sample gets; None where each gets one."""
        ...

    def draw(self, keys: Hashes, earlier: Columns) -> Columns:
        """Draws a value for each key.

        Args:
            keys: (n,) keys.
            earlier: the columns of the attributes that it depends on, for the same keys.

        Returns:
            The attribute's columns, (n,) values each.
        """
        ...

    def possible(self) -> list[list[str]]:
        """Lists for each column what it can hold; for a `pick` the values that it is joined from."""
        ...


@dataclass(frozen=True, eq=False)
class Listed:
    """An attribute that is drawn from a list, a file or a range, one value a sample or a subset of them."""

    columns: Sequence[str]
    choice: Choice
    pick: tuple[int, int] | None = None
    """The smallest and the largest number of values that a sample gets; None where each gets one."""

    def draw(self, keys: Hashes, earlier: Columns) -> Columns:  # noqa: ARG002  # depends on nothing
        """Draws a value, or a subset, for each key."""
        return {self.columns[0]: _draw(self.choice, self.pick, keys)}

    def possible(self) -> list[list[str]]:
        """Lists the values of the one column."""
        return [list(self.choice.values)]


@dataclass(frozen=True, eq=False)
class Tree:
    """An attribute that is drawn from a taxonomy, branch by branch down to a leaf."""

    columns: Sequence[str]
    """The column of the leaf, and that of the path to it."""
    nodes: Mapping[str, Choice]
    """The children of each inner node, by its path; the path of the root is empty."""
    leaves: Mapping[str, int]
    """The index of each leaf, by its path, which ends with the leaf itself."""
    texts: tuple[pa.Array, pa.Array]
    """The name of each leaf, and the path to it."""
    hashes: tuple[Hashes, Hashes]
    """The hashes of both texts."""

    @property
    def pick(self) -> None:
        """Returns None: a taxonomy has no `pick`, since each sample gets one leaf."""

    def draw(self, keys: Hashes, earlier: Columns) -> Columns:  # noqa: ARG002  # depends on nothing
        """Draws a leaf for each key; at every node each child is equally likely."""
        codes = np.zeros(len(keys), np.int64)
        waiting = [("", np.arange(len(keys)))]
        while waiting:
            path, rows = waiting.pop()
            if path in self.leaves:
                codes[rows] = self.leaves[path]
                continue
            children = self.nodes[path]
            drawn = children.indices(mix(keys[rows], 0, text_hash(path)))
            for index in np.unique(drawn):
                child = children.values[index]
                waiting.append((f"{path}/{child}" if path else child, rows[drawn == index]))
        return {
            name: Drawn(texts, codes, hashes)
            for name, texts, hashes in zip(self.columns, self.texts, self.hashes, strict=True)
        }

    def possible(self) -> list[list[str]]:
        """Lists the leaves, and the paths to them."""
        return [list(dict.fromkeys(texts.to_pylist())) for texts in self.texts]


@dataclass(frozen=True, eq=False)
class Dependent:
    """An attribute that is drawn from a list which another attribute's value chooses."""

    columns: Sequence[str]
    parent: str
    """The column whose value chooses the list."""
    by: Mapping[str, Choice]
    """The list that each value of the parent chooses."""
    default: Choice | None
    """The list for the other values; None where every value has its own."""
    pick: tuple[int, int] | None = None
    """The smallest and the largest number of values that a sample gets; None where each gets one."""

    def draw(self, keys: Hashes, earlier: Columns) -> Columns:
        """Draws a value, or a subset, for each key, from the list that its parent's value chooses."""
        parent = earlier[self.parent]
        choices = [self.by.get(value, self.default) for value in parent.texts.to_pylist()]
        drawn = Drawn(pa.array([], pa.string()), np.zeros(len(keys), np.int64), np.array([], np.uint64))
        for choice in dict.fromkeys(choices[code] for code in np.unique(parent.codes)):
            assert choice is not None, f"every value of {self.parent} was checked to have an entry"
            has_choice = np.array([other is choice for other in choices])
            rows = np.flatnonzero(has_choice[parent.codes])
            drawn = drawn.replaced(rows, _draw(choice, self.pick, keys[rows]))
        return {self.columns[0]: drawn}

    def possible(self) -> list[list[str]]:
        """Lists the values of all lists that may be chosen."""
        choices = [*self.by.values(), *([self.default] if self.default else [])]
        return [list(dict.fromkeys(value for choice in choices for value in choice.values))]


def _draw(choice: Choice, pick: tuple[int, int] | None, keys: Hashes) -> Drawn:
    return choice.draw_subset(keys, *pick) if pick else choice.draw(keys)


@dataclass(frozen=True, eq=False)
class Conditions:
    """All attributes of a task, ready to draw."""

    attributes: Mapping[str, Attribute]
    """The attributes in an order in which each comes after what it depends on."""
    names: Sequence[str]
    """The names of the columns, in the order of declaration."""
    stratum: str = ""
    """The attribute that demonstrations are chosen by."""

    def draw(self, keys: RowKeys) -> Columns:
        """Draws the conditions of samples.

        Args:
            keys: the keys of n samples.

        Returns:
            (n,) values for each column.
        """
        drawn: Columns = {}
        for name, attribute in self.attributes.items():
            drawn |= attribute.draw(keys.of_attribute(name), drawn)
        return {name: drawn[name] for name in self.names}

    def probe(self) -> dict[str, str]:
        """Draws one combination to try templates with, the same for all documents and seeds."""
        keys = RowKeys(np.zeros(1, np.uint64), np.zeros(1, np.int64), np.zeros(1, np.int64), 0)
        return {name: drawn.column()[0].as_py() for name, drawn in self.draw(keys).items()}

    def possible(self) -> dict[str, list[str]]:
        """Lists by column what it can hold; for a `pick` the values that it is joined from."""
        possible: dict[str, list[str]] = {}
        for attribute in self.attributes.values():
            possible |= zip(attribute.columns, attribute.possible(), strict=True)
        return possible

    def picks(self) -> set[str]:
        """Names the columns that hold several values, joined."""
        return {attribute.columns[0] for attribute in self.attributes.values() if attribute.pick}
