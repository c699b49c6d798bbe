"""`synthmill search RUN "question"`: what the system of a finished run finds, and why.

In: a run folder, a question, and what a person asks for beside it in the form of a run's own overrides:
`where.FIELD=VALUE` (only these passages), `boost.FIELD=...` (these first), `k=10`. Out: a table on the terminal, and on
stderr what is being loaded. What a condition and a boost may say is told in `engine/search/metadata.py`. Vectors and
the index of words were written before, so that only the question is encoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.system import SystemFolder
from engine.command_line.commands import place_of
from engine.command_line.twice import refuse_twice
from engine.errors import UserError
from engine.runtime.console import Console
from engine.search.analyser import Analyser
from engine.search.bm25 import Bm25Index
from engine.search.cross_encoder import CrossEncoderConfig
from engine.search.metadata import BOOST, WHERE, read_metadata
from engine.search.named_models import load_named_cross_encoder
from engine.search.order import rows_by_id
from engine.storage.run_folders import require
from engine.storage.store import is_done
from eval.page.explained import Asked, Reranker, Searches, Words, explained_table
from eval.page.side_by_side import encoders_of, find_hits, results_table
from eval.report import read_report
from eval.retrieval.corpus import Corpus, read_corpus
from eval.wording import ALL_SYSTEM_NAMES

if TYPE_CHECKING:
    from rich.table import Table

    from engine.runtime.place import Place

_K = "k"
_MOST_SHOWN = 100
"""The most passages that are shown: a fusion finds no more of each of its parts."""


@dataclass(frozen=True)
class SearchOptions:
    """What a person asks for."""

    run: Path
    question: str
    where: tuple[str, ...] = ()
    """Conditions that passages have to meet, such as `source=manual`."""
    boost: tuple[str, ...] = ()
    """What counts more, such as `date=newest`."""
    k: int = 5
    """The number of passages to show."""


def read_options(arguments: Sequence[str], usage: str) -> SearchOptions:
    """Reads what follows `synthmill search`.

    Args:
        arguments: as typed.
        usage: how the command is written, for messages.

    Raises:
        UserError: there is no run or no question, or what follows them is nothing that can be asked for.
    """
    if len(arguments) < 2:
        raise UserError(f"{len(arguments)} arguments, 2 or more wanted", where="search", remedy=f"write: {usage}")
    run, question, *settings = arguments
    if not question.strip():
        raise UserError("the question is empty", where="search", remedy='give one: synthmill search RUN "..."')
    refuse_twice([setting for setting in settings if setting.startswith(f"{_K}=")], sweeps=False)
    asked: dict[str, list[str]] = {WHERE: [], BOOST: [], _K: []}
    for setting in settings:
        kind, dot, written = setting.partition(".")
        name, _, value = setting.partition("=")
        if dot and kind in (WHERE, BOOST) and written.partition("=")[0]:
            asked[kind].append(written)
        elif name == _K and value.isascii() and value.isdecimal() and 1 <= int(value) <= _MOST_SHOWN:
            asked[_K].append(value)
        else:
            remedy = f"write where.FIELD=VALUE, boost.FIELD=newest or k=NUMBER, 1 to {_MOST_SHOWN}: {usage}"
            raise UserError("asks for nothing that a search has", where=setting, remedy=remedy)
    k = int(asked[_K][-1]) if asked[_K] else SearchOptions.k
    return SearchOptions(Path(run), question, tuple(asked[WHERE]), tuple(asked[BOOST]), k)


def search(options: SearchOptions) -> int:
    """Shows what the system of a run finds, and why; returns the exit code.

    Raises:
        UserError: it is no run, the run has no report yet, or a filter or a boost cannot be meant.
    """
    require(str(options.run), "documents", "model", "report")
    Console().show(search_run(options))
    return 0


def search_run(options: SearchOptions) -> Table:
    """Searches the passages of a finished run with its system; one without searches with its base and its tuned model.

    Args:
        options: a run with a report, a question, and how many passages of which kind are wanted.

    Returns:
        The best passages and why they are there, or those of both models side by side.

    Raises:
        UserError: a filter or a boost cannot be meant, or the run has no system that could go by them.
    """
    run_dir, question = options.run, options.question
    has_system = is_done(run_dir / "system")
    if (options.where or options.boost) and not has_system:
        remedy = "run it to its end (until=system), or leave filters and boosts out"
        raise UserError("has no system that could filter", where=f"run {run_dir}", remedy=remedy)
    metadata = read_metadata(DocumentsFolder(run_dir / "documents")) if has_system else None
    asked = Asked(metadata, options.where, options.boost) if metadata else Asked()
    asked.check()
    from eval.systems import dense_system

    encoders = zip(("base", "tuned"), encoders_of(run_dir), strict=True)
    documents, place = run_dir / "documents", place_of(run_dir)
    with place.console.waiting("search", "reading the passages"):
        corpus = read_corpus(documents)
    models = {name: dense_system(name, encoder, documents, place) for name, encoder in encoders}
    if not has_system:
        model = read_report(run_dir / "report").model
        return results_table(question, corpus, find_hits(list(models.values()), question, options.k), model)
    system = SystemFolder(run_dir / "system")
    settings = system.settings()
    model, other = ("tuned", "base") if settings["system"].startswith("tuned") else ("base", "tuned")
    with place.console.waiting("search", "loading the index of words"):
        words = _words(system, settings, corpus)
    searches = Searches(
        corpus,
        words,
        models[model],
        models[other],
        _reranker(system, settings, place),
        asked,
    )
    return explained_table(searches, question, options.k, _in_words(system, settings, asked))


def _words(system: SystemFolder, settings: dict[str, Any], corpus: Corpus) -> Words | None:
    """Loads search by words over the rows of the corpus; None where words do not count.

    Raises:
        UserError: an earlier version made the system, and had its rows in another order.
    """
    if "bm25" not in settings:
        return None
    if not system.offsets_file.exists():
        remedy = "give the command that made the run once more, which makes the system anew"
        raise UserError("was made by an earlier version", where=f"system {system.path}", remedy=remedy)
    terms_of = Analyser(settings["analyser"]["language"]).terms
    ids = [corpus.passage_ids[row] for row in rows_by_id(corpus.passage_ids)]  # the rows of a system folder
    index = Bm25Index.load(system.bm25, ids, terms_of).seen_as(corpus.ranks_of_ids)
    return Words(index, settings["weight_of_words"], terms_of)


def _reranker(system: SystemFolder, settings: dict[str, Any], place: Place) -> Reranker | None:
    """Loads the cross-encoder of a system; None where there is none."""
    if "reranker" not in settings:
        return None
    config = CrossEncoderConfig(str(system.reranker), settings["reranker"]["max_tokens"], key="system.reranker")
    return Reranker(load_named_cross_encoder(config, place), settings["reranker"]["depth"])


def _in_words(system: SystemFolder, settings: dict[str, Any], asked: Asked) -> str:
    """Says by which system was searched, and in which passages."""
    weight = settings["weight_of_words"]
    shown = f", weight of words {weight:.2f}" if 0 < weight < 1 else ""
    if "reranker" in settings:
        shown += f", first {settings['reranker']['depth']} reranked"
    by = f"{ALL_SYSTEM_NAMES[settings['system']]}{shown}, as in {system.path}"
    return "; ".join([by, *asked.in_words()])
