"""Sums of systems as a person writes them: `bm25+base`, `30%bm25+70%base`.

In: a text. Out: the systems that it names, with their weights. Without weights systems are fused by reciprocal ranks,
with weights by standardised scores; see `engine/search/fusion.py`. The text is the name of the fused system too, in
tables, TREC runs and files.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from engine.errors import UserError, suggest
from engine.search.fusion import FusedSystem, Part, reciprocal, standardised
from engine.search.order import Rows
from engine.search.systems import System

SUM = "+"
"""What stands between the systems of a fusion."""
_TERM = re.compile(r"(?:(?P<percent>\d+(?:\.\d+)?)%)?(?P<system>[\w.-]+)")


@dataclass(frozen=True)
class Term:
    """A system in a sum; `percent` is its weight, None where the text gives none."""

    system: str
    percent: float | None

    def __str__(self) -> str:
        """Returns the term as it is written."""
        return self.system if self.percent is None else f"{self.percent:g}%{self.system}"


def parse_sum(text: str, known: Collection[str] | None, key: str) -> list[Term]:
    """Reads a sum of systems.

    Args:
        text: as it was written.
        known: the names of systems that there are; None: whatever it names.
        key: the config key, for messages.

    Raises:
        UserError: it is no sum of at least one system, names one twice or one that there is not, or gives weights to
            some of them only.
    """
    where = f"{key}={text}"
    matches = [_TERM.fullmatch(part.strip()) for part in text.split(SUM)]
    terms = [Term(match["system"], float(match["percent"]) if match["percent"] else None) for match in matches if match]
    if len(terms) < len(matches):
        raise UserError("is no sum of systems", where=where, remedy="write bm25+base, or 30%bm25+70%base")
    names = [term.system for term in terms]
    for name in names:
        if known is not None and name not in known:
            raise UserError(f"there is no system {name!r}", where=where, remedy=suggest(name, known))
    if len(set(names)) < len(names):
        remedy = "name each once, and give it a weight: 60%bm25+40%base"
        raise UserError("names a system twice", where=where, remedy=remedy)
    weights = [term.percent for term in terms if term.percent is not None]
    if weights and (len(weights) < len(terms) or not all(weights)):
        raise UserError("gives weights to some systems only", where=where, remedy="give each one above 0, or none")
    return terms


def half_words(system: str) -> str:
    """Returns the name of the fusion of a system with words, half and half."""
    return SUM.join(map(str, (Term("bm25", 50), Term(system, 50))))


def fused_system(text: str, systems: Mapping[str, System], ranks_of_ids: Rows, key: str) -> System:
    """Builds the fused system of a sum, which is named by it; of a single system it is that one.

    Args:
        text: the sum.
        systems: those that it may name.
        ranks_of_ids: the order of passages with equal scores.
        key: the config key, for messages.
    """
    terms = parse_sum(text, systems, key)
    if len(terms) == 1:
        return systems[terms[0].system]
    gains = reciprocal if terms[0].percent is None else standardised
    parts = [Part(systems[term.system], 1.0 if term.percent is None else term.percent / 100) for term in terms]
    return FusedSystem(SUM.join(map(str, terms)), parts, ranks_of_ids, gains)
