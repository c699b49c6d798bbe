"""The systems of a report that look up what a model answered about its queries, and their names.

In: base and BM25, and the finished samples folders with the answers. Out: further systems. Names say where the fake
generator computed the answers, so that no figure of it passes for one of a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.search.expanded import HypotheticalSystem, RewrittenSystem
from engine.search.fusion import FusedSystem, Part
from engine.search.reordered import ReorderedSystem
from engine.search.systems import DenseSystem, System
from eval.asking.answers import is_fake, read_scores, read_texts
from eval.asking.config import BY, EXPANDED, FAKE, FIRST, RERANKS, WITH, AskingConfig, SearchedAs

if TYPE_CHECKING:
    from engine.search.order import Rows
    from eval.retrieval.corpus import Corpus


def expansion_input(name: str) -> str:
    """Returns the name under which the report finds the texts of an expansion."""
    return f"expansion_{name}"


def first_stage(bm25: System, base: System, ranks_of_ids: Rows) -> FusedSystem:
    """Makes the system whose first passages a model is asked about."""
    return FusedSystem(FIRST, [Part(bm25, 0.5), Part(base, 0.5)], ranks_of_ids)


def asked_systems(
    config: AskingConfig, inputs: Mapping[str, Path], systems: Sequence[System], corpus: Corpus
) -> list[System]:
    """Makes the systems that the config asks for; none by default.

    Args:
        config: which.
        inputs: the folders of the report; those with answers stand there by `expansion_input` and `RERANKS`.
        systems: of the report, `bm25` and `base` among them.
        corpus: the passages that are searched.
    """
    named = {system.name: system for system in systems}
    base, ranks, made = named["base"], corpus.ranks_of_ids, list[System]()
    assert isinstance(base, DenseSystem), "the base is a bi-encoder"
    for expansion in config.expanded_by():
        folder, searched_as = inputs[expansion_input(expansion)], config.expansions[expansion].searched_as
        name = f"{EXPANDED}{expansion}{_marked(folder)}"
        texts_of = read_texts(folder, searched_as, name)
        is_passage = searched_as is SearchedAs.passage
        made.append(
            HypotheticalSystem(name, base, texts_of) if is_passage else RewrittenSystem(name, base, texts_of, ranks)
        )
    if config.rerank_by:
        assert config.reranked, "the pipeline says where the scores stand"
        first, folder = first_stage(named["bm25"], base, ranks), inputs[RERANKS]
        for relation, weight in ((BY, 1.0), (WITH, config.rerank_weight)):
            name = f"{FIRST}{relation}{config.rerank_by}{_marked(folder)}"
            scores_of = read_scores(folder, config.reranked, corpus.passage_ids, name)
            made.append(ReorderedSystem(name, first, scores_of, weight))
    return made


def is_asked(system: System) -> bool:
    """Tells whether a system looks answers up, so that nobody can tell how long one query takes it with its model."""
    return isinstance(system, RewrittenSystem | HypotheticalSystem | ReorderedSystem)


def describe_asked(name: str) -> str | None:
    """Puts the name of such a system into words; None for any other."""
    plain, fake = name.removesuffix(FAKE), " (fake generator)" if name.endswith(FAKE) else ""
    if plain.startswith(EXPANDED):
        return f"base + {plain.removeprefix(EXPANDED)}{fake}"
    first = "base + words, half each"
    for relation, words in ((BY, "in the order of"), (WITH, "with")):
        if plain.startswith(f"{FIRST}{relation}"):
            return f"{first}, {words} {plain.removeprefix(FIRST + relation)}{fake}"
    return None


def _marked(folder: Path) -> str:
    return FAKE if is_fake(folder) else ""
